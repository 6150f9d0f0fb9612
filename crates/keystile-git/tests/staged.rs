//! What a staged change adds, compared with what is expected of each way to make one.

mod support;

use std::fs;

use keystile_git::{Error, GapKind, InspectOptions, Progress, Repository, SkipReason, SourceReport, staged};
use support::scanning::{found, inspector, inspector_with};
use support::{Fixture, snapshot, token};

fn scan(fixture: &Fixture) -> (Vec<String>, SourceReport) {
    let repository = Repository::open(&fixture.path).expect("opens");
    let inspector = inspector();
    let report = staged::scan(&repository, &inspector, &Progress::default()).expect("scans");
    (found(&inspector, &report), report)
}

/// A repository whose only commit has a token in `old.txt`, line 2, and none in `clean.txt` and `dir/deep/c.txt`.
fn with_history() -> Fixture {
    let fixture = Fixture::new();
    fixture.write("old.txt", format!("first\nkey = {}\nlast\n", token(1)));
    fixture.write("clean.txt", "clean\n");
    fixture.write("dir/deep/c.txt", "clean as well\n");
    fixture.write("dir/d.txt", "clean, too\n");
    fixture.commit("first");
    fixture
}

struct Case {
    name: &'static str,
    change: fn(&Fixture),
    expected: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case { name: "nothing is staged", change: |_| {}, expected: &[] },
    Case {
        name: "a new file",
        change: |f| {
            f.write("dir/new.txt", format!("a\nb\n{}\n", token(2)));
            f.git(&["add", "-A"]);
        },
        expected: &["dir/new.txt:3 kst-token index"],
    },
    Case {
        name: "a line added to a file",
        change: |f| {
            f.write("dir/deep/c.txt", format!("clean as well\n{}\n", token(2)));
            f.git(&["add", "-A"]);
        },
        expected: &["dir/deep/c.txt:2 kst-token index"],
    },
    Case {
        name: "a last line without an end",
        change: |f| {
            f.write("clean.txt", format!("clean\n{}", token(2)));
            f.git(&["add", "-A"]);
        },
        expected: &["clean.txt:2 kst-token index"],
    },
    Case { name: "only in the work tree", change: |f| f.write("new.txt", token(2)), expected: &[] },
    Case {
        name: "staged, then taken out of the work tree again",
        change: |f| {
            f.write("new.txt", token(2));
            f.git(&["add", "-A"]);
            f.write("new.txt", "clean");
        },
        expected: &["new.txt:1 kst-token index"],
    },
    Case {
        name: "lines around an old token move it",
        change: |f| {
            f.write("old.txt", format!("one\nmore\nfirst\nkey = {}\nlast\n", token(1)));
            f.git(&["add", "-A"]);
        },
        expected: &[],
    },
    Case {
        name: "another token in the place of an old one",
        change: |f| {
            f.write("old.txt", format!("first\nkey = {}\nlast\n", token(2)));
            f.git(&["add", "-A"]);
        },
        expected: &["old.txt:2 kst-token index"],
    },
    Case {
        name: "a pure rename",
        change: |f| {
            f.git(&["mv", "old.txt", "dir/moved.txt"]);
        },
        expected: &[],
    },
    Case {
        name: "a rename with edits",
        change: |f| {
            f.git(&["rm", "-q", "old.txt"]);
            f.write("moved.txt", format!("all\nother\nlines\nhere\n{}\n", token(1)));
            f.git(&["add", "-A"]);
        },
        expected: &[],
    },
    Case {
        name: "a rename with edits that adds another token",
        change: |f| {
            f.git(&["mv", "old.txt", "moved.txt"]);
            f.write("moved.txt", format!("first\nkey = {}\nlast\n{}\n", token(1), token(2)));
            f.git(&["add", "-A"]);
        },
        expected: &["moved.txt:4 kst-token index"],
    },
    Case {
        name: "a copy",
        change: |f| {
            f.write("copy.txt", format!("key = {}\n", token(1)));
            f.git(&["add", "-A"]);
        },
        expected: &["copy.txt:1 kst-token index"],
    },
    Case {
        name: "a rename and a copy at once: one place more",
        change: |f| {
            f.git(&["mv", "old.txt", "moved.txt"]);
            f.write("a-copy.txt", format!("key = {}\n", token(1)));
            f.git(&["add", "-A"]);
        },
        expected: &["a-copy.txt:1 kst-token index"],
    },
    Case {
        name: "a file becomes a directory",
        change: |f| {
            f.git(&["rm", "-q", "--cached", "old.txt"]);
            fs::remove_file(f.path.join("old.txt")).expect("there");
            f.write("old.txt/inner.txt", format!("{}\n{}\n", token(1), token(2)));
            f.git(&["add", "-A"]);
        },
        expected: &["old.txt/inner.txt:2 kst-token index"],
    },
    Case {
        name: "a directory becomes a file",
        change: |f| {
            f.git(&["rm", "-q", "-r", "dir"]);
            f.write("dir", token(2));
            f.git(&["add", "-A"]);
        },
        expected: &["dir:1 kst-token index"],
    },
    Case {
        name: "a mode change",
        change: |f| {
            f.git(&["update-index", "--chmod=+x", "old.txt"]);
        },
        expected: &[],
    },
    Case {
        name: "a deletion",
        change: |f| {
            f.git(&["rm", "-q", "old.txt"]);
        },
        expected: &[],
    },
    Case {
        name: "announced only (git add -N)",
        change: |f| {
            f.write("new.txt", token(2));
            f.git(&["add", "-N", "new.txt"]);
        },
        expected: &[],
    },
    Case {
        name: "skip-worktree and assume-unchanged do not hide",
        change: |f| {
            f.write("new.txt", token(2));
            f.write("newer.txt", token(3));
            f.git(&["add", "-A"]);
            f.git(&["update-index", "--skip-worktree", "new.txt"]);
            f.git(&["update-index", "--assume-unchanged", "newer.txt"]);
            fs::remove_file(f.path.join("new.txt")).expect("there");
        },
        expected: &["new.txt:1 kst-token index", "newer.txt:1 kst-token index"],
    },
    Case {
        name: "the target of a symbolic link",
        change: |f| {
            std::os::unix::fs::symlink(token(2), f.path.join("link")).expect("made");
            f.git(&["add", "-A"]);
        },
        expected: &["link:1 kst-token index"],
    },
    Case {
        name: "marked as binary, without diff, by attributes",
        change: |f| {
            f.write(".gitattributes", "*.txt -diff -text binary\n");
            f.write("new.txt", token(2));
            f.git(&["add", "-A"]);
        },
        expected: &["new.txt:1 kst-token index"],
    },
    Case {
        name: "from an allowlisted path to one that is not",
        change: |f| {
            f.write("allowed/a.txt", token(4));
            f.git(&["add", "-A"]);
            f.git(&["commit", "-q", "-m", "allowed"]);
            f.git(&["mv", "allowed/a.txt", "a.txt"]);
        },
        expected: &["a.txt:1 kst-token index"],
    },
    Case {
        name: "index version 4",
        change: |f| {
            f.git(&["update-index", "--index-version", "4"]);
            f.write("dir/new.txt", token(2));
            f.git(&["add", "-A"]);
        },
        expected: &["dir/new.txt:1 kst-token index"],
    },
    Case {
        name: "an index with offsets for threads, an untracked cache and bits for a file system monitor",
        change: |f| {
            f.git(&["config", "index.threads", "2"]);
            f.git(&["update-index", "--force-untracked-cache"]);
            f.git(&["update-index", "--fsmonitor"]);
            f.git(&["status"]);
            for number in 0..300 {
                f.write(&format!("many/{number}.txt"), format!("{number}\n"));
            }
            f.write("dir/new.txt", token(2));
            f.git(&["add", "-A"]);
        },
        expected: &["dir/new.txt:1 kst-token index"],
    },
    Case {
        name: "a conflict that was resolved",
        change: |f| {
            f.git(&["checkout", "-q", "-b", "other"]);
            f.write("clean.txt", "theirs\n");
            f.commit("theirs");
            f.git(&["checkout", "-q", "main"]);
            f.write("clean.txt", "ours\n");
            f.commit("ours");
            assert!(!f.try_git(&["merge", "-q", "other"]).status.success(), "it conflicts");
            f.write("clean.txt", format!("both\n{}\n", token(2)));
            f.git(&["add", "-A"]);
        },
        expected: &["clean.txt:2 kst-token index"],
    },
    Case {
        name: "a split index",
        change: |f| {
            f.git(&["update-index", "--split-index"]);
            f.write("dir/new.txt", token(2));
            f.write("clean.txt", token(3));
            f.git(&["rm", "-q", "dir/d.txt"]);
            f.git(&["add", "-A"]);
        },
        expected: &["clean.txt:1 kst-token index", "dir/new.txt:1 kst-token index"],
    },
    Case {
        name: "a sparse index, a change inside of the cone",
        change: |f| {
            f.write("far/away/a.txt", format!("{}\n", token(5)));
            f.commit("far");
            f.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "dir"]);
            f.write("dir/new.txt", token(2));
            f.git(&["add", "dir/new.txt"]);
            let listed = f.git(&["ls-files", "--sparse"]);
            assert!(listed.lines().any(|line| line == "far/"), "the index is sparse: {listed}");
        },
        expected: &["dir/new.txt:1 kst-token index"],
    },
    Case {
        name: "a sparse index, HEAD moved outside of the cone",
        change: |f| {
            f.write("far/away/a.txt", format!("{}\n", token(5)));
            f.commit("far");
            f.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "dir"]);
            f.git(&["reset", "-q", "--soft", "HEAD~1"]);
            let listed = f.git(&["ls-files", "--sparse"]);
            assert!(listed.lines().any(|line| line == "far/"), "the index is sparse: {listed}");
        },
        expected: &["far/away/a.txt:1 kst-token index"],
    },
    Case {
        name: "an amended message: the index is HEAD",
        change: |f| {
            f.write("new.txt", token(2));
            f.commit("second");
        },
        expected: &[],
    },
    Case {
        name: "HEAD moved back",
        change: |f| {
            f.write("new.txt", token(2));
            f.commit("second");
            f.git(&["reset", "-q", "--soft", "HEAD~1"]);
        },
        expected: &["new.txt:1 kst-token index"],
    },
    Case {
        name: "names with spaces, new lines and bytes that are no UTF-8",
        change: |f| {
            use std::os::unix::ffi::OsStrExt as _;
            let name = std::ffi::OsStr::from_bytes(b"a b\nc\xff.txt");
            fs::write(f.path.join(name), token(2)).expect("written");
            f.git(&["add", "-A"]);
        },
        expected: &["a b\nc\u{fffd}.txt:1 kst-token index"],
    },
    Case {
        name: "a detached HEAD",
        change: |f| {
            f.git(&["checkout", "-q", "--detach"]);
            f.write("new.txt", token(2));
            f.git(&["add", "-A"]);
        },
        expected: &["new.txt:1 kst-token index"],
    },
    Case {
        name: "packed objects",
        change: |f| {
            f.git(&["gc", "-q"]);
            f.write("old.txt", format!("first\nkey = {}\nlast\n{}", token(1), token(2)));
            f.git(&["add", "-A"]);
        },
        expected: &["old.txt:4 kst-token index"],
    },
];

