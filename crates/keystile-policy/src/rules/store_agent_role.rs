//! A Vault role that the Vault Agent would take without a grant.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static STORE_AGENT_ROLE: Rule = Rule {
    id: "store-agent-role",
    summary: "A pod's annotations name a Vault role that the policy does not grant to its namespace.",
    why: "The role decides what the agent's token may read. A role bound to many service accounts is anybody's who names it.",
    example: "kind: Pod\nmetadata:\n  annotations:\n    vault.hashicorp.com/agent-inject: \"true\"\n    vault.hashicorp.com/role: kv-prod-team-b   # in a namespace of team-a",
    instead: "Name a role of the policy's `stores.roles`.",
    references: &["https://developer.hashicorp.com/vault/docs/auth/kubernetes"],
    default_action: Action::Deny,
    kinds: &[Kind::Workload],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let (Some(agent), Some(binding)) = (&context.subject.agent, context.binding) else { return };
    let Some(role) = &agent.role else { return };
    let is_granted = context.policy.stores.roles.allows(context.env(), |granted| granted.matches(role.value, binding));
    if is_granted {
        return;
    }
    let message = format!("the Vault role {} is not granted to {binding}", Shown(role.value));
    out.push(
        Violation::new(&STORE_AGENT_ROLE, &role.path, role.value, message)
            .cure("name a role of the policy's stores.roles"),
    );
}
