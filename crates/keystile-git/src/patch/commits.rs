//! Which commits patches are made of.
//!
//! Read by keystile itself, as all objects here: libgit2 never returns from a loose object that is cut off.

use std::cmp::Reverse;
use std::collections::HashSet;

use crate::coverage::{Coverage, GapKind};
use crate::object::{Kind, ObjectId};
use crate::reader::{Commit, ObjectReader, Unread};

/// The parents that git knows of a commit: where a shallow clone ends, none.
pub(super) fn parents(reader: &ObjectReader<'_>, id: &ObjectId, commit: &Commit) -> Vec<ObjectId> {
    if reader.repository().shallow().contains(id) { Vec::new() } else { commit.parents.clone() }
}

/// The commit that a reference leads to; `None` if that is no commit, which is none of `git log`'s business.
pub(super) fn peel(reader: &ObjectReader<'_>, target: ObjectId) -> Result<Option<ObjectId>, (ObjectId, Unread)> {
    let mut at = target;
    // Tags of tags are rare, circles of them impossible; the limit is against forged ones.
    for _ in 0..32 {
        let (kind, data) = reader.read_any(&at).map_err(|why| (at, why))?;
        match kind {
            Kind::Commit => return Ok(Some(at)),
            Kind::Tag => {
                let target = data.strip_prefix(b"object ").and_then(|rest| rest.split(|&byte| byte == b'\n').next());
                at = target
                    .and_then(|hex| ObjectId::from_hex(hex).ok())
                    .ok_or_else(|| (at, Unread::Corrupt("is no tag that can be read".to_owned())))?;
            }
            Kind::Tree | Kind::Blob => return Ok(None),
        }
    }
    Err((target, Unread::Corrupt("is a tag of too many tags".to_owned())))
}

/// The commits that `tips` lead to and `hidden` don't, newest first. One that can't be read is a gap, and the walk goes on
/// wherever else it leads.
pub(super) fn walk(
    reader: &ObjectReader<'_>,
    tips: &[ObjectId],
    hidden: &[ObjectId],
    coverage: &mut Coverage,
) -> Vec<ObjectId> {
    let mut seen = HashSet::new();
    follow(reader, hidden, &mut seen, coverage);
    let mut commits = follow(reader, tips, &mut seen, coverage);
    // Those of the same second as they were met.
    commits.sort_by_key(|&(seconds, _)| Reverse(seconds));
    let commits: Vec<ObjectId> = commits.into_iter().map(|(_, id)| id).collect();
    let boundary = commits.iter().filter(|commit| reader.repository().shallow().contains(commit));
    if let Some(first) = boundary.min() {
        let detail = "history ends at this commit (and maybe at others), since the clone is shallow; \
                      `git fetch --unshallow` gets the rest, in a CI checkout the depth 0";
        coverage.gap(GapKind::ShallowBoundary, first.to_string(), detail);
    }
    commits
}

/// The commits behind `tips` that were not `seen` yet, with their dates.
fn follow(
    reader: &ObjectReader<'_>,
    tips: &[ObjectId],
    seen: &mut HashSet<ObjectId>,
    coverage: &mut Coverage,
) -> Vec<(i64, ObjectId)> {
    let mut commits = Vec::new();
    let mut open = tips.to_vec();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        match reader.commit(&id) {
            Ok(commit) => {
                open.extend(parents(reader, &id, &commit));
                commits.push((commit.seconds, id));
            }
            Err(why) => {
                reader.gap(coverage, &id, "this commit, and those that only it leads to, are not scanned", &why);
            }
        }
    }
    commits
}
