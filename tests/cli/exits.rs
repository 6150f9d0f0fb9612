//! How runs end: 0, 1, 2, 3, and in between.

use crate::support::{TestRepository, github_token, keystile};

#[test]
fn a_clean_repository_ends_with_0_and_says_what_was_scanned() {
    let repository = TestRepository::new();
    repository.commit_file("a.txt", "nothing here\n", "one");
    let run = keystile(repository.path(), ["scan", "--format=json"]).expect(0);
    let report = run.json();
    assert_eq!(report["coverage"]["commits"], 1);
    assert_eq!(report["coverage"]["blobs_scanned"], 1);
}

#[test]
fn a_leak_ends_with_1_and_is_masked() {
    let repository = TestRepository::new();
    let token = github_token(1);
    let commit = repository.commit_file("src/a.py", format!("x = 1\ntoken = \"{token}\"\n"), "leak");
    let run = keystile(repository.path(), ["scan", "--format=json"]).expect(1);
    assert!(!run.text().contains(&token));
    let report = run.json();
    let finding = &report["findings"][0];
    assert_eq!(finding["rule_id"], "github-pat");
    let occurrence = &finding["occurrences"][0];
    assert_eq!(occurrence["commit"]["id"], commit.as_str());
    assert_eq!(occurrence["path"], "src/a.py");
    assert_eq!((&occurrence["start_line"], &occurrence["start_column"]), (&2.into(), &10.into()));
}

#[test]
fn exit_code_replaces_1() {
    let repository = TestRepository::new();
    repository.commit_file("a", github_token(1), "leak");
    keystile(repository.path(), ["scan", "--exit-code=9"]).expect(9);
}

#[test]
fn wrong_use_ends_with_2_and_names_the_cure() {
    let repository = TestRepository::new();
    repository.commit_file("a", "x", "one");
    for (arguments, word) in [
        (&["scan", "--no-such-flag"][..], "--no-such-flag"),
        (&["scan", "nowhere"], "nowhere"),
        (&["scan", "--staged", "--range", "a..b"], "--range"),
        (&["scan", "--config", "none.toml"], "none.toml"),
        (&["scan", "--range", "none..HEAD"], "none"),
        (&["scan", "--enable-rule", "no-such-rule"], "no-such-rule"),
        (&["scan", "-", "a"], "standard input"),
    ] {
        let run = keystile(repository.path(), arguments).expect(2);
        assert!(run.stderr.contains(word), "{arguments:?}: {}", run.stderr);
        assert_eq!(run.text(), "", "{arguments:?}");
    }
}
