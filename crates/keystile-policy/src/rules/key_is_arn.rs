//! A key that is an ARN.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::subject::Names;
use crate::violation::Violation;

/// See the rule's texts.
pub static KEY_IS_ARN: Rule = Rule {
    id: "key-is-arn",
    summary: "A key is written as an ARN instead of a name.",
    why: "An ARN names account and region itself, and its end can be read in two ways. A check that looks for the team's prefix in it is fooled with ease.",
    example: "spec:\n  data:\n  - secretKey: password\n    remoteRef: {key: \"arn:aws:secretsmanager:eu-west-1:111111111111:secret:/prod/team-a/db-AbCdEf\"}",
    instead: "Write the name. Where ARNs are needed, `key-is-arn: allow` judges service, account, region and every name that the ARN can mean.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html#ARN_secretnamehyphen"],
    default_action: Action::Deny,
    kinds: &[
        Kind::ExternalSecret,
        Kind::ClusterExternalSecret,
        Kind::PushSecret,
        Kind::ClusterPushSecret,
        Kind::SecretsManagerSecret,
    ],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    for resolved in &context.resolved {
        let (Some(Ok(key)), Names::Key(written)) = (&resolved.key, &resolved.reference.names) else { continue };
        if !key.is_arn() {
            continue;
        }
        // Without the suffix, where there is one: that is the name in nearly every case.
        let name = key.other_name.as_ref().unwrap_or(&key.name);
        out.push(
            Violation::new(
                &KEY_IS_ARN,
                &resolved.reference.path,
                *written,
                format!("{} is an ARN, not a name", Shown(written)),
            )
            .cure(format!("write {}", Shown(name)))
            .effective_key(&*key.name),
        );
    }
}
