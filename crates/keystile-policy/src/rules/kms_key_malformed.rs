//! A KMS key of a form that AWS does not have.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::provider::kms::KmsKey;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static KMS_KEY_MALFORMED: Rule = Rule {
    id: "kms-key-malformed",
    summary: "A KMS key is written in a form that AWS can not know: neither a key id, an alias, nor an ARN of one.",
    why: "The secret would not be made, or the text is a placeholder that somebody means to fill in later.",
    example: "spec: {kmsKeyId: \"arn:aws:kms:eu-west-1:111111111111:key/rotation-key\"}   # a key id is a UUID or mrk- and 32 digits",
    instead: "Write the key id, its ARN, or an alias (alias/…).",
    references: &["https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id"],
    default_action: Action::Warn,
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
            if !KmsKey::read(key).is_well_formed {
                out.push(
                    Violation::new(
                        &KMS_KEY_MALFORMED,
                        path,
                        key,
                        format!("{} has not the form of a KMS key", Shown(key)),
                    )
                    .cure("write a key id, its ARN or alias/NAME"),
                );
            }
        }
    }
}
