//! A live secret that is rotated too rarely.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::live;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static INVENTORY_ROTATION_SLOW: Rule = Rule {
    id: "inventory-rotation-slow",
    summary: "The schedule of a live secret lets more time pass between two rotations than the policy allows, or can not be read.",
    why: "A value that leaked stays good until the next rotation.",
    example: "# RotationRules: {AutomaticallyAfterDays: 365}; the policy says 90d",
    instead: "Rotate more often.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html"],
    default_action: Action::Deny,
    kinds: live::KINDS,
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let Some(longest) = context.policy.rotation_max_age.strictest(context.env(), |a, b| a.min(b)) else { return };
    for secret in context.live() {
        let Some(entry) = secret.known().filter(|entry| entry.rotation_enabled == Some(true)) else { continue };
        let name = Shown(&secret.name);
        let violation = |message: String| {
            Violation::new(&INVENTORY_ROTATION_SLOW, secret.path, &*secret.name, message)
                .cure("rotate more often")
                .effective_key(&*secret.name)
        };
        match live::longest_gap_of(entry) {
            Some(Ok(gap)) if gap <= *longest => {}
            Some(Ok(gap)) => out.push(violation(format!(
                "{name} can go {} days without a rotation; {} days are allowed",
                live::days(gap),
                live::days(*longest)
            ))),
            Some(Err(error)) => out.push(violation(format!("the schedule of {name} {error}")).not_evaluated()),
            // A service of AWS that owns the secret rotates it by a schedule of its own.
            None if entry.owning_service.is_some() => {}
            None => out.push(violation(format!("how often {name} is rotated is not known")).not_evaluated()),
        }
    }
}
