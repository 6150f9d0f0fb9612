//! Several namespaces that write one remote secret.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::policy::Access;
use crate::shown::Shown;
use crate::subject::Names;
use crate::violation::Violation;

/// See the rule's texts.
pub static FANOUT_SHARED_WRITE: Rule = Rule {
    id: "fanout-shared-write",
    summary: "A ClusterPushSecret lets several namespaces write one remote secret.",
    why: "Each namespace pushes its own Secret under the same name: the last writer wins, and any of them replaces what the others rely on.",
    example: "kind: ClusterPushSecret\nspec:\n  namespaceSelectors: [{matchLabels: {env: prod}}]\n  pushSecretSpec:\n    data:\n    - match: {secretKey: p, remoteRef: {remoteKey: /prod/shared/db}}",
    instead: "Use a PushSecret in the one namespace that owns the value, or choose exactly one by `kubernetes.io/metadata.name`.",
    references: &["https://external-secrets.io/latest/api/clusterpushsecret/"],
    default_action: Action::Deny,
    kinds: &[Kind::ClusterPushSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let reaches_several = context.reach.is_some_and(|reach| !reach.is_one_namespace && !reach.bindings.is_empty());
    if !reaches_several {
        return;
    }
    for reference in context.subject.references.iter().filter(|reference| reference.access == Access::Write) {
        let (name, shown) = match &reference.names {
            Names::Key(key) => (*key, Shown(key).to_string()),
            _ => ("", "the same names, made from keys".to_owned()),
        };
        let message = format!("every namespace that is chosen would write {shown}; the last one wins");
        let violation = Violation::new(&FANOUT_SHARED_WRITE, &reference.path, name, message)
            .cure("use a PushSecret in the one namespace that owns the value");
        if !out.last().is_some_and(|last| last.is_same(&violation) && last.path == violation.path) {
            out.push(violation);
        }
    }
}
