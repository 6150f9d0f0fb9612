//! One setting of a PushSecret in two spellings.

use super::Rule;
use super::push_metadata_unparsed::faults;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::violation::Violation;

/// See the rule's texts.
pub static PUSH_METADATA_SPELLED_TWICE: Rule = Rule {
    id: "push-metadata-spelled-twice",
    summary: "The metadata of a PushSecret has one field in two spellings.",
    why: "Go's decoder takes names in any letters (and some that only look like ASCII) and keeps the last: a reviewer reads one KMS key, the operator uses another.",
    example: "metadata:\n  apiVersion: kubernetes.external-secrets.io/v1alpha1\n  kind: PushSecretMetadata\n  spec: {kmsKeyId: alias/secrets-prod, KMSKEYID: alias/other}",
    instead: "Write the field once.",
    references: &["https://pkg.go.dev/encoding/json#Unmarshal"],
    default_action: Action::Deny,
    kinds: &[Kind::PushSecret, Kind::ClusterPushSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    faults(context, true, |fault| {
        let about = format!("{} {}", fault.path, fault.message);
        out.push(
            Violation::new(&PUSH_METADATA_SPELLED_TWICE, &fault.path, about, fault.message.clone())
                .cure("write the field once"),
        );
    });
}
