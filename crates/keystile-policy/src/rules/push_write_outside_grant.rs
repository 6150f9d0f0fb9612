//! A remote secret that is written without a grant.

use super::{Rule, push_grant};
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::policy::Access;
use crate::violation::Violation;

/// See the rule's texts.
pub static PUSH_WRITE_OUTSIDE_GRANT: Rule = Rule {
    id: "push-write-outside-grant",
    summary: "A PushSecret writes a remote secret that its namespace has no grant to write.",
    why: "The operator overwrites every remote secret that it once made, whoever had it made: the tag by which it knows its own is the same for all teams. `updatePolicy: IfNotExists` takes a name before its owner does.",
    example: "kind: PushSecret\nspec:\n  data:\n  - match:\n      secretKey: password\n      remoteRef: {remoteKey: /prod/team-b/db}   # in a namespace of team-a",
    instead: "Write below the team's own prefix, or ask for a grant with `write`.",
    references: &["https://external-secrets.io/latest/api/pushsecret/"],
    default_action: Action::Deny,
    kinds: &[Kind::PushSecret, Kind::ClusterPushSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    if context.binding.is_some() {
        push_grant::check(context, &PUSH_WRITE_OUTSIDE_GRANT, Access::Write, out);
    }
}
