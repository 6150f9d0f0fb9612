//! A namespace that is nobody's.

use super::{Rule, none};
use crate::judgement::Action;

/// See the rule's texts.
pub static BINDING_UNBOUND: Rule = Rule {
    id: "binding-unbound",
    summary: "An object that points at secrets lies in a namespace without an environment and a team.",
    why: "Grants are given to teams. What lies in a namespace that no team is bound to has no grant, and must not get one by the spelling of the namespace's name.",
    example: "apiVersion: v1\nkind: Namespace\nmetadata: {name: team-a-jobs}   # neither label of the binding",
    instead: "Let an administrator label the namespace, or name it under `namespaces` in the policy.",
    references: &["https://external-secrets.io/latest/guides/multi-tenancy/"],
    default_action: Action::Deny,
    kinds: &[],
    check: none,
};
