//! Which commit introduced what: one small history for each way that a secret comes into one.

use std::collections::BTreeMap;

use keystile_git::GapKind;
use keystile_scan::{Allowlist, OccurrencePlace};

use crate::reference;
use crate::scanning::{path_rules, scan, scan_with, shown, token_rules};
use crate::support::{Fixture, token};
use keystile_git::history::HistoryOptions;

/// Checks a history against the plain reference and against what is expected in words.
fn check(fixture: &Fixture, names: &[(&str, &str)], expected: &[String]) {
    let report = scan(&fixture.path);
    assert!(report.coverage.is_complete(), "{:?}", report.coverage.gaps);
    let names: BTreeMap<String, &str> = names.iter().map(|&(id, name)| (id.to_owned(), name)).collect();
    let mut found = shown(&report, &names);
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(reference::found(&report), reference::introduced(&fixture.path), "as git's own trees say");
}

fn line(token: &str) -> String {
    format!("key = {token}\n")
}

#[test]
fn a_secret_is_introduced_once_however_the_file_changes() {
    let fixture = Fixture::new();
    let secret = token(1);
    fixture.write("a", "nothing\n");
    fixture.commit("zero");
    fixture.write("a", format!("nothing\n{}", line(&secret)));
    let one = fixture.commit("one");
    fixture.write("a", format!("more\nand more\nnothing\n{}", line(&secret)));
    fixture.write("other", "x");
    fixture.commit("two");
    check(&fixture, &[(&one, "one")], &[format!("one \"a\":2 {secret} *")]);
}

#[test]
fn removed_and_brought_back_is_introduced_twice() {
    let fixture = Fixture::new();
    let secret = token(1);
    fixture.write("a", line(&secret));
    let one = fixture.commit("one");
    fixture.write("a", "gone\n");
    fixture.commit("two");
    fixture.git(&["revert", "--no-edit", "HEAD"]);
    let three = fixture.git(&["rev-parse", "HEAD"]);
    fixture.git(&["rm", "-q", "a"]);
    fixture.commit("four");
    check(
        &fixture,
        &[(&one, "one"), (&three, "three")],
        &[format!("one \"a\":1 {secret}"), format!("three \"a\":1 {secret}")],
    );
}

#[test]
fn each_path_counts_by_itself() {
    let fixture = Fixture::new();
    let secret = token(1);
    fixture.write("a", line(&secret));
    let one = fixture.commit("one");
    fixture.write("copy/of/a", line(&secret));
    let two = fixture.commit("two");
    fixture.git(&["mv", "a", "renamed"]);
    let three = fixture.commit("three");
    check(
        &fixture,
        &[(&one, "one"), (&two, "two"), (&three, "three")],
        &[
            format!("one \"a\":1 {secret}"),
            format!("three \"renamed\":1 {secret} *"),
            format!("two \"copy/of/a\":1 {secret} *"),
        ],
    );
}

#[test]
fn another_secret_at_the_same_place_is_another_introduction() {
    let fixture = Fixture::new();
    let (first, second) = (token(1), token(2));
    fixture.write("a", line(&first));
    let one = fixture.commit("one");
    fixture.write("a", line(&second));
    let two = fixture.commit("two");
    check(
        &fixture,
        &[(&one, "one"), (&two, "two")],
        &[format!("one \"a\":1 {first}"), format!("two \"a\":1 {second} *")],
    );
}

#[test]
fn a_file_becomes_a_directory_and_a_file_again() {
    let fixture = Fixture::new();
    let secret = token(1);
    fixture.write("a", line(&secret));
    let one = fixture.commit("one");
    fixture.git(&["rm", "-q", "a"]);
    fixture.write("a/a", line(&secret));
    let two = fixture.commit("two");
    fixture.git(&["rm", "-rq", "a"]);
    fixture.write("a", line(&secret));
    let three = fixture.commit("three");
    check(
        &fixture,
        &[(&one, "one"), (&two, "two"), (&three, "three")],
        &[format!("one \"a\":1 {secret} *"), format!("three \"a\":1 {secret} *"), format!("two \"a/a\":1 {secret}")],
    );
}

