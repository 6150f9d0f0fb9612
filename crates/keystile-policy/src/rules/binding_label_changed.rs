//! A guarded label of a Namespace, touched by somebody else than the administrators.

use super::Rule;
use crate::context::Context;
use crate::field_path::Path;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static BINDING_LABEL_CHANGED: Rule = Rule {
    id: "binding-label-changed",
    summary: "A label that binds a namespace, or that the policy guards, is set, changed or removed by somebody who is no administrator.",
    why: "Who may label a namespace could make it another team's and read that team's secrets. Controllers that may patch namespaces are no exception: what they can do, whoever takes them over can do.",
    example: "# kubectl label namespace team-a-jobs --overwrite team=team-b\napiVersion: v1\nkind: Namespace\nmetadata: {name: team-a-jobs, labels: {team: team-b, env: prod}}",
    instead: "Let a member of `admins.groups` label the namespace.",
    references: &["https://kubernetes.io/docs/concepts/security/multi-tenancy/"],
    default_action: Action::Deny,
    kinds: &[Kind::Namespace],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    if !context.is_asked_for() || !context.is_asked_by_others() {
        return;
    }
    let guarded = context.policy.binding.labels().chain(context.policy.admins.labels.iter().map(String::as_str));
    for label in guarded {
        let value = |object: &serde_json::Value| {
            object.pointer("/metadata/labels").and_then(|labels| labels.get(label)).cloned()
        };
        let (now, before) = (value(context.object), context.other.and_then(value));
        if now == before {
            continue;
        }
        let shown = |value: &Option<serde_json::Value>| {
            value.as_ref().map(|value| Shown(value.as_str().unwrap_or("a value of another type")).to_string())
        };
        let message = match (shown(&before), shown(&now)) {
            (None, Some(now)) => format!("only administrators set the label {label}, here to {now}"),
            (Some(before), None) => format!("only administrators remove the label {label}, here {before}"),
            (before, now) => format!(
                "only administrators change the label {label}, here from {} to {}",
                before.unwrap_or_default(),
                now.unwrap_or_default()
            ),
        };
        out.push(
            Violation::new(
                &BINDING_LABEL_CHANGED,
                Path::of(&["metadata", "labels"]).field(label),
                format!("{label}={}", shown(&now).unwrap_or_default()),
                message,
            )
            .cure("ask a member of the policy's admins.groups to do it"),
        );
    }
}
