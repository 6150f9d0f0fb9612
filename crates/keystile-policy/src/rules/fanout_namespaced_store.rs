//! A cluster-scoped object that goes through each namespace's own store.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::subject::StoreTarget;
use crate::subject::store::StoreKind;
use crate::violation::Violation;

/// See the rule's texts.
pub static FANOUT_NAMESPACED_STORE: Rule = Rule {
    id: "fanout-namespaced-store",
    summary: "A ClusterExternalSecret or ClusterPushSecret names a SecretStore, which is another one in each namespace.",
    why: "Whoever makes a store of that name in a namespace decides what is read or written there.",
    example: "kind: ClusterExternalSecret\nspec:\n  externalSecretSpec:\n    secretStoreRef: {kind: SecretStore, name: own}",
    instead: "Use a ClusterSecretStore.",
    references: &["https://external-secrets.io/latest/api/clusterexternalsecret/"],
    default_action: Action::Deny,
    kinds: &[Kind::ClusterExternalSecret, Kind::ClusterPushSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let mut last = None;
    for reference in &context.subject.references {
        let (name, path) = match &reference.store {
            StoreTarget::Named { kind: StoreKind::SecretStore, name, path } => (*name, path),
            StoreTarget::ByLabel { kind: StoreKind::SecretStore, path, .. } => ("", path),
            _ => continue,
        };
        if last.replace(path) == Some(path) {
            continue;
        }
        let message = match name {
            "" => "each namespace has other SecretStores with these labels".to_owned(),
            name => format!("SecretStore {} is another one in each namespace", Shown(name)),
        };
        out.push(Violation::new(&FANOUT_NAMESPACED_STORE, path, name, message).cure("use a ClusterSecretStore"));
    }
}
