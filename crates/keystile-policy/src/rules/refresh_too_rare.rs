//! A refresh that comes too seldom.

use std::time::Duration;

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static REFRESH_TOO_RARE: Rule = Rule {
    id: "refresh-too-rare",
    summary: "An ExternalSecret reads its values less often than the policy asks for.",
    why: "Between a rotation and the next reading, workloads use a value that is no longer valid, or one that was to be taken out of use.",
    example: "spec:\n  refreshInterval: 720h",
    instead: "Set `refreshInterval` to at most what the policy says.",
    references: &["https://external-secrets.io/latest/api/externalsecret/"],
    default_action: Action::Deny,
    kinds: &[Kind::ExternalSecret, Kind::ClusterExternalSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let Some(refresh) = context.refresh() else { return };
    let Some(most) = context.policy.refresh_max_interval.strictest(context.env(), |a, b| a.min(b)) else { return };
    let interval = refresh.every();
    if !refresh.is_periodic() || interval <= *most {
        return;
    }
    let shown = refresh.interval.unwrap_or("1h");
    out.push(
        Violation::new(
            &REFRESH_TOO_RARE,
            refresh.path.field("refreshInterval"),
            shown,
            format!("{} is longer than {}", Shown(shown), said(*most)),
        )
        .cure("read more often"),
    );
}

/// A duration in its largest whole unit.
pub(super) fn said(duration: Duration) -> String {
    match duration.as_secs() {
        seconds if seconds > 0 && seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        seconds if seconds > 0 && seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}
