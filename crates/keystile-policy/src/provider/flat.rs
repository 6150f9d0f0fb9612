//! Providers whose names have no hierarchy: GCP Secret Manager and Secrets of a Kubernetes cluster.
//!
//! Source: External Secrets 2.9.0, providers/v1/gcp/secretmanager/client.go (`GetSecret`: the key is put
//! into `projects/<project>/secrets/<key>/versions/…` as it is, so a slash would climb) and
//! providers/v1/kubernetes/client.go (the key is the name of a Secret in `remoteNamespace`).

use super::canonical::{GCP, KUBERNETES};
use super::{EffectiveKey, KeyFault};

/// What GCP Secret Manager is asked for: a secret's id in the store's project.
///
/// # Errors
///
/// See [`KeyFault`].
pub fn gcp(key: &str) -> Result<EffectiveKey<'_>, KeyFault> {
    GCP.check(key)?;
    Ok(EffectiveKey::of_name(key.into()))
}

/// What the cluster is asked for: a Secret in the store's namespace.
///
/// # Errors
///
/// See [`KeyFault`].
pub fn kubernetes(key: &str) -> Result<EffectiveKey<'_>, KeyFault> {
    KUBERNETES.check(key)?;
    if key.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(KeyFault::NotCanonical("holds a capital letter, which no Secret's name does".to_owned()));
    }
    Ok(EffectiveKey::of_name(key.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_name_can_not_climb() {
        assert_eq!(gcp("prod_team-a_db"), Ok(EffectiveKey::of_name("prod_team-a_db".into())));
        assert_eq!(kubernetes("team-a.db"), Ok(EffectiveKey::of_name("team-a.db".into())));
        for key in ["", "x/versions/1", "../other/secrets/x", "a.b"] {
            assert!(matches!(gcp(key), Err(KeyFault::NotCanonical(_))), "{key}");
        }
        for key in ["", "a/b", "A", "..", "a..b/c", "a_b"] {
            assert!(matches!(kubernetes(key), Err(KeyFault::NotCanonical(_))), "{key}");
        }
    }
}
