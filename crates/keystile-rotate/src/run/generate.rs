//! A new value for a secret whose value is made by the secret manager itself.

use keystile_inventory::{CallError, CallErrorKind};
use keystile_scan::SecretBytes;
use serde_json::Value;
use zeroize::{Zeroize as _, Zeroizing};

use super::verify::wipe;
use crate::backend::SecretBackend;
use crate::plan::Held;

/// Tag with the characters that the new value must not have.
pub const EXCLUDE_TAG: &str = "keystile.io/rotation-exclude";

/// Shortest value that is written, in characters: 32 of a manager's alphabet are beyond guessing.
const SHORTEST: usize = 32;

/// The value to store: `old` with another random text where the leak is, at least as long.
///
/// # Errors
/// There is no random value to be had, or the leak is not a whole text of the value, so that it can't be told
/// what to replace.
pub(super) fn new_value(
    backend: &dyn SecretBackend,
    held: &Held,
    old: &SecretBytes,
    exclude: &str,
) -> Result<SecretBytes, CallError> {
    let unsupported = |why: &str| CallError::new(CallErrorKind::Unsupported, "generate", why);
    if held.normalisation.iter().any(|step| !step.starts_with("leak:")) {
        return Err(unsupported("what leaked is only a part of a stored text; replace it by hand"));
    }
    if held.pointer.is_empty() {
        let is_document = serde_json::from_slice::<Value>(old.reveal()).is_ok_and(|mut document| {
            let composite = document.is_object() || document.is_array();
            wipe(&mut document);
            composite
        });
        if is_document {
            return Err(unsupported("a whole document leaked; replace its fields by hand"));
        }
        return backend.random(old.len().max(SHORTEST), exclude);
    }
    if !numbers_survive(old.reveal()) {
        return Err(unsupported(
            "a number beside what leaked can't be written again as it is; replace the value by hand",
        ));
    }
    let mut document: Value =
        serde_json::from_slice(old.reveal()).map_err(|_| unsupported("the value is not the JSON it was"))?;
    let Some(Value::String(leaf)) = document.pointer_mut(&held.pointer) else {
        wipe(&mut document);
        return Err(unsupported("the value has no text any more where the leak was"));
    };
    let random = match backend.random(leaf.chars().count().max(SHORTEST), exclude) {
        Ok(random) => random,
        Err(error) => {
            wipe(&mut document);
            return Err(error);
        }
    };
    leaf.zeroize();
    leaf.push_str(&String::from_utf8_lossy(random.reveal()));
    let json = Zeroizing::new(serde_json::to_vec(&document).expect("a document that was read can be written"));
    wipe(&mut document);
    Ok(SecretBytes::new(&json))
}

/// Whether every number of a document reads the same after it was parsed: longer ones are cut to what a processor
/// takes, and a neighbour of the leaked value must not change.
fn numbers_survive(document: &[u8]) -> bool {
    let (mut at, mut is_text) = (0, false);
    while let Some(byte) = document.get(at) {
        let mut length = 1;
        match byte {
            b'\\' if is_text => length = 2,
            b'"' => is_text = !is_text,
            b'-' | b'0'..=b'9' if !is_text => {
                let rest = &document[at..];
                let end = rest.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
                length = end.unwrap_or(rest.len());
                let number = serde_json::from_slice::<serde_json::Number>(&rest[..length]);
                if !number.is_ok_and(|number| number.to_string().as_bytes() == &rest[..length]) {
                    return false;
                }
            }
            _ => {}
        }
        at += length;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_would_be_cut_are_noticed() {
        for (document, survive) in [
            (r#"{"port": 5432, "ratio": -0.5, "big": 18446744073709551615, "none": null}"#, true),
            (r#"{"text": "12345678901234567890123 \" 1.10", "k\\": "\\", "n": [1]}"#, true),
            (r#"{"id": 12345678901234567890123}"#, false),
            (r#"{"id": [{"x": 0.12345678901234567890123}]}"#, false),
            (r#"{"text": "\\", "id": 1.10}"#, false),
            (r#"{"id": 1E5}"#, false),
        ] {
            assert_eq!(numbers_survive(document.as_bytes()), survive, "{document}");
        }
    }
}
