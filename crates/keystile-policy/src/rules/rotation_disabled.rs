//! Rotation that is written and turned off.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::violation::Violation;

/// See the rule's texts.
pub static ROTATION_DISABLED: Rule = Rule {
    id: "rotation-disabled",
    summary: "A managed secret has settings of rotation, and rotation is off.",
    why: "It looks rotated to a reader, and is not.",
    example: "spec: {rotationEnabled: false, automaticallyAfterDays: 30}",
    instead: "Turn it on, or leave the settings out and ask for an exception.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotationRulesType.html"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretsManagerSecret, Kind::TerraformSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    for (secret, rotation) in context.subject.rotations() {
        if rotation.is_nothing() || rotation.is_on() || rotation.is_undecidable() {
            continue;
        }
        let name = secret.name_shown();
        out.push(
            Violation::new(
                &ROTATION_DISABLED,
                &rotation.is_enabled.path,
                &*name,
                format!("the rotation of {name} is off"),
            )
            .cure("turn it on"),
        );
    }
}
