//! A store that is made or changed so that objects which refer to it read what they may not.

use super::{Rule, none};
use crate::judgement::Action;
use crate::kind::Kind;

/// See the rule's texts.
pub static STORE_BREAKS_REFERRER: Rule = Rule {
    id: "store-breaks-referrer",
    summary: "A store is made or changed so that an object which refers to it would be refused, and was not refused for that before.",
    why: "What an object reads is decided by its store too: its prefix, region, server and role. Whoever changes the store after the object was admitted moves what it reads, and no request of the object is ever judged.",
    example: "kind: SecretStore   # ExternalSecret db reads \"db\" through it, so far under prefix /prod/team-a/\nspec: {provider: {aws: {service: SecretsManager, region: eu-west-1, prefix: /prod/shared/}}}",
    instead: "Change the objects that refer to the store first, or make a second store and move them to it.",
    references: &["https://external-secrets.io/latest/api/secretstore/"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretStore, Kind::ClusterSecretStore, Kind::AwsProvider],
    check: none,
};
