//! A remote secret that is destroyed without a grant.

use super::{Rule, push_grant};
use crate::context::Context;
use crate::field_path::Step;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::policy::Access;
use crate::violation::Violation;

/// See the rule's texts.
pub static PUSH_DELETE_OUTSIDE_GRANT: Rule = Rule {
    id: "push-delete-outside-grant",
    summary: "A PushSecret with `deletionPolicy: Delete` would destroy a remote secret that its namespace has no grant to destroy.",
    why: "The operator destroys what the status lists as soon as the spec no longer has it, the store is another, the pushed Secret is gone or the object is deleted.",
    example: "kind: PushSecret\nspec:\n  deletionPolicy: Delete   # with a grant to read and write only",
    instead: "Leave `deletionPolicy` at None, or ask for a grant with `delete`. To delete an object whose remote secrets should stay, set `deletionPolicy: None` first.",
    references: &[
        "https://external-secrets.io/latest/api/pushsecret/",
        "https://github.com/external-secrets/external-secrets/issues/5062",
    ],
    default_action: Action::Deny,
    kinds: &[Kind::PushSecret, Kind::ClusterPushSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let first = out.len();
    if context.binding.is_some() || context.is_deletion() {
        push_grant::check(context, &PUSH_DELETE_OUTSIDE_GRANT, Access::Delete, out);
    }
    if context.is_deletion() && context.kind == Kind::PushSecret {
        // What was never pushed is not destroyed either.
        let mut nth = 0;
        out.retain(|violation| {
            nth += 1;
            nth <= first || violation.path.steps().next() == Some(Step::Field("status"))
        });
    }
    for violation in &mut out[first..] {
        if context.is_deletion() {
            violation.cure.push_str("; to delete the object alone, set spec.deletionPolicy to None first");
        } else {
            violation.cure.push_str("; or leave spec.deletionPolicy at None");
        }
    }
}
