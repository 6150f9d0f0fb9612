//! A version that is in the making: how long nothing has moved, and what that means.
//!
//! Secrets Manager does not say that a rotation failed, let alone in which step: the label of the version that failed may
//! stay on it, with a value or without (API reference of `RotateSecret`), as it does while a function is slow. What can be
//! told is whether a value is there and since when nothing has changed; the step, where the log of whoever rotates says it
//! ([`SecretBackend::failed_step`]). AWS tries a failed rotation again by itself, so neither is the last word.

use std::time::Duration;

use jiff::Timestamp;
use keystile_inventory::{CallErrorKind, RotationMeans, SecretRecord, VersionId};

use crate::backend::{RotationStep, SecretBackend};
use crate::journal::History;
use crate::outcome::Outcome;
use crate::plan::Held;
use crate::token::Token;

/// When something last moved: the version was asked for, or the secret changed.
pub(super) fn moved(history: &History, record: &SecretRecord, version: &VersionId) -> Option<Timestamp> {
    history.first_asked(&Token::naming(version)).max(record.last_changed)
}

/// How long ago something last moved; where that is not known, since it was `seen` not to; else zero.
pub(super) fn still_for(moved: Option<Timestamp>, seen: Option<Timestamp>, now: Timestamp) -> Duration {
    moved.or(seen).and_then(|then| Duration::try_from(now.duration_since(then)).ok()).unwrap_or_default()
}

/// What is said of our version, if it is not waited for any longer. `asked`: since when it may be in the making.
pub(super) fn unfinished(
    backend: &dyn SecretBackend,
    held: &Held,
    version: &VersionId,
    asked: Timestamp,
    still: Duration,
    step: Duration,
) -> (Outcome, String) {
    let seconds = still.as_secs();
    if still <= step {
        return (Outcome::Pending, format!("version {version} is in the making; something moved {seconds} s ago"));
    }
    let leaked = &held.version;
    let (outcome, what) = match backend.read_version(&held.arn, version) {
        Ok(_) => (
            Outcome::NewValueNotCurrent,
            format!(
                "version {version} has a new value that is not current: to set it where it is used, or to try it \
                 there, fails or hangs. Where it was set already, {leaked} is refused there while readers still get it"
            ),
        ),
        Err(error) if error.kind == CallErrorKind::NotFound => (
            Outcome::NoNewValue,
            format!("version {version} has no value: whoever rotates does nothing, fails at the first step or hangs"),
        ),
        Err(error) => (Outcome::Pending, format!("version {version} is in the making, and can't be read: {error}")),
    };
    if outcome == Outcome::Pending {
        return (outcome, what);
    }
    let (outcome, what, look) = match backend.failed_step(&held.rotation, &held.arn, version, asked) {
        Ok(Some(step)) => {
            let (outcome, said) = of_step(step, outcome, version);
            (
                outcome,
                said.unwrap_or(what),
                format!("; its log says that {} failed{}", step.name(), where_to_look(held)),
            )
        }
        Ok(None) => (outcome, what, where_to_look(held)),
        Err(error) => (outcome, what, format!("{}. It can't be read from here: {error}", where_to_look(held))),
    };
    (outcome, format!("{what}. Nothing has moved for {seconds} s, {leaked} is current{look}"))
}

/// What it means that a step failed; a sentence where it says more than what is seen.
fn of_step(step: RotationStep, seen: Outcome, version: &VersionId) -> (Outcome, Option<String>) {
    match (step, seen) {
        (RotationStep::Set, Outcome::NewValueNotCurrent) => {
            let said = format!("version {version} has a new value, and to set it where it is used failed");
            (Outcome::SetFailed, Some(said))
        }
        (RotationStep::Test, Outcome::NewValueNotCurrent) => {
            let said = format!(
                "version {version} has a new value that was set where it is used, and to try it there failed; readers still get \
                 the old one, which may be refused there"
            );
            (Outcome::TestFailed, Some(said))
        }
        _ => (seen, None),
    }
}

/// Where the one who rotates says what went wrong.
fn where_to_look(held: &Held) -> String {
    match &held.rotation {
        RotationMeans::Function { arn } => {
            let place = match arn.split_once(":function:") {
                Some((_, name)) => format!("the log group /aws/lambda/{}", name.split(':').next().unwrap_or(name)),
                None => format!("the log of {arn}"),
            };
            format!("; see {place}; AWS may try again by itself")
        }
        RotationMeans::Service { name } => format!("; {name} rotates it, and may try again by itself"),
        RotationMeans::Notification { .. } | RotationMeans::External | RotationMeans::Nobody => String::new(),
    }
}

/// What is said of a version that keeps others from being made.
pub(super) fn stuck(version: &VersionId) -> String {
    format!(
        "version {version} is in the making and nothing moves; mend the rotation function, then apply with --clear-stuck, \
         which takes the label AWSPENDING off that version and asks again"
    )
}
