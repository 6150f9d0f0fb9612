//! Which commit holds which tree holds which blob: a whole history's commits and trees in memory.
//!
//! Trees are kept as git stores them, as differences. What a tree has in common with the base that
//! the pack stores it against is a *piece* that points into the base's entries; only the entries
//! that the delta writes anew are held as such (and only they cost a look-up of a name and of an
//! object). So the graph is as small as the stored trees and not as large as the expanded ones:
//!
//! | for each | bytes |
//! |---|---|
//! | object | 5 |
//! | commit | 24, and 4 for each parent |
//! | tree | 20, and 8 for each piece (two or three for a tree stored as a delta) |
//! | entry of a tree that its base does not have | 8 |
//! | distinct file name | its bytes, and some 60 |
//!
//! [`Builder`] makes it while the objects are walked, [`reach`] says what a set of commits leads to,
//! [`prune`] cuts it down to what leads to certain entries, and [`paths`] names paths.
//!
//! Nothing here assumes that an object's content is its id (packed objects are not checked by
//! default), so a hostile pack may hold trees that contain themselves: every walk over trees keeps
//! a record of where it was, and those over paths have a limit.

mod build;
mod names;
mod parse;
pub mod paths;
pub mod prune;
pub mod reach;
mod tree;

#[cfg(test)]
mod tests;

pub use build::{Builder, Malformed, Scratch};
pub use names::{NameId, Names};
pub use parse::{commit_info, message, tag_name};
pub use tree::{Entry, EntryKind, KeptTree};

use crate::object::{Kind, ObjectId};

/// An object by its number in the store or, from [`Graph::objects`] on, one that is referred to and not there.
pub type Node = u32;

/// No object, no record.
pub(crate) const NONE: u32 = u32::MAX;

/// git's own limit for the depth of trees (`core.maxTreeDepth` in `git-config(1)`).
pub const MAX_TREE_DEPTH: usize = 2048;

/// What is known of an object after the walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is there, but was not read: broken, or of a kind that was not asked for.
    Unread,
    /// It was read.
    Read(Kind),
    /// It was read, and is not what its kind ought to look like.
    Malformed(Kind),
    /// It is referred to, and not there.
    Missing,
}

/// A commit, as far as the graph needs it.
#[derive(Debug, Clone, Copy)]
pub struct Commit<'a> {
    /// Its object.
    pub node: Node,
    /// Its tree.
    pub tree: Node,
    /// Its parents, missing ones included, in their order.
    pub parents: &'a [Node],
    /// When it was committed, in seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
}

#[derive(Debug, Clone, Copy)]
struct CommitRecord {
    node: Node,
    tree: Node,
    /// Where its parents begin in [`Graph::parents`]; they end where the next record's begin.
    parents: u32,
    seconds: i64,
}

#[derive(Debug, Clone, Copy)]
struct TagRecord {
    node: Node,
    target: Node,
    target_kind: Option<Kind>,
}

/// How much a graph holds: see the top of this module for what each costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Commits.
    pub commits: usize,
    /// Trees.
    pub trees: usize,
    /// Entries of all trees together.
    pub entries: u64,
    /// Those of them that are stored: what no tree has in common with its base.
    pub stored_entries: usize,
    /// References to runs of entries of a base, and runs of own entries.
    pub pieces: usize,
    /// Distinct names.
    pub names: usize,
}

/// Commits, trees and tags of a repository. Immutable; shared by all threads.
#[derive(Debug)]
pub struct Graph {
    objects: u32,
    states: Vec<u8>,
    /// By object: the number of its record; of a blob its size.
    records: Vec<u32>,
    large_blobs: std::collections::HashMap<Node, u64>,
    commits: Vec<CommitRecord>,
    parents: Vec<Node>,
    tags: Vec<TagRecord>,
    trees: tree::Trees,
    missing: Vec<ObjectId>,
    names: Names,
    malformed: Vec<Malformed>,
}

impl Graph {
    /// How many objects the store has: nodes from this one on are missing.
    #[must_use]
    pub fn objects(&self) -> u32 {
        self.objects
    }

    /// How many nodes there are, missing ones included.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.objects as usize + self.missing.len()
    }

    /// The ids of the objects that are referred to and not there, in the order of their nodes.
    #[must_use]
    pub fn missing(&self) -> &[ObjectId] {
        &self.missing
    }

    /// How much it holds.
    #[must_use]
    pub fn size(&self) -> Size {
        Size {
            commits: self.commits.len(),
            trees: self.trees.records.len(),
            entries: self.trees.records.iter().map(|tree| u64::from(tree.len)).sum(),
            stored_entries: self.trees.entries.len(),
            pieces: self.trees.pieces.len(),
            names: self.names.len(),
        }
    }

    /// What is known of an object.
    #[must_use]
    pub fn state(&self, node: Node) -> State {
        self.states.get(node as usize).map_or(State::Missing, |&state| build::decode_state(state))
    }

    /// The size of a blob that was read; 0 for anything else.
    #[must_use]
    pub fn blob_size(&self, node: Node) -> u64 {
        match self.state(node) {
            State::Read(Kind::Blob) => match self.records[node as usize] {
                NONE => self.large_blobs.get(&node).copied().unwrap_or(0),
                size => u64::from(size),
            },
            _ => 0,
        }
    }

    /// All commits that were read, in no particular order.
    pub fn commits(&self) -> impl ExactSizeIterator<Item = Commit<'_>> + '_ {
        (0..self.commits.len()).map(|record| self.commit_at(record))
    }

    /// The commit `node`, if it is one that was read.
    #[must_use]
    pub fn commit(&self, node: Node) -> Option<Commit<'_>> {
        (self.state(node) == State::Read(Kind::Commit)).then(|| self.commit_at(self.records[node as usize] as usize))
    }

    fn commit_at(&self, record: usize) -> Commit<'_> {
        let CommitRecord { node, tree, parents, seconds } = self.commits[record];
        let end = self.commits.get(record + 1).map_or(self.parents.len(), |next| next.parents as usize);
        Commit { node, tree, parents: &self.parents[parents as usize..end], seconds }
    }

    /// What the annotated tag `node` leads to, and the kind that the tag says that is of.
    #[must_use]
    pub fn tag_target(&self, node: Node) -> Option<(Node, Option<Kind>)> {
        (self.state(node) == State::Read(Kind::Tag)).then(|| {
            let TagRecord { target, target_kind, .. } = self.tags[self.records[node as usize] as usize];
            (target, target_kind)
        })
    }

    /// All annotated tags that were read.
    pub fn tags(&self) -> impl ExactSizeIterator<Item = Node> + '_ {
        self.tags.iter().map(|tag| tag.node)
    }

    /// The record of the tree `node`, if it is one that was read.
    fn tree(&self, node: Node) -> Option<u32> {
        (self.state(node) == State::Read(Kind::Tree)).then(|| self.records[node as usize])
    }

    /// The entries of the tree `node` in no particular order; `false` if it is no tree that was read.
    pub fn for_each_entry(&self, node: Node, mut entry: impl FnMut(Entry)) -> bool {
        let Some(record) = self.tree(node) else { return false };
        self.trees.for_each_entry(record, &mut entry);
        true
    }

    /// The names of files and directories.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Commits, trees and tags that were decoded and are no commits, trees or tags.
    #[must_use]
    pub fn malformed(&self) -> &[Malformed] {
        &self.malformed
    }
}
