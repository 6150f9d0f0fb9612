//! History the way gitleaks reads it: the added lines of each commit's diff, hunk by hunk.
//!
//! `--compat=strict` uses it, so that findings can be held against gitleaks' own. What gitleaks asks git
//! for (`sources/git.go` of 8.30: `git log -p -U0 --full-history --all` without the diffs of types T, U, X,
//! D and B) is what this gives: no diffs for merges, renames detected as git does it, deletions and type
//! changes left out, files left out that are binary by their content or by the attribute `diff`. Each hunk's
//! added lines are scanned on their own. It is slower than [`crate::history`] and sees less; nothing but
//! strict mode should want it.
//!
//! Commits, trees and blobs are read by keystile itself; libgit2 knows the attributes and makes the hunks.

mod commits;
mod files;

use std::sync::Arc;

use bstr::{BString, ByteSlice as _};
use git2::{AttrCheckFlags, AttrValue, DiffOptions, FileMode, Oid, Patch};
use keystile_scan::{CommitInfo, ContentScan, Match, Occurrence, OccurrencePlace, Scratch};
use rayon::prelude::*;

use crate::SourceReport;
use crate::coverage::{Coverage, GapKind, SkipReason};
use crate::error::Error;
use crate::graph::commit_info;
use crate::inspect::{Inspection, Inspector};
use crate::object::{Kind, ObjectId};
use crate::progress::Progress;
use crate::range::{RangeSpec, revision};
use crate::reader::{Commit, ObjectReader, Unread};
use crate::rename::{self, File};
use crate::repository::{Head, Repository};

/// git's default of `core.bigFileThreshold`: larger files are binary.
const BIG_FILE: usize = 512 << 20;

/// Scans the patches of every commit that a reference or HEAD leads to.
///
/// # Errors
/// If libgit2 can't open the repository or walk its commits.
pub fn scan_history(
    repository: &Repository,
    inspector: &Inspector,
    progress: &Progress,
) -> Result<SourceReport, Error> {
    open(repository)?;
    let reader = ObjectReader::new(repository);
    let mut report = SourceReport::default();
    let mut tips = Vec::new();
    for (name, target) in roots(repository, &mut report.coverage) {
        match commits::peel(&reader, target) {
            Ok(commit) => tips.extend(commit),
            Err((_, Unread::Missing)) => {
                let detail = format!("leads to {target}, which is not there");
                report.coverage.gap(GapKind::BrokenReference, name, detail);
            }
            Err((id, why @ Unread::Corrupt(_))) => {
                reader.gap(&mut report.coverage, &id, &format!("what {name} leads to"), &why);
            }
        }
    }
    let commits = commits::walk(&reader, &tips, &[], &mut report.coverage);
    scan_commits(&reader, inspector, &commits, TypeChanges::LeftOut, report, progress)
}

/// What `git log --all` starts from: the references, and HEAD in each work tree.
fn roots(repository: &Repository, coverage: &mut Coverage) -> Vec<(String, ObjectId)> {
    let references = repository.references();
    coverage.gaps.extend(references.gaps);
    coverage.notes.extend(references.notes);
    let mut roots: Vec<_> = references
        .references
        .iter()
        .chain(&references.replacements)
        .map(|reference| (reference.name.to_string(), reference.target))
        .collect();
    let heads = references.worktrees.into_iter().map(|worktree| (format!("{}/HEAD", worktree.name), worktree.head));
    for (name, head) in heads.chain([("HEAD".to_owned(), repository.head())]) {
        roots.extend(head.target().map(|target| (name, target)));
        if let Head::Broken(gap) = head {
            coverage.gaps.push(gap);
        }
    }
    roots
}

/// Scans the patches of the commits of `BASE..HEAD`.
///
/// # Errors
/// If the range can't be resolved, or libgit2 can't open the repository.
pub fn scan_range(
    repository: &Repository,
    inspector: &Inspector,
    range: &str,
    progress: &Progress,
) -> Result<SourceReport, Error> {
    open(repository)?;
    let reader = ObjectReader::new(repository);
    let spec = RangeSpec::parse(range)?;
    let base = revision::resolve(&reader, &spec.base, revision::Side::Base)?;
    let head = revision::resolve(&reader, &spec.head, revision::Side::Head)?;
    let mut report = SourceReport::default();
    let commits = commits::walk(&reader, &[head], &[base], &mut report.coverage);
    // For a range, gitleaks leaves the choice of diffs to git.
    scan_commits(&reader, inspector, &commits, TypeChanges::Scanned, report, progress)
}

