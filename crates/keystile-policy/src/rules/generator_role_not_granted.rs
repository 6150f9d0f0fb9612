//! A role that a generator may not use.

use super::acting::Acting;
use super::{Rule, identity_roles};
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::violation::Violation;

/// See the rule's texts.
pub static GENERATOR_ROLE_NOT_GRANTED: Rule = Rule {
    id: "generator-role-not-granted",
    summary: "A generator assumes or logs in with a role that the policy does not grant to its namespace.",
    why: "It hands out credentials of that role: whoever may name any role has the permissions of every role that trusts the operator.",
    example: "apiVersion: generators.external-secrets.io/v1alpha1\nkind: STSSessionToken\nspec: {region: eu-west-1, role: \"arn:aws:iam::111111111111:role/admin\"}",
    instead: "Name the team's own role, as `stores.roles` (for a ClusterGenerator `stores.cluster.roles`) lists it.",
    references: &["https://external-secrets.io/latest/api/generator/sts/"],
    default_action: Action::Deny,
    kinds: &[Kind::Generator],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    if let Some(acting) = Acting::generator(context) {
        identity_roles::judge(&GENERATOR_ROLE_NOT_GRANTED, context, acting, out);
    }
}
