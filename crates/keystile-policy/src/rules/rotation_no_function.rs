//! Rotation without a function.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::subject::managed::Setting;
use crate::violation::Violation;

/// See the rule's texts.
pub static ROTATION_NO_FUNCTION: Rule = Rule {
    id: "rotation-no-function",
    summary: "Rotation is on, and no function is named that does it.",
    why: "Nothing is rotated: AWS needs a Lambda function for every secret that no service of its own rotates.",
    example: "spec: {rotationEnabled: true, automaticallyAfterDays: 30}   # no rotationLambdaARN",
    instead: "Name the function. For a secret that a service of AWS rotates by itself (RDS), ask for an exception.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotationRulesType.html"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretsManagerSecret, Kind::TerraformSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    for (secret, rotation) in context.subject.rotations().filter(|(_, rotation)| rotation.is_on()) {
        let name = secret.name_shown();
        let path = &rotation.function.path;
        match &rotation.function.setting {
            Setting::Is(function) if !function.is_empty() => {}
            Setting::Is(_) | Setting::Absent => out.push(
                Violation::new(&ROTATION_NO_FUNCTION, path, &*name, format!("no function rotates {name}"))
                    .cure("name the Lambda function that does"),
            ),
            Setting::Undecidable(text) => out.push(
                Violation::new(
                    &ROTATION_NO_FUNCTION,
                    path,
                    &*name,
                    format!("which function rotates {name} is not known here: {}", Shown(text)),
                )
                .not_evaluated(),
            ),
        }
    }
}
