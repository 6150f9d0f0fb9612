//! A managed secret without a KMS key.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::provider::kms::is_own_key;
use crate::shown::Shown;
use crate::subject::managed::Setting;
use crate::violation::Violation;

/// See the rule's texts.
pub static KMS_KEY_MISSING: Rule = Rule {
    id: "kms-key-missing",
    summary: "A managed secret names no KMS key, so the provider encrypts it with the key that AWS manages.",
    why: "Whoever may read a secret under the AWS-managed key needs no permission on a key: there is no second lock, no grant to revoke and no use from another account.",
    example: "kind: SecretsManagerSecret\nspec: {secretName: /prod/team-a/db}   # no kmsKeyId",
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
        let name = secret.name_shown();
        match &secret.kms_key.setting {
            Setting::Absent => out.push(
                Violation::new(&KMS_KEY_MISSING, &secret.kms_key.path, &*name, format!("{name} has no KMS key"))
                    .cure("name a customer-managed key"),
            ),
            // A key that the same configuration makes is the customer's own, and of the account that the secret
            // is in; where the policy lists keys, which one it is must be known.
            Setting::Undecidable(text) if is_own_key(text) && !context.policy.kms.lists_keys() => {}
            Setting::Undecidable(text) => out.push(
                Violation::new(
                    &KMS_KEY_MISSING,
                    &secret.kms_key.path,
                    &*name,
                    format!("the KMS key of {name} is not known here: {}", Shown(text)),
                )
                .cure("check what it becomes: a rendered manifest, a plan")
                .not_evaluated(),
            ),
            Setting::Is(_) => {}
        }
    }
}
