//! The operator's own notes about a generator, written by somebody else.

use super::Rule;
use crate::context::Context;
use crate::field_path::Path;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::request::Door;
use crate::violation::Violation;

/// See the rule's texts.
pub static GENERATOR_STATE_FORGED: Rule = Rule {
    id: "generator-state-forged",
    summary: "A GeneratorState is written by somebody else than the operator.",
    why: "It holds a whole generator and what it made, and the operator cleans up by it, with its own hands: who forges one lets the operator run a generator that no rule has seen.",
    example: "apiVersion: generators.external-secrets.io/v1alpha1\nkind: GeneratorState\nspec: {resource: …, state: …}",
    instead: "Leave it to the operator, whose service account stands in `push.statusWriters`.",
    references: &["https://external-secrets.io/latest/api/generator/"],
    default_action: Action::Deny,
    kinds: &[Kind::Generator],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    if context.request.kind != "GeneratorState" || !context.is_asked_for() {
        return;
    }
    let user = context.request.user.and_then(|user| user.name.strip_prefix("system:serviceaccount:"));
    let account = user.map(|name| name.replacen(':', "/", 1));
    let is_operator = context.request.door == Door::Admission
        && account
            .is_some_and(|account| context.policy.status_writers.allows(context.env(), |writer| *writer == account));
    if !is_operator {
        out.push(
            Violation::new(
                &GENERATOR_STATE_FORGED,
                Path::of(&["kind"]),
                "GeneratorState",
                "only the operator writes a GeneratorState",
            )
            .cure("leave it to the operator; its service account is named in push.statusWriters"),
        );
    }
}
