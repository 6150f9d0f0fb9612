//! Reading a journal: for `status`, for `resume`, and for the time since the last rotation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;

use super::{Call, Entry, Event, JournalError};
use crate::token::Token;

/// What a journal says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Journal {
    /// Its lines.
    pub entries: Vec<Entry>,
    /// Whether the last line was cut off, by a crash.
    pub torn: bool,
}

/// What earlier runs asked for, by token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    asked: BTreeMap<Token, Asked>,
}

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

    /// What was asked for.
    #[must_use]
    pub fn history(&self) -> History {
        let mut history = History::default();
        // An answer belongs to the last intent of its run and item.
        let mut open: BTreeMap<(&str, u32), &Token> = BTreeMap::new();
        for entry in &self.entries {
            match &entry.event {
                Event::Intent { item, call: Call::Rotate | Call::Stage, token, .. } => {
                    history.asked.entry(token.clone()).or_insert(Asked { first: entry.at, answered: false });
                    open.insert((&entry.run, *item), token);
                }
                Event::Answer { item, call: Call::Rotate | Call::Stage, error: None, .. } => {
                    if let Some(asked) =
                        open.remove(&(entry.run.as_str(), *item)).and_then(|token| history.asked.get_mut(token))
                    {
                        asked.answered = true;
                    }
                }
                _ => {}
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

impl History {
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
