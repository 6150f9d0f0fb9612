//! The numbers of the coverage, against `git rev-list --all --objects`.

use std::collections::BTreeMap;
use std::path::Path;

use keystile_git::{GapKind, SkipReason, SourceReport};

use crate::scanning::scan;
use crate::support::{Fixture, git, token};

/// Commits, trees, blobs and tags, as git lists them.
fn listed(path: &Path) -> [u64; 4] {
    // Replacements are not followed, see the documentation of `history`.
    let list = git(path, &["--no-replace-objects", "rev-list", "--all", "--objects", "--no-object-names"]);
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for id in list.lines() {
        *counts.entry(git(path, &["--no-replace-objects", "cat-file", "-t", id])).or_default() += 1;
    }
    ["commit", "tree", "blob", "tag"].map(|kind| counts.get(kind).copied().unwrap_or(0))
}

fn counted(report: &SourceReport) -> [u64; 4] {
    let coverage = &report.coverage;
    [coverage.commits, coverage.trees, coverage.blobs, coverage.tags]
}

/// Checks the counts in loose objects, and again when everything is packed.
fn check(fixture: &Fixture) {
    for packed in [false, true] {
        if packed {
            fixture.git(&["repack", "-adfq", "--depth=10", "--window=10"]);
        }
        let report = scan(&fixture.path);
        assert_eq!(counted(&report), listed(&fixture.path), "packed: {packed}");
        assert_eq!(report.coverage.blobs_scanned, report.coverage.blobs);
        assert!(report.coverage.is_complete(), "{:?}", report.coverage.gaps);
    }
}

/// Three commits on two branches with a merge.
fn history() -> Fixture {
    let fixture = Fixture::new();
    for name in ["a", "dir/b", "dir/sub/c"] {
        fixture.write(name, format!("{name}\n{}\n", token(1)));
    }
    fixture.commit("one");
    fixture.git(&["switch", "-qc", "side"]);
    fixture.write("dir/b", "side\n");
    fixture.commit("two");
    fixture.git(&["switch", "-q", "main"]);
    fixture.write("a", "main\n");
    fixture.commit("three");
    fixture.git(&["merge", "-q", "--no-ff", "-m", "merge", "side"]);
    fixture
}

#[test]
fn an_empty_repository() {
    let fixture = Fixture::new();
    let report = scan(&fixture.path);
    assert_eq!(counted(&report), [0; 4]);
    assert!(report.coverage.is_complete(), "{:?}", report.coverage.gaps);
}

#[test]
fn branches_and_a_merge() {
    check(&history());
}

#[test]
fn an_empty_commit_and_an_empty_tree() {
    let fixture = Fixture::new();
    fixture.commit("nothing");
    check(&fixture);
}

#[test]
fn a_detached_head_that_no_branch_has() {
    let fixture = history();
    fixture.git(&["switch", "-q", "--detach"]);
    fixture.write("detached", "x");
    fixture.commit("detached");
    check(&fixture);
}

#[test]
fn an_orphan_branch() {
    let fixture = history();
    fixture.git(&["switch", "-q", "--orphan", "other"]);
    fixture.write("other", "x");
    fixture.commit("other");
    check(&fixture);
}

#[test]
fn tags_of_everything() {
    let fixture = history();
    let blob = fixture.git(&["rev-parse", "HEAD:a"]);
    let tree = fixture.git(&["rev-parse", "HEAD:dir"]);
    for (name, target) in [("commit", "HEAD"), ("blob", &*blob), ("tree", &*tree)] {
        fixture.git(&["tag", "-a", "-m", "annotated", name, target]);
        fixture.git(&["tag", &format!("light-{name}"), target]);
    }
    fixture.git(&["tag", "-a", "-m", "of a tag", "outer", "blob"]);
    fixture.write("only-tagged", "only-tagged");
    let only = fixture.git(&["hash-object", "-w", "only-tagged"]);
    fixture.git(&["tag", "-a", "-m", "annotated", "only", &only]);
    check(&fixture);
}

