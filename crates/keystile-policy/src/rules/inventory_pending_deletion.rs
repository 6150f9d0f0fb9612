//! A live secret that is scheduled for deletion.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::live;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static INVENTORY_PENDING_DELETION: Rule = Rule {
    id: "inventory-pending-deletion",
    summary: "A reference names a secret that is scheduled for deletion.",
    why: "When the recovery window ends the value is gone, and whatever reads it stops working.",
    example: "# list-secrets --include-planned-deletion prints a DeletedDate for /prod/team-a/db",
    instead: "Restore the secret (RestoreSecret), or name another.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html"],
    default_action: Action::Deny,
    kinds: live::KINDS,
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    for secret in context.live() {
        let Some(deleted) = secret.known().and_then(|entry| entry.deleted) else { continue };
        out.push(
            Violation::new(
                &INVENTORY_PENDING_DELETION,
                secret.path,
                &*secret.name,
                format!("{} is scheduled for deletion ({})", Shown(&secret.name), deleted.strftime("%F")),
            )
            .cure("restore it, or name another")
            .effective_key(&*secret.name),
        );
    }
}
