//! A KMS key that is not on the list.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::provider::kms::KmsKey;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static KMS_KEY_NOT_LISTED: Rule = Rule {
    id: "kms-key-not-listed",
    summary: "A KMS key is none of those that the policy lists for the environment and team.",
    why: "A key of another team or environment lets its holders read the secret, and its deletion takes the secret along.",
    example: "spec: {kmsKeyId: alias/somebody-elses}   # the policy lists alias/secrets-{env}",
    instead: "Use a key that the policy lists under `kms`.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html"],
    default_action: Action::Deny,
    kinds: &[
        Kind::SecretsManagerSecret,
        Kind::PushSecret,
        Kind::ClusterPushSecret,
        Kind::TerraformSecret,
        Kind::TerraformParameter,
    ],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let kms = &context.policy.kms;
    if kms.aliases.is_unsaid() && kms.keys.is_unsaid() {
        // Any customer-managed key of the accounts.
        return;
    }
    for secret in &context.subject.managed {
        for (path, text) in secret.kms_keys() {
            let key = KmsKey::read(text);
            let is_alias = context
                .binding
                .is_some_and(|binding| kms.aliases.allows(context.env(), |alias| alias.matches(key.id, binding)));
            let is_listed = is_alias || kms.keys.allows(context.env(), |listed| listed == text || listed == key.id);
            if !is_listed && !key.is_aws_managed() {
                out.push(
                    Violation::new(
                        &KMS_KEY_NOT_LISTED,
                        path,
                        text,
                        format!("{} is no key that the policy lists", Shown(text)),
                    )
                    .cure("use a key or alias of the policy's kms section"),
                );
            }
        }
    }
}
