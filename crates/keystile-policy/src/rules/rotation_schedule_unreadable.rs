//! A schedule that can't be read.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::schedule::longest_gap;
use crate::shown::Shown;
use crate::violation::Violation;
use std::time::Duration;

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

/// AWS rotates a secret every four hours at most. Source: Secrets Manager user guide, "Schedule expressions".
const SHORTEST: Duration = Duration::from_secs(4 * 3_600);

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    for (secret, rotation) in context.subject.rotations() {
        let name = secret.name_shown();
        let days = rotation.days.setting.known().filter(|days| !(1..=1000).contains(*days));
        if let Some(days) = days {
            out.push(
                Violation::new(
                    &ROTATION_SCHEDULE_UNREADABLE,
                    &rotation.days.path,
                    format!("{name} {days}"),
                    format!("{days} days for {name} is outside of 1 to 1000"),
                )
                .cure("write a number of days that AWS takes"),
            );
        }
        let Some(expression) = rotation.expression.setting.known() else { continue };
        let message = match longest_gap(expression) {
            Ok(gap) if gap >= SHORTEST => continue,
            Ok(_) => format!("{} is more often than every four hours, which AWS does not take", Shown(expression)),
            Err(error) => format!("{} {error}", Shown(expression)),
        };
        out.push(
            Violation::new(
                &ROTATION_SCHEDULE_UNREADABLE,
                &rotation.expression.path,
                format!("{name} {expression}"),
                message,
            )
            .cure("write rate(30 days), or a cron expression of six fields"),
        );
    }
}
