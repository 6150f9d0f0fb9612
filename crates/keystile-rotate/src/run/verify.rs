//! The proof: the value that is current now, compared with the leaked one.
//!
//! Both are read from the manager by version, so that nothing of the leak needs to be kept. What is compared is
//! the whole value and the very text that leaked, which must not be anywhere in the new value. Sentences of a
//! proof name versions and places, never values.

use keystile_inventory::{CallError, CallErrorKind, VersionId};
use keystile_scan::SecretBytes;
use serde_json::Value;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroize as _;

use super::decide::By;
use crate::backend::SecretBackend;
use crate::index::forms;
use crate::outcome::Outcome;
use crate::plan::{Held, Strategy};

/// What comparing the values gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The outcome.
    pub outcome: Outcome,
    /// What proves it, as sentences.
    pub sentences: Vec<String>,
}

/// Compares the version `current` with the leaked one. `kept` is the leaked version's value if it was read
/// before the rotation, for managers that do not keep it.
///
/// # Errors
/// A read failed in a way that may pass (throttled, no answer): try again.
pub fn verify(
    backend: &dyn SecretBackend,
    held: &Held,
    current: &VersionId,
    by: By,
    kept: Option<&SecretBytes>,
) -> Result<Proof, CallError> {
    let new = match read(backend, held, current)? {
        Ok(value) => value,
        Err(why) => return Ok(unverified(vec![format!("version {current} is current, but can't be read: {why}")])),
    };
    let old = match (read(backend, held, &held.version)?, kept) {
        (Ok(value), _) => value,
        (Err(_), Some(value)) => value.clone(),
        (Err(why), None) => {
            return Ok(unverified(vec![format!(
                "version {current} is current, but the leaked version {} can't be read to compare: {why}",
                held.version
            )]));
        }
    };
    Ok(compare(held, current, by, &old, &new))
}

/// The verdict on two values.
#[must_use]
pub fn compare(held: &Held, current: &VersionId, by: By, old: &SecretBytes, new: &SecretBytes) -> Proof {
    let leaked = &held.version;
    let place = if held.pointer.is_empty() { String::new() } else { format!(" at {}", held.pointer) };
    if bool::from(old.reveal().ct_eq(new.reveal())) {
        return Proof {
            outcome: Outcome::SameValue,
            sentences: vec![format!("version {current} is current and its value equals that of {leaked}")],
        };
    }
    let Some(text) = leaked_text(held, old) else {
        return unverified(vec![format!(
            "version {current} is current and its value differs from that of {leaked}, but what leaked{place} is not \
             found in {leaked} any more"
        )]);
    };
    if holds(new, &text) {
        return Proof {
            outcome: Outcome::SameValue,
            sentences: vec![format!(
                "version {current} is current and differs from {leaked}, but what leaked{place} is still in it"
            )],
        };
    }
    let mut sentences = vec![
        format!("version {current} is current and {leaked} is not"),
        format!("their values differ, and what leaked{place} is not in {current}"),
    ];
    let users = (user(old), user(new));
    let alternates = match &users {
        (Some(old), Some(new)) => (!bool::from(old.reveal().ct_eq(new.reveal()))).then_some("the user name changed"),
        _ => (held.strategy == Strategy::AlternatingUsers).then_some("no user name is stored to tell whose turn it is"),
    };
    if let Some(why) = alternates {
        sentences.push(format!("two users take turns ({why}): the login of {leaked} works until the next rotation"));
        return Proof { outcome: Outcome::LoginStillValid, sentences };
    }
    let outcome = match by {
        By::Us => Outcome::Rotated,
        By::Other => Outcome::RotatedByOther,
        By::Before => Outcome::AlreadyRotated,
    };
    Proof { outcome, sentences }
}

/// A value, or why it can't be had: what may pass is an error.
fn read(
    backend: &dyn SecretBackend,
    held: &Held,
    version: &VersionId,
) -> Result<Result<SecretBytes, String>, CallError> {
    match backend.read_version(&held.arn, version) {
        Ok(found) => Ok(Ok(found.value)),
        Err(error) => match error.kind {
            CallErrorKind::Throttled
            | CallErrorKind::Ambiguous
            | CallErrorKind::Unreachable
            | CallErrorKind::NoCredentials => Err(error),
            _ => Ok(Err(error.to_string())),
        },
    }
}

fn unverified(sentences: Vec<String>) -> Proof {
    Proof { outcome: Outcome::Unverified, sentences }
}

/// The stored text that leaked, by the place and the steps that the plan names. The steps that were taken on
/// the leaked text's side do not matter here.
fn leaked_text(held: &Held, value: &SecretBytes) -> Option<SecretBytes> {
    let steps: Vec<&str> =
        held.normalisation.iter().map(String::as_str).filter(|step| !step.starts_with("leak:")).collect();
    let mut found = None;
    forms::of_stored(value.reveal(), &mut |form| {
        if found.is_none() && form.pointer == held.pointer && form.normalisation == steps.as_slice() {
            found = Some(SecretBytes::new(form.text));
        }
    });
    found
}

/// Whether any form of the value is the text. Every form is compared, whatever came before.
fn holds(value: &SecretBytes, text: &SecretBytes) -> bool {
    let mut same = subtle::Choice::from(0);
    forms::of_stored(value.reveal(), &mut |form| same |= form.text.ct_eq(text.reveal()));
    same.into()
}

/// The user name of a value, as AWS's rotation templates store it: the field `username` of a JSON object.
fn user(value: &SecretBytes) -> Option<SecretBytes> {
    let mut document: Value = serde_json::from_slice(value.reveal()).ok()?;
    let user = document.get("username").and_then(Value::as_str).map(|user| SecretBytes::new(user.as_bytes()));
    wipe(&mut document);
    user
}

/// Overwrites every string of a document.
pub(crate) fn wipe(document: &mut Value) {
    match document {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        _ => {}
    }
}
