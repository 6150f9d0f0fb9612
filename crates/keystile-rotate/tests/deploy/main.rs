//! What `deploy/` says about rotation: the IAM policies allow what keystile calls and nothing else, the trust policies
//! let in whom they should, and the pipelines are what the page about them says.

#![allow(clippy::unwrap_used, reason = "tests")]

mod operations;
mod pipelines;
mod policies;
mod policy;

use std::path::{Path, PathBuf};

/// A file of the project.
fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(project(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
