//! History the way gitleaks reads it: the added lines of each commit's diff, hunk by hunk.
//!
//! `--compat=strict` uses it, so that findings can be held against gitleaks' own. What gitleaks asks git
//! for (`sources/git.go` of 8.30: `git log -p -U0 --full-history --all` without the diffs of types T, U, X,
//! D and B) is what this gives: no diffs for merges, renames detected as git does it, deletions and type
//! changes left out, files left out that are binary by their content or by the attribute `diff`. Each hunk's
//! added lines are scanned on their own. It is slower than [`crate::history`] and sees less; nothing but
//! strict mode should want it.

use std::collections::HashSet;
use std::sync::Arc;

use bstr::{BString, ByteSlice as _};
use git2::{AttrCheckFlags, AttrValue, Delta, DiffOptions, FileMode, Oid, Patch, Sort};
use keystile_scan::{CommitInfo, ContentScan, Match, Occurrence, OccurrencePlace, Scratch};
use rayon::prelude::*;

use crate::SourceReport;
use crate::coverage::{Coverage, GapKind, SkipReason};
use crate::error::Error;
use crate::inspect::{Inspection, Inspector};
use crate::object::ObjectId;
use crate::progress::Progress;
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
    let opened = open(repository)?;
    let mut walk = opened.revwalk().map_err(failed("the history"))?;
    walk.set_sorting(Sort::TIME).map_err(failed("the history"))?;
    let mut report = SourceReport::default();
    for (name, target) in roots(repository, &mut report.coverage) {
        if let Err(error) = walk.push(git_oid(&target)) {
            // A reference to a tree or blob is none of `git log`'s business; a broken one is a gap.
            if opened.find_object(git_oid(&target), None).is_err() {
                let detail = format!("leads to {target}, which can't be read: {}", error.message());
                report.coverage.gap(GapKind::BrokenReference, name, detail);
            }
        }
    }
    let commits = collect(walk, repository, &mut report.coverage);
    scan_commits(repository, inspector, &commits, TypeChanges::LeftOut, report, progress)
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

