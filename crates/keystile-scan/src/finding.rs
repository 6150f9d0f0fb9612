//! Findings as reports show them: a rule and a secret once, with every place it was introduced.

use std::sync::Arc;

use bstr::BString;

use crate::engine::Match;
use crate::fingerprint::Fingerprint;
use crate::rule::RuleId;
use crate::secret::SecretBytes;

/// What reports say of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// Hexadecimal object id.
    pub id: String,
    /// Author's name, lossily as UTF-8.
    pub author_name: String,
    /// Author's e-mail address.
    pub author_email: String,
    /// Author date, seconds since 1970-01-01T00:00:00Z.
    pub author_seconds: i64,
    /// Offset of the author's clock from UTC in minutes.
    pub author_offset_minutes: i32,
    /// The whole message.
    pub message: String,
}

/// Where an occurrence was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OccurrencePlace {
    /// Introduced by this commit (a stash entry is a commit too).
    Commit(Arc<CommitInfo>),
    /// In the message of this commit.
    CommitMessage(Arc<CommitInfo>),
    /// In the message of the annotated tag of this name.
    TagMessage(BString),
    /// In the index: what the next commit adds.
    Index,
    /// In the work tree, not (or not so) in the index.
    WorkTree,
    /// In an object that no reference leads to; its id.
    Unreachable(String),
    /// In a file outside of any history (`--dir`).
    File,
    /// On standard input.
    StandardInput,
}

/// One place of a finding.
#[derive(Debug, Clone)]
pub struct Occurrence {
    /// Which kind of place, and which commit.
    pub place: OccurrencePlace,
    /// Path relative to the repository's (or the scanned folder's) top, `/` between components,
    /// bytes as the file system has them; inside an archive `outer.zip!inner/name`.
    /// Empty for messages and standard input.
    pub path: BString,
    /// Symbolic link that led there, where links are followed.
    pub symlink: Option<BString>,
    /// The match itself: positions, line, secret.
    pub found: Arc<Match>,
    /// Whether the blob at this path in HEAD has the secret; `None` where there is no HEAD to ask.
    pub in_head: Option<bool>,
}

/// One (rule, secret) with all its places.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The rule that matched.
    pub rule: RuleId,
    /// Stable across line shifts, squashes and renames.
    pub fingerprint: Fingerprint,
    /// The secret.
    pub secret: SecretBytes,
    /// At least one, oldest introduction first.
    pub occurrences: Vec<Occurrence>,
}

impl Finding {
    /// Whether the secret is still in HEAD; `None` where no occurrence could tell.
    #[must_use]
    pub fn in_head(&self) -> Option<bool> {
        let mut known = self.occurrences.iter().filter_map(|occurrence| occurrence.in_head).peekable();
        known.peek()?;
        Some(known.any(|in_head| in_head))
    }
}