/// What becomes of a file that becomes a link, or the other way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TypeChanges {
    LeftOut,
    /// As a file that is made.
    Scanned,
}

fn open(repository: &Repository) -> Result<git2::Repository, Error> {
    git2::Repository::open(repository.git_dir()).map_err(|error| match error.code() {
        git2::ErrorCode::Owner => Error::Unsupported {
            what: format!("reading patches of a repository of somebody else ({})", error.message()),
            cure: "add it to safe.directory, as git asks for too, or leave --compat=strict out".to_owned(),
        },
        // SHA-256, reftable and other extensions.
        _ => Error::Unsupported {
            what: format!("reading patches of this repository ({})", error.message()),
            cure: "leave --compat=strict out".to_owned(),
        },
    })
}

fn git_oid(id: &gix_hash::oid) -> Oid {
    Oid::from_bytes(id.as_bytes()).expect("SHA-1 ids are 20 bytes, and libgit2 opened the repository")
}

fn object_id(id: Oid) -> ObjectId {
    ObjectId::try_from(id.as_bytes()).expect("ids of libgit2 are those of SHA-1")
}

/// Whether libgit2 can read the attributes that are in the index; that it can't is a gap.
fn attributes_are_readable(reader: &ObjectReader<'_>, coverage: &mut Coverage) -> Result<bool, Error> {
    let index = match open(reader.repository())?.index() {
        Ok(index) => index,
        Err(error) => {
            let detail = format!("attributes were taken from the work tree alone: {}", error.message());
            coverage.gap(GapKind::CorruptIndex, "the index", detail);
            return Ok(false);
        }
    };
    let mut readable = true;
    for entry in index.iter() {
        let name = entry.path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        if name == b".gitattributes" {
            let id = object_id(entry.id);
            if let Err(why) = reader.read(&id, Kind::Blob) {
                let place = format!("{} in the index, whose attributes do not count", entry.path.as_bstr());
                reader.gap(coverage, &id, &place, &why);
                readable = false;
            }
        }
    }
    Ok(readable)
}

fn scan_commits(
    reader: &ObjectReader<'_>,
    inspector: &Inspector,
    commits: &[ObjectId],
    type_changes: TypeChanges,
    mut report: SourceReport,
    progress: &Progress,
) -> Result<SourceReport, Error> {
    progress.begin("reading patches", commits.len() as u64);
    report.coverage.notes.push("read as patches: a blob counts once for each change that makes it".to_owned());
    let with_index = attributes_are_readable(reader, &mut report.coverage)?;
    let worker = || -> Result<_, Error> {
        let attributes = open(reader.repository())?;
        if !with_index {
            git2::Index::new()
                .and_then(|mut empty| attributes.set_index(&mut empty))
                .map_err(|source| Error::Git { what: "the attributes".to_owned(), source })?;
        }
        Ok((attributes, inspector.scanner.scratch()))
    };
    let reports: Result<Vec<_>, Error> = commits
        .par_chunks(64)
        .map_init(worker, |worker, chunk| {
            let (attributes, scratch) = worker.as_mut().map_err(|error| Error::Usage(error.to_string()))?;
            let mut report = SourceReport::default();
            for commit in chunk {
                let mut patch =
                    CommitPatch { reader, attributes, inspector, type_changes, scratch, report: &mut report };
                patch.scan(commit);
                progress.advance(1);
            }
            Ok(report)
        })
        .collect();
    for part in reports? {
        report.merge(part);
    }
    Ok(report)
}

/// One commit's patch.
struct CommitPatch<'a, 'r> {
    reader: &'a ObjectReader<'r>,
    attributes: &'a git2::Repository,
    inspector: &'a Inspector,
    type_changes: TypeChanges,
    scratch: &'a mut Scratch,
    report: &'a mut SourceReport,
}

/// A file whose content a commit makes out of another's, or of nothing.
struct Change {
    old: Option<File>,
    new: File,
}

