//! Whole histories: which commit introduced what, at which line and column.

use crate::support::{TestRepository, expect_places, github_token, keystile, places};

#[test]
fn a_secret_that_was_removed_is_found_where_it_came_in() {
    let repository = TestRepository::new();
    repository.commit_file("a.txt", "one\n", "start");
    repository.commit_file("a.txt", format!("one\ntwo {}\n", github_token(1)), "leak");
    repository.commit_file("a.txt", "one\n", "remove");
    let run = expect_places(&repository, &[], 1, &["commit a.txt:2:5 leak"]);
    assert_eq!(run.json()["findings"][0]["in_head"], false);
}

#[test]
fn content_of_a_merge_resolution_counts_and_what_a_parent_has_does_not() {
    let repository = TestRepository::new();
    repository.commit_file("a.txt", "one\n", "start");
    repository.git(&["checkout", "-q", "-b", "side"]);
    repository.commit_file("side.txt", format!("{}\n", github_token(1)), "side");
    repository.git(&["checkout", "-q", "main"]);
    repository.commit_file("main.txt", "x\n", "main");
    repository.git(&["merge", "-q", "--no-commit", "side"]);
    repository.write("a.txt", format!("one\n{}\n", github_token(2)));
    repository.commit("evil merge");
    expect_places(&repository, &[], 1, &["commit a.txt:2:1 evil merge", "commit side.txt:1:1 side"]);
}

#[test]
fn an_octopus_merge_introduces_only_what_no_parent_has() {
    let repository = TestRepository::new();
    repository.commit_file("a.txt", "one\n", "start");
    for (seed, branch) in [(1, "b1"), (2, "b2"), (3, "b3")] {
        repository.git(&["checkout", "-q", "-b", branch, "main"]);
        repository.commit_file(&format!("{branch}.txt"), github_token(seed), branch);
    }
    repository.git(&["checkout", "-q", "main"]);
    repository.git(&["merge", "-q", "-m", "octopus", "b1", "b2", "b3"]);
    let expected = ["commit b1.txt:1:1 b1", "commit b2.txt:1:1 b2", "commit b3.txt:1:1 b3"];
    expect_places(&repository, &[], 1, &expected);
}

#[test]
fn a_revert_of_the_removal_is_an_introduction_again() {
    let repository = TestRepository::new();
    repository.commit_file("a.txt", github_token(1), "leak");
    repository.commit_file("a.txt", "clean\n", "remove");
    repository.git(&["revert", "--no-edit", "HEAD"]);
    let run = expect_places(&repository, &[], 1, &["commit a.txt:1:1 Revert \"remove\"", "commit a.txt:1:1 leak"]);
    assert_eq!(run.json()["findings"].as_array().map(Vec::len), Some(1), "one secret, one finding");
    assert_eq!(run.json()["findings"][0]["in_head"], true);
}

#[test]
fn a_copy_and_a_rename_are_places_of_the_same_finding() {
    let repository = TestRepository::new();
    repository.commit_file("a.txt", github_token(1), "leak");
    repository.commit_file("copy.txt", github_token(1), "copy");
    repository.git(&["mv", "a.txt", "renamed.txt"]);
    repository.commit("rename");
    let run = keystile(repository.path(), ["scan", "--format=json"]).expect(1);
    let report = run.json();
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(1));
    let expected = ["commit a.txt:1:1 leak", "commit copy.txt:1:1 copy", "commit renamed.txt:1:1 rename"];
    assert_eq!(places(&report), expected);
}

#[test]
fn lines_and_columns_are_those_an_editor_shows() {
    let token = github_token(1);
    for (name, content, line, column) in [
        ("a last line without an end", format!("one\ntwo\nx {token}"), 3, 3),
        ("carriage returns", format!("one\r\ntwo {token}\r\nthree\r\n"), 2, 5),
        ("characters of several bytes", format!("é ü 漢 {token}\n"), 1, 7),
        ("a tab is one column", format!("\t{token}\n"), 1, 2),
        ("a byte that is no character", String::new(), 1, 3),
        ("a line of two megabytes", format!("{}\n{} {token}\n", "y".repeat(100), "x".repeat(2_000_000)), 2, 2_000_002),
    ] {
        let repository = TestRepository::new();
        let bytes = if content.is_empty() { [b"\xff ", token.as_bytes()].concat() } else { content.into_bytes() };
        repository.commit_file("a.txt", bytes, "leak");
        let place = format!("commit a.txt:{line}:{column} leak");
        println!("{name}");
        expect_places(&repository, &[], 1, &[&place]);
    }
}

