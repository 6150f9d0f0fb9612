//! A secret that the Vault Agent would read without a grant.

use super::Rule;
use super::store_agent_not_granted::misfit;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::policy::{Access, Provider};
use crate::provider::KeyFault;
use crate::provider::canonical::VAULT;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static KEY_AGENT_OUTSIDE_GRANT: Rule = Rule {
    id: "key-agent-outside-grant",
    summary: "Annotations of a pod have the Vault Agent read a secret that no grant of the namespace covers.",
    why: "What the agent may read is the Vault role's affair, and a role is often wider than one team.",
    example: "kind: Pod\nmetadata:\n  annotations:\n    vault.hashicorp.com/agent-inject: \"true\"\n    vault.hashicorp.com/agent-inject-secret-db: kv/data/prod/team-b/db   # in a namespace of team-a",
    instead: "Name a secret below the team's own prefix in a mount of the policy's vault provider, or ask for a grant.",
    references: &["https://developer.hashicorp.com/vault/docs/platform/k8s/injector/annotations"],
    default_action: Action::Deny,
    kinds: &[Kind::Workload],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let (Some(agent), Some(binding)) = (&context.subject.agent, context.binding) else { return };
    for secret in &agent.secrets {
        let message = match VAULT.check(secret.value) {
            Err(KeyFault::NotCanonical(how)) => format!("the path {} {how}", Shown(secret.value)),
            _ if is_granted(context, secret.value) => continue,
            _ => format!("{} is outside of what is granted", Shown(secret.value)),
        };
        let grants: Vec<String> = context
            .policy
            .providers
            .iter()
            .filter(|entry| matches!(entry.provider, Provider::Vault { .. }))
            .flat_map(|entry| entry.grants.iter().filter(|grant| context.has_grant(grant, None, Access::Read)))
            .map(|grant| grant.names.filled(binding))
            .collect();
        let cure = match grants.as_slice() {
            [] => format!("nobody granted {binding} anything in Vault"),
            grants => format!("{binding} may read {} in the mounts of the policy's vault provider", grants.join(", ")),
        };
        out.push(
            Violation::new(&KEY_AGENT_OUTSIDE_GRANT, &secret.path, secret.value, message)
                .cure(cure)
                .effective_key(secret.value)
                .grants(grants),
        );
    }
}

/// Whether a grant covers a path: mount, with version 2 perhaps `data/`, then the name. consul-template puts
/// `data/` in where it is missing (dependency/vault_common.go).
fn is_granted(context: &Context<'_>, path: &str) -> bool {
    let (Some(agent), Some(binding)) = (&context.subject.agent, context.binding) else { return false };
    let env = context.env();
    context.policy.providers.iter().any(|entry| {
        let Provider::Vault { paths, version, .. } = &entry.provider else { return false };
        misfit(context, &entry.provider, agent).is_none()
            && paths.allows(env, |mount| {
                let Some(below) = path.strip_prefix(mount.as_str()).and_then(|rest| rest.strip_prefix('/')) else {
                    return false;
                };
                let is_v1 = version.holds(env, |version| version == "v1");
                let name = if is_v1 { below } else { below.strip_prefix("data/").unwrap_or(below) };
                let is_named = |grant: &&crate::policy::Grant| grant.names.matches(name, binding);
                entry.grants.iter().filter(is_named).any(|grant| context.has_grant(grant, None, Access::Read))
            })
    })
}
