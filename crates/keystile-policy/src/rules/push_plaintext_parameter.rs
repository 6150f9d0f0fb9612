//! A parameter that is stored in plain text.

use super::{Rule, push_settings};
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::subject::push_metadata::Reader;
use crate::violation::Violation;

/// See the rule's texts.
pub static PUSH_PLAINTEXT_PARAMETER: Rule = Rule {
    id: "push-plaintext-parameter",
    summary: "A secret is pushed to Parameter Store as a plain String, which is what the operator does unless told otherwise.",
    why: "A String is not encrypted: whoever may read parameters reads it, without any KMS key, and it stands in the history of the parameter for ever.",
    example: "kind: PushSecret\nspec:\n  secretStoreRefs: [{kind: ClusterSecretStore, name: ssm}]\n  data:\n  - match: {secretKey: p, remoteRef: {remoteKey: /prod/team-a/db}}   # without metadata",
    instead: "Set `secretType: SecureString` and `kmsKeyID` in the metadata's spec.",
    references: &[
        "https://external-secrets.io/latest/provider/aws-parameter-store/",
        "https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html",
    ],
    default_action: Action::Deny,
    kinds: &[Kind::PushSecret, Kind::ClusterPushSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    push_settings::for_each_settings(context, false, |pushed, settings| {
        if pushed.reader != Reader::ParameterStore {
            return;
        }
        let (path, message) = match settings.text("secretType") {
            Some((_, "SecureString")) => return,
            Some((path, other)) => (path, format!("{} is not encrypted", Shown(other))),
            None => (
                settings.path.field("secretType"),
                "is not written, so the parameter is a String, which is not encrypted".to_owned(),
            ),
        };
        let name = pushed.entry.remote_key.as_ref().map_or("", |(key, _)| *key);
        out.push(
            Violation::new(&PUSH_PLAINTEXT_PARAMETER, path, name, message)
                .cure("write {apiVersion: kubernetes.external-secrets.io/v1alpha1, kind: PushSecretMetadata, spec: {secretType: SecureString, kmsKeyID: …}} as metadata"),
        );
    });
}