#[test]
fn a_change_of_mode_introduces_nothing() {
    let fixture = Fixture::new();
    let secret = token(1);
    fixture.write("a", line(&secret));
    let one = fixture.commit("one");
    fixture.git(&["update-index", "--chmod=+x", "a"]);
    fixture.git(&["commit", "-q", "-m", "two"]);
    check(&fixture, &[(&one, "one")], &[format!("one \"a\":1 {secret} *")]);
}

#[test]
fn a_symbolic_links_target_is_content() {
    let fixture = Fixture::new();
    let secret = token(1);
    std::os::unix::fs::symlink(&secret, fixture.path.join("link")).unwrap();
    let one = fixture.commit("one");
    check(&fixture, &[(&one, "one")], &[format!("one \"link\":1 {secret} *")]);
}

#[test]
fn a_merge_introduces_only_what_no_parent_has() {
    let fixture = Fixture::new();
    let (ours, theirs, evil) = (token(1), token(2), token(3));
    fixture.write("a", "base\n");
    fixture.commit("base");
    fixture.git(&["switch", "-qc", "side"]);
    fixture.write("theirs", line(&theirs));
    let side = fixture.commit("side");
    fixture.git(&["switch", "-q", "main"]);
    fixture.write("ours", line(&ours));
    let main = fixture.commit("main");
    fixture.git(&["merge", "-q", "--no-ff", "--no-commit", "side"]);
    fixture.write("a", format!("base\n{}", line(&evil)));
    let merge = fixture.commit("merge");
    check(
        &fixture,
        &[(&side, "side"), (&main, "main"), (&merge, "merge")],
        &[
            format!("main \"ours\":1 {ours} *"),
            format!("merge \"a\":2 {evil} *"),
            format!("side \"theirs\":1 {theirs} *"),
        ],
    );
}

#[test]
fn an_octopus_with_a_secret_on_one_arm_introduces_nothing_itself() {
    let fixture = Fixture::new();
    let secret = token(1);
    fixture.write("base", "base\n");
    fixture.commit("base");
    for name in ["one", "two", "three"] {
        fixture.git(&["switch", "-qc", name, "main"]);
        fixture.write(&format!("dir/{name}"), if name == "two" { line(&secret) } else { name.to_owned() });
        fixture.commit(name);
    }
    fixture.git(&["switch", "-q", "main"]);
    fixture.git(&["merge", "-q", "--no-ff", "-m", "octopus", "one", "two", "three"]);
    let two = fixture.git(&["rev-parse", "two"]);
    check(&fixture, &[(&two, "two")], &[format!("two \"dir/two\":1 {secret} *")]);
}

#[test]
fn a_merge_that_drops_one_sides_secret_introduces_nothing() {
    let fixture = Fixture::new();
    let secret = token(1);
    fixture.write("a", "base\n");
    fixture.commit("base");
    fixture.git(&["switch", "-qc", "side"]);
    fixture.write("a", line(&secret));
    let side = fixture.commit("side");
    fixture.git(&["switch", "-q", "main"]);
    fixture.write("b", "x");
    fixture.commit("main");
    fixture.git(&["merge", "-q", "-s", "ours", "--no-edit", "side"]);
    check(&fixture, &[(&side, "side")], &[format!("side \"a\":1 {secret}")]);
}

#[test]
fn criss_cross_merges_introduce_each_secret_where_it_was_written() {
    let fixture = Fixture::new();
    let (left, right) = (token(1), token(2));
    fixture.write("base", "base\n");
    fixture.commit("base");
    fixture.git(&["switch", "-qc", "side"]);
    fixture.write("right", line(&right));
    let side = fixture.commit("side");
    fixture.git(&["switch", "-q", "main"]);
    fixture.write("left", line(&left));
    let main = fixture.commit("main");
    fixture.git(&["merge", "-q", "--no-ff", "-m", "into main", &side]);
    fixture.git(&["switch", "-q", "side"]);
    fixture.git(&["merge", "-q", "--no-ff", "-m", "into side", &main]);
    fixture.git(&["switch", "-q", "main"]);
    fixture.git(&["merge", "-q", "--no-ff", "-m", "both", "side"]);
    check(
        &fixture,
        &[(&side, "side"), (&main, "main")],
        &[format!("main \"left\":1 {left} *"), format!("side \"right\":1 {right} *")],
    );
}