impl CommitPatch<'_, '_> {
    fn scan(&mut self, id: &ObjectId) {
        let commit = match self.reader.commit(id) {
            Ok(commit) => commit,
            Err(why) => return self.reader.gap(&mut self.report.coverage, id, "a commit", &why),
        };
        self.report.coverage.commits += 1;
        let parents = commits::parents(self.reader, id, &commit);
        if parents.len() > 1 {
            return;
        }
        let info = Arc::new(commit_info(id, &commit.data));
        for change in self.changes(id, &commit, parents.first()) {
            if let Err(error) = self.scan_change(&change, &info) {
                let what = format!("{id}:{}", change.new.path.as_bstr());
                let detail = format!("its patch can't be made: {}", error.message());
                self.report.coverage.gap(GapKind::Unsupported, what, detail);
            }
        }
    }

    /// What `git log` shows of a commit.
    fn changes(&mut self, id: &ObjectId, commit: &Commit, parent: Option<&ObjectId>) -> Vec<Change> {
        let reader = self.reader;
        let coverage = &mut self.report.coverage;
        let old = match parent.map(|parent| (parent, reader.commit(parent))) {
            Some((_, Ok(parent))) => Some(parent.tree),
            Some((parent, Err(why))) => {
                reader.gap(coverage, parent, &format!("the parent of {id}, whose patch is not scanned"), &why);
                return Vec::new();
            }
            None => None,
        };
        let differences = files::compare(reader, old, commit.tree, coverage);
        let mut changes: Vec<Change> =
            differences.modified.into_iter().map(|(old, new)| Change { old: Some(old), new }).collect();
        if self.type_changes == TypeChanges::Scanned {
            changes.extend(differences.retyped.into_iter().map(|new| Change { old: None, new }));
        }
        let (deleted, created) = (differences.deleted, differences.created);
        let read = |blob: Oid| {
            let blob = object_id(blob);
            reader.read(&blob, Kind::Blob).map_err(|why| (blob, why))
        };
        let sources = rename::find(&deleted, &created, read).unwrap_or_else(|(blob, why)| {
            let place = format!("needed to tell renames from new files in {id}");
            reader.gap(coverage, &blob, &place, &why);
            vec![None; created.len()]
        });
        for (new, source) in created.into_iter().zip(sources) {
            let old = source.map(|source| deleted[source].clone());
            if old.as_ref().is_none_or(|old| old.id != new.id) {
                changes.push(Change { old, new });
            }
        }
        changes
    }

    fn scan_change(&mut self, change: &Change, commit: &Arc<CommitInfo>) -> Result<(), git2::Error> {
        self.report.coverage.blobs += 1;
        let path: BString = change.new.path.clone().into();
        let Some(new) = self.content(&change.new, commit) else { return Ok(()) };
        // Without what was there before, all of it counts as added.
        let old = change.old.as_ref().and_then(|old| self.content(old, commit));
        if self.inspector.scanner.excuses_path(path.as_bstr()) {
            let name = format!("{}:{path}", commit.id);
            self.report.coverage.skip(SkipReason::AllowlistedPath, name, new.len() as u64);
            return Ok(());
        }
        let is_binary = self.is_binary(&change.new, &new)?
            || match (&change.old, &old) {
                (Some(file), Some(content)) => self.is_binary(file, content)?,
                _ => false,
            };
        if is_binary && self.inspector.options.archives.depth > 0 && keystile_archive::detect(&new).is_some() {
            self.report.coverage.blobs_scanned += 1;
            let mut inspection = self.inspector.inspect(self.scratch, &new);
            // Of what is binary, the entries alone count.
            inspection.scan = ContentScan::default();
            self.keep(&inspection, 1, &path, commit);
            return Ok(());
        }
        if is_binary {
            self.report.coverage.skip(SkipReason::Binary, format!("{}:{path}", commit.id), new.len() as u64);
            return Ok(());
        }
        self.report.coverage.blobs_scanned += 1;
        let old = old.as_deref().unwrap_or_default();
        let cut = common_end(old, &new);
        let mut options = DiffOptions::new();
        options.context_lines(0).interhunk_lines(0).indent_heuristic(true).force_text(true);
        let (old, diffed) = (&old[..old.len() - cut], &new[..new.len() - cut]);
        let patch = Patch::from_buffers(old, None, diffed, None, Some(&mut options))?;
        let lines: Vec<usize> = std::iter::once(0).chain(memchr::memchr_iter(b'\n', &new).map(|at| at + 1)).collect();
        let line_start = |line: u32| lines.get(line as usize).copied().unwrap_or(new.len());
        for index in 0..patch.num_hunks() {
            let (hunk, _) = patch.hunk(index)?;
            let (first, count) = (hunk.new_start(), hunk.new_lines());
            // Of a hunk without added lines, `first` is the line before.
            let added = if count == 0 { 0..0 } else { line_start(first - 1)..line_start(first - 1 + count) };
            self.scan_hunk(&new[added], first, &path, commit);
        }
        Ok(())
    }

