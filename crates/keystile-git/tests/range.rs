//! What ranges introduce, on histories of every shape.

mod support;

use std::fs;
use std::path::Path;

use keystile_git::range::{self, RangeOptions, RangeSpec};
use keystile_git::{Error, GapKind, Progress, Repository, SourceReport};
use support::scanning::{found, inspector, inspector_with};
use support::{Fixture, git, snapshot, token};

fn try_scan(path: &Path, text: &str, messages: bool) -> Result<SourceReport, Error> {
    let repository = Repository::open(path).expect("opens");
    let spec = RangeSpec::parse(text)?;
    range::scan(&repository, &inspector(), &spec, &RangeOptions { messages }, &Progress::default())
}

/// The findings, commits called by their subjects, and the whole report.
fn scan_at(path: &Path, text: &str) -> (Vec<String>, SourceReport) {
    let report = try_scan(path, text, false).unwrap_or_else(|error| panic!("{text}: {error}"));
    (named(path, &report), report)
}

fn scan(fixture: &Fixture, text: &str) -> Vec<String> {
    let (found, report) = scan_at(&fixture.path, text);
    assert_eq!(report.coverage.gaps, [], "{text}");
    let expected = fixture.git(&["rev-list", "--count", &text.replace("...", "..")]);
    assert_eq!(report.coverage.commits.to_string(), expected, "{text}: as many commits as git says");
    found
}

fn named(path: &Path, report: &SourceReport) -> Vec<String> {
    let log = git(path, &["log", "--all", "--format=%H %s"]);
    let mut lines = found(&inspector(), report);
    for line in &mut lines {
        for (id, subject) in log.lines().filter_map(|entry| entry.split_once(' ')) {
            *line = line.replace(id, subject);
        }
    }
    lines.sort();
    lines
}

/// `base` on main; every later commit of a test adds to it.
fn with_base() -> Fixture {
    let fixture = Fixture::new();
    fixture.write("old.txt", format!("{}\n", token(1)));
    fixture.write("a.txt", "a\n");
    fixture.commit("base");
    fixture.git(&["branch", "start"]);
    fixture
}

fn add(fixture: &Fixture, path: &str, seed: u64, subject: &str) {
    fixture.write(path, format!("{}\n", token(seed)));
    fixture.commit(subject);
}

#[test]
fn a_straight_line() {
    let fixture = with_base();
    add(&fixture, "one.txt", 2, "one");
    fixture.write("one.txt", "taken out again\n");
    fixture.commit("two");
    add(&fixture, "three.txt", 3, "three");
    assert_eq!(
        scan(&fixture, "start..HEAD"),
        ["one.txt:1 kst-token commit one", "three.txt:1 kst-token commit three in HEAD"]
    );
    assert_eq!(scan(&fixture, "HEAD~1.."), ["three.txt:1 kst-token commit three in HEAD"]);
    assert_eq!(scan(&fixture, "start...main"), scan(&fixture, "start..main"));
    assert_eq!(
        scan(&fixture, "start..HEAD~2"),
        ["one.txt:1 kst-token commit one in HEAD"],
        "relative to the range's head"
    );
}

#[test]
fn an_empty_range_is_said_to_be_empty() {
    let fixture = with_base();
    let (found, report) = scan_at(&fixture.path, "main..start");
    assert_eq!((found.as_slice(), report.coverage.commits), ([].as_slice(), 0));
    assert!(
        report.coverage.notes[0].starts_with("the range main..start is empty: start ("),
        "{:?}",
        report.coverage.notes
    );
}

#[test]
fn the_base_is_ahead() {
    let fixture = with_base();
    fixture.git(&["checkout", "-q", "-b", "topic"]);
    add(&fixture, "topic.txt", 2, "topic");
    fixture.git(&["checkout", "-q", "main"]);
    add(&fixture, "main.txt", 3, "ahead");
    assert_eq!(scan(&fixture, "main..topic"), ["topic.txt:1 kst-token commit topic in HEAD"]);
    assert_eq!(scan(&fixture, "main...topic"), ["topic.txt:1 kst-token commit topic in HEAD"]);
}

