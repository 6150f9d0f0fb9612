//! Which commits introduced what was found: no text is compared, only trees that were cut down to what matters.
//!
//! A finding at a path is introduced by a commit if no parent has it at that path. A merge so counts
//! only what none of its parents has, a moved file is introduced at its new path, and a secret that was
//! removed and comes back is introduced twice.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bstr::{BStr, BString};
use keystile_scan::{CommitInfo, Fingerprint, Match, Occurrence, OccurrencePlace};
use rayon::prelude::*;

use super::by_path::ByPath;
use super::{History, unfolds_too_far};
use crate::coverage::{Coverage, SkipReason};
use crate::graph::prune::{Pruned, Shape};
use crate::graph::{Commit, Entry, EntryKind, MAX_TREE_DEPTH, Node};
use crate::inspect::Judged;
use crate::object::ObjectIndex;
use crate::{Error, Inspection};

/// How many directories are compared for each tree there is: real histories stay below one, since a directory is
/// compared where no parent has the same. A handful of forged trees can unfold to more places than could be named.
const COMPARED_FOR_EACH_TREE: usize = 4;

/// How many more directories are compared in any case.
const COMPARED_IN_ALL: usize = 1_000_000;

/// Places that are named in all. Some hundred bytes each; nobody reads as many.
const MAX_INTRODUCTIONS: usize = 5_000_000;

/// Something that a commit introduced.
struct Introduction {
    commit: Node,
    seconds: i64,
    path: BString,
    found: Arc<Match>,
    in_head: Option<bool>,
}

/// Everything that a commit in scope introduced, oldest first.
pub(super) fn find(
    history: &History<'_>,
    by_path: &ByPath,
    head: Option<Commit<'_>>,
    coverage: &mut Coverage,
) -> Result<Vec<Occurrence>, Error> {
    let graph = history.graph;
    let inspections = &history.contents.blobs;
    let pruned = Pruned::new(graph, |entry| {
        entry.kind() == EntryKind::Blob
            && (by_path.names.contains(&entry.name())
                || inspections.get(&entry.child()).is_some_and(|inspection| inspection.has_matches()))
    });
    if pruned.is_empty() {
        return Ok(Vec::new());
    }
    let compare = Compare {
        history,
        pruned: &pruned,
        head: head.map(|head| pruned.shape(graph, head.tree)),
        nothing: Inspection::default(),
        excused: Mutex::default(),
        left: Budget::new(graph.size().trees.saturating_mul(COMPARED_FOR_EACH_TREE).saturating_add(COMPARED_IN_ALL)),
        places: Budget::new(MAX_INTRODUCTIONS),
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(history.options.threads).build().map_err(|error| {
        Error::Read { what: "the history: no threads".to_owned(), source: std::io::Error::other(error) }
    })?;
    let mut introductions: Vec<Introduction> = pool.install(|| {
        let commits = history.reach.commits().par_iter().with_min_len(256);
        commits.filter_map(|&commit| graph.commit(commit)).flat_map_iter(|commit| compare.commit(commit)).collect()
    });
    if compare.left.is_exceeded() || compare.places.is_exceeded() || !pruned.cycles().is_empty() {
        unfolds_too_far(coverage, "places of findings");
    }
    let excused = compare.excused.into_inner().unwrap_or_else(PoisonError::into_inner);
    coverage.allowlisted += excused.matches;
    for (path, _) in &excused.entries {
        coverage.skip(SkipReason::AllowlistedPath, path.to_string(), 0);
    }
    introductions.sort_by(|a, b| {
        let key = |of: &Introduction| (of.seconds, of.commit);
        key(a).cmp(&key(b)).then_with(|| a.path.cmp(&b.path)).then_with(|| order(&a.found).cmp(&order(&b.found)))
    });
    Ok(with_commits(history, introductions))
}

fn order(found: &Match) -> impl Ord {
    (found.span.start, found.span.end, found.rule)
}

/// Reads the commits that introduced something, each once.
fn with_commits(history: &History<'_>, introductions: Vec<Introduction>) -> Vec<Occurrence> {
    let mut infos: HashMap<Node, Arc<CommitInfo>> = HashMap::new();
    let mut occurrences = Vec::with_capacity(introductions.len());
    for Introduction { commit, path, found, in_head, .. } in introductions {
        let info = infos.entry(commit).or_insert_with(|| {
            let id = history.store.id(ObjectIndex(commit));
            // It was read a moment ago; if it can't be now, the place is still named by its id.
            let data = history.store.read(&id).ok().flatten().map(|(_, data)| data).unwrap_or_default();
            Arc::new(crate::graph::commit_info(&id, &data))
        });
        let place = OccurrencePlace::Commit(info.clone());
        occurrences.push(Occurrence { place, path, symlink: None, found, in_head });
    }
    occurrences
}

struct Compare<'a> {
    history: &'a History<'a>,
    pruned: &'a Pruned,
    /// HEAD's tree: `None` without a HEAD, `Some(None)` if nothing in it matters.
    head: Option<Option<Shape>>,
    nothing: Inspection,
    excused: Mutex<Excused>,
    /// Directories that may be compared.
    left: Budget,
    /// Places that may be named.
    places: Budget,
}

