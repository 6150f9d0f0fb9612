//! A repository's whole history: every blob that a reference, HEAD or a stash entry leads to, and the
//! commits that introduced what was found in them.
//!
//! One walk over all objects ([`read`]) scans each blob and notes each commit and tree. Then, in
//! memory: what is in scope ([`roots`], [`crate::graph::reach`]), which commits introduced the
//! matches ([`introductions`]), and what could not be read ([`gaps`]).
//!
//! Replacements (`refs/replace/*`) and grafts are not followed: what is reported is what the objects say.

mod by_path;
mod gaps;
mod introductions;
mod messages;
mod read;
mod roots;

use std::collections::{BTreeSet, HashMap, HashSet};

use bstr::{BStr, ByteSlice as _};
use keystile_scan::{Occurrence, OccurrencePlace};

use crate::coverage::{Coverage, GapKind, SkipReason};
use crate::graph::reach::{Counts, Reach};
use crate::graph::{EntryKind, Graph, Node, State, paths, prune::Pruned};
use crate::object::{Kind, ObjectIndex};
use crate::store::ObjectStore;
use crate::walk::Check;
use crate::{Error, Inspector, Progress, Repository, SourceReport};
use by_path::ByPath;
use read::Contents;

/// What of a history is scanned, and how.
#[derive(Debug, Clone)]
pub struct HistoryOptions {
    /// The messages of commits and annotated tags too.
    pub messages: bool,
    /// Objects that no reference, HEAD or stash entry leads to, too.
    pub unreachable: bool,
    /// Threads; 0: as many as there are cores.
    pub threads: usize,
    /// Search only what a delta inserts. Without, every blob is searched whole; the result is the same.
    pub delta: bool,
    /// How far content is checked against its id.
    pub check: Check,
}

impl Default for HistoryOptions {
    fn default() -> Self {
        Self { messages: false, unreachable: false, threads: 0, delta: true, check: Check::default() }
    }
}

/// Scans the whole history of `repository`, whose objects are those of `store`.
///
/// # Errors
///
/// Nothing that is wrong with single objects or references: that is part of the coverage.
pub fn scan(
    repository: &Repository,
    store: &ObjectStore,
    inspector: &Inspector,
    options: &HistoryOptions,
    progress: &Progress,
) -> Result<SourceReport, Error> {
    let references = repository.references();
    let head = repository.head();
    let (graph, contents, outcome) = read::read(store, inspector, options, progress);
    progress.begin("tracing commits", 0);

    let mut coverage = Coverage::default();
    coverage.gaps.extend_from_slice(repository.gaps());
    coverage.gaps.extend_from_slice(store.gaps());
    coverage.notes.extend_from_slice(repository.notes());
    coverage.notes.extend_from_slice(store.notes());

    let shallow: HashSet<Node> =
        repository.shallow().iter().filter_map(|id| store.lookup(id)).map(|index| index.0).collect();
    let roots = roots::find(store, references, &head, &mut coverage);
    let mut reach = Reach::new(&graph, &shallow);
    reach.extend(roots.references.iter().map(|root| root.node));
    let by_references = reach.counts();
    reach.extend(roots.stash.iter().map(|root| root.node));
    note_stash(by_references, reach.counts(), &mut coverage);
    if options.unreachable {
        note_unreachable(&graph, reach.counts(), &mut coverage);
    }

    let history = History { store, graph: &graph, reach: &reach, contents: &contents, inspector, options };
    let by_path = ByPath::find(&history, &mut coverage);
    count(&history, &by_path, &mut coverage);
    gaps::find(&history, repository, &roots, &outcome.lost, &mut coverage);
    let head = head.target().and_then(|id| store.lookup(&id)).and_then(|index| graph.commit(index.0));
    let mut occurrences = introductions::find(&history, &by_path, head, &mut coverage)?;
    if options.messages {
        messages::find(&history, &mut coverage, &mut occurrences);
    }
    if options.unreachable {
        unreachable_blobs(&history, &mut coverage, &mut occurrences);
    }
    coverage.gaps.sort();
    coverage.gaps.dedup();
    Ok(SourceReport { occurrences, coverage })
}

/// What the steps after the walk work on.
#[derive(Clone, Copy)]
struct History<'a> {
    store: &'a ObjectStore,
    graph: &'a Graph,
    reach: &'a Reach<'a>,
    contents: &'a Contents,
    inspector: &'a Inspector,
    options: &'a HistoryOptions,
}

impl History<'_> {
    /// Whether an object is in scope.
    fn covers(&self, node: Node) -> bool {
        self.options.unreachable || self.reach.contains(node)
    }

    /// Root trees of the commits in scope, newest commit first.
    fn root_trees(&self) -> Vec<Node> {
        let mut commits: Vec<_> = self.reach.commits().iter().filter_map(|&commit| self.graph.commit(commit)).collect();
        commits.sort_unstable_by_key(|commit| (std::cmp::Reverse(commit.seconds), commit.node));
        commits.into_iter().map(|commit| commit.tree).collect()
    }

    /// An object's id in hexadecimal.
    fn hex(&self, node: Node) -> String {
        match node.checked_sub(self.graph.objects()) {
            None => self.store.id(ObjectIndex(node)).to_string(),
            Some(missing) => self.graph.missing()[missing as usize].to_string(),
        }
    }
}

