//! A store, generator or Namespace whose change reaches more objects than are judged in time.

use super::{Rule, none};
use crate::judgement::Action;
use crate::kind::Kind;

/// See the rule's texts.
pub static STORE_REFERRERS_NOT_JUDGED: Rule = Rule {
    id: "store-referrers-not-judged",
    summary: "A store, generator or Namespace is made or changed, and more objects refer to it (over 25,000) than are judged with one request.",
    why: "The API server waits some seconds for an answer. What could not be judged in that time is not known to be allowed.",
    example: "kind: ClusterSecretStore\nmetadata: {name: aws}   # 30,000 ExternalSecrets read through it",
    instead: "Make another store under a new name, and move the objects to it a part at a time.",
    references: &["https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretStore, Kind::ClusterSecretStore, Kind::AwsProvider, Kind::Generator, Kind::Namespace],
    check: none,
};
