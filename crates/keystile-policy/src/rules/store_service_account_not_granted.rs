//! A service account that a store may not use.

use super::acting::Acting;
use super::{Rule, identity_references};
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::violation::Violation;

/// See the rule's texts.
pub static STORE_SERVICE_ACCOUNT_NOT_GRANTED: Rule = Rule {
    id: "store-service-account-not-granted",
    summary: "A store logs in with the token of a service account that the policy does not list.",
    why: "The operator may ask for a token of any service account. One that is annotated with a role of another team, or trusted by a Vault role, gives the store that team's permissions.",
    example: "spec:\n  provider:\n    aws:\n      service: SecretsManager\n      region: eu-west-1\n      auth: {jwt: {serviceAccountRef: {name: deployer}}}",
    instead: "Name an account that `stores.serviceAccounts` lists; for a ClusterSecretStore one, with its namespace, of `stores.cluster.serviceAccounts`.",
    references: &["https://external-secrets.io/latest/provider/aws-access/"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretStore, Kind::ClusterSecretStore],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    if let Some(acting) = Acting::store(context) {
        identity_references::service_accounts(&STORE_SERVICE_ACCOUNT_NOT_GRANTED, context, acting, out);
    }
}
