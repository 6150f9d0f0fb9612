//! Repositories, built with git.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A repository in a folder that goes away with it.
#[derive(Debug)]
pub(crate) struct TestRepository {
    folder: TempDir,
    path: PathBuf,
    /// Seconds that the next commit is later than the first.
    clock: std::cell::Cell<u64>,
}

impl TestRepository {
    /// An empty repository on the branch `main`.
    pub(crate) fn new() -> Self {
        Self::with(&["--initial-branch=main"])
    }

    /// `git init ARGUMENTS`.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("repository");
        std::fs::create_dir(&path).expect("a new folder");
        let repository = Self { folder, path, clock: std::cell::Cell::new(0) };
        repository.git(&[&["init", "-q"], arguments].concat());
        repository
    }

    /// The top of its work tree.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A path beside the repository, in the same temporary folder.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs git, and fails if it does; gives what it printed, without the last line's end.
    #[track_caller]
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        self.git_in(&self.path, arguments)
    }

    /// Runs git in another folder, with the same names and dates.
    #[track_caller]
    pub(crate) fn git_in(&self, folder: &Path, arguments: &[&str]) -> String {
        let date = format!("{} +0000", 1_700_000_000 + self.clock.replace(self.clock.get() + 60));
        let output = Command::new("git")
            .args(["-c", "protocol.file.allow=always", "-c", "gc.auto=0"])
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_AUTHOR_NAME", "Ada Author")
            .env("GIT_AUTHOR_EMAIL", "ada@example.org")
            .env("GIT_COMMITTER_NAME", "Carl Committer")
            .env("GIT_COMMITTER_EMAIL", "carl@example.org")
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date)
            .output()
            .expect("git starts");
        assert!(
            output.status.success(),
            "git {arguments:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Writes a file into the work tree.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path.join(path);
        std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder can be made");
        std::fs::write(path, content).expect("a file can be written");
    }

    /// Commits everything in the work tree; gives the commit's id.
    #[track_caller]
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Writes one file and commits.
    #[track_caller]
    pub(crate) fn commit_file(&self, path: &str, content: impl AsRef<[u8]>, message: &str) -> String {
        self.write(path, content);
        self.commit(message)
    }

    /// Every file below the top, `.git` included: path to content and time of change. Two equal ones:
    /// nothing was written.
    pub(crate) fn snapshot(&self) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder can be read") {
                let path = entry.expect("an entry").path();
                let metadata = path.symlink_metadata().expect("metadata");
                let modified = metadata.modified().expect("a time");
                if metadata.is_dir() {
                    files.insert(path.clone(), (Vec::new(), modified));
                    folders.push(path);
                } else if metadata.is_file() {
                    files.insert(path.clone(), (std::fs::read(&path).unwrap_or_default(), modified));
                }
            }
        }
        files
    }
}
