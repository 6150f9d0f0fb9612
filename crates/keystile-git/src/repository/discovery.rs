//! Where a repository's parts lie: git directory, common directory, work tree.
//!
//! The rules are git's (`setup_git_directory_gently` in git's `setup.c`, `gitrepository-layout(5)`).

use std::io;
use std::path::{Path, PathBuf};

use bstr::ByteSlice as _;

use super::Location;
use super::config::Settings;
use crate::error::Error;

/// The directories of a repository.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) git_dir: PathBuf,
    pub(super) common_dir: PathBuf,
    /// The directory that holds `.git`, if that is how the repository was found.
    beside: Option<PathBuf>,
}

/// Files that are parsed here are a line or two; whatever is larger is not what it claims to be.
const MAX_POINTER_BYTES: u64 = 64 << 10;

/// Finds the repository at `location`.
pub(super) fn discover(location: &Location) -> Result<Found, Error> {
    let not_found = || Error::NotARepository { path: location.path.clone() };
    if let Some(git_dir) = &location.git_dir {
        // `GIT_DIR` may itself be a `.git` file.
        let git_dir = if git_dir.is_file() { follow(git_dir)? } else { git_dir.clone() };
        let git_dir = absolute(&git_dir).ok_or_else(not_found)?;
        if !is_git_dir(&git_dir, location.common_dir.as_deref()) {
            return Err(Error::NotARepository { path: git_dir });
        }
        let common_dir = common_dir(&git_dir, location.common_dir.as_deref());
        return Ok(Found { git_dir, common_dir, beside: None });
    }
    let start = absolute(&location.path).ok_or_else(not_found)?;
    for directory in start.ancestors() {
        let dot_git = directory.join(".git");
        if dot_git.is_file() {
            let git_dir = follow(&dot_git)?;
            let common_dir = common_dir(&git_dir, location.common_dir.as_deref());
            return Ok(Found { git_dir, common_dir, beside: Some(directory.to_owned()) });
        }
        let head = dot_git.join("HEAD").symlink_metadata();
        // Taken for a folder without history, what can't be read would pass for clean.
        if let Err(source) = &head
            && !matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        {
            return Err(Error::Usage(format!(
                "{} can't be read: {source}; run keystile as a user who may, or use --dir to scan the files",
                dot_git.display()
            )));
        }
        // git would look further up, and scan another repository instead of naming this one's damage.
        if head.is_ok() && !has_objects(&dot_git, location) {
            return Err(Error::Usage(format!(
                "{} is damaged: it has no folder `objects`; bring it back from another clone, or use --dir to scan the files",
                dot_git.display()
            )));
        }
        if dot_git.is_dir() && has_objects(&dot_git, location) {
            let git_dir = absolute(&dot_git).ok_or_else(not_found)?;
            let common_dir = common_dir(&git_dir, location.common_dir.as_deref());
            return Ok(Found { git_dir, common_dir, beside: Some(directory.to_owned()) });
        }
        // A bare repository, or a path inside of `.git`.
        if directory.join("HEAD").symlink_metadata().is_ok() && is_git_dir(directory, location.common_dir.as_deref()) {
            let common_dir = common_dir(directory, location.common_dir.as_deref());
            let is_dot_git = directory.file_name().is_some_and(|name| name == ".git");
            let beside = directory.parent().filter(|_| is_dot_git).map(Path::to_owned);
            return Ok(Found { git_dir: directory.to_owned(), common_dir, beside });
        }
    }
    Err(not_found())
}

/// The top of the work tree of what was found.
pub(super) fn work_tree(
    location: &Location,
    found: &Found,
    settings: &Settings,
    notes: &mut Vec<String>,
) -> Option<PathBuf> {
    if let Some(given) = &location.work_tree {
        return absolute(given);
    }
    if let Some(configured) = &settings.work_tree {
        let top = absolute(&found.git_dir.join(configured))?;
        if found.beside.as_ref().is_none_or(|beside| *beside != top) {
            notes.push(format!("core.worktree puts the work tree at {}", top.display()));
        }
        return Some(top);
    }
    // A linked work tree opened by its git directory: `gitdir` names its `.git` file.
    if found.git_dir != found.common_dir {
        if let Some(beside) = &found.beside {
            return Some(beside.clone());
        }
        let text = read_pointer(&found.git_dir.join("gitdir")).ok()?;
        let dot_git = found.git_dir.join(text.trim_end().to_path_lossy());
        return dot_git.parent().and_then(absolute);
    }
    if settings.is_bare {
        return None;
    }
    if let Some(beside) = &found.beside {
        return Some(beside.clone());
    }
    // With GIT_DIR alone git takes the current directory as the top;
    // and a hook that runs inside of the git directory has none.
    let top = location.git_dir.as_ref().and_then(|_| absolute(&location.path));
    top.filter(|top| top.is_dir() && !top.starts_with(&found.git_dir))
}

/// Whether a git directory has objects, be they elsewhere.
fn has_objects(git_dir: &Path, location: &Location) -> bool {
    location.object_directory.is_some() || common_dir(git_dir, location.common_dir.as_deref()).join("objects").is_dir()
}

/// Whether `path` can be a git directory. A broken HEAD does not make it another thing: then the
/// rest is read and HEAD is named as a gap.
fn is_git_dir(path: &Path, common: Option<&Path>) -> bool {
    let common = common_dir(path, common);
    common.join("objects").is_dir() && common.join("refs").exists()
}

fn common_dir(git_dir: &Path, given: Option<&Path>) -> PathBuf {
    if let Some(given) = given {
        return absolute(given).unwrap_or_else(|| given.to_owned());
    }
    match read_pointer(&git_dir.join("commondir")) {
        Ok(text) => {
            let common = git_dir.join(text.trim_end().to_path_lossy());
            absolute(&common).unwrap_or(common)
        }
        Err(_) => git_dir.to_owned(),
    }
}

/// The directory that a `.git` file names.
fn follow(dot_git: &Path) -> Result<PathBuf, Error> {
    let shown = dot_git.display();
    let text = read_pointer(dot_git).map_err(|source| Error::Read { what: shown.to_string(), source })?;
    let Some(target) = text.strip_prefix(b"gitdir:") else {
        return Err(Error::Usage(format!("{shown} is a file, but not one that names a git directory (gitdir: PATH)")));
    };
    let target = dot_git.parent().unwrap_or(Path::new("")).join(target.trim().to_path_lossy());
    match absolute(&target) {
        Some(git_dir) if is_git_dir(&git_dir, None) => Ok(git_dir),
        _ => Err(Error::Usage(format!(
            "{shown} names {} as the git directory, where there is none; if a repository or work tree was moved, `git worktree repair` sets this right",
            target.display()
        ))),
    }
}

/// Reads a small regular file.
pub(super) fn read_pointer(path: &Path) -> io::Result<Vec<u8>> {
    read_small(path, MAX_POINTER_BYTES)
}

/// Reads a regular file of at most `limit` bytes. Pipes and devices would block or never end.
pub(super) fn read_small(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    if metadata.len() > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "larger than such a file can be"));
    }
    std::fs::read(path)
}

fn absolute(path: &Path) -> Option<PathBuf> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    path.canonicalize().ok()
}
