//! Names, kinds and numbers of git objects.

pub use gix_hash::{Kind as HashKind, ObjectId, oid};
pub use gix_object::Kind;

/// An object's number in an [`crate::store::ObjectStore`]: dense from 0, one for each distinct id, in the
/// order of the ids. What is known of every object can so be kept in plain vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectIndex(pub u32);

impl ObjectIndex {
    /// As an index into a slice.
    #[must_use]
    pub fn as_usize(self) -> usize {
        self.0 as usize
    }
}
