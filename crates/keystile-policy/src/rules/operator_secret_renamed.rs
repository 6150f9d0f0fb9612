//! A secret name that is changed.

use super::Rule;
use crate::context::Context;
use crate::field_path::Path;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::violation::Violation;
use serde_json::Value;

/// See the rule's texts.
pub static OPERATOR_SECRET_RENAMED: Rule = Rule {
    id: "operator-secret-renamed",
    summary: "An update changes which remote secret a SecretsManagerSecret manages.",
    why: "The secret that it managed before stays behind without an owner, and the one that it names now is written over; with a finalizer of its own the object does so even while it is being deleted.",
    example: "spec: {secretName: /prod/team-a/db-2}   # was /prod/team-a/db",
    instead: "Make a new object for the new name, and delete this one.",
    references: &["https://github.com/andrebassi/infra-operator-aws"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretsManagerSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    if !context.is_asked_for() {
        return;
    }
    let name = |object: &Value| object.pointer("/spec/secretName").and_then(Value::as_str).unwrap_or("").to_owned();
    let (Some(old), new) = (context.other.map(name), name(context.object)) else { return };
    if old != new {
        out.push(
            Violation::new(
                &OPERATOR_SECRET_RENAMED,
                Path::of(&["spec", "secretName"]),
                &*new,
                format!("the name was {} and is {} now", Shown(&old), Shown(&new)),
            )
            .cure("make a new object for the new name"),
        );
    }
}