#[test]
fn what_a_change_adds() {
    for case in CASES {
        let fixture = with_history();
        (case.change)(&fixture);
        let (found, report) = scan(&fixture);
        assert_eq!(found, case.expected, "{}", case.name);
        assert_eq!(report.coverage.gaps, [], "{}", case.name);
    }
}

#[test]
fn sha256_repositories_too() {
    let fixture = Fixture::with_args(&["--object-format=sha256"]);
    fixture.write("old.txt", token(1));
    fixture.commit("first");
    fixture.write("old.txt", format!("more\n{}\n", token(1)));
    fixture.write("dir/new.txt", token(2));
    fixture.git(&["add", "-A"]);
    let (found, report) = scan(&fixture);
    assert_eq!(found, ["dir/new.txt:1 kst-token index"]);
    assert_eq!(report.coverage.gaps, []);
}

#[test]
fn first_commit_is_everything_in_the_index() {
    let fixture = Fixture::new();
    let (found, report) = scan(&fixture);
    assert_eq!((found.as_slice(), report.coverage.blobs), ([].as_slice(), 0), "not even an index");
    fixture.write("a/b.txt", format!("\n{}", token(1)));
    fixture.write("c.txt", "clean");
    fixture.git(&["add", "-A"]);
    let (found, report) = scan(&fixture);
    assert_eq!(found, ["a/b.txt:2 kst-token index no HEAD"]);
    assert_eq!((report.coverage.blobs, report.coverage.blobs_scanned), (2, 2));
    assert_eq!(report.coverage.blob_bytes_scanned, 1 + 20 + 5);
}

