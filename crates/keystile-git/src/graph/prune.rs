//! The part of all trees that leads to certain entries, each distinct shape of it once.
//!
//! Of a hundred thousand root trees most are the same once everything is cut off that does not lead
//! to one of a few files; then commits are compared by comparing numbers.
//!
//! How: an entry that is wanted is followed to all trees that hold it, by going from the tree that
//! wrote it along the trees that were made from that one and copied the entry; each of those trees'
//! own entries elsewhere are followed in the same way. What is visited are exactly the entries of
//! the result, however large the trees around them are.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};

use super::tree::{Entry, EntryKind};
use super::{Graph, NONE, Node};

/// A distinct pruned tree. Equal ones are equal in everything that was wanted below them.
pub type Shape = u32;

/// All trees, cut down to the entries that were wanted and those that lead there.
#[derive(Debug)]
pub struct Pruned {
    /// By the trees' records; [`NONE`]: nothing wanted in it.
    of_record: Vec<Shape>,
    shapes: Vec<u32>,
    /// In a shape: sorted by key; the child of a tree entry is a shape, of another one a node.
    entries: Vec<Entry>,
    /// Trees that contain themselves, which only forged packs have.
    cycles: Vec<Node>,
}

/// An entry of a tree that is wanted or leads to one.
#[derive(Debug, Clone, Copy)]
struct Instance {
    record: u32,
    /// Its position among the tree's entries.
    position: u32,
    /// Where it is among all stored entries.
    entry: u32,
}

/// Lists for numbers from 0 on, in one vector.
struct Lists {
    starts: Vec<u32>,
    items: Vec<u32>,
}

impl Lists {
    /// Lists `item` under `key`, for each (key, item) that `pairs` hands to its argument; it is called twice.
    fn new(keys: usize, pairs: impl Fn(&mut dyn FnMut(u32, u32))) -> Self {
        let mut starts = vec![0_u32; keys + 1];
        pairs(&mut |key, _| starts[key as usize] += 1);
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut items = vec![0; sum as usize];
        pairs(&mut |key, item| {
            let start = &mut starts[key as usize];
            *start -= 1;
            items[*start as usize] = item;
        });
        Self { starts, items }
    }

    fn get(&self, key: u32) -> &[u32] {
        &self.items[self.starts[key as usize] as usize..self.starts[key as usize + 1] as usize]
    }
}

impl Pruned {
    /// Cuts all trees of `graph` down to the entries that are `wanted` and to those that lead there. A subtree may be
    /// wanted too; it then is an end, whatever it holds, and appears as if it were a blob.
    #[must_use]
    pub fn new(graph: &Graph, wanted: impl Fn(Entry) -> bool) -> Self {
        let instances = Instances::collect(graph, &wanted);
        Canonical::new(graph, &wanted, instances).finish()
    }

    /// The shape of a tree; `None` if nothing in it is wanted.
    #[must_use]
    pub fn shape(&self, graph: &Graph, tree: Node) -> Option<Shape> {
        let record = graph.tree(tree)?;
        Some(*self.of_record.get(record as usize)?).filter(|&shape| shape != NONE)
    }

    /// The entries of a shape, sorted by [`Entry::key`]. The child of an [`EntryKind::Tree`] is a [`Shape`]; that of
    /// another entry, which is a wanted one, its object.
    #[must_use]
    pub fn entries(&self, shape: Shape) -> &[Entry] {
        let end = self.shapes.get(shape as usize + 1).map_or(self.entries.len(), |&end| end as usize);
        &self.entries[self.shapes[shape as usize] as usize..end]
    }

    /// The entries of a shape with a certain key: one, unless the tree is malformed.
    #[must_use]
    pub fn find(&self, shape: Shape, key: u32) -> &[Entry] {
        let entries = self.entries(shape);
        let start = entries.partition_point(|entry| entry.key() < key);
        let len = entries[start..].iter().take_while(|entry| entry.key() == key).count();
        &entries[start..start + len]
    }

