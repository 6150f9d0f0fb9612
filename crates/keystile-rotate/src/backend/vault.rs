//! HashiCorp Vault, over its HTTP interface: what KV and the database engine have in common.
//!
//! Facts are from Vault's API documentation (version 1.18) and were tried against that server. A secret is named
//! `MOUNT/PATH`, as people write it; the account is `CLUSTER/NAMESPACE`, because a namespace's name alone (`root`) says
//! nothing about which Vault it is in, and a plan made in one cluster must not be carried out in another.

mod client;
mod database;
mod kv;
mod settings;

pub use client::VaultConnection;
pub use database::VaultDatabase;
pub use kv::VaultKv;
pub use settings::{VaultLogin, VaultSettings};

use keystile_inventory::{CallError, CallErrorKind, SecretArn};

/// The mount that a prefix of names is in, with what remains of the prefix; a prefix that is shorter than the mount's
/// name covers all of it.
fn inside<'a>(mounts: &'a [String], prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    mounts.iter().filter_map(move |mount| {
        let rest = prefix.strip_prefix(mount.as_str()).and_then(|rest| rest.strip_prefix('/'));
        match rest {
            Some(rest) => Some((mount.as_str(), rest)),
            None if format!("{mount}/").starts_with(prefix) => Some((mount.as_str(), "")),
            None => None,
        }
    })
}

/// The mount and the path of a name. The longest mount wins: `kv` and `kv/team` may both be there.
fn split<'a>(mounts: &'a [String], arn: &'a SecretArn, operation: &str) -> Result<(&'a str, &'a str), CallError> {
    mounts
        .iter()
        .filter_map(|mount| Some((mount.as_str(), arn.0.strip_prefix(mount.as_str())?.strip_prefix('/')?)))
        .filter(|(_, path)| !path.is_empty())
        .max_by_key(|(mount, _)| mount.len())
        .ok_or_else(|| {
            let why = format!("{arn} is in none of the mounts {}", mounts.join(", "));
            CallError::new(CallErrorKind::Misconfigured, operation, why)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_belong_to_mounts() {
        let mounts = ["kv".to_owned(), "kv/team".to_owned(), "secret".to_owned()];
        for (prefix, expected) in [
            ("secret/app/", &[("secret", "app/")][..]),
            ("secret/", &[("secret", "")]),
            ("secret", &[("secret", "")]),
            ("sec", &[("secret", "")]),
            ("kv/team/x", &[("kv", "team/x"), ("kv/team", "x")]),
            ("", &[("kv", ""), ("kv/team", ""), ("secret", "")]),
            ("secrets/app/", &[]),
            ("database/", &[]),
        ] {
            assert_eq!(inside(&mounts, prefix).collect::<Vec<_>>(), expected, "{prefix:?}");
        }
        for (name, expected) in [
            ("secret/app/db", Some(("secret", "app/db"))),
            ("kv/team/db", Some(("kv/team", "db"))),
            ("kv/other", Some(("kv", "other"))),
            ("secret/", None),
            ("secrets/app", None),
        ] {
            assert_eq!(split(&mounts, &SecretArn(name.to_owned()), "x").ok(), expected, "{name}");
        }
    }
}
