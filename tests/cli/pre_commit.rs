//! The project's hooks under the real [pre-commit](https://pre-commit.com).

use std::path::Path;
use std::process::Command;

use crate::support::assets::{asset, path_with_keystile, project};
use crate::support::commits::HookedRepository;
use crate::support::run::finish;
use crate::support::{TestRepository, github_token};

/// A repository with one commit whose pre-commit is set up to take `hook` from `hooks`.
fn hooked(pre_commit: &Path, hooks: &Path, revision: &str, hook: &str) -> HookedRepository {
    let mut hooked = HookedRepository::new(path_with_keystile());
    hooked.variables.push(("PRE_COMMIT_HOME", hooked.repository.beside("pre-commit")));
    let url = format!("file://{}", hooks.display());
    let config = format!("repos:\n- repo: {url}\n  rev: {revision}\n  hooks:\n  - id: {hook}\n");
    hooked.repository.commit_file(".pre-commit-config.yaml", config, "start");
    let installed = finish(hooked.program(pre_commit, hooked.repository.path()).arg("install"));
    installed.expect(0);
    hooked
}

/// A repository that has nothing but the project's list of hooks.
fn hook_list() -> (TestRepository, String) {
    let hooks = TestRepository::new();
    let list = std::fs::read_to_string(project().join(".pre-commit-hooks.yaml")).unwrap();
    let revision = hooks.commit_file(".pre-commit-hooks.yaml", list, "hooks");
    (hooks, revision)
}

#[test]
fn the_installed_binary_guards_every_way_to_commit() {
    let Some(pre_commit) = asset("venv/bin/pre-commit") else { return };
    let (hooks, revision) = hook_list();
    hooked(&pre_commit, hooks.path(), &revision, "keystile-system").expect_guards_commits();
}

#[test]
fn a_missing_binary_blocks_and_says_so() {
    let Some(pre_commit) = asset("venv/bin/pre-commit") else { return };
    let (hooks, revision) = hook_list();
    let mut hooked = hooked(&pre_commit, hooks.path(), &revision, "keystile-system");
    hooked.expect_blocks_without_keystile(&["keystile", "not found"]);
}

#[test]
fn the_list_of_hooks_is_what_pre_commit_takes() {
    let Some(pre_commit) = asset("venv/bin/pre-commit") else { return };
    let list = project().join(".pre-commit-hooks.yaml");
    finish(Command::new(pre_commit).arg("validate-manifest").arg(list)).expect(0);
}

/// The entry that builds keystile from source: a release build, minutes. `tests/run-slow` runs it.
#[test]
#[ignore = "builds a release; tests/run-slow runs it"]
fn the_hook_that_builds_keystile_guards_commits() {
    let Some(pre_commit) = asset("venv/bin/pre-commit") else { return };
    // What a clone of the project would have, changes that are not committed yet included.
    let source = TestRepository::new();
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(project()).output().unwrap();
    assert!(listed.status.success(), "the project's own repository is there");
    for name in listed.stdout.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        let name = std::str::from_utf8(name).unwrap();
        if let Ok(content) = std::fs::read(project().join(name)) {
            source.write(name, content);
        }
    }
    let revision = source.commit("keystile");
    let mut hooked = hooked(&pre_commit, source.path(), &revision, "keystile");
    // The binary has to be the one that pre-commit built.
    hooked.path = crate::support::assets::path_without_keystile();
    for name in ["CARGO_HOME", "RUSTUP_HOME", "CARGO_TARGET_DIR"] {
        hooked.variables.extend(std::env::var_os(name).map(|value| (name, value.into())));
    }
    let home = std::env::var_os("HOME").map(std::path::PathBuf::from).unwrap_or_default();
    for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        if std::env::var_os(name).is_none() && home.join(folder).exists() {
            hooked.variables.push((name, home.join(folder)));
        }
    }
    let started = std::time::Instant::now();
    finish(hooked.program(&pre_commit, hooked.repository.path()).arg("install-hooks")).expect(0);
    println!("pre-commit built the hook in {} s", started.elapsed().as_secs());
    let token = github_token(1);
    hooked.repository.write("leak.txt", &token);
    hooked.repository.git(&["add", "-A"]);
    let run = hooked.try_git(&["commit", "-q", "-m", "leak"]).expect(1);
    assert!(run.stderr.contains("github-pat") && !run.stderr.contains(&token), "{}", run.stderr);
    hooked.repository.git(&["reset", "-q", "--hard"]);
    hooked.expect_guards_commits();
}
