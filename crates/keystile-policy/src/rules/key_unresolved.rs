//! A reference whose effective key is not known.

use std::collections::HashSet;

use super::{FANOUT_NAMESPACED_STORE, Rule};
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::subject::StoreTarget;
use crate::subject::store::StoreKind;
use crate::violation::Violation;
use crate::world::Lookup;

/// See the rule's texts.
pub static KEY_UNRESOLVED: Rule = Rule {
    id: "key-unresolved",
    summary: "A reference goes through a store that is not there or not known, so what it reads is not known.",
    why: "The store's prefix, region and role decide which secret is read. A store that is made later would decide it then.",
    example: "spec:\n  secretStoreRef: {kind: SecretStore, name: not-made-yet}",
    instead: "Create the store first; offline, hand it in with --world or check it in the same run.",
    references: &["https://external-secrets.io/latest/api/externalsecret/"],
    default_action: Action::Deny,
    kinds: &[Kind::ExternalSecret, Kind::ClusterExternalSecret, Kind::PushSecret, Kind::ClusterPushSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let is_store_refused =
        context.reach.is_some() && context.policy.action(&FANOUT_NAMESPACED_STORE, context.env()) == Action::Deny;
    let mut said = HashSet::new();
    for resolved in &context.resolved {
        let is_namespaced = matches!(
            resolved.reference.store,
            StoreTarget::Named { kind: StoreKind::SecretStore, .. }
                | StoreTarget::ByLabel { kind: StoreKind::SecretStore, .. }
        );
        if is_store_refused && is_namespaced {
            continue; // fanout-namespaced-store says so
        }
        let path = &resolved.reference.path;
        let violation = match (&resolved.reference.store, &resolved.store) {
            (StoreTarget::Missing, _) => {
                Violation::new(&KEY_UNRESOLVED, path, "", "no store is named for this reference")
                    .cure("name one in secretStoreRef")
            }
            (StoreTarget::UnknownKind { kind, path }, _) => {
                Violation::new(&KEY_UNRESOLVED, path, *kind, format!("{} is no kind of store", Shown(kind)))
                    .cure("use SecretStore or ClusterSecretStore")
            }
            (StoreTarget::Named { kind, name, path }, Lookup::Absent) => {
                Violation::new(&KEY_UNRESOLVED, path, *name, format!("there is no {} {}", kind.as_str(), Shown(name)))
                    .cure(cure_of_absent(context, *kind, name))
            }
            (StoreTarget::Named { kind, name, path }, Lookup::Unknown) => Violation::new(
                &KEY_UNRESOLVED,
                path,
                *name,
                format!("{} {} is not known here", kind.as_str(), Shown(name)),
            )
            .cure("hand the store in, as a file of the same run or with --world")
            .not_evaluated(),
            (StoreTarget::ByLabel { kind, selector, path }, Lookup::Unknown) => Violation::new(
                &KEY_UNRESOLVED,
                path,
                format!("{} {selector}", kind.as_str()),
                format!("which of all {}s have the labels is not known here, or they are too many", kind.as_str()),
            )
            .cure("name one store")
            .not_evaluated(),
            // No store has the labels: nothing is asked. One that gets them is judged with who refers to it.
            (StoreTarget::ByLabel { .. }, Lookup::Found(_) | Lookup::Absent)
            | (StoreTarget::Named { .. }, Lookup::Found(_))
            // An AWSProvider is `operator-provider-unknown`'s.
            | (StoreTarget::AwsProvider { .. }, _) => continue,
        };
        if said.insert(violation.about.clone()) {
            out.push(violation);
        }
    }
}

/// What to do about a store that is not there. `kind` is easily forgotten, and then means SecretStore: where the
/// other kind has a store of the name, that is said.
fn cure_of_absent(context: &Context<'_>, kind: StoreKind, name: &str) -> &'static str {
    let other = match kind {
        StoreKind::SecretStore => StoreKind::ClusterSecretStore,
        StoreKind::ClusterSecretStore => StoreKind::SecretStore,
        StoreKind::AwsProvider => return "create the store first",
    };
    match (context.world.store(other, context.namespace, name), other) {
        (Lookup::Found(_), StoreKind::ClusterSecretStore) => {
            "a ClusterSecretStore has the name: write kind: ClusterSecretStore beside it, or create the store first"
        }
        (Lookup::Found(_), _) => {
            "a SecretStore has the name: write kind: SecretStore beside it, or create the store first"
        }
        (Lookup::Absent | Lookup::Unknown, _) => "create the store first",
    }
}
