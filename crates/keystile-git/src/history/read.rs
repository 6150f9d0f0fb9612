//! The walk over all objects: blobs are scanned, commits, trees and tags go into the graph.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::HistoryOptions;
use crate::graph::{self, Builder, Graph, KeptTree, Node};
use crate::object::Kind;
use crate::store::ObjectStore;
use crate::walk::{Object, Visitor, WalkOptions, WalkOutcome, walk};
use crate::{Inspection, Inspector, Progress};

/// What the scan gave.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Blobs with a match (be it one that a comment excuses), with entries of an archive, or with something left out.
    pub(super) blobs: HashMap<Node, Arc<Inspection>>,
    /// Commits and tags with a match (be it one that a comment excuses) in their message.
    pub(super) messages: HashMap<Node, Arc<Inspection>>,
    /// Rules that could not be compiled when they were needed.
    pub(super) failed_rules: BTreeSet<usize>,
}

/// Reads and scans everything in `store`.
pub(super) fn read(
    store: &ObjectStore,
    inspector: &Inspector,
    options: &HistoryOptions,
    progress: &Progress,
) -> (Graph, Contents, WalkOutcome) {
    let builder = Builder::new(store);
    let reader = Reader { builder: &builder, inspector, options, contents: Mutex::default() };
    let walk_options = WalkOptions { threads: options.threads, check: options.check, ..WalkOptions::default() };
    let outcome = walk(store, &reader, &walk_options, progress);
    let contents = reader.contents.into_inner().unwrap_or_else(PoisonError::into_inner);
    (builder.finish(), contents, outcome)
}

struct Reader<'a> {
    builder: &'a Builder<'a>,
    inspector: &'a Inspector,
    options: &'a HistoryOptions,
    contents: Mutex<Contents>,
}

struct Scratch<'a> {
    graph: graph::Scratch<'a>,
    scan: keystile_scan::Scratch,
}

/// What is kept of an object that others are made from.
enum Kept {
    Blob(Arc<Inspection>),
    Tree(KeptTree),
    Nothing,
}

impl Reader<'_> {
    fn note(&self, note: impl FnOnce(&mut Contents)) {
        note(&mut self.contents.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether findings or the coverage need more of an inspection than that it was made.
    fn is_noted(&self, inspection: &Inspection) -> bool {
        let failed = inspection.scan.failed_rules.iter().chain(&inspection.entries_failed_rules);
        if failed.clone().next().is_some() {
            // Not by content: a rule that can't be compiled fails in every version of a file.
            self.note(|contents| contents.failed_rules.extend(failed));
        }
        inspection.has_matches()
            || !inspection.skipped.is_empty()
            || inspection.entries_scanned > 0
            || inspection.allowed_inline() > 0
    }

    fn blob(&self, scratch: &mut Scratch<'_>, object: &Object<'_, Kept>, is_base: bool) -> Kept {
        self.builder.blob(object.index, object.data.len() as u64);
        let inspection = match &object.base {
            Some(base) if self.options.delta => match base.kept {
                Some(Kept::Blob(inspected)) => {
                    self.inspector.inspect_delta(&mut scratch.scan, object.data, inspected, base.ops)
                }
                _ => self.inspector.inspect(&mut scratch.scan, object.data),
            },
            _ => self.inspector.inspect(&mut scratch.scan, object.data),
        };
        if self.is_noted(&inspection) {
            let found = Arc::new(inspection.found());
            self.note(|contents| {
                contents.blobs.insert(object.index.0, found);
            });
        }
        if is_base && self.options.delta { Kept::Blob(Arc::new(inspection)) } else { Kept::Nothing }
    }

    fn message(&self, scratch: &mut Scratch<'_>, object: &Object<'_, Kept>) {
        if !self.options.messages {
            return;
        }
        let inspection = self.inspector.inspect(&mut scratch.scan, graph::message(object.data));
        if self.is_noted(&inspection) {
            self.note(|contents| {
                contents.messages.insert(object.index.0, Arc::new(inspection));
            });
        }
    }
}

impl<'a> Visitor for Reader<'a> {
    type Scratch = Scratch<'a>;
    type Kept = Kept;

    fn scratch(&self) -> Scratch<'a> {
        Scratch { graph: self.builder.scratch(), scan: self.inspector.scanner.scratch() }
    }

    fn wants(&self, _: Kind) -> bool {
        true
    }

    fn visit(&self, scratch: &mut Scratch<'a>, object: &Object<'_, Kept>, is_base: bool) -> Kept {
        match object.kind {
            Kind::Blob => return self.blob(scratch, object, is_base),
            Kind::Tree => {
                let base = object.base.as_ref().and_then(|base| match base.kept {
                    Some(Kept::Tree(tree)) => Some((tree, base.ops)),
                    _ => None,
                });
                return scratch.graph.tree(object.index, object.data, base, is_base).map_or(Kept::Nothing, Kept::Tree);
            }
            Kind::Commit => scratch.graph.commit(object.index, object.data),
            Kind::Tag => scratch.graph.tag(object.index, object.data),
        }
        self.message(scratch, object);
        Kept::Nothing
    }
}