#[test]
fn both_sides_of_a_conflict_are_scanned() {
    let fixture = with_history();
    fixture.git(&["checkout", "-q", "-b", "other"]);
    fixture.write("clean.txt", format!("theirs {}\n", token(3)));
    fixture.commit("theirs");
    fixture.git(&["checkout", "-q", "main"]);
    fixture.write("clean.txt", "ours\n");
    fixture.commit("ours");
    let merge = fixture.try_git(&["merge", "-q", "other"]);
    assert!(!merge.status.success(), "it conflicts");
    let (found, report) = scan(&fixture);
    assert_eq!(found, ["clean.txt:1 kst-token index"], "stage 3");
    assert_eq!(
        report.coverage.notes,
        [
            "a merge is under way: what it brings to HEAD counts as added",
            "1 paths are in conflict: both sides of each were scanned"
        ]
    );
}

#[test]
fn submodules_are_counted_and_not_entered() {
    let fixture = with_history();
    let commit = fixture.git(&["rev-parse", "HEAD"]);
    fixture.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},sub")]);
    let (found, report) = scan(&fixture);
    assert_eq!(found, [""; 0]);
    let skipped = &report.coverage.skipped[&SkipReason::NestedRepository];
    assert_eq!((skipped.count, skipped.examples.as_slice()), (1, ["sub".to_owned()].as_slice()));
    fixture.git(&["commit", "-q", "-m", "submodule"]);
    let (_, report) = scan(&fixture);
    assert!(report.coverage.skipped.is_empty(), "unchanged, it is no part of the change");
}

