//! A search that finds names outside of the grants.

use super::Rule;
use crate::contain::find::{FindVerdict, about};
use crate::context::{Context, Resolved};
use crate::judgement::Action;
use crate::kind::Kind;
use crate::policy::Access;
use crate::shown::Shown;
use crate::subject::Names;
use crate::violation::Violation;
use crate::world::Lookup;

/// See the rule's texts.
pub static FIND_UNBOUNDED: Rule = Rule {
    id: "find-unbounded",
    summary: "A search can find a name that no grant of its namespace covers.",
    why: "An expression matches anywhere in a name unless it is anchored, a path is a mere prefix to Secrets Manager, and a store's prefix does not count for searches.",
    example: "spec:\n  dataFrom:\n  - find: {path: /prod/team-a, name: {regexp: \".*\"}}   # finds /prod/team-ab/… too",
    instead: "Set `find.path` to the team's prefix with its slash, or anchor every branch of the expression: `^/prod/team-a/`.",
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
            FindVerdict::WayOut { name, by_tags: false } => Some((
                resolved.reference.path.clone(),
                format!("the search also finds {}, for example, which is not granted", Shown(name)),
                format!("set find.path to the granted prefix with its slash{}", granted(context, resolved)),
            )),
            _ => None,
        };
        if let Some((path, message, cure)) = broken {
            out.push(Violation::new(&FIND_UNBOUNDED, path, about(resolved), message).cure(cure));
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
