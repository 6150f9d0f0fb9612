//! Matches in the messages of commits and annotated tags.

use std::sync::Arc;

use bstr::BStr;
use keystile_scan::{Occurrence, OccurrencePlace};

use super::History;
use crate::coverage::Coverage;
use crate::graph::{self, Node};
use crate::object::ObjectIndex;

/// Counts the messages in scope and adds what was found in them.
pub(super) fn find(history: &History<'_>, coverage: &mut Coverage, occurrences: &mut Vec<Occurrence>) {
    let History { store, graph, contents, inspector, .. } = *history;
    let commits = graph.commits().map(|commit| commit.node);
    coverage.messages_scanned = commits.chain(graph.tags()).filter(|&node| history.covers(node)).count() as u64;
    let mut nodes: Vec<Node> = contents.messages.keys().copied().filter(|&node| history.covers(node)).collect();
    nodes.sort_unstable_by_key(|&node| (graph.commit(node).map(|commit| commit.seconds), node));
    for node in nodes {
        let id = store.id(ObjectIndex(node));
        contents.messages[&node].count(&id.to_string(), coverage);
        let is_commit = graph.commit(node).is_some();
        let commit = if is_commit { id.to_string() } else { String::new() };
        let found = inspector.judge_at(&contents.messages[&node], BStr::new(""), &commit).count(coverage);
        if found.is_empty() {
            continue;
        }
        // It was read a moment ago; if it can't be now, the place is still named by its id.
        let data = store.read(&id).ok().flatten().map(|(_, data)| data).unwrap_or_default();
        let place = if !history.reach.contains(node) {
            OccurrencePlace::Unreachable(id.to_string())
        } else if is_commit {
            OccurrencePlace::CommitMessage(Arc::new(graph::commit_info(&id, &data)))
        } else {
            OccurrencePlace::TagMessage(graph::tag_name(&data).unwrap_or(BStr::new("")).to_owned())
        };
        occurrences.extend(found.into_iter().map(|(path, found)| Occurrence {
            place: place.clone(),
            path,
            symlink: None,
            found,
            in_head: None,
        }));
    }
}
