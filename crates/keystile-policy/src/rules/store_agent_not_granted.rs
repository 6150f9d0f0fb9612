//! A Vault that the policy does not name, asked by the Vault Agent.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::policy::Provider;
use crate::shown::Shown;
use crate::subject::agent::{Agent, Said};
use crate::violation::Violation;

/// See the rule's texts.
pub static STORE_AGENT_NOT_GRANTED: Rule = Rule {
    id: "store-agent-not-granted",
    summary: "The server, namespace or authentication mount that a pod's annotations name for the Vault Agent is not one of the policy's vault providers.",
    why: "Another server gets the pod's token and answers what it likes; in another namespace of Vault the same path is somebody else's.",
    example: "kind: Pod\nmetadata:\n  annotations:\n    vault.hashicorp.com/agent-inject: \"true\"\n    vault.hashicorp.com/service: https://vault.elsewhere.example",
    instead: "Leave `service`, `namespace` and `auth-path` out, or write those of one vault provider of the policy.",
    references: &["https://developer.hashicorp.com/vault/docs/platform/k8s/injector/annotations"],
    default_action: Action::Deny,
    kinds: &[Kind::Workload],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let (Some(agent), Some(_)) = (&context.subject.agent, context.binding) else { return };
    let vaults = context.policy.providers.iter().map(|entry| &entry.provider);
    let mut misfits = Vec::new();
    for provider in vaults.filter(|provider| matches!(provider, Provider::Vault { .. })) {
        match misfit(context, provider, agent) {
            None => return,
            Some(said) => misfits.push(said),
        }
    }
    let Some(said) = misfits.into_iter().next() else {
        return; // without a vault provider no path is granted either
    };
    let message = match said {
        Some(said) => format!("{} is not of any vault provider of the policy", Shown(said.value)),
        None => "the injector's own setting is not of any vault provider of the policy".to_owned(),
    };
    let (path, about) = match said {
        Some(said) => (said.path.clone(), said.value),
        None => (crate::Path::of(&["metadata", "annotations"]), ""),
    };
    out.push(
        Violation::new(&STORE_AGENT_NOT_GRANTED, path, about, message)
            .cure("leave service, namespace and auth-path out, or write those of one vault provider"),
    );
}

/// What of a pod's annotations is not as an entry of the policy says: `Some(None)` where nothing is written
/// and the injector's own default is not the entry's. `None` = everything fits.
pub(super) fn misfit<'a, 'c>(
    context: &Context<'_>,
    provider: &Provider,
    agent: &'a Agent<'c>,
) -> Option<Option<&'a Said<'c>>> {
    let Provider::Vault { server, namespaces, mount_paths, .. } = provider else { return Some(None) };
    let env = context.env();
    // Without the annotation the platform's own address counts, which nobody here can change.
    if let Some(said) = &agent.service
        && !server.holds(env, |allowed| allowed.trim_end_matches('/') == said.value.trim_end_matches('/'))
    {
        return Some(Some(said));
    }
    let namespace = agent.namespace.as_ref().map_or("", |said| said.value);
    let is_namespace = if namespaces.is_unsaid() {
        namespace.is_empty()
    } else {
        namespaces.allows(env, |allowed| allowed == namespace)
    };
    if !is_namespace {
        return Some(agent.namespace.as_ref());
    }
    let mount = agent.auth_path.as_ref().map_or("auth/kubernetes", |said| said.value);
    let mount = mount.strip_prefix("auth/").unwrap_or(mount);
    let is_mount = if mount_paths.is_unsaid() {
        mount == "kubernetes"
    } else {
        mount_paths.allows(env, |allowed| allowed == mount)
    };
    if is_mount { None } else { Some(agent.auth_path.as_ref()) }
}
