//! A cluster-scoped object that reaches namespaces which are nobody's.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::violation::Violation;

/// See the rule's texts.
pub static FANOUT_UNBOUND_NAMESPACE: Rule = Rule {
    id: "fanout-unbound-namespace",
    summary: "A ClusterExternalSecret or ClusterPushSecret goes to a namespace that is bound to nobody, or not there yet.",
    why: "Nobody answers for what happens there, and no grant covers it.",
    example: "kind: ClusterExternalSecret\nspec:\n  namespaceSelectors: [{}]   # kube-system and default too",
    instead: "Choose namespaces by the labels of the binding.",
    references: &["https://external-secrets.io/latest/api/clusterexternalsecret/"],
    default_action: Action::Deny,
    kinds: &[Kind::ClusterExternalSecret, Kind::ClusterPushSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let Some(reach) = context.reach else { return };
    for unbound in &reach.unbound {
        let shown = unbound.shown();
        let message = match shown.as_str() {
            "" => unbound.why.clone(),
            names => format!("reaches {names}, which {}", unbound.why),
        };
        let violation = Violation::new(&FANOUT_UNBOUND_NAMESPACE, unbound.path.clone(), message.clone(), message)
            .cure("choose namespaces by the labels that bind them to a team and an environment");
        out.push(if unbound.is_unknown { violation.not_evaluated() } else { violation });
    }
}
