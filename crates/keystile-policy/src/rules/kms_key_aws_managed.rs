//! A KMS key that AWS manages.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::provider::kms::KmsKey;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static KMS_KEY_AWS_MANAGED: Rule = Rule {
    id: "kms-key-aws-managed",
    summary: "A managed secret, or a copy of it, names a KMS key that AWS manages (alias/aws/…).",
    why: "It is the same as naming none: the key has no policy of its own, and everybody in the account who may read the secret may decrypt it.",
    example: "spec: {kmsKeyId: alias/aws/secretsmanager}",
    instead: "Name a customer-managed key of the policy's list.",
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
    for secret in &context.subject.managed {
        for (path, key) in secret.kms_keys() {
            if KmsKey::read(key).is_aws_managed() {
                out.push(
                    Violation::new(
                        &KMS_KEY_AWS_MANAGED,
                        path,
                        key,
                        format!("{} is a key that AWS manages", Shown(key)),
                    )
                    .cure("name a customer-managed key"),
                );
            }
        }
    }
}
