//! Credentials or a certificate authority of another namespace, named by a store.

use super::acting::Acting;
use super::{Rule, identity_references};
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::violation::Violation;

/// See the rule's texts.
pub static STORE_FOREIGN_NAMESPACE: Rule = Rule {
    id: "store-foreign-namespace",
    summary: "A store takes credentials or a certificate authority from a namespace that is not its own.",
    why: "The operator reads Secrets of every namespace. A ClusterSecretStore that names kube-system acts with what lies there; an authority from elsewhere makes a stranger's server a trusted one.",
    example: "kind: ClusterSecretStore\nspec:\n  provider:\n    vault:\n      server: https://vault.example:8200\n      auth: {tokenSecretRef: {name: root, namespace: kube-system, key: token}}",
    instead: "Leave `namespace` out in a SecretStore. In a ClusterSecretStore use a namespace of `stores.cluster.serviceAccounts`.",
    references: &["https://github.com/external-secrets/external-secrets/security/advisories/GHSA-wv26-88m5-6h59"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretStore, Kind::ClusterSecretStore],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    if let Some(acting) = Acting::store(context) {
        identity_references::namespaces(&STORE_FOREIGN_NAMESPACE, context, acting, out);
    }
}
