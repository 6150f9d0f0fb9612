//! Reading the index and comparing it with a tree.
//!
//! The format is `gitformat-index(5)`. The cache of trees in it (`TREE`) is what `git commit` writes the new
//! commit's trees from, so a directory that it says is the same as in HEAD will be the same in the
//! commit: such directories are passed over, which is what keeps a hook fast in a large work tree.

use std::collections::{HashMap, HashSet};
use std::io;

use bstr::{BStr, BString, ByteSlice as _};
use gix_index::entry::{Flags, Mode, Stage};
use gix_index::extension::Tree;
use memchr::memmem;

use super::corrupt;
use crate::change::{Comparison, MAX_TREE_DEPTH};
use crate::coverage::Coverage;
use crate::object::{HashKind, ObjectId};
use crate::reader::EntryKind;
use crate::repository::Repository;

/// An index, empty if there is none.
pub(crate) struct Index {
    file: Option<gix_index::File>,
}

/// An entry of the index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'i> {
    /// Path from the top; that of a directory, in a sparse index, ends with `/`.
    pub(crate) path: &'i BStr,
    pub(crate) id: ObjectId,
    pub(crate) mode: Mode,
    pub(crate) stage: Stage,
}

impl Index {
    pub(crate) fn read(repository: &Repository, coverage: &mut Coverage) -> Self {
        let path = repository.index_file();
        match path.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self { file: None },
            Err(error) => {
                corrupt(coverage, path, format!("can't be read: {error}"));
                return Self { file: None };
            }
            Ok(metadata) if !metadata.is_file() => {
                corrupt(coverage, path, "is not a regular file".to_owned());
                return Self { file: None };
            }
            // git leaves no file where nothing was ever added, and refuses this one: a write was lost.
            Ok(metadata) if metadata.len() == 0 => {
                corrupt(coverage, path, "is empty; `git read-tree HEAD` makes it anew".to_owned());
                return Self { file: None };
            }
            Ok(_) => {}
        }
        match std::fs::read(path) {
            Ok(data) if is_nested_too_deep(&data, repository.object_hash()) => {
                let detail =
                    format!("its cache of trees is nested more than {MAX_TREE_DEPTH} deep, as no work tree is");
                corrupt(coverage, path, detail);
                return Self { file: None };
            }
            Ok(_) => {}
            Err(error) => {
                corrupt(coverage, path, format!("can't be read: {error}"));
                return Self { file: None };
            }
        }
        let options = gix_index::decode::Options { thread_limit: Some(1), ..Default::default() };
        match gix_index::File::at(path, repository.object_hash(), false, options) {
            Ok(file) => Self { file: Some(file) },
            Err(error) => {
                let causes: Vec<String> = chain(&error);
                corrupt(coverage, path, format!("{}; `git read-tree HEAD` makes it anew", causes.join(": ")));
                Self { file: None }
            }
        }
    }

    /// What will be committed, in the order of paths: entries that are only announced (`git add -N`) are left out.
    pub(crate) fn entries(&self) -> Vec<Entry<'_>> {
        let Some(file) = &self.file else { return Vec::new() };
        let mut entries: Vec<Entry<'_>> = file
            .entries()
            .iter()
            .filter(|entry| !entry.flags.contains(Flags::INTENT_TO_ADD))
            .map(|entry| Entry { path: entry.path(file), id: entry.id, mode: entry.mode, stage: entry.stage() })
            .collect();
        // git writes it sorted; whoever writes it otherwise must not hide an entry from the comparison.
        let is_sorted = entries.is_sorted_by_key(|entry| entry.path);
        if !is_sorted {
            entries.sort_by_key(|entry| entry.path);
        }
        entries
    }

    /// The cache of trees, if it is there.
    pub(super) fn root(&self) -> Option<&Tree> {
        self.file.as_ref()?.tree()
    }
}

/// Whether a cache of trees in the index is nested so deep that reading it, which gix-index does by recursion,
/// would end the process. Wherever the letters `TREE` stand there may be one; of those that are only letters in a name,
/// no more than a few bytes look like one.
fn is_nested_too_deep(data: &[u8], hash: HashKind) -> bool {
    memmem::find_iter(data, b"TREE").any(|at| {
        let Some((size, rest)) = data[at + 4..].split_first_chunk::<4>() else { return false };
        let size = usize::try_from(u32::from_be_bytes(*size)).unwrap_or(usize::MAX);
        let mut rest = &rest[..rest.len().min(size)];
        // How many trees are still to come on each level.
        let mut open: Vec<u64> = vec![1];
        while let Some(left) = open.last_mut() {
            if *left == 0 {
                open.pop();
                continue;
            }
            *left -= 1;
            let Some((subtrees, after)) = cached_tree(rest, hash) else { return false };
            rest = after;
            open.push(subtrees);
            if open.len() > MAX_TREE_DEPTH {
                return true;
            }
        }
        false
    })
}

/// One node of the cache: `NAME\0ENTRIES SUBTREES\n`, and an id unless the number of entries is negative. Answers with the
/// number of subtrees and what is behind the node.
fn cached_tree(data: &[u8], hash: HashKind) -> Option<(u64, &[u8])> {
    let (_, rest) = data.split_once_str(b"\0")?;
    let (entries, rest) = rest.split_once_str(b" ")?;
    let (subtrees, rest) = rest.split_once_str(b"\n")?;
    let is_valid = entries.to_str().ok()?.parse::<i64>().ok()? >= 0;
    let subtrees = subtrees.to_str().ok()?.parse().ok()?;
    Some((subtrees, rest.get(if is_valid { hash.len_in_bytes() } else { 0 }..)?))
}

