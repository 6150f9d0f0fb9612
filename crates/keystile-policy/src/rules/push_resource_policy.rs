//! A resource policy that comes with a pushed secret.

use serde_json::Value;

use super::{Rule, push_settings};
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::subject::push_metadata::Reader;
use crate::violation::Violation;

/// See the rule's texts.
pub static PUSH_RESOURCE_POLICY: Rule = Rule {
    id: "push-resource-policy",
    summary: "A PushSecret sets the resource policy of the remote secret.",
    why: "A resource policy opens a secret to other accounts. It lies in a ConfigMap or Secret that nobody judges and that may change afterwards.",
    example: "metadata:\n  apiVersion: kubernetes.external-secrets.io/v1alpha1\n  kind: PushSecretMetadata\n  spec:\n    resourcePolicy: {policySourceRef: {kind: ConfigMap, name: policy, key: json}}",
    instead: "Leave resource policies to those who own the account.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_resource-policies.html"],
    default_action: Action::Deny,
    kinds: &[Kind::PushSecret, Kind::ClusterPushSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    push_settings::for_each_settings(context, false, |pushed, settings| {
        let Some(policy) = settings.get("resourcePolicy").filter(|_| pushed.reader == Reader::SecretsManager) else {
            return;
        };
        let name = pushed.entry.remote_key.as_ref().map_or("", |(key, _)| *key);
        let about = format!("{name} {}", policy.value);
        if let Some(block) = policy.get("blockPublicPolicy").filter(|block| block.value == &Value::Bool(false)) {
            let message = "the check for policies that open the secret to everybody is off";
            let violation = Violation::new(&PUSH_RESOURCE_POLICY, &block.path, format!("{about} public"), message);
            out.push(violation.cure("leave blockPublicPolicy out, or set it to true"));
        }
        let message = "the resource policy says which accounts read the secret, and is nothing that can be judged here";
        out.push(Violation::new(&PUSH_RESOURCE_POLICY, &policy.path, about, message).cure("leave resourcePolicy out"));
    });
}
