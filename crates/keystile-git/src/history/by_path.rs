//! What paths alone decide: the findings of rules that look at nothing else, and the blobs that lie only where a
//! global allowlist excuses everything.

use std::collections::{BTreeSet, HashSet};

use bstr::{BStr, ByteSlice as _};
use keystile_scan::Place;

use super::{History, unfolds_too_far};
use crate::coverage::{Coverage, EXAMPLES, SkipReason};
use crate::graph::reach::NodeSet;
use crate::graph::{Node, State, paths};
use crate::object::Kind;

/// What one walk over all paths of a history gives. Without rules and allowlists that look at paths there is none.
#[derive(Debug, Default)]
pub(super) struct ByPath {
    /// The last names of all paths that are findings by themselves.
    pub(super) names: HashSet<u32>,
    /// Blobs in scope that lie only where everything is excused. They were scanned as all others, since the walk over
    /// the objects knows no paths.
    pub(super) left_out: HashSet<Node>,
    /// The first few paths, in their order, where everything is excused.
    examples: BTreeSet<String>,
}

impl ByPath {
    pub(super) fn find(history: &History<'_>, coverage: &mut Coverage) -> Self {
        let scanner = &history.inspector.scanner;
        let (has_rules, has_allowlists) = (scanner.has_path_rules(), scanner.has_path_allowlists());
        let mut found = Self::default();
        if !has_rules && !has_allowlists {
            return found;
        }
        let graph = history.graph;
        let nodes = graph.objects() as usize + graph.missing().len();
        let (mut excused, mut open) = (NodeSet::new(nodes), NodeSet::new(nodes));
        let file = |path: &BStr, name| {
            if has_allowlists && scanner.excuses_path(path) {
                found.examples.insert(path.to_str_lossy().into_owned());
                if found.examples.len() > EXAMPLES {
                    found.examples.pop_last();
                }
                return true;
            }
            if has_rules && !found.names.contains(&name) && !scanner.judge_path(Place { path, commit: "" }).is_empty() {
                found.names.insert(name);
            }
            false
        };
        let is_complete = paths::for_each_path(graph, history.root_trees(), file, |blob, is_excused| {
            if is_excused {
                excused.insert(blob)
            } else {
                open.insert(blob)
            };
        });
        if is_complete {
            found.left_out.extend(excused.iter().filter(|&blob| !open.contains(blob)));
        } else if has_rules {
            // Of what was not seen nothing is excused before it is looked at.
            unfolds_too_far(coverage, "paths");
        }
        found
    }

    /// Counts the blobs that are left out; those that are for another reason too have been. Gives how many were counted
    /// as scanned before, and their bytes.
    pub(super) fn count(&self, history: &History<'_>, coverage: &mut Coverage) -> (u64, u64) {
        let History { graph, contents, .. } = *history;
        let (mut blobs, mut bytes) = (0, 0);
        for &node in &self.left_out {
            let is_left_out = contents.blobs.get(&node).is_some_and(|inspection| inspection.is_left_out());
            if node < graph.objects() && graph.state(node) == State::Read(Kind::Blob) && !is_left_out {
                blobs += 1;
                bytes += graph.blob_size(node);
            }
        }
        coverage.skip_all(SkipReason::AllowlistedPath, blobs, bytes, self.examples.iter().cloned());
        (blobs, bytes)
    }
}
