//! Why a source could not do its job at all. What it could not read in part is a [`crate::Gap`].

use std::path::PathBuf;

/// Why nothing could be scanned.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No repository at the path or above it.
    #[error("{path}: not a git repository, nor inside one; use --dir to scan it as a folder")]
    NotARepository {
        /// What was asked for.
        path: PathBuf,
    },
    /// The request can't be carried out as given (exit 2).
    #[error("{0}")]
    Usage(String),
    /// Something that keystile does not support yet (exit 2).
    #[error("{what} is not supported: {cure}")]
    Unsupported {
        /// What.
        what: String,
        /// What to do instead.
        cure: String,
    },
    /// Reading failed as a whole.
    #[error("while reading {what}")]
    Read {
        /// What was being read.
        what: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// libgit2 could not answer.
    #[error("while reading {what}: {}", .source.message())]
    Git {
        /// What was being read.
        what: String,
        /// Why.
        source: git2::Error,
    },
}
