//! A prefix that does not end at a separator.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::subject::store::StoreProvider;
use crate::violation::Violation;

/// See the rule's texts.
pub static STORE_PREFIX_OPEN_ENDED: Rule = Rule {
    id: "store-prefix-open-ended",
    summary: "A store's prefix does not end in `/`.",
    why: "The operator puts prefix and key together as they are: with `/prod/team-` a key of `b/db` is another team's.",
    example: "spec:\n  provider:\n    aws: {service: SecretsManager, region: eu-west-1, prefix: /prod/team-}",
    instead: "End the prefix in `/`.",
    references: &["https://external-secrets.io/latest/provider/aws-secrets-manager/"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretStore, Kind::ClusterSecretStore],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let Some(store) = context.subject.store.as_deref() else { return };
    let StoreProvider::Aws(aws) = &store.provider else { return };
    if aws.prefix.is_empty() || aws.prefix.ends_with('/') {
        return;
    }
    let message =
        format!("the prefix {} does not end in /, so a key can go on in the middle of a name", Shown(&aws.prefix));
    let cure = format!("write {}", Shown(&format!("{}/", aws.prefix)));
    out.push(Violation::new(&STORE_PREFIX_OPEN_ENDED, store.path("prefix"), &*aws.prefix, message).cure(cure));
}
