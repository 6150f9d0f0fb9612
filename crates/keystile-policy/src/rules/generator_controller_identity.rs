//! A generator that acts as the operator itself.

use super::Rule;
use super::acting::Acting;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::violation::Violation;

/// See the rule's texts.
pub static GENERATOR_CONTROLLER_IDENTITY: Rule = Rule {
    id: "generator-controller-identity",
    summary: "A generator names nobody to log in as, so it hands out credentials of the operator's own pod.",
    why: "A session token or a registry token of the operator is a token with what the operator may do, in the hands of whoever wrote the generator.",
    example: "apiVersion: generators.external-secrets.io/v1alpha1\nkind: STSSessionToken\nspec: {region: eu-west-1}   # no auth, no role",
    instead: "Name a service account under `auth`, or (AWS) a granted `role`.",
    references: &["https://external-secrets.io/latest/api/generator/ecr/"],
    default_action: Action::Deny,
    kinds: &[Kind::Generator],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let Some(acting) = Acting::generator(context) else { return };
    let identity = acting.identity();
    let Some(field) = identity.operator_field else { return };
    // AWS: what is handed out is then the role's, which is judged on its own.
    if identity.roles.iter().any(|role| role.field == "role") {
        return;
    }
    let message = "it names neither a service account nor a Secret, so it hands out what the operator itself may do";
    out.push(
        Violation::new(&GENERATOR_CONTROLLER_IDENTITY, acting.path(field), field, message)
            .cure("name a service account under auth"),
    );
}
