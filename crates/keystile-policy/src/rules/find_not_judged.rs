//! A search in a provider whose search can't be judged.

use super::Rule;
use crate::contain::find::{FindVerdict, about};
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::subject::Names;
use crate::violation::Violation;

/// See the rule's texts.
pub static FIND_NOT_JUDGED: Rule = Rule {
    id: "find-not-judged",
    summary: "A search goes to a provider other than AWS.",
    why: "What a provider's search finds depends on filters of its own; without knowing them nothing can be said about what is read.",
    example: "spec:\n  secretStoreRef: {kind: ClusterSecretStore, name: vault}\n  dataFrom:\n  - find: {name: {regexp: \"^prod/team-a/\"}}",
    instead: "Name each secret in `data` or `dataFrom[].extract`.",
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
            FindVerdict::NotJudged(provider) => Some((
                resolved.reference.path.clone(),
                format!("what a search in {provider} finds can't be judged"),
                "name each secret, in data or dataFrom[].extract".to_owned(),
            )),
            _ => None,
        };
        if let Some((path, message, cure)) = broken {
            out.push(Violation::new(&FIND_NOT_JUDGED, path, about(resolved), message).cure(cure));
        }
    }
}
