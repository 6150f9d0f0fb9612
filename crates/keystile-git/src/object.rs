//! Names and kinds of git objects.

pub use gix_hash::ObjectId;
pub use gix_object::Kind;
