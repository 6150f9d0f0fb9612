//! Copies of a pushed secret in regions that are not granted.

use super::{Rule, push_settings};
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::policy::Provider;
use crate::provider;
use crate::shown::Shown;
use crate::subject::push_metadata::Reader;
use crate::violation::Violation;

/// See the rule's texts.
pub static PUSH_REPLICA_REGION: Rule = Rule {
    id: "push-replica-region",
    summary: "A pushed secret is copied to a region or location that the policy does not name.",
    why: "The copy has a life of its own: other keys, other readers, perhaps another jurisdiction.",
    example: "metadata:\n  apiVersion: kubernetes.external-secrets.io/v1alpha1\n  kind: PushSecretMetadata\n  spec: {replicationLocations: [us-east-1]}   # the policy's replicaRegions: [eu-north-1]",
    instead: "Copy to a region of the provider's `replicaRegions`.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/userguide/replicate-secrets.html"],
    default_action: Action::Deny,
    kinds: &[Kind::PushSecret, Kind::ClusterPushSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    push_settings::for_each_settings(context, true, |pushed, settings| {
        let fields: &[&str] = match pushed.reader {
            Reader::SecretsManager => &["replicationLocations"],
            Reader::Gcp => &["replicationLocation", "replicationLocations"],
            Reader::ParameterStore | Reader::Kubernetes => return,
        };
        let is_granted = |region: &str| {
            provider::fitting(&pushed.store, &context.policy.providers, context.env()).any(|entry| {
                matches!(&entry.provider, Provider::Aws { replica_regions, .. }
                    if replica_regions.allows(context.env(), |allowed| allowed == region))
            })
        };
        for field in fields {
            let Some(written) = settings.get(field) else { continue };
            let single = written.value.as_str().map(|region| (written.path.clone(), region));
            let listed = written.value.as_array().into_iter().flatten().enumerate();
            let listed = listed.filter_map(|(index, region)| Some((written.path.item(index), region.as_str()?)));
            for (path, region) in single.into_iter().chain(listed) {
                if is_granted(region) || region.is_empty() {
                    continue;
                }
                let message = format!("{} is no region that secrets may be copied to", Shown(region));
                let violation = Violation::new(&PUSH_REPLICA_REGION, path, region, message)
                    .cure("use one of the provider's replicaRegions");
                if !out.last().is_some_and(|last| last.is_same(&violation) && last.path == violation.path) {
                    out.push(violation);
                }
            }
        }
    });
}
