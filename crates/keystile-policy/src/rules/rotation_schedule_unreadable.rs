//! A schedule that can't be read.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::schedule::longest_gap;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static ROTATION_SCHEDULE_UNREADABLE: Rule = Rule {
    id: "rotation-schedule-unreadable",
    summary: "A rotation schedule is not one that AWS takes: days outside of 1 to 1000, or neither rate(…) nor cron(…) as AWS documents them.",
    why: "How long a value stays good is not known.",
    example: "rotationSchedule: {scheduleExpression: \"every 30 days\"}",
    instead: "Write days from 1 to 1000, rate(30 days), or a cron expression of six fields.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotationRulesType.html"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretsManagerSecret, Kind::TerraformSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    for (secret, rotation) in context.subject.rotations() {
        let days = rotation.days.setting.known().filter(|days| !(1..=1000).contains(*days));
        if let Some(days) = days {
            out.push(
                Violation::new(
                    &ROTATION_SCHEDULE_UNREADABLE,
                    &rotation.days.path,
                    days.to_string(),
                    format!("{days} days for {} is outside of 1 to 1000", secret.name_shown()),
                )
                .cure("write a number of days that AWS takes"),
            );
        }
        let Some(expression) = rotation.expression.setting.known() else { continue };
        if let Err(error) = longest_gap(expression) {
            out.push(
                Violation::new(
                    &ROTATION_SCHEDULE_UNREADABLE,
                    &rotation.expression.path,
                    &**expression,
                    format!("{} {error}", Shown(expression)),
                )
                .cure("write rate(30 days), or a cron expression of six fields"),
            );
        }
    }
}
