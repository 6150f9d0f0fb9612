//! Staged changes and ranges: only what is new.

use crate::support::{TestRepository, expect_places, github_token, keystile};

#[test]
fn staged_changes() {
    let token = github_token(1);
    // What HEAD has, what is done then, what is found.
    type Change = fn(&TestRepository, &str);
    let cases: &[(&str, Change, &[&str])] = &[
        ("a new file", |r, t| r.write("new.txt", t), &["index new.txt:1:1"]),
        ("a line more", |r, t| r.write("a.txt", format!("one\n{t}\n")), &["index a.txt:2:1"]),
        ("an old secret stays", |r, _| r.write("old.txt", format!("x\n{}\n", github_token(9))), &[]),
        (
            "a rename",
            |r, _| {
                r.git(&["mv", "old.txt", "new.txt"]);
            },
            &[],
        ),
        (
            "a rename with edits",
            |r, _| {
                r.git(&["mv", "old.txt", "new.txt"]);
                r.write("new.txt", format!("edited\n{}\n", github_token(9)));
            },
            &[],
        ),
        ("a copy", |r, _| r.write("copy.txt", github_token(9)), &["index copy.txt:1:1"]),
        (
            "a mode",
            |r, _| {
                r.git(&["update-index", "--chmod=+x", "old.txt"]);
            },
            &[],
        ),
        (
            "deleted",
            |r, _| {
                r.git(&["rm", "-q", "old.txt"]);
            },
            &[],
        ),
        (
            "in the work tree only",
            |r, t| {
                r.git(&["add", "-A"]);
                r.write("a.txt", t);
            },
            &[],
        ),
    ];
    for (name, change, expected) in cases {
        let repository = TestRepository::new();
        repository.write("a.txt", "one\n");
        repository.write("old.txt", format!("{}\n", github_token(9)));
        repository.commit("start");
        change(&repository, &token);
        if *name != "in the work tree only" && *name != "a mode" {
            repository.git(&["add", "-A"]);
        }
        println!("{name}");
        expect_places(&repository, &["--staged"], i32::from(!expected.is_empty()), expected);
    }
}

#[test]
fn the_first_commit_a_conflict_a_split_and_a_sparse_index() {
    let repository = TestRepository::new();
    repository.write("a.txt", github_token(1));
    repository.git(&["add", "-A"]);
    expect_places(&repository, &["--staged"], 1, &["index a.txt:1:1"]);
    repository.git(&["update-index", "--split-index"]);
    repository.write("b.txt", github_token(2));
    repository.git(&["add", "-A"]);
    expect_places(&repository, &["--staged"], 1, &["index a.txt:1:1", "index b.txt:1:1"]);

    let repository = TestRepository::new();
    repository.commit_file("a.txt", "one\n", "start");
    repository.git(&["checkout", "-q", "-b", "side"]);
    repository.commit_file("a.txt", format!("{}\n", github_token(1)), "side");
    repository.git(&["checkout", "-q", "main"]);
    repository.commit_file("a.txt", "two\n", "main");
    let merge = std::process::Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@example.org", "merge", "-q", "side"])
        .current_dir(repository.path())
        .output()
        .unwrap();
    assert!(!merge.status.success(), "the merge conflicts");
    let run = keystile(repository.path(), ["scan", "--staged", "--format=json"]).expect(1);
    assert!(run.text().contains("a.txt"));

    let repository = TestRepository::new();
    for folder in ["in", "out"] {
        repository.write(&format!("{folder}/file.txt"), "x\n");
    }
    repository.commit("start");
    repository.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "in"]);
    repository.write("in/file.txt", github_token(1));
    repository.git(&["add", "in/file.txt"]);
    expect_places(&repository, &["--staged"], 1, &["index in/file.txt:1:1"]);
}

#[test]
fn ranges() {
    let repository = TestRepository::new();
    repository.commit_file("old.txt", github_token(9), "old");
    repository.git(&["checkout", "-q", "-b", "topic"]);
    repository.commit_file("topic.txt", github_token(1), "topic");
    repository.git(&["checkout", "-q", "main"]);
    repository.commit_file("main.txt", github_token(2), "main");
    let topic = ["commit topic.txt:1:1 topic"];
    println!("the base is ahead");
    expect_places(&repository, &["--range=main..topic"], 1, &topic);
    println!("main was merged into the branch");
    repository.git(&["checkout", "-q", "topic"]);
    repository.git(&["merge", "-q", "-m", "merge main", "main"]);
    expect_places(&repository, &["--range=main..topic"], 1, &topic);
    println!("a rename in the range");
    repository.git(&["mv", "old.txt", "renamed.txt"]);
    repository.commit("rename");
    expect_places(&repository, &["--range=main..topic"], 1, &topic);
    println!("a CI's merge of the branch into its base");
    repository.git(&["checkout", "-q", "--detach", "main"]);
    repository.git(&["merge", "-q", "--no-ff", "-m", "refs/pull/1/merge", "topic"]);
    expect_places(&repository, &["--range=main..HEAD"], 1, &topic);
    println!("content of the merge itself");
    repository.git(&["reset", "-q", "--hard", "main"]);
    repository.git(&["merge", "-q", "--no-ff", "--no-commit", "topic"]);
    repository.write("evil.txt", github_token(3));
    repository.commit("evil");
    expect_places(&repository, &["--range=main..HEAD"], 1, &["commit evil.txt:1:1 evil", topic[0]]);
    println!("nothing in it, and that is said");
    let run = expect_places(&repository, &["--range=HEAD..HEAD"], 0, &[]);
    assert!(run.text().contains("empty"), "{}", run.text());
}

#[test]
fn a_base_that_can_not_be_found_is_never_an_empty_range() {
    let repository = TestRepository::new();
    for number in 0..5 {
        repository.commit_file("a.txt", format!("{number}"), "more");
    }
    let base = repository.git(&["rev-parse", "HEAD~4"]);
    let zero = "0".repeat(40);
    let run = keystile(repository.path(), ["scan", "--range", &format!("{zero}..HEAD")]).expect(2);
    assert!(run.stderr.contains("all-zero"), "{}", run.stderr);
    keystile(repository.path(), ["scan", "--range", "origin/none..HEAD"]).expect(2);
    let shallow = repository.beside("shallow");
    let url = format!("file://{}", repository.path().display());
    repository.git(&["clone", "-q", "--depth=2", &url, shallow.to_str().unwrap()]);
    let run = keystile(&shallow, ["scan", "--range", &format!("{base}..HEAD")]).expect(2);
    assert!(run.stderr.contains("depth 2") && run.stderr.contains("--unshallow"), "{}", run.stderr);
}
