//! Commits in a repository that has a hook: the same cases, whatever installed the hook.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::run::finish;
use super::{Run, TestRepository, github_token};

/// A repository whose commits go through its hooks, and the environment that they run in.
#[derive(Debug)]
pub(crate) struct HookedRepository {
    pub(crate) repository: TestRepository,
    /// The PATH of the commits.
    pub(crate) path: OsString,
    /// Further variables.
    pub(crate) variables: Vec<(&'static str, PathBuf)>,
}

impl HookedRepository {
    pub(crate) fn new(path: OsString) -> Self {
        Self { repository: TestRepository::new(), path, variables: Vec::new() }
    }

    /// A program in `folder`, in the environment of the commits.
    pub(crate) fn program(&self, program: impl AsRef<OsStr>, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(folder)
            .env_clear()
            .env("PATH", &self.path)
            .env("HOME", self.repository.beside("home"))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_AUTHOR_NAME", "Ada Author")
            .env("GIT_AUTHOR_EMAIL", "ada@example.org")
            .env("GIT_COMMITTER_NAME", "Carl Committer")
            .env("GIT_COMMITTER_EMAIL", "carl@example.org")
            .env("GIT_EDITOR", "true")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// `git ARGUMENTS`, hooks included, whether it goes well or not.
    pub(crate) fn try_git(&self, arguments: &[&str]) -> Run {
        finish(self.program("git", self.repository.path()).args(arguments))
    }

    #[track_caller]
    fn expect_passes(&self, case: &str, arguments: &[&str]) {
        let before = self.repository.git(&["rev-parse", "--verify", "-q", "--default", "none", "HEAD^{commit}"]);
        let run = self.try_git(arguments);
        assert_eq!(run.status, Some(0), "{case}: {arguments:?} was blocked:\n{}{}", run.text(), run.stderr);
        assert_ne!(self.repository.git(&["rev-parse", "HEAD"]), before, "{case}: no commit was made");
    }

    #[track_caller]
    fn expect_blocks(&self, case: &str, arguments: &[&str], token: &str) {
        let before = self.repository.git(&["for-each-ref"]);
        let run = self.try_git(arguments);
        let said = format!("{}{}", run.text(), run.stderr);
        assert_eq!(run.status, Some(1), "{case}: {arguments:?}:\n{said}");
        assert!(said.contains("github-pat"), "{case}: the rule is named:\n{said}");
        assert!(!said.contains(token), "{case}: the secret is shown:\n{said}");
        assert_eq!(self.repository.git(&["for-each-ref"]), before, "{case}: a commit was made");
    }

    /// Goes through the ways to commit. The repository has one commit, its hooks are installed.
    #[track_caller]
    pub(crate) fn expect_guards_commits(&self) {
        let repository = &self.repository;
        let token = &github_token(41);
        let commit = ["commit", "-q", "-m", "more"];

        repository.write("clean.txt", "nothing\n");
        repository.git(&["add", "-A"]);
        self.expect_passes("a clean commit", &commit);

        repository.write("leak.txt", format!("key = {token}\n"));
        repository.git(&["add", "-A"]);
        self.expect_blocks("a planted token", &commit, token);

        // `git commit FILE` and `-a` commit another index than the one in .git.
        repository.write("clean.txt", "still nothing\n");
        self.expect_passes("only a clean file, a leak is staged beside it", &[&commit[..], &["clean.txt"]].concat());
        repository.git(&["rm", "-q", "--cached", "leak.txt"]);
        std::fs::remove_file(repository.path().join("leak.txt")).expect("it is there");
        repository.write("clean.txt", format!("{token}\n"));
        self.expect_blocks("only the file with the leak", &[&commit[..], &["clean.txt"]].concat(), token);
        self.expect_blocks("commit -a", &["commit", "-q", "-a", "-m", "more"], token);
        repository.write("other.txt", "nothing\n");
        repository.git(&["add", "other.txt"]);
        self.expect_passes("the leak is not staged", &commit);
        repository.git(&["checkout", "-q", "clean.txt"]);

        self.expect_passes("amended message", &["commit", "-q", "--amend", "-m", "another"]);
        repository.write("other.txt", format!("{token}\n"));
        repository.git(&["add", "-A"]);
        self.expect_blocks("amended with a leak", &["commit", "-q", "--amend", "--no-edit"], token);
        repository.git(&["reset", "-q", "--hard"]);

        // A conflict, resolved with a leak and without.
        repository.git(&["checkout", "-q", "-b", "side"]);
        repository.write("clean.txt", "side\n");
        self.expect_passes("on the side", &["commit", "-q", "-a", "-m", "side"]);
        repository.git(&["checkout", "-q", "main"]);
        repository.write("clean.txt", "main\n");
        self.expect_passes("on main", &["commit", "-q", "-a", "-m", "main"]);
        assert_eq!(self.try_git(&["merge", "-q", "side"]).status, Some(1), "the merge conflicts");
        repository.write("clean.txt", format!("both\n{token}\n"));
        repository.git(&["add", "clean.txt"]);
        self.expect_blocks("a leak in a merge's resolution", &["commit", "-q", "--no-edit"], token);
        repository.write("clean.txt", "both\n");
        repository.git(&["add", "clean.txt"]);
        self.expect_passes("a clean resolution", &["commit", "-q", "--no-edit"]);

        let linked = repository.beside("linked");
        repository.git(&["worktree", "add", "-q", "-b", "linked", linked.to_str().expect("UTF-8")]);
        std::fs::write(linked.join("leak.txt"), format!("{token}\n")).expect("a file can be written");
        repository.git_in(&linked, &["add", "-A"]);
        let run = finish(self.program("git", &linked).args(commit));
        assert_eq!(run.status, Some(1), "in a linked work tree:\n{}{}", run.text(), run.stderr);
        std::fs::write(linked.join("leak.txt"), "nothing\n").expect("a file can be written");
        repository.git_in(&linked, &["add", "-A"]);
        finish(self.program("git", &linked).args(commit)).expect(0);
    }

    /// Without keystile on the PATH a commit is blocked, and `words` say why.
    #[track_caller]
    pub(crate) fn expect_blocks_without_keystile(&mut self, words: &[&str]) {
        self.path = super::assets::path_without_keystile();
        self.repository.write("clean.txt", "nothing at all\n");
        self.repository.git(&["add", "-A"]);
        let before = self.repository.git(&["for-each-ref"]);
        let run = self.try_git(&["commit", "-q", "-m", "more"]).expect(1);
        let said = format!("{}{}", run.text(), run.stderr);
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert_eq!(self.repository.git(&["for-each-ref"]), before, "a commit was made");
    }
}
