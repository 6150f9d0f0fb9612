//! A Secret that comes from one remote secret and goes to another.

use std::ops::ControlFlow;

use serde_json::Value;

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::subject::push::Source;
use crate::violation::Violation;
use crate::world::{Objects, StoredObject};

/// See the rule's texts.
pub static PUSH_COPIES_SECRET: Rule = Rule {
    id: "push-copies-secret",
    summary: "A PushSecret pushes a Secret that an ExternalSecret of the namespace makes.",
    why: "A grant to read and a grant to write together are a way to copy: what one remote secret protects ends under another name, which others may read.",
    example: "kind: PushSecret\nspec:\n  selector: {secret: {name: db}}   # made by an ExternalSecret in the same namespace",
    instead: "Read the remote secret where it is, or see that whoever reads the copy may read the original.",
    references: &["https://external-secrets.io/latest/api/pushsecret/"],
    default_action: Action::Warn,
    kinds: &[Kind::PushSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let Some(push) = context.subject.push.as_ref().filter(|push| !push.entries.is_empty()) else { return };
    let Some(Source::Named(name, path)) = &push.source else { return };
    let mut maker = None;
    context.world.visit(Objects::In(context.namespace), &mut |object| {
        if target(&object) != Some(name) {
            return ControlFlow::Continue(());
        }
        maker = Some(object);
        ControlFlow::Break(())
    });
    let Some(maker) = maker else { return };
    let message =
        format!("Secret {} is made by ExternalSecret {}: what it reads is copied", Shown(name), Shown(&maker.name));
    let violation = Violation::new(&PUSH_COPIES_SECRET, path, *name, message);
    out.push(violation.cure("see that whoever reads the copy may read the original"));
}

/// The Secret that an ExternalSecret makes.
fn target(object: &StoredObject) -> Option<&str> {
    if object.kind != Kind::ExternalSecret {
        return None;
    }
    let named = object.object.pointer("/spec/target/name").and_then(Value::as_str).filter(|name| !name.is_empty());
    Some(named.unwrap_or(&object.name))
}