/// The commits of a walk, up to where it can't go on.
fn collect(walk: git2::Revwalk<'_>, repository: &Repository, coverage: &mut Coverage) -> Vec<Oid> {
    let mut commits = Vec::new();
    for commit in walk {
        match commit {
            Ok(commit) => commits.push(commit),
            Err(error) => {
                let detail =
                    format!("a commit can't be read, and those behind it are not scanned: {}", error.message());
                coverage.gap(gap_kind(&error), "the history", detail);
                break;
            }
        }
    }
    let shallow: HashSet<Oid> = repository.shallow().iter().map(|end| git_oid(end)).collect();
    let boundary = commits.iter().filter(|commit| shallow.contains(*commit));
    if let Some(first) = boundary.min() {
        let detail = "history ends at this commit (and maybe at others), since the clone is shallow; \
                      `git fetch --unshallow` gets the rest, in a CI checkout the depth 0";
        coverage.gap(GapKind::ShallowBoundary, first.to_string(), detail);
    }
    commits
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
    let opened = open(repository)?;
    let mut walk = opened.revwalk().map_err(failed("the history"))?;
    walk.push_range(range)
        .map_err(|error| Error::Usage(format!("the range {range} can't be resolved: {}", error.message())))?;
    let mut report = SourceReport::default();
    let commits = collect(walk, repository, &mut report.coverage);
    // For a range, gitleaks leaves the choice of diffs to git.
    scan_commits(repository, inspector, &commits, TypeChanges::Scanned, report, progress)
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

fn failed(what: &str) -> impl FnOnce(git2::Error) -> Error {
    let what = what.to_owned();
    move |source| Error::Git { what, source }
}

fn scan_commits(
    repository: &Repository,
    inspector: &Inspector,
    commits: &[Oid],
    type_changes: TypeChanges,
    mut report: SourceReport,
    progress: &Progress,
) -> Result<SourceReport, Error> {
    progress.begin("reading patches", commits.len() as u64);
    report.coverage.notes.push("read as patches: a blob counts once for each change that makes it".to_owned());
    let worker = || -> Result<_, Error> { Ok((open(repository)?, inspector.scanner.scratch())) };
    let reports: Result<Vec<_>, Error> = commits
        .par_chunks(64)
        .map_init(worker, |worker, chunk| {
            let (opened, scratch) = worker.as_mut().map_err(|error| Error::Usage(error.to_string()))?;
            let mut report = SourceReport::default();
            for &commit in chunk {
                let mut patch =
                    CommitPatch { repository: opened, inspector, type_changes, scratch, report: &mut report };
                if let Err(error) = patch.scan(commit) {
                    let detail = format!("its patch can't be made: {}", error.message());
                    report.coverage.gap(gap_kind(&error), commit.to_string(), detail);
                }
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
struct CommitPatch<'a> {
    repository: &'a git2::Repository,
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

impl CommitPatch<'_> {
    fn scan(&mut self, id: Oid) -> Result<(), git2::Error> {
        let commit = self.repository.find_commit(id)?;
        self.report.coverage.commits += 1;
        if commit.parent_count() > 1 {
            return Ok(());
        }
        let info = Arc::new(commit_info(&commit));
        for change in self.changes(&commit)? {
            if let Err(error) = self.scan_change(&change, &info) {
                let what = format!("{id}:{}", change.new.path.as_bstr());
                self.report.coverage.gap(gap_kind(&error), what, format!("can't be read: {}", error.message()));
            }
        }
        Ok(())
    }

    /// What `git log` shows of a commit.
    fn changes(&mut self, commit: &git2::Commit<'_>) -> Result<Vec<Change>, git2::Error> {
        let parent = commit.parents().next().map(|parent| parent.tree()).transpose()?;
        let mut options = DiffOptions::new();
        options.include_typechange(true);
        let diff = self.repository.diff_tree_to_tree(parent.as_ref(), Some(&commit.tree()?), Some(&mut options))?;
        let (mut changes, mut deleted, mut created) = (Vec::new(), Vec::new(), Vec::new());
        for delta in diff.deltas() {
            let (old, new) = (file(&delta.old_file()), file(&delta.new_file()));
            match delta.status() {
                Delta::Added => created.push(new),
                Delta::Typechange if self.type_changes == TypeChanges::Scanned => {
                    changes.push(Change { old: None, new });
                }
                Delta::Deleted => deleted.push(old),
                // A change of the mode alone has no hunks.
                Delta::Modified if old.id != new.id => changes.push(Change { old: Some(old), new }),
                _ => {}
            }
        }
        let read = |id| self.repository.find_blob(id).map(|blob| blob.content().to_vec());
        let sources = rename::find(&deleted, &created, read).unwrap_or_else(|error| {
            let detail = format!("renames can't be told from new files: {}", error.message());
            self.report.coverage.gap(gap_kind(&error), commit.id().to_string(), detail);
            vec![None; created.len()]
        });
        for (new, source) in created.into_iter().zip(sources) {
            let old = source.map(|source| deleted[source].clone());
            if old.as_ref().is_none_or(|old| old.id != new.id) {
                changes.push(Change { old, new });
            }
        }
        Ok(changes)
    }

    fn scan_change(&mut self, change: &Change, commit: &Arc<CommitInfo>) -> Result<(), git2::Error> {
        self.report.coverage.blobs += 1;
        let path: BString = change.new.path.clone().into();
        let new = self.content(&change.new)?;
        let old = change.old.as_ref().map(|old| self.content(old)).transpose()?;
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

    fn content(&self, file: &File) -> Result<Vec<u8>, git2::Error> {
        if file.mode == FileMode::Commit {
            return Ok(format!("Subproject commit {}\n", file.id).into_bytes());
        }
        Ok(self.repository.find_blob(file.id)?.content().to_vec())
    }

    /// Whether git shows no lines of a file, by its attribute `diff` or by its content.
    fn is_binary(&self, file: &File, content: &[u8]) -> Result<bool, git2::Error> {
        let path = file.path.to_path_lossy();
        let value = self.repository.get_attr_bytes(&path, "diff", AttrCheckFlags::FILE_THEN_INDEX)?;
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

fn file(file: &git2::DiffFile<'_>) -> File {
    File { path: file.path_bytes().unwrap_or_default().to_vec(), id: file.id(), mode: file.mode() }
}

fn gap_kind(error: &git2::Error) -> GapKind {
    if error.code() == git2::ErrorCode::NotFound { GapKind::MissingObject } else { GapKind::CorruptObject }
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

fn commit_info(commit: &git2::Commit<'_>) -> CommitInfo {
    let author = commit.author();
    CommitInfo {
        id: commit.id().to_string(),
        author_name: author.name_bytes().to_str_lossy().into_owned(),
        author_email: author.email_bytes().to_str_lossy().into_owned(),
        author_seconds: author.when().seconds(),
        author_offset_minutes: author.when().offset_minutes(),
        message: commit.message_bytes().to_str_lossy().into_owned(),
    }
}
