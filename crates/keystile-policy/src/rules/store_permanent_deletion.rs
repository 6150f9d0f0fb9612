//! A store through which secrets are deleted for good.

use std::time::Duration;

use super::Rule;
use super::acting::{Acting, For};
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::policy::duration;
use crate::subject::store::StoreProvider;
use crate::violation::Violation;

/// See the rule's texts.
pub static STORE_PERMANENT_DELETION: Rule = Rule {
    id: "store-permanent-deletion",
    summary: "A store deletes secrets without a time in which they can be recovered, or with one that is too short.",
    why: "A PushSecret with `deletionPolicy: Delete` deletes through it. What is deleted without recovery is gone for everybody, by a typing error or on purpose.",
    example: "spec:\n  provider:\n    aws:\n      secretsManager: {forceDeleteWithoutRecovery: true}",
    instead: "Leave forceDeleteWithoutRecovery out; where recoveryWindowInDays is written, let it be at least `deletion.minRecoveryWindow`.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteSecret.html"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretStore, Kind::ClusterSecretStore],
    check,
};

/// What Secrets Manager takes; source: DeleteSecret, `RecoveryWindowInDays`.
const DAYS: std::ops::RangeInclusive<i64> = 7..=30;

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let (Some(store), Some(acting)) = (context.subject.store.as_deref(), Acting::store(context)) else { return };
    let StoreProvider::Aws(aws) = &store.provider else { return };
    if aws.force_delete_without_recovery {
        out.push(
            Violation::new(
                &STORE_PERMANENT_DELETION,
                store.path("secretsManager.forceDeleteWithoutRecovery"),
                "forceDeleteWithoutRecovery",
                "secrets that are deleted through it can't be recovered",
            )
            .cure("leave it out"),
        );
    }
    let Some(days) = aws.recovery_window_in_days else { return };
    let whom = For::new(context, acting);
    let minimum = context.policy.min_recovery_window.strictest(whom.env(), |one, other| one.max(other));
    let is_long_enough = |days: i64| {
        let days = u64::try_from(days).unwrap_or(0);
        minimum.is_none_or(|minimum| Duration::from_secs(days * 24 * 60 * 60) >= *minimum)
    };
    let message = if !DAYS.contains(&days) {
        format!("a recovery window of {days} days is none that AWS takes: it takes 7 to 30")
    } else if !is_long_enough(days) {
        let minimum = minimum.map(|minimum| duration::shown(*minimum)).unwrap_or_default();
        format!("a recovery window of {days} days is shorter than {minimum}")
    } else {
        return;
    };
    out.push(
        Violation::new(
            &STORE_PERMANENT_DELETION,
            store.path("secretsManager.recoveryWindowInDays"),
            format!("recoveryWindowInDays {days}"),
            message,
        )
        .cure("write more days, or leave it out: AWS then takes 30"),
    );
}
