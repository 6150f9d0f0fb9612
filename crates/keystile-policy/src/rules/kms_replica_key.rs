//! A copy in another region without a key of that region.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::provider::kms::{KmsKey, is_own_key};
use crate::shown::Shown;
use crate::subject::managed::Setting;
use crate::violation::Violation;

/// See the rule's texts.
pub static KMS_REPLICA_KEY: Rule = Rule {
    id: "kms-replica-key",
    summary: "A copy of a managed secret in another region has no KMS key, or one that is of another region.",
    why: "Without a key of its region the copy is encrypted with the key that AWS manages there, or can't be made. One key id given for every copy fits one region at most.",
    example: "spec:\n  kmsKeyId: alias/secrets\n  replicaRegions:\n  - {region: eu-north-1}   # no kmsKeyId",
    instead: "Name a key of the copy's region, an alias that exists there, or a multi-region key (mrk-…).",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ReplicaRegionType.html"],
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
        for replica in &secret.replicas {
            let (region, about) = match &replica.region {
                Setting::Is(region) => (Some(&**region), region.to_string()),
                Setting::Absent | Setting::Undecidable(_) => (None, replica.path.to_string()),
            };
            let violation = match &replica.kms_key {
                Setting::Absent => Violation::new(&KMS_REPLICA_KEY, &replica.path, about, "the copy has no KMS key")
                    .cure("name a key of its region, an alias or a multi-region key"),
                Setting::Undecidable(text) if is_own_key(text) && !context.policy.kms.lists_keys() => continue,
                Setting::Undecidable(text) => Violation::new(
                    &KMS_REPLICA_KEY,
                    &replica.path,
                    about,
                    format!("the KMS key of the copy is not known here: {}", Shown(text)),
                )
                .not_evaluated(),
                Setting::Is(text) => {
                    let key = KmsKey::read(text);
                    let fits = key.is_of_any_region()
                        || key.place.is_some_and(|(of, _)| region.is_none_or(|region| region == of));
                    if fits {
                        continue;
                    }
                    Violation::new(
                        &KMS_REPLICA_KEY,
                        &replica.path,
                        about,
                        format!("{} is no key of the copy's region", Shown(text)),
                    )
                    .cure("name a key of its region, an alias or a multi-region key")
                }
            };
            out.push(violation);
        }
    }
}
