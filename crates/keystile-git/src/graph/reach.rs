//! What a set of starting points leads to: the objects that `git rev-list --objects` lists.

use std::collections::HashSet;

use super::tree::EntryKind;
use super::{Graph, Node, State};
use crate::object::Kind;

/// A set of objects.
#[derive(Debug, Clone)]
pub struct NodeSet {
    words: Vec<u64>,
}

impl NodeSet {
    /// The empty set, for `nodes` objects.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        Self { words: vec![0; nodes.div_ceil(64)] }
    }

    /// Whether `node` is in it.
    #[must_use]
    pub fn contains(&self, node: Node) -> bool {
        self.words[node as usize / 64] >> (node % 64) & 1 == 1
    }

    /// Adds `node`; `false` if it was there.
    pub fn insert(&mut self, node: Node) -> bool {
        let word = &mut self.words[node as usize / 64];
        let bit = 1 << (node % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// All of them in their order.
    pub fn iter(&self) -> impl Iterator<Item = Node> + '_ {
        self.words.iter().enumerate().flat_map(|(at, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros())?;
                rest &= rest - 1;
                Some(at as Node * 64 + bit)
            })
        })
    }
}

/// How many objects of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Commits.
    pub commits: u64,
    /// Trees.
    pub trees: u64,
    /// Blobs.
    pub blobs: u64,
    /// Annotated tags.
    pub tags: u64,
    /// How many of all these are not there.
    pub missing: u64,
}

impl Counts {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.commits + self.trees + self.blobs + self.tags
    }
}

/// An object of one kind where another was to be: damage, or a forged pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    /// The object.
    pub node: Node,
    /// What it was taken for by whatever refers to it.
    pub expected: Kind,
}

/// The objects that were reached so far.
#[derive(Debug)]
pub struct Reach<'a> {
    graph: &'a Graph,
    shallow: &'a HashSet<Node>,
    reached: NodeSet,
    counts: Counts,
    commits: Vec<Node>,
    mismatches: Vec<Mismatch>,
    boundary: Vec<Node>,
}

impl<'a> Reach<'a> {
    /// Nothing reached yet. Commits in `shallow` are taken for commits without parents, as git does.
    #[must_use]
    pub fn new(graph: &'a Graph, shallow: &'a HashSet<Node>) -> Self {
        Self {
            graph,
            shallow,
            reached: NodeSet::new(graph.nodes()),
            counts: Counts::default(),
            commits: Vec::new(),
            mismatches: Vec::new(),
            boundary: Vec::new(),
        }
    }

    /// Adds everything that `roots` lead to. A root is an object of any kind; one that is not there is not counted.
    pub fn extend(&mut self, roots: impl IntoIterator<Item = Node>) {
        let graph = self.graph;
        let mut open_commits = Vec::new();
        let mut open_trees = Vec::new();
        let mut open: Vec<(Node, Option<Kind>)> = roots.into_iter().map(|root| (root, None)).collect();
        while let Some((node, expected)) = open.pop() {
            let kind = match (graph.state(node), expected) {
                (State::Read(kind) | State::Malformed(kind), _) => kind,
                (State::Unread | State::Missing, Some(kind)) => kind,
                // The kind of what a reference leads to is known from the object only: a broken commit is more
                // likely than anything else.
                (State::Unread, None) => Kind::Commit,
                (State::Missing, None) => continue,
            };
            match kind {
                Kind::Commit => open_commits.push(node),
                Kind::Tree => {
                    if self.mark(node, Kind::Tree) {
                        open_trees.push(node);
                    }
                }
                Kind::Blob => {
                    self.mark(node, Kind::Blob);
                }
                Kind::Tag => {
                    if self.mark(node, Kind::Tag) {
                        open.extend(graph.tag_target(node));
                    }
                }
            }
        }
        while let Some(node) = open_commits.pop() {
            if !self.mark(node, Kind::Commit) {
                continue;
            }
            let Some(commit) = graph.commit(node) else { continue };
            self.commits.push(node);
            if self.mark(commit.tree, Kind::Tree) {
                open_trees.push(commit.tree);
            }
            if self.shallow.contains(&node) {
                if !commit.parents.is_empty() {
                    self.boundary.push(node);
                }
            } else {
                open_commits.extend(commit.parents);
            }
        }
        self.extend_trees(open_trees);
    }

    /// Each tree hands on its own entries. The others are entries of its base too, which most often is reached
    /// by itself; only where it is not, they are looked up there.
    fn extend_trees(&mut self, mut open: Vec<Node>) {
        let graph = self.graph;
        let mut derived = Vec::new();
        loop {
            while let Some(node) = open.pop() {
                let Some(record) = graph.tree(node) else { continue };
                for entry in graph.trees.own(record) {
                    self.entry(graph.trees.entries[entry], &mut open);
                }
                if graph.trees.base(record).is_some() {
                    derived.push(record);
                }
            }
            // One at a time: what it adds may be the base of others.
            let Some(record) = derived.pop() else { return };
            let base = graph.trees.base(record).map(|base| graph.trees.records[base as usize].node);
            if base.is_some_and(|base| !self.reached.contains(base)) {
                graph.trees.for_each_entry(record, &mut |entry| self.entry(entry, &mut open));
            }
        }
    }

    fn entry(&mut self, entry: super::Entry, open: &mut Vec<Node>) {
        match entry.kind() {
            EntryKind::Blob => {
                let is_new = self.mark(entry.child(), Kind::Blob);
                // Not what it was taken for; but others may be made from it.
                if is_new && self.graph.state(entry.child()) == State::Read(Kind::Tree) {
                    open.push(entry.child());
                }
            }
            EntryKind::Tree => {
                if self.mark(entry.child(), Kind::Tree) {
                    open.push(entry.child());
                }
            }
            EntryKind::Gitlink => {}
        }
    }

    /// Notes an object as reached; `true` for the first time.
    fn mark(&mut self, node: Node, expected: Kind) -> bool {
        if !self.reached.insert(node) {
            return false;
        }
        let kind = match self.graph.state(node) {
            State::Read(kind) | State::Malformed(kind) => kind,
            State::Unread => expected,
            State::Missing => {
                self.counts.missing += 1;
                expected
            }
        };
        match kind {
            Kind::Commit => self.counts.commits += 1,
            Kind::Tree => self.counts.trees += 1,
            Kind::Blob => self.counts.blobs += 1,
            Kind::Tag => self.counts.tags += 1,
        }
        if kind != expected {
            self.mismatches.push(Mismatch { node, expected });
        }
        true
    }

    /// Whether `node` was reached.
    #[must_use]
    pub fn contains(&self, node: Node) -> bool {
        self.reached.contains(node)
    }

    /// Everything that was reached.
    #[must_use]
    pub fn nodes(&self) -> &NodeSet {
        &self.reached
    }

    /// How much was reached.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The commits that were reached and read, in no particular order.
    #[must_use]
    pub fn commits(&self) -> &[Node] {
        &self.commits
    }

    /// The parents of a commit that count: none at the boundary of a shallow clone.
    #[must_use]
    pub fn parents<'c>(&self, commit: super::Commit<'c>) -> &'c [Node] {
        if self.shallow.contains(&commit.node) { &[] } else { commit.parents }
    }

    /// Commits that were reached whose parents a shallow clone leaves out.
    #[must_use]
    pub fn boundary(&self) -> &[Node] {
        &self.boundary
    }

    /// Objects that are something else than what refers to them says.
    #[must_use]
    pub fn mismatches(&self) -> &[Mismatch] {
        &self.mismatches
    }
}
