//! An AWSProvider with an endpoint of its own.

use super::Rule;
use crate::context::Context;
use crate::field_path::Path;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static OPERATOR_ENDPOINT: Rule = Rule {
    id: "operator-endpoint",
    summary: "An AWSProvider sends its calls to an endpoint that is written in the object.",
    why: "Whoever answers there gets the values and the credentials.",
    example: "kind: AWSProvider\nspec: {region: eu-west-1, endpoint: \"https://collect.example\"}",
    instead: "Leave the endpoint out.",
    references: &["https://github.com/andrebassi/infra-operator-aws"],
    default_action: Action::Deny,
    kinds: &[Kind::AwsProvider],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    if let Some(endpoint) =
        context.object.pointer("/spec/endpoint").filter(|value| !value.is_null() && value.as_str() != Some(""))
    {
        let text = endpoint.as_str().unwrap_or("a value that is no text");
        out.push(
            Violation::new(
                &OPERATOR_ENDPOINT,
                Path::of(&["spec", "endpoint"]),
                text,
                format!("calls go to {}", Shown(text)),
            )
            .cure("leave the endpoint out"),
        );
    }
}
