//! One number for each distinct object id, over all packs and loose objects.
//!
//! Every place of an object has a *slot*: the packs' index positions one after the other, then the
//! loose objects. Numbers are the ranks of the distinct ids in their order. A repository with one
//! pack and nothing else needs no table for that (rank = slot); others have four bytes an object.
//! A table over the first bits of the ids, one more byte an object, leaves each look-up four ids to
//! search among.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::object::oid;

/// Sorted ids, however they are stored.
pub(crate) trait Ids {
    /// How many.
    fn len(&self) -> u32;
    /// That at a position.
    fn id(&self, at: u32) -> &oid;
}

impl Ids for super::index::PackIndex {
    fn len(&self) -> u32 {
        Self::len(self)
    }

    fn id(&self, at: u32) -> &oid {
        Self::id(self, at)
    }
}

impl Ids for super::loose::LooseObjects {
    fn len(&self) -> u32 {
        // A directory with 2³² files does not exist yet; `Numbering::new` refuses sums beyond that.
        self.ids.len() as u32
    }

    fn id(&self, at: u32) -> &oid {
        &self.ids[at as usize]
    }
}

/// The numbering. Sources are handed in at each call: they live beside it in the store.
#[derive(Debug, Default)]
pub(crate) struct Numbering {
    /// The first slot of each source, and at the end the number of slots.
    starts: Vec<u32>,
    /// The slot of each rank: the first place of the object. `None`: the same.
    slots: Option<Vec<u32>>,
    len: u32,
    /// The first rank whose id starts with at least these bits.
    buckets: Vec<u32>,
    bits: u32,
}

impl Numbering {
    /// Numbers the ids of `sources`; `None` if there are more than 2³²−2 places.
    pub(crate) fn new(sources: &[&dyn Ids]) -> Option<Self> {
        let mut starts = vec![0u32];
        let mut total = 0u32;
        for source in sources {
            total = total.checked_add(source.len()).filter(|&total| total < u32::MAX)?;
            starts.push(total);
        }
        let mut numbering = Self { starts, slots: None, len: total, buckets: Vec::new(), bits: 0 };
        let mut filled = sources.iter().filter(|source| source.len() > 0);
        let one = (filled.next(), filled.next());
        let in_order = match one {
            (None, _) => true,
            (Some(source), None) => (1..source.len()).all(|at| source.id(at - 1) < source.id(at)),
            _ => false,
        };
        if !in_order {
            let slots = numbering.merge(sources);
            numbering.len = slots.len() as u32;
            numbering.slots = Some(slots);
        }
        numbering.fill_buckets(sources);
        Some(numbering)
    }

    /// The slots of the distinct ids in the order of the ids; the first source wins.
    fn merge(&self, sources: &[&dyn Ids]) -> Vec<u32> {
        let total = *self.starts.last().expect("there is a last one always");
        let mut slots: Vec<u32> = Vec::with_capacity(total as usize);
        let mut heads: BinaryHeap<_> = sources
            .iter()
            .enumerate()
            .filter(|(_, source)| source.len() > 0)
            .map(|(number, source)| Reverse((source.id(0), number, 0)))
            .collect();
        let mut last: Option<&oid> = None;
        while let Some(mut head) = heads.peek_mut() {
            let Reverse((id, number, at)) = *head;
            if last != Some(id) {
                slots.push(self.starts[number] + at);
                last = Some(id);
            }
            if at + 1 < sources[number].len() {
                *head = Reverse((sources[number].id(at + 1), number, at + 1));
            } else {
                std::collections::binary_heap::PeekMut::pop(head);
            }
        }
        slots.shrink_to_fit();
        slots
    }

    fn fill_buckets(&mut self, sources: &[&dyn Ids]) {
        self.bits = (u32::BITS - self.len.leading_zeros()).saturating_sub(2).clamp(4, 24);
        let mut buckets = Vec::with_capacity((1 << self.bits) + 1);
        for rank in 0..self.len {
            let bucket = self.bucket(self.id(sources, rank));
            while buckets.len() <= bucket {
                buckets.push(rank);
            }
        }
        buckets.resize((1 << self.bits) + 1, self.len);
        self.buckets = buckets;
    }

