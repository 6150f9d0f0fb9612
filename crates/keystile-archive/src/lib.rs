//! Expands archives held in memory, within limits.

use bstr::BString;

/// Bounds against archives that are made to exhaust whoever opens them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Archives inside archives: how deep. 0: archives are not opened.
    pub depth: u32,
    /// Bytes that one archive (with all inside it) may expand to.
    pub max_bytes: u64,
    /// Bytes that one entry may expand to.
    pub max_entry_bytes: u64,
    /// Entries that one archive (with all inside it) may hold.
    pub max_entries: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 2, max_bytes: 512 << 20, max_entry_bytes: 64 << 20, max_entries: 100_000 }
    }
}

/// A kind of archive or compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// PKWARE zip, so jar, whl, docx too.
    Zip,
    /// POSIX and GNU tar.
    Tar,
    /// gzip.
    Gzip,
    /// xz.
    Xz,
    /// Zstandard.
    Zstd,
}

/// Why something in an archive was not handed out. Paths are relative to the archive, `!` between levels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Which entry; empty: the archive as a whole.
    pub path: BString,
    /// Why.
    pub reason: SkipReason,
}

/// Why something in an archive was not handed out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// Needs a password.
    Encrypted,
    /// A compression method or an entry type that is not supported.
    Unsupported,
    /// Over one of the [`Limits`].
    Limit,
    /// Nested deeper than [`Limits::depth`].
    TooDeep,
    /// Broken; what could be read before the fault was handed out.
    Corrupt,
}

/// The archive format that `content` starts like, by its magic bytes.
#[must_use]
pub fn detect(_content: &[u8]) -> Option<Format> {
    None
}

/// Expands `content` and calls `entry` with the path (`inner.tar!etc/passwd`) and the bytes of each
/// file in it, nested archives included (their own bytes are handed out too, before their entries).
/// Returns what was left out. Content that is no archive has no entries.
pub fn expand(_content: &[u8], _limits: &Limits, _entry: &mut dyn FnMut(&bstr::BStr, &[u8])) -> Vec<Skipped> {
    Vec::new()
}
