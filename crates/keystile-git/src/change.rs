//! What a change adds: compared with every parent of a commit, or with HEAD for a staged change.
//!
//! A secret is *introduced* at a path if the new content there has it and no parent's content at
//! that path does. One that stood in a path which the same change deletes was moved, so that neither a
//! rename nor a rename with edits counts; a copy does. All of it is decided from trees and blobs: there is no
//! diff of lines that could hide something (an attribute, a line without an end, a merge).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bstr::{BStr, BString};
use keystile_scan::{Fingerprint, Match, Scratch};
use rayon::prelude::*;

use crate::coverage::{Coverage, GapKind, SkipReason};
use crate::inspect::{Inspection, Inspector, Judged, Located};
use crate::object::{Kind, ObjectId};
use crate::progress::Progress;
use crate::reader::{EntryKind, ObjectReader, TreeEntry};

/// What differs between a tree (or the index) and all of its parents.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) additions: Vec<Addition>,
    pub(crate) deletions: Vec<Deletion>,
    /// Submodules whose commit differs.
    pub(crate) submodules: Vec<BString>,
}

/// Content that no parent has at its path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Addition {
    pub(crate) path: BString,
    pub(crate) blob: ObjectId,
    /// What the parents have there, each once.
    pub(crate) before: Vec<ObjectId>,
}

/// A path that every parent has and that is no more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Deletion {
    pub(crate) path: BString,
    /// What the parents have there, each once.
    pub(crate) before: Vec<ObjectId>,
}

/// Deeper trees are not made by hand; the limit keeps paths, and with them time and memory, bounded.
pub(crate) const MAX_TREE_DEPTH: usize = 2048;

/// Trees that refer to one another many times can stand for more paths than any machine can list.
const MAX_PATHS: usize = 20_000_000;

/// Compares trees, gathering [`Changes`] and naming what can't be read.
pub(crate) struct Comparison<'a, 'r> {
    pub(crate) reader: &'a ObjectReader<'r>,
    pub(crate) coverage: &'a mut Coverage,
    pub(crate) changes: Changes,
    paths: usize,
}

/// A directory that is still to be compared.
struct Directory {
    path: BString,
    new: Option<ObjectId>,
    parents: Vec<Option<ObjectId>>,
    depth: usize,
}

impl<'a, 'r> Comparison<'a, 'r> {
    pub(crate) fn new(reader: &'a ObjectReader<'r>, coverage: &'a mut Coverage) -> Self {
        Self { reader, coverage, changes: Changes::default(), paths: 0 }
    }

    /// Reads a tree; one that can't be read is a gap and counts as empty.
    pub(crate) fn read_tree(&mut self, id: &ObjectId, path: &BStr) -> Vec<TreeEntry> {
        self.reader.tree(id).unwrap_or_else(|why| {
            let place = if path.is_empty() { "the top directory".to_owned() } else { format!("directory {path}") };
            self.reader.gap(self.coverage, id, &place, &why);
            Vec::new()
        })
    }

    /// Compares the tree `new` with those of the parents, all at `path`, which is empty or ends with `/`.
    pub(crate) fn trees(&mut self, path: &BStr, new: Option<ObjectId>, parents: &[Option<ObjectId>]) {
        // No recursion: a tree can be nested deeper than a thread's stack can follow.
        let mut open = vec![Directory { path: path.to_owned(), new, parents: parents.to_vec(), depth: 0 }];
        while let Some(directory) = open.pop() {
            self.directory(&directory, &mut open);
        }
    }

