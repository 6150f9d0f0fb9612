//! Damaged repositories: everything readable is scanned, the gap is named, the end is 3.

use std::fs;
use std::path::PathBuf;

use crate::support::{TestRepository, gaps, github_token, keystile, places};

/// A leak in one commit, and other content that can be damaged.
fn repository() -> TestRepository {
    let repository = TestRepository::new();
    repository.commit_file("leak.txt", github_token(1), "leak");
    repository.commit_file("other.txt", "some other content\n".repeat(50), "other");
    repository.commit_file("dir/more.txt", "more content\n".repeat(50), "more");
    repository
}

fn loose(repository: &TestRepository, revision: &str) -> PathBuf {
    let id = repository.git(&["rev-parse", revision]);
    repository.path().join(".git/objects").join(&id[..2]).join(&id[2..])
}

fn overwrite(path: &PathBuf, content: &[u8]) {
    let mut permissions = fs::metadata(path).unwrap().permissions();
    #[allow(clippy::permissions_set_readonly_false, reason = "a file of this test")]
    permissions.set_readonly(false);
    fs::set_permissions(path, permissions).unwrap();
    fs::write(path, content).unwrap();
}

/// Findings beside gaps end with 1; with the leak ignored, the gaps alone end with 3.
#[track_caller]
fn expect_gap(repository: &TestRepository, kind: &str, what: &str) {
    let run = keystile(repository.path(), ["scan", "--history-only", "--format=json"]).expect(1);
    let report = run.json();
    assert!(gaps(&report).contains_key(kind), "{kind}: {}", report["coverage"]);
    let named = report["coverage"]["gaps"]
        .as_array()
        .unwrap()
        .iter()
        .any(|gap| gap["what"].as_str().unwrap().contains(what) || gap["detail"].as_str().unwrap().contains(what));
    assert!(named, "{what} is not named: {}", report["coverage"]["gaps"]);
    assert_eq!(places(&report), ["commit leak.txt:1:1 leak"]);
    let fingerprint = report["findings"][0]["fingerprint"].as_str().unwrap().to_owned();
    let ignore = repository.beside("ignore");
    fs::write(&ignore, format!("{fingerprint} # reason: only the gap is of interest here\n")).unwrap();
    let flag = format!("--ignore-file={}", ignore.display());
    keystile(repository.path(), ["scan", "--history-only", &flag]).expect(3);
    keystile(repository.path(), ["scan", "--history-only", "--allow-incomplete", &flag]).expect(0);
}

#[test]
fn missing_objects() {
    for (revision, name) in [("HEAD~:other.txt", "blob"), ("HEAD:dir", "tree")] {
        let repository = repository();
        let id = repository.git(&["rev-parse", revision]);
        fs::remove_file(loose(&repository, revision)).unwrap();
        println!("{name}");
        expect_gap(&repository, "missing_object", &id);
    }
}

#[test]
fn a_missing_parent() {
    let repository = repository();
    let leak = repository.git(&["rev-parse", "HEAD~2"]);
    repository.git(&["branch", "old", &leak]);
    fs::remove_file(loose(&repository, "HEAD~")).unwrap();
    let run = keystile(repository.path(), ["scan", "--history-only", "--format=json"]).expect(1);
    let report = run.json();
    assert_eq!(gaps(&report).get("missing_object"), Some(&1), "{}", report["coverage"]);
    // What HEAD got from the missing commit can't be told from what it introduced itself.
    assert_eq!(places(&report), ["commit leak.txt:1:1 leak", "commit leak.txt:1:1 more"]);
}

#[test]
fn loose_objects_that_are_broken_or_not_what_their_name_says() {
    for (name, damage) in [
        ("truncated", (|bytes: &[u8], _: &[u8]| bytes[..bytes.len() / 2].to_vec()) as fn(&[u8], &[u8]) -> Vec<u8>),
        ("empty", |_, _| Vec::new()),
        ("no zlib", |_, _| b"not compressed at all".to_vec()),
        ("another object's content", |_, other| other.to_vec()),
        ("garbage behind the end", |bytes, _| [bytes, b"garbage"].concat()),
    ] {
        let repository = repository();
        let id = repository.git(&["rev-parse", "HEAD:other.txt"]);
        let path = loose(&repository, "HEAD:other.txt");
        let other = fs::read(loose(&repository, "HEAD:dir/more.txt")).unwrap();
        let content = fs::read(&path).unwrap();
        overwrite(&path, &damage(&content, &other));
        println!("{name}");
        expect_gap(&repository, "corrupt_object", &id);
    }
}