#[test]
fn main_was_merged_into_the_branch() {
    let fixture = with_base();
    fixture.git(&["checkout", "-q", "-b", "topic"]);
    add(&fixture, "topic.txt", 2, "topic");
    fixture.git(&["checkout", "-q", "main"]);
    add(&fixture, "main.txt", 3, "mains own");
    fixture.git(&["checkout", "-q", "topic"]);
    fixture.git(&["merge", "-q", "-m", "merge main", "main"]);
    add(&fixture, "later.txt", 4, "later");
    let expected = ["later.txt:1 kst-token commit later in HEAD", "topic.txt:1 kst-token commit topic in HEAD"];
    assert_eq!(scan(&fixture, "main..topic"), expected);
    // And the base has gone on since.
    fixture.git(&["checkout", "-q", "main"]);
    add(&fixture, "newer.txt", 5, "newer");
    assert_eq!(scan(&fixture, "main..topic"), expected);
}

#[test]
fn criss_cross_merges() {
    let fixture = with_base();
    fixture.git(&["checkout", "-q", "-b", "topic"]);
    add(&fixture, "topic.txt", 2, "topic");
    fixture.git(&["checkout", "-q", "main"]);
    add(&fixture, "main.txt", 3, "mains own");
    fixture.git(&["tag", "main1"]);
    fixture.git(&["merge", "-q", "-m", "topic into main", "topic"]);
    fixture.git(&["checkout", "-q", "topic"]);
    fixture.git(&["merge", "-q", "-m", "main into topic", "main1"]);
    add(&fixture, "last.txt", 4, "last");
    assert_eq!(fixture.git(&["merge-base", "--all", "main", "topic"]).lines().count(), 2, "it is criss-cross");
    assert_eq!(scan(&fixture, "main..topic"), ["last.txt:1 kst-token commit last in HEAD"]);
    assert_eq!(scan(&fixture, "main...topic"), ["last.txt:1 kst-token commit last in HEAD"]);
}

#[test]
fn content_of_a_merge_resolution_counts() {
    let fixture = with_base();
    fixture.git(&["checkout", "-q", "-b", "topic"]);
    fixture.write("a.txt", "topic\n");
    fixture.commit("topic");
    fixture.git(&["checkout", "-q", "main"]);
    fixture.write("a.txt", "main\n");
    fixture.commit("mains own");
    fixture.git(&["checkout", "-q", "topic"]);
    assert!(!fixture.try_git(&["merge", "-q", "main"]).status.success(), "it conflicts");
    fixture.write("a.txt", format!("both\n{}\n", token(2)));
    fixture.write("unrelated.txt", token(3));
    fixture.commit("evil merge");
    assert_eq!(
        scan(&fixture, "main..topic"),
        ["a.txt:2 kst-token commit evil merge in HEAD", "unrelated.txt:1 kst-token commit evil merge in HEAD"]
    );
}

#[test]
fn an_octopus_counts_only_what_no_arm_has() {
    let fixture = with_base();
    for arm in 2..5_u64 {
        fixture.git(&["checkout", "-q", "-b", &format!("arm{arm}"), "start"]);
        add(&fixture, &format!("arm{arm}.txt"), arm, &format!("arm {arm}"));
    }
    fixture.git(&["checkout", "-q", "-b", "all", "start"]);
    fixture.git(&["merge", "-q", "-m", "octopus", "arm2", "arm3", "arm4"]);
    fixture.write("extra.txt", token(7));
    fixture.git(&["add", "-A"]);
    fixture.git(&["commit", "-q", "--amend", "--no-edit"]);
    assert_eq!(fixture.git(&["log", "-1", "--format=%p"]).split(' ').count(), 3, "an octopus");
    assert_eq!(
        scan(&fixture, "start..all"),
        [
            "arm2.txt:1 kst-token commit arm 2 in HEAD",
            "arm3.txt:1 kst-token commit arm 3 in HEAD",
            "arm4.txt:1 kst-token commit arm 4 in HEAD",
            "extra.txt:1 kst-token commit octopus in HEAD",
        ]
    );
    assert_eq!(
        scan(&fixture, "arm2..all"),
        [
            "arm3.txt:1 kst-token commit arm 3 in HEAD",
            "arm4.txt:1 kst-token commit arm 4 in HEAD",
            "extra.txt:1 kst-token commit octopus in HEAD",
        ]
    );
}

