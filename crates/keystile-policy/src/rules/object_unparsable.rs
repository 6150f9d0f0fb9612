//! A value of the wrong type.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::violation::Violation;

/// See the rule's texts.
pub static OBJECT_UNPARSABLE: Rule = Rule {
    id: "object-unparsable",
    summary: "A field that decides about secrets holds a value of the wrong type, or is missing.",
    why: "What can't be read can't be judged. A check that skips it lets through whatever a more lenient reader makes of it.",
    example: "spec:\n  data:\n  - secretKey: password\n    remoteRef: {key: 123}",
    instead: "Write the type that the kind's definition asks for; numbers that are names go in quotes.",
    references: &["https://external-secrets.io/latest/api/externalsecret/"],
    default_action: Action::Deny,
    kinds: &[],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    for fault in &context.subject.faults {
        let about = format!("{} {}", fault.path, fault.message);
        out.push(Violation::new(&OBJECT_UNPARSABLE, fault.path.clone(), about, fault.message.clone()));
    }
}
