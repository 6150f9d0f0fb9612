//! Stores that a PushSecret chooses by their labels.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::subject::StoreTarget;
use crate::violation::Violation;

/// See the rule's texts.
pub static PUSH_STORE_BY_LABEL: Rule = Rule {
    id: "push-store-by-label",
    summary: "A PushSecret chooses its stores by labels; a selector wins over a name written beside it.",
    why: "Who may label a store decides where secrets go, later and without this object being touched; `{}` is every store of the kind.",
    example: "kind: PushSecret\nspec:\n  secretStoreRefs:\n  - {kind: ClusterSecretStore, name: aws, labelSelector: {}}",
    instead: "Name each store.",
    references: &["https://external-secrets.io/latest/api/pushsecret/"],
    default_action: Action::Deny,
    kinds: &[Kind::PushSecret, Kind::ClusterPushSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let Some(push) = &context.subject.push else { return };
    let targets = push.stores.iter().chain(push.entries.iter().filter_map(|entry| entry.store.as_ref()));
    for target in targets {
        let StoreTarget::ByLabel { kind, selector, path } = target else { continue };
        let has_name = path
            .steps()
            .split_last()
            .and_then(|(_, above)| context.value_at(above))
            .and_then(|store| store.get("name"))
            .is_some_and(|name| name.as_str().is_some_and(|name| !name.is_empty()));
        let chosen = match selector.as_object().is_some_and(serde_json::Map::is_empty) {
            true => format!("every {} is chosen", kind.as_str()),
            false => format!("{}s are chosen by labels, which may change later", kind.as_str()),
        };
        let message = if has_name { format!("{chosen}; the name beside it does not count") } else { chosen };
        let about = format!("{} {selector}", kind.as_str());
        out.push(Violation::new(&PUSH_STORE_BY_LABEL, path, about, message).cure("name each store"));
    }
}
