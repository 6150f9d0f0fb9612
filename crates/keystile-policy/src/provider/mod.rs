//! Effective keys: what a provider will be asked for, after the store's prefix and the provider's
//! quirks. One file for each provider; a provider without one is refused.

pub mod aws;

use crate::policy::{Provider, ProviderEntry};
use crate::subject::store::{StoreFacts, StoreProvider};

/// What the provider will be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveKey {
    /// The name, exactly as the provider compares it.
    pub name: String,
    /// The name without the suffix of an ARN, where the ARN can be read both ways. Both must be granted.
    pub name_without_suffix: Option<String>,
    /// Whether the key was written as an ARN.
    pub is_arn: bool,
}

/// Why a key is not one that the provider could be asked for, or not one that can be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// The name is not canonical; says how.
    NotCanonical(String),
    /// An ARN of another service, partition, account or region; says which.
    ForeignArn(String),
    /// The key is an ARN and the store has a prefix: the provider would be asked for nonsense.
    ArnBehindPrefix,
    /// The provider's keys can't be judged.
    ProviderNotJudged(String),
}

/// Whether a store fits an entry of the policy as a whole: its service, region, account, server, as the
/// entry has them in `env` (`None` = in every environment).
#[must_use]
pub fn fits(store: &StoreFacts, provider: &Provider, env: Option<&str>) -> bool {
    match (&store.provider, provider) {
        (StoreProvider::Aws(store), Provider::Aws { services, accounts, regions, .. }) => {
            services.allows(env, |service| **service == *store.service)
                && regions.allows(env, |region| **region == *store.region)
                && store.account().is_none_or(|account| accounts.allows(env, |allowed| allowed == account))
        }
        _ => false,
    }
}

/// The entries of the policy that a store fits in `env`.
pub fn fitting<'p>(
    store: &StoreFacts,
    entries: &'p [ProviderEntry],
    env: Option<&str>,
) -> impl Iterator<Item = &'p ProviderEntry> {
    entries.iter().filter(move |entry| fits(store, &entry.provider, env))
}
