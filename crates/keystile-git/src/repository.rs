//! A repository: where it is, what it consists of, what it can't do.
//!
//! Layout, references and format are read by keystile itself; libgit2 parses the configuration
//! files and nothing else here. Why not all of it: libgit2 refuses SHA-256 repositories and those
//! of other users as a whole, reports a broken reference as an error instead of naming it, and
//! listens to environment variables. What is read here is small and documented in git's
//! `gitrepository-layout(5)`, `gitformat-*` and `git-config(1)`.
//!
//! Nothing is written, nothing that the configuration names is run, and the environment is not
//! read: what `GIT_DIR` and its like say is handed in as [`Location`]. That is also why the owner
//! of a repository does not matter (git's `safe.directory` guards against programs that a
//! stranger's configuration would start).

mod config;
mod discovery;
mod objects;
mod references;

use std::path::{Path, PathBuf};

use bstr::BString;

use crate::coverage::Gap;
use crate::error::Error;
use crate::object::ObjectId;
use crate::store::ObjectStore;

pub use references::{Head, LinkedWorktree, Reference, References, StashEntry};

/// Where a repository is, in the terms of git's environment variables, which the caller reads:
/// a hook is started with some of them set, `GIT_INDEX_FILE` by `git commit -a` for example.
#[derive(Debug, Clone, Default)]
pub struct Location {
    /// Where to look; upwards from there unless `git_dir` is given.
    pub path: PathBuf,
    /// `GIT_DIR`.
    pub git_dir: Option<PathBuf>,
    /// `GIT_COMMON_DIR`.
    pub common_dir: Option<PathBuf>,
    /// `GIT_WORK_TREE`.
    pub work_tree: Option<PathBuf>,
    /// `GIT_INDEX_FILE`.
    pub index_file: Option<PathBuf>,
    /// `GIT_OBJECT_DIRECTORY`.
    pub object_directory: Option<PathBuf>,
    /// `GIT_ALTERNATE_OBJECT_DIRECTORIES`, split.
    pub alternate_object_directories: Vec<PathBuf>,
}

/// What makes a repository a partial clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promisor {
    /// The remote that promised the missing objects, where the configuration says so.
    pub remote: Option<BString>,
    /// The filter it was cloned with (`blob:none`), where the configuration says so.
    pub filter: Option<BString>,
}

/// An opened repository. Holds what its configuration says, no open file; shared by all threads.
#[derive(Debug)]
pub struct Repository {
    git_dir: PathBuf,
    common_dir: PathBuf,
    work_tree: Option<PathBuf>,
    index_file: PathBuf,
    object_directories: Vec<PathBuf>,
    settings: config::Settings,
    has_promisor_pack: bool,
    shallow: Vec<ObjectId>,
    gaps: Vec<Gap>,
    notes: Vec<String>,
}

impl Repository {
    /// Opens the repository that `path` is, or lies in.
    ///
    /// # Errors
    ///
    /// [`Error::NotARepository`] if there is none, [`Error::Unsupported`] if its format is one that
    /// keystile does not read (reftable, an unknown extension), [`Error::Usage`] if a `.git` file leads
    /// nowhere, and [`Error::Git`] if its configuration can't be parsed.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_at(&Location { path: path.to_owned(), ..Location::default() })
    }

    /// Opens the repository at `location`.
    ///
    /// # Errors
    ///
    /// As [`Repository::open`].
    pub fn open_at(location: &Location) -> Result<Self, Error> {
        let found = discovery::discover(location)?;
        let settings = config::Settings::read(&found.git_dir, &found.common_dir)?;
        let mut gaps = Vec::new();
        let mut notes = Vec::new();
        let work_tree = discovery::work_tree(location, &found, &settings, &mut notes);
        let index_file = location.index_file.clone().unwrap_or_else(|| found.git_dir.join("index"));
        let object_directories = objects::directories(location, &found.common_dir, &mut gaps);
        let shallow = objects::shallow(&found.common_dir, settings.object_hash, &mut gaps);
        if found.common_dir.join("info/grafts").exists() {
            notes.push("info/grafts is not followed: commits are read with the parents that they name".to_owned());
        }
        let has_promisor_pack = objects::have_promisor_pack(&object_directories);
        Ok(Self {
            git_dir: found.git_dir,
            common_dir: found.common_dir,
            work_tree,
            index_file,
            object_directories,
            settings,
            has_promisor_pack,
            shallow,
            gaps,
            notes,
        })
    }

    /// The git directory of this work tree (`.git`, or `.git/worktrees/NAME` of a linked one).
    #[must_use]
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// The directory that all work trees share: references, objects, configuration.
    #[must_use]
    pub fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// The top of the work tree; `None` for a bare repository.
    #[must_use]
    pub fn work_tree(&self) -> Option<&Path> {
        self.work_tree.as_deref()
    }

    /// The index of this work tree. The file need not exist.
    #[must_use]
    pub fn index_file(&self) -> &Path {
        &self.index_file
    }

    /// Every directory that objects are read from: its own first, then alternates, each once.
    #[must_use]
    pub fn object_directories(&self) -> &[PathBuf] {
        &self.object_directories
    }

    /// Opens all its objects, numbered; a scan of the whole history needs them.
    ///
    /// # Errors
    ///
    /// As [`ObjectStore::open_directories`].
    pub fn open_objects(&self) -> Result<ObjectStore, Error> {
        ObjectStore::open_directories(&self.object_directories, self.object_hash())
    }

    /// The hash that names its objects.
    #[must_use]
    pub fn object_hash(&self) -> gix_hash::Kind {
        self.settings.object_hash
    }

    /// The commits at which a shallow clone ends; empty for a whole one.
    #[must_use]
    pub fn shallow(&self) -> &[ObjectId] {
        &self.shallow
    }

    /// What makes it a partial clone, if it is one: then objects may be missing without being lost.
    #[must_use]
    pub fn promisor(&self) -> Option<Promisor> {
        self.settings
            .promisor
            .clone()
            .or_else(|| self.has_promisor_pack.then_some(Promisor { remote: None, filter: None }))
    }

    /// The URL of `origin`, or of the only remote, without user name and password.
    #[must_use]
    pub fn origin_url(&self) -> Option<&str> {
        self.settings.origin_url.as_deref()
    }

    /// `core.hooksPath`, where the repository sets it: then its hooks are not in its own `hooks` folder.
    #[must_use]
    pub fn hooks_path(&self) -> Option<&str> {
        self.settings.hooks_path.as_deref()
    }

    /// What could not be read on opening: an alternate that is not there, a broken shallow file.
    #[must_use]
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// What is worth knowing about how it was opened.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Every reference, loose and packed, of all work trees.
    #[must_use]
    pub fn references(&self) -> References {
        references::read_all(self)
    }

    /// Where HEAD of this work tree is.
    #[must_use]
    pub fn head(&self) -> Head {
        references::head(self)
    }

    /// The object that a reference's full name (`refs/heads/main`, `HEAD`) leads to, symbolic ones followed.
    #[must_use]
    pub fn find_reference(&self, name: &[u8]) -> Option<ObjectId> {
        references::find(self, name)
    }
}