    fn bucket(&self, id: &oid) -> usize {
        let bytes = id.as_bytes();
        let first = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        (first >> (u32::BITS - self.bits)) as usize
    }

    /// How many distinct ids.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// The slot of the object's first place.
    pub(crate) fn slot(&self, rank: u32) -> u32 {
        self.slots.as_ref().map_or(rank, |slots| slots[rank as usize])
    }

    /// The source of a slot, and the position in it.
    pub(crate) fn place(&self, slot: u32) -> (usize, u32) {
        let source = self.starts.partition_point(|&start| start <= slot) - 1;
        (source, slot - self.starts[source])
    }

    /// The first slot of a source.
    pub(crate) fn start(&self, source: usize) -> u32 {
        self.starts[source]
    }

    /// The rank that has `slot` as its first place; `lookup` finds the rank of the slot's id.
    pub(crate) fn rank_of_slot(&self, slot: u32, lookup: impl FnOnce() -> Option<u32>) -> Option<u32> {
        match &self.slots {
            None => Some(slot),
            Some(slots) => lookup().filter(|&rank| slots[rank as usize] == slot),
        }
    }

    /// The id of a rank.
    pub(crate) fn id<'a>(&self, sources: &[&'a dyn Ids], rank: u32) -> &'a oid {
        let (source, at) = self.place(self.slot(rank));
        sources[source].id(at)
    }

    /// The rank of an id.
    pub(crate) fn lookup<'a>(&self, id_of: impl Fn(usize, u32) -> &'a oid, id: &oid) -> Option<u32> {
        let bucket = self.bucket(id);
        let (mut low, mut high) = (self.buckets[bucket], self.buckets[bucket + 1]);
        while low < high {
            let middle = u32::midpoint(low, high);
            let (source, at) = self.place(self.slot(middle));
            match id_of(source, at).cmp(id) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(middle),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::object::ObjectId;

    fn id(seed: u16) -> ObjectId {
        // Some share their first bytes, some do not.
        let mut bytes = [0x77; 20];
        bytes[usize::from(seed % 3)] = (seed >> 8) as u8;
        bytes[19] = seed as u8;
        ObjectId::from(bytes)
    }

    proptest! {
        #[test]
        fn ranks_are_those_of_a_sorted_set(lists in proptest::collection::vec(
            proptest::collection::vec(0u16..2000, 0..200), 0..5)
        ) {
            let lists: Vec<Vec<ObjectId>> = lists
                .into_iter()
                .map(|list| {
                    let mut list: Vec<_> = list.into_iter().map(id).collect();
                    list.sort_unstable();
                    list
                })
                .collect();
            let slices: Vec<_> = lists.iter().map(|list| Slice(list)).collect();
            let sources: Vec<&dyn Ids> = slices.iter().map(|list| list as &dyn Ids).collect();
            let numbering = Numbering::new(&sources).expect("few");
            let mut sorted: Vec<ObjectId> = lists.iter().flatten().copied().collect();
            sorted.sort_unstable();
            sorted.dedup();
            prop_assert_eq!(numbering.len() as usize, sorted.len());
            let id_of = |source: usize, at: u32| sources[source].id(at);
            for (rank, id) in sorted.iter().enumerate() {
                prop_assert_eq!(numbering.id(&sources, rank as u32), id.as_ref());
                prop_assert_eq!(numbering.lookup(id_of, id), Some(rank as u32));
                let first = lists.iter().position(|list| list.contains(id));
                prop_assert_eq!(Some(numbering.place(numbering.slot(rank as u32)).0), first);
            }
            for seed in 0..2000 {
                prop_assert_eq!(numbering.lookup(id_of, &id(seed)).is_some(), sorted.contains(&id(seed)));
            }
        }
    }

    struct Slice<'a>(&'a [ObjectId]);

    impl Ids for Slice<'_> {
        fn len(&self) -> u32 {
            self.0.len() as u32
        }

        fn id(&self, at: u32) -> &oid {
            &self.0[at as usize]
        }
    }
}
