//! A managed secret that is never rotated.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::violation::Violation;

/// See the rule's texts.
pub static ROTATION_MISSING: Rule = Rule {
    id: "rotation-missing",
    summary: "A managed secret has no rotation at all.",
    why: "A value that never changes stays good for whoever has seen it once: in a log, a backup, a commit.",
    example: "kind: SecretsManagerSecret\nspec: {secretName: /prod/team-a/db, kmsKeyId: alias/secrets}   # no rotationEnabled",
    instead: "Turn rotation on, with a function and a schedule.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotationRulesType.html"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretsManagerSecret, Kind::TerraformSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    for (secret, rotation) in context.subject.rotations() {
        let name = secret.name_shown();
        let violation =
            Violation::new(&ROTATION_MISSING, &rotation.is_enabled.path, &*name, format!("{name} is not rotated"))
                .cure("turn rotation on, with a function and a schedule");
        if rotation.is_undecidable() {
            out.push(violation.not_evaluated());
        } else if rotation.is_nothing() {
            out.push(violation);
        }
    }
}
