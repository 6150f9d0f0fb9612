//! A recovery window that is too short, or none that AWS takes.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::subject::managed::Setting;
use crate::violation::Violation;

/// See the rule's texts.
pub static DELETION_RECOVERY_WINDOW: Rule = Rule {
    id: "deletion-recovery-window",
    summary: "The window in which a deleted secret can be recovered is shorter than the policy allows, or outside of the 7 to 30 days that AWS takes.",
    why: "A deletion is noticed when something breaks, which can take weeks.",
    example: "spec: {deletionPolicy: Delete, recoveryWindowInDays: 3}",
    instead: "Use a window of 7 to 30 days, not shorter than the policy's `deletion.minRecoveryWindow`.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteSecret.html"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretsManagerSecret, Kind::TerraformSecret],
    check,
};

const DAY: u64 = 86_400;

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let shortest = context
        .policy
        .min_recovery_window
        .strictest(context.env(), |a, b| a.max(b))
        .map_or(7, |window| i64::try_from(window.as_secs().div_ceil(DAY)).unwrap_or(i64::MAX).max(7));
    for (secret, deletion) in context.subject.deletions() {
        if deletion.is_retained() {
            continue;
        }
        let name = secret.name_shown();
        let path = &deletion.recovery_days.path;
        match &deletion.recovery_days.setting {
            // 0 is another rule's; unsaid is 30.
            Setting::Absent | Setting::Is(0) => {}
            Setting::Is(days) if (shortest..=30).contains(days) => {}
            Setting::Is(days) => out.push(
                Violation::new(
                    &DELETION_RECOVERY_WINDOW,
                    path,
                    &*name,
                    format!("{name} can be recovered for {days} days; {shortest} to 30 are allowed"),
                )
                .cure("write a window in this range"),
            ),
            Setting::Undecidable(text) => out.push(
                Violation::new(
                    &DELETION_RECOVERY_WINDOW,
                    path,
                    &*name,
                    format!("the recovery window of {name} is not known here: {}", Shown(text)),
                )
                .not_evaluated(),
            ),
        }
    }
}
