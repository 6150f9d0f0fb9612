//! The hook that `keystile init` writes, run by git.

use crate::support::assets::path_with_keystile;
use crate::support::commits::HookedRepository;
use crate::support::run::finish;
use crate::support::{Run, github_token, keystile};

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

#[test]
fn clones_that_lack_something_and_submodules() {
    let origin = HookedRepository::new(path_with_keystile());
    for number in 0..3 {
        origin.repository.commit_file("a.txt", format!("{number}\n"), "more");
    }
    origin.repository.git(&["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", origin.repository.path().display());
    let clone = |name: &str, arguments: &[&str]| {
        let folder = origin.repository.beside(name);
        origin.repository.git(&[&["clone", "-q"], arguments, &[url.as_str(), folder.to_str().unwrap()]].concat());
        folder
    };
    let with_submodule = clone("super", &[]);
    origin.repository.git_in(&with_submodule, &["submodule", "--quiet", "add", &url, "module"]);
    let folders = [
        clone("shallow", &["--depth=1"]),
        clone("blobless", &["--filter=blob:none"]),
        clone("treeless", &["--filter=tree:0"]),
        clone("sparse", &["--sparse", "--filter=blob:none"]),
        with_submodule.join("module"),
        with_submodule,
    ];
    for folder in folders {
        let name = folder.display().to_string();
        let run = keystile(&folder, ["init", "--only", "hook"]).expect(0);
        assert!(run.text().contains("pre-commit"), "{name}");
        let commit = |message: &str| finish(origin.program("git", &folder).args(["commit", "-q", "-m", message]));
        let said = |run: &Run| format!("{name}: {}{}", run.text(), run.stderr);
        std::fs::write(folder.join("a.txt"), "changed\n").unwrap();
        origin.repository.git_in(&folder, &["add", "a.txt"]);
        let run = commit("clean");
        assert_eq!(run.status, Some(0), "{}", said(&run));
        std::fs::write(folder.join("a.txt"), github_token(1)).unwrap();
        origin.repository.git_in(&folder, &["add", "a.txt"]);
        let run = commit("leak");
        assert_eq!(run.status, Some(1), "{}", said(&run));
        assert!(said(&run).contains("github-pat"), "{}", said(&run));
    }
}

#[test]
fn a_git_directory_and_work_tree_that_are_named_apart() {
    let hooked = hooked();
    let (git_dir, work_tree) = (hooked.repository.path().join(".git"), hooked.repository.beside("elsewhere"));
    std::fs::create_dir(&work_tree).unwrap();
    std::fs::write(work_tree.join("a.txt"), "one\n").unwrap();
    let git_dir = format!("--git-dir={}", git_dir.display());
    let options = [git_dir, format!("--work-tree={}", work_tree.display())];
    let git = |arguments: &[&str]| {
        finish(hooked.program("git", hooked.repository.beside("elsewhere").as_path()).args(&options).args(arguments))
    };
    std::fs::write(work_tree.join("b.txt"), github_token(1)).unwrap();
    // Only announced: its content is not part of the commit.
    git(&["add", "-N", "b.txt"]).expect(0);
    std::fs::write(work_tree.join("a.txt"), "two\n").unwrap();
    git(&["add", "a.txt"]).expect(0);
    git(&["commit", "-q", "-m", "clean"]).expect(0);
    git(&["add", "b.txt"]).expect(0);
    let run = git(&["commit", "-q", "-m", "leak"]).expect(1);
    assert!(format!("{}{}", run.text(), run.stderr).contains("b.txt"), "{run:?}");
}
