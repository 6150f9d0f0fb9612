//! Which files a folder holds, and which of them are left out.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bstr::{BString, ByteSlice as _};
use ignore::WalkBuilder;

use super::unreadable_path;
use crate::coverage::{Coverage, GapKind, SkipReason};

/// How a folder is walked.
#[derive(Debug, Clone)]
pub(crate) struct WalkOptions {
    pub(crate) honour_ignore_files: bool,
    pub(crate) follow_symlinks: bool,
    /// The folder is the top of a git work tree: git's own ignore files count and no others, links are files
    /// whose content is their target, repositories inside are not entered.
    pub(crate) is_work_tree: bool,
}

/// A file to read.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    /// What to open.
    pub(crate) open: PathBuf,
    /// What to call it.
    pub(crate) path: BString,
    /// The symbolic link it was reached by.
    pub(crate) symlink: Option<BString>,
    pub(crate) kind: ListedKind,
}

/// What of it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListedKind {
    /// Its content.
    File,
    /// The path that it leads to.
    Symlink,
}

/// What a folder holds.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// In the order of their paths.
    pub(crate) files: Vec<Listed>,
    /// What ignore files name: path (a folder as a whole) and bytes.
    pub(crate) ignored: Vec<(BString, u64)>,
}

impl Listing {
    /// Walks `root`. Names begin with `prefix` and `/`, if it is not empty.
    pub(crate) fn read(root: &Path, options: &WalkOptions, prefix: &BString, coverage: &mut Coverage) -> Self {
        let mut walk = Walk {
            root,
            real_root: root.canonicalize().unwrap_or_else(|_| root.to_owned()),
            options,
            prefix,
            listing: Self::default(),
            seen: HashMap::new(),
        };
        walk.run(coverage);
        walk.listing.files.sort_by(|a, b| a.path.cmp(&b.path).then_with(|| a.symlink.cmp(&b.symlink)));
        walk.listing.ignored.sort();
        walk.listing
    }
}

struct Walk<'a> {
    root: &'a Path,
    real_root: PathBuf,
    options: &'a WalkOptions,
    prefix: &'a BString,
    listing: Listing,
    /// Names that the walk handed out, by directory: what else is there was ignored.
    seen: HashMap<PathBuf, HashSet<OsString>>,
}

