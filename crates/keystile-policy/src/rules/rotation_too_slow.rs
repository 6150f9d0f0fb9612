//! A rotation slower than the policy allows.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::schedule::longest_gap;
use crate::shown::Shown;
use crate::violation::Violation;
use std::time::Duration;

/// See the rule's texts.
pub static ROTATION_TOO_SLOW: Rule = Rule {
    id: "rotation-too-slow",
    summary: "The longest time between two rotations is longer than the policy allows.",
    why: "A value that leaked stays good until the next rotation.",
    example: "spec: {rotationEnabled: true, automaticallyAfterDays: 365}   # the policy says 90d",
    instead: "Rotate more often. Of a cron expression the longest gap counts.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotationRulesType.html"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretsManagerSecret, Kind::TerraformSecret],
    check,
};

const DAY: u64 = 86_400;

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let Some(longest) = context.policy.rotation_max_age.strictest(context.env(), |a, b| a.min(b)) else { return };
    // That it is off, or not known, is another rule's.
    for (secret, rotation) in context.subject.rotations().filter(|(_, rotation)| rotation.is_on()) {
        let days = rotation.days.setting.known().and_then(|days| u64::try_from(*days).ok());
        let by_days = days.map(|days| (Duration::from_secs(days.saturating_mul(DAY)), &rotation.days.path));
        let expression = rotation.expression.setting.known();
        let by_expression =
            expression.and_then(|expression| longest_gap(expression).ok()).map(|gap| (gap, &rotation.expression.path));
        let slowest = by_days.into_iter().chain(by_expression).max_by_key(|(gap, _)| *gap);
        let undecidable = [
            (rotation.days.undecidable(), &rotation.days.path),
            (rotation.expression.undecidable(), &rotation.expression.path),
        ]
        .into_iter()
        .find_map(|(text, path)| Some((text?, path)));
        let name = secret.name_shown();
        // One violation for a secret: it is too slow, or not known to be quick enough.
        if let Some((gap, path)) = slowest.filter(|(gap, _)| gap > longest) {
            let message = format!(
                "{name} can go {} days without a rotation; {} days are allowed",
                gap.as_secs().div_ceil(DAY),
                longest.as_secs() / DAY
            );
            out.push(Violation::new(&ROTATION_TOO_SLOW, path, &*name, message).cure("rotate more often"));
        } else if let Some((text, path)) = undecidable {
            let message = format!("how often {name} is rotated is not known here: {}", Shown(text));
            out.push(Violation::new(&ROTATION_TOO_SLOW, path, &*name, message).not_evaluated());
        }
    }
}
