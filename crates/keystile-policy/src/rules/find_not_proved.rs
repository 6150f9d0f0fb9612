//! A search by an expression of which nothing could be proved.

use super::Rule;
use crate::contain::find::{FindVerdict, about};
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::subject::Names;
use crate::violation::Violation;

/// See the rule's texts.
pub static FIND_NOT_PROVED: Rule = Rule {
    id: "find-not-proved",
    summary: "A search has an expression that can't be read, or is too large to prove that it stays inside of the grants.",
    why: "An expression that nobody can follow finds what nobody expects; and following any that a tenant writes could stall the webhook.",
    example: "spec:\n  dataFrom:\n  - find: {name: {regexp: \"(a{1000}){1000}\"}}",
    instead: "Set `find.path` to the team's prefix with its slash; the expression then doesn't matter.",
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
            FindVerdict::NotProved(why) => Some((
                resolved.reference.path.fields(&["name", "regexp"]),
                format!("the expression can't be proved to stay inside of what is granted: {why}"),
                "set find.path to the granted prefix with its slash".to_owned(),
            )),
            _ => None,
        };
        if let Some((path, message, cure)) = broken {
            out.push(Violation::new(&FIND_NOT_PROVED, path, about(resolved), message).cure(cure));
        }
    }
}
