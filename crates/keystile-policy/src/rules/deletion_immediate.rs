//! A deletion without recovery.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static DELETION_IMMEDIATE: Rule = Rule {
    id: "deletion-immediate",
    summary: "The remote secret is deleted without a time in which it can be recovered.",
    why: "One wrong deletion, or one by somebody who means harm, is final.",
    example: "spec: {deletionPolicy: Delete, recoveryWindowInDays: 0}",
    instead: "Keep a recovery window of 7 to 30 days.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteSecret.html"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretsManagerSecret, Kind::TerraformSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    for (secret, deletion) in context.subject.deletions() {
        if deletion.is_retained() {
            continue;
        }
        let name = secret.name_shown();
        let is_zero = deletion.recovery_days.setting.known() == Some(&0);
        let is_forced = deletion.is_forced.setting.known() == Some(&true);
        if let Some(text) = deletion.is_forced.undecidable().filter(|_| !is_zero) {
            out.push(
                Violation::new(
                    &DELETION_IMMEDIATE,
                    &deletion.is_forced.path,
                    &*name,
                    format!("whether {name} is deleted at once is not known here: {}", Shown(text)),
                )
                .not_evaluated(),
            );
        }
        if is_zero || is_forced {
            let path = if is_forced { &deletion.is_forced.path } else { &deletion.recovery_days.path };
            out.push(
                Violation::new(&DELETION_IMMEDIATE, path, &*name, format!("{name} is deleted at once, for good"))
                    .cure("keep a recovery window of 7 to 30 days"),
            );
        }
    }
}
