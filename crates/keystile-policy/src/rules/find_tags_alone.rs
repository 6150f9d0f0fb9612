//! A search by tags alone.

use super::Rule;
use crate::contain::find::{FindVerdict, about};
use crate::context::{Context, Resolved};
use crate::judgement::Action;
use crate::kind::Kind;
use crate::policy::Access;
use crate::subject::Names;
use crate::violation::Violation;
use crate::world::Lookup;

/// See the rule's texts.
pub static FIND_TAGS_ALONE: Rule = Rule {
    id: "find-tags-alone",
    summary: "A search is bounded by tags and nothing else.",
    why: "Whoever may tag a secret chooses who reads it. Secrets Manager compares tags by prefix, and key and value need not belong to one tag.",
    example: "spec:\n  dataFrom:\n  - find: {tags: {team: team-a}}",
    instead: "Set `find.path` to the team's prefix with its slash, and keep the tags to choose among what lies below.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Filter.html"],
    default_action: Action::Deny,
    kinds: &[Kind::ExternalSecret, Kind::ClusterExternalSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    for resolved in &context.resolved {
        if !matches!(resolved.reference.names, Names::Find { .. }) {
            continue;
        }
        let broken = match context.find(resolved) {
            FindVerdict::WayOut { by_tags: true, .. } => Some((
                resolved.reference.path.field("tags"),
                "tags alone don't bound a search: whatever anybody tags so is read".to_owned(),
                format!("set find.path too{}", granted(context, resolved)),
            )),
            _ => None,
        };
        if let Some((path, message, cure)) = broken {
            out.push(Violation::new(&FIND_TAGS_ALONE, path, about(resolved), message).cure(cure));
        }
    }
}

/// The granted names, as a cure ends.
fn granted(context: &Context<'_>, resolved: &Resolved<'_>) -> String {
    let Lookup::Found(store) = &resolved.store else { return String::new() };
    match context.grants_shown(store, Access::Read).as_slice() {
        [] => "; nothing is granted here".to_owned(),
        grants => format!("; granted is {}", grants.join(", ")),
    }
}
