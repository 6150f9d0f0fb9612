//! `keystile init`: what it writes, what it keeps, when it refuses.

use std::path::Path;

use crate::support::assets::yaml;
use crate::support::run::{command, finish};
use crate::support::{TestRepository, github_token, keystile};

fn read(repository: &TestRepository, path: &str) -> String {
    std::fs::read_to_string(repository.path().join(path)).unwrap()
}

fn fingerprint(folder: &Path) -> String {
    let run = keystile(folder, ["scan", "--format=json"]).expect(1);
    run.json()["findings"][0]["fingerprint"].as_str().expect("a fingerprint").to_owned()
}

#[test]
fn the_configuration_is_loaded_and_its_salt_used() {
    let token = github_token(1);
    let fingerprints = [(); 2].map(|()| {
        let repository = TestRepository::new();
        repository.commit_file("a.txt", &token, "leak");
        let without = fingerprint(repository.path());
        keystile(repository.path(), ["init", "--only", "config"]).expect(0);
        let with = fingerprint(repository.path());
        assert_ne!(with, without, "the salt is the key of the fingerprint");
        let run = keystile(repository.path(), ["scan", "--verbose"]).expect(1);
        assert!(run.stderr.contains(".keystile/scan.toml; rules: "), "{}", run.stderr);
        // The ignore file's form is what its comment says.
        let ignore = format!("{}{with}  # reason: a test\n", read(&repository, ".keystile/ignore"));
        repository.write(".keystile/ignore", ignore);
        keystile(repository.path(), ["scan"]).expect(0);
        with
    });
    assert_ne!(fingerprints[0], fingerprints[1], "each repository has a salt of its own");
}

#[test]
fn gitleaks_own_configuration_is_extended() {
    let repository = TestRepository::new();
    repository.write(".gitleaks.toml", "[[rules]]\nid = \"acme\"\nregex = '''acme_[0-9]{8}'''\n");
    keystile(repository.path(), ["init", "--only", "config"]).expect(0);
    repository.commit_file("a.txt", format!("acme_{}\n", 12_345_678), "leak");
    let run = keystile(repository.path(), ["scan", "--format=json"]).expect(1);
    assert_eq!(run.json()["findings"][0]["rule_id"], "acme");
    // From a commit too: the path leads out of .keystile.
    repository.git(&["checkout", "-q", "-b", "topic"]);
    repository.commit_file("b.txt", format!("acme_{}\n", 87_654_321), "more");
    keystile(repository.path(), ["scan", "--range=main..topic", "--config-from=main"]).expect(1);
}

#[test]
fn twice_is_a_no_op_also_when_people_have_worked_on_it() {
    let repository = TestRepository::new();
    keystile(repository.path(), ["init"]).expect(0);
    let before = repository.snapshot();
    let run = keystile(repository.path(), ["init"]).expect(0);
    assert_eq!(run.text().lines().filter(|line| line.starts_with("kept ")).count(), 3, "{}", run.text());
    assert!(repository.snapshot() == before, "nothing is written");

    let ignore = format!("{}a.txt:github-pat:1  # reason: a test\n", read(&repository, ".keystile/ignore"));
    repository.write(".keystile/ignore", ignore);
    repository.write(".keystile/scan.toml", "[extend]\nuseDefault = true\n");
    let before = repository.snapshot();
    for arguments in [&["init"][..], &["init", "--force"], &["init", "--only", "config"]] {
        keystile(repository.path(), arguments).expect(0);
        assert!(repository.snapshot() == before, "{arguments:?}: exceptions are lost");
    }
}

#[test]
fn another_hook_is_refused_and_replaced_with_force() {
    let repository = TestRepository::new();
    repository.write(".git/hooks/pre-commit", "#!/bin/sh\necho mine\n");
    let run = keystile(repository.path(), ["init"]).expect(2);
    assert!(run.stderr.contains("pre-commit is there already") && run.stderr.contains("--force"), "{}", run.stderr);
    assert!(!repository.path().join(".keystile").exists(), "all or nothing");
    assert_eq!(read(&repository, ".git/hooks/pre-commit"), "#!/bin/sh\necho mine\n");
    keystile(repository.path(), ["init", "--force"]).expect(0);
    assert!(read(&repository, ".git/hooks/pre-commit").contains("keystile scan --staged"));
}

