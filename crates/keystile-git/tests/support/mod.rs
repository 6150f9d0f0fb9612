//! Repositories made by the real git, with fixed names and dates, for the tests of every source.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod scanning;

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder with a repository in it, gone when dropped.
pub(crate) struct Fixture {
    root: tempfile::TempDir,
    /// The top of the work tree (or the bare repository itself).
    pub(crate) path: PathBuf,
}

impl Fixture {
    /// A new repository with a branch `main` that has no commit.
    pub(crate) fn new() -> Self {
        Self::with_args(&[])
    }

    /// As [`Fixture::new`], with more arguments to `git init`.
    pub(crate) fn with_args(args: &[&str]) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        // Paths are compared with those that keystile resolves.
        let path = root.path().canonicalize().expect("it exists").join("repo");
        fs::create_dir(&path).expect("the folder is new");
        let fixture = Self { root, path };
        let mut all = vec!["init", "-q", "-b", "main"];
        all.extend_from_slice(args);
        fixture.git(&all);
        fixture
    }

    /// The folder around the repository, for a second one.
    pub(crate) fn outside(&self) -> PathBuf {
        self.root.path().canonicalize().expect("it exists")
    }

    /// Runs git at the top; panics with its output if it fails. Returns its standard output, trimmed.
    pub(crate) fn git<S: AsRef<OsStr>>(&self, args: &[S]) -> String {
        git(&self.path, args)
    }

    /// Runs git, whatever comes of it.
    pub(crate) fn try_git<S: AsRef<OsStr>>(&self, args: &[S]) -> Output {
        command(&self.path, args).output().expect("git is installed")
    }

    /// Writes a file, with the directories above it.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path.join(path);
        fs::create_dir_all(path.parent().expect("inside the repository")).expect("a directory");
        fs::write(path, content).expect("a file");
    }

    /// Adds everything and commits it; returns the commit's id.
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }
}

/// Runs git in `path`; panics with its output if it fails. Returns its standard output, trimmed.
pub(crate) fn git<S: AsRef<OsStr>>(path: &Path, args: &[S]) -> String {
    let output = command(path, args).output().expect("git is installed");
    let shown: Vec<_> = args.iter().map(|arg| arg.as_ref().to_string_lossy().into_owned()).collect();
    assert!(output.status.success(), "git {}: {}", shown.join(" "), String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

pub(crate) fn command<S: AsRef<OsStr>>(path: &Path, args: &[S]) -> Command {
    let mut command = Command::new("git");
    command.current_dir(path).args(args);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            command.env_remove(name);
        }
    }
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_AUTHOR_NAME", "Ada Author")
        .env("GIT_AUTHOR_EMAIL", "ada@example.com")
        .env("GIT_AUTHOR_DATE", "1700000000 +0100")
        .env("GIT_COMMITTER_NAME", "Cleo Committer")
        .env("GIT_COMMITTER_EMAIL", "cleo@example.com")
        .env("GIT_COMMITTER_DATE", "1700000000 +0100")
        .env("GIT_TERMINAL_PROMPT", "0");
    command
}

/// Runs git with `input` on its standard input; panics if it fails.
pub(crate) fn feed(fixture: &Fixture, args: &[&str], input: &str) {
    let mut child = command(&fixture.path, args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("git is installed");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes a commit of a tree, dated as asked for; returns its id.
pub(crate) fn commit_tree(path: &Path, tree: &str, parents: &[&str], message: &str, seconds: u64) -> String {
    let mut args = vec!["commit-tree", tree, "-m", message];
    for parent in parents {
        args.extend(["-p", parent]);
    }
    let date = format!("@{seconds} +0000");
    let mut command = command(path, &args);
    command.env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date);
    let output = command.output().expect("git is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A made-up token that no tool takes for a credential: `kst_` and sixteen letters made from `seed`.
pub(crate) fn token(seed: u64) -> String {
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut text = String::from("kst_");
    for _ in 0..16 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.push(char::from(b'a' + u8::try_from(state % 26).expect("below 26")));
    }
    text
}

/// Every path below `top` with its kind, permissions, times and content: equal before and after
/// means untouched.
pub(crate) fn snapshot(top: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = vec![top.to_owned()];
    while let Some(path) = open.pop() {
        let metadata = path.symlink_metadata().expect("it exists");
        let content = if metadata.is_file() {
            format!("{:?}", digest_of(&fs::read(&path).unwrap_or_default()))
        } else if metadata.is_symlink() {
            format!("{:?}", fs::read_link(&path).expect("a link"))
        } else {
            String::new()
        };
        lines.push(format!(
            "{} {:?} {:?} {:?} {content}",
            path.display(),
            metadata.file_type(),
            metadata.permissions(),
            metadata.modified().expect("times are kept"),
        ));
        if metadata.is_dir() {
            open.extend(path.read_dir().expect("readable").map(|entry| entry.expect("readable").path()));
        }
    }
    lines.sort();
    lines
}

fn digest_of(content: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}
