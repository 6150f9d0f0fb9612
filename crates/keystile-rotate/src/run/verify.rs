//! The proof: the value that is current now, compared with the leaked one.
//!
//! Both are read from the manager by version, so that nothing of the leak needs to be kept. What is compared is
//! the whole value and the very text that leaked, which must not be anywhere in the new value. Sentences of a
//! proof name versions and places, never values.

use keystile_inventory::{CallError, CallErrorKind, SecretRecord, Stage, VersionId};
use keystile_scan::SecretBytes;
use serde_json::Value;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroize as _;

use super::decide::By;
use crate::backend::SecretBackend;
use crate::index::{forms, is_within};
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

/// What is to be proven.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What leaked.
    pub held: &'a Held,
    /// The version that is current now.
    pub current: &'a VersionId,
    /// The version that was current before it, where it is known and not the leaked one.
    pub before: Option<&'a VersionId>,
    /// Whether that is the leaked one.
    pub leaked_is_before: bool,
    /// What replaced the leaked version.
    pub by: By,
    /// Whether the leaked value was replaced already: if it is current, it came back.
    pub replaced: bool,
}

impl<'a> Question<'a> {
    /// About a secret as it is described.
    #[must_use]
    pub fn new(held: &'a Held, record: &'a SecretRecord, current: &'a VersionId, by: By, replaced: bool) -> Self {
        let before = record.version_at(&Stage::Previous);
        Self {
            held,
            current,
            before: before.filter(|version| **version != held.version && *version != current),
            leaked_is_before: before == Some(&held.version),
            by,
            replaced,
        }
    }
}

/// Values to compare.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// Of the leaked version.
    pub old: &'a SecretBytes,
    /// Of the current one.
    pub new: &'a SecretBytes,
    /// Of the one before the current one, where that is neither and could be read.
    pub before: Option<&'a SecretBytes>,
}

/// Compares the current version with the leaked one. `kept` is the leaked version's value if it was read
/// before the rotation, for managers that do not keep it.
///
/// # Errors
/// A read failed in a way that may pass (throttled, no answer): try again.
pub fn verify(
    backend: &dyn SecretBackend,
    question: &Question<'_>,
    kept: Option<&SecretBytes>,
) -> Result<Proof, CallError> {
    let Question { held, current, .. } = question;
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
    let proof = compare(question, &Values { old: &old, new: &new, before: None });
    // Of two users, the version before has the one that is not current: whether the leaked login has ended is there.
    match (proof.outcome, question.before) {
        (Outcome::LoginStillValid, Some(before)) => match read(backend, held, before)? {
            Ok(before) => Ok(compare(question, &Values { old: &old, new: &new, before: Some(&before) })),
            Err(_) => Ok(proof),
        },
        _ => Ok(proof),
    }
}

/// The verdict on the values.
#[must_use]
pub fn compare(question: &Question<'_>, values: &Values<'_>) -> Proof {
    let Question { held, current, .. } = question;
    let Values { old, new, .. } = values;
    let leaked = &held.version;
    let place = if held.pointer.is_empty() { String::new() } else { format!(" at {}", held.pointer) };
    let still = |sentence: String| {
        if question.replaced {
            let sentences =
                vec![sentence, "the leaked value was replaced and came back: something else writes it".to_owned()];
            return Proof { outcome: Outcome::Regressed, sentences };
        }
        Proof { outcome: Outcome::SameValue, sentences: vec![sentence] }
    };
    if bool::from(old.reveal().ct_eq(new.reveal())) {
        return still(format!("version {current} is current and its value equals that of {leaked}"));
    }
    let Some(text) = leaked_text(held, old) else {
        return unverified(vec![format!(
            "version {current} is current and its value differs from that of {leaked}, but what leaked{place} is not \
             found in {leaked} any more"
        )]);
    };
    if holds(new, &text) {
        return still(format!(
            "version {current} is current and differs from {leaked}, but what leaked{place} is still in it"
        ));
    }
    let mut sentences = vec![
        format!("version {current} is current and {leaked} is not"),
        format!("their values differ, and what leaked{place} is not in {current}"),
    ];
    match login(question, values, &text) {
        LeakedLogin::Valid(why) => {
            sentences
                .push(format!("two users take turns ({why}): the login of {leaked} works until the next rotation"));
            return Proof { outcome: Outcome::LoginStillValid, sentences };
        }
        LeakedLogin::Ended(why) => sentences.push(why),
        LeakedLogin::Same => {}
    }
    let outcome = match question.by {
        By::Us => Outcome::Rotated,
        By::Other => Outcome::RotatedByOther,
        By::Before => Outcome::AlreadyRotated,
    };
    Proof { outcome, sentences }
}

/// What became of the user of the leaked version.
enum LeakedLogin {
    /// It is the current one, with another password.
    Same,
    /// It is not the current one, and works as it did.
    Valid(&'static str),
    /// It is not the current one, and has another password.
    Ended(String),
}

fn login(question: &Question<'_>, values: &Values<'_>, text: &SecretBytes) -> LeakedLogin {
    let is = |one: &SecretBytes, other: &SecretBytes| bool::from(one.reveal().ct_eq(other.reveal()));
    let Question { held, before, .. } = question;
    match (user(values.old), user(values.new)) {
        (Some(old), Some(new)) if is(&old, &new) => LeakedLogin::Same,
        (Some(old), Some(_)) => match (values.before, before) {
            (Some(value), Some(version)) if user(value).is_some_and(|user| is(&user, &old)) && !holds(value, text) => {
                LeakedLogin::Ended(format!("the user of {} has another password since version {version}", held.version))
            }
            _ => LeakedLogin::Valid("the user name changed"),
        },
        _ if held.strategy == Strategy::SingleUser => LeakedLogin::Same,
        _ if question.leaked_is_before => LeakedLogin::Valid("no user name is stored to tell whose turn it is"),
        _ => LeakedLogin::Ended(format!("both users have other passwords than in {}", held.version)),
    }
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

/// Whether any form of the value is the text (every form is compared, whatever came before), or has it in it.
fn holds(value: &SecretBytes, text: &SecretBytes) -> bool {
    let mut same = subtle::Choice::from(0);
    forms::of_stored(value.reveal(), &mut |form| same |= form.text.ct_eq(text.reveal()));
    bool::from(same) || is_within(value.reveal(), text.reveal())
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
