//! The id of an access key, and what it tells without asking anyone.
//!
//! An id is no secret; AWS shows it in logs and lists. Its first four letters say what kind of key it is (IAM user
//! guide, "Understanding unique ID prefixes"). The sixteen characters after them are base 32; in ids of today the
//! account's number is in the first of them (Tal Be'ery, "A short note on AWS KEY ID", 2023), behind a bit that is
//! set. Old ids, whose fifth character is I or J, hold no account: there the bit is not set.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The id of an access key: twenty capital letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccessKeyId(String);

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessKeyKind {
    /// `AKIA`: a user's, or the root user's; works until it is switched off.
    LongTerm,
    /// `ASIA`: made by STS for a session; ends by itself.
    Temporary,
    /// `ABIA`: a bearer token of STS.
    Bearer,
    /// `ACCA`: a credential for one service or purpose.
    ContextSpecific,
}

/// The text is no access key's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not the id of an AWS access key: AKIA, ASIA, ABIA or ACCA and sixteen of A-Z and 2-7")]
pub struct NoAccessKeyId;

/// Characters of an id.
const LENGTH: usize = 20;

impl AccessKeyId {
    /// Reads an id, for example from what a scan found.
    ///
    /// # Errors
    /// The text has another shape.
    pub fn parse(text: &[u8]) -> Result<Self, NoAccessKeyId> {
        let is_base32 = |byte: &u8| matches!(byte, b'A'..=b'Z' | b'2'..=b'7');
        if text.len() != LENGTH || kind(&text[..4]).is_none() || !text.iter().all(is_base32) {
            return Err(NoAccessKeyId);
        }
        Ok(Self(text.iter().map(|byte| char::from(*byte)).collect()))
    }

    /// What the key is for.
    #[must_use]
    pub fn kind(&self) -> AccessKeyKind {
        kind(&self.0.as_bytes()[..4]).expect("`parse` has looked")
    }

    /// The account it belongs to, twelve digits; `None` for old ids, which do not hold it.
    #[must_use]
    pub fn account(&self) -> Option<String> {
        // Of ten characters, which are fifty bits, the first is the mark, and the next forty are the account.
        let bits = self.0.as_bytes()[4..14].iter().fold(0_u64, |bits, byte| bits << 5 | u64::from(digit(*byte)));
        let is_marked = bits >> 49 == 1;
        let account = bits >> 9 & 0xff_ffff_ffff;
        // Forty bits hold more than twelve digits do.
        (is_marked && account <= 999_999_999_999).then(|| format!("{account:012}"))
    }

    /// As AWS writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The value of a character of base 32 (RFC 4648, section 6).
const fn digit(byte: u8) -> u8 {
    match byte {
        b'A'..=b'Z' => byte - b'A',
        _ => byte - b'2' + 26,
    }
}

fn kind(prefix: &[u8]) -> Option<AccessKeyKind> {
    match prefix {
        b"AKIA" => Some(AccessKeyKind::LongTerm),
        b"ASIA" => Some(AccessKeyKind::Temporary),
        b"ABIA" => Some(AccessKeyKind::Bearer),
        b"ACCA" => Some(AccessKeyKind::ContextSpecific),
        _ => None,
    }
}

impl TryFrom<String> for AccessKeyId {
    type Error = NoAccessKeyId;

    fn try_from(text: String) -> Result<Self, NoAccessKeyId> {
        Self::parse(text.as_bytes())
    }
}

impl From<AccessKeyId> for String {
    fn from(id: AccessKeyId) -> Self {
        id.0
    }
}

impl fmt::Display for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An id of the account, with `rest` as what follows. The inverse of [`AccessKeyId::account`].
    fn id_of(prefix: &str, account: u64, rest: u64) -> String {
        let bits = 1_u128 << 79 | u128::from(account) << 39 | u128::from(rest & 0x7f_ffff_ffff);
        let characters = (0..16).rev().map(|place| {
            let digit = u8::try_from(bits >> (5 * place) & 31).expect("five bits");
            char::from(if digit < 26 { b'A' + digit } else { b'2' + digit - 26 })
        });
        prefix.chars().chain(characters).collect()
    }

    #[test]
    fn the_account_is_in_the_id() {
        // The account of the id that Tal Be'ery's note takes apart.
        let published = format!("{}{}", "ASI", "AY34FZKBOKMUTVV7A");
        let id = AccessKeyId::parse(published.as_bytes()).expect("an id");
        assert_eq!(id.account().as_deref(), Some("609629065308"));
        assert_eq!(id.kind(), AccessKeyKind::Temporary);
    }

    #[test]
    fn old_ids_tell_no_account() {
        for fifth in ["I", "J"] {
            let id = format!("{}A{fifth}{}", "AKI", "OSFODNN7QRSTUVW");
            assert_eq!(AccessKeyId::parse(id.as_bytes()).expect("an id").account(), None, "{fifth}");
        }
    }

    #[test]
    fn other_texts_are_no_ids() {
        let rest = "Q".repeat(16);
        for (text, is_id) in [
            (format!("{}A{rest}", "AKI"), true),
            (format!("{}A{rest}", "ABI"), true),
            (format!("{}A{rest}", "ACC"), true),
            (format!("{}A{rest}", "AID"), false),
            (format!("{}A{rest}Q", "AKI"), false),
            (format!("{}A{}", "AKI", "q".repeat(16)), false),
            (format!("{}A{}", "AKI", "1".repeat(16)), false),
            (format!("{}A{}", "AKI", "ä".repeat(8)), false),
            (String::new(), false),
        ] {
            assert_eq!(AccessKeyId::parse(text.as_bytes()).is_ok(), is_id, "{text}");
            assert_eq!(serde_json::from_value::<AccessKeyId>(text.clone().into()).is_ok(), is_id, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_account_reads_back(account in 0_u64..1_000_000_000_000, rest: u64) {
            let id = AccessKeyId::parse(id_of("AKIA", account, rest).as_bytes()).expect("an id");
            prop_assert_eq!(id.account(), Some(format!("{account:012}")));
        }
    }
}
