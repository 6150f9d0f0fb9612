//! A credential in the object's own text.

use super::Rule;
use crate::judgement::Action;

/// See the rule's texts.
pub static INLINE_CREDENTIAL: Rule = Rule {
    id: "inline-credential",
    summary: "A text of the object is what a rule of the scanner takes for a credential.",
    why: "An object is no place for a credential: it is in etcd, in the history of the repository and on the screen of everybody who may read it.",
    example: "kind: ExternalSecret\nspec:\n  target:\n    template:\n      data: {token: …}   # a token, where `{{ .token }}` belongs",
    instead: "Keep the value in the secret store and refer to it; rotate it, since it has been seen.",
    references: &["https://kubernetes.io/docs/concepts/security/secrets-good-practices/"],
    default_action: Action::Deny,
    kinds: &[],
    // The engine asks: only it has the scanner.
    check: super::none,
};
