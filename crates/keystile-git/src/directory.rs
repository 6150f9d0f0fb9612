//! A directory, or single files, as they lie.
