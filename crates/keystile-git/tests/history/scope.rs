//! What is in scope beyond the references: messages, unreachable objects; and what is not: the rest of a shallow or
//! partial clone.

use std::collections::BTreeMap;

use keystile_git::history::HistoryOptions;
use keystile_git::{GapKind, SkipReason, SourceReport};

use crate::scanning::{inspector, scan, scan_by, scan_with, shown, token_rules};
use crate::support::{Fixture, git, token};

fn shown_with(report: &SourceReport, names: &[(&str, &str)]) -> Vec<String> {
    let names: BTreeMap<String, &str> = names.iter().map(|&(id, name)| (id.to_owned(), name)).collect();
    shown(report, &names)
}

#[test]
fn messages_are_scanned_when_asked_for() {
    let fixture = Fixture::new();
    let (in_commit, in_tag) = (token(1), token(2));
    let one = fixture.commit(&format!("Subject\n\nlogs in with {in_commit}"));
    fixture.git(&["tag", "-a", "-m", &format!("v1\n\n{in_tag}"), "v1"]);
    let report = scan(&fixture.path);
    assert_eq!((report.occurrences.len(), report.coverage.messages_scanned), (0, 0));

    let options = HistoryOptions { messages: true, ..HistoryOptions::default() };
    let report = scan_with(&fixture.path, token_rules(), &options);
    assert_eq!(report.coverage.messages_scanned, 2);
    let mut found = shown_with(&report, &[(&one, "one")]);
    found.sort();
    assert_eq!(found, [format!("message of one \"\":3 {in_commit}"), format!("tag v1 \"\":3 {in_tag}")]);
}

#[test]
fn unreachable_objects_are_scanned_when_asked_for() {
    let fixture = Fixture::new();
    let (reachable, dangling) = (token(1), token(2));
    fixture.write("a", &reachable);
    let one = fixture.commit("one");
    fixture.write("dangling", format!("x\n{dangling}\n"));
    let id = fixture.git(&["hash-object", "-w", "dangling"]);
    let report = scan(&fixture.path);
    assert_eq!(shown_with(&report, &[(&one, "one")]), [format!("one \"a\":1 {reachable} *")]);

    let options = HistoryOptions { unreachable: true, ..HistoryOptions::default() };
    let report = scan_with(&fixture.path, token_rules(), &options);
    let found = shown_with(&report, &[(&one, "one")]);
    assert_eq!(found, [format!("one \"a\":1 {reachable} *"), format!("unreachable {id} \"\":2 {dangling}")]);
    assert_eq!((report.coverage.blobs, report.coverage.blobs_scanned), (2, 2));
    assert_eq!(report.coverage.notes, ["1 objects that no reference leads to are in scope too"]);
}

#[test]
fn without_a_head_nothing_is_said_about_it() {
    let fixture = Fixture::new();
    fixture.write("a", token(1));
    fixture.commit("one");
    fixture.git(&["symbolic-ref", "HEAD", "refs/heads/unborn"]);
    let report = scan(&fixture.path);
    let in_head: Vec<_> = report.occurrences.iter().map(|occurrence| occurrence.in_head).collect();
    assert_eq!(in_head, [None]);
}

/// Three commits, each with one more secret.
fn three() -> Fixture {
    let fixture = Fixture::new();
    for at in 1..=3 {
        fixture.write(&format!("dir/file{at}"), format!("{}\n", token(at)));
        fixture.commit(&format!("commit {at}"));
    }
    fixture
}

