//! HashiCorp Vault's KV engine, version 1 and 2.
//!
//! Source: External Secrets 2.9.0, providers/v1/vault/client_get.go, `buildPath` and
//! `buildMetadataPath`. A name here is the path below the engine's mount: a leading `<path>/` of the key
//! is the mount written once more and taken off, and with version 2 a `data/` right behind it too. Tags
//! (`metadataPolicy: Fetch`) are looked up under the key as it is. A store without `path` would let the
//! key choose the mount; it fits no entry of a policy.

use super::canonical::VAULT;
use super::{EffectiveKey, KeyFault};
use crate::subject::store::VaultStore;

/// What the KV engine is asked for.
///
/// # Errors
///
/// See [`KeyFault`].
pub fn key<'o>(store: &VaultStore, key: &'o str, reads_metadata: bool) -> Result<EffectiveKey<'o>, KeyFault> {
    let Some(path) = store.path.as_deref() else {
        return Err(KeyFault::ProviderNotJudged("vault without a path".to_owned()));
    };
    let mut name = key;
    if !reads_metadata && let Some(rest) = key.strip_prefix(path).and_then(|rest| rest.strip_prefix('/')) {
        name = rest;
        if &*store.version != "v1" {
            name = rest.strip_prefix("data/").unwrap_or(rest);
        }
    }
    VAULT.check(name)?;
    if name.starts_with('/') {
        return Err(KeyFault::NotCanonical("begins with a slash".to_owned()));
    }
    Ok(EffectiveKey::of_name(name.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_and_data_are_taken_off_once() {
        for (version, written, reads_metadata, name) in [
            ("v2", "prod/team-a/db", false, "prod/team-a/db"),
            ("v2", "kv/prod/team-a/db", false, "prod/team-a/db"),
            ("v2", "kv/data/prod/team-a/db", false, "prod/team-a/db"),
            ("v2", "kv/data/data/prod", false, "data/prod"),
            ("v2", "kv/kv/prod", false, "kv/prod"),
            ("v2", "data/prod", false, "data/prod"),
            ("v1", "kv/data/prod", false, "data/prod"),
            ("v2", "kvx/prod", false, "kvx/prod"),
            ("v2", "kv/prod/team-a/db", true, "kv/prod/team-a/db"),
        ] {
            let store = VaultStore { path: Some("kv".into()), version: version.into(), ..VaultStore::default() };
            assert_eq!(
                key(&store, written, reads_metadata),
                Ok(EffectiveKey::of_name(name.into())),
                "{version} {written}"
            );
        }
    }

    #[test]
    fn what_climbs_or_lists_is_refused() {
        let store = VaultStore { path: Some("kv".into()), version: "v2".into(), ..VaultStore::default() };
        for written in
            ["prod/../team-b/db", "kv/data/../../sys", "prod/team-a/", "/prod/team-a/db", "kv/", "a%2Fb", "kv//a"]
        {
            assert!(matches!(key(&store, written, false), Err(KeyFault::NotCanonical(_))), "{written}");
        }
        assert!(matches!(key(&VaultStore::default(), "kv/prod/db", false), Err(KeyFault::ProviderNotJudged(_))));
    }
}