#[test]
fn hooks_that_git_looks_for_elsewhere_are_refused_with_the_cure() {
    let repository = TestRepository::new();
    repository.git(&["config", "core.hooksPath", ".husky"]);
    let run = keystile(repository.path(), ["init"]).expect(2);
    assert!(run.stderr.contains(".husky") && run.stderr.contains("keystile scan --staged"), "{}", run.stderr);
    assert!(!repository.path().join(".git/hooks/pre-commit").exists());
    keystile(repository.path(), ["init", "--only", "config"]).expect(0);

    repository.git(&["config", "core.hooksPath", ".git/hooks"]);
    keystile(repository.path(), ["init", "--only", "hook"]).expect(0);

    // The user's configuration counts for git as well.
    let repository = TestRepository::new();
    let home = repository.beside("home");
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join(".gitconfig"), "[core]\n\thooksPath = /opt/hooks\n").unwrap();
    let run = finish(command(repository.path()).env("HOME", &home).arg("init")).expect(2);
    assert!(run.stderr.contains("/opt/hooks"), "{}", run.stderr);
}

#[test]
fn places_without_a_work_tree_are_refused() {
    let bare = TestRepository::with(&["--bare"]);
    let run = keystile(bare.path(), ["init"]).expect(2);
    assert!(run.stderr.contains("bare"), "{}", run.stderr);
    let nothing = bare.beside("nothing");
    std::fs::create_dir(&nothing).unwrap();
    keystile(&nothing, ["init"]).expect(2);
}

#[test]
fn from_a_subfolder_a_linked_work_tree_and_for_a_named_repository() {
    let repository = TestRepository::new();
    repository.commit_file("deep/a.txt", "one\n", "start");
    keystile(&repository.path().join("deep"), ["init"]).expect(0);
    assert!(repository.path().join(".keystile/scan.toml").exists());
    assert!(repository.path().join(".git/hooks/pre-commit").exists());

    let repository = TestRepository::new();
    repository.commit_file("a.txt", "one\n", "start");
    let linked = repository.beside("linked");
    repository.git(&["worktree", "add", "-q", linked.to_str().unwrap()]);
    keystile(repository.beside("home").parent().unwrap(), [Path::new("init"), &linked]).expect(0);
    assert!(linked.join(".keystile/scan.toml").exists());
    assert!(repository.path().join(".git/hooks/pre-commit").exists(), "hooks are shared by all work trees");
}

#[test]
fn ci_snippets_are_valid_yaml() {
    for (system, path) in [("github", ".github/workflows/keystile.yml"), ("gitlab", ".gitlab/keystile.gitlab-ci.yml")] {
        let repository = TestRepository::new();
        let run = keystile(repository.path(), ["init", "--ci", system]).expect(0);
        assert!(run.text().contains(path), "{}", run.text());
        assert!(!repository.path().join(".keystile").exists(), "only the snippet was asked for");
        let Some(snippet) = yaml(&read(&repository, path)) else { return };
        if system == "github" {
            let steps = snippet["jobs"]["keystile"]["steps"].as_array().expect("steps");
            assert_eq!(steps[0]["with"]["fetch-depth"], 0, "the whole history");
            let own = steps.iter().find(|step| step["id"] == "keystile").expect("keystile's step");
            assert!(own["uses"].as_str().expect("uses").starts_with("keystile/keystile@"));
            assert!(steps.iter().all(|step| step.get("run").is_none()), "nothing that an event could be pasted into");
            // `on` is a boolean to YAML 1.1.
            assert!(snippet["true"].get("pull_request").is_some(), "{snippet}");
        } else {
            assert!(snippet["keystile"]["script"].is_array(), "{snippet}");
        }
        repository.write(path, "mine: true\n");
        keystile(repository.path(), ["init", "--ci", system]).expect(2);
        assert_eq!(read(&repository, path), "mine: true\n");
    }
}
