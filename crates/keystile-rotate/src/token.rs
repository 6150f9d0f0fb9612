//! The name of the version that a rotation makes.
//!
//! Derived from what is rotated away from, and from nothing secret: every machine that wants to rotate away
//! from the same version asks for the same new version, so that two runs, or one that was killed and resumed,
//! make one.

use std::fmt;

use keystile_inventory::{SecretArn, VersionId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Attempts at a new version that may die before a secret is called stuck.
pub const MOST_GENERATIONS: u32 = 3;

/// What a rotation is for: a second one must not be taken for the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Away from the leaked version.
    First,
    /// Of two users that take turns, away from the one that the first rotation left valid.
    Second,
}

/// A client request token of AWS, which becomes the id of the new version: 36 characters, in the form of a
/// UUID (AWS wants 32 to 64 characters: API reference of `RotateSecret`, `ClientRequestToken`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// The token of the attempt `generation` (from 0) to get away from the version `leaked`.
    #[must_use]
    pub fn derive(arn: &SecretArn, leaked: &VersionId, purpose: Purpose, generation: u32) -> Self {
        let mut hash = Sha256::new();
        let purpose = match purpose {
            Purpose::First => "first",
            Purpose::Second => "second",
        };
        for part in ["keystile-rotate/v1", &arn.0, &leaked.0, purpose, &generation.to_string()] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let hex: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
    }

    /// Names a version that is there already, made by whoever: for calls that are about it.
    #[must_use]
    pub fn naming(version: &VersionId) -> Self {
        Self(version.0.clone())
    }

    /// The id of the version that it makes.
    #[must_use]
    pub fn version(&self) -> VersionId {
        VersionId(self.0.clone())
    }

    /// As AWS takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_token_depends_on_all_that_it_is_derived_from() {
        let arn = |name: &str| SecretArn(name.to_owned());
        let version = |name: &str| VersionId(name.to_owned());
        let tokens = [
            Token::derive(&arn("a"), &version("x"), Purpose::First, 0),
            Token::derive(&arn("b"), &version("x"), Purpose::First, 0),
            Token::derive(&arn("a"), &version("y"), Purpose::First, 0),
            Token::derive(&arn("a"), &version("x"), Purpose::Second, 0),
            Token::derive(&arn("a"), &version("x"), Purpose::First, 1),
            Token::derive(&arn("ax"), &version(""), Purpose::First, 0),
        ];
        assert_eq!(tokens.iter().collect::<BTreeSet<_>>().len(), tokens.len());
        assert_eq!(tokens[0], Token::derive(&arn("a"), &version("x"), Purpose::First, 0), "the same everywhere");
        assert!(tokens.iter().all(|token| token.as_str().len() == 36));
    }
}
