//! A live secret whose rotation is late.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::live;
use crate::shown::Shown;
use crate::violation::Violation;
use std::time::Duration;

/// See the rule's texts.
pub static INVENTORY_ROTATION_OVERDUE: Rule = Rule {
    id: "inventory-rotation-overdue",
    summary: "A live secret was not rotated when its schedule said, with two days of grace.",
    why: "Rotation is on and fails: the function has an error, or may not do what it must. NextRotationDate then lies in the past, or moves on whenever something writes the value.",
    example: "# RotationRules: {AutomaticallyAfterDays: 30}, LastRotatedDate: 60 days ago",
    instead: "Look at the function of the rotation and its log.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html"],
    default_action: Action::Deny,
    kinds: live::KINDS,
    check,
};

/// A rotation runs within a window, at most a day long, and is tried again when it fails.
const GRACE: Duration = Duration::from_secs(2 * 86_400);

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    for secret in context.live() {
        let Some(entry) = secret.known().filter(|entry| entry.rotation_enabled == Some(true)) else { continue };
        let name = Shown(&secret.name);
        let violation = |message: String| {
            Violation::new(&INVENTORY_ROTATION_OVERDUE, secret.path, &*secret.name, message)
                .cure("look at the function that rotates it")
                .effective_key(&*secret.name)
        };
        // A schedule that is not known is inventory-rotation-slow's.
        let Some(Ok(gap)) = live::longest_gap_of(entry) else { continue };
        let Some(last) = entry.last_rotated.or(entry.created) else {
            out.push(violation(format!("when {name} was last rotated is not known")).not_evaluated());
            continue;
        };
        if live::age(context, last) > gap + GRACE {
            let what =
                if entry.last_rotated.is_some() { "was last rotated" } else { "was never rotated since it was made" };
            out.push(violation(format!(
                "{name} {what} on {}; its schedule says every {} days",
                last.strftime("%F"),
                live::days(gap)
            )));
        }
    }
}
