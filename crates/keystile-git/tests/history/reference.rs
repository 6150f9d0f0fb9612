//! The same answers, got in the slowest and plainest way: git is asked for the full tree of each commit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bstr::{BString, ByteSlice as _};
use keystile_git::SourceReport;
use keystile_scan::OccurrencePlace;

use crate::support::git;

/// Commit, path, line, secret, whether HEAD has the secret at that path.
pub(crate) type Introduced = BTreeSet<(String, BString, u32, BString, bool)>;

/// What the scan found, in the form of [`introduced`].
pub(crate) fn found(report: &SourceReport) -> Introduced {
    let places = report.occurrences.iter().map(|occurrence| {
        let OccurrencePlace::Commit(commit) = &occurrence.place else { panic!("{:?}", occurrence.place) };
        let secret = occurrence.found.secret.reveal().into();
        let in_head = occurrence.in_head.expect("there is a HEAD");
        (commit.id.clone(), occurrence.path.clone(), occurrence.found.start.line, secret, in_head)
    });
    let all: Introduced = places.collect();
    assert_eq!(all.len(), report.occurrences.len(), "each place once");
    all
}

/// Secrets by path: line and value.
type Tree = BTreeMap<BString, Vec<(u32, BString)>>;

/// What each commit that a reference leads to has that none of its parents has at the same path.
pub(crate) fn introduced(path: &Path) -> Introduced {
    let mut blobs = BTreeMap::new();
    let mut all = Introduced::new();
    let mut tree = |commit: &str| tree(path, commit, &mut blobs);
    let head = tree("HEAD");
    for line in git(path, &["rev-list", "--all", "--parents"]).lines() {
        let ids: Vec<&str> = line.split(' ').collect();
        let parents: Vec<Tree> = ids[1..].iter().map(|parent| tree(parent)).collect();
        for (path, secrets) in tree(ids[0]) {
            for (line, secret) in secrets {
                let has = |tree: &Tree| {
                    tree.get(&path).is_some_and(|secrets| secrets.iter().any(|(_, other)| *other == secret))
                };
                if !parents.iter().any(has) {
                    all.insert((ids[0].to_owned(), path.clone(), line, secret.clone(), has(&head)));
                }
            }
        }
    }
    all
}

fn tree(path: &Path, commit: &str, blobs: &mut BTreeMap<String, Vec<(u32, BString)>>) -> Tree {
    let listing = git(path, &["ls-tree", "-r", "-z", commit]);
    let mut tree = Tree::new();
    for entry in listing.split('\0').filter(|entry| !entry.is_empty()) {
        let (what, name) = entry.split_once('\t').expect("MODE TYPE ID\\tPATH");
        let id = what.split(' ').nth(2).expect("an id").to_owned();
        if what.contains(" blob ") {
            let secrets = blobs.entry(id).or_insert_with_key(|id| secrets(&git(path, &["cat-file", "blob", id])));
            tree.insert(name.into(), secrets.clone());
        }
    }
    tree
}

/// Every `kst_` with sixteen letters.
fn secrets(text: &str) -> Vec<(u32, BString)> {
    let mut all = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for at in line.as_bytes().find_iter(b"kst_") {
            all.push((number as u32 + 1, line.as_bytes()[at..at + 20].into()));
        }
    }
    all
}
