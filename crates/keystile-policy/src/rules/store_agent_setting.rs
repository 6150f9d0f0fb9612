//! A setting of the Vault Agent that opens more than the secrets it names.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static STORE_AGENT_SETTING: Rule = Rule {
    id: "store-agent-setting",
    summary: "An annotation for the Vault Agent changes as whom or how Vault is asked, or is not known.",
    why: "With the agent's token, another authentication method or an unverified server, the secrets that the annotations name are not the ones that are read.",
    example: "kind: Pod\nmetadata:\n  annotations:\n    vault.hashicorp.com/agent-inject: \"true\"\n    vault.hashicorp.com/agent-inject-token: \"true\"",
    instead: "Leave the annotation out: the injector's own settings are the platform's.",
    references: &["https://developer.hashicorp.com/vault/docs/platform/k8s/injector/annotations"],
    default_action: Action::Deny,
    kinds: &[Kind::Workload],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let Some(agent) = &context.subject.agent else { return };
    for (said, what) in &agent.settings {
        let about = format!("{} {}", said.path, said.value);
        let message = format!("{} {what}", Shown(said.value));
        out.push(Violation::new(&STORE_AGENT_SETTING, &said.path, about, message).cure("leave the annotation out"));
    }
}
