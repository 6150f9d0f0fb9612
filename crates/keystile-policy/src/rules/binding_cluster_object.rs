//! A cluster-scoped object, written by somebody else than the administrators.

use super::Rule;
use crate::context::Context;
use crate::field_path::Path;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::violation::Violation;

/// See the rule's texts.
pub static BINDING_CLUSTER_OBJECT: Rule = Rule {
    id: "binding-cluster-object",
    summary: "A cluster-scoped store, fan-out, generator or policy is created or changed by somebody who is no administrator.",
    why: "It acts for every namespace that it reaches, so it is no team's: a ClusterSecretStore decides whose credentials are used, a SecretPolicy what is refused.",
    example: "apiVersion: external-secrets.io/v1\nkind: ClusterSecretStore\nmetadata: {name: aws}   # applied by a team",
    instead: "Use the namespaced kind, or let a member of `admins.groups` apply it.",
    references: &["https://external-secrets.io/latest/guides/multi-tenancy/"],
    default_action: Action::Deny,
    kinds: &[
        Kind::ClusterExternalSecret,
        Kind::ClusterPushSecret,
        Kind::ClusterSecretStore,
        Kind::Generator,
        Kind::SecretPolicy,
    ],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let is_cluster_scoped = context.kind.is_cluster_scoped() || context.request.kind == "ClusterGenerator";
    if !is_cluster_scoped || !context.is_asked_for() || !context.is_asked_by_others() {
        return;
    }
    out.push(
        Violation::new(
            &BINDING_CLUSTER_OBJECT,
            Path::of(&["metadata", "name"]),
            context.request.name,
            format!("only administrators create and change a {}", context.request.kind),
        )
        .cure("ask a member of the policy's admins.groups to do it"),
    );
}
