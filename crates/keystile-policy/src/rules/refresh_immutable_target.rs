//! A target Secret that can't change.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::violation::Violation;

/// See the rule's texts.
pub static REFRESH_IMMUTABLE_TARGET: Rule = Rule {
    id: "refresh-immutable-target",
    summary: "The Secret that an ExternalSecret makes is immutable.",
    why: "A value that was rotated at the provider can't be written into it: the old one stays until somebody deletes the Secret.",
    example: "spec:\n  target: {immutable: true}",
    instead: "Leave `target.immutable` out.",
    references: &["https://external-secrets.io/latest/api/externalsecret/"],
    default_action: Action::Deny,
    kinds: &[Kind::ExternalSecret, Kind::ClusterExternalSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let Some(refresh) = context.refresh() else { return };
    if refresh.is_target_immutable {
        out.push(
            Violation::new(
                &REFRESH_IMMUTABLE_TARGET,
                refresh.path.fields(&["target", "immutable"]),
                "true",
                "an immutable Secret keeps the old value after a rotation",
            )
            .cure("leave it out"),
        );
    }
}
