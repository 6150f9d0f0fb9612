//! An ARN of another service, partition, region or account.

use super::Rule;
use crate::context::{Context, has_account};
use crate::judgement::Action;
use crate::kind::Kind;
use crate::provider::KeyFault;
use crate::shown::Shown;
use crate::subject::Names;
use crate::violation::Violation;
use crate::world::Lookup;

/// See the rule's texts.
pub static KEY_ARN_FOREIGN: Rule = Rule {
    id: "key-arn-foreign",
    summary: "A key is an ARN of another service, partition, region or account than its store's.",
    why: "Another account's secret is read wherever that account's resource policy lets it, whatever the name's path says about the team.",
    example: "spec:\n  data:\n  - secretKey: password\n    remoteRef: {key: \"arn:aws:secretsmanager:us-east-1:222222222222:secret:/prod/team-a/db-AbCdEf\"}",
    instead: "Name a secret of the store's own service, region and account, or use a store of the other one.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_examples_cross.html"],
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
        let Names::Key(written) = &resolved.reference.names else { continue };
        let which = match (&resolved.key, &resolved.store) {
            (Some(Err(KeyFault::ForeignArn(which))), _) => which.clone(),
            (Some(Ok(key)), Lookup::Found(store)) => {
                let Some(account) = key.arn_account else { continue };
                let env = context.env();
                let entries = context.fitting(store);
                if entries.is_empty() || entries.iter().any(|entry| has_account(&entry.provider, account, env)) {
                    continue;
                }
                format!("account {}, which the policy does not name", Shown(account))
            }
            _ => continue,
        };
        out.push(
            Violation::new(
                &KEY_ARN_FOREIGN,
                &resolved.reference.path,
                *written,
                format!("{} is of {which}", Shown(written)),
            )
            .cure("name a secret of the store's own service, region and account"),
        );
    }
}
