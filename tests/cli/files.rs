//! Directories, single files, standard input, archives.

use std::io::Write as _;

use crate::support::run::keystile_with_input;
use crate::support::{TestRepository, github_token, keystile, places};

#[test]
fn a_directory_is_scanned_as_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, content: String| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    write("a.txt", github_token(1));
    write(".hidden/b.txt", github_token(2));
    write(".gitignore", "ignored.txt\n".to_owned());
    write("ignored.txt", github_token(3));
    let run = keystile(folder.path(), ["scan", "--dir", ".", "--format=json"]).expect(1);
    let expected = ["file .hidden/b.txt:1:1", "file a.txt:1:1", "file ignored.txt:1:1"];
    let found = places(&run.json());
    assert!(found == expected[..2] || found == expected, "{found:?}");
    let run = keystile(folder.path(), ["scan", "--dir", ".", "--no-ignore", "--format=json"]).expect(1);
    assert_eq!(places(&run.json()), expected);
    let run = keystile(folder.path(), ["scan", "a.txt", "--format=json"]).expect(1);
    assert_eq!(places(&run.json()), ["file a.txt:1:1"]);
}

#[cfg(unix)]
#[test]
fn pipes_are_skipped_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::fs::write(folder.path().join("a.txt"), "x").unwrap();
    let run = keystile(folder.path(), ["scan", "--dir", ".", "--format=json"]).expect(0);
    let skipped = &run.json()["coverage"]["skipped"][0];
    assert_eq!((skipped["reason"].as_str(), skipped["count"].as_u64()), (Some("special_file"), Some(1)));
}

#[test]
fn standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let input = format!("one\ntoken {}\n", github_token(1));
    let run = keystile_with_input(folder.path(), &["scan", "-", "--format=json"], input.as_bytes()).expect(1);
    assert_eq!(places(&run.json()), ["standard_input :2:7"]);
    keystile_with_input(folder.path(), &["scan", "-"], b"nothing\n").expect(0);
}

/// `false | keystile scan -`: a pipe whose other end failed is empty, and so is what it left in a file.
#[test]
fn what_is_empty_was_not_scanned() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("d")).unwrap();
    std::fs::write(folder.path().join("d/empty.txt"), "").unwrap();
    let scan = |arguments: &[&str], input: &[u8]| keystile_with_input(folder.path(), arguments, input).expect(0);
    for target in ["-", "d", "d/empty.txt"] {
        let text = scan(&["scan", target], b"").text();
        assert!(text.starts_with("Nothing was scanned: what was read is empty.\n"), "{target}: {text}");
        assert!(text.contains("0: nothing was scanned, nothing found"), "{target}: {text}");
        let report = scan(&["scan", target, "--format=json"], b"").json();
        assert_eq!(report["coverage"]["scanned_anything"], false, "{target}");
    }
    let report = scan(&["scan", "-", "--format=json"], b"x").json();
    assert_eq!(report["coverage"]["scanned_anything"], true);
    // As in gitleaks, where this is no case of its own.
    scan(&["stdin"], b"");
}

#[test]
fn the_target_is_what_was_scanned() {
    let repository = TestRepository::new();
    repository.commit_file("a.txt", "one\n", "one");
    for (arguments, target) in
        [(&["scan"][..], "history, index and work tree of "), (&["scan", "--history-only"], "history of ")]
    {
        let text = keystile(repository.path(), arguments).expect(0).text();
        let line = text.lines().find_map(|line| line.trim().strip_prefix("target")).expect("a line").trim();
        assert!(line.starts_with(target), "{arguments:?}: {line}");
    }
}

#[test]
fn archives_are_opened_to_their_depth() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("inner.txt"), github_token(1)).unwrap();
    let tar = |arguments: &[&str]| {
        let status = std::process::Command::new("tar").args(arguments).current_dir(folder.path()).status().unwrap();
        assert!(status.success());
    };
    tar(&["-czf", "outer.tar.gz", "inner.txt"]);
    std::fs::remove_file(folder.path().join("inner.txt")).unwrap();
    let run = keystile(folder.path(), ["scan", "--dir", ".", "--format=json"]).expect(1);
    let found = places(&run.json());
    assert!(
        found.len() == 1 && found[0].starts_with("file outer.tar.gz!") && found[0].contains("inner.txt:1:1"),
        "{found:?}"
    );
    keystile(folder.path(), ["scan", "--dir", ".", "--max-archive-depth=0"]).expect(0);
}

#[test]
fn encoded_secrets_are_found_where_the_encoded_text_stands() {
    let folder = tempfile::tempdir().unwrap();
    let token = github_token(1);
    let hex: String = token.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut file = std::fs::File::create(folder.path().join("a.txt")).unwrap();
    writeln!(file, "one\nvalue: {hex}").unwrap();
    let run = keystile(folder.path(), ["scan", "--dir", ".", "--format=json"]).expect(1);
    assert_eq!(places(&run.json()), ["file a.txt:2:8"]);
    assert!(!run.text().contains(&hex), "the encoded form is masked as well");
    keystile(folder.path(), ["scan", "--dir", ".", "--max-decode-depth=0"]).expect(0);
}

#[test]
fn a_bundle_that_lies_around_is_not_taken_for_read() {
    let repository = crate::support::TestRepository::new();
    repository.commit_file("a.txt", github_token(1), "leak");
    let bundle = repository.beside("history.bundle");
    repository.git(&["bundle", "create", "-q", bundle.to_str().unwrap(), "--all"]);
    let run = keystile(repository.path(), ["scan", "--format=json", bundle.to_str().unwrap()]).expect(0);
    let report = run.json();
    let skipped = &report["coverage"]["skipped"][0];
    assert_eq!((skipped["reason"].as_str(), skipped["count"].as_u64()), (Some("archive_unsupported"), Some(1)));
}
