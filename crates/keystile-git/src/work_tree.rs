//! The work tree and the index: what is not in the history yet.
//!
//! A secret counts in the index if HEAD's blob at its path lacks it, and in a file if neither HEAD's nor the index's
//! blob at its path has it. Every file is read: its times and size say whether git would add it
//! again, and not whether its content is that of the blob (filters, large file storage).

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use bstr::{BStr, BString, ByteSlice as _};
use keystile_scan::{Fingerprint, Occurrence, OccurrencePlace};

use crate::SourceReport;
use crate::change::Introductions;
use crate::coverage::{Coverage, SkipReason};
use crate::directory::{Listed, ListedKind, Listing, WalkOptions, scan_files};
use crate::error::Error;
use crate::inspect::Inspector;
use crate::object::ObjectId;
use crate::progress::Progress;
use crate::reader::ObjectReader;
use crate::repository::Repository;
use crate::staged::{self, Index};

/// Which files of a work tree count.
#[derive(Debug, Clone, Default)]
pub struct WorkTreeOptions {
    /// Untracked files that git ignores, too. Tracked ones always count.
    pub no_ignore: bool,
}

/// Scans the index and the work tree, untracked files included. Of a bare repository there is nothing to scan.
///
/// # Errors
///
/// None yet: what can't be read is part of the coverage.
pub fn scan(
    repository: &Repository,
    inspector: &Inspector,
    options: &WorkTreeOptions,
    progress: &Progress,
) -> Result<SourceReport, Error> {
    let Some(top) = repository.work_tree() else { return Ok(SourceReport::default()) };
    let reader = ObjectReader::new(repository);
    let mut coverage = Coverage::default();
    let head = staged::head_tree(&reader, &mut coverage);
    let index = Index::read(repository, &mut coverage);
    let mut introductions = Introductions::new(&reader, inspector);

    let changes = staged::compare(&reader, &index, head, &mut coverage);
    introductions.scan(std::iter::once(&changes), &mut coverage, progress);
    let mut occurrences = staged::occurrences(&mut introductions, &changes, head, &mut coverage);

    let tracked = Tracked::new(&index);
    let walk = WalkOptions { honour_ignore_files: !options.no_ignore, follow_symlinks: false, is_work_tree: true };
    let Listing { mut files, ignored } = Listing::read(top, &walk, &BString::default(), &mut coverage);
    for (path, bytes) in ignored {
        if !tracked.blobs.contains_key(&path) {
            coverage.skip(SkipReason::IgnoredPath, path.to_string(), bytes);
        }
    }
    add_tracked(top, &tracked, &mut files);
    let mut found_in_files = FilesAgainst { introductions, tracked: &tracked, head };
    scan_files(inspector, &files, progress, &mut coverage, |listed, inspection, coverage| {
        let found = inspector.judge_at(inspection, listed.path.as_ref(), "").count(coverage);
        found_in_files.add(&listed.path, found, coverage, &mut occurrences);
    });
    coverage.gaps.sort();
    coverage.gaps.dedup();
    Ok(SourceReport { occurrences, coverage })
}

/// Scans what tracked files have that the index lacks: what `git diff` shows.
///
/// # Errors
///
/// [`Error::Usage`] for a bare repository.
pub fn scan_unstaged(
    repository: &Repository,
    inspector: &Inspector,
    progress: &Progress,
) -> Result<SourceReport, Error> {
    let Some(top) = repository.work_tree() else {
        return Err(Error::Usage(format!(
            "{} is a bare repository: it has no work tree to scan",
            repository.git_dir().display()
        )));
    };
    let reader = ObjectReader::new(repository);
    let mut coverage = Coverage::default();
    let index = Index::read(repository, &mut coverage);
    let tracked = Tracked::new(&index);
    let mut files = Vec::new();
    add_tracked(top, &tracked, &mut files);
    let introductions = Introductions::new(&reader, inspector);
    let mut found_in_files = FilesAgainst { introductions, tracked: &tracked, head: None };
    let mut occurrences = Vec::new();
    scan_files(inspector, &files, progress, &mut coverage, |listed, inspection, coverage| {
        let found = inspector.judge_at(inspection, listed.path.as_ref(), "").count(coverage);
        found_in_files.add(&listed.path, found, coverage, &mut occurrences);
    });
    coverage.gaps.sort();
    coverage.gaps.dedup();
    Ok(SourceReport { occurrences, coverage })
}

/// What the index knows of each path.
struct Tracked {
    blobs: BTreeMap<BString, Vec<ObjectId>>,
}

impl Tracked {
    fn new(index: &Index) -> Self {
        let mut blobs: BTreeMap<BString, Vec<ObjectId>> = BTreeMap::new();
        for entry in index.entries().iter().filter(|entry| !entry.mode.is_submodule() && !entry.mode.is_sparse()) {
            blobs.entry(entry.path.to_owned()).or_default().push(entry.id);
        }
        Self { blobs }
    }
}

/// Adds the tracked files that the walk left out: those that ignore files name, and those in a folder that holds a `.git`.
fn add_tracked(top: &Path, tracked: &Tracked, files: &mut Vec<Listed>) {
    let listed: HashSet<BString> = files.iter().map(|listed| listed.path.clone()).collect();
    for path in tracked.blobs.keys().filter(|path| !listed.contains(*path)) {
        let Some(kind) = kind_inside(top, path.as_ref()) else { continue };
        files.push(Listed { open: top.join(path.to_path_lossy()), path: path.clone(), symlink: None, kind });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
}

/// What is at a tracked path; `None` if there is nothing to read. A path that leads through a symbolic link is not
/// in the work tree: what is behind the link is not what is tracked, and need not even be the user's.
fn kind_inside(top: &Path, path: &BStr) -> Option<ListedKind> {
    let mut at = top.to_owned();
    let mut parts = path.split(|&byte| byte == b'/').peekable();
    while let Some(part) = parts.next() {
        if part.is_empty() || part == b"." || part == b".." {
            return None;
        }
        at.push(part.to_path_lossy());
        let metadata = at.symlink_metadata().ok()?;
        match parts.peek() {
            Some(_) if metadata.is_dir() => {}
            Some(_) => return None,
            None if metadata.is_symlink() => return Some(ListedKind::Symlink),
            None => return metadata.is_file().then_some(ListedKind::File),
        }
    }
    None
}

/// Compares what was found in files with what the index and HEAD have there.
struct FilesAgainst<'a, 'r> {
    introductions: Introductions<'a, 'r>,
    tracked: &'a Tracked,
    head: Option<ObjectId>,
}

impl FilesAgainst<'_, '_> {
    fn add(
        &mut self,
        path: &BString,
        found: Vec<crate::inspect::Located>,
        coverage: &mut Coverage,
        occurrences: &mut Vec<Occurrence>,
    ) {
        if found.is_empty() {
            return;
        }
        let mut known: HashSet<Fingerprint> = HashSet::new();
        for id in self.tracked.blobs.get(path).into_iter().flatten() {
            known.extend(self.introductions.fingerprints(id, path.as_ref(), coverage));
        }
        if let Some(head) = &self.head {
            known.extend(self.introductions.fingerprints_in(head, path.as_ref(), coverage));
        }
        for (path, found) in found.into_iter().filter(|(_, found)| !known.contains(&found.fingerprint)) {
            let in_head = self.head.map(|_| false);
            occurrences.push(Occurrence { place: OccurrencePlace::WorkTree, path, symlink: None, found, in_head });
        }
    }
}
