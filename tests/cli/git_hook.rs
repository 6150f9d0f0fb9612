//! The hook that `keystile init` writes, run by git.

use crate::support::assets::path_with_keystile;
use crate::support::commits::HookedRepository;
use crate::support::run::finish;
use crate::support::{github_token, keystile};

fn hooked() -> HookedRepository {
    let hooked = HookedRepository::new(path_with_keystile());
    hooked.repository.commit_file("a.txt", "one\n", "start");
    keystile(hooked.repository.path(), ["init", "--only", "hook"]).expect(0);
    hooked
}

#[test]
fn guards_every_way_to_commit() {
    hooked().expect_guards_commits();
}

#[test]
fn guards_the_first_commit() {
    let hooked = HookedRepository::new(path_with_keystile());
    keystile(hooked.repository.path(), ["init"]).expect(0);
    hooked.repository.write("leak.txt", github_token(1));
    hooked.repository.git(&["add", "-A"]);
    hooked.try_git(&["commit", "-q", "-m", "first"]).expect(1);
    hooked.repository.write("leak.txt", "nothing");
    hooked.repository.git(&["add", "-A"]);
    hooked.try_git(&["commit", "-q", "-m", "first"]).expect(0);
}

#[test]
fn a_missing_binary_blocks_and_says_so() {
    hooked().expect_blocks_without_keystile(&["keystile is not on the PATH", "the commit is blocked", "Install it"]);
}

#[test]
fn what_can_not_be_read_blocks() {
    let hooked = hooked();
    let repository = &hooked.repository;
    repository.write(".keystile/scan.toml", "[[rules]\n");
    repository.write("b.txt", "two\n");
    repository.git(&["add", "b.txt"]);
    let run = hooked.try_git(&["commit", "-q", "-m", "more"]).expect(1);
    assert!(run.stderr.contains("scan.toml:1:"), "{}", run.stderr);
}

#[test]
fn runs_from_a_subfolder_and_with_a_separate_git_directory() {
    let hooked = hooked();
    hooked.repository.write("deep/er/leak.txt", github_token(1));
    hooked.repository.git(&["add", "-A"]);
    let folder = hooked.repository.path().join("deep/er");
    let run = finish(hooked.program("git", &folder).args(["commit", "-q", "-m", "more"])).expect(1);
    assert!(format!("{}{}", run.text(), run.stderr).contains("deep/er/leak.txt"), "{run:?}");

    let elsewhere = hooked.repository.beside("elsewhere.git");
    let top = hooked.repository.beside("separate");
    let option = format!("--separate-git-dir={}", elsewhere.display());
    hooked.repository.git(&["init", "-q", &option, top.to_str().unwrap()]);
    keystile(&top, ["init", "--only", "hook"]).expect(0);
    assert!(elsewhere.join("hooks/pre-commit").exists());
    std::fs::write(top.join("leak.txt"), github_token(1)).unwrap();
    hooked.repository.git_in(&top, &["add", "-A"]);
    finish(hooked.program("git", &top).args(["commit", "-q", "-m", "more"])).expect(1);
}
