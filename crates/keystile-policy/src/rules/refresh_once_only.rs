//! An ExternalSecret that reads its values once.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::violation::Violation;

/// See the rule's texts.
pub static REFRESH_ONCE_ONLY: Rule = Rule {
    id: "refresh-once-only",
    summary: "An ExternalSecret reads its values once, or only when it is changed itself.",
    why: "A rotation at the provider never reaches the cluster: workloads go on with the value that was to be taken out of use, until they fail.",
    example: "spec:\n  refreshPolicy: CreatedOnce",
    instead: "Leave `refreshPolicy` out, and set a `refreshInterval` above zero.",
    references: &["https://external-secrets.io/latest/api/externalsecret/"],
    default_action: Action::Deny,
    kinds: &[Kind::ExternalSecret, Kind::ClusterExternalSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let Some(refresh) = context.refresh() else { return };
    let (field, about, message) = match refresh.policy {
        Some("CreatedOnce") => ("refreshPolicy", "CreatedOnce", "CreatedOnce reads the values once"),
        Some("OnChange") => ("refreshPolicy", "OnChange", "OnChange reads the values only when this object is changed"),
        _ if refresh.every().is_zero() => ("refreshInterval", "0", "an interval of zero reads the values once"),
        _ => return,
    };
    out.push(
        Violation::new(
            &REFRESH_ONCE_ONLY,
            refresh.path.field(field),
            about,
            format!("{message}, so no rotation is picked up"),
        )
        .cure("leave refreshPolicy out and set an interval above zero"),
    );
}