#[test]
fn utf_16_is_text() {
    let text = format!("first line\nsecond = {}\n", github_token(1));
    let encode = |to_bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(to_bytes).collect::<Vec<u8>>();
    for (name, bytes) in [
        ("little endian with mark", [&[0xff, 0xfe], encode(u16::to_le_bytes).as_slice()].concat()),
        ("big endian with mark", [&[0xfe, 0xff], encode(u16::to_be_bytes).as_slice()].concat()),
        ("little endian", encode(u16::to_le_bytes)),
        ("big endian at an odd offset", [b"x", encode(u16::to_be_bytes).as_slice()].concat()),
    ] {
        let repository = TestRepository::new();
        repository.commit_file("a.txt", bytes, "leak");
        let run = keystile(repository.path(), ["scan", "--history-only", "--format=json"]).expect(1);
        let report = run.json();
        assert_eq!(report["findings"][0]["rule_id"], "github-pat", "{name}");
        assert_eq!(report["findings"][0]["occurrences"][0]["encodings"], serde_json::json!(["utf-16"]), "{name}");
    }
}

#[test]
fn no_attribute_hides_content() {
    let repository = TestRepository::new();
    repository.write(".gitattributes", "* -diff -text binary export-ignore filter=none\n");
    repository.commit_file("a.txt", github_token(1), "leak");
    expect_places(&repository, &[], 1, &["commit a.txt:1:1 leak"]);
}

#[test]
fn binary_content_is_scanned_unless_asked_otherwise() {
    let repository = TestRepository::new();
    let bytes = [b"\0\x01\x02\n\0", github_token(1).as_bytes(), b"\0\0"].concat();
    repository.commit_file("a.pyc", bytes, "leak");
    expect_places(&repository, &[], 1, &["commit a.pyc:2:2 leak"]);
    let run = expect_places(&repository, &["--skip-binary"], 0, &[]);
    assert_eq!(run.json()["coverage"]["skipped"][0]["reason"], "binary");
}

#[cfg(unix)]
#[test]
fn names_with_new_lines_and_other_bytes_are_places() {
    use std::os::unix::ffi::OsStrExt as _;
    let repository = TestRepository::new();
    for (seed, name) in [(1, &b"new\nline"[..]), (2, b"latin-\xe9"), (3, b"esc\x1b[31m"), (4, b" -x")] {
        std::fs::write(repository.path().join(std::ffi::OsStr::from_bytes(name)), github_token(seed)).unwrap();
    }
    repository.commit("leak");
    let run = expect_places(
        &repository,
        &[],
        1,
        &[
            "commit  -x:1:1 leak",
            "commit esc\u{1b}[31m:1:1 leak",
            "commit latin-%E9:1:1 leak",
            "commit new\nline:1:1 leak",
        ],
    );
    drop(run);
    let human = keystile(repository.path(), ["scan", "--color=never"]).expect(1).text();
    assert!(!human.contains('\u{1b}'), "an escape sequence from the repository reaches the terminal");
}

#[test]
fn secrets_at_the_edges_of_deltas_are_found_with_and_without_reuse() {
    let repository = TestRepository::new();
    let token = github_token(1);
    let filler: String = (0..400).map(|line| format!("line {line} of a file that is stored as a delta\n")).collect();
    repository.commit_file("a.txt", &filler, "start");
    // The token grows into the file piece by piece, so that the delta's instructions cut it everywhere.
    for cut in [0, 1, 4, 10, 20, 39, 40] {
        let (head, tail) = filler.split_at(filler.len() / 2);
        repository.commit_file("a.txt", format!("{head}{}{tail}", &token[..cut]), &format!("cut {cut}"));
    }
    repository.commit_file("a.txt", format!("{token}{filler}"), "at the start");
    repository.commit_file("a.txt", format!("{filler}{token}"), "at the end");
    repository.git(&["repack", "-adfq", "--depth=50", "--window=50"]);
    let with = keystile(repository.path(), ["scan", "--history-only", "--format=json"]).expect(1).json();
    let without =
        keystile(repository.path(), ["scan", "--history-only", "--no-delta", "--format=json"]).expect(1).json();
    assert_eq!(places(&with), places(&without));
    let subjects: Vec<_> = places(&with).iter().map(|place| place.split_once(' ').unwrap().1.to_owned()).collect();
    assert!(subjects.iter().any(|place| place.ends_with("at the start")), "{subjects:?}");
    assert!(subjects.iter().any(|place| place.ends_with("at the end")), "{subjects:?}");
}

