//! Objects in scope that are missing, broken, or not what they are taken for.

use std::collections::{HashMap, HashSet};

use bstr::ByteSlice as _;

use super::History;
use super::roots::Roots;
use crate::Repository;
use crate::coverage::{Coverage, Gap, GapKind};
use crate::graph::{Node, State, paths, prune::Pruned};
use crate::walk::Lost;

/// So many objects are named one by one; a partial clone without any file can lack millions.
const MAX_NAMED: usize = 10_000;

/// Adds a gap for each object in scope that could not be read, and for the boundary of a shallow clone.
pub(super) fn find(
    history: &History<'_>,
    repository: &Repository,
    roots: &Roots,
    lost: &[Lost],
    coverage: &mut Coverage,
) {
    let History { graph, reach, .. } = *history;
    let details: HashMap<Node, &str> = lost.iter().map(|lost| (lost.index.0, lost.detail.as_str())).collect();
    let mut bad: Vec<(Node, GapKind, String)> = Vec::new();
    let promised = repository.promisor().map(|promisor| {
        let filter = promisor.filter.map(|filter| format!(" with --filter={filter}")).unwrap_or_default();
        format!("was never fetched (a partial clone{filter}); a clone without --filter has it")
    });
    for node in (0..graph.nodes() as Node).filter(|&node| history.covers(node)) {
        match graph.state(node) {
            State::Read(_) => {}
            State::Unread => {
                let detail = details.get(&node).copied().unwrap_or("can't be read: the pack that holds it is broken");
                bad.push((node, GapKind::CorruptObject, detail.to_owned()));
            }
            State::Malformed(kind) => {
                bad.push((node, GapKind::CorruptObject, format!("is called a {kind} and has not the form of one")));
            }
            // Of what unreachable objects refer to, nothing is expected to be there.
            State::Missing if !reach.contains(node) => {}
            State::Missing => match &promised {
                Some(detail) => bad.push((node, GapKind::PromisorObject, detail.clone())),
                None => bad.push((
                    node,
                    GapKind::MissingObject,
                    "is not in the repository; another clone may have it".to_owned(),
                )),
            },
        }
    }
    for mismatch in reach.mismatches() {
        if let State::Read(kind) = graph.state(mismatch.node) {
            let detail = format!("is a {kind} and is used as a {}", mismatch.expected);
            bad.push((mismatch.node, GapKind::CorruptObject, detail));
        }
    }
    name(history, roots, bad, coverage);
    boundary(history, coverage);
}

/// Names the objects, each with what refers to it.
fn name(history: &History<'_>, roots: &Roots, bad: Vec<(Node, GapKind, String)>, coverage: &mut Coverage) {
    if bad.is_empty() {
        return;
    }
    let graph = history.graph;
    let wanted: HashSet<Node> = bad.iter().map(|&(node, ..)| node).collect();
    let mut uses: HashMap<Node, String> = HashMap::new();
    for root in roots.references.iter().chain(&roots.stash) {
        if wanted.contains(&root.node) {
            uses.entry(root.node).or_insert_with(|| format!("what {} leads to", root.name));
        }
    }
    for tag in graph.tags().filter(|&tag| history.covers(tag)) {
        if let Some((target, _)) = graph.tag_target(tag)
            && wanted.contains(&target)
        {
            uses.entry(target).or_insert_with(|| format!("what tag {} leads to", history.hex(tag)));
        }
    }
    for commit in history.reach.commits().iter().filter_map(|&commit| graph.commit(commit)) {
        if wanted.contains(&commit.tree) {
            let use_ = format!("the top tree of commit {}", history.hex(commit.node));
            uses.entry(commit.tree).or_insert(use_);
        }
        for &parent in commit.parents.iter().filter(|parent| wanted.contains(parent)) {
            uses.entry(parent).or_insert_with(|| format!("a parent of commit {}", history.hex(commit.node)));
        }
    }
    let pruned = Pruned::new(graph, |entry| wanted.contains(&entry.child()));
    paths::some_paths(graph, &pruned, history.root_trees(), |entry, path| {
        uses.entry(entry.child()).or_insert_with(|| path.to_str_lossy().into_owned());
    });
    let mut more: HashMap<GapKind, usize> = HashMap::new();
    for (at, (node, kind, detail)) in bad.into_iter().enumerate() {
        if at >= MAX_NAMED {
            *more.entry(kind).or_default() += 1;
            continue;
        }
        let detail = match uses.get(&node) {
            Some(use_) => format!("{use_}: {detail}"),
            None => detail,
        };
        coverage.gap(kind, history.hex(node), detail);
    }
    for (kind, count) in more {
        coverage.gap(kind, format!("{count} more objects"), "as the others");
    }
}

/// One gap for the boundary of a shallow clone, however many commits it has.
fn boundary(history: &History<'_>, coverage: &mut Coverage) {
    let boundary = history.reach.boundary();
    let Some(first) = boundary.iter().map(|&commit| history.hex(commit)).min() else { return };
    let others = match boundary.len() - 1 {
        0 => String::new(),
        1 => " and at one other".to_owned(),
        others => format!(" and at {others} others"),
    };
    coverage.gaps.push(Gap {
        kind: GapKind::ShallowBoundary,
        what: first,
        detail: format!(
            "history ends at this commit{others}, since the clone is shallow; `git fetch --unshallow` gets the rest, in a \
             CI checkout the depth 0 (`fetch-depth: 0`, `GIT_DEPTH: 0`)"
        ),
    });
}
