//! Sync windows that keep rotated values out.

use super::Rule;
use super::refresh_too_rare::said;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::subject::cron;
use crate::subject::refresh::go_duration;
use crate::violation::Violation;

/// See the rule's texts.
pub static REFRESH_CLOSED_WINDOW: Rule = Rule {
    id: "refresh-closed-window",
    summary: "The sync windows of an ExternalSecret let no reading through, or none for longer than the policy allows.",
    why: "While the windows are shut, a value that was rotated at the provider does not reach the cluster, whatever the interval says.",
    example: "spec:\n  syncWindows: {kind: deny, windows: [{schedule: \"0 0 * * *\", duration: 24h}]}",
    instead: "Leave a gap in which values are read, at least as often as the policy asks for.",
    references: &["https://external-secrets.io/latest/api/externalsecret/"],
    default_action: Action::Deny,
    kinds: &[Kind::ExternalSecret, Kind::ClusterExternalSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let Some(refresh) = context.refresh() else { return };
    let Some(windows) = refresh.windows.as_ref().filter(|windows| refresh.is_periodic() && !windows.windows.is_empty())
    else {
        return;
    };
    // The operator leaves a window out whose schedule it can't read.
    let read: Vec<_> = windows
        .windows
        .iter()
        .filter_map(|(schedule, duration)| Some((cron::parse(schedule)?, go_duration(duration)?)))
        .collect();
    let most = context.policy.refresh_max_interval.strictest(context.env(), |a, b| a.min(b));
    let message = match (cron::longest_shut(&read, windows.is_allow), most) {
        (None, _) => "the windows let no reading through".to_owned(),
        (Some(shut), Some(most)) if shut > *most => {
            format!("the windows let no reading through for {}, longer than {}", said(shut), said(*most))
        }
        _ => return,
    };
    let about = format!("{:?}", windows.windows);
    out.push(
        Violation::new(&REFRESH_CLOSED_WINDOW, refresh.path.field("syncWindows"), about, message)
            .cure("leave a gap in which values are read"),
    );
}
