//! A role that a store may not use.

use super::acting::Acting;
use super::{Rule, identity_roles};
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::violation::Violation;

/// See the rule's texts.
pub static STORE_ROLE_NOT_GRANTED: Rule = Rule {
    id: "store-role-not-granted",
    summary: "A store assumes or logs in with a role that the policy does not grant to its namespace; every role of a chain counts.",
    why: "The role decides what can be read. A role that trusts the operator can be assumed by every store, whoever wrote it, so a team could take another team's, or an administrator's.",
    example: "spec:\n  provider:\n    aws: {service: SecretsManager, region: eu-west-1, role: \"arn:aws:iam::111111111111:role/admin\"}",
    instead: "Name the team's own role, as `stores.roles` (for a ClusterSecretStore `stores.cluster.roles`) lists it.",
    references: &[
        "https://external-secrets.io/latest/provider/aws-access/",
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_terms-and-concepts.html",
    ],
    default_action: Action::Deny,
    kinds: &[Kind::SecretStore, Kind::ClusterSecretStore],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    if let Some(acting) = Acting::store(context) {
        identity_roles::judge(&STORE_ROLE_NOT_GRANTED, context, acting, out);
    }
}
