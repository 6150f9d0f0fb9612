//! A Namespace whose binding labels have a value that binds nothing.

use super::Rule;
use crate::binding::UnboundFault;
use crate::context::Context;
use crate::field_path::Path;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::violation::Violation;

/// See the rule's texts.
pub static BINDING_VALUE_UNUSABLE: Rule = Rule {
    id: "binding-value-unusable",
    summary: "A Namespace has a binding label whose value is reserved, malformed or no environment.",
    why: "Such a namespace is nobody's: what points at secrets there is refused. A reserved team is reserved because names use it for something else.",
    example: "apiVersion: v1\nkind: Namespace\nmetadata: {name: team-a-jobs, labels: {team: team-a, env: production}}   # the environment is called prod",
    instead: "Use a team that is a DNS label and not reserved, and an environment of the policy.",
    references: &["https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names"],
    default_action: Action::Warn,
    kinds: &[Kind::Namespace],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    if context.policy.namespaces.contains_key(context.request.name) {
        return;
    }
    let labels = crate::world::labels_of(context.object);
    let Err(unbound) = context.policy.binding.bind(&labels) else { return };
    // A namespace without the labels is nobody's on purpose.
    if unbound.fault == UnboundFault::Missing {
        return;
    }
    out.push(
        Violation::new(
            &BINDING_VALUE_UNUSABLE,
            Path::of(&["metadata", "labels"]).field(unbound.label),
            unbound.value.unwrap_or_default(),
            format!("the namespace {unbound}, so it is bound to nobody"),
        )
        .cure("correct the value, or leave the label out"),
    );
}