/// What is no finding at its place.
#[derive(Debug, Default)]
struct Excused {
    matches: u64,
    /// Entries of archives, with the archive; in an order, whatever the threads did.
    entries: BTreeSet<(BString, Node)>,
}

/// A number of steps that all threads together may take.
struct Budget(AtomicUsize);

impl Budget {
    fn new(steps: usize) -> Self {
        // 0 stands for "more was asked for".
        Self(AtomicUsize::new(steps + 1))
    }

    /// Whether another step may be taken.
    fn take(&self) -> bool {
        let take = |left: usize| Some(left.saturating_sub(1));
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok_and(|left| left > 1)
    }

    fn exceed(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn is_exceeded(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// A directory of a commit, with the same directory of its parents and of HEAD.
struct Directory {
    shape: Shape,
    parents: Vec<Shape>,
    head: Vec<Shape>,
    /// Empty, or with `/` at its end.
    path: BString,
    depth: usize,
}

impl Compare<'_> {
    fn commit(&self, commit: Commit<'_>) -> Vec<Introduction> {
        let History { graph, reach, .. } = *self.history;
        let mut introduced = Vec::new();
        let Some(shape) = self.pruned.shape(graph, commit.tree) else { return introduced };
        let parents: Vec<Shape> = reach
            .parents(commit)
            .iter()
            .filter_map(|&parent| self.pruned.shape(graph, graph.commit(parent)?.tree))
            .collect();
        if parents.contains(&shape) {
            return introduced;
        }
        let id = self.history.hex(commit.node);
        let head = self.head.flatten().into_iter().collect();
        let mut open = vec![Directory { shape, parents, head, path: BString::default(), depth: 0 }];
        while let Some(directory) = open.pop() {
            if !self.left.take() {
                break;
            }
            for &entry in self.pruned.entries(directory.shape) {
                let same = |shapes: &[Shape]| -> Vec<Node> {
                    shapes
                        .iter()
                        .flat_map(|&shape| self.pruned.find(shape, entry.key()))
                        .map(|entry| entry.child())
                        .collect()
                };
                let parents = same(&directory.parents);
                if parents.contains(&entry.child()) {
                    continue;
                }
                let head = same(&directory.head);
                let mut path = directory.path.clone();
                path.extend_from_slice(graph.names().get(entry.name()));
                if entry.kind() == EntryKind::Tree {
                    path.push(b'/');
                    let depth = directory.depth + 1;
                    if depth > MAX_TREE_DEPTH {
                        self.left.exceed();
                        continue;
                    }
                    open.push(Directory { shape: entry.child(), parents, head, path, depth });
                } else {
                    self.blob(entry, &parents, &head, path.as_ref(), &id, |found| {
                        let (path, found, in_head) = found;
                        introduced.push(Introduction {
                            commit: commit.node,
                            seconds: commit.seconds,
                            path,
                            found,
                            in_head,
                        });
                    });
                }
            }
        }
        introduced
    }

    /// What the blob of `entry` has at `path` and none of the parents' blobs at that path.
    fn blob(
        &self,
        entry: Entry,
        parents: &[Node],
        head: &[Node],
        path: &BStr,
        commit: &str,
        mut introduced: impl FnMut((BString, Arc<Match>, Option<bool>)),
    ) {
        let Judged { found, allowlisted, left_out } = self.judged(entry.child(), path, commit);
        if allowlisted > 0 || !left_out.is_empty() {
            let mut excused = self.excused.lock().unwrap_or_else(PoisonError::into_inner);
            excused.matches += allowlisted;
            excused.entries.extend(left_out.into_iter().map(|path| (path, entry.child())));
        }
        if found.is_empty() {
            return;
        }
        // Without a commit: an allowlisted commit excuses what it introduced for all that come after it.
        let before: HashSet<Fingerprint> = self.fingerprints(parents, path);
        let in_head = self.head.is_some().then(|| self.fingerprints(head, path));
        for (path, found) in found {
            if !before.contains(&found.fingerprint) && self.places.take() {
                let in_head = in_head.as_ref().map(|head| head.contains(&found.fingerprint));
                introduced((path, found, in_head));
            }
        }
    }

    fn judged(&self, blob: Node, path: &BStr, commit: &str) -> Judged {
        let inspection = self.history.contents.blobs.get(&blob).map_or(&self.nothing, |inspection| inspection);
        self.history.inspector.judge_at(inspection, path, commit)
    }

    fn fingerprints(&self, blobs: &[Node], path: &BStr) -> HashSet<Fingerprint> {
        let found = blobs.iter().flat_map(|&blob| self.judged(blob, path, "").found);
        found.map(|(_, found)| found.fingerprint).collect()
    }
}