    /// How many distinct shapes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shapes.len()
    }

    /// Whether nothing was wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shapes.is_empty()
    }

    /// Trees that contain themselves: possible only if a pack was forged, and cut where they do.
    #[must_use]
    pub fn cycles(&self) -> &[Node] {
        &self.cycles
    }
}

/// All instances of wanted entries and of what leads there.
struct Instances {
    /// By record, see `starts`.
    all: Vec<Instance>,
    /// Where a record's instances begin.
    starts: Vec<u32>,
}

impl Instances {
    fn collect(graph: &Graph, wanted: &impl Fn(Entry) -> bool) -> Self {
        let trees = &graph.trees;
        let records = trees.records.len();
        let mut open = Vec::new();
        for record in 0..records as u32 {
            each_own(graph, record, |position, entry| {
                if wanted(trees.entries[entry as usize]) {
                    open.push(Instance { record, position, entry });
                }
            });
        }
        if open.is_empty() {
            return Self { all: Vec::new(), starts: vec![0; records + 1] };
        }
        let derived = Lists::new(records, |pair| {
            for record in 0..records as u32 {
                if let Some(base) = trees.base(record) {
                    pair(base, record);
                }
            }
        });
        // Items are positions in the list of all own entries; the tree of one is found by binary search.
        let holders = Lists::new(records, |pair| {
            for (at, &entry) in trees.entries.iter().enumerate() {
                if let Some(child) = leads_to(graph, wanted, entry) {
                    pair(child, at as u32);
                }
            }
        });
        let mut is_reached = vec![false; records];
        let mut all = Vec::new();
        while let Some(instance) = open.pop() {
            all.push(instance);
            for &record in derived.get(instance.record) {
                let mut at = 0;
                for piece in trees.pieces(record) {
                    if !piece.is_own() && (piece.start..piece.start + piece.len).contains(&instance.position) {
                        open.push(Instance { record, position: at + instance.position - piece.start, ..instance });
                    }
                    at += piece.len;
                }
            }
            if std::mem::replace(&mut is_reached[instance.record as usize], true) {
                continue;
            }
            for &entry in holders.get(instance.record) {
                let record = trees.records.partition_point(|record| record.entries <= entry) as u32 - 1;
                let position = position_of(graph, record, entry);
                open.push(Instance { record, position, entry });
            }
        }
        Self::sort(all, records)
    }

    fn sort(mut all: Vec<Instance>, records: usize) -> Self {
        all.sort_unstable_by_key(|instance| instance.record);
        let mut starts = vec![0_u32; records + 1];
        for instance in &all {
            starts[instance.record as usize + 1] += 1;
        }
        for record in 0..records {
            starts[record + 1] += starts[record];
        }
        Self { all, starts }
    }

    fn of(&self, record: u32) -> &[Instance] {
        &self.all[self.starts[record as usize] as usize..self.starts[record as usize + 1] as usize]
    }
}

/// The tree that an entry leads down to; `None` if it is an end by itself.
fn leads_to(graph: &Graph, wanted: &impl Fn(Entry) -> bool, entry: Entry) -> Option<u32> {
    (entry.kind() == EntryKind::Tree && !wanted(entry)).then(|| graph.tree(entry.child())).flatten()
}

/// A tree's own entries: position among all of its entries, place in the list of all own entries.
fn each_own(graph: &Graph, record: u32, mut own: impl FnMut(u32, u32)) {
    let mut next = graph.trees.own(record).start as u32;
    let mut at = 0;
    for piece in graph.trees.pieces(record) {
        if piece.is_own() {
            for step in 0..piece.len {
                own(at + step, next + step);
            }
            next += piece.len;
        }
        at += piece.len;
    }
}

fn position_of(graph: &Graph, record: u32, entry: u32) -> u32 {
    let mut next = graph.trees.own(record).start as u32;
    let mut at = 0;
    for piece in graph.trees.pieces(record) {
        if piece.is_own() {
            if entry < next + piece.len {
                return at + (entry - next);
            }
            next += piece.len;
        }
        at += piece.len;
    }
    unreachable!("own entries are counted by the pieces that are own");
}

