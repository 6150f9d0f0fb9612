//! The status of a PushSecret, written by somebody else than the operator.

use super::Rule;
use crate::context::Context;
use crate::field_path::Path;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::request::{Door, User};
use crate::violation::Violation;

/// See the rule's texts.
pub static PUSH_STATUS_WRITTEN: Rule = Rule {
    id: "push-status-written",
    summary: "The status of a PushSecret is written by somebody who is not one of the policy's `push.statusWriters`.",
    why: "With `deletionPolicy: Delete` the operator destroys whatever `status.syncedPushSecrets` lists: who writes the status chooses which remote secrets die.",
    example: "# kubectl patch pushsecret db --subresource=status --type=merge -p …\nstatus:\n  syncedPushSecrets:\n    ClusterSecretStore/aws:\n      /prod/team-b/db: {match: {remoteRef: {remoteKey: /prod/team-b/db}}}",
    instead: "Leave the status to the operator; name its service account in `push.statusWriters`.",
    references: &["https://external-secrets.io/latest/api/pushsecret/"],
    default_action: Action::Deny,
    kinds: &[Kind::PushSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let status = context.object.get("status");
    let before = context.other.and_then(|other| other.get("status"));
    let is_status_write = context.request.sub_resource == "status" && context.request.door == Door::Admission;
    if !is_status_write || status == before {
        return;
    }
    let writer = context.request.user.and_then(User::service_account);
    let is_writer = |writer: &String| context.policy.status_writers.allows(context.env(), |allowed| allowed == writer);
    if writer.as_ref().is_some_and(is_writer) {
        return;
    }
    let who = context.request.user.map_or("", |user| &user.name);
    out.push(
        Violation::new(
            &PUSH_STATUS_WRITTEN,
            Path::of(&["status"]),
            who,
            "only the operator writes the status of a PushSecret: it says what is destroyed",
        )
        .cure("name the operator's service account in the policy's push.statusWriters"),
    );
}
