//! A generator that is made or changed so that objects which use it would be refused.

use super::{Rule, none};
use crate::judgement::Action;
use crate::kind::Kind;

/// See the rule's texts.
pub static GENERATOR_BREAKS_REFERRER: Rule = Rule {
    id: "generator-breaks-referrer",
    summary: "A generator is made or changed so that an object which uses it would be refused, and was not refused for that before.",
    why: "A ClusterGenerator is of the kind that it holds. An object that was admitted for one kind would use another, and no request of the object is ever judged.",
    example: "kind: ClusterGenerator   # ExternalSecret db uses it, so far for a Password\nspec: {kind: Webhook, generator: {webhookSpec: {url: https://example.com}}}",
    instead: "Change the objects that use the generator first, or make a second one and move them to it.",
    references: &["https://external-secrets.io/latest/api/generator/cluster/"],
    default_action: Action::Deny,
    kinds: &[Kind::Generator],
    check: none,
};
