//! Where a repository keeps its parts.

use std::path::Path;

use crate::support::{TestRepository, expect_places, gaps, github_token, keystile, places};

fn with_leak() -> TestRepository {
    let repository = TestRepository::new();
    repository.commit_file("a.txt", github_token(1), "leak");
    repository.commit_file("a.txt", "clean\n", "remove");
    repository
}

#[track_caller]
fn finds_leak(folder: &Path, arguments: &[&str]) {
    let run = keystile(folder, [&["scan", "--format=json"], arguments].concat()).expect(1);
    assert_eq!(places(&run.json()), ["commit a.txt:1:1 leak"]);
}

#[test]
fn bare_separate_and_linked() {
    let repository = with_leak();
    let bare = repository.beside("bare.git");
    repository.git(&["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
    finds_leak(&bare, &[]);

    let linked = repository.beside("linked");
    repository.git(&["worktree", "add", "-q", linked.to_str().unwrap()]);
    finds_leak(&linked, &[]);

    let separate = repository.beside("separate");
    let git_dir = repository.beside("elsewhere.git");
    let git_dir_flag = format!("--separate-git-dir={}", git_dir.display());
    repository.git(&["clone", "-q", &git_dir_flag, ".", separate.to_str().unwrap()]);
    assert!(separate.join(".git").is_file());
    finds_leak(&separate, &[]);

    std::fs::create_dir_all(repository.path().join("deep/er")).unwrap();
    finds_leak(&repository.path().join("deep/er"), &[]);
    finds_leak(Path::new("/"), &[repository.path().to_str().unwrap()]);
}

#[test]
fn alternates_of_alternates() {
    let repository = with_leak();
    let (one, two) = (repository.beside("one"), repository.beside("two"));
    repository.git(&["clone", "-q", "--shared", ".", one.to_str().unwrap()]);
    repository.git(&["clone", "-q", "--shared", one.to_str().unwrap(), two.to_str().unwrap()]);
    finds_leak(&two, &[]);
    // Without the first link, whatever can still be read is, and the end is not 0.
    std::fs::rename(repository.path().join(".git/objects"), repository.path().join(".git/objects-gone")).unwrap();
    let run = keystile(&two, ["scan", "--format=json"]).expect(3);
    assert!(gaps(&run.json()).contains_key("missing_alternate"), "{}", run.text());
}

#[test]
fn loose_packed_many_packs_and_a_pack_without_index() {
    let repository = TestRepository::new();
    for seed in 1..=3 {
        repository.commit_file(&format!("{seed}.txt"), github_token(seed), "leak");
        repository.git(&["repack", "-dq"]);
    }
    repository.commit_file("loose.txt", github_token(4), "leak");
    let expected =
        ["commit 1.txt:1:1 leak", "commit 2.txt:1:1 leak", "commit 3.txt:1:1 leak", "commit loose.txt:1:1 leak"];
    expect_places(&repository, &[], 1, &expected);
    let pack = std::fs::read_dir(repository.path().join(".git/objects/pack")).unwrap();
    let index =
        pack.filter_map(|entry| Some(entry.ok()?.path())).find(|path| path.extension().is_some_and(|e| e == "idx"));
    std::fs::remove_file(index.unwrap()).unwrap();
    let run = keystile(repository.path(), ["scan", "--format=json"]);
    let report = run.json();
    if run.status == Some(1) && gaps(&report).is_empty() {
        assert_eq!(places(&report), expected, "read without its index");
    } else {
        assert!(gaps(&report).contains_key("corrupt_pack") || gaps(&report).contains_key("unsupported"), "{report}");
    }
}

#[test]
fn sha_256_is_read() {
    let repository = TestRepository::with(&["--initial-branch=main", "--object-format=sha256"]);
    repository.commit_file("a.txt", github_token(1), "leak");
    let run = keystile(repository.path(), ["scan", "--format=json"]);
    if run.status == Some(2) {
        assert!(run.stderr.contains("sha256"), "{}", run.stderr);
    } else {
        assert_eq!(places(&run.expect(1).json()), ["commit a.txt:1:1 leak"]);
    }
    repository.git(&["gc", "-q"]);
    expect_places(&repository, &[], 1, &["commit a.txt:1:1 leak"]);
}

#[test]
fn what_is_not_supported_is_refused_in_words() {
    for (name, key, value) in [
        ("reftable", "extensions.refStorage", "reftable"),
        ("an unknown extension", "extensions.fromTheFuture", "true"),
    ] {
        let repository = with_leak();
        repository.git(&["config", key, value]);
        repository.git(&["config", "core.repositoryFormatVersion", "1"]);
        let run = keystile(repository.path(), ["scan"]).expect(2);
        assert!(run.stderr.contains("not supported"), "{name}: {}", run.stderr);
    }
}

#[test]
fn a_git_file_that_leads_nowhere_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".git"), "gitdir: /nowhere/at/all\n").unwrap();
    let run = keystile(folder.path(), ["scan"]).expect(2);
    assert!(run.stderr.contains("/nowhere/at/all"), "{}", run.stderr);
}

#[test]
fn shallow_and_partial_clones_are_incomplete() {
    let repository = with_leak();
    let url = format!("file://{}", repository.path().display());
    repository.git(&["config", "uploadpack.allowFilter", "true"]);

    let shallow = repository.beside("shallow");
    repository.git(&["clone", "-q", "--depth=1", &url, shallow.to_str().unwrap()]);
    let run = keystile(&shallow, ["scan", "--format=json"]).expect(3);
    assert_eq!(gaps(&run.json()).get("shallow_boundary"), Some(&1), "{}", run.text());
    assert!(run.text().contains("--unshallow"), "the cure is named: {}", run.text());
    keystile(&shallow, ["scan", "--allow-incomplete"]).expect(0);

    let partial = repository.beside("partial");
    repository.git(&["clone", "-q", "--filter=blob:none", &url, partial.to_str().unwrap()]);
    let run = keystile(&partial, ["scan", "--format=json"]).expect(3);
    assert!(gaps(&run.json()).contains_key("promisor_object"), "{}", run.text());
    keystile(&partial, ["scan", "--allow-incomplete"]).expect(0);
}
