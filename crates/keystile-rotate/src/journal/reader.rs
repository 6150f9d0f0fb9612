//! Reading a journal: for `status`, for `resume`, and for the time since the last rotation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;
use keystile_inventory::{SecretArn, VersionId};

use super::{Call, Entry, Event, JournalError};
use crate::outcome::Outcome;
use crate::token::Token;

/// What a journal says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Journal {
    /// Its lines.
    pub entries: Vec<Entry>,
    /// Whether the last line was cut off, by a crash.
    pub torn: bool,
}

/// What earlier runs did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Versions that were asked for.
    asked: BTreeMap<Token, Asked>,
    /// Leaked versions that were seen replaced by another value.
    replaced: BTreeSet<Leaked>,
    /// Stuck versions whose label was, or may have been, taken off, by the leaked version that they kept current.
    cleared: BTreeMap<Leaked, BTreeSet<VersionId>>,
    /// When a rotation of a secret last completed.
    rotated: BTreeMap<SecretArn, Timestamp>,
}

/// A leaked version of a secret.
type Leaked = (SecretArn, VersionId);

/// One version that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    first: Timestamp,
    answered: bool,
}

impl Journal {
    /// Reads a journal. A file that is not there is an empty journal.
    ///
    /// # Errors
    /// It can't be read, or a line other than a cut off last one is none of ours; the error has its number.
    pub fn read(path: &Path) -> Result<Self, JournalError> {
        let failed = |line, what: String| JournalError { path: path.to_owned(), line, what };
        // A device or a pipe would not end.
        if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
            return Err(failed(None, "is no file".to_owned()));
        }
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(None, format!("can't be read: {error}"))),
        };
        let mut journal = Self::default();
        for (number, line) in (1_u64..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
            match serde_json::from_slice(line) {
                Ok(entry) => journal.entries.push(entry),
                Err(_) if !line.ends_with(b"\n") => journal.torn = true,
                Err(error) => {
                    return Err(failed(
                        Some(number),
                        format!("is not a line of a rotation journal: {error}; was it edited?"),
                    ));
                }
            }
        }
        Ok(journal)
    }

    /// What its runs did.
    #[must_use]
    pub fn history(&self) -> History {
        let mut history = History::default();
        // An item's number means something inside of a plan, an open intent inside of a run.
        let mut plan_of: BTreeMap<&str, &str> = BTreeMap::new();
        let mut leaked_of: BTreeMap<(&str, u32), Leaked> = BTreeMap::new();
        let mut open: BTreeMap<(&str, u32), (Call, &Token)> = BTreeMap::new();
        for entry in &self.entries {
            let run = entry.run.as_str();
            let plan = plan_of.get(run).copied().unwrap_or_default();
            match &entry.event {
                Event::Begin { plan, .. } => drop(plan_of.insert(run, plan)),
                Event::Intent { item, arn, leaked, call, token, .. } => {
                    let leaked = (arn.clone(), leaked.clone());
                    match call {
                        Call::Rotate | Call::Stage => {
                            let asked = Asked { first: entry.at, answered: false };
                            history.asked.entry(token.clone()).or_insert(asked);
                        }
                        Call::ClearStuck => {
                            history.cleared.entry(leaked.clone()).or_default().insert(token.version());
                        }
                        _ => {}
                    }
                    open.insert((run, *item), (*call, token));
                    leaked_of.insert((plan, *item), leaked);
                }
                Event::Answer { item, error: None, .. } => match open.remove(&(run, *item)) {
                    Some((Call::Rotate | Call::Stage, token)) => {
                        if let Some(asked) = history.asked.get_mut(token) {
                            asked.answered = true;
                        }
                    }
                    Some((Call::Promote, _)) => {
                        if let Some((arn, _)) = leaked_of.get(&(plan, *item)) {
                            history.note_rotation(arn, entry.at);
                        }
                    }
                    _ => {}
                },
                Event::Ended { item, outcome, since, .. } => {
                    let Some(leaked) = leaked_of.get(&(plan, *item)) else { continue };
                    if let Some(since) = since {
                        history.note_rotation(&leaked.0, *since);
                    }
                    if is_replaced(*outcome) {
                        history.replaced.insert(leaked.clone());
                    }
                }
                Event::Answer { .. } | Event::End { .. } => {}
            }
        }
        history
    }

    /// The plans that its runs carried out, by digest.
    #[must_use]
    pub fn plans(&self) -> BTreeSet<&str> {
        self.entries
            .iter()
            .filter_map(|entry| match &entry.event {
                Event::Begin { plan, .. } => Some(plan.as_str()),
                _ => None,
            })
            .collect()
    }
}

/// Whether another value than the leaked one was current when an item ended so.
const fn is_replaced(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Rotated
            | Outcome::RotatedByOther
            | Outcome::AlreadyRotated
            | Outcome::LoginStillValid
            | Outcome::ReplicaLags
    )
}

impl History {
    fn note_rotation(&mut self, arn: &SecretArn, at: Timestamp) {
        let last = self.rotated.entry(arn.clone()).or_insert(at);
        *last = at.max(*last);
    }

    /// When a rotation of the secret last completed, as far as these runs know.
    #[must_use]
    pub fn last_rotation(&self, arn: &SecretArn) -> Option<Timestamp> {
        self.rotated.get(arn).copied()
    }

    /// Whether the leaked version was seen replaced by another value.
    #[must_use]
    pub fn was_replaced(&self, arn: &SecretArn, leaked: &VersionId) -> bool {
        self.replaced.contains(&(arn.clone(), leaked.clone()))
    }

    /// Stuck versions that were, or may have been, taken out of the way of a rotation away from the leaked version.
    #[must_use]
    pub fn cleared(&self, arn: &SecretArn, leaked: &VersionId) -> BTreeSet<VersionId> {
        self.cleared.get(&(arn.clone(), leaked.clone())).cloned().unwrap_or_default()
    }

    /// When the version was asked for first.
    #[must_use]
    pub fn first_asked(&self, token: &Token) -> Option<Timestamp> {
        self.asked.get(token).map(|asked| asked.first)
    }

    /// Whether the version was asked for, and nothing says whether that was accepted.
    #[must_use]
    pub fn is_open(&self, token: &Token) -> bool {
        self.asked.get(token).is_some_and(|asked| !asked.answered)
    }
}