    fn directory(&mut self, directory: &Directory, open: &mut Vec<Directory>) {
        let Directory { path, new, parents, depth } = directory;
        // Equal to one parent: nothing is new against all. Gone, and a parent did not have it: no deletion.
        let same = new.is_some() && parents.contains(new);
        let never = new.is_none() && (parents.is_empty() || parents.contains(&None));
        if same || never || self.is_over_limit(path.as_ref(), *depth) {
            return;
        }
        let mut names: Vec<BString> = Vec::new();
        let mut sides = Vec::with_capacity(parents.len() + 1);
        for id in std::iter::once(new).chain(parents) {
            let entries = id.map(|id| self.read_tree(&id, path.as_ref())).unwrap_or_default();
            names.extend(entries.iter().map(|entry| entry.name.clone()));
            let side: HashMap<BString, (EntryKind, ObjectId)> =
                entries.into_iter().map(|entry| (entry.name, (entry.kind, entry.id))).collect();
            sides.push(side);
        }
        names.sort();
        names.dedup();
        for name in names {
            let mut full = path.clone();
            full.extend_from_slice(&name);
            let at = |wanted: EntryKind| {
                let pick = |side: &HashMap<BString, (EntryKind, ObjectId)>| {
                    side.get(&name).filter(|(kind, _)| *kind == wanted).map(|(_, id)| *id)
                };
                (pick(&sides[0]), sides[1..].iter().map(pick).collect::<Vec<_>>())
            };
            let (new, before) = at(EntryKind::Blob);
            self.blob(&full, new, &before);
            let (new, before) = at(EntryKind::Gitlink);
            if new.is_some() && !before.contains(&new) {
                self.changes.submodules.push(full.clone());
            }
            let (new, parents) = at(EntryKind::Tree);
            if new.is_some() || parents.iter().any(Option::is_some) {
                full.push(b'/');
                open.push(Directory { path: full, new, parents, depth: depth + 1 });
            }
        }
    }

    /// What was found, in the order of paths.
    pub(crate) fn finish(mut self) -> Changes {
        self.changes.additions.sort_by(|a, b| a.path.cmp(&b.path));
        self.changes.deletions.sort_by(|a, b| a.path.cmp(&b.path));
        self.changes
    }

    /// Compares what is at one path, as far as it is a blob.
    pub(crate) fn blob(&mut self, path: &BString, new: Option<ObjectId>, before: &[Option<ObjectId>]) {
        self.paths += 1;
        let once = || {
            let mut ids: Vec<ObjectId> = before.iter().flatten().copied().collect();
            ids.sort();
            ids.dedup();
            ids
        };
        match new {
            Some(blob) if !before.contains(&new) => {
                self.changes.additions.push(Addition { path: path.clone(), blob, before: once() });
            }
            None if !before.is_empty() && before.iter().all(Option::is_some) => {
                self.changes.deletions.push(Deletion { path: path.clone(), before: once() });
            }
            _ => {}
        }
    }

    /// Counts paths that are compared by others.
    pub(crate) fn count_paths(&mut self, count: usize) {
        self.paths += count;
    }

    /// Whether comparing ends here; then that is named.
    pub(crate) fn is_over_limit(&mut self, path: &BStr, depth: usize) -> bool {
        if depth > MAX_TREE_DEPTH {
            let detail =
                format!("directories are nested more than {MAX_TREE_DEPTH} deep; what is below was not compared");
            self.coverage.gap(GapKind::Unsupported, path.to_string(), detail);
            return true;
        }
        if self.paths > MAX_PATHS {
            let detail = format!("the change has more than {MAX_PATHS} paths; this directory was not compared");
            self.coverage.gap(GapKind::Unsupported, path.to_string(), detail);
            return true;
        }
        false
    }
}

/// What scanning a blob gave, as far as it is kept.
#[derive(Debug, Clone)]
enum Seen {
    /// No match.
    Clean,
    /// Matches, whatever the path.
    Matches(Arc<Inspection>),
    /// It was not read; the gap is named already.
    Unread,
}

/// Blobs that were scanned, each once.
pub(crate) struct Introductions<'a, 'r> {
    reader: &'a ObjectReader<'r>,
    inspector: &'a Inspector,
    scratch: Scratch,
    seen: HashMap<ObjectId, Seen>,
}