#[test]
fn a_path_rule_counts_new_paths_and_no_renames() {
    let fixture = with_history();
    fixture.write("a.kstkey", "x");
    fixture.commit("key file");
    let inspector = inspector_with(InspectOptions::default(), true);
    let scan = || {
        let repository = Repository::open(&fixture.path).expect("opens");
        let report = staged::scan(&repository, &inspector, &Progress::default()).expect("scans");
        found(&inspector, &report)
    };
    fixture.write("a.kstkey", "y");
    fixture.git(&["add", "-A"]);
    assert_eq!(scan(), [""; 0], "the path was there before");
    fixture.git(&["mv", "a.kstkey", "b.kstkey"]);
    assert_eq!(scan(), [""; 0], "renamed");
    fixture.write("c.kstkey", "z");
    fixture.git(&["add", "-A"]);
    assert_eq!(scan().len(), 1, "a new one");
}

#[test]
fn only_what_changed_is_read() {
    let fixture = with_history();
    for number in 0..50 {
        fixture.write(&format!("many/{number}.txt"), format!("{number}\n"));
    }
    fixture.commit("many");
    // `git add` would read files again whose times are as young as the index, and forget what it knew.
    fixture.git(&["read-tree", "HEAD"]);
    fixture.write("many/7.txt", "changed\n");
    let changed = fixture.git(&["hash-object", "-w", "many/7.txt"]);
    fixture.git(&["update-index", "--cacheinfo", &format!("100644,{changed},many/7.txt")]);
    // What did not change is not asked for: without its objects, the scan is still complete.
    let unchanged = fixture.git(&["rev-parse", "HEAD:many/8.txt", "HEAD:dir", "HEAD:old.txt"]);
    for id in unchanged.lines() {
        fs::remove_file(fixture.path.join(".git/objects").join(&id[..2]).join(&id[2..])).expect("loose");
    }
    let (_, report) = scan(&fixture);
    assert_eq!((report.coverage.blobs, report.coverage.blobs_scanned), (1, 1));
    assert_eq!(report.coverage.gaps, []);
}

