//! Annotations from which nobody can tell which secrets the Vault Agent reads.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::violation::Violation;

/// See the rule's texts.
pub static KEY_AGENT_UNDECIDABLE: Rule = Rule {
    id: "key-agent-undecidable",
    summary: "Which secrets the Vault Agent would read can't be told from the pod's annotations.",
    why: "A template that computes a path, a configuration from a ConfigMap or a patch of the container reads whatever the role may read.",
    example: "kind: Pod\nmetadata:\n  annotations:\n    vault.hashicorp.com/agent-inject: \"true\"\n    vault.hashicorp.com/agent-inject-template-db: '{{ with secret (print \"kv/data/\" .x) }}…{{ end }}'",
    instead: "Write each path as one text: `{{ with secret \"kv/data/prod/team-a/db\" }}`.",
    references: &["https://developer.hashicorp.com/vault/docs/platform/k8s/injector/annotations"],
    default_action: Action::Deny,
    kinds: &[Kind::Workload],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let Some(agent) = &context.subject.agent else { return };
    for (path, why) in &agent.undecidable {
        let value = context.value_at(path.steps()).and_then(serde_json::Value::as_str).unwrap_or_default();
        let about = format!("{path} {value}");
        out.push(
            Violation::new(&KEY_AGENT_UNDECIDABLE, path, about, why.clone())
                .cure("write each path as one text right behind secret, in an agent-inject-template annotation"),
        );
    }
}
