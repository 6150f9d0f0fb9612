//! Reads a policy document (`kind: SecretPolicy`): syntax, profile, checks.
//!
//! A document is a JSON value, whether it came from a file (YAML) or from the API server. Each problem
//! names its field; who read the file knows the field's line and column.
//!
//! `table` says which fields there are, `reader` walks a document by it, `build` makes the policy,
//! `grants` checks what the entries of `providers` say together (with `overlap`: may two teams spell one
//! name?), `exceptions` looks at the calendar.

mod build;
pub mod cases;
mod exceptions;
mod grants;
mod overlap;
mod reader;
pub mod schema;
pub mod syntax;
pub mod table;
pub mod words;

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;

use super::{Policy, Profile};
use crate::field_path::FieldPath;

/// A problem of a policy document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field; where it is missing, the one that should hold it.
    pub path: FieldPath,
    /// Whether the document is refused for it.
    pub is_error: bool,
    /// What is wrong, and the cure.
    pub message: String,
}

/// `error: spec.rotation.maxAge: 90 has no unit: …`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_error { "error: " } else { "warning: " })?;
        let path = self.path.to_string();
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Where a value in force comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The document says it.
    Document,
    /// The profile says it.
    Profile(Profile),
    /// Nobody says it; the language does.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document => f.write_str("document"),
            Self::Profile(profile) => write!(f, "profile {profile}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The field.
    pub path: FieldPath,
    /// The environment, where the value is written by environment; `default` = the others.
    pub env: Option<String>,
    /// The value.
    pub value: Value,
    /// Who says it.
    pub origin: Origin,
}

/// Reads a document that is being written or reviewed: an exception that has expired is an error.
///
/// # Errors
///
/// Every problem of the document, warnings included, where at least one of them is an error.
pub fn read(document: &Value, now: Timestamp) -> Result<(Policy, Vec<Problem>), Vec<Problem>> {
    let reading = read_all(document, now, true);
    outcome(reading.policy, reading.problems)
}

/// Reads a document that was in force before: an exception that has expired meanwhile is a warning, so
/// that a server which starts again on the day after is not left without a policy. The exception doesn't
/// count either way.
///
/// # Errors
///
/// As [`read`].
pub fn read_in_force(document: &Value, now: Timestamp) -> Result<(Policy, Vec<Problem>), Vec<Problem>> {
    let reading = read_all(document, now, false);
    outcome(reading.policy, reading.problems)
}

/// The values in force, each with its origin, in the order of the language.
///
/// # Errors
///
/// As [`read`].
pub fn resolve(document: &Value, now: Timestamp) -> Result<Vec<Resolved>, Vec<Problem>> {
    let reading = read_all(document, now, true);
    outcome(reading.resolved, reading.problems).map(|(resolved, _)| resolved)
}

fn outcome<T>(value: T, problems: Vec<Problem>) -> Result<(T, Vec<Problem>), Vec<Problem>> {
    if problems.iter().any(|problem| problem.is_error) { Err(problems) } else { Ok((value, problems)) }
}

struct Reading {
    policy: Policy,
    problems: Vec<Problem>,
    resolved: Vec<Resolved>,
}

fn read_all(document: &Value, now: Timestamp, expiry_is_error: bool) -> Reading {
    let mut reader = reader::Reader::new();
    let policy = build::policy(&mut reader, document, now, expiry_is_error);
    Reading { policy, problems: reader.problems, resolved: reader.resolved }
}