/// `git rev-list --all` knows of the newest stash entry only; whoever compares the counts should know.
fn note_stash(by_references: Counts, all: Counts, coverage: &mut Coverage) {
    if by_references != all {
        coverage.notes.push(format!(
            "older stash entries add {} commits, {} trees and {} blobs to what `git rev-list --all --objects` lists",
            all.commits - by_references.commits,
            all.trees - by_references.trees,
            all.blobs - by_references.blobs,
        ));
    }
}

fn note_unreachable(graph: &Graph, reached: Counts, coverage: &mut Coverage) {
    let unreachable = u64::from(graph.objects()) + reached.missing - reached.all();
    coverage.notes.push(format!("{unreachable} objects that no reference leads to are in scope too"));
}

/// Fills the numbers of the coverage.
fn count(history: &History<'_>, by_path: &ByPath, coverage: &mut Coverage) {
    let History { graph, reach, contents, .. } = *history;
    let reached = reach.counts();
    coverage.commits = reached.commits;
    coverage.trees = reached.trees;
    coverage.tags = reached.tags;
    coverage.blobs = reached.blobs;
    let mut scanned = 0;
    let mut bytes = 0;
    for node in 0..graph.objects() {
        let state = graph.state(node);
        if !reach.contains(node) {
            if !history.options.unreachable {
                continue;
            }
            match state {
                State::Read(Kind::Commit) | State::Malformed(Kind::Commit) => coverage.commits += 1,
                State::Read(Kind::Tree) | State::Malformed(Kind::Tree) => coverage.trees += 1,
                State::Read(Kind::Tag) | State::Malformed(Kind::Tag) => coverage.tags += 1,
                State::Read(Kind::Blob) | State::Malformed(Kind::Blob) => coverage.blobs += 1,
                State::Unread | State::Missing => {}
            }
        }
        if state == State::Read(Kind::Blob) {
            scanned += 1;
            bytes += graph.blob_size(node);
        }
    }
    for (&node, inspection) in &contents.blobs {
        if history.covers(node) && inspection.is_left_out() {
            scanned -= 1;
            bytes -= graph.blob_size(node);
        }
    }
    let (left_out, bytes_left_out) = by_path.count(history, coverage);
    coverage.blobs_scanned = scanned - left_out;
    coverage.blob_bytes_scanned = bytes - bytes_left_out;
    coverage.failed_rules.extend(&contents.failed_rules);
    count_in_blobs(history, by_path, coverage);
    count_submodules(history, coverage);
}

/// Counts what was left out of blobs or opened in them, and names it by a path where there is one.
fn count_in_blobs(history: &History<'_>, by_path: &ByPath, coverage: &mut Coverage) {
    let History { graph, contents, .. } = *history;
    // What is left out for its size or kind counts as that, wherever it lies.
    let counts =
        |node: &Node| history.covers(*node) && (!by_path.left_out.contains(node) || contents.blobs[node].is_left_out());
    let mut nodes: Vec<Node> = contents.blobs.keys().copied().filter(counts).collect();
    nodes.sort_unstable();
    let is_named = |node: Node| contents.blobs.get(&node).is_some_and(|found| !found.skipped.is_empty());
    let mut names = HashMap::new();
    if nodes.iter().any(|&node| is_named(node)) {
        let pruned = Pruned::new(graph, |entry| entry.kind() == EntryKind::Blob && is_named(entry.child()));
        paths::some_paths(graph, &pruned, history.root_trees(), |entry, path| {
            names.entry(entry.child()).or_insert_with(|| path.to_str_lossy().into_owned());
        });
    }
    for node in nodes {
        let name = names.remove(&node).unwrap_or_else(|| history.hex(node));
        contents.blobs[&node].count(&name, coverage);
    }
}

/// Counts the submodules that the history ever had, by their paths.
fn count_submodules(history: &History<'_>, coverage: &mut Coverage) {
    let pruned = Pruned::new(history.graph, |entry| entry.kind() == EntryKind::Gitlink);
    if pruned.is_empty() {
        return;
    }
    let mut found = BTreeSet::new();
    paths::some_paths(history.graph, &pruned, history.root_trees(), |_, path| {
        found.insert(path.to_owned());
    });
    for path in found {
        coverage.skip(SkipReason::NestedRepository, path.to_str_lossy(), 0);
    }
}

/// Matches in blobs that nothing leads to.
fn unreachable_blobs(history: &History<'_>, coverage: &mut Coverage, occurrences: &mut Vec<Occurrence>) {
    let mut nodes: Vec<Node> =
        history.contents.blobs.keys().copied().filter(|&node| !history.reach.contains(node)).collect();
    nodes.sort_unstable();
    for node in nodes {
        let inspection = &history.contents.blobs[&node];
        for (path, found) in history.inspector.judge_at(inspection, BStr::new(""), "").count(coverage) {
            occurrences.push(Occurrence {
                place: OccurrencePlace::Unreachable(history.hex(node)),
                path,
                symlink: None,
                found,
                in_head: None,
            });
        }
    }
}

/// A gap for a history that was made to unfold without end.
fn unfolds_too_far(coverage: &mut Coverage, what: &str) {
    coverage.gap(
        GapKind::Unsupported,
        what,
        "the directories of this history unfold to more paths than keystile follows; the contents of all files were \
         scanned, but not every place is named",
    );
}
