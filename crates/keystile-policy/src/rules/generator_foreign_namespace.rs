//! Credentials or a certificate authority of another namespace, named by a generator.

use super::acting::Acting;
use super::{Rule, identity_references};
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::violation::Violation;

/// See the rule's texts.
pub static GENERATOR_FOREIGN_NAMESPACE: Rule = Rule {
    id: "generator-foreign-namespace",
    summary: "A generator takes credentials or a certificate authority from a namespace that is not its own.",
    why: "The operator reads Secrets of every namespace, and a generator turns them into credentials that are handed out.",
    example: "apiVersion: generators.external-secrets.io/v1alpha1\nkind: GithubAccessToken\nspec:\n  auth: {privateKey: {secretRef: {name: app, namespace: platform, key: pem}}}",
    instead: "Leave `namespace` out. In a ClusterGenerator use a namespace of `stores.cluster.serviceAccounts`.",
    references: &["https://external-secrets.io/latest/api/generator/github/"],
    default_action: Action::Deny,
    kinds: &[Kind::Generator],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    if let Some(acting) = Acting::generator(context) {
        identity_references::namespaces(&GENERATOR_FOREIGN_NAMESPACE, context, acting, out);
    }
}