fn packed() -> (TestRepository, PathBuf) {
    let repository = repository();
    repository.git(&["repack", "-adq"]);
    repository.git(&["prune-packed"]);
    // The leak stays readable as a loose object beside the damaged pack.
    let pack = fs::read_dir(repository.path().join(".git/objects/pack"))
        .unwrap()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "pack"))
        .unwrap();
    (repository, pack)
}

#[test]
fn packs_that_are_corrupt_are_never_clean() {
    for (name, damage) in [
        (
            "a flipped byte",
            (|mut bytes: Vec<u8>| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0x55;
                bytes
            }) as fn(Vec<u8>) -> Vec<u8>,
        ),
        ("truncated", |mut bytes| {
            bytes.truncate(bytes.len() * 2 / 3);
            bytes
        }),
        ("no pack at all", |_| b"hello".to_vec()),
    ] {
        let (repository, pack) = packed();
        let bytes = fs::read(&pack).unwrap();
        overwrite(&pack, &damage(bytes));
        let run = keystile(repository.path(), ["scan", "--history-only", "--format=json"]);
        let report = run.json();
        assert!(matches!(run.status, Some(1 | 3)), "{name}: {run:?}");
        assert!(!gaps(&report).is_empty(), "{name}: {}", run.text());
    }
}

#[test]
fn a_pack_index_that_is_corrupt_is_named() {
    let (repository, pack) = packed();
    let index = pack.with_extension("idx");
    overwrite(&index, b"\xfftOc not an index");
    let run = keystile(repository.path(), ["scan", "--history-only", "--format=json"]);
    assert!(matches!(run.status, Some(1 | 3)), "{run:?}");
    let report = run.json();
    let is_read_anyway = gaps(&report).is_empty() && places(&report) == ["commit leak.txt:1:1 leak"];
    assert!(is_read_anyway || gaps(&report).contains_key("corrupt_pack"), "{}", run.text());
}

#[test]
fn broken_references_and_index_are_named() {
    let repository = repository();
    fs::write(repository.path().join(".git/refs/heads/broken"), "not an id\n").unwrap();
    expect_gap(&repository, "broken_reference", "broken");

    let repository = TestRepository::new();
    repository.commit_file("a.txt", "one\n", "one");
    for content in [&b"DIRC garbage"[..], b""] {
        fs::write(repository.path().join(".git/index"), content).unwrap();
        for arguments in [&["scan", "--format=json"][..], &["scan", "--staged", "--format=json"]] {
            let run = keystile(repository.path(), arguments).expect(3);
            assert!(gaps(&run.json()).contains_key("corrupt_index"), "{arguments:?}: {}", run.text());
        }
    }
}

/// libgit2 goes on for ever about such a file.
#[test]
fn a_staged_object_that_is_cut_off_ends_the_scan_with_its_name() {
    let repository = TestRepository::new();
    repository.commit_file("a.txt", "one\n", "one");
    repository.write("b.txt", github_token(1));
    repository.git(&["add", "b.txt"]);
    let id = repository.git(&["rev-parse", ":b.txt"]);
    let path = loose(&repository, ":b.txt");
    fs::remove_file(repository.path().join("b.txt")).unwrap();
    let whole = fs::read(&path).unwrap();
    for len in [1, 8, whole.len() / 2, whole.len() - 1] {
        overwrite(&path, &whole[..len]);
        for arguments in [&["scan", "--format=json"][..], &["scan", "--staged", "--format=json"]] {
            let run = keystile(repository.path(), arguments).expect(3);
            let report = run.json();
            assert!(gaps(&report).contains_key("corrupt_object"), "{len} {arguments:?}: {}", report["coverage"]);
            assert!(run.text().contains(&id), "{len} {arguments:?}: {}", report["coverage"]["gaps"]);
        }
    }
}

