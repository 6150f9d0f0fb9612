//! A repository's whole history.