impl<'a, 'r> Introductions<'a, 'r> {
    pub(crate) fn new(reader: &'a ObjectReader<'r>, inspector: &'a Inspector) -> Self {
        Self { reader, inspector, scratch: inspector.scanner.scratch(), seen: HashMap::new() }
    }

    /// Scans all content that the `changes` add, each blob once, on all threads, and counts it. What is added only
    /// where the path excuses everything is left out.
    pub(crate) fn scan<'c>(
        &mut self,
        changes: impl Iterator<Item = &'c Changes>,
        coverage: &mut Coverage,
        progress: &Progress,
    ) {
        let mut blobs: Vec<(ObjectId, &BString)> = Vec::new();
        let mut known: HashSet<ObjectId> = HashSet::new();
        let mut excused: Vec<(ObjectId, &BString)> = Vec::new();
        for change in changes {
            for addition in &change.additions {
                if self.inspector.scanner.excuses_path(addition.path.as_ref()) {
                    excused.push((addition.blob, &addition.path));
                } else if known.insert(addition.blob) {
                    blobs.push((addition.blob, &addition.path));
                }
            }
            for path in &change.submodules {
                coverage.skip(SkipReason::NestedRepository, path.to_string(), 0);
            }
        }
        progress.begin("scanning", blobs.len() as u64);
        let (reader, inspector) = (self.reader, self.inspector);
        let scan = |scratch: &mut Scratch, (id, path): &(ObjectId, &BString)| {
            let result = reader.read(id, Kind::Blob).map(|data| (data.len() as u64, inspector.inspect(scratch, &data)));
            progress.advance(1);
            (*id, (*path).clone(), result)
        };
        // Waking a pool of threads costs more than scanning a handful of small files.
        let results: Vec<_> = if blobs.len() < 8 {
            blobs.iter().map(|blob| scan(&mut self.scratch, blob)).collect()
        } else {
            blobs.par_iter().map_init(|| inspector.scanner.scratch(), |scratch, blob| scan(scratch, blob)).collect()
        };
        coverage.blobs += blobs.len() as u64;
        for (id, path) in excused {
            if known.insert(id) {
                coverage.blobs += 1;
                coverage.skip(SkipReason::AllowlistedPath, path.to_string(), 0);
            }
        }
        for (id, path, result) in results {
            let seen = match result {
                Ok((bytes, inspection)) => {
                    if !inspection.is_left_out() {
                        coverage.blobs_scanned += 1;
                        coverage.blob_bytes_scanned += bytes;
                    }
                    inspection.count(&path.to_string(), coverage);
                    keep(inspection)
                }
                Err(why) => {
                    reader.gap(coverage, &id, &path.to_string(), &why);
                    Seen::Unread
                }
            };
            self.seen.insert(id, seen);
        }
    }

    /// What `changes`, scanned before, introduce; `commit` is the hexadecimal id that allowlists may name.
    pub(crate) fn of(&mut self, changes: &Changes, commit: &str, coverage: &mut Coverage) -> Vec<(BString, Located)> {
        let mut introduced = Vec::new();
        for addition in &changes.additions {
            let judged = self.judged(&addition.blob, addition.path.as_ref(), commit, coverage);
            let mut found = judged.count(coverage);
            if found.is_empty() {
                continue;
            }
            for id in &addition.before {
                // Judged without a commit: what an allowlist excuses in the parent alone was there all the same.
                let before = self.fingerprints(id, addition.path.as_ref(), coverage);
                found.retain(|(_, found)| !before.contains(&found.fingerprint));
            }
            if !found.is_empty() {
                introduced.push((addition, found));
            }
        }
        if !introduced.is_empty() && !changes.deletions.is_empty() {
            self.drop_moved(&mut introduced, &changes.deletions, coverage);
        }
        introduced
            .into_iter()
            .flat_map(|(addition, found)| found.into_iter().map(|located| (addition.path.clone(), located)))
            .collect()
    }

    /// Takes out what stood in a path that the change deletes: for each such path and secret, one new place.
    fn drop_moved(
        &mut self,
        introduced: &mut [(&Addition, Vec<Located>)],
        deletions: &[Deletion],
        coverage: &mut Coverage,
    ) {
        let mut moved: HashMap<Name, usize> = HashMap::new();
        let mut gone: HashSet<ObjectId> = HashSet::new();
        for deletion in deletions {
            let mut names = HashSet::new();
            for id in &deletion.before {
                gone.insert(*id);
                for (_, found) in self.findings(id, deletion.path.as_ref(), "", coverage) {
                    names.insert(self.name(&found));
                }
            }
            for name in names {
                *moved.entry(name).or_default() += 1;
            }
        }
        // Content that is just as it was has moved before content that was edited.
        let mut order: Vec<usize> = (0..introduced.len()).collect();
        order.sort_by_key(|&at| !gone.contains(&introduced[at].0.blob));
        for at in order {
            let found = &mut introduced[at].1;
            let names: HashSet<Name> = found.iter().map(|(_, found)| self.name(found)).collect();
            for name in names {
                if let Some(left) = moved.get_mut(&name).filter(|left| **left > 0) {
                    *left -= 1;
                    found.retain(|(_, found)| self.name(found) != name);
                }
            }
        }
    }

    /// The names of what the blob at `path` in the tree `root` has.
    pub(crate) fn fingerprints_in(
        &mut self,
        root: &ObjectId,
        path: &BStr,
        coverage: &mut Coverage,
    ) -> HashSet<Fingerprint> {
        match self.reader.blob_at(root, path) {
            Ok(Some(id)) => self.fingerprints(&id, path, coverage),
            Ok(None) => HashSet::new(),
            Err(why) => {
                self.reader.gap(coverage, root, &format!("the way to {path} in HEAD"), &why);
                HashSet::new()
            }
        }
    }

    /// The names of what a blob has at a path, whatever the commit.
    pub(crate) fn fingerprints(&mut self, id: &ObjectId, path: &BStr, coverage: &mut Coverage) -> HashSet<Fingerprint> {
        self.findings(id, path, "", coverage).into_iter().map(|(_, found)| found.fingerprint).collect()
    }

    fn findings(&mut self, id: &ObjectId, path: &BStr, commit: &str, coverage: &mut Coverage) -> Vec<Located> {
        self.judged(id, path, commit, coverage).found
    }

    fn judged(&mut self, id: &ObjectId, path: &BStr, commit: &str, coverage: &mut Coverage) -> Judged {
        if self.inspector.scanner.excuses_path(path) {
            return Judged::default();
        }
        let seen = match self.seen.get(id) {
            Some(seen) => seen.clone(),
            None => {
                let seen = match self.reader.read(id, Kind::Blob) {
                    Ok(data) => keep(self.inspector.inspect(&mut self.scratch, &data)),
                    Err(why) => {
                        self.reader.gap(coverage, id, &format!("{path} as it was before"), &why);
                        Seen::Unread
                    }
                };
                self.seen.insert(*id, seen.clone());
                seen
            }
        };
        match seen {
            Seen::Matches(inspection) => self.inspector.judge_at(&inspection, path, commit),
            // Rules that look at paths alone need no content.
            Seen::Clean | Seen::Unread if self.inspector.scanner.has_path_rules() => {
                self.inspector.judge_at(&Inspection::default(), path, commit)
            }
            Seen::Clean | Seen::Unread => Judged::default(),
        }
    }

    fn name(&self, found: &Match) -> Name {
        // The secret of a rule that looks at paths alone is the path, which a rename changes.
        if self.inspector.scanner.rule(found).regex.is_none() {
            Name::Path(found.rule)
        } else {
            Name::Secret(found.fingerprint)
        }
    }
}

/// What stays the same when content moves to another path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Name {
    Secret(Fingerprint),
    /// A rule that looks at paths alone.
    Path(usize),
}

fn keep(inspection: Inspection) -> Seen {
    if inspection.has_matches() { Seen::Matches(Arc::new(inspection)) } else { Seen::Clean }
}
