//! Why a call to a secret manager gave no answer to use.

use std::fmt;

/// A call that failed. The text names what was asked and what came back, never a value, and never the body of
/// an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// What kind of failure: what to do next depends on nothing else.
    pub kind: CallErrorKind,
    /// The operation, as the manager names it (`RotateSecret`).
    pub operation: String,
    /// What happened, as a clause without value.
    pub message: String,
    /// The manager's id of the request, where it answered.
    pub request_id: Option<String>,
}

/// Kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallErrorKind {
    /// There is no such secret or version.
    NotFound,
    /// The caller may not.
    Denied,
    /// Too many calls; nothing was done.
    Throttled,
    /// The manager refused because of the secret's state (scheduled deletion, a rotation in progress, a lost
    /// compare-and-swap); nothing was done.
    Refused,
    /// The request was sent and no proper answer came (time-out, closed connection, a server's error): it may
    /// have been carried out. Look before deciding.
    Ambiguous,
    /// Nothing could be sent: no network, no such host.
    Unreachable,
    /// There are no credentials, or they have expired.
    NoCredentials,
    /// The settings can't be used: no region, an endpoint that is not allowed. Nothing was sent.
    Misconfigured,
    /// This manager can't do that.
    Unsupported,
    /// The answer makes no sense.
    Garbled,
}

impl CallError {
    /// A failure of `operation`.
    #[must_use]
    pub fn new(kind: CallErrorKind, operation: &str, message: impl Into<String>) -> Self {
        Self { kind, operation: operation.to_owned(), message: message.into(), request_id: None }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.message)?;
        if let Some(id) = &self.request_id {
            write!(f, " (request {id})")?;
        }
        Ok(())
    }
}

impl std::error::Error for CallError {}
