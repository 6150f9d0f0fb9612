//! Random values for managers that have no generator of their own.

use keystile_inventory::{CallError, CallErrorKind};
use keystile_scan::SecretBytes;
use zeroize::Zeroizing;

/// Letters and digits: a value that needs no quoting wherever it is put.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Least strength of a value, in bits.
const STRENGTH: f64 = 128.0;

/// `length` characters, none of them in `exclude`, each as likely as the others.
pub(super) fn random(length: usize, exclude: &str) -> Result<SecretBytes, CallError> {
    let failed = |why: &str| CallError::new(CallErrorKind::Unsupported, "generate", why);
    let alphabet: Vec<u8> = ALPHABET.iter().copied().filter(|byte| !exclude.as_bytes().contains(byte)).collect();
    #[expect(clippy::cast_precision_loss, reason = "lengths of values are small")]
    let strength = (alphabet.len() as f64).log2() * length as f64;
    if strength.is_nan() || strength < STRENGTH {
        return Err(failed("the characters that are left make no value that is strong enough"));
    }
    // The largest multiple of the alphabet's size: what is above it would make some characters likelier.
    let limit = 256 / alphabet.len() * alphabet.len();
    let source = rustls::crypto::ring::default_provider().secure_random;
    let mut value = Zeroizing::new(Vec::with_capacity(length));
    let mut bytes = Zeroizing::new([0_u8; 64]);
    while value.len() < length {
        source.fill(&mut *bytes).map_err(|_| failed("the system has no random numbers"))?;
        let characters = bytes.iter().map(|byte| usize::from(*byte)).filter(|number| *number < limit);
        let characters = characters.map(|number| alphabet[number % alphabet.len()]);
        let missing = length - value.len();
        value.extend(characters.take(missing));
    }
    Ok(SecretBytes::new(&value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn values_have_the_length_and_the_characters_that_are_asked_for() {
        let value = random(4000, "AZaz09").expect("a value");
        let seen: BTreeSet<u8> = value.reveal().iter().copied().collect();
        let expected: BTreeSet<u8> = ALPHABET.iter().copied().filter(|byte| !b"AZaz09".contains(byte)).collect();
        assert_eq!((value.len(), seen), (4000, expected));
        assert_ne!(random(32, "").expect("a value"), random(32, "").expect("a value"));
    }

    #[test]
    fn weak_values_are_not_made() {
        let all: String = ALPHABET.iter().map(|byte| char::from(*byte)).collect();
        for (length, exclude) in [(21, ""), (0, ""), (1000, &all[1..]), (1000, &all)] {
            assert_eq!(random(length, exclude).expect_err("weak").kind, CallErrorKind::Unsupported, "{length}");
        }
        assert!(random(22, "").is_ok());
    }
}
