//! Rotation without a schedule.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::subject::managed::Setting;
use crate::violation::Violation;

/// See the rule's texts.
pub static ROTATION_UNSCHEDULED: Rule = Rule {
    id: "rotation-unscheduled",
    summary: "Rotation is on, and neither days nor an expression says how often.",
    why: "Without a schedule the secret is rotated when somebody asks, which is never.",
    example: "spec: {rotationEnabled: true, rotationLambdaARN: \"arn:aws:lambda:…\"}   # no automaticallyAfterDays",
    instead: "Say how often.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotationRulesType.html"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretsManagerSecret, Kind::TerraformSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    for (secret, rotation) in context.subject.rotations() {
        let has_none = rotation.days.setting == Setting::Absent && rotation.expression.setting == Setting::Absent;
        if rotation.is_on() && has_none {
            let name = secret.name_shown();
            out.push(
                Violation::new(
                    &ROTATION_UNSCHEDULED,
                    &rotation.days.path,
                    &*name,
                    format!("the rotation of {name} has no schedule"),
                )
                .cure("say after how many days"),
            );
        }
    }
}