#[test]
fn the_merge_that_a_ci_system_makes() {
    let fixture = with_base();
    fixture.git(&["checkout", "-q", "-b", "topic"]);
    add(&fixture, "topic.txt", 2, "topic");
    fixture.git(&["checkout", "-q", "main"]);
    add(&fixture, "main.txt", 3, "mains own");
    fixture.git(&["checkout", "-q", "--detach"]);
    fixture.git(&["merge", "-q", "--no-ff", "-m", "Merge topic into main", "topic"]);
    fixture.git(&["update-ref", "refs/pull/7/merge", "HEAD"]);
    let expected = ["topic.txt:1 kst-token commit topic in HEAD"];
    assert_eq!(scan(&fixture, "main..HEAD"), expected);
    assert_eq!(scan(&fixture, "HEAD^1..HEAD"), expected);
    assert_eq!(scan(&fixture, "main..refs/pull/7/merge"), expected);
}

#[test]
fn dates_that_lie_do_not_matter() {
    let fixture = with_base();
    fixture.git(&["checkout", "-q", "-b", "topic"]);
    add(&fixture, "shared.txt", 2, "shared");
    fixture.git(&["branch", "-f", "main", "HEAD"]);
    // Children that claim to be older than their parents, on both sides.
    for (branch, seed) in [("main", 3), ("topic", 4)] {
        fixture.git(&["checkout", "-q", branch]);
        for step in 0..5_u64 {
            fixture.write(&format!("{branch}{step}.txt"), token(seed * 10 + step));
            fixture.git(&["add", "-A"]);
            let tree = fixture.git(&["write-tree"]);
            let commit =
                support::commit_tree(&fixture.path, &tree, &["HEAD"], &format!("{branch} {step}"), 1000 - step * 100);
            fixture.git(&["reset", "-q", "--hard", &commit]);
        }
    }
    let found = scan(&fixture, "main..topic");
    assert_eq!(found.len(), 5, "{found:?}");
    assert!(found.iter().all(|line| line.starts_with("topic")), "{found:?}");
}

#[test]
fn moves_are_not_introductions_and_copies_are() {
    let fixture = with_base();
    fixture.git(&["mv", "old.txt", "new name.txt"]);
    fixture.commit("rename");
    assert_eq!(scan(&fixture, "start..HEAD"), [""; 0]);
    fixture.git(&["mv", "new name.txt", "edited.txt"]);
    fixture.write("edited.txt", format!("x\ny\nz\n{}\n{}\n", token(1), token(2)));
    fixture.commit("rename with edits");
    assert_eq!(scan(&fixture, "start..HEAD"), ["edited.txt:5 kst-token commit rename with edits in HEAD"]);
    fixture.git(&["tag", "middle"]);
    fixture.write("copy.txt", format!("{}\n", token(1)));
    fixture.commit("copy");
    assert_eq!(scan(&fixture, "middle..HEAD"), ["copy.txt:1 kst-token commit copy in HEAD"]);
}

#[test]
fn a_revert_brings_it_back() {
    let fixture = with_base();
    fixture.write("old.txt", "clean\n");
    fixture.commit("clean");
    fixture.git(&["revert", "-n", "HEAD"]);
    fixture.commit("revert");
    assert_eq!(scan(&fixture, "start..HEAD"), ["old.txt:1 kst-token commit revert in HEAD"]);
}

#[test]
fn a_root_commit_in_the_range() {
    let fixture = with_base();
    fixture.git(&["checkout", "-q", "--orphan", "other"]);
    fixture.commit("root");
    assert_eq!(scan(&fixture, "main..other"), ["old.txt:1 kst-token commit root in HEAD"]);
}

#[test]
fn sides_are_named_in_every_way_that_git_knows() {
    let fixture = with_base();
    add(&fixture, "one.txt", 2, "one");
    add(&fixture, "two.txt", 3, "two");
    fixture.git(&["tag", "-m", "annotated", "v1", "main~1"]);
    fixture.git(&["update-ref", "refs/remotes/origin/main", "main~1"]);
    fixture.git(&["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main"]);
    let id = fixture.git(&["rev-parse", "main~1"]);
    let expected = ["two.txt:1 kst-token commit two in HEAD"];
    for base in [
        id.as_str(),
        &id[..7],
        "v1",
        "v1^{}",
        "v1^{commit}",
        "v1^0",
        "tags/v1",
        "refs/tags/v1",
        "HEAD^",
        "HEAD~",
        "HEAD~1",
        "HEAD^1",
        "@~1",
        "main^0~1^{commit}~0",
        "origin/main",
        "origin",
        "remotes/origin/main",
    ] {
        assert_eq!(scan(&fixture, &format!("{base}..main")), expected, "{base}");
    }
}

