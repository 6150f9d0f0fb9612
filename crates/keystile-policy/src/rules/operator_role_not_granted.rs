//! A role that is not granted.

use super::Rule;
use crate::context::Context;
use crate::field_path::Path;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static OPERATOR_ROLE_NOT_GRANTED: Rule = Rule {
    id: "operator-role-not-granted",
    summary: "An AWSProvider names an IAM role that the policy does not grant to its namespace.",
    why: "The role decides which secrets are within reach. The operator's present release ignores it; one that honours it would act as whatever is written today.",
    example: "kind: AWSProvider\nspec: {region: eu-west-1, roleARN: \"arn:aws:iam::111111111111:role/secrets-prod-team-b\"}",
    instead: "Name a role of the policy's `stores.roles`, or leave it out.",
    references: &["https://github.com/andrebassi/infra-operator-aws"],
    default_action: Action::Deny,
    kinds: &[Kind::AwsProvider],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    for field in ["roleARN", "assumeRoleARN"] {
        let Some(value) = context.object.pointer(&format!("/spec/{field}")).filter(|value| !value.is_null()) else {
            continue;
        };
        let role = value.as_str().unwrap_or("a value that is no text");
        let is_granted = context.binding.is_some_and(|binding| {
            context.policy.stores.roles.allows(context.env(), |granted| granted.matches(role, binding))
        });
        let is_said = out
            .iter()
            .any(|other| std::ptr::eq(other.rule, &raw const OPERATOR_ROLE_NOT_GRANTED) && other.about == role);
        if role.is_empty() || is_granted || is_said {
            continue;
        }
        out.push(
            Violation::new(
                &OPERATOR_ROLE_NOT_GRANTED,
                Path::of(&["spec", field]),
                role,
                format!("role {} is not granted", Shown(role)),
            )
            .cure("name a role of the policy's stores.roles, or leave it out"),
        );
    }
}
