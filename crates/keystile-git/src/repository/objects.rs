//! Where a repository's objects lie, and where its history is cut off.

use std::path::{Path, PathBuf};

use bstr::ByteSlice as _;

use super::Location;
use super::discovery::read_small;
use crate::coverage::{Gap, GapKind};
use crate::object::ObjectId;
use crate::store::alternates;

/// `shallow` is a line for each entry.
const MAX_LIST_BYTES: u64 = 64 << 20;

/// Every directory that objects are read from: the repository's own first, then alternates, each once.
pub(super) fn directories(location: &Location, common_dir: &Path, gaps: &mut Vec<Gap>) -> Vec<PathBuf> {
    let own = location.object_directory.clone().unwrap_or_else(|| common_dir.join("objects"));
    let mut directories: Vec<PathBuf> = Vec::new();
    // Hooks that judge what was pushed (`pre-receive`) find it in a directory of its own; the repository's is an alternate then.
    for start in std::iter::once(&own).chain(&location.alternate_object_directories) {
        for directory in alternates::directories(start, gaps) {
            let directory = directory.canonicalize().unwrap_or(directory);
            if !directories.contains(&directory) {
                directories.push(directory);
            }
        }
    }
    directories
}

/// Whether a pack says of itself that what it refers to can be missing.
pub(super) fn have_promisor_pack(directories: &[PathBuf]) -> bool {
    directories.iter().any(|directory| {
        let Ok(entries) = directory.join("pack").read_dir() else { return false };
        entries.flatten().any(|entry| entry.file_name().as_encoded_bytes().ends_with(b".promisor"))
    })
}

/// The commits that a shallow clone ends at (`shallow`, one id a line).
pub(super) fn shallow(common_dir: &Path, hash: gix_hash::Kind, gaps: &mut Vec<Gap>) -> Vec<ObjectId> {
    let path = common_dir.join("shallow");
    if path.symlink_metadata().is_err() {
        return Vec::new();
    }
    let mut gap = |detail: String| {
        gaps.push(Gap { kind: GapKind::ShallowBoundary, what: path.display().to_string(), detail });
    };
    let text = match read_small(&path, MAX_LIST_BYTES) {
        Ok(text) => text,
        Err(error) => {
            gap(format!("can't be read ({error}); which commits the history is cut off at is not known"));
            return Vec::new();
        }
    };
    let mut ids = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        match ObjectId::from_hex(line.trim()) {
            Ok(id) if id.kind() == hash => ids.push(id),
            _ => gap(format!("line {} is not an object id", number + 1)),
        }
    }
    ids
}
