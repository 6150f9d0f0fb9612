//! The stable name of a finding: a keyed digest of the rule's id and the secret.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The key of the fingerprints of one configuration.
///
/// `keystile init` writes a random one. Without it a constant is used, and then whoever sees a
/// report can test guesses of a weak password against the fingerprint.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt(Box<[u8]>);

impl Salt {
    /// A salt of any length.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl Default for Salt {
    fn default() -> Self {
        Self::new(b"keystile fingerprint v1")
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

/// HMAC-SHA-256 (RFC 2104, FIPS 180-4) of rule id, a NUL byte and the secret's bytes, cut to 16
/// bytes; written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The fingerprint of `secret` as found by the rule with the id `rule_id`.
    #[must_use]
    pub fn new(salt: &Salt, rule_id: &str, secret: &[u8]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(&salt.0).expect("HMAC takes a key of any length");
        mac.update(rule_id.as_bytes());
        mac.update(&[0]);
        mac.update(secret);
        let digest = mac.finalize().into_bytes();
        let mut short = [0; 16];
        short.copy_from_slice(&digest[..16]);
        Self(short)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// The text is not 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 32 hexadecimal digits")]
pub struct ParseFingerprintError;

impl FromStr for Fingerprint {
    type Err = ParseFingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.as_bytes();
        if digits.len() != 32 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(ParseFingerprintError);
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| ParseFingerprintError)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| ParseFingerprintError)?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depends_on_rule_value_and_salt() {
        let salt = Salt::default();
        let one = Fingerprint::new(&salt, "rule", b"value");
        assert_eq!(one, Fingerprint::new(&salt, "rule", b"value"));
        assert_ne!(one, Fingerprint::new(&salt, "rulev", b"alue"));
        assert_ne!(one, Fingerprint::new(&Salt::new(b"other"), "rule", b"value"));
        assert_eq!(one.to_string().parse(), Ok(one));
        assert_eq!("xyz".parse::<Fingerprint>(), Err(ParseFingerprintError));
    }
}