#[test]
fn fifty_megabytes_are_scanned_whole() {
    let repository = TestRepository::new();
    let mut content = vec![b'a'; 50_000_000];
    for end in content.iter_mut().skip(99).step_by(100) {
        *end = b'\n';
    }
    content.extend_from_slice(github_token(1).as_bytes());
    repository.commit_file("big.txt", content, "leak");
    expect_places(&repository, &["--history-only"], 1, &["commit big.txt:500001:1 leak"]);
}

#[test]
fn everything_that_git_holds_is_in_scope() {
    let repository = TestRepository::new();
    repository.commit_file("a.txt", "one\n", "start");
    // Two stash entries: git itself lists only the newest as a reference.
    for (seed, name) in [(1, "older"), (2, "newer")] {
        repository.write("a.txt", format!("{}\n", github_token(seed)));
        repository.git(&["stash", "push", "-q", "-m", name]);
    }
    repository.git(&["notes", "add", "-m", &github_token(3), "HEAD"]);
    repository.git(&["checkout", "-q", "--orphan", "orphan"]);
    repository.commit_file("orphan.txt", github_token(4), "orphan");
    repository.git(&["checkout", "-q", "--detach"]);
    repository.commit_file("detached.txt", github_token(5), "detached");
    repository.write("staged.txt", github_token(6));
    repository.git(&["add", "staged.txt"]);
    repository.write("untracked.txt", github_token(7));
    repository.write(".gitignore", "ignored.txt\n");
    repository.write("ignored.txt", github_token(8));
    let run = keystile(repository.path(), ["scan", "--format=json"]).expect(1);
    let found = places(&run.json());
    for place in [
        "On main: older",
        "On main: newer",
        "Notes added by 'git notes add'",
        "orphan.txt:1:1 orphan",
        "detached.txt:1:1 detached",
        "index staged.txt:1:1",
        "work_tree untracked.txt:1:1",
    ] {
        assert!(found.iter().any(|line| line.ends_with(place)), "{place} is not among {found:#?}");
    }
    assert_eq!(run.json()["findings"].as_array().map(Vec::len), Some(7), "{found:#?}");
    let run = keystile(repository.path(), ["scan", "--no-ignore", "--format=json"]).expect(1);
    assert!(places(&run.json()).contains(&"work_tree ignored.txt:1:1".to_owned()));
}

#[test]
fn messages_and_unreachable_objects_are_scanned_when_asked() {
    let repository = TestRepository::new();
    repository.commit_file("a.txt", "one\n", &format!("start\n\nsee {}", github_token(1)));
    repository.git(&["tag", "-a", "v1", "-m", &github_token(2)]);
    repository.commit_file("gone.txt", github_token(3), "gone");
    repository.git(&["reset", "-q", "--hard", "HEAD~"]);
    repository.git(&["reflog", "expire", "--expire=now", "--all"]);
    expect_places(&repository, &[], 0, &[]);
    let run = keystile(repository.path(), ["scan", "--messages", "--unreachable", "--format=json"]).expect(1);
    let kinds: Vec<String> =
        places(&run.json()).iter().map(|place| place.split(' ').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(kinds, ["commit_message", "tag_message", "unreachable"]);
}

#[test]
fn replacements_are_not_followed() {
    let repository = TestRepository::new();
    let leak = repository.commit_file("a.txt", github_token(1), "leak");
    repository.git(&["checkout", "-q", "--orphan", "other"]);
    let clean = repository.commit_file("a.txt", "clean\n", "clean");
    repository.git(&["replace", &leak, &clean]);
    expect_places(&repository, &[], 1, &["commit a.txt:1:1 leak"]);
}

#[test]
fn an_empty_repository_is_not_taken_for_a_clean_one_silently() {
    let repository = TestRepository::new();
    let run = keystile(repository.path(), ["scan"]).expect(0);
    let said = run.text().to_lowercase();
    assert!(said.contains("nothing was scanned") || said.contains("nothing to scan"), "{said}");
}
