//! A leaked value and where it was found.

use std::fmt;

use keystile_scan::SecretBytes;
use serde::{Deserialize, Serialize};

/// A value that a scan found. It lives in memory only: there is no way to write it down.
#[derive(Debug, Clone)]
pub struct Leak {
    /// The rule that found it.
    pub rule: String,
    /// The value.
    pub value: SecretBytes,
    /// Every place it was found at, sorted.
    pub places: Vec<Place>,
}

/// Where a value was found. Plans and reports name places; whoever needs the value reads it there again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// What kind of place.
    #[serde(default)]
    pub kind: PlaceKind,
    /// The commit that introduced it; `None` for files as they lie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Path inside of the repository or folder; bytes that are not UTF-8 replaced.
    pub path: String,
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// When the commit was authored, as RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Whether HEAD still has it; `None` = not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_head: Option<bool>,
}

/// Kinds of places, named as in the reports of a scan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceKind {
    /// A file of the commit.
    Commit,
    /// The message of the commit.
    CommitMessage,
    /// The message of an annotated tag, whose name is the path.
    TagMessage,
    /// The index.
    Index,
    /// The work tree.
    WorkTree,
    /// An object that no reference leads to, whose id is the path.
    Unreachable,
    /// A file outside of any history.
    #[default]
    File,
    /// Standard input.
    StandardInput,
}

/// `COMMIT:PATH:LINE`, the commit shortened to twelve digits.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(commit) = &self.commit {
            write!(f, "{}:", commit.get(..12).unwrap_or(commit))?;
        }
        write!(f, "{}:{}", self.path, self.line)
    }
}
