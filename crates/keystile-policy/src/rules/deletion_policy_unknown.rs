//! A deletion policy that the operator does not have.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::subject::managed::{Maker, Setting};
use crate::violation::Violation;

/// See the rule's texts.
pub static DELETION_POLICY_UNKNOWN: Rule = Rule {
    id: "deletion-policy-unknown",
    summary: "The deletion policy of a SecretsManagerSecret is neither Delete nor Retain.",
    why: "The API server refuses the object, and a release that takes the value would do what nobody has judged.",
    example: "spec: {deletionPolicy: ScheduleDeletion}   # as documented, not as defined",
    instead: "Write Retain, or Delete with a recovery window: that is what schedules a deletion.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteSecret.html"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretsManagerSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    for (secret, deletion) in context.subject.deletions() {
        let path = &deletion.policy.path;
        match &deletion.policy.setting {
            _ if secret.maker != Maker::SecretsManagerSecret => {}
            Setting::Absent => {}
            Setting::Is(policy) if matches!(&**policy, "Delete" | "Retain") => {}
            Setting::Is(policy) => out.push(
                Violation::new(
                    &DELETION_POLICY_UNKNOWN,
                    path,
                    &**policy,
                    format!("{} is neither Delete nor Retain", Shown(policy)),
                )
                .cure("write Retain, or Delete with recoveryWindowInDays"),
            ),
            Setting::Undecidable(text) => out.push(
                Violation::new(
                    &DELETION_POLICY_UNKNOWN,
                    path,
                    text.as_str(),
                    format!("what becomes of {} is not known here: {}", secret.name_shown(), Shown(text)),
                )
                .not_evaluated(),
            ),
        }
    }
}
