//! The index and the work tree beside a history.

mod support;

use std::fs;
use std::os::unix::fs::symlink;

use keystile_git::work_tree::{self, WorkTreeOptions};
use keystile_git::{Progress, Repository, SkipReason, SourceReport};
use support::scanning::{found, inspector};
use support::{Fixture, git, snapshot, token};

fn scan_with(fixture: &Fixture, options: &WorkTreeOptions) -> (Vec<String>, SourceReport) {
    let repository = Repository::open(&fixture.path).expect("opens");
    let inspector = inspector();
    let report = work_tree::scan(&repository, &inspector, options, &Progress::default()).expect("scans");
    (found(&inspector, &report), report)
}

fn scan(fixture: &Fixture) -> (Vec<String>, SourceReport) {
    scan_with(fixture, &WorkTreeOptions::default())
}

fn skipped(report: &SourceReport, reason: SkipReason) -> Vec<&str> {
    let skipped = report.coverage.skipped.get(&reason);
    skipped.map(|skipped| skipped.examples.iter().map(String::as_str).collect()).unwrap_or_default()
}

/// A commit with a token in `old.txt` and none in `clean.txt`.
fn with_history() -> Fixture {
    let fixture = Fixture::new();
    fixture.write("old.txt", format!("{}\n", token(1)));
    fixture.write("clean.txt", "clean\n");
    fixture.commit("first");
    fixture
}

#[test]
fn what_head_has_is_not_counted_again() {
    let (found, report) = scan(&with_history());
    assert_eq!(found, [""; 0]);
    assert_eq!((report.coverage.files, report.coverage.files_scanned, report.coverage.blobs), (2, 2, 0));
}

#[test]
fn each_secret_counts_where_it_was_first_added() {
    let fixture = with_history();
    fixture.write("staged.txt", token(2));
    fixture.git(&["add", "-A"]);
    fixture.write("staged.txt", format!("{}\n{}\n", token(2), token(3)));
    fixture.write("old.txt", format!("{}\n{}\n", token(1), token(4)));
    fixture.write("new/untracked.txt", token(5));
    let (found, report) = scan(&fixture);
    assert_eq!(
        found,
        [
            "new/untracked.txt:1 kst-token work tree",
            "old.txt:2 kst-token work tree",
            "staged.txt:1 kst-token index",
            "staged.txt:2 kst-token work tree",
        ]
    );
    assert_eq!((report.coverage.blobs, report.coverage.blobs_scanned), (1, 1));
    assert_eq!(report.coverage.gaps, []);
}

#[test]
fn a_file_that_was_put_back_to_head_is_not_new_though_the_index_differs() {
    let fixture = with_history();
    fixture.write("old.txt", "clean\n");
    fixture.git(&["add", "-A"]);
    fixture.write("old.txt", format!("{}\n", token(1)));
    assert_eq!(scan(&fixture).0, [""; 0]);
}

#[test]
fn ignored_files_are_left_out_unless_tracked() {
    let fixture = with_history();
    fixture.write(".gitignore", "*.log\nbuild/\n");
    fixture.write(".git/info/exclude", "excluded.txt\n");
    fixture.write("tracked.log", "clean\n");
    fixture.write("build/tracked.txt", "clean\n");
    fixture.git(&["add", "-f", ".gitignore", "tracked.log", "build/tracked.txt"]);
    fixture.git(&["commit", "-q", "-m", "second"]);
    fixture.write("tracked.log", token(2));
    fixture.write("build/tracked.txt", token(3));
    fixture.write("build/untracked.txt", token(4));
    fixture.write("untracked.log", token(5));
    fixture.write("excluded.txt", token(6));
    // No ignore file of git's.
    fixture.write(".ignore", "plain.txt\n");
    fixture.write("plain.txt", token(7));
    let (found, report) = scan(&fixture);
    assert_eq!(
        found,
        [
            "build/tracked.txt:1 kst-token work tree",
            "plain.txt:1 kst-token work tree",
            "tracked.log:1 kst-token work tree",
        ]
    );
    assert_eq!(skipped(&report, SkipReason::IgnoredPath), ["build/", "excluded.txt", "untracked.log"]);
    let by_git = fixture.git(&["ls-files", "--others", "--ignored", "--exclude-standard", "--directory"]);
    assert_eq!(by_git.lines().collect::<Vec<_>>(), ["build/untracked.txt", "excluded.txt", "untracked.log"]);

    let (found, _) = scan_with(&fixture, &WorkTreeOptions { no_ignore: true });
    assert_eq!(found.len(), 6);
}

#[test]
fn a_repository_can_not_hide_content_by_its_configuration() {
    let fixture = with_history();
    let outside = fixture.outside().join("excludes");
    fs::write(&outside, "*\n").expect("written");
    fixture.git(&["config", "core.excludesFile", &outside.display().to_string()]);
    fixture.write("untracked.txt", token(2));
    fixture.write(".gitattributes", "* -diff -text export-ignore filter=none\n");
    assert_eq!(scan(&fixture).0, ["untracked.txt:1 kst-token work tree"]);
}

#[test]
fn nested_repositories_are_counted_and_not_entered() {
    let fixture = with_history();
    fixture.write("nested/a.txt", token(2));
    git(&fixture.path.join("nested"), &["init", "-q"]);
    fixture.write("pointer/.git", "gitdir: elsewhere\n");
    fixture.write("pointer/b.txt", token(3));
    let (found, report) = scan(&fixture);
    assert_eq!(found, [""; 0]);
    assert_eq!(skipped(&report, SkipReason::NestedRepository), ["nested", "pointer"]);
}

