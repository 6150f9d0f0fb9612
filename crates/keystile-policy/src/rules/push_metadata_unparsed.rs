//! Metadata of a PushSecret that the operator does not take.

use super::{Rule, push_settings};
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::subject::push_metadata::MetadataFault;
use crate::violation::Violation;

/// See the rule's texts.
pub static PUSH_METADATA_UNPARSED: Rule = Rule {
    id: "push-metadata-unparsed",
    summary: "The metadata of a PushSecret has no envelope, or holds what the operator does not take.",
    why: "Then the operator writes nothing, or, in a release that ignores what it can't read, writes with its own defaults: the AWS-managed key, a plaintext parameter.",
    example: "kind: PushSecret\nspec:\n  data:\n  - match: {secretKey: p, remoteRef: {remoteKey: /prod/team-a/db}}\n    metadata: {kmsKeyID: alias/secrets-prod}   # without its envelope",
    instead: "Write the settings into an envelope: `metadata: {apiVersion: kubernetes.external-secrets.io/v1alpha1, kind: PushSecretMetadata, spec: {kmsKeyId: alias/secrets-prod}}`.",
    references: &[
        "https://external-secrets.io/latest/provider/aws-secrets-manager/",
        "https://github.com/external-secrets/external-secrets/issues/6001",
    ],
    default_action: Action::Deny,
    kinds: &[Kind::PushSecret, Kind::ClusterPushSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    faults(context, false, |fault| {
        let cure = "the operator takes {apiVersion: kubernetes.external-secrets.io/v1alpha1, kind: PushSecretMetadata, spec: {…}}";
        let about = format!("{} {}", fault.path, fault.message);
        out.push(Violation::new(&PUSH_METADATA_UNPARSED, &fault.path, about, fault.message.clone()).cure(cure));
    });
}

/// Every fault of every entry's metadata, those that are fields written twice or the others.
pub(super) fn faults<'c>(context: &Context<'c>, is_twice: bool, mut report: impl FnMut(&MetadataFault<'c>)) {
    let Some(push) = &context.subject.push else { return };
    for entry in &push.entries {
        // Whoever the store's provider is: no provider takes another envelope.
        if let Err(faults) = &entry.metadata {
            faults.iter().filter(|fault| fault.is_twice == is_twice).for_each(&mut report);
        }
    }
    push_settings::for_each_settings(context, false, |pushed, settings| {
        settings.faults(pushed.reader).iter().filter(|fault| fault.is_twice == is_twice).for_each(&mut report);
    });
}
