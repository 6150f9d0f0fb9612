//! A copy in a region that the policy does not name.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::policy::Provider;
use crate::shown::Shown;
use crate::subject::managed::Setting;
use crate::violation::Violation;

/// See the rule's texts.
pub static KMS_REPLICA_REGION: Rule = Rule {
    id: "kms-replica-region",
    summary: "A managed secret is copied to a region that the policy does not name.",
    why: "The copy is read there under the keys and permissions of that region, which nobody looks at.",
    example: "spec:\n  replicaRegions:\n  - {region: us-east-1, kmsKeyId: alias/secrets}   # replicaRegions: [eu-north-1]",
    instead: "Copy to a region of `replicaRegions` of the policy's provider.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ReplicaRegionType.html"],
    default_action: Action::Deny,
    // Of pushed secrets it is push-replica-region's.
    kinds: &[Kind::SecretsManagerSecret, Kind::TerraformSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    for secret in &context.subject.managed {
        for replica in &secret.replicas {
            let (about, message) = match &replica.region {
                Setting::Is(region) if is_named(context, region) => continue,
                Setting::Is(region) => {
                    (region.to_string(), format!("region {} is not named for copies", Shown(region)))
                }
                // That it is not known is said about the copy's key, or where the template stands.
                Setting::Undecidable(_) => continue,
                Setting::Absent => (replica.path.to_string(), "the copy names no region".to_owned()),
            };
            let violation = Violation::new(&KMS_REPLICA_REGION, &replica.path, about, message)
                .cure("name a region of replicaRegions of the policy's provider");
            if !out.iter().any(|other| other.is_same(&violation)) {
                out.push(violation);
            }
        }
    }
}

fn is_named(context: &Context<'_>, region: &str) -> bool {
    context.policy.providers.iter().any(|entry| {
        matches!(&entry.provider, Provider::Aws { replica_regions, .. }
            if replica_regions.allows(context.env(), |allowed| allowed == region))
    })
}