#[test]
fn tracked_files_beside_a_planted_git_file_count() {
    let fixture = with_history();
    fixture.write("dir/a.txt", "clean\n");
    fixture.commit("second");
    fixture.write("dir/a.txt", token(2));
    // Whoever plants this makes the folder look like a repository of its own.
    fixture.write("dir/.git", "gitdir: elsewhere\n");
    assert_eq!(scan(&fixture).0, ["dir/a.txt:1 kst-token work tree"]);
}

#[test]
fn a_symbolic_link_is_its_target_and_is_not_followed() {
    let fixture = with_history();
    let outside = fixture.outside().join("outside");
    fs::create_dir(&outside).expect("new");
    fs::write(outside.join("o.txt"), token(2)).expect("written");
    symlink(&outside, fixture.path.join("out")).expect("made");
    symlink(token(3), fixture.path.join("target")).expect("made");
    assert_eq!(scan(&fixture).0, ["target:1 kst-token work tree"]);
}

#[test]
fn a_tracked_path_through_a_symbolic_link_is_not_read() {
    let fixture = with_history();
    fixture.write("dir/o.txt", "clean\n");
    fixture.commit("second");
    fs::remove_dir_all(fixture.path.join("dir")).expect("there");
    let outside = fixture.outside().join("outside");
    fs::create_dir(&outside).expect("new");
    fs::write(outside.join("o.txt"), token(2)).expect("written");
    symlink(&outside, fixture.path.join("dir")).expect("made");
    assert_eq!(scan(&fixture).0, [""; 0]);
}

#[test]
fn pipes_are_named() {
    let fixture = with_history();
    let pipe = fixture.path.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is installed").success());
    let (found, report) = scan(&fixture);
    assert_eq!(found, [""; 0]);
    assert_eq!(skipped(&report, SkipReason::SpecialFile), ["pipe"]);
}

#[test]
fn before_the_first_commit_everything_counts() {
    let fixture = Fixture::new();
    fixture.write("staged.txt", token(1));
    fixture.git(&["add", "-A"]);
    fixture.write("untracked.txt", token(2));
    assert_eq!(
        scan(&fixture).0,
        ["staged.txt:1 kst-token index no HEAD", "untracked.txt:1 kst-token work tree no HEAD"]
    );
}

#[test]
fn linked_work_trees_have_their_own_index_and_files() {
    let fixture = with_history();
    fixture.git(&["worktree", "add", "-q", "-b", "other", "../linked"]);
    let linked = fixture.outside().join("linked");
    fs::write(linked.join("staged.txt"), token(2)).expect("written");
    git(&linked, &["add", "-A"]);
    fs::write(linked.join("untracked.txt"), token(3)).expect("written");
    // Of the exclude file, all work trees share one.
    fixture.write(".git/info/exclude", "excluded.txt\n");
    fs::write(linked.join("excluded.txt"), token(5)).expect("written");
    fixture.write("mine.txt", token(4));
    assert_eq!(scan(&fixture).0, ["mine.txt:1 kst-token work tree"]);
    let repository = Repository::open(&linked).expect("opens");
    let inspector = inspector();
    let report =
        work_tree::scan(&repository, &inspector, &WorkTreeOptions::default(), &Progress::default()).expect("scans");
    assert_eq!(found(&inspector, &report), ["staged.txt:1 kst-token index", "untracked.txt:1 kst-token work tree"]);
}

#[test]
fn core_worktree_is_respected_and_noted() {
    let fixture = with_history();
    let elsewhere = fixture.outside().join("elsewhere");
    fs::create_dir(&elsewhere).expect("new");
    fs::write(elsewhere.join("e.txt"), token(2)).expect("written");
    fixture.git(&["config", "core.worktree", &elsewhere.display().to_string()]);
    let repository = Repository::open(&fixture.path).expect("opens");
    assert_eq!(repository.notes().len(), 1);
    assert!(repository.notes()[0].contains("elsewhere"), "{:?}", repository.notes());
    assert_eq!(scan(&fixture).0, ["e.txt:1 kst-token work tree"]);
}

#[test]
fn a_bare_repository_has_neither() {
    let fixture = Fixture::with_args(&["--bare"]);
    let (found, report) = scan(&fixture);
    assert_eq!((found.len(), report.coverage), (0, Default::default()));
}

#[test]
fn unstaged_is_what_tracked_files_have_beyond_the_index() {
    let fixture = with_history();
    fixture.write("staged.txt", token(2));
    fixture.git(&["add", "-A"]);
    fixture.write("staged.txt", format!("{}\n{}\n", token(2), token(3)));
    fixture.write("old.txt", format!("{}\n{}\n", token(1), token(4)));
    fixture.write("untracked.txt", token(5));
    fs::remove_file(fixture.path.join("clean.txt")).expect("there");
    let repository = Repository::open(&fixture.path).expect("opens");
    let inspector = inspector();
    let report = work_tree::scan_unstaged(&repository, &inspector, &Progress::default()).expect("scans");
    assert_eq!(
        found(&inspector, &report),
        ["old.txt:2 kst-token work tree no HEAD", "staged.txt:2 kst-token work tree no HEAD"]
    );
    assert_eq!(report.coverage.files, 2);
}

#[test]
fn the_repository_stays_as_it_was() {
    let fixture = with_history();
    fixture.write("staged.txt", token(2));
    fixture.git(&["add", "-A"]);
    fixture.write("clean.txt", "clean\n");
    fixture.write("untracked.txt", token(3));
    let before = snapshot(&fixture.path);
    assert_eq!(scan(&fixture).0.len(), 2);
    assert_eq!(snapshot(&fixture.path), before);
}
