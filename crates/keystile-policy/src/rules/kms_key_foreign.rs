//! A KMS key of another account or region.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::provider::kms::KmsKey;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static KMS_KEY_FOREIGN: Rule = Rule {
    id: "kms-key-foreign",
    summary: "A KMS key is of an account or a region that the policy does not name for secrets.",
    why: "Whoever holds the account of the key decides who reads the secret, and can make it unreadable.",
    example: "spec: {kmsKeyId: \"arn:aws:kms:eu-west-1:222222222222:key/1234abcd-12ab-34cd-56ef-1234567890ab\"}",
    instead: "Use a key of the own account, in the region of the secret.",
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
        for (nth, (path, text)) in secret.kms_keys().enumerate() {
            let Some((region, account)) = KmsKey::read(text).place else { continue };
            let mut faults = Vec::new();
            if !context.is_kms_account(account) {
                faults.push(format!("of account {}", Shown(account)));
            }
            // The first is the secret's own; the region of a copy's key is kms-replica-key's.
            let is_own = nth == 0 && secret.kms_key.setting.known().is_some();
            let is_region = match context.region_of(secret) {
                _ if !is_own => true,
                Some(own) => own == region,
                None => context.is_aws_region(region),
            };
            if !is_region {
                faults.push(format!("of region {}", Shown(region)));
            }
            if !faults.is_empty() {
                let message = format!("{} is {}", Shown(text), faults.join(" and "));
                out.push(
                    Violation::new(&KMS_KEY_FOREIGN, path, text, message)
                        .cure("use a key of an account that the policy names, in the region that the secret is in"),
                );
            }
        }
    }
}
