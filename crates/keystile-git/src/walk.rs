//! A walk over all objects of a pack that decodes each once, along the tree of deltas.
//!
//! This is the narrow interface behind which the bulk reading stands: a [`Visitor`] is handed each
//! object's bytes and, for a delta, its base's bytes, the instructions, and what the visitor itself
//! kept of the base. Why a walk of our own: `docs/decisions.md`.

use keystile_scan::DeltaOp;

use crate::object::{Kind, ObjectId};

/// An object as the walk hands it out.
#[derive(Debug)]
pub struct Object<'a, S> {
    /// Its name.
    pub id: ObjectId,
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