#[test]
fn what_is_no_range_is_a_usage_error_with_the_cure() {
    let fixture = with_base();
    fixture.git(&["tag", "on-a-tree", "HEAD^{tree}"]);
    let zero = "0".repeat(40);
    for (range, words) in [
        ("main", "main^..main"),
        ("a..b..c", "dots twice"),
        ("absent..HEAD", "the base of the range, absent, is no commit of this repository"),
        ("HEAD..absent", "the head of the range, absent, is no commit of this repository"),
        (&format!("{zero}..HEAD"), "git merge-base origin/main HEAD"),
        (&format!("{}..HEAD", "1".repeat(40)), "is no commit of this repository"),
        ("HEAD~9..HEAD", "is no commit of this repository"),
        ("HEAD^2..HEAD", "is no commit of this repository"),
        ("on-a-tree..HEAD", "is not a commit"),
        ("main@{1}..HEAD", "git rev-parse"),
        ("--all..HEAD", "git rev-parse"),
        (":/base..HEAD", "git rev-parse"),
        ("config..HEAD", "is no commit of this repository"),
    ] {
        match try_scan(&fixture.path, range, false) {
            Err(Error::Usage(text)) => assert!(text.contains(words), "{range}: {text}"),
            other => panic!("{range}: {other:?}"),
        }
    }
}

#[test]
fn an_unborn_head_is_a_usage_error() {
    let fixture = Fixture::new();
    assert!(matches!(try_scan(&fixture.path, "HEAD..HEAD", false), Err(Error::Usage(_))));
}

/// A clone of five commits, `commit 1` to `commit 5`, each with a file and a token, as deep as asked for.
fn shallow(depth: usize) -> (Fixture, std::path::PathBuf) {
    let fixture = Fixture::new();
    for number in 1..=5 {
        add(&fixture, &format!("{number}.txt"), number, &format!("commit {number}"));
        fixture.git(&["tag", &format!("c{number}")]);
    }
    fixture.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let url = format!("file://{}", fixture.path.display());
    fixture.git(&["clone", "-q", "--no-tags", &format!("--depth={depth}"), &url, "../clone"]);
    let clone = fixture.outside().join("clone");
    (fixture, clone)
}

#[test]
fn a_base_beyond_a_shallow_clone_is_a_usage_error_that_names_the_depth() {
    let (fixture, clone) = shallow(2);
    let base = fixture.git(&["rev-parse", "c1"]);
    let Err(Error::Usage(text)) = try_scan(&clone, &format!("{base}..HEAD"), false) else { panic!("it must not scan") };
    assert!(text.contains("shallow clone of depth 2") && text.contains("fetch-depth: 0"), "{text}");
}

#[test]
fn a_range_that_a_shallow_clone_cuts_is_a_gap() {
    let (fixture, clone) = shallow(2);
    let base = fixture.git(&["rev-parse", "c1"]);
    git(&clone, &["fetch", "-q", "--depth=1", "origin", &base]);
    let (found, report) = scan_at(&clone, &format!("{base}..HEAD"));
    // Compared with the base, since commits 2 and 3 are not there; commit 1's own token is not new.
    assert_eq!(
        found,
        [
            "2.txt:1 kst-token commit commit 4 in HEAD",
            "3.txt:1 kst-token commit commit 4 in HEAD",
            "4.txt:1 kst-token commit commit 4 in HEAD",
            "5.txt:1 kst-token commit commit 5 in HEAD",
        ]
    );
    let gaps: Vec<_> = report.coverage.gaps.iter().map(|gap| (gap.kind, gap.what.as_str())).collect();
    let cut = fixture.git(&["rev-parse", "c4"]);
    assert_eq!(gaps, [(GapKind::ShallowBoundary, cut.as_str())]);
    assert!(report.coverage.gaps[0].detail.contains("fetch-depth: 0"));
}

