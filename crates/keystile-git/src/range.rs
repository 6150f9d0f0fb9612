//! What a range of commits introduces: those reachable from its head and not from its base.
//!
//! Each commit is compared with all of its parents, in the range or not. So it does not matter
//! whether the base was merged into the branch, whether it is ahead of it, or what a merge looks like, the
//! one that a CI system makes for a pull request included; and what somebody adds while resolving a merge counts.

mod commits;
pub(crate) mod revision;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bstr::{BStr, BString};
use keystile_scan::{Fingerprint, Occurrence, OccurrencePlace};

use crate::SourceReport;
use crate::change::{Changes, Comparison, Introductions};
use crate::coverage::{Coverage, GapKind};
use crate::error::Error;
use crate::graph::{commit_info, message};
use crate::inspect::Inspector;
use crate::object::ObjectId;
use crate::progress::Progress;
use crate::reader::ObjectReader;
use crate::repository::Repository;
use commits::{Range, RangeCommit};

/// What of a range is scanned, besides content.
#[derive(Debug, Clone, Default)]
pub struct RangeOptions {
    /// The messages of its commits too.
    pub messages: bool,
}

/// A range as the user gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeSpec {
    /// What is left out, with all that it builds upon.
    pub base: String,
    /// What is scanned, with all that it builds upon.
    pub head: String,
}

impl RangeSpec {
    /// Reads `BASE..HEAD`; a side that is left out is `HEAD`, as in git.
    ///
    /// `BASE...HEAD` means the same here: the commits of HEAD's side since the two parted, which are those
    /// that BASE does not have, wherever their merge bases lie. (To `git rev-list` three dots mean both
    /// sides; to `git diff`, and to whoever writes them for a pull request, they mean this.)
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if there are no two dots.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let Some((base, head)) = text.split_once("...").or_else(|| text.split_once("..")) else {
            return Err(Error::Usage(format!(
                "\"{text}\" is no range: give BASE..HEAD; for the commit {text} alone, {text}^..{text}"
            )));
        };
        if head.contains("..") {
            return Err(Error::Usage(format!("\"{text}\" is no range: it has dots twice; give BASE..HEAD")));
        }
        let side = |side: &str| if side.is_empty() { "HEAD" } else { side }.to_owned();
        Ok(Self { base: side(base), head: side(head) })
    }
}

/// Scans what the commits of `spec` introduce.
///
/// # Errors
///
/// [`Error::Usage`] if one of its sides is no commit of this repository, with what helps: a shallow clone's
/// depth, for example. A range is never empty for such a reason.
pub fn scan(
    repository: &Repository,
    inspector: &Inspector,
    spec: &RangeSpec,
    options: &RangeOptions,
    progress: &Progress,
) -> Result<SourceReport, Error> {
    let reader = ObjectReader::new(repository);
    let base = revision::resolve(&reader, &spec.base, revision::Side::Base)?;
    let head = revision::resolve(&reader, &spec.head, revision::Side::Head)?;
    let mut coverage = Coverage::default();
    let range = Range::find(&reader, base, head, &mut coverage)?;
    coverage.commits = range.commits.len() as u64;
    if range.commits.is_empty() {
        let (base_name, head_name) = (&spec.base, &spec.head);
        coverage.notes.push(format!(
            "the range {base_name}..{head_name} is empty: {head_name} ({head}) has no commit that {base_name} ({base}) lacks"
        ));
    }
    let mut occurrences = find_introductions(&reader, inspector, &range, &mut coverage, progress);
    if options.messages {
        scan_messages(inspector, &range, &mut coverage, &mut occurrences);
    }
    coverage.gaps.sort();
    coverage.gaps.dedup();
    Ok(SourceReport { occurrences, coverage })
}

fn find_introductions(
    reader: &ObjectReader<'_>,
    inspector: &Inspector,
    range: &Range,
    coverage: &mut Coverage,
    progress: &Progress,
) -> Vec<Occurrence> {
    progress.begin("comparing commits", range.commits.len() as u64);
    let mut changes: Vec<Changes> = Vec::with_capacity(range.commits.len());
    for commit in &range.commits {
        let parents: Vec<Option<ObjectId>> = commit.parent_trees.iter().copied().map(Some).collect();
        let mut comparison = Comparison::new(reader, coverage);
        comparison.trees(BStr::new(""), Some(commit.tree), &parents);
        changes.push(comparison.finish());
        progress.advance(1);
    }
    let mut introductions = Introductions::new(reader, inspector);
    introductions.scan(changes.iter(), coverage, progress);
    let mut occurrences = Vec::new();
    for (commit, changes) in range.commits.iter().zip(&changes) {
        let introduced = introductions.of(changes, &commit.id.to_string(), coverage);
        if introduced.is_empty() {
            continue;
        }
        let info = Arc::new(commit_info(&commit.id, &commit.data));
        let mut in_head: HashMap<BString, HashSet<Fingerprint>> = HashMap::new();
        for (outer, (path, found)) in introduced {
            let there = in_head
                .entry(outer)
                .or_insert_with_key(|outer| introductions.fingerprints_in(&range.head_tree, outer.as_ref(), coverage));
            let in_head = there.contains(&found.fingerprint);
            let place = OccurrencePlace::Commit(info.clone());
            occurrences.push(Occurrence { place, path, symlink: None, found, in_head: Some(in_head) });
        }
    }
    occurrences
}

fn scan_messages(inspector: &Inspector, range: &Range, coverage: &mut Coverage, occurrences: &mut Vec<Occurrence>) {
    let mut scratch = inspector.scanner.scratch();
    for RangeCommit { id, data, .. } in &range.commits {
        coverage.messages_scanned += 1;
        let inspection = inspector.inspect(&mut scratch, message(data));
        if !inspection.has_matches() {
            continue;
        }
        let info = Arc::new(commit_info(id, data));
        for (path, found) in inspector.judge_at(&inspection, BStr::new(""), &id.to_string()).count(coverage) {
            let place = OccurrencePlace::CommitMessage(info.clone());
            occurrences.push(Occurrence { place, path, symlink: None, found, in_head: None });
        }
    }
}

/// A commit in scope whose parents are not there.
fn cut(repository: &Repository, id: &ObjectId, coverage: &mut Coverage) {
    let (kind, detail) = if repository.shallow().contains(id) {
        let detail = "the clone is shallow and ends at this commit of the range: it was compared with the base, and what came before it was not read; clone with the whole history (`fetch-depth: 0` for actions/checkout, `GIT_DEPTH: 0` in GitLab CI, `git fetch --unshallow`)";
        (GapKind::ShallowBoundary, detail)
    } else {
        let detail = "a parent of this commit of the range is not there: it was compared with the base, and what came before it was not read; fetch again, or see `git fsck`";
        (GapKind::MissingObject, detail)
    };
    coverage.gap(kind, id.to_string(), detail);
}
