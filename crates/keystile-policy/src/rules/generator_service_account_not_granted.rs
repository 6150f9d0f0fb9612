//! A service account that a generator may not use.

use super::acting::Acting;
use super::{Rule, identity_references};
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::violation::Violation;

/// See the rule's texts.
pub static GENERATOR_SERVICE_ACCOUNT_NOT_GRANTED: Rule = Rule {
    id: "generator-service-account-not-granted",
    summary: "A generator logs in with the token of a service account that the policy does not list.",
    why: "The operator may ask for a token of any service account, and the generator turns it into credentials that are handed out.",
    example: "apiVersion: generators.external-secrets.io/v1alpha1\nkind: ECRAuthorizationToken\nspec: {region: eu-west-1, auth: {jwt: {serviceAccountRef: {name: deployer}}}}",
    instead: "Name an account that `stores.serviceAccounts` lists; for a ClusterGenerator one, with its namespace, of `stores.cluster.serviceAccounts`.",
    references: &["https://external-secrets.io/latest/api/generator/ecr/"],
    default_action: Action::Deny,
    kinds: &[Kind::Generator],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    if let Some(acting) = Acting::generator(context) {
        identity_references::service_accounts(&GENERATOR_SERVICE_ACCOUNT_NOT_GRANTED, context, acting, out);
    }
}
