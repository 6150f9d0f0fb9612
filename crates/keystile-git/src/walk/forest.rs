//! Which entry is a delta on which: the trees along which objects are decoded.
//!
//! Nodes are the places of all sources: each pack's entries in the order of their offsets, then the
//! loose objects. Memory: 28 bytes a node while a walk runs.

use crate::object::{Kind, ObjectIndex};
use crate::store::entry::Stored;
use crate::store::{ObjectStore, Source};

/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// The trees.
pub(super) struct Forest {
    /// Where each node's entry is: a pack's offset, a loose object's position.
    offsets: Vec<u64>,
    /// Which position in its source's index a node has.
    positions: Vec<u32>,
    /// The CRC32 that the index has for the entry; copied here in one go, since the index is in another order and
    /// looking it up entry by entry costs a cache miss each, a twentieth of the walk.
    crcs: Vec<u32>,
    first_child: Vec<u32>,
    next_sibling: Vec<u32>,
    /// How many objects are wanted of a node and all that is based on it; 0: leave it.
    weight: Vec<u32>,
    /// Nodes that stand on their own, and those whose base is nowhere.
    pub(super) roots: Vec<(u32, Root)>,
    /// Nodes that no root leads to: circles and what hangs on them.
    pub(super) circles: Vec<u32>,
}

/// What a tree begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// A whole entry of a pack.
    Whole(Kind),
    /// A loose object.
    Loose,
    /// An entry whose header is broken or whose base is not to be found.
    Lost,
}

impl Forest {
    /// Reads the headers of all entries. Objects of kinds that `wants` declines get no weight.
    pub(super) fn new(store: &ObjectStore, wants: &dyn Fn(Kind) -> bool) -> Self {
        let mut forest = Self {
            offsets: Vec::new(),
            positions: Vec::new(),
            crcs: Vec::new(),
            first_child: Vec::new(),
            next_sibling: Vec::new(),
            weight: Vec::new(),
            roots: Vec::new(),
            circles: Vec::new(),
        };
        for source in store.sources() {
            match source {
                Source::Pack(pack) => {
                    let mut entries: Vec<(u64, u32, u32)> = (0..pack.index.len())
                        .map(|at| (pack.index.offset(at), at, pack.index.crc32(at).unwrap_or(0)))
                        .collect();
                    entries.sort_unstable();
                    forest.offsets.extend(entries.iter().map(|&(offset, ..)| offset));
                    forest.positions.extend(entries.iter().map(|&(_, at, _)| at));
                    forest.crcs.extend(entries.iter().map(|&(.., crc)| crc));
                }
                Source::Loose(loose) => {
                    forest.offsets.extend(0..loose.ids.len() as u64);
                    forest.positions.extend(0..loose.ids.len() as u32);
                    forest.crcs.resize(forest.positions.len(), 0);
                }
            }
        }
        forest.first_child = vec![NONE; forest.offsets.len()];
        forest.next_sibling = vec![NONE; forest.offsets.len()];
        for (number, source) in store.sources().iter().enumerate() {
            for node in forest.nodes(store, number) {
                match forest.base_of(store, number, source, node) {
                    Ok(base) => {
                        forest.next_sibling[node as usize] = forest.first_child[base as usize];
                        forest.first_child[base as usize] = node;
                    }
                    Err(root) => forest.roots.push((node, root)),
                }
            }
        }
        forest.weigh(store, wants);
        forest
    }

    /// The nodes of a source.
    fn nodes(&self, store: &ObjectStore, source: usize) -> std::ops::Range<u32> {
        store.numbering().start(source)..store.numbering().start(source + 1)
    }

    /// The node that `node` is based on, or which kind of root it is.
    fn base_of(&self, store: &ObjectStore, number: usize, source: &Source, node: u32) -> Result<u32, Root> {
        let Source::Pack(pack) = source else { return Err(Root::Loose) };
        let entry = pack.entry(self.offsets[node as usize], store.hash()).map_err(|_| Root::Lost)?;
        let base = match entry.stored {
            Stored::Whole(kind) => return Err(Root::Whole(kind)),
            Stored::DeltaOnOffset(offset) => self.node_at(store, number, offset),
            Stored::DeltaOnId(id) => match pack.index.lookup(&id) {
                Some(at) => self.node_at(store, number, pack.index.offset(at)),
                // A thin pack: the base lies elsewhere.
                None => store.lookup(&id).and_then(|index| self.node_of(store, index)),
            },
        };
        base.ok_or(Root::Lost)
    }

