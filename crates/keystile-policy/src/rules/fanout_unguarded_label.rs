//! A cluster-scoped object that chooses namespaces by labels which anybody may set.

use super::Rule;
use crate::context::Context;
use crate::fan_out::NAME_LABEL;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static FANOUT_UNGUARDED_LABEL: Rule = Rule {
    id: "fanout-unguarded-label",
    summary: "A ClusterExternalSecret or ClusterPushSecret chooses namespaces by a label that is not guarded.",
    why: "Whoever may label a namespace takes part in what only administrators should hand out.",
    example: "kind: ClusterExternalSecret\nspec:\n  namespaceSelectors:\n  - matchLabels: {wants-database: \"true\"}",
    instead: "Choose by the labels of the binding, by `kubernetes.io/metadata.name`, or add the label to `admins.labels`.",
    references: &["https://external-secrets.io/latest/api/clusterexternalsecret/"],
    default_action: Action::Deny,
    kinds: &[Kind::ClusterExternalSecret, Kind::ClusterPushSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let Some(fan_out) = &context.subject.fan_out else { return };
    let is_guarded = |label: &str| {
        label == NAME_LABEL
            || context.policy.binding.labels().any(|guarded| guarded == label)
            || context.policy.admins.labels.iter().any(|guarded| guarded == label)
    };
    for (path, selector) in &fan_out.selectors {
        for requirement in selector.requirements.iter().filter(|requirement| !is_guarded(requirement.label)) {
            let message = format!("chooses namespaces by the label {}, which is not guarded", Shown(requirement.label));
            let violation = Violation::new(&FANOUT_UNGUARDED_LABEL, path, requirement.label, message)
                .cure("choose by the binding's labels, or let the policy guard it (admins.labels)");
            if !out.last().is_some_and(|last| last.is_same(&violation) && last.path == violation.path) {
                out.push(violation);
            }
        }
    }
}
