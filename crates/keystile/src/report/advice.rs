//! What to do about a finding, in one sentence, and what is said of it everywhere.

use super::view::{FindingView, PlaceKind};

/// What to do, by where it stands.
pub(super) fn what_to_do(finding: &FindingView) -> &'static str {
    let is = |kind: PlaceKind| finding.occurrences.iter().any(|place| place.kind == kind);
    let is_kept = is(PlaceKind::Commit)
        || is(PlaceKind::CommitMessage)
        || is(PlaceKind::TagMessage)
        || is(PlaceKind::Unreachable);
    match (is_kept, finding.in_head) {
        (true, Some(true)) => {
            "revoke or rotate it first, then take it out of the file: whoever has a clone can read it in the history"
        }
        (true, _) if is(PlaceKind::Index) || is(PlaceKind::WorkTree) => {
            "revoke or rotate it, and take it out of what is to be committed: whoever has a clone can read it in the history"
        }
        (true, Some(false)) => "revoke or rotate it: HEAD no longer has it, but whoever has a clone can read it",
        (true, None) => "revoke or rotate it: whoever has a clone can read it",
        (false, _) if is(PlaceKind::Index) => {
            "not committed yet: take it out, stage the file again, and keep the value where secrets belong"
        }
        (false, _) if is(PlaceKind::WorkTree) => {
            "not committed yet: take it out, and keep the value where secrets belong"
        }
        (false, _) => "take it out, and revoke or rotate it if anyone else could read this",
    }
}

/// The same as a sentence, with what the rule adds.
pub(super) fn sentence(finding: &FindingView) -> String {
    let advice = what_to_do(finding);
    let mut sentence = advice[..1].to_uppercase() + &advice[1..] + ".";
    if let Some(remedy) = &finding.remedy {
        sentence.push(' ');
        sentence.push_str(remedy);
    }
    sentence
}

/// `A GitHub personal access token`: the rule's sentence without its full stop, or its id.
pub(super) fn title(finding: &FindingView) -> &str {
    if finding.description.is_empty() { &finding.rule_id } else { finding.description.trim_end_matches('.') }
}

/// `in HEAD`, `in history only`, `not committed`, or nothing that is known.
pub(super) fn state(finding: &FindingView) -> &'static str {
    let is_kept = finding.occurrences.iter().any(|place| {
        matches!(
            place.kind,
            PlaceKind::Commit | PlaceKind::CommitMessage | PlaceKind::TagMessage | PlaceKind::Unreachable
        )
    });
    match (finding.in_head, is_kept) {
        (Some(true), _) => "in HEAD",
        (Some(false), true)
            if finding.occurrences.iter().any(|place| matches!(place.kind, PlaceKind::Index | PlaceKind::WorkTree)) =>
        {
            "not in HEAD"
        }
        (Some(false), true) => "in history only",
        (Some(false), false) => "not committed",
        (None, _) => "",
    }
}
