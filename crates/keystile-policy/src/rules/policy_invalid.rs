//! A SecretPolicy that can't come into force.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::policy::document;
use crate::violation::Violation;

/// See the rule's texts.
pub static POLICY_INVALID: Rule = Rule {
    id: "policy-invalid",
    summary: "A SecretPolicy has an error, so it can't come into force.",
    why: "A policy with errors is never used in part: the last good one stays in force, and what the author meant does not hold.",
    example: "spec:\n  rotation: {maxAge: 90}   # 90 what?",
    instead: "Correct what the message names; `keystile policy show` reads a file in the same way.",
    references: &["https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretPolicy],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    // What the old document had wrong excuses nothing: the new one would not come into force either.
    if !context.is_asked_for() {
        return;
    }
    let Err(problems) = document::read(context.object, context.request.now) else { return };
    for problem in problems.into_iter().filter(|problem| problem.is_error) {
        let about = format!("{}: {}", problem.path, problem.message);
        out.push(Violation::new(&POLICY_INVALID, problem.path, about, problem.message));
    }
}