/// The same for all that `--compat=strict` reads, and for configuration from a commit: nothing goes on for ever, the
/// object is named, and what is readable is scanned.
#[test]
fn a_history_object_that_is_cut_off_ends_a_strict_scan_with_its_name() {
    let history = &["scan", "--compat=strict", "--history-only", "--format=json"][..];
    let range = &["scan", "--compat=strict", "--range=first..HEAD", "--format=json"][..];
    for revision in ["HEAD~:other.txt", "HEAD:dir/more.txt", "HEAD:dir", "HEAD^{tree}", "HEAD~^{tree}", "HEAD~", "tag"]
    {
        let repository = TestRepository::new();
        repository.commit_file("first.txt", "first\n", "first");
        repository.git(&["branch", "first"]);
        repository.commit_file("leak.txt", github_token(1), "leak");
        repository.git(&["branch", "leak"]);
        repository.commit_file("other.txt", "some other content\n".repeat(50), "other");
        repository.commit_file("dir/more.txt", "more content\n".repeat(50), "more");
        repository.git(&["tag", "-a", "-m", "a tag", "tag"]);
        let id = repository.git(&["rev-parse", revision]);
        let path = loose(&repository, revision);
        let whole = fs::read(&path).unwrap();
        for len in [1, whole.len() / 2, whole.len() - 1] {
            overwrite(&path, &whole[..len]);
            for arguments in [history, range] {
                let case = format!("{revision} {len} {arguments:?}");
                let is_range = arguments == range;
                let expected = match (revision, is_range) {
                    // No part of a range.
                    ("tag", true) => (1, false, true),
                    // The range leads to what is before the broken commit through it alone.
                    ("HEAD~", true) => (3, true, false),
                    _ => (1, true, true),
                };
                let run = keystile(repository.path(), arguments).expect(expected.0);
                let report = run.json();
                assert_eq!(gaps(&report).contains_key("corrupt_object"), expected.1, "{case}: {}", report["coverage"]);
                assert_eq!(run.text().contains(&id), expected.1, "{case}: {}", report["coverage"]["gaps"]);
                let leaks = places(&report).iter().filter(|place| place.starts_with("commit leak.txt:1:1")).count();
                assert_eq!(leaks > 0, expected.2, "{case}: {:?}", places(&report));
                let ignore = repository.beside("ignore");
                if let Some(fingerprint) = report["findings"][0]["fingerprint"].as_str() {
                    fs::write(&ignore, format!("{fingerprint} # reason: only the gap is of interest here\n")).unwrap();
                    let flag = format!("--ignore-file={}", ignore.display());
                    let status = if expected.1 { 3 } else { 0 };
                    keystile(repository.path(), [arguments, &[flag.as_str()]].concat()).expect(status);
                }
            }
        }
    }
}

#[test]
fn attributes_and_configuration_that_are_cut_off_end_a_scan() {
    let repository = repository();
    repository.commit_file(".gitattributes", "*.png diff\n", "attributes");
    repository.commit_file(".keystile/scan.toml", "[extend]\nuseDefault = true\n", "configuration");
    let id = |revision: &str| repository.git(&["rev-parse", revision]);
    let strict = &["scan", "--compat=strict", "--history-only", "--format=json"][..];
    let from_commit = &["scan", "--range=HEAD~..HEAD", "--config-from=HEAD", "--format=json"][..];
    let range = &["scan", "--range=HEAD~..HEAD", "--compat=strict", "--format=json"][..];
    for (revision, arguments, status, named) in [
        (":.gitattributes", strict, 1, id(":.gitattributes")),
        ("HEAD:.keystile/scan.toml", from_commit, 2, ".keystile/scan.toml".to_owned()),
        ("HEAD:.keystile", from_commit, 2, id("HEAD")),
        ("HEAD", range, 2, id("HEAD")),
    ] {
        let path = loose(&repository, revision);
        let whole = fs::read(&path).unwrap();
        fs::remove_file(repository.path().join(".gitattributes")).ok();
        overwrite(&path, &whole[..whole.len() / 2]);
        let run = keystile(repository.path(), arguments).expect(status);
        assert!(format!("{}{}", run.text(), run.stderr).contains(&named), "{revision}: {}{}", run.text(), run.stderr);
        overwrite(&path, &whole);
    }
}
