//! A walk over all objects of a store that decodes each once, along the trees of deltas.
//!
//! This is the narrow interface behind which the bulk reading stands: a [`Visitor`] is handed each
//! object's bytes and, for a delta, its base's bytes, the instructions, and what the visitor itself
//! kept of the base. Why a walk of our own: `docs/decisions.md`.

mod forest;
mod worker;

use keystile_scan::DeltaOp;

use crate::coverage::{Gap, GapKind};
use crate::object::{Kind, ObjectId, ObjectIndex};
use crate::progress::Progress;
use crate::store::ObjectStore;

/// An object as the walk hands it out.
#[derive(Debug)]
pub struct Object<'a, S> {
    /// Its number in the store; [`ObjectStore::id`] has its name. (Handing the name out would cost a cache miss for
    /// each object, a thirtieth of the walk, and hardly anyone asks.)
    pub index: ObjectIndex,
    /// Its kind.
    pub kind: Kind,
    /// Its content, without git's header.
    pub data: &'a [u8],
    /// What it was made from, if it is stored as a delta.
    pub base: Option<Base<'a, S>>,
}

/// The base of an object that is stored as a delta.
#[derive(Debug)]
pub struct Base<'a, S> {
    /// The base's content.
    pub data: &'a [u8],
    /// The instructions, in the order of the object's bytes; they cover it without gap.
    pub ops: &'a [DeltaOp],
    /// What the visitor kept of the base; `None` if it did not see it.
    pub kept: Option<&'a S>,
}

/// Whoever looks at the objects.
pub trait Visitor: Sync {
    /// Per-thread buffers.
    type Scratch: Send;
    /// What is kept of an object while objects that are based on it are still to come.
    type Kept: Send + Sync;

    /// Buffers for one thread.
    fn scratch(&self) -> Self::Scratch;

    /// Whether objects of this kind are wanted; the others are decoded only where they are bases.
    /// (A delta has the kind of its base, so a family is wanted whole or not at all.)
    fn wants(&self, kind: Kind) -> bool;

    /// Sees one object. `is_base` says whether others are based on it: if not, what is kept is dropped at once.
    fn visit(&self, scratch: &mut Self::Scratch, object: &Object<'_, Self::Kept>, is_base: bool) -> Self::Kept;
}

/// How far content is checked against its name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Check {
    /// Packed objects by deflate's own checksum and by the CRC32 of the pack's index, loose ones by their id.
    #[default]
    Crc,
    /// Every object by its id. About doubles the time.
    Id,
}

/// How to walk.
#[derive(Debug, Clone, Default)]
pub struct WalkOptions {
    /// Threads; 0: as many as there are cores.
    pub threads: usize,
    /// How far content is checked.
    pub check: Check,
    /// Larger packed objects are lost. `None`: 4 GiB, which is for loose objects as well.
    pub max_object_bytes: Option<u64>,
}

/// What became of a walk.
#[derive(Debug, Default)]
pub struct WalkOutcome {
    /// Objects handed out.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that are there and could not be read, in the order of their numbers. (What is wrong with packs as
    /// a whole is in [`ObjectStore::gaps`].)
    pub lost: Vec<Lost>,
}

/// An object that is there and could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Its number.
    pub index: ObjectIndex,
    /// Its name.
    pub id: ObjectId,
    /// What is wrong with it, in one sentence.
    pub detail: String,
}

impl From<Lost> for Gap {
    fn from(lost: Lost) -> Self {
        Self { kind: GapKind::CorruptObject, what: lost.id.to_string(), detail: lost.detail }
    }
}

/// Hands every wanted object of `store` to `visitor`, exactly once, from several threads.
///
/// An object that lies at several places is taken from the first that can be read. A panic of the visitor ends the
/// walk and is passed on.
///
/// Memory, beside what the visitor keeps: 28 bytes for each place of an object (44 for a moment at the start), and,
/// for each thread, at most ⌈log₂ F⌉ + 3 objects expanded at one time, where F is the size of the largest family of
/// deltas, plus 32 MB of buffers to use again. On the word of a header alone no more than 16 MB are allocated.
pub fn walk<V: Visitor>(store: &ObjectStore, visitor: &V, options: &WalkOptions, progress: &Progress) -> WalkOutcome {
    let threads = match options.threads {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        threads => threads,
    };
    let forest = forest::Forest::new(store, &|kind| visitor.wants(kind));
    let total: u64 = forest.roots.iter().map(|&(root, _)| u64::from(forest.weight(root))).sum();
    progress.begin("reading objects", total + forest.circles.len() as u64);
    let mut outcome = worker::Shared::new(store, &forest, visitor, options, progress).run(threads);
    outcome.lost.sort_unstable_by_key(|lost| lost.index);
    outcome
}

impl WalkOutcome {
    fn add(&mut self, other: Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
        self.lost.extend(other.lost);
    }
}
