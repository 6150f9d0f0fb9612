//! The work tree and the index.
