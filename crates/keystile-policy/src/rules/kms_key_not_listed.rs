//! A KMS key that is not on the list.

use super::Rule;
use crate::context::{Context, Listing};
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
    for secret in &context.subject.managed {
        for (path, text) in secret.kms_keys() {
            if context.kms_listing(text) != Listing::NotListed || KmsKey::read(text).is_aws_managed() {
                continue;
            }
            let violation = Violation::new(
                &KMS_KEY_NOT_LISTED,
                path,
                text,
                format!("{} is no key that the policy lists", Shown(text)),
            )
            .cure("use a key or alias of the policy's kms section");
            // Whose a Terraform resource is need not be said; an alias may hold who it is for.
            let is_anybodys = context.binding.is_none() && context.kind.is_terraform();
            out.push(if is_anybodys { violation.not_evaluated() } else { violation });
        }
    }
}
