//! Expands archives held in memory, within limits.
//!
//! A scanner opens archives to look at every byte that somebody could get out of them, so it reads more than
//! an unpacker does: zip members that share a name, members that the directory does not list, what stands
//! before a fault. It writes nothing and uses no name as a path: `../` and absolute names are only shown.
//!
//! What counts as one level: an archive, or a compressed file. A compressed tar (`.tar.gz`) is one level, as
//! people see it, and its members' paths have no component for the tar. A compressed file has one entry,
//! called what gzip's header says, or `content`.
//!
//! Memory: for each level one entry ([`Limits::max_entry_bytes`]) and a decoder's window (up to 128 MiB of xz
//! and Zstandard; what asks for more is over the limit). No entry's buffer has the size that a header claims.
//!
//! Formats: PKWARE's APPNOTE.TXT 6.3.10 (zip), POSIX.1-2024 `pax` and the GNU tar manual (tar), RFC 1952
//! (gzip), the `.xz` file format 1.2.1, RFC 8878 (Zstandard).

mod compressed;
mod detect;
mod expand;
mod tar;
mod zip;

pub use detect::detect;
pub use expand::expand;

use bstr::BString;

/// Bounds against archives that are made to exhaust whoever opens them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Archives inside archives: how deep. 0: archives are not opened; 1: those inside of archives are not.
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
    /// Over one of the [`Limits`]; of a too long entry, the start was handed out.
    Limit,
    /// Nested deeper than [`Limits::depth`].
    TooDeep,
    /// Broken; what could be read before the fault was handed out.
    Corrupt,
}
