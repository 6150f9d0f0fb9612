//! A SecretPolicy that says something which its author can hardly mean.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::policy::document;
use crate::violation::Violation;

/// See the rule's texts.
pub static POLICY_QUESTIONABLE: Rule = Rule {
    id: "policy-questionable",
    summary: "A SecretPolicy says something without effect, or with more effect than it seems.",
    why: "A grant that adds nothing hides which grant gives the names; a team whose name is also a shared segment would own what is shared.",
    example: "grants:\n- {names: \"/{env}/{team}/**\", access: [read]}\n- {names: \"/{env}/common/**\", access: [read]}   # a team named common?",
    instead: "Do what the message says.",
    references: &["https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/"],
    default_action: Action::Warn,
    kinds: &[Kind::SecretPolicy],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let (Ok((_, problems)) | Err(problems)) = document::read(context.object, context.request.now);
    for problem in problems.into_iter().filter(|problem| !problem.is_error) {
        let about = format!("{}: {}", problem.path, problem.message);
        out.push(Violation::new(&POLICY_QUESTIONABLE, problem.path, about, problem.message));
    }
}