#[test]
fn two_roots_introduce_the_same_secret_each() {
    let fixture = Fixture::new();
    let secret = token(1);
    fixture.write("a", line(&secret));
    let one = fixture.commit("one");
    fixture.git(&["switch", "-q", "--orphan", "other"]);
    fixture.write("a", line(&secret));
    fixture.write("b", "b");
    let two = fixture.commit("two");
    check(
        &fixture,
        &[(&one, "one"), (&two, "two")],
        &[format!("one \"a\":1 {secret} *"), format!("two \"a\":1 {secret} *")],
    );
}

#[test]
fn names_need_be_neither_lines_nor_text() {
    use std::os::unix::ffi::OsStrExt as _;
    let fixture = Fixture::new();
    let secret = token(1);
    let directory = fixture.path.join(std::ffi::OsStr::from_bytes(b"new\nline"));
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join(std::ffi::OsStr::from_bytes(b"not \xff utf-8")), line(&secret)).unwrap();
    fixture.commit("one");
    let report = scan(&fixture.path);
    let paths: Vec<_> = report.occurrences.iter().map(|occurrence| occurrence.path.clone()).collect();
    assert_eq!(paths, [&b"new\nline/not \xff utf-8"[..]]);
}

#[test]
fn the_commit_is_described_as_git_does() {
    let fixture = Fixture::new();
    fixture.write("a", line(&token(1)));
    let id = fixture.commit("Subject\n\nBody, caf\u{e9}");
    let report = scan(&fixture.path);
    let [occurrence] = &report.occurrences[..] else { panic!("{:?}", report.occurrences) };
    let OccurrencePlace::Commit(commit) = &occurrence.place else { panic!("{occurrence:?}") };
    assert_eq!(commit.id, id);
    assert_eq!((commit.author_name.as_str(), commit.author_email.as_str()), ("Ada Author", "ada@example.com"));
    assert_eq!((commit.author_seconds, commit.author_offset_minutes), (1_700_000_000, 60));
    assert_eq!(commit.message, "Subject\n\nBody, caf\u{e9}\n");
}

#[test]
fn a_path_that_is_a_finding_by_itself_is_introduced_where_it_appears() {
    let fixture = Fixture::new();
    fixture.write("certs/server.p12", "one");
    fixture.write("certs/readme", "one");
    let one = fixture.commit("one");
    fixture.write("certs/server.p12", "two");
    fixture.commit("two");
    fixture.git(&["mv", "certs", "moved"]);
    let three = fixture.commit("three");
    fixture.git(&["rm", "-rq", "moved"]);
    fixture.commit("four");
    let report = scan_with(&fixture.path, path_rules(r"\.p12$"), &HistoryOptions::default());
    let places: Vec<(String, String)> = report
        .occurrences
        .iter()
        .map(|occurrence| {
            let OccurrencePlace::Commit(commit) = &occurrence.place else { panic!("{occurrence:?}") };
            (commit.id.clone(), occurrence.path.to_string())
        })
        .collect();
    let mut expected = vec![(one, "certs/server.p12".to_owned()), (three, "moved/server.p12".to_owned())];
    expected.sort();
    let mut places = places;
    places.sort();
    assert_eq!(places, expected);
}

#[test]
fn every_line_with_the_secret_is_named() {
    let fixture = Fixture::new();
    let secret = token(1);
    fixture.write("a", format!("{}\n{}", line(&secret), line(&secret)));
    let one = fixture.commit("one");
    check(&fixture, &[(&one, "one")], &[format!("one \"a\":1 {secret} *"), format!("one \"a\":3 {secret} *")]);
}

