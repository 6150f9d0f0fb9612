//! Remote names that are made when it runs.

use super::Rule;
use super::push_grant::words;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::name::Segment;
use crate::policy::Access;
use crate::shown::Shown;
use crate::subject::Names;
use crate::subject::store::{StoreFacts, StoreProvider};
use crate::violation::Violation;
use crate::world::Lookup;

/// See the rule's texts.
pub static PUSH_NAME_AT_RUN_TIME: Rule = Rule {
    id: "push-name-at-run-time",
    summary: "Remote names are made from a Secret's keys when it runs, and nothing holds them inside of a grant.",
    why: "`dataTo` without `remoteKey` writes one remote secret for each key of a Secret, rewritten by expressions: `target: /prod/team-b/$0` is anybody's name, and the keys may change after the object was judged.",
    example: "kind: PushSecret\nspec:\n  dataTo:\n  - storeRef: {name: aws, kind: ClusterSecretStore}\n    rewrite:\n    - regexp: {source: \".*\", target: \"/prod/team-b/$0\"}",
    instead: "Write `remoteKey`, list the entries in `data`, or push through a store whose `prefix` ends in a slash and lies in a grant.",
    references: &["https://external-secrets.io/latest/guides/pushsecret-datato/"],
    default_action: Action::Deny,
    kinds: &[Kind::PushSecret, Kind::ClusterPushSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    if context.binding.is_none() {
        return;
    }
    for resolved in &context.resolved {
        let (Names::MadeAtRunTime, Lookup::Found(store)) = (&resolved.reference.names, &resolved.store) else {
            continue;
        };
        let access = resolved.reference.access;
        if is_prefix_granted(context, store, access) {
            continue;
        }
        let path = &resolved.reference.path;
        let entry = context.value_at(path.steps());
        let (kind, name) = (store.id.kind.as_str(), &store.id.name);
        let about = format!("{} {kind} {name} {}", words(access).0, entry.unwrap_or(&serde_json::Value::Null));
        let prefix = match &store.provider {
            StoreProvider::Aws(aws) if !aws.prefix.is_empty() => {
                format!("the store's prefix {} does not hold them in a grant", Shown(&aws.prefix))
            }
            _ => "the store has no prefix that holds them in a grant".to_owned(),
        };
        let message = format!(
            "the names that would be {} through {kind} {} are made when it runs, and {prefix}",
            words(access).1,
            Shown(name)
        );
        out.push(
            Violation::new(&PUSH_NAME_AT_RUN_TIME, path, about, message)
                .cure("write remoteKey, or list the entries in data")
                .grants(context.grants_shown(store, access)),
        );
    }
}

/// Whether every name behind the store's prefix is granted: the prefix ends a segment, and one grant has
/// all that lies below. AWS takes names as they are, so nothing climbs out; other stores have no prefix.
fn is_prefix_granted(context: &Context<'_>, store: &StoreFacts, access: Access) -> bool {
    let StoreProvider::Aws(aws) = &store.provider else { return false };
    let Some(binding) = context.binding.filter(|_| aws.prefix.ends_with('/')) else { return false };
    let below = format!("{}x", aws.prefix);
    context.grants(store, access).any(|(_, grant)| {
        matches!(grant.names.segments().last(), Some(Segment::Rest)) && grant.names.matches(&below, binding)
    })
}