#[test]
fn notes_and_replacements() {
    let fixture = history();
    fixture.git(&["notes", "add", "-m", "a note", "HEAD"]);
    fixture.git(&["replace", "HEAD:a", "HEAD:dir/b"]);
    fixture.git(&["replace", "--graft", "HEAD"]);
    check(&fixture);
}

#[test]
fn another_work_tree() {
    let fixture = history();
    let other = fixture.outside().join("other");
    fixture.git(&["worktree", "add", "-q", "--detach", other.to_str().unwrap()]);
    std::fs::write(other.join("elsewhere"), "x").unwrap();
    git(&other, &["add", "-A"]);
    git(&other, &["commit", "-q", "-m", "elsewhere"]);
    check(&fixture);
}

#[test]
fn older_stash_entries_are_beyond_what_all_means() {
    let fixture = history();
    for name in ["first", "second", "third"] {
        fixture.write("a", format!("{name} {}", token(7)));
        fixture.git(&["stash", "push", "-q", "-m", name]);
    }
    let report = scan(&fixture.path);
    let listed = listed(&fixture.path);
    // The index of all three is the same commit, here where the time stands still.
    assert_eq!(counted(&report), [listed[0] + 2, listed[1] + 2, listed[2] + 2, listed[3]]);
    assert_eq!(
        report.coverage.notes,
        ["older stash entries add 2 commits, 2 trees and 2 blobs to what `git rev-list --all --objects` lists"]
    );
    let stashed =
        report.occurrences.iter().filter(|occurrence| occurrence.found.secret.reveal() == token(7).as_bytes());
    assert_eq!(stashed.count(), 3);
}

#[test]
fn what_nothing_leads_to_is_not_counted() {
    let fixture = history();
    fixture.git(&["switch", "-qc", "gone"]);
    fixture.write("gone/file", "gone");
    fixture.commit("gone");
    fixture.git(&["switch", "-q", "main"]);
    fixture.git(&["branch", "-qD", "gone"]);
    let report = scan(&fixture.path);
    assert_eq!(counted(&report), listed(&fixture.path));
    // Reflogs keep it in the pack.
    fixture.git(&["repack", "-adfq", "--depth=10", "--window=10"]);
    let report = scan(&fixture.path);
    assert_eq!(counted(&report), listed(&fixture.path));
}

#[test]
fn submodules_are_named_and_are_no_gap() {
    let fixture = history();
    let commit = "1234567890123456789012345678901234567890";
    fixture.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},vendor/sub")]);
    fixture.git(&["commit", "-q", "-m", "submodule"]);
    let report = scan(&fixture.path);
    assert_eq!(counted(&report), listed(&fixture.path));
    assert!(report.coverage.is_complete(), "{:?}", report.coverage.gaps);
    let skipped = &report.coverage.skipped[&SkipReason::NestedRepository];
    assert_eq!((skipped.count, &skipped.examples[..]), (1, &["vendor/sub".to_owned()][..]));
}

#[test]
fn sha256_repositories() {
    let fixture = Fixture::with_args(&["--object-format=sha256"]);
    fixture.write("dir/a", token(1));
    fixture.commit("one");
    fixture.write("dir/b", token(2));
    fixture.commit("two");
    check(&fixture);
    assert_eq!(scan(&fixture.path).occurrences.len(), 2);
}

#[test]
fn a_reference_to_nothing_is_a_gap() {
    let fixture = history();
    let missing = "1234567890123456789012345678901234567890";
    std::fs::write(fixture.path.join(".git/refs/heads/broken"), format!("{missing}\n")).unwrap();
    let report = scan(&fixture.path);
    let [gap] = &report.coverage.gaps[..] else { panic!("{:?}", report.coverage.gaps) };
    assert_eq!((gap.kind, gap.what.as_str()), (GapKind::BrokenReference, "refs/heads/broken"));
    assert_eq!(report.coverage.commits, 4);
}
