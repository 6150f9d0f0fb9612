//! Damaged repositories: everything readable is scanned, everything else is named.

use std::fs;
use std::path::PathBuf;

use keystile_git::history::HistoryOptions;
use keystile_git::{GapKind, SourceReport};

use crate::scanning::{scan, scan_with, token_rules};
use crate::support::{Fixture, token};

/// Two commits; the second adds `dir/two` beside `one`. All objects are loose.
fn two() -> Fixture {
    let fixture = Fixture::new();
    fixture.write("one", format!("{}\n", token(1)));
    fixture.commit("one");
    fixture.write("dir/two", format!("{}\n", token(2)));
    fixture.commit("two");
    fixture
}

fn loose(fixture: &Fixture, revision: &str) -> (String, PathBuf) {
    let id = fixture.git(&["rev-parse", revision]);
    let path = fixture.path.join(".git/objects").join(&id[..2]).join(&id[2..]);
    (id, path)
}

fn remove(fixture: &Fixture, revision: &str) -> String {
    let (id, path) = loose(fixture, revision);
    fs::remove_file(path).expect("the object is loose");
    id
}

fn corrupt(fixture: &Fixture, revision: &str) -> String {
    let (id, path) = loose(fixture, revision);
    let mut bytes = fs::read(&path).expect("the object is loose");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    // git writes objects read-only.
    fs::remove_file(&path).expect("the object is loose");
    fs::write(path, bytes).expect("a file");
    id
}

fn gap(report: &SourceReport) -> (GapKind, &str, &str) {
    let [gap] = &report.coverage.gaps[..] else { panic!("one gap, not {:?}", report.coverage.gaps) };
    (gap.kind, &gap.what, &gap.detail)
}

fn paths(report: &SourceReport) -> Vec<String> {
    let mut paths: Vec<_> = report.occurrences.iter().map(|occurrence| occurrence.path.to_string()).collect();
    paths.sort();
    paths
}

#[test]
fn a_missing_blob() {
    let fixture = two();
    let id = remove(&fixture, "HEAD:dir/two");
    let report = scan(&fixture.path);
    assert_eq!(
        gap(&report),
        (GapKind::MissingObject, &*id, "dir/two: is not in the repository; another clone may have it")
    );
    assert_eq!(paths(&report), ["one"]);
    assert_eq!((report.coverage.blobs, report.coverage.blobs_scanned), (2, 1));
}

#[test]
fn a_missing_tree() {
    let fixture = two();
    let id = remove(&fixture, "HEAD:dir");
    let report = scan(&fixture.path);
    assert_eq!(
        gap(&report),
        (GapKind::MissingObject, &*id, "dir: is not in the repository; another clone may have it")
    );
    assert_eq!(paths(&report), ["one"]);
    assert_eq!((report.coverage.trees, report.coverage.blobs), (3, 1));
}

#[test]
fn a_missing_top_tree() {
    let fixture = two();
    let head = fixture.git(&["rev-parse", "HEAD"]);
    let id = remove(&fixture, "HEAD^{tree}");
    let report = scan(&fixture.path);
    let detail = format!("the top tree of commit {head}: is not in the repository; another clone may have it");
    assert_eq!(gap(&report), (GapKind::MissingObject, &*id, &*detail));
    assert_eq!(paths(&report), ["one"]);
}

#[test]
fn a_missing_parent() {
    let fixture = two();
    let head = fixture.git(&["rev-parse", "HEAD"]);
    let id = remove(&fixture, "HEAD~1");
    let report = scan(&fixture.path);
    let detail = format!("a parent of commit {head}: is not in the repository; another clone may have it");
    assert_eq!(gap(&report), (GapKind::MissingObject, &*id, &*detail));
    assert_eq!(paths(&report), ["dir/two", "one"]);
}

#[test]
fn corrupt_objects_of_every_kind() {
    for (revision, use_, found) in [
        ("HEAD:dir/two", "dir/two: ", &["one"][..]),
        ("HEAD:dir", "dir: ", &["one"]),
        ("HEAD~1", "a parent of commit ", &["dir/two", "one"]),
        ("HEAD", "what refs/heads/main leads to: ", &[]),
    ] {
        let fixture = two();
        let id = corrupt(&fixture, revision);
        let report = scan(&fixture.path);
        let (kind, what, detail) = gap(&report);
        assert_eq!((kind, what), (GapKind::CorruptObject, &*id), "{revision}");
        assert!(detail.starts_with(use_), "{revision}: {detail}");
        assert_eq!(paths(&report), found, "{revision}");
    }
}

#[test]
fn a_corrupt_object_that_nothing_leads_to_matters_only_when_it_is_asked_for() {
    let fixture = two();
    fixture.write("dangling", "dangling content");
    let id = fixture.git(&["hash-object", "-w", "dangling"]);
    corrupt(&fixture, &id);
    assert!(scan(&fixture.path).coverage.is_complete());
    let options = HistoryOptions { unreachable: true, ..HistoryOptions::default() };
    let report = scan_with(&fixture.path, token_rules(), &options);
    assert_eq!((gap(&report).0, gap(&report).1), (GapKind::CorruptObject, &*id));
}

#[test]
fn a_tag_of_something_missing() {
    let fixture = two();
    fixture.write("tagged", "tagged");
    let id = fixture.git(&["hash-object", "-w", "tagged"]);
    fixture.git(&["tag", "-a", "-m", "tagged", "v1", &id]);
    remove(&fixture, "v1^{}");
    let tag = fixture.git(&["rev-parse", "v1"]);
    let report = scan(&fixture.path);
    let detail = format!("what tag {tag} leads to: is not in the repository; another clone may have it");
    assert_eq!(gap(&report), (GapKind::MissingObject, &*id, &*detail));
    assert_eq!((report.coverage.blobs, report.coverage.blobs_scanned, report.coverage.tags), (3, 2, 1));
}

#[test]
fn a_missing_alternate_is_one_gap() {
    let fixture = two();
    let missing = fixture.outside().join("gone");
    fixture.write(".git/objects/info/alternates", format!("{}\n", missing.display()));
    let report = scan(&fixture.path);
    let (kind, what, _) = gap(&report);
    assert_eq!((kind, what), (GapKind::MissingAlternate, &*missing.display().to_string()));
    assert_eq!(paths(&report), ["dir/two", "one"]);
}
