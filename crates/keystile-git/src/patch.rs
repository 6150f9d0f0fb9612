//! History the way gitleaks reads it: the added lines of each commit's diff, hunk by hunk.
//!
//! `--compat=strict` uses it, so that findings can be held against gitleaks' own. What gitleaks asks git
//! for (`sources/git.go` of 8.30: `git log -p -U0 --full-history --all` without the diffs of types T, U, X,
//! D and B) is what this gives: no diffs for merges, renames detected, deletions and type changes left out, binary
//! files left out. Each hunk's added lines are scanned on their own. It is slower than [`crate::history`]
//! and sees less; nothing but strict mode should want it.

use std::sync::Arc;

use bstr::{BString, ByteSlice as _};
use git2::{Delta, DiffFindOptions, DiffOptions, Oid, Sort};
use keystile_scan::{CommitInfo, Match, Occurrence, OccurrencePlace, Scratch};
use rayon::prelude::*;

use crate::SourceReport;
use crate::coverage::GapKind;
use crate::error::Error;
use crate::inspect::Inspector;
use crate::progress::Progress;
use crate::repository::Repository;

/// git's own default of `diff.renameLimit` since 2.34.
const RENAME_LIMIT: usize = 1000;

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
    for reference in repository.references().references {
        if let Err(error) = walk.push(Oid::from_bytes(reference.target.as_bytes()).map_err(failed("a reference"))?) {
            // A reference to a tree or blob is none of `git log`'s business; a broken one is a gap.
            if opened.find_object(git_oid(&reference.target), None).is_err() {
                let detail = format!("leads to {}, which can't be read: {}", reference.target, error.message());
                report.coverage.gap(GapKind::BrokenReference, reference.name.to_string(), detail);
            }
        }
    }
    if let Some(head) = repository.head().target() {
        walk.push(git_oid(&head)).map_err(failed("HEAD"))?;
    }
    let commits = walk.collect::<Result<Vec<_>, _>>().map_err(failed("the history"))?;
    scan_commits(repository, inspector, &commits, report, progress)
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
    let commits = walk.collect::<Result<Vec<_>, _>>().map_err(failed("the range"))?;
    scan_commits(repository, inspector, &commits, SourceReport::default(), progress)
}

fn open(repository: &Repository) -> Result<git2::Repository, Error> {
    git2::Repository::open(repository.git_dir()).map_err(failed("the repository"))
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
    mut report: SourceReport,
    progress: &Progress,
) -> Result<SourceReport, Error> {
    progress.begin("reading patches", commits.len() as u64);
    let worker = || -> Result<_, Error> { Ok((open(repository)?, inspector.scanner.scratch())) };
    let reports: Result<Vec<_>, Error> = commits
        .par_chunks(64)
        .map_init(worker, |worker, chunk| {
            let (opened, scratch) = worker.as_mut().map_err(|error| Error::Usage(error.to_string()))?;
            let mut report = SourceReport::default();
            for &commit in chunk {
                let mut patch = CommitPatch { inspector, scratch, report: &mut report };
                if let Err(error) = patch.scan(opened, commit) {
                    report.coverage.gap(
                        GapKind::CorruptObject,
                        commit.to_string(),
                        format!("its patch can't be made: {}", error.message()),
                    );
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
    inspector: &'a Inspector,
    scratch: &'a mut Scratch,
    report: &'a mut SourceReport,
}

impl CommitPatch<'_> {
    fn scan(&mut self, repository: &git2::Repository, id: Oid) -> Result<(), git2::Error> {
        let commit = repository.find_commit(id)?;
        self.report.coverage.commits += 1;
        if commit.parent_count() > 1 {
            return Ok(());
        }
        let parent = commit.parents().next().map(|parent| parent.tree()).transpose()?;
        let mut options = DiffOptions::new();
        options.context_lines(0).interhunk_lines(0).indent_heuristic(true);
        let mut diff = repository.diff_tree_to_tree(parent.as_ref(), Some(&commit.tree()?), Some(&mut options))?;
        diff.find_similar(Some(DiffFindOptions::new().renames(true).rename_limit(RENAME_LIMIT)))?;
        let info = Arc::new(commit_info(&commit));
        for index in 0..diff.deltas().len() {
            let Some(mut patch) = git2::Patch::from_diff(&diff, index)? else {
                self.report.coverage.skip(crate::SkipReason::Binary, id.to_string(), 0);
                continue;
            };
            let delta = patch.delta();
            if !matches!(delta.status(), Delta::Added | Delta::Modified | Delta::Renamed | Delta::Copied) {
                continue;
            }
            let path: BString = delta.new_file().path_bytes().unwrap_or_default().into();
            self.report.coverage.blobs_scanned += 1;
            for hunk in 0..patch.num_hunks() {
                let first_line = patch.hunk(hunk)?.0.new_start();
                self.scan_hunk(&mut patch, hunk, first_line, &path, &info)?;
            }
        }
        Ok(())
    }

    fn scan_hunk(
        &mut self,
        patch: &mut git2::Patch<'_>,
        hunk: usize,
        first_line: u32,
        path: &BString,
        commit: &Arc<CommitInfo>,
    ) -> Result<(), git2::Error> {
        let mut added = Vec::new();
        for line in 0..patch.num_lines_in_hunk(hunk)? {
            let line = patch.line_in_hunk(hunk, line)?;
            // The last line may lack its end, as in the file; gitleaks' parser has it like that too.
            if line.origin_value() == git2::DiffLineType::Addition {
                added.extend_from_slice(line.content());
            }
        }
        self.report.coverage.blob_bytes_scanned += added.len() as u64;
        let inspection = self.inspector.inspect(self.scratch, &added);
        for (path, found) in self.inspector.findings_at(&inspection, path.as_bstr(), &commit.id) {
            let found = if first_line > 1 { Arc::new(moved_down(&found, first_line - 1)) } else { found };
            self.report.occurrences.push(Occurrence {
                place: OccurrencePlace::Commit(commit.clone()),
                path,
                symlink: None,
                found,
                in_head: None,
            });
        }
        Ok(())
    }
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