#[test]
fn what_can_not_be_read_is_a_gap() {
    let object = |fixture: &Fixture, spec: &str| {
        let id = fixture.git(&["rev-parse", spec]);
        fixture.path.join(".git/objects").join(&id[..2]).join(&id[2..])
    };
    let overwrite = |path: std::path::PathBuf, content: &[u8]| {
        fs::remove_file(&path).expect("loose");
        fs::write(&path, content).expect("written");
    };
    type Damage<'a> = (&'a str, &'a dyn Fn(&Fixture), GapKind);
    let cases: &[Damage<'_>] = &[
        (
            "a cut index",
            &|f| {
                let path = f.path.join(".git/index");
                let content = fs::read(&path).expect("there");
                fs::write(path, &content[..content.len() / 2]).expect("written");
            },
            GapKind::CorruptIndex,
        ),
        ("an index of noise", &|f| f.write(".git/index", "noise"), GapKind::CorruptIndex),
        (
            "an index with a wrong byte",
            &|f| {
                let path = f.path.join(".git/index");
                let mut content = fs::read(&path).expect("there");
                let middle = content.len() / 2;
                content[middle] ^= 1;
                fs::write(path, content).expect("written");
            },
            GapKind::CorruptIndex,
        ),
        (
            "an index whose cache of trees never ends",
            &|f| {
                let mut trees = b"\0-1 1\n".to_vec();
                for _ in 0..200_000 {
                    trees.extend(b"a\0-1 1\n");
                }
                let size = u32::try_from(trees.len()).expect("small").to_be_bytes();
                let header: &[u8] = b"DIRC\0\0\0\x02\0\0\0\0TREE";
                f.write(".git/index", [header, &size, &trees, &[0; 20]].concat());
            },
            GapKind::CorruptIndex,
        ),
        (
            "a directory for an index",
            &|f| {
                fs::remove_file(f.path.join(".git/index")).expect("there");
                fs::create_dir(f.path.join(".git/index")).expect("made");
            },
            GapKind::CorruptIndex,
        ),
        (
            "a missing shared index",
            &|f| {
                f.git(&["update-index", "--split-index"]);
                for entry in f.path.join(".git").read_dir().expect("there") {
                    let path = entry.expect("there").path();
                    if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("sharedindex")) {
                        fs::remove_file(path).expect("removed");
                    }
                }
            },
            GapKind::CorruptIndex,
        ),
        ("a missing blob", &|f| fs::remove_file(object(f, ":new.txt")).expect("loose"), GapKind::MissingObject),
        ("a blob of noise", &|f| overwrite(object(f, ":new.txt"), b"noise"), GapKind::CorruptObject),
        (
            "a blob that is another",
            &|f| {
                let other = fs::read(object(f, ":clean.txt")).expect("loose");
                overwrite(object(f, ":new.txt"), &other);
            },
            GapKind::CorruptObject,
        ),
        ("a missing tree", &|f| fs::remove_file(object(f, "HEAD^{tree}")).expect("loose"), GapKind::MissingObject),
        ("a missing HEAD commit", &|f| fs::remove_file(object(f, "HEAD")).expect("loose"), GapKind::MissingObject),
        ("an empty branch file", &|f| f.write(".git/refs/heads/main", ""), GapKind::BrokenReference),
    ];
    for (name, damage, kind) in cases {
        let fixture = with_history();
        fixture.write("new.txt", token(2));
        fixture.git(&["add", "-A"]);
        damage(&fixture);
        let (_, report) = scan(&fixture);
        let kinds: Vec<_> = report.coverage.gaps.iter().map(|gap| gap.kind).collect();
        assert!(kinds.contains(kind), "{name}: {:?}", report.coverage.gaps);
    }
}

#[test]
fn a_bare_repository_has_no_staged_change() {
    let fixture = Fixture::with_args(&["--bare"]);
    let repository = Repository::open(&fixture.path).expect("opens");
    let error = staged::scan(&repository, &inspector(), &Progress::default()).expect_err("no index");
    assert!(matches!(error, Error::Usage(ref text) if text.contains("bare repository")), "{error}");
}

#[test]
fn the_index_file_that_a_hook_is_given_counts() {
    let fixture = with_history();
    let index = fixture.outside().join("next-index");
    fs::copy(fixture.path.join(".git/index"), &index).expect("copied");
    fixture.write("new.txt", token(2));
    fixture.git(&["add", "-A"]);
    let location = keystile_git::repository::Location {
        path: fixture.path.clone(),
        index_file: Some(index),
        ..Default::default()
    };
    let repository = Repository::open_at(&location).expect("opens");
    let inspector = inspector();
    let report = staged::scan(&repository, &inspector, &Progress::default()).expect("scans");
    assert_eq!(found(&inspector, &report), [""; 0]);
}

#[test]
fn the_repository_stays_as_it_was() {
    let fixture = with_history();
    fixture.write("new.txt", token(2));
    fixture.git(&["add", "-A"]);
    // A refresh of the index would store new times.
    fixture.write("clean.txt", "clean\n");
    let before = snapshot(&fixture.path);
    let (found, _) = scan(&fixture);
    assert_eq!(found.len(), 1);
    assert_eq!(snapshot(&fixture.path), before);
}
