//! What a scan covered: part of every report, and what decides between "clean" and "incomplete".

use std::collections::{BTreeMap, BTreeSet};

/// What was in scope and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Commits reachable in scope (`git rev-list --all` for a whole history).
    pub commits: u64,
    /// Trees among the objects in scope.
    pub trees: u64,
    /// Annotated tags among the objects in scope.
    pub tags: u64,
    /// Distinct blobs in scope, missing ones included.
    pub blobs: u64,
    /// Distinct blobs whose content was scanned.
    pub blobs_scanned: u64,
    /// Their expanded bytes.
    pub blob_bytes_scanned: u64,
    /// Files in scope outside of the object store (work tree, directory).
    pub files: u64,
    /// Files whose content was scanned.
    pub files_scanned: u64,
    /// Their bytes.
    pub file_bytes_scanned: u64,
    /// Messages of commits and tags that were scanned.
    pub messages_scanned: u64,
    /// Entries of archives that were scanned, beside the archives' own bytes.
    pub archive_entries_scanned: u64,
    /// Matches that a comment in their line excused (`keystile:allow`), counted in each version of a file.
    pub allowed_inline: u64,
    /// Matches that an allowlist excuses for where they are: one of a rule by the path, or any by the commit. Counted
    /// wherever they come in. What a global allowlist excuses by its path counts as [`SkipReason::AllowlistedPath`].
    pub allowlisted: u64,
    /// Rules (by their index) whose expression could not be compiled when it was needed.
    pub failed_rules: BTreeSet<usize>,
    /// Left out on purpose, by reason. Does not make a scan incomplete.
    pub skipped: BTreeMap<SkipReason, Skipped>,
    /// In scope but not readable: makes the scan incomplete (exit 3).
    pub gaps: Vec<Gap>,
    /// Things worth knowing that change nothing: one sentence each.
    pub notes: Vec<String>,
}

/// Why content was left out on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SkipReason {
    /// Binary, and `--skip-binary` was given (or `--compat=strict`).
    Binary,
    /// Larger than the limit that was given.
    Size,
    /// At a path that a global allowlist excuses, whatever the rule. Of a history: blobs that are at no other path
    /// in it. Of an archive: entries with a match.
    AllowlistedPath,
    /// Matched by an ignore file (work tree, directory).
    IgnoredPath,
    /// A pipe, socket or device.
    SpecialFile,
    /// A symbolic link (its target is scanned where it lies).
    SymbolicLink,
    /// A submodule or nested repository: a repository of its own.
    NestedRepository,
    /// An entry of an archive that needs a password.
    ArchiveEncrypted,
    /// An entry of an archive in a method that is not supported.
    ArchiveUnsupported,
    /// An archive or entry over the limits against bombs.
    ArchiveLimit,
    /// An archive nested deeper than asked for.
    ArchiveDepth,
    /// A broken archive: its raw bytes were scanned, its entries as far as they could be read.
    ArchiveCorrupt,
}

/// What was left out for one reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skipped {
    /// How many.
    pub count: u64,
    /// How many bytes, where known.
    pub bytes: u64,
    /// The first few, by path or object id.
    pub examples: Vec<String>,
}

/// Something in scope that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// What kind.
    pub kind: GapKind,
    /// Which: an object id, a reference, a path.
    pub what: String,
    /// What is wrong with it and what would cure it, in one sentence.
    pub detail: String,
}

/// What kind of gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GapKind {
    /// The clone is shallow: history ends at these commits.
    ShallowBoundary,
    /// The clone is partial (a promisor remote): this object was never fetched.
    PromisorObject,
    /// An object that is referred to is not there.
    MissingObject,
    /// An object that is there can't be decoded, or its content is not its id.
    CorruptObject,
    /// A pack or its index as a whole.
    CorruptPack,
    /// An alternate object directory that is not there.
    MissingAlternate,
    /// A reference that can't be read or leads nowhere.
    BrokenReference,
    /// The index (staging area).
    CorruptIndex,
    /// A file or directory that can't be read.
    UnreadableFile,
    /// Something keystile does not support yet.
    Unsupported,
}

/// How many examples are kept for each reason.
pub(crate) const EXAMPLES: usize = 5;

impl Coverage {
    /// Counts something left out on purpose.
    pub fn skip(&mut self, reason: SkipReason, what: impl Into<String>, bytes: u64) {
        let skipped = self.skipped.entry(reason).or_default();
        skipped.count += 1;
        skipped.bytes += bytes;
        if skipped.examples.len() < EXAMPLES {
            skipped.examples.push(what.into());
        }
    }

    /// Counts much that was left out on purpose, with the first few names.
    pub fn skip_all(&mut self, reason: SkipReason, count: u64, bytes: u64, names: impl IntoIterator<Item = String>) {
        if count == 0 {
            return;
        }
        let skipped = self.skipped.entry(reason).or_default();
        skipped.count += count;
        skipped.bytes += bytes;
        skipped.examples.extend(names);
        skipped.examples.truncate(EXAMPLES);
    }

    /// Notes something in scope that could not be read.
    pub fn gap(&mut self, kind: GapKind, what: impl Into<String>, detail: impl Into<String>) {
        self.gaps.push(Gap { kind, what: what.into(), detail: detail.into() });
    }

    /// Whether everything in scope was read.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.gaps.is_empty()
    }

    /// Adds another source's coverage to this one.
    pub fn merge(&mut self, other: Self) {
        self.commits += other.commits;
        self.trees += other.trees;
        self.tags += other.tags;
        self.blobs += other.blobs;
        self.blobs_scanned += other.blobs_scanned;
        self.blob_bytes_scanned += other.blob_bytes_scanned;
        self.files += other.files;
        self.files_scanned += other.files_scanned;
        self.file_bytes_scanned += other.file_bytes_scanned;
        self.messages_scanned += other.messages_scanned;
        self.archive_entries_scanned += other.archive_entries_scanned;
        self.allowed_inline += other.allowed_inline;
        self.allowlisted += other.allowlisted;
        self.failed_rules.extend(other.failed_rules);
        for (reason, more) in other.skipped {
            let skipped = self.skipped.entry(reason).or_default();
            skipped.count += more.count;
            skipped.bytes += more.bytes;
            skipped.examples.extend(more.examples);
            skipped.examples.truncate(EXAMPLES);
        }
        self.gaps.extend(other.gaps);
        self.gaps.sort();
        self.gaps.dedup();
        self.notes.extend(other.notes);
    }
}
