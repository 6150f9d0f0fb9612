//! Making a [`Graph`] while objects are walked, from many threads at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use keystile_scan::DeltaOp;

use super::names::{NameId, Names};
use super::tree::{Entry, EntryKind, KeptTree, Piece, TreeRecord, Trees, split};
use super::{CommitRecord, Graph, NONE, Node, State, TagRecord, parse};
use crate::object::{Kind, ObjectId, ObjectIndex, oid};
use crate::store::ObjectStore;

/// An object that was decoded and does not have its kind's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// Which.
    pub node: Node,
    /// What it claims to be.
    pub kind: Kind,
}

/// Collects what the graph is made of. Shared by all threads.
#[derive(Debug)]
pub struct Builder<'a> {
    store: &'a ObjectStore,
    states: Vec<AtomicU8>,
    /// Sizes of blobs; the records of other objects come with [`Self::finish`].
    records: Vec<AtomicU32>,
    large_blobs: Mutex<HashMap<Node, u64>>,
    names: Mutex<Names>,
    missing: Mutex<HashMap<ObjectId, Node>>,
    parts: Mutex<Vec<Part>>,
}

/// What one thread collected.
#[derive(Debug, Default)]
struct Part {
    commits: Vec<CommitRecord>,
    parents: Vec<Node>,
    tags: Vec<TagRecord>,
    trees: Trees,
    malformed: Vec<Malformed>,
}

/// One thread's buffers. Hands over what it collected when it is dropped.
#[derive(Debug)]
pub struct Scratch<'a> {
    builder: &'a Builder<'a>,
    part: Part,
    /// The names that this thread met, so that it asks the others only for new ones.
    names: HashMap<Box<[u8]>, NameId>,
    starts: Vec<u32>,
    pieces: Vec<Piece>,
}

const MALFORMED: u8 = 0x80;

fn encode_kind(kind: Kind) -> u8 {
    match kind {
        Kind::Commit => 1,
        Kind::Tree => 2,
        Kind::Blob => 3,
        Kind::Tag => 4,
    }
}

