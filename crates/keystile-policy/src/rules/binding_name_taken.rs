//! A Namespace that the policy binds by its name, made by somebody else than the administrators.

use super::Rule;
use crate::context::Context;
use crate::field_path::Path;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::request::Operation;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static BINDING_NAME_TAKEN: Rule = Rule {
    id: "binding-name-taken",
    summary: "A namespace that the policy binds by its name is created by somebody who is no administrator.",
    why: "The name alone gives the namespace a team's grants. Who deletes it and makes it anew, or makes it on a cluster where it is missing, would have them.",
    example: "apiVersion: v1\nkind: Namespace\nmetadata: {name: legacy-billing}   # bound under namespaces: in the policy",
    instead: "Let a member of `admins.groups` create it, or choose another name.",
    references: &["https://kubernetes.io/docs/concepts/security/multi-tenancy/"],
    default_action: Action::Deny,
    kinds: &[Kind::Namespace],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    if !context.is_asked_for() || !context.is_asked_by_others() || context.request.operation != Operation::Create {
        return;
    }
    // The server may add to metadata.generateName; what it then asks with is in the object.
    let name = context.object.pointer("/metadata/name").and_then(serde_json::Value::as_str);
    let name = name.unwrap_or(context.request.name);
    let Some(binding) = context.policy.namespaces.get(name) else { return };
    out.push(
        Violation::new(
            &BINDING_NAME_TAKEN,
            Path::of(&["metadata", "name"]),
            name,
            format!("the policy binds namespace {} to {binding}, so only administrators create it", Shown(name)),
        )
        .cure("ask a member of the policy's admins.groups to do it"),
    );
}