#[test]
fn a_shallow_clone_that_holds_the_whole_range_is_complete() {
    let (_fixture, clone) = shallow(3);
    let (found, report) = scan_at(&clone, "HEAD~2..HEAD");
    assert_eq!(found, ["4.txt:1 kst-token commit commit 4 in HEAD", "5.txt:1 kst-token commit commit 5 in HEAD"]);
    assert_eq!(report.coverage.gaps, []);
}

#[test]
fn a_base_that_was_fetched_apart_and_is_the_parent_leaves_no_gap() {
    let (fixture, clone) = shallow(2);
    let base = fixture.git(&["rev-parse", "c3"]);
    git(&clone, &["fetch", "-q", "--depth=1", "origin", &base]);
    let (found, report) = scan_at(&clone, &format!("{base}..HEAD"));
    assert_eq!(found, ["4.txt:1 kst-token commit commit 4 in HEAD", "5.txt:1 kst-token commit commit 5 in HEAD"]);
    assert_eq!(report.coverage.gaps, []);
}

#[test]
fn what_is_missing_or_broken_in_the_range_is_a_gap() {
    let cases: &[(&str, &str, bool, GapKind)] = &[
        ("a missing blob", "HEAD:two.txt", true, GapKind::MissingObject),
        ("a blob of noise", "HEAD:two.txt", false, GapKind::CorruptObject),
        ("a missing tree", "HEAD^{tree}", true, GapKind::MissingObject),
        ("a tree of noise", "HEAD^{tree}", false, GapKind::CorruptObject),
        ("a missing commit", "HEAD~1", true, GapKind::MissingObject),
        ("a commit of noise", "HEAD~1", false, GapKind::CorruptObject),
        ("what the parent had, missing", "HEAD~1:changed.txt", true, GapKind::MissingObject),
    ];
    for (name, spec, remove, kind) in cases {
        let fixture = with_base();
        fixture.write("changed.txt", "clean\n");
        fixture.commit("one");
        fixture.write("changed.txt", token(5));
        add(&fixture, "two.txt", 2, "two");
        let id = fixture.git(&["rev-parse", spec]);
        let path = fixture.path.join(".git/objects").join(&id[..2]).join(&id[2..]);
        fs::remove_file(&path).expect("loose");
        if !remove {
            fs::write(&path, "noise").expect("written");
        }
        let (found, report) = scan_at_without_log(&fixture, "start..HEAD");
        let gaps: Vec<_> = report.coverage.gaps.iter().map(|gap| gap.kind).collect();
        assert!(gaps.contains(kind), "{name}: {:?}", report.coverage.gaps);
        if *spec != "HEAD^{tree}" {
            assert!(
                found.iter().any(|line| line.starts_with("changed.txt:1")),
                "{name}: the rest is scanned: {found:?}"
            );
        }
    }
}

fn scan_at_without_log(fixture: &Fixture, text: &str) -> (Vec<String>, SourceReport) {
    let report = try_scan(&fixture.path, text, false).unwrap_or_else(|error| panic!("{text}: {error}"));
    (found(&inspector(), &report), report)
}