pub(super) fn decode_state(state: u8) -> State {
    let kind = match state & !MALFORMED {
        1 => Kind::Commit,
        2 => Kind::Tree,
        3 => Kind::Blob,
        4 => Kind::Tag,
        _ => return State::Unread,
    };
    if state & MALFORMED == 0 { State::Read(kind) } else { State::Malformed(kind) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Builder<'a> {
    /// A builder for the objects of `store`.
    #[must_use]
    pub fn new(store: &'a ObjectStore) -> Self {
        let objects = store.len();
        Self {
            store,
            states: std::iter::repeat_with(AtomicU8::default).take(objects).collect(),
            records: std::iter::repeat_with(|| AtomicU32::new(NONE)).take(objects).collect(),
            large_blobs: Mutex::default(),
            names: Mutex::default(),
            missing: Mutex::default(),
            parts: Mutex::default(),
        }
    }

    /// Buffers for one thread.
    pub fn scratch(&'a self) -> Scratch<'a> {
        Scratch { builder: self, part: Part::default(), names: HashMap::new(), starts: Vec::new(), pieces: Vec::new() }
    }

    /// Notes a blob.
    pub fn blob(&self, index: ObjectIndex, size: u64) {
        match u32::try_from(size) {
            Ok(size) if size != NONE => self.records[index.as_usize()].store(size, Ordering::Relaxed),
            _ => {
                lock(&self.large_blobs).insert(index.0, size);
            }
        }
        self.set_state(index.0, encode_kind(Kind::Blob));
    }

    fn set_state(&self, node: Node, state: u8) {
        self.states[node as usize].store(state, Ordering::Relaxed);
    }

    /// The node of an object, be it there or not.
    pub fn node(&self, id: &oid) -> Node {
        if let Some(index) = self.store.lookup(id) {
            return index.0;
        }
        let mut missing = lock(&self.missing);
        let next = (self.states.len() + missing.len()) as Node;
        *missing.entry(id.to_owned()).or_insert(next)
    }

    /// Puts together what all threads collected; their [`Scratch`]es must have been dropped.
    #[must_use]
    pub fn finish(self) -> Graph {
        let mut names = self.names.into_inner().unwrap_or_else(PoisonError::into_inner);
        names.close();
        let missing_nodes = self.missing.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut missing: Vec<_> = missing_nodes.into_iter().map(|(id, node)| (node, id)).collect();
        missing.sort_unstable();
        let mut graph = Graph {
            objects: self.states.len() as u32,
            states: self.states.into_iter().map(AtomicU8::into_inner).collect(),
            records: self.records.into_iter().map(AtomicU32::into_inner).collect(),
            large_blobs: self.large_blobs.into_inner().unwrap_or_else(PoisonError::into_inner),
            commits: Vec::new(),
            parents: Vec::new(),
            tags: Vec::new(),
            trees: Trees::default(),
            missing: missing.into_iter().map(|(_, id)| id).collect(),
            names,
            malformed: Vec::new(),
        };
        for part in self.parts.into_inner().unwrap_or_else(PoisonError::into_inner) {
            graph.append(part);
        }
        for record in 0..graph.trees.records.len() {
            let base = graph.trees.records[record].base;
            if base != NONE {
                graph.trees.records[record].base = graph.records[base as usize];
            }
        }
        graph
    }
}

impl Graph {
    /// Adds one thread's part. Bases still are objects, since their records may come with a later part.
    fn append(&mut self, part: Part) {
        let (parents, pieces, entries) = (self.parents.len(), self.trees.pieces.len(), self.trees.entries.len());
        // 2^32 entries of trees are 32 GB here; more objects than nodes has no store.
        let shift = |by: usize, to: u32| {
            u32::try_from(by + to as usize).expect("fewer than 2^32 stored entries of trees: they would need 32 GB")
        };
        for commit in part.commits {
            self.records[commit.node as usize] = self.commits.len() as u32;
            self.commits.push(CommitRecord { parents: shift(parents, commit.parents), ..commit });
        }
        for tag in part.tags {
            self.records[tag.node as usize] = self.tags.len() as u32;
            self.tags.push(tag);
        }
        for tree in part.trees.records {
            self.records[tree.node as usize] = self.trees.records.len() as u32;
            self.trees.records.push(TreeRecord {
                pieces: shift(pieces, tree.pieces),
                entries: shift(entries, tree.entries),
                ..tree
            });
        }
        append(&mut self.parents, part.parents);
        append(&mut self.trees.pieces, part.trees.pieces);
        append(&mut self.trees.entries, part.trees.entries);
        append(&mut self.malformed, part.malformed);
    }
}

/// Appends without copying where there is nothing to append to.
fn append<T>(all: &mut Vec<T>, mut part: Vec<T>) {
    if all.is_empty() { *all = part } else { all.append(&mut part) }
}

impl Scratch<'_> {
    /// Notes a commit.
    pub fn commit(&mut self, index: ObjectIndex, data: &[u8]) {
        let parsed = parse::commit(data).and_then(|commit| {
            let parents = u32::try_from(self.part.parents.len()).ok()?;
            Some((commit, parents))
        });
        let Some((commit, parents)) = parsed else { return self.malformed(index, Kind::Commit) };
        let tree = self.builder.node(&commit.tree);
        self.part.parents.extend(commit.parents.iter().map(|parent| self.builder.node(parent)));
        self.part.commits.push(CommitRecord { node: index.0, tree, parents, seconds: commit.seconds });
        self.builder.set_state(index.0, encode_kind(Kind::Commit));
    }

    /// Notes an annotated tag.
    pub fn tag(&mut self, index: ObjectIndex, data: &[u8]) {
        let Some((target, target_kind)) = parse::tag_target(data) else { return self.malformed(index, Kind::Tag) };
        self.part.tags.push(TagRecord { node: index.0, target: self.builder.node(&target), target_kind });
        self.builder.set_state(index.0, encode_kind(Kind::Tag));
    }

    /// Notes a tree, and what it was made from; `keep` says whether others are made from it.
    pub fn tree(
        &mut self,
        index: ObjectIndex,
        data: &[u8],
        base: Option<(&KeptTree, &[DeltaOp])>,
        keep: bool,
    ) -> Option<KeptTree> {
        let Self { builder, part, names, starts, pieces } = self;
        let hash_len = builder.store.hash().len_in_bytes();
        starts.clear();
        pieces.clear();
        let entries = &mut part.trees.entries;
        let first_entry = entries.len();
        let parsed = split(data, hash_len, base, pieces, starts, |entry| {
            let name = match names.get(entry.name) {
                Some(&name) => name,
                None => {
                    let name = lock(&builder.names).intern(entry.name)?;
                    names.insert(entry.name.into(), name);
                    name
                }
            };
            let child = match entry.kind {
                EntryKind::Gitlink => NONE,
                EntryKind::Blob | EntryKind::Tree => builder.node(oid::try_from_bytes(entry.id).ok()?),
            };
            entries.push(Entry::new(entry.kind, name, child));
            Some(())
        });
        let base = base.filter(|_| pieces.iter().any(|piece| !piece.is_own())).map_or(NONE, |(base, _)| base.node);
        let len = starts.len() as u32 - u32::from(!starts.is_empty());
        let noted = parsed.and_then(|()| part.trees.push(index.0, base, pieces, first_entry, len));
        if noted.is_none() {
            part.trees.entries.truncate(first_entry);
            self.malformed(index, Kind::Tree);
            return None;
        }
        builder.set_state(index.0, encode_kind(Kind::Tree));
        keep.then(|| KeptTree { node: index.0, starts: starts.clone() })
    }

    fn malformed(&mut self, index: ObjectIndex, kind: Kind) {
        self.builder.set_state(index.0, encode_kind(kind) | MALFORMED);
        self.part.malformed.push(Malformed { node: index.0, kind });
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        lock(&self.builder.parts).push(std::mem::take(&mut self.part));
    }
}