fn chain(error: &dyn std::error::Error) -> Vec<String> {
    let mut causes = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !causes.contains(&text) {
            causes.push(text);
        }
        next = cause.source();
    }
    causes
}

/// How many paths are in conflict.
pub(super) fn conflicts(entries: &[Entry<'_>]) -> usize {
    let paths: HashSet<&BStr> =
        entries.iter().filter(|entry| entry.stage != Stage::Unconflicted).map(|entry| entry.path).collect();
    paths.len()
}

/// A directory whose entries are still to be compared.
struct Level<'i> {
    /// All entries below it.
    entries: &'i [Entry<'i>],
    /// Empty, or with `/` at its end.
    path: BString,
    /// What the cache of trees knows of it.
    cache: Option<&'i Tree>,
    head: Option<ObjectId>,
    depth: usize,
}

/// Compares all `entries` with the tree `head`.
pub(super) fn compare<'i>(
    comparison: &mut Comparison<'_, '_>,
    entries: &'i [Entry<'i>],
    cache: Option<&'i Tree>,
    head: Option<ObjectId>,
) {
    // No recursion: a path can have more components than a thread's stack can follow.
    let mut open = vec![Level { entries, path: BString::default(), cache, head, depth: 0 }];
    while let Some(level) = open.pop() {
        compare_level(comparison, level, &mut open);
    }
}

fn compare_level<'i>(comparison: &mut Comparison<'_, '_>, level: Level<'i>, open: &mut Vec<Level<'i>>) {
    let Level { entries, path, cache, head, depth } = level;
    // An invalid node of the cache has no number of entries.
    if let (Some(cache), Some(head)) = (cache, head)
        && cache.num_entries.is_some()
        && cache.id == head
    {
        return;
    }
    if comparison.is_over_limit(path.as_ref(), depth) {
        return;
    }
    let tree = head.map(|head| comparison.read_tree(&head, path.as_ref())).unwrap_or_default();
    let before: HashMap<&BStr, (EntryKind, ObjectId)> =
        tree.iter().map(|entry| (entry.name.as_bstr(), (entry.kind, entry.id))).collect();
    let caches: HashMap<&BStr, &'i Tree> = cache
        .map(|cache| cache.children.iter().map(|child| (child.name.as_bstr(), child)).collect())
        .unwrap_or_default();
    let of_kind = |name: &BStr, kind: EntryKind| before.get(name).filter(|(is, _)| *is == kind).map(|(_, id)| *id);
    // Without HEAD there is nothing to compare with, as for a first commit.
    let parents = |id: Option<ObjectId>| if head.is_some() { vec![id] } else { Vec::new() };

    let mut files: HashSet<&BStr> = HashSet::new();
    let mut directories: HashSet<&BStr> = HashSet::new();
    let mut rest = entries;
    while let Some(first) = rest.first() {
        let below = &first.path[path.len()..];
        let Some(slash) = below.find_byte(b'/') else {
            let len = rest.iter().take_while(|entry| entry.path == first.path).count();
            let (group, after) = rest.split_at(len);
            rest = after;
            let name = below.as_bstr();
            if file(comparison, group, &parents(of_kind(name, EntryKind::Blob)), of_kind(name, EntryKind::Gitlink)) {
                files.insert(name);
            }
            continue;
        };
        let name = below[..slash].as_bstr();
        let prefix = BString::from(&first.path[..path.len() + slash + 1]);
        let len = rest.partition_point(|entry| entry.path.starts_with(&prefix));
        let (group, after) = rest.split_at(len.max(1));
        rest = after;
        directories.insert(name);
        let head_below = of_kind(name, EntryKind::Tree);
        if first.mode.is_sparse() && first.path == prefix {
            comparison.trees(prefix.as_ref(), Some(first.id), &parents(head_below));
        } else {
            let cache = caches.get(name).copied();
            open.push(Level { entries: group, path: prefix, cache, head: head_below, depth: depth + 1 });
        }
    }
    for entry in &tree {
        let name = entry.name.as_bstr();
        let mut full = path.clone();
        full.extend_from_slice(name);
        match entry.kind {
            EntryKind::Blob if !files.contains(name) => comparison.blob(&full, None, &[Some(entry.id)]),
            EntryKind::Tree if !directories.contains(name) => {
                full.push(b'/');
                comparison.trees(full.as_ref(), None, &[Some(entry.id)]);
            }
            EntryKind::Blob | EntryKind::Tree | EntryKind::Gitlink => {}
        }
    }
}

/// Compares all stages of one path. Whether there is a file at all is the answer: a path whose only stage is the
/// common base was deleted on both sides.
fn file(
    comparison: &mut Comparison<'_, '_>,
    stages: &[Entry<'_>],
    before: &[Option<ObjectId>],
    submodule: Option<ObjectId>,
) -> bool {
    let mut exists = false;
    for entry in stages.iter().filter(|entry| entry.stage != Stage::Base) {
        exists = true;
        if entry.mode.is_submodule() {
            if submodule != Some(entry.id) {
                comparison.changes.submodules.push(entry.path.to_owned());
            }
        } else {
            comparison.blob(&entry.path.to_owned(), Some(entry.id), before);
        }
    }
    exists
}