#[test]
fn a_partial_clone_names_what_was_never_fetched() {
    let fixture = with_base();
    add(&fixture, "one.txt", 2, "one");
    fixture.git(&["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", fixture.path.display());
    fixture.git(&["clone", "-q", "--no-checkout", "--filter=blob:none", &url, "../partial"]);
    let (_, report) = scan_at(&fixture.outside().join("partial"), "HEAD~1..HEAD");
    let blob = fixture.git(&["rev-parse", "HEAD:one.txt"]);
    let gaps: Vec<_> = report.coverage.gaps.iter().map(|gap| (gap.kind, gap.what.as_str())).collect();
    assert_eq!(gaps, [(GapKind::PromisorObject, blob.as_str())]);
    assert_eq!((report.coverage.blobs, report.coverage.blobs_scanned), (1, 0));
}

#[test]
fn messages_count_when_asked_for() {
    let fixture = with_base();
    fixture.write("clean.txt", "clean\n");
    let id = fixture.commit(&format!("subject\n\nThe key is {}", token(2)));
    let quiet = try_scan(&fixture.path, "start..HEAD", false).expect("scans");
    assert_eq!((quiet.occurrences.len(), quiet.coverage.messages_scanned), (0, 0));
    let report = try_scan(&fixture.path, "start..HEAD", true).expect("scans");
    assert_eq!(found(&inspector(), &report), [format!(":3 kst-token message {id} no HEAD")]);
    assert_eq!(report.coverage.messages_scanned, 1);
}

#[test]
fn each_blob_is_scanned_once() {
    let fixture = with_base();
    for round in 0..3 {
        fixture.write("same.txt", "same content\n");
        fixture.write(&format!("{round}.txt"), "same content\n");
        fixture.commit("with");
        fixture.git(&["rm", "-q", "same.txt"]);
        fixture.commit("without");
    }
    let (_, report) = scan_at(&fixture.path, "start..HEAD");
    assert_eq!((report.coverage.commits, report.coverage.blobs, report.coverage.blobs_scanned), (6, 1, 1));
    assert_eq!(report.coverage.blob_bytes_scanned, 13);
}

#[test]
fn packed_and_sha256_histories_and_those_behind_alternates() {
    for args in [&["--object-format=sha256"][..], &[]] {
        let fixture = Fixture::with_args(args);
        fixture.write("old.txt", token(1));
        fixture.commit("base");
        add(&fixture, "one.txt", 2, "one");
        add(&fixture, "dir/two.txt", 3, "two");
        fixture.git(&["gc", "-q"]);
        let expected = ["dir/two.txt:1 kst-token commit two in HEAD", "one.txt:1 kst-token commit one in HEAD"];
        assert_eq!(scan(&fixture, "HEAD~2..HEAD"), expected, "{args:?}, packed");
        fixture.git(&["clone", "-q", "--shared", ".", "../shared"]);
        let (found, report) = scan_at(&fixture.outside().join("shared"), "HEAD~2..HEAD");
        assert_eq!(found, expected, "{args:?}, behind an alternate");
        assert_eq!(report.coverage.gaps, []);
    }
}

#[test]
fn directories_deeper_than_any_limit_are_a_gap_and_do_not_end_the_process() {
    let fixture = Fixture::new();
    let deep = "d/".repeat(2500);
    let secret = token(2);
    let stream = format!(
        "commit refs/heads/main\ncommitter C <c@example.com> 1 +0000\ndata 4\nbase\nM 100644 inline a\ndata 1\na\n\
         commit refs/heads/main\ncommitter C <c@example.com> 2 +0000\ndata 4\ndeep\n\
         M 100644 inline b\ndata {0}\n{secret}\nM 100644 inline {deep}c\ndata {0}\n{secret}\n",
        secret.len()
    );
    support::feed(&fixture, &["fast-import", "--quiet"], &stream);
    let (found, report) = scan_at(&fixture.path, "main~1..main");
    assert_eq!(found, ["b:1 kst-token commit deep in HEAD"]);
    let gaps: Vec<_> = report.coverage.gaps.iter().map(|gap| gap.kind).collect();
    assert_eq!(gaps, [GapKind::Unsupported]);

    // Nothing in the index: all of it is deleted, level by level.
    let repository = Repository::open(&fixture.path).expect("opens");
    let report = keystile_git::staged::scan(&repository, &inspector(), &Progress::default()).expect("scans");
    assert_eq!(report.occurrences.len(), 0);
}

#[test]
fn a_path_rule_counts_new_paths() {
    let fixture = with_base();
    fixture.write("a.kstkey", "x");
    fixture.commit("one");
    fixture.write("a.kstkey", "y");
    fixture.commit("two");
    fixture.git(&["mv", "a.kstkey", "b.kstkey"]);
    fixture.commit("three");
    let repository = Repository::open(&fixture.path).expect("opens");
    let inspector = inspector_with(keystile_git::InspectOptions::default(), true);
    let spec = RangeSpec::parse("start..HEAD").expect("a range");
    let report =
        range::scan(&repository, &inspector, &spec, &RangeOptions::default(), &Progress::default()).expect("scans");
    let paths: Vec<_> = report.occurrences.iter().map(|occurrence| occurrence.path.to_string()).collect();
    assert_eq!(paths, ["a.kstkey"]);
}

#[test]
fn the_repository_stays_as_it_was() {
    let fixture = with_base();
    add(&fixture, "one.txt", 2, "one");
    let before = snapshot(&fixture.path);
    assert_eq!(scan_at(&fixture.path, "start..HEAD").0.len(), 1);
    assert_eq!(snapshot(&fixture.path), before);
}
