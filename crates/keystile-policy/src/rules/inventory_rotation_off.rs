//! A live secret that is not rotated.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::live;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static INVENTORY_ROTATION_OFF: Rule = Rule {
    id: "inventory-rotation-off",
    summary: "A live secret has no rotation, or its rotation was cancelled.",
    why: "A value that never changes stays good for whoever has seen it once. Rules of a cancelled rotation remain, so the schedule alone proves nothing.",
    example: "# list-secrets prints no RotationEnabled, or false, for /prod/team-a/db",
    instead: "Turn rotation on (RotateSecret).",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html"],
    default_action: Action::Deny,
    kinds: live::KINDS,
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    for secret in context.live() {
        let Some(entry) = secret.known() else { continue };
        let name = Shown(&secret.name);
        let message = match entry.rotation_enabled {
            Some(true) => continue,
            Some(false) => format!("the rotation of {name} is off: it was cancelled"),
            None => format!("{name} is not rotated: rotation was never turned on"),
        };
        out.push(
            Violation::new(&INVENTORY_ROTATION_OFF, secret.path, &*secret.name, message)
                .cure("turn rotation on")
                .effective_key(&*secret.name),
        );
    }
}
