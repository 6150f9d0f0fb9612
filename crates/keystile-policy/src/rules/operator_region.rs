//! An AWSProvider of a region that is not granted.

use super::Rule;
use crate::context::Context;
use crate::field_path::Path;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::violation::Violation;
use serde_json::Value;

/// See the rule's texts.
pub static OPERATOR_REGION: Rule = Rule {
    id: "operator-region",
    summary: "An AWSProvider is of a region that the policy does not name.",
    why: "Secrets would be made where no grant and no key of the policy counts.",
    example: "kind: AWSProvider\nspec: {region: us-east-1}   # the policy names eu-west-1",
    instead: "Use a region of the policy.",
    references: &["https://github.com/andrebassi/infra-operator-aws"],
    default_action: Action::Deny,
    kinds: &[Kind::AwsProvider],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let region = context.object.pointer("/spec/region").and_then(Value::as_str).unwrap_or("");
    if !context.is_aws_region(region) {
        out.push(
            Violation::new(
                &OPERATOR_REGION,
                Path::of(&["spec", "region"]),
                region,
                format!("region {} is not one of the policy's", Shown(region)),
            )
            .cure("use a region that the policy names"),
        );
    }
}