impl Walk<'_> {
    fn run(&mut self, coverage: &mut Coverage) {
        // What is left out by name never reaches the loop below.
        let left_out: Arc<Mutex<Vec<PathBuf>>> = Arc::default();
        let honour = self.options.honour_ignore_files;
        let is_work_tree = self.options.is_work_tree;
        let mut builder = WalkBuilder::new(self.root);
        builder
            .hidden(false)
            .ignore(honour && !is_work_tree)
            .git_ignore(honour)
            .git_exclude(honour)
            .git_global(honour)
            // Above its top, a work tree has no ignore files; a folder can lie inside of one.
            .parents(honour && !is_work_tree)
            .require_git(false)
            .follow_links(self.options.follow_symlinks)
            .filter_entry({
                let left_out = left_out.clone();
                move |entry| {
                    let is_directory = entry.file_type().is_some_and(|kind| kind.is_dir());
                    let is_git = entry.file_name() == ".git" && (is_directory || is_work_tree);
                    let is_nested =
                        || is_work_tree && entry.depth() > 0 && is_directory && entry.path().join(".git").exists();
                    let leave = is_git || is_nested();
                    if leave {
                        left_out.lock().unwrap_or_else(PoisonError::into_inner).push(entry.path().to_owned());
                    }
                    !leave
                }
            });
        for entry in builder.build() {
            match entry {
                Ok(entry) => self.entry(&entry, coverage),
                Err(error) => self.error(&error, coverage),
            }
        }
        let left_out = std::mem::take(&mut *left_out.lock().unwrap_or_else(PoisonError::into_inner));
        let mut git_directories: Vec<String> = Vec::new();
        for path in left_out {
            self.see(&path);
            let name = self.name(&path).to_string();
            if path.file_name().is_none_or(|name| name != ".git") {
                coverage.skip(SkipReason::NestedRepository, name, 0);
            } else if !is_work_tree {
                git_directories.push(name);
            }
        }
        git_directories.sort();
        if let Some(first) = git_directories.first() {
            let others = match git_directories.len() - 1 {
                0 => String::new(),
                others => format!(" (and {others} more)"),
            };
            coverage.notes.push(format!(
                "{first}{others} was left out: without --dir, keystile scan reads the history that it holds"
            ));
        }
        if honour {
            self.find_ignored();
        }
    }

    fn entry(&mut self, entry: &ignore::DirEntry, coverage: &mut Coverage) {
        let path = entry.path();
        self.see(path);
        let Some(kind) = entry.file_type() else { return };
        if kind.is_dir() {
            self.seen.entry(path.to_owned()).or_default();
            return;
        }
        let name = self.name(path);
        if kind.is_symlink() {
            if self.options.is_work_tree {
                let kind = ListedKind::Symlink;
                self.listing.files.push(Listed { open: path.to_owned(), path: name, symlink: None, kind });
            } else {
                coverage.skip(SkipReason::SymbolicLink, name.to_string(), 0);
            }
        } else if kind.is_file() {
            let (name, symlink) = self.behind_links(path, name);
            self.listing.files.push(Listed { open: path.to_owned(), path: name, symlink, kind: ListedKind::File });
        } else {
            coverage.skip(SkipReason::SpecialFile, name.to_string(), 0);
        }
    }

    /// The name of the file itself, and that of the link (or of the way through one) that led to it.
    fn behind_links(&self, path: &Path, name: BString) -> (BString, Option<BString>) {
        if !self.options.follow_symlinks {
            return (name, None);
        }
        let Ok(real) = path.canonicalize() else { return (name, None) };
        let expected = self.real_root.join(path.strip_prefix(self.root).unwrap_or(path));
        if real == expected {
            return (name, None);
        }
        let own = match real.strip_prefix(&self.real_root) {
            Ok(inside) => self.prefixed(&bytes_of(inside)),
            Err(_) => bytes_of(&real),
        };
        (own, Some(name))
    }

    fn error(&mut self, error: &ignore::Error, coverage: &mut Coverage) {
        match error {
            ignore::Error::Partial(errors) => errors.iter().for_each(|error| self.error(error, coverage)),
            ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
                self.error(err, coverage)
            }
            ignore::Error::Loop { child, .. } => {
                self.see(child);
                let name = self.name(child);
                coverage.notes.push(format!("{name} leads back to a folder that holds it, and was not followed"));
            }
            ignore::Error::WithPath { path, err } => match io_error(err) {
                Some(source) => {
                    self.see(path);
                    let is_link = path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
                    if is_link {
                        coverage.skip(SkipReason::SymbolicLink, self.name(path).to_string(), 0);
                    } else if source.kind() != std::io::ErrorKind::NotFound {
                        unreadable_path(coverage, path, source);
                    }
                }
                None => self.error(err, coverage),
            },
            // A line of an ignore file that is no pattern ignores nothing.
            ignore::Error::Glob { .. } => {}
            other => coverage.gap(
                GapKind::UnreadableFile,
                self.root.display().to_string(),
                format!("can't be walked: {other}"),
            ),
        }
    }

    /// What lies in the folders that were walked and was not handed out.
    fn find_ignored(&mut self) {
        for (directory, seen) in std::mem::take(&mut self.seen) {
            // That it can't be listed is known from the walk.
            let Ok(entries) = directory.read_dir() else { continue };
            for entry in entries.flatten().filter(|entry| !seen.contains(&entry.file_name())) {
                let path = entry.path();
                let bytes =
                    entry.metadata().ok().filter(std::fs::Metadata::is_file).map_or(0, |metadata| metadata.len());
                let mut name = self.name(&path);
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    name.push(b'/');
                }
                self.listing.ignored.push((name, bytes));
            }
        }
    }

    fn see(&mut self, path: &Path) {
        if let (Some(parent), Some(name)) = (path.parent(), path.file_name())
            && let Some(names) = self.seen.get_mut(parent)
        {
            names.insert(name.to_owned());
        }
    }

    fn name(&self, path: &Path) -> BString {
        self.prefixed(&bytes_of(path.strip_prefix(self.root).unwrap_or(path)))
    }

    fn prefixed(&self, name: &BString) -> BString {
        if self.prefix.is_empty() {
            return name.clone();
        }
        let mut full = self.prefix.clone();
        if !full.ends_with(b"/") {
            full.push(b'/');
        }
        full.extend_from_slice(name);
        full
    }
}

fn io_error(error: &ignore::Error) -> Option<&std::io::Error> {
    match error {
        ignore::Error::Io(source) => Some(source),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithPath { err, .. } => io_error(err),
        _ => None,
    }
}

/// A path as bytes, with `/` between components, and as it is where it is no UTF-8.
pub(crate) fn bytes_of(path: &Path) -> BString {
    let bytes = path.as_os_str().as_encoded_bytes();
    if cfg!(windows) { bytes.replace("\\", "/").into() } else { bytes.into() }
}
