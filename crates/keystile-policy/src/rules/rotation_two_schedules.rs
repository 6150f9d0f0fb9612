//! Days beside an expression.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::subject::managed::Setting;
use crate::violation::Violation;

/// See the rule's texts.
pub static ROTATION_TWO_SCHEDULES: Rule = Rule {
    id: "rotation-two-schedules",
    summary: "Days and a schedule expression are both written; AWS takes one.",
    why: "The call is refused, or one of the two counts and the reader believes the other.",
    example: "rotationSchedule: {automaticallyAfterDays: 30, scheduleExpression: \"rate(90 days)\"}",
    instead: "Leave one out.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotationRulesType.html"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretsManagerSecret, Kind::TerraformSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    for (secret, rotation) in context.subject.rotations().filter(|(_, rotation)| !rotation.is_undecidable()) {
        if rotation.days.setting != Setting::Absent && rotation.expression.setting != Setting::Absent {
            let name = secret.name_shown();
            out.push(
                Violation::new(
                    &ROTATION_TWO_SCHEDULES,
                    &rotation.expression.path,
                    &*name,
                    format!("the rotation of {name} has days and an expression"),
                )
                .cure("leave one out: AWS takes one of them"),
            );
        }
    }
}