/// Gives equal pruned trees one number, children first.
struct Canonical<'a, W> {
    graph: &'a Graph,
    wanted: &'a W,
    instances: Instances,
    progress: Vec<Progress>,
    of_record: Vec<Shape>,
    shapes: Vec<u32>,
    entries: Vec<Entry>,
    /// By hash: a shape; others with the same hash follow in `next`.
    by_hash: HashMap<u64, Shape>,
    next: Vec<Shape>,
    cycles: Vec<Node>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    New,
    Open,
    Done,
}

impl<'a, W: Fn(Entry) -> bool> Canonical<'a, W> {
    fn new(graph: &'a Graph, wanted: &'a W, instances: Instances) -> Self {
        let records = graph.trees.records.len();
        Self {
            graph,
            wanted,
            instances,
            progress: vec![Progress::New; records],
            of_record: vec![NONE; records],
            shapes: Vec::new(),
            entries: Vec::new(),
            by_hash: HashMap::new(),
            next: Vec::new(),
            cycles: Vec::new(),
        }
    }

    fn finish(mut self) -> Pruned {
        for at in 0..self.instances.all.len() {
            self.visit(self.instances.all[at].record);
        }
        let Self { of_record, shapes, entries, cycles, .. } = self;
        Pruned { of_record, shapes, entries, cycles }
    }

    /// The tree that an instance leads down to; `None` if it is the end by itself.
    fn child(&self, instance: Instance) -> Option<u32> {
        leads_to(self.graph, self.wanted, self.graph.trees.entries[instance.entry as usize])
    }

    fn visit(&mut self, record: u32) {
        // Trees, with how many of their instances were looked at.
        let mut open = vec![(record, 0)];
        while let Some((record, looked_at)) = open.pop() {
            if looked_at == 0 {
                if self.progress[record as usize] != Progress::New {
                    continue;
                }
                self.progress[record as usize] = Progress::Open;
            }
            let instances = self.instances.of(record);
            let next_child = instances[looked_at..].iter().enumerate().find_map(|(step, &instance)| {
                let child = self.child(instance)?;
                (self.progress[child as usize] != Progress::Done).then_some((looked_at + step + 1, child))
            });
            match next_child {
                Some((looked_at, child)) => {
                    open.push((record, looked_at));
                    if self.progress[child as usize] == Progress::Open {
                        self.cycles.push(self.graph.trees.records[child as usize].node);
                    } else if !self.instances.of(child).is_empty() {
                        open.push((child, 0));
                    }
                }
                None => self.close(record),
            }
        }
    }

    /// Gives a tree whose children have their shapes its own.
    fn close(&mut self, record: u32) {
        self.progress[record as usize] = Progress::Done;
        let mut entries: Vec<Entry> = self
            .instances
            .of(record)
            .iter()
            .filter_map(|&instance| {
                let entry = self.graph.trees.entries[instance.entry as usize];
                if (self.wanted)(entry) {
                    return Some(entry.as_end());
                }
                let shape = self.of_record[self.child(instance)? as usize];
                (shape != NONE).then(|| entry.with_child(shape))
            })
            .collect();
        if entries.is_empty() {
            return;
        }
        entries.sort_unstable();
        self.of_record[record as usize] = self.shape(&entries);
    }

    fn shape(&mut self, entries: &[Entry]) -> Shape {
        let mut hasher = DefaultHasher::new();
        entries.hash(&mut hasher);
        let hash = hasher.finish();
        let first = self.by_hash.get(&hash).copied().unwrap_or(NONE);
        let mut candidate = first;
        while candidate != NONE {
            let start = self.shapes[candidate as usize] as usize;
            let end = self.shapes.get(candidate as usize + 1).map_or(self.entries.len(), |&end| end as usize);
            if self.entries[start..end] == *entries {
                return candidate;
            }
            candidate = self.next[candidate as usize];
        }
        let shape = self.shapes.len() as Shape;
        self.shapes.push(self.entries.len() as u32);
        self.entries.extend_from_slice(entries);
        self.next.push(first);
        self.by_hash.insert(hash, shape);
        shape
    }
}
