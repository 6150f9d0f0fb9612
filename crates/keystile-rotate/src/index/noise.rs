//! Which values are too weak to be told from others: a hit on one would rotate the wrong secret.

use std::fmt;

use keystile_scan::entropy;

/// Shortest value that is compared, in bytes.
const SHORTEST: usize = 8;

/// Least entropy of a value that is compared, in bits for each character: eight characters, half of them
/// distinct, have 2.
const LEAST_ENTROPY: f64 = 2.0;

/// Fields whose values are no secrets, in lower case without `_` and `-`: those that AWS's database secrets have
/// beside the password (Secrets Manager user guide, "JSON structure of secrets"), and their other spellings.
const PLAIN_FIELDS: [&str; 22] = [
    "account",
    "accountid",
    "arn",
    "clientid",
    "database",
    "dbclusteridentifier",
    "dbinstanceidentifier",
    "dbname",
    "email",
    "endpoint",
    "engine",
    "env",
    "environment",
    "host",
    "hostname",
    "id",
    "masterarn",
    "name",
    "port",
    "region",
    "user",
    "username",
];

/// Why a value is not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weakness {
    /// Shorter than [`SHORTEST`].
    Short,
    /// In one of [`PLAIN_FIELDS`].
    PlainField,
    /// Less than [`LEAST_ENTROPY`].
    LittleEntropy,
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => write!(f, "shorter than {SHORTEST} bytes"),
            Self::PlainField => f.write_str("a field that is no secret"),
            Self::LittleEntropy => f.write_str("too little entropy"),
        }
    }
}

/// Why the value of the field `name` is too weak; `None` = it is strong enough.
#[must_use]
pub fn weakness(name: Option<&str>, value: &[u8]) -> Option<Weakness> {
    let is_plain = name.is_some_and(|name| {
        let name: String = name.chars().filter(|c| !"_-".contains(*c)).flat_map(char::to_lowercase).collect();
        PLAIN_FIELDS.contains(&name.as_str())
    });
    if is_plain {
        Some(Weakness::PlainField)
    } else if value.len() < SHORTEST {
        Some(Weakness::Short)
    } else if entropy::shannon(value) < LEAST_ENTROPY {
        Some(Weakness::LittleEntropy)
    } else {
        None
    }
}
