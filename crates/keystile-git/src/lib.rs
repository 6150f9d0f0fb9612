//! Sources of content: git history, ranges, staged changes, work trees, directories, standard input.
//!
//! Every source hands its content to one [`Inspector`] and answers with [`SourceReport`]: the
//! occurrences of secrets, and a [`Coverage`] that says what was in scope, what was read and what
//! was not. Rules are none of this crate's business, nor is output.
//!
//! How a history is read: [`walk`] decodes every packed object once, along the tree of deltas;
//! [`graph`] knows which commit holds which tree; [`history`] puts the two together. libgit2
//! (`git2`) answers everything else that a repository is asked.

mod change;
pub mod committed_files;
pub mod content_at;
pub mod coverage;
pub mod directory;
pub mod error;
pub mod graph;
pub mod history;
pub mod inspect;
pub mod object;
pub mod patch;
pub mod progress;
pub mod range;
mod reader;
mod rename;
pub mod repository;
pub mod staged;
pub mod standard_input;
pub mod store;
pub mod walk;
pub mod work_tree;

pub use committed_files::CommittedFiles;
pub use content_at::{ContentPlace, content_at};
pub use coverage::{Coverage, Gap, GapKind, SkipReason, Skipped};
pub use error::Error;
pub use inspect::{InspectOptions, Inspection, Inspector, Judged};
pub use object::{Kind, ObjectId};
pub use progress::Progress;
pub use repository::Repository;

use keystile_scan::Occurrence;

/// What a source gives.
#[derive(Debug, Default)]
pub struct SourceReport {
    /// Every place of every secret, in no particular order.
    pub occurrences: Vec<Occurrence>,
    /// What was read and what was not.
    pub coverage: Coverage,
}

impl SourceReport {
    /// Adds another source's answer to this one.
    pub fn merge(&mut self, other: Self) {
        self.occurrences.extend(other.occurrences);
        self.coverage.merge(other.coverage);
    }
}
