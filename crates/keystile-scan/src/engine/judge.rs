//! Which matches of a content are findings where it lies.

use std::collections::HashMap;
use std::sync::Arc;

use bstr::BStr;

use super::allowlist::PlaceRuling;
use super::program::Lazy;
use super::{AllowlistRef, Match, Place, Scanner, Verdict};
use crate::entropy;
use crate::fingerprint::Fingerprint;
use crate::position::{Position, Span};
use crate::secret::SecretBytes;

/// One verdict for each of `matches`, which are all of one content.
///
/// An expression on the path that can't be compiled excuses nothing: a finding too many is seen, one too
/// few is not ([`Scanner::check_all`] names it).
pub(super) fn judge(scanner: &Scanner, matches: &[Arc<Match>], place: Place<'_>) -> Vec<Verdict> {
    if matches.is_empty() {
        return Vec::new();
    }
    match scanner.programs.global.rule_on_place(place).unwrap_or(PlaceRuling::No) {
        PlaceRuling::ByPath => return vec![Verdict::PathAllowed; matches.len()],
        PlaceRuling::ByCommit => return vec![Verdict::Allowed; matches.len()],
        PlaceRuling::No => {}
    }
    let mut verdicts = Vec::with_capacity(matches.len());
    let mut of_rule: Option<(usize, Option<Verdict>)> = None;
    for found in matches {
        let by_rule = match of_rule {
            Some((rule, verdict)) if rule == found.rule => verdict,
            _ => judge_rule(scanner, found.rule, place),
        };
        of_rule = Some((found.rule, by_rule));
        verdicts.push(by_rule.unwrap_or_else(|| judge_match(scanner, found, place)));
    }
    supersede(scanner, matches, &mut verdicts);
    verdicts
}

/// Whether a global allowlist excuses everything at `path`.
pub(super) fn excuses_path(scanner: &Scanner, path: &BStr) -> bool {
    let ruling = scanner.programs.global.rule_on_place(Place { path, commit: "" });
    ruling.is_ok_and(|ruling| ruling == PlaceRuling::ByPath)
}

/// What holds for all matches of a rule at a place, if anything does.
fn judge_rule(scanner: &Scanner, rule: usize, place: Place<'_>) -> Option<Verdict> {
    let program = scanner.programs.rules[rule].as_ref()?;
    if program.exceptions.excuse_place(place).unwrap_or(false) {
        return Some(Verdict::Allowed);
    }
    let covered = program.path.as_ref().is_none_or(|path| path_matches(path, place));
    (!covered).then_some(Verdict::PathNotCovered)
}

fn path_matches(path: &Lazy, place: Place<'_>) -> bool {
    path.get().map_or(true, |regex| regex.is_match(place.path))
}

fn judge_match(scanner: &Scanner, found: &Match, place: Place<'_>) -> Verdict {
    if is_excused(scanner, found, place) {
        return Verdict::Allowed;
    }
    // A composite rule needs one match of each rule it requires that holds at this place, too.
    let required = &scanner.rules.rules[found.rule].required;
    let complete = required.iter().all(|required| {
        found.required.iter().any(|other| {
            scanner.rules.rules[other.rule].id == required.id
                && judge_rule(scanner, other.rule, place).is_none()
                && !is_excused(scanner, other, place)
        })
    });
    if complete { Verdict::Finding } else { Verdict::Allowed }
}

/// Whether one of the allowlists that the scan left open excuses the match at this place.
fn is_excused(scanner: &Scanner, found: &Match, place: Place<'_>) -> bool {
    let own = scanner.programs.rules[found.rule].as_ref().map(|program| &program.exceptions);
    found.open_allowlists.iter().any(|open| match *open {
        AllowlistRef::Global(index) => scanner.programs.global.holds_at(index, place).unwrap_or(false),
        AllowlistRef::Rule(index) => own.is_some_and(|own| own.holds_at(index, place).unwrap_or(false)),
    })
}

/// gitleaks' `filter`: a rule with `generic` in its id gives way to another rule's finding that starts on
/// the same line and whose secret contains its own. Beyond gitleaks, the generic finding may start on any
/// line of the other: a manifest's `kind: Secret` and the `password:` in it are lines apart.
fn supersede(scanner: &Scanner, matches: &[Arc<Match>], verdicts: &mut [Verdict]) {
    let mut generic = Vec::new();
    let mut on_line: HashMap<u32, Vec<&Match>> = HashMap::new();
    let mut on_lines: Vec<&Match> = Vec::new();
    for (index, found) in matches.iter().enumerate() {
        if verdicts[index] != Verdict::Finding {
            continue;
        }
        if is_generic(scanner, found) {
            generic.push(index);
        } else if scanner.options.strict || found.start.line == found.end.line {
            on_line.entry(found.start.line).or_default().push(found);
        } else {
            on_lines.push(found);
        }
    }
    for index in generic {
        let found = &matches[index];
        let line = found.start.line;
        let near = on_lines.iter().filter(|other| other.start.line <= line && line <= other.end.line);
        let mut others = on_line.get(&line).into_iter().flatten().chain(near);
        if others.any(|other| memchr::memmem::find(other.secret.reveal(), found.secret.reveal()).is_some()) {
            verdicts[index] = Verdict::Superseded;
        }
    }
}

fn is_generic(scanner: &Scanner, found: &Match) -> bool {
    scanner.rule(found).id.as_str().to_ascii_lowercase().contains("generic")
}

/// The rules that look at paths alone.
pub(super) fn judge_path(scanner: &Scanner, place: Place<'_>) -> Vec<Match> {
    if scanner.programs.path_rules.is_empty() || scanner.programs.global.excuse_path(place).unwrap_or(false) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for rule in &scanner.programs.path_rules {
        if !path_matches(&rule.path, place) || rule.exceptions.excuse_path(place).unwrap_or(false) {
            continue;
        }
        let id = scanner.rules.rules[rule.rule].id.as_str();
        let matched = [b"file detected: ".as_slice(), place.path].concat();
        let mut whole = Match::new(
            rule.rule,
            // There is no secret; the path is what tells one such finding from another.
            Fingerprint::new(&scanner.options.salt, id, place.path),
            SecretBytes::new(b""),
        );
        whole.matched = SecretBytes::new(&matched);
        whole.entropy = entropy::shannon(b"");
        whole.span = Span::new(0, 0);
        (whole.start, whole.end) = (Position::default(), Position::default());
        found.push(whole);
    }
    found
}