#[test]
fn a_shallow_clone_is_named_and_scanned_as_far_as_it_goes() {
    let origin = three();
    let clone = origin.outside().join("clone");
    let url = format!("file://{}", origin.path.display());
    git(&origin.outside(), &["clone", "-q", "--depth", "2", &url, clone.to_str().unwrap()]);
    let report = scan(&clone);
    assert_eq!((report.coverage.commits, report.coverage.blobs), (2, 3));
    let boundary = origin.git(&["rev-parse", "HEAD~1"]);
    let [gap] = &report.coverage.gaps[..] else { panic!("{:?}", report.coverage.gaps) };
    assert_eq!((gap.kind, &gap.what), (GapKind::ShallowBoundary, &boundary));
    assert!(gap.detail.contains("git fetch --unshallow") && gap.detail.contains("fetch-depth: 0"), "{}", gap.detail);
    let head = origin.git(&["rev-parse", "HEAD"]);
    let mut found = shown_with(&report, &[(&boundary, "boundary"), (&head, "head")]);
    found.sort();
    assert_eq!(
        found,
        [
            format!("boundary \"dir/file1\":1 {} *", token(1)),
            format!("boundary \"dir/file2\":1 {} *", token(2)),
            format!("head \"dir/file3\":1 {} *", token(3)),
        ]
    );
}

#[test]
fn a_partial_clone_names_what_was_never_fetched() {
    let origin = three();
    origin.git(&["config", "uploadpack.allowFilter", "true"]);
    let clone = origin.outside().join("clone");
    let url = format!("file://{}", origin.path.display());
    git(&origin.outside(), &["clone", "-q", "--bare", "--filter=blob:none", &url, clone.to_str().unwrap()]);
    let report = scan(&clone);
    assert_eq!((report.coverage.commits, report.coverage.blobs, report.coverage.blobs_scanned), (3, 3, 0));
    let mut gaps: Vec<_> =
        report.coverage.gaps.iter().map(|gap| (gap.kind, gap.what.clone(), gap.detail.clone())).collect();
    gaps.sort_by(|a, b| a.2.cmp(&b.2));
    let expected: Vec<_> = (1..=3)
        .map(|at| {
            let id = origin.git(&["rev-parse", &format!("HEAD:dir/file{at}")]);
            let detail = format!(
                "dir/file{at}: was never fetched (a partial clone with --filter=blob:none); a clone without --filter has it"
            );
            (GapKind::PromisorObject, id, detail)
        })
        .collect();
    assert_eq!(gaps, expected);
    let missing = git(&clone, &["rev-list", "--all", "--objects", "--missing=print"]);
    assert_eq!(missing.lines().filter(|line| line.starts_with('?')).count(), 3);
}

#[test]
fn what_is_left_out_is_counted_once_and_named_by_its_path() {
    let fixture = Fixture::new();
    fixture.write("dir/large", "x".repeat(2000));
    fixture.write("small", token(1));
    fixture.commit("one");
    fixture.write("dir/same", "x".repeat(2000));
    fixture.commit("two");
    fixture.write("unreachable", "y".repeat(3000));
    fixture.git(&["hash-object", "-w", "unreachable"]);
    let mut inspector = inspector(token_rules());
    inspector.options.max_bytes = Some(1000);
    let report = scan_by(&fixture.path, &inspector, &HistoryOptions::default());
    let coverage = &report.coverage;
    assert_eq!((coverage.blobs, coverage.blobs_scanned, coverage.blob_bytes_scanned), (2, 1, 20));
    assert!(coverage.is_complete(), "left out on purpose: {:?}", coverage.gaps);
    let large = &coverage.skipped[&SkipReason::Size];
    assert_eq!((large.count, large.bytes, &large.examples[..]), (1, 2000, &["dir/large".to_owned()][..]));
}

#[test]
fn what_comments_excuse_is_counted_in_files_and_messages() {
    let fixture = Fixture::new();
    let allow = concat!("keystile", ":allow");
    fixture.write("a", format!("{} {allow}\n", token(1)));
    fixture.commit(&format!("Subject\n\n{} {allow}", token(2)));
    let options = HistoryOptions { messages: true, ..HistoryOptions::default() };
    let report = scan_with(&fixture.path, token_rules(), &options);
    assert_eq!((report.occurrences.len(), report.coverage.allowed_inline), (0, 2));
}