#[test]
fn an_allowlisted_commit_excuses_what_it_brought_for_good() {
    let fixture = Fixture::new();
    let (known, new) = (token(1), token(2));
    fixture.write("a", line(&known));
    let one = fixture.commit("one");
    fixture.write("a", format!("changed\n{}{}", line(&known), line(&new)));
    let two = fixture.commit("two");
    let mut rules = token_rules();
    rules.allowlists.push(Allowlist { commits: vec![one], ..Allowlist::default() });
    let report = scan_with(&fixture.path, rules, &HistoryOptions::default());
    let names = BTreeMap::from([(two, "two")]);
    assert_eq!(shown(&report, &names), [format!("two \"a\":3 {new} *")]);
}

#[test]
fn every_stash_entry_counts_with_its_index_and_untracked_files() {
    let fixture = Fixture::new();
    fixture.write("a", "a\n");
    fixture.commit("one");
    for at in 1..=2 {
        fixture.write("a", line(&token(at)));
        fixture.write("untracked", line(&token(at + 10)));
        fixture.git(&["stash", "push", "-q", "-u", "-m", &format!("entry {at}")]);
    }
    let report = scan(&fixture.path);
    let mut found: Vec<String> = report
        .occurrences
        .iter()
        .map(|occurrence| {
            let OccurrencePlace::Commit(commit) = &occurrence.place else { panic!("{occurrence:?}") };
            let subject = commit.message.lines().next().unwrap_or_default();
            let revision = fixture.git(&["rev-parse", "--short", "HEAD"]);
            let subject = subject.replace(&format!("main: {revision} one"), "main");
            format!("{subject}: {} {}", occurrence.path, String::from_utf8_lossy(occurrence.found.secret.reveal()))
        })
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            format!("On main: entry 1: a {}", token(1)),
            format!("On main: entry 2: a {}", token(2)),
            format!("untracked files on main: untracked {}", token(11)),
            format!("untracked files on main: untracked {}", token(12)),
        ]
    );
}

#[test]
fn the_order_is_the_commits_and_does_not_depend_on_threads() {
    let fixture = Fixture::new();
    for at in 0..6 {
        fixture.write(&format!("dir{}/file{at}", at % 2), format!("{}{}", line(&token(at)), line(&token(at + 50))));
        fixture.commit(&format!("commit {at}"));
    }
    let scan = |threads| {
        let options = HistoryOptions { threads, ..HistoryOptions::default() };
        shown(&scan_with(&fixture.path, token_rules(), &options), &BTreeMap::new())
    };
    let one = scan(1);
    assert_eq!(one, scan(2));
    // The time stands still, so the ids decide.
    let mut sorted = one.clone();
    sorted.sort();
    assert_eq!(one, sorted);
}

/// Ten levels of ten directories that are all the same: ten thousand million paths in a dozen objects.
#[test]
fn a_history_made_to_unfold_without_end_is_named_and_ends() {
    let fixture = Fixture::new();
    let secret = token(1);
    fixture.write("one", line(&secret));
    fixture.commit("one");
    let mut tree = fixture.git(&["rev-parse", "HEAD^{tree}"]);
    for _ in 0..10 {
        let entries: String = (0..10).map(|at| format!("040000 tree {tree}\td{at}\n")).collect();
        fixture.write("../entries", entries);
        let path = fixture.outside().join("entries");
        tree = fixture.git(&["-c", &format!("alias.mk=!git mktree < '{}'", path.display()), "mk"]);
    }
    let commit = fixture.git(&["commit-tree", "-m", "bomb", &tree]);
    fixture.git(&["update-ref", "refs/heads/bomb", &commit]);
    let report = scan_with(&fixture.path, path_rules(r"\.p12$"), &HistoryOptions::default());
    let kinds: Vec<_> = report.coverage.gaps.iter().map(|gap| (gap.kind, gap.what.as_str())).collect();
    assert_eq!(kinds, [(GapKind::Unsupported, "paths"), (GapKind::Unsupported, "places of findings")]);
    assert!(!report.occurrences.is_empty());
    assert_eq!((report.coverage.trees, report.coverage.blobs), (11, 1));
}
