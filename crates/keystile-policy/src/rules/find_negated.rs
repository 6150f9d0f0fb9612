//! A filter of a search that begins with `!`.

use super::Rule;
use crate::contain::find::{FindVerdict, about};
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::subject::Names;
use crate::violation::Violation;

/// See the rule's texts.
pub static FIND_NEGATED: Rule = Rule {
    id: "find-negated",
    summary: "A search has a filter that AWS negates: it finds everything but what is written.",
    why: "`!/prod/team-a/` is everybody else's secrets. The operator hands the filter on as it is.",
    example: "spec:\n  dataFrom:\n  - find: {path: \"!/prod/team-a/\", name: {regexp: \".*\"}}",
    instead: "Write a path that the search is to stay below.",
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
            FindVerdict::Negated(field, text) => Some((
                resolved.reference.path.field(field),
                format!("{} begins with !, which AWS takes for everything else", Shown(text)),
                "say what is to be found, not what isn't".to_owned(),
            )),
            _ => None,
        };
        if let Some((path, message, cure)) = broken {
            out.push(Violation::new(&FIND_NEGATED, path, about(resolved), message).cure(cure));
        }
    }
}