    fn node_at(&self, store: &ObjectStore, source: usize, offset: u64) -> Option<u32> {
        let nodes = self.nodes(store, source);
        let offsets = &self.offsets[nodes.start as usize..nodes.end as usize];
        offsets.binary_search(&offset).ok().map(|rank| nodes.start + rank as u32)
    }

    /// The node of an object's first place.
    fn node_of(&self, store: &ObjectStore, index: ObjectIndex) -> Option<u32> {
        let slot = store.numbering().slot(index.0);
        let (number, at) = store.numbering().place(slot);
        match &store.sources()[number] {
            Source::Pack(pack) => self.node_at(store, number, pack.index.offset(at)),
            Source::Loose(_) => Some(slot),
        }
    }

    /// The source of a node, its position in the source's index, and its place there.
    pub(super) fn place(&self, store: &ObjectStore, node: u32) -> (usize, u32, u64) {
        let (source, _) = store.numbering().place(node);
        (source, self.positions[node as usize], self.offsets[node as usize])
    }

    /// The CRC32 of a node's entry, if its index has one.
    pub(super) fn crc32(&self, node: u32) -> u32 {
        self.crcs[node as usize]
    }

    /// The number of a node's object, if this is the object's first place.
    pub(super) fn first_place_of(&self, store: &ObjectStore, node: u32) -> Option<ObjectIndex> {
        let numbering = store.numbering();
        let (source, at, _) = self.place(store, node);
        let slot = numbering.start(source) + at;
        numbering
            .rank_of_slot(slot, || store.lookup(store.sources()[source].ids().id(at)).map(|index| index.0))
            .map(ObjectIndex)
    }

    /// How many wanted objects there are in the tree below a node, itself included.
    pub(super) fn weight(&self, node: u32) -> u32 {
        self.weight[node as usize]
    }

    /// The nodes based on a node, the heaviest first.
    pub(super) fn children(&self, node: u32) -> impl Iterator<Item = u32> {
        let next = |node: u32| (node != NONE).then_some(node);
        std::iter::successors(next(self.first_child[node as usize]), move |&child| {
            next(self.next_sibling[child as usize])
        })
    }

    /// Weighs all trees, and puts the heaviest child of each node first.
    ///
    /// The first child is decoded last, when its base can be let go: so the bases that a thread holds at one time
    /// are no more than the doublings from 1 to the size of the family.
    fn weigh(&mut self, store: &ObjectStore, wants: &dyn Fn(Kind) -> bool) {
        let count = self.offsets.len();
        self.weight = vec![0; count];
        let mut reached = vec![false; count];
        let mut order = Vec::new();
        let mut roots = std::mem::take(&mut self.roots);
        for &(root, kind) in &roots {
            let wanted = !matches!(kind, Root::Whole(kind) if !wants(kind));
            // Parents before children.
            let mut next = order.len();
            order.push(root);
            reached[root as usize] = true;
            while let Some(&node) = order.get(next) {
                next += 1;
                for child in self.children(node) {
                    reached[child as usize] = true;
                    order.push(child);
                }
            }
            if !wanted {
                order.truncate(0);
                continue;
            }
            for &node in order.iter().rev() {
                let own = u32::from(self.first_place_of(store, node).is_some());
                let (mut weight, mut before, mut last) = (own, NONE, NONE);
                let mut heaviest = 0;
                for child in self.children(node) {
                    let child_weight = self.weight[child as usize];
                    weight += child_weight;
                    if child_weight > heaviest {
                        (heaviest, before) = (child_weight, last);
                    }
                    last = child;
                }
                self.weight[node as usize] = weight;
                if before != NONE {
                    let heavy = self.next_sibling[before as usize];
                    self.next_sibling[before as usize] = self.next_sibling[heavy as usize];
                    self.next_sibling[heavy as usize] = self.first_child[node as usize];
                    self.first_child[node as usize] = heavy;
                }
            }
            order.clear();
        }
        roots.retain(|&(root, _)| self.weight[root as usize] > 0);
        self.roots = roots;
        self.circles = (0..count as u32)
            .filter(|&node| !reached[node as usize] && self.first_place_of(store, node).is_some())
            .collect();
    }
}