    /// A file's content; `None` if it can't be read, which is a gap.
    fn content(&mut self, file: &File, commit: &CommitInfo) -> Option<Vec<u8>> {
        if file.mode == FileMode::Commit {
            return Some(format!("Subproject commit {}\n", file.id).into_bytes());
        }
        let id = object_id(file.id);
        match self.reader.read(&id, Kind::Blob) {
            Ok(content) => Some(content),
            Err(why) => {
                let place = format!("{} in the patch of commit {}", file.path.as_bstr(), commit.id);
                self.reader.gap(&mut self.report.coverage, &id, &place, &why);
                None
            }
        }
    }

    /// Whether git shows no lines of a file, by its attribute `diff` or by its content.
    fn is_binary(&self, file: &File, content: &[u8]) -> Result<bool, git2::Error> {
        let path = file.path.to_path_lossy();
        let value = self.attributes.get_attr_bytes(&path, "diff", AttrCheckFlags::FILE_THEN_INDEX)?;
        Ok(match AttrValue::from_bytes(value) {
            AttrValue::True => false,
            AttrValue::False => true,
            _ => content.len() > BIG_FILE || has_nul(content),
        })
    }

    fn scan_hunk(&mut self, added: &[u8], first_line: u32, path: &BString, commit: &Arc<CommitInfo>) {
        self.report.coverage.blob_bytes_scanned += added.len() as u64;
        let mut inspection = Inspection::default();
        // gitleaks takes git's word for what is binary, and measures in whole megabytes.
        let is_too_large = |limit| added.len() as u64 >= limit + 1_000_000;
        if self.inspector.options.max_bytes.is_some_and(is_too_large) {
            inspection.skipped.push((SkipReason::Size, BString::default(), added.len() as u64));
        } else {
            inspection.scan = self.inspector.scanner.scan(self.scratch, added);
        }
        self.keep(&inspection, first_line, path, commit);
    }

    /// Takes over what was found in content that begins at `first_line` of a file.
    fn keep(&mut self, inspection: &Inspection, first_line: u32, path: &BString, commit: &Arc<CommitInfo>) {
        inspection.count(&format!("{}:{path}:{first_line}", commit.id), &mut self.report.coverage);
        let judged = self.inspector.judge_at(inspection, path.as_bstr(), &commit.id);
        for (path, found) in judged.count(&mut self.report.coverage) {
            // What a path alone is found for stands in no line.
            let is_moved = first_line > 1 && found.start.line > 0;
            let found = if is_moved { Arc::new(moved_down(&found, first_line - 1)) } else { found };
            self.report.occurrences.push(Occurrence {
                place: OccurrencePlace::Commit(commit.clone()),
                path,
                symlink: None,
                found,
                in_head: None,
            });
        }
    }
}

/// git's own test for binary content: a NUL among the first 8000 bytes (`xdiff-interface.c`).
pub(crate) fn has_nul(content: &[u8]) -> bool {
    memchr::memchr(0, &content[..content.len().min(8000)]).is_some()
}

/// How much both end with, in whole lines of equal blocks: without context, git compares only what is before
/// (`trim_common_tail` in `xdiff-interface.c`), and where equal lines repeat, that decides which are new.
fn common_end(one: &[u8], other: &[u8]) -> usize {
    const BLOCK: usize = 1024;
    let blocks = one.rchunks_exact(BLOCK).zip(other.rchunks_exact(BLOCK)).take_while(|(one, other)| one == other);
    let equal = blocks.count() * BLOCK;
    let end = &one[one.len() - equal..];
    // The line that the first block begins in stays.
    memchr::memchr(b'\n', end).map_or(0, |feed| end.len() - feed - 1)
}

/// A match in a hunk, as a match in the file.
fn moved_down(found: &Match, lines: u32) -> Match {
    let mut moved = found.clone();
    moved.start.line += lines;
    moved.end.line += lines;
    for required in &mut moved.required {
        *required = moved_down(required, lines);
    }
    moved
}
