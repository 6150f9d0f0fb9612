//! What a run did, line by line: written before each call that changes something, and after it.
//!
//! The journal is a file of JSON lines that only its owner can read. It holds names, versions, tokens, times and
//! the manager's request ids; no value, no digest of one. Losing it loses no safety: what was done can be told
//! from the secret's versions, because the token is derived.

mod reader;
mod writer;

use std::path::PathBuf;

use jiff::Timestamp;
use keystile_inventory::{SecretArn, VersionId};
use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;
use crate::token::Token;

pub use reader::{History, Journal};
pub use writer::{JournalWriter, Sink};

/// Version of the journal's format.
pub const FORMAT: &str = "keystile.dev/rotation-journal/v1";

/// A journal that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("journal {}{}: {what}", path.display(), line.map(|line| format!(", line {line}")).unwrap_or_default())]
pub struct JournalError {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1, where it is one.
    pub line: Option<u64>,
    /// What is wrong, with the cure.
    pub what: String,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Run: each `apply` and each `resume` is one.
    pub run: String,
    /// What.
    pub event: Event,
}

/// A call that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// Ask for a rotation.
    Rotate,
    /// Store a new value.
    Stage,
    /// Make it current.
    Promote,
    /// Take the label off a version of ours that is not to become current.
    Unstage,
    /// Take the label off a version in the making that is stuck, whoever made it.
    ClearStuck,
    /// Switch an access key off.
    Deactivate,
    /// Refuse the temporary credentials that were made with an access key.
    DenySessions,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum Event {
    /// A run begins.
    Begin {
        /// [`FORMAT`].
        format: String,
        /// Digest of the plan.
        plan: String,
        /// Items of the plan that it may act on.
        items: Vec<u32>,
    },
    /// A call is about to be made.
    Intent {
        /// Item.
        item: u32,
        /// The secret.
        arn: SecretArn,
        /// The version to get away from.
        leaked: VersionId,
        /// The call.
        call: Call,
        /// The version that it is about: to be made, to become current, to lose its label.
        token: Token,
        /// Which attempt.
        generation: u32,
    },
    /// The call came back.
    Answer {
        /// Item.
        item: u32,
        /// The call.
        call: Call,
        /// The manager's id of the request.
        request_id: Option<String>,
        /// The error, if it is one; without value.
        error: Option<String>,
    },
    /// An item has an outcome; a later line may have another.
    Ended {
        /// Item.
        item: u32,
        /// The outcome.
        outcome: Outcome,
        /// The version that is current now, where it is known.
        current: Option<VersionId>,
        /// Since when it is, at the latest, where a rotation since the plan is the cause.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Timestamp>,
        /// What proves it, as sentences.
        proof: Vec<String>,
    },
    /// The run ends.
    End {
        /// Why, if not because all was done (`interrupted`, `circuit breaker`).
        stopped: Option<String>,
    },
}
