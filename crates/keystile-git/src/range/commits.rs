//! Which commits a range has.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::cut;
use crate::coverage::Coverage;
use crate::error::Error;
use crate::object::ObjectId;
use crate::reader::{ObjectReader, Unread};

/// The commits reachable from a head and not from a base.
#[derive(Debug)]
pub(super) struct Range {
    /// Parents before children, as far as dates say.
    pub(super) commits: Vec<RangeCommit>,
    pub(super) head_tree: ObjectId,
}

/// A commit in the range.
#[derive(Debug)]
pub(super) struct RangeCommit {
    pub(super) id: ObjectId,
    pub(super) tree: ObjectId,
    /// The trees it is compared with.
    pub(super) parent_trees: Vec<ObjectId>,
    pub(super) data: Vec<u8>,
}

/// What is known of a commit on the way.
struct Known {
    tree: ObjectId,
    parents: Vec<ObjectId>,
    /// Reachable from the base.
    excluded: bool,
    /// Empty where it is excluded: only its tree is asked for.
    data: Vec<u8>,
}

/// Dates can be wrong, and then a commit that is older by its date is a descendant. git looks five
/// commits further (`SLOP` in `revision.c`); looking further costs little and leaves less to luck.
const SLOP: u32 = 64;

impl Range {
    pub(super) fn find(
        reader: &ObjectReader<'_>,
        base: ObjectId,
        head: ObjectId,
        coverage: &mut Coverage,
    ) -> Result<Self, Error> {
        let mut walk = Walk { reader, known: HashMap::new(), queue: BinaryHeap::new(), unread: HashMap::new() };
        walk.meet(base, true);
        walk.meet(head, false);
        let order = walk.run();
        let Walk { known, unread, .. } = walk;
        let unreadable = |what: &str| Error::Usage(format!("{what} of the range can't be read; see `git fsck`"));
        let head_tree = known.get(&head).ok_or_else(|| unreadable("the head"))?.tree;
        let base_tree = known.get(&base).ok_or_else(|| unreadable("the base"))?.tree;
        let mut commits = Vec::new();
        for id in order.into_iter().rev() {
            let Some(commit) = known.get(&id).filter(|commit| !commit.excluded) else { continue };
            let mut parent_trees = Vec::with_capacity(commit.parents.len());
            let mut is_cut = false;
            for parent in &commit.parents {
                if let Some(parent) = known.get(parent) {
                    parent_trees.push(parent.tree);
                    continue;
                }
                is_cut = true;
                if let Some(why @ Unread::Corrupt(_)) = unread.get(parent) {
                    reader.gap(coverage, parent, &format!("a parent of {id}"), why);
                }
            }
            if is_cut {
                cut(reader.repository(), &id, coverage);
                // What the base has was not introduced here; without this, all of it would seem to be.
                parent_trees.push(base_tree);
            }
            commits.push(RangeCommit { id, tree: commit.tree, parent_trees, data: commit.data.clone() });
        }
        Ok(Self { commits, head_tree })
    }
}

struct Walk<'a, 'r> {
    reader: &'a ObjectReader<'r>,
    known: HashMap<ObjectId, Known>,
    /// By date, newest first; commits that are met at the same second in the order of meeting.
    queue: BinaryHeap<(i64, Reverse<usize>, ObjectId)>,
    unread: HashMap<ObjectId, Unread>,
}

impl Walk<'_, '_> {
    /// A commit is reached, from the base if it is `excluded`.
    ///
    /// A shallow clone's file says where history ends, and yet a commit behind that line can be there,
    /// fetched another way; so what decides is whether the object is there.
    fn meet(&mut self, id: ObjectId, excluded: bool) {
        if self.known.contains_key(&id) {
            if excluded {
                self.exclude(id);
            }
            return;
        }
        if self.unread.contains_key(&id) {
            return;
        }
        match self.reader.commit(&id) {
            Ok(commit) => {
                self.queue.push((commit.seconds, Reverse(self.known.len()), id));
                let data = if excluded { Vec::new() } else { commit.data };
                self.known.insert(id, Known { tree: commit.tree, parents: commit.parents, excluded, data });
            }
            Err(why) => {
                self.unread.insert(id, why);
            }
        }
    }

    /// Takes a commit, and everything behind it that was met before, out of the range.
    fn exclude(&mut self, id: ObjectId) {
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            if let Some(known) = self.known.get_mut(&id).filter(|known| !known.excluded) {
                known.excluded = true;
                known.data = Vec::new();
                open.extend_from_slice(&known.parents);
            }
        }
    }

    /// Follows parents, newest first, until all that could matter was met. The answer holds what was not excluded when
    /// it was met; some of it can be by the end.
    fn run(&mut self) -> Vec<ObjectId> {
        let mut order = Vec::new();
        let mut oldest = i64::MAX;
        let mut slop = SLOP;
        while let Some((seconds, _, id)) = self.queue.pop() {
            let Some(commit) = self.known.get(&id) else { continue };
            let (excluded, parents) = (commit.excluded, commit.parents.clone());
            if !excluded {
                order.push(id);
                oldest = oldest.min(seconds);
            }
            for parent in parents {
                self.meet(parent, excluded);
            }
            if !excluded || self.queue.iter().any(|(_, _, id)| self.known.get(id).is_some_and(|known| !known.excluded))
            {
                slop = SLOP;
            } else if self.queue.peek().is_some_and(|(seconds, ..)| *seconds >= oldest) {
                // It may still lead to a commit that was taken for one of the range.
                slop = SLOP;
            } else {
                slop -= 1;
                if slop == 0 {
                    break;
                }
            }
        }
        order
    }
}

/// How many commits lie on the shortest way from `head` to where a shallow clone ends, both ends counted: the depth it was made with.
pub(super) fn depth(reader: &ObjectReader<'_>, head: ObjectId) -> Option<usize> {
    let mut seen = HashSet::new();
    let mut level = vec![head];
    let mut depth = 0;
    while !level.is_empty() {
        depth += 1;
        let mut next = Vec::new();
        for id in level {
            if reader.repository().shallow().contains(&id) {
                return Some(depth);
            }
            if seen.insert(id)
                && let Ok(commit) = reader.commit(&id)
            {
                next.extend(commit.parents);
            }
        }
        level = next;
    }
    None
}
