//! A version of a judged kind that can't be read.

use super::{Rule, none};
use crate::judgement::Action;

/// See the rule's texts.
pub static OBJECT_UNKNOWN_VERSION: Rule = Rule {
    id: "object-unknown-version",
    summary: "An object of a judged kind is written in a version that keystile can't read.",
    why: "A version that a later release of the operator serves could name secrets in fields that no rule looks at.",
    example: "apiVersion: external-secrets.io/v2\nkind: ExternalSecret",
    instead: "Write the object in a version that this release of keystile reads, or update keystile first.",
    references: &["https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/"],
    default_action: Action::Deny,
    kinds: &[],
    check: none,
};
