//! Where a history begins: everything that `git rev-list --all` starts from, and the older stash entries.

use crate::coverage::{Coverage, GapKind};
use crate::graph::Node;
use crate::object::ObjectId;
use crate::repository::{Head, References};
use crate::store::ObjectStore;

/// Starting points, as objects.
#[derive(Debug, Default)]
pub(super) struct Roots {
    /// References, replacements, and the HEADs of all work trees: what `git rev-list --all` starts from.
    pub(super) references: Vec<Root>,
    /// Stash entries, the newest included.
    pub(super) stash: Vec<Root>,
}

/// A starting point.
#[derive(Debug, Clone)]
pub(super) struct Root {
    /// What leads there: a reference, `HEAD`, `stash@{2}`.
    pub(super) name: String,
    pub(super) node: Node,
}

/// Looks all starting points up. Those that are not there are gaps.
pub(super) fn find(store: &ObjectStore, references: References, head: &Head, coverage: &mut Coverage) -> Roots {
    coverage.gaps.extend(references.gaps);
    coverage.notes.extend(references.notes);
    let mut look_up = |name: &dyn std::fmt::Display, id: &ObjectId| {
        let name = name.to_string();
        let found = store.lookup(id).map(|index| Root { name: name.clone(), node: index.0 });
        if found.is_none() {
            let detail =
                format!("leads to {id}, which is not in the repository; fetch it again or delete the reference");
            coverage.gap(GapKind::BrokenReference, name, detail);
        }
        found
    };
    let mut roots = Roots::default();
    for reference in references.references.iter().chain(&references.replacements) {
        roots.references.extend(look_up(&reference.name, &reference.target));
    }
    roots.references.extend(head.target().and_then(|id| look_up(&"HEAD", &id)));
    for worktree in &references.worktrees {
        let name = format!("{}/HEAD", worktree.name);
        roots.references.extend(worktree.head.target().and_then(|id| look_up(&name, &id)));
        for reference in &worktree.references {
            roots.references.extend(look_up(&reference.name, &reference.target));
        }
    }
    for entry in &references.stash {
        roots.stash.extend(look_up(&format_args!("stash@{{{}}}", entry.index), &entry.commit));
    }
    for head in std::iter::once(head).chain(references.worktrees.iter().map(|worktree| &worktree.head)) {
        if let Head::Broken(gap) = head {
            coverage.gaps.push(gap.clone());
        }
    }
    roots
}
