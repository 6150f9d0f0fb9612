//! What the commit about to be made adds: the index against HEAD.
//!
//! A secret counts when HEAD's blob at that path lacks it. The index is read with `gix-index`, which
//! knows split and sparse indexes as libgit2 does not, and never refreshed or written. Files of the work tree are not
//! looked at: what counts is what will be committed.

pub(crate) mod index;

use keystile_scan::{Occurrence, OccurrencePlace};

use crate::SourceReport;
use crate::change::{Changes, Comparison, Introductions};
use crate::coverage::{Coverage, GapKind};
use crate::error::Error;
use crate::inspect::Inspector;
use crate::object::ObjectId;
use crate::progress::Progress;
use crate::reader::ObjectReader;
use crate::repository::{Head, Repository};

pub(crate) use index::Index;

/// Scans what the index adds to HEAD.
///
/// # Errors
///
/// [`Error::Usage`] for a bare repository, which has no index.
pub fn scan(repository: &Repository, inspector: &Inspector, progress: &Progress) -> Result<SourceReport, Error> {
    if repository.work_tree().is_none() && !repository.index_file().exists() {
        return Err(Error::Usage(format!(
            "{} is a bare repository: there is no staged change to scan; leave --staged out to scan its history",
            repository.git_dir().display()
        )));
    }
    let reader = ObjectReader::new(repository);
    // A missing alternate, say, is a gap here if one of the objects that are asked for is missing with it.
    let mut coverage = Coverage::default();
    if repository.git_dir().join("MERGE_HEAD").exists() {
        coverage.notes.push("a merge is under way: what it brings to HEAD counts as added".to_owned());
    }
    let head = head_tree(&reader, &mut coverage);
    let index = Index::read(repository, &mut coverage);
    let changes = compare(&reader, &index, head, &mut coverage);
    let mut introductions = Introductions::new(&reader, inspector);
    introductions.scan(std::iter::once(&changes), &mut coverage, progress);
    let occurrences = occurrences(&mut introductions, &changes, head, &mut coverage);
    coverage.gaps.sort();
    coverage.gaps.dedup();
    Ok(SourceReport { occurrences, coverage })
}

/// What `changes`, scanned before, introduce in the index.
pub(crate) fn occurrences(
    introductions: &mut Introductions<'_, '_>,
    changes: &Changes,
    head: Option<ObjectId>,
    coverage: &mut Coverage,
) -> Vec<Occurrence> {
    let introduced = introductions.of(changes, "", coverage).into_iter();
    introduced
        .map(|(_, (path, found))| Occurrence {
            place: OccurrencePlace::Index,
            path,
            symlink: None,
            found,
            in_head: head.map(|_| false),
        })
        .collect()
}

/// The tree of HEAD's commit; `None` where there is no commit yet, or none that can be read.
pub(crate) fn head_tree(reader: &ObjectReader<'_>, coverage: &mut Coverage) -> Option<ObjectId> {
    let head = reader.repository().head();
    if let Head::Broken(gap) = &head {
        coverage.gaps.push(gap.clone());
    }
    let commit = head.target()?;
    match reader.commit(&commit) {
        Ok(commit) => Some(commit.tree),
        Err(why) => {
            reader.gap(coverage, &commit, "HEAD", &why);
            None
        }
    }
}

/// How the index differs from the tree `head`.
pub(crate) fn compare(
    reader: &ObjectReader<'_>,
    index: &Index,
    head: Option<ObjectId>,
    coverage: &mut Coverage,
) -> Changes {
    let entries = index.entries();
    let conflicts = index::conflicts(&entries);
    if conflicts > 0 {
        coverage.notes.push(format!("{conflicts} paths are in conflict: both sides of each were scanned"));
    }
    let mut comparison = Comparison::new(reader, coverage);
    index::compare(&mut comparison, &entries, index.root(), head);
    comparison.finish()
}

/// An index that can't be read hides what will be committed.
fn corrupt(coverage: &mut Coverage, path: &std::path::Path, detail: String) {
    coverage.gap(GapKind::CorruptIndex, path.display().to_string(), detail);
}
