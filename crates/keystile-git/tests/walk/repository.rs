//! Repositories made by git itself, with fixed names and dates.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use keystile_git::object::{HashKind, ObjectId};
use keystile_git::store::ObjectStore;

/// A repository in a directory that goes away with it.
pub(crate) struct Repository {
    pub(crate) root: tempfile::TempDir,
    pub(crate) hash: HashKind,
}

impl Repository {
    pub(crate) fn new() -> Self {
        Self::with_format("sha1", HashKind::Sha1)
    }

    pub(crate) fn with_format(name: &str, hash: HashKind) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let repository = Self { root, hash };
        repository.git(&["init", "-q", "-b", "main", &format!("--object-format={name}"), "."]);
        // Nothing is packed or removed behind the test's back.
        repository.git(&["config", "gc.auto", "0"]);
        repository
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn objects(&self) -> PathBuf {
        self.path().join(".git/objects")
    }

    pub(crate) fn open(&self) -> ObjectStore {
        ObjectStore::open(&self.objects(), self.hash).expect("it can be opened")
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.git_with(arguments, b"")).expect("UTF-8")
    }

    pub(crate) fn git_with(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        git(self.path(), arguments, input)
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a file has a directory")).expect("a directory");
        std::fs::write(path, content).expect("a file");
    }

    pub(crate) fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
    }

    /// Some commits over a few files that grow and change, so that packing makes deltas; a tag; an empty blob.
    pub(crate) fn fill(&self, commits: usize) {
        let mut text = String::new();
        for line in 0..200 {
            text.push_str(&format!("line {line} {}\n", line * 7919 % 1000));
        }
        for commit in 0..commits {
            text = text.replacen(&format!("line {}", commit * 3 % 200), &format!("changed in {commit}: line"), 1);
            text.push_str(&format!("appended by {commit}\n"));
            self.write("text.txt", text.as_bytes());
            self.write(&format!("many/{}.txt", commit % 7), format!("{text}{commit}").as_bytes());
            if commit == 0 {
                self.write("empty", b"");
                self.write("binary", &(0..5000u32).map(|i| (i * i % 251) as u8).collect::<Vec<_>>());
            }
            self.commit(&format!("commit {commit}"));
        }
        self.git(&["tag", "-a", "-m", "a tag", "v1"]);
    }

    /// Further commits, that differ by round.
    pub(crate) fn fill_more(&self, commits: usize, round: usize) {
        for commit in 0..commits {
            let lines: String = (0..100).map(|line| format!("{line} {}\n", line * round + commit)).collect();
            self.write(&format!("more/{}", commit % 3), lines.as_bytes());
            self.commit(&format!("round {round}, commit {commit}"));
        }
    }

    /// Puts everything into one pack with deltas.
    pub(crate) fn repack(&self) {
        self.git(&["repack", "-q", "-adf", "--depth=50", "--window=50"]);
        self.git(&["prune-packed"]);
    }

    /// The only file of the packs with this ending.
    pub(crate) fn pack_file(&self, ending: &str) -> PathBuf {
        let mut found: Vec<_> = std::fs::read_dir(self.objects().join("pack"))
            .expect("packs")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == ending))
            .collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    /// What git says that there is: id, kind, content.
    pub(crate) fn expected(&self) -> BTreeMap<ObjectId, (String, Vec<u8>)> {
        let out = self.git_with(&["cat-file", "--batch-all-objects", "--batch"], b"");
        let mut objects = BTreeMap::new();
        let mut rest = &out[..];
        while !rest.is_empty() {
            let end = rest.iter().position(|&byte| byte == b'\n').expect("a header line");
            let header = std::str::from_utf8(&rest[..end]).expect("UTF-8");
            let mut words = header.split(' ');
            let mut word = || words.next().expect("id, kind, size");
            let id = ObjectId::from_hex(word().as_bytes()).expect("an id");
            let kind = word().to_owned();
            let size: usize = word().parse().expect("a size");
            objects.insert(id, (kind, rest[end + 1..end + 1 + size].to_vec()));
            rest = &rest[end + 1 + size + 1..];
        }
        objects
    }
}

/// Runs git without the user's configuration, at a fixed time.
pub(crate) fn git(directory: &Path, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut child = Command::new("git")
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").expect("a PATH"))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .envs([
            ("GIT_AUTHOR_NAME", "A"),
            ("GIT_AUTHOR_EMAIL", "a@example.org"),
            ("GIT_AUTHOR_DATE", "1700000000 +0000"),
        ])
        .envs([
            ("GIT_COMMITTER_NAME", "A"),
            ("GIT_COMMITTER_EMAIL", "a@example.org"),
            ("GIT_COMMITTER_DATE", "1700000000 +0000"),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("git runs");
    child.stdin.take().expect("a pipe").write_all(input).expect("git reads");
    let out = child.wait_with_output().expect("git ends");
    assert!(out.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

/// All files below a directory with their bytes.
pub(crate) fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            let bytes = std::fs::read(&path).expect("a file");
            files.insert(path, bytes);
        }
    }
    files
}
