//! Paths: all that a history has, and one for each of a few objects.

use std::collections::{HashMap, HashSet};

use bstr::{BStr, BString};

use super::names::NameId;
use super::prune::{Pruned, Shape};
use super::reach::NodeSet;
use super::tree::{Entry, EntryKind};
use super::{Graph, MAX_TREE_DEPTH, NONE, Node};

/// Real histories have hardly more places of directories (pairs of a tree and a path it lies at) than trees, and few
/// are more than ten deep. A handful of trees can be made to unfold to any number of places, so what may be looked at
/// is limited: the depths of all places together stay below this for each tree ...
const DEPTH_FOR_EACH_TREE: usize = 64;

/// ... and this in any case.
const DEPTH_IN_ALL: usize = 10_000_000;

/// A directory by its number; 0 is the top.
type Directory = u32;

/// Distinct directories.
#[derive(Debug)]
struct Directories {
    /// Parent, name, depth.
    all: Vec<(Directory, NameId, u32)>,
    ids: HashMap<(Directory, NameId), Directory>,
}

impl Directories {
    fn new() -> Self {
        Self { all: vec![(0, 0, 0)], ids: HashMap::new() }
    }

    /// The directory `name` in `parent`; `None` if it would be too deep.
    fn enter(&mut self, parent: Directory, name: NameId) -> Option<Directory> {
        if let Some(&id) = self.ids.get(&(parent, name)) {
            return Some(id);
        }
        let depth = self.all[parent as usize].2 + 1;
        let id = Directory::try_from(self.all.len()).ok().filter(|_| depth as usize <= MAX_TREE_DEPTH)?;
        self.all.push((parent, name, depth));
        self.ids.insert((parent, name), id);
        Some(id)
    }

    fn path(&self, graph: &Graph, mut directory: Directory, name: NameId, path: &mut BString) {
        let mut parts = vec![name];
        while directory != 0 {
            let (parent, name, _) = self.all[directory as usize];
            parts.push(name);
            directory = parent;
        }
        path.clear();
        for (at, &part) in parts.iter().rev().enumerate() {
            if at > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(graph.names().get(part));
        }
    }
}

/// Hands each distinct path of a file in the `roots` (trees) to `file`, once, and to `blob` each blob with what `file`
/// said of a path that it lies at: once at least for each of its paths. Fastest if the newest trees come
/// first, since those are what packs make the others from. `false` if some were left out, because directories are
/// too deep or too many: a history made to unfold beyond all measure.
pub fn for_each_path<V: Copy>(
    graph: &Graph,
    roots: impl IntoIterator<Item = Node>,
    mut file: impl FnMut(&BStr, NameId) -> V,
    mut blob: impl FnMut(Node, V),
) -> bool {
    let mut directories = Directories::new();
    let mut seen = Seen::new(graph.trees.records.len());
    let mut files: HashMap<(Directory, NameId), V> = HashMap::new();
    let mut path = BString::default();
    let mut open = Vec::new();
    let mut is_complete = true;
    let mut left = graph.trees.records.len().saturating_mul(DEPTH_FOR_EACH_TREE).saturating_add(DEPTH_IN_ALL);
    for root in roots {
        open.extend(graph.tree(root).map(|record| (record, 0)));
        while let Some((record, directory)) = open.pop() {
            if !seen.insert(record, directory) {
                continue;
            }
            let depth = directories.all[directory as usize].2 as usize;
            left = match left.checked_sub(depth + 1) {
                Some(left) => left,
                None => return false,
            };
            let mut entry = |entry: Entry| match entry.kind() {
                EntryKind::Blob => {
                    let said = *files.entry((directory, entry.name())).or_insert_with(|| {
                        directories.path(graph, directory, entry.name(), &mut path);
                        file(path.as_ref(), entry.name())
                    });
                    blob(entry.child(), said);
                }
                EntryKind::Tree => {
                    let Some(child) = graph.tree(entry.child()) else { return };
                    match directories.enter(directory, entry.name()) {
                        Some(below) if !seen.contains(child, below) => open.push((child, below)),
                        Some(_) => {}
                        None => is_complete = false,
                    }
                }
                EntryKind::Gitlink => {}
            };
            match graph.trees.base(record) {
                // What it has in common with its base was seen there.
                Some(base) if seen.contains(base, directory) => {
                    graph.trees.own(record).for_each(|own| entry(graph.trees.entries[own]));
                }
                _ => graph.trees.for_each_entry(record, &mut entry),
            }
        }
    }
    is_complete
}

/// Pairs of a tree and a directory it was seen at. Nearly all trees are at one place only.
struct Seen {
    first: Vec<Directory>,
    more: HashSet<(u32, Directory)>,
}

impl Seen {
    fn new(records: usize) -> Self {
        Self { first: vec![NONE; records], more: HashSet::new() }
    }

    fn contains(&self, record: u32, directory: Directory) -> bool {
        self.first[record as usize] == directory || self.more.contains(&(record, directory))
    }

    fn insert(&mut self, record: u32, directory: Directory) -> bool {
        let first = &mut self.first[record as usize];
        if *first == NONE {
            *first = directory;
            return true;
        }
        *first != directory && self.more.insert((record, directory))
    }
}

/// Hands the wanted entries of `pruned` below the `roots` (trees) to `found`, with a path; what lies at many
/// paths is handed out at one or some of them, the same ones each time.
pub fn some_paths(
    graph: &Graph,
    pruned: &Pruned,
    roots: impl IntoIterator<Item = Node>,
    mut found: impl FnMut(Entry, &BStr),
) {
    let mut seen = NodeSet::new(pruned.len());
    let mut open: Vec<(Shape, BString)> = Vec::new();
    for root in roots {
        open.extend(pruned.shape(graph, root).map(|shape| (shape, BString::default())));
        while let Some((shape, directory)) = open.pop() {
            if !seen.insert(shape) {
                continue;
            }
            // Names are numbered as the threads met them; the same path is to be found each time.
            let mut entries = pruned.entries(shape).to_vec();
            entries.sort_by_key(|entry| (graph.names().get(entry.name()), entry.kind()));
            for entry in entries {
                let mut path = directory.clone();
                path.extend_from_slice(graph.names().get(entry.name()));
                if entry.kind() == EntryKind::Tree {
                    path.push(b'/');
                    open.push((entry.child(), path));
                } else {
                    found(entry, path.as_ref());
                }
            }
        }
    }
}
