//! A repository: where it is, what it consists of, what it can't do.

/// An opened repository.
#[derive(Debug)]
pub struct Repository {}
