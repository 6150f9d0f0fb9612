//! Which files differ between a commit and its parent, as git's diff of trees has it.

use std::collections::HashMap;

use bstr::{BString, ByteSlice as _};
use git2::FileMode;

use super::git_oid;
use crate::change::Comparison;
use crate::coverage::Coverage;
use crate::object::ObjectId;
use crate::reader::{EntryKind, ObjectReader, TreeEntry};
use crate::rename::File;

/// What differs, each list in the order of paths.
#[derive(Debug, Default)]
pub(super) struct Differences {
    pub(super) created: Vec<File>,
    pub(super) deleted: Vec<File>,
    /// Before and after.
    pub(super) modified: Vec<(File, File)>,
    /// A file that became a link or submodule, or the other way: as it is now.
    pub(super) retyped: Vec<File>,
}

/// A directory that is still to be compared.
struct Directory {
    /// Empty or with `/` at its end.
    path: BString,
    old: Option<ObjectId>,
    new: Option<ObjectId>,
    depth: usize,
}

/// Compares two trees. One that can't be read is a gap and counts as empty.
pub(super) fn compare(
    reader: &ObjectReader<'_>,
    old: Option<ObjectId>,
    new: ObjectId,
    coverage: &mut Coverage,
) -> Differences {
    let mut differences = Differences::default();
    let mut comparison = Comparison::new(reader, coverage);
    // No recursion: a tree can be nested deeper than a thread's stack can follow.
    let mut open = vec![Directory { path: BString::default(), old, new: Some(new), depth: 0 }];
    while let Some(directory) = open.pop() {
        let Directory { path, old, new, depth } = &directory;
        if old == new || comparison.is_over_limit(path.as_bstr(), *depth) {
            continue;
        }
        let mut read =
            |id: &Option<ObjectId>| id.map(|id| comparison.read_tree(&id, path.as_bstr())).unwrap_or_default();
        let (before, after) = (read(old), read(new));
        comparison.count_paths(before.len() + after.len());
        entries(&directory, &before, &after, &mut differences, &mut open);
    }
    let Differences { created, deleted, modified, retyped } = &mut differences;
    for files in [created, deleted, retyped] {
        files.sort_by(|one, other| one.path.cmp(&other.path));
    }
    modified.sort_by(|(one, _), (other, _)| one.path.cmp(&other.path));
    differences
}

/// Compares the entries of one directory. A tree that somebody forged can have a name twice: none of them is passed over.
fn entries(
    directory: &Directory,
    before: &[TreeEntry],
    after: &[TreeEntry],
    differences: &mut Differences,
    open: &mut Vec<Directory>,
) {
    let key = |entry: &TreeEntry| (entry.name.clone(), entry.kind == EntryKind::Tree);
    let by_key = |entries: &[TreeEntry]| {
        let mut map: HashMap<(BString, bool), Vec<TreeEntry>> = HashMap::new();
        for entry in entries {
            map.entry(key(entry)).or_default().push(entry.clone());
        }
        map
    };
    let path = |entry: &TreeEntry| [directory.path.as_slice(), entry.name.as_slice()].concat();
    let file = |entry: &TreeEntry| File { path: path(entry), id: git_oid(&entry.id), mode: mode(entry) };
    let deeper = |entry: &TreeEntry, old, new| {
        let path = [path(entry).as_slice(), b"/"].concat().into();
        Directory { path, old, new, depth: directory.depth + 1 }
    };
    let (old, new) = (by_key(before), by_key(after));
    for entry in after {
        let others = old.get(&key(entry)).map(Vec::as_slice).unwrap_or_default();
        // A change of the mode alone has no hunks.
        if others.iter().any(|other| other.id == entry.id && mode(other) == mode(entry)) {
            continue;
        }
        match others.first() {
            other if entry.kind == EntryKind::Tree => {
                open.push(deeper(entry, other.map(|other| other.id), Some(entry.id)));
            }
            None => differences.created.push(file(entry)),
            Some(other) if mode(other) == mode(entry) => differences.modified.push((file(other), file(entry))),
            Some(_) => differences.retyped.push(file(entry)),
        }
    }
    for entry in before {
        if new.contains_key(&key(entry)) {
            continue;
        }
        if entry.kind == EntryKind::Tree {
            open.push(deeper(entry, Some(entry.id), None));
        } else {
            differences.deleted.push(file(entry));
        }
    }
}

/// What an entry is; executable or not is the same here.
fn mode(entry: &TreeEntry) -> FileMode {
    match entry.kind {
        EntryKind::Tree => FileMode::Tree,
        EntryKind::Gitlink => FileMode::Commit,
        EntryKind::Blob if entry.is_symlink => FileMode::Link,
        EntryKind::Blob => FileMode::Blob,
    }
}
