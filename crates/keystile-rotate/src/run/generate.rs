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
