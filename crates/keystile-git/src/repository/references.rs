//! References, HEAD and stash entries, read from their files.
//!
//! Formats: `gitrepository-layout(5)`; `packed-refs` as in the comment at the top of git's
//! `refs/packed-backend.c`; reflogs as in `git-reflog(1)` and `refs/files-backend.c`. A reference that
//! can't be read is a gap and does not hide the others.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use bstr::{BStr, BString, ByteSlice as _};

use super::Repository;
use super::discovery::{read_pointer, read_small};
use crate::coverage::{Gap, GapKind};
use crate::object::ObjectId;

/// A reference and where it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Full name: `refs/heads/main`; of another work tree `worktrees/NAME/refs/bisect/bad`.
    pub name: BString,
    /// The object it leads to, symbolic references followed. Whether the object exists was not looked at.
    pub target: ObjectId,
    /// The name that it stands for, if it is symbolic.
    pub symbolic: Option<BString>,
    /// The object behind an annotated tag, where `packed-refs` says it.
    pub peeled: Option<ObjectId>,
}

/// Where HEAD is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// On a branch.
    Branch {
        /// Its full name.
        name: BString,
        /// Its commit.
        target: ObjectId,
    },
    /// On a commit.
    Detached(ObjectId),
    /// On a branch of this full name that has no commit yet.
    Unborn(BString),
    /// Unreadable.
    Broken(Gap),
}

impl Head {
    /// The commit, if there is one.
    #[must_use]
    pub fn target(&self) -> Option<ObjectId> {
        match self {
            Self::Branch { target, .. } | Self::Detached(target) => Some(*target),
            Self::Unborn(_) | Self::Broken(_) => None,
        }
    }
}

/// Another work tree of the same repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedWorktree {
    /// `worktrees/NAME`, or `main-worktree` seen from a linked one: the prefix that git gives its references.
    pub name: BString,
    /// Its HEAD.
    pub head: Head,
    /// The references that belong to it alone (bisection, rebase).
    pub references: Vec<Reference>,
}

/// An entry of the stash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StashEntry {
    /// As in `stash@{N}`: 0 is the newest.
    pub index: usize,
    /// Its commit; the second parent holds the index, the third the untracked files.
    pub commit: ObjectId,
}

/// Everything that leads into the history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// All below `refs/` that this work tree sees, replacements left out, by name.
    pub references: Vec<Reference>,
    /// Replacements (`refs/replace/ID`): not followed, and part of what is in scope, since `git rev-list --all` has them too.
    pub replacements: Vec<Reference>,
    /// Other work trees.
    pub worktrees: Vec<LinkedWorktree>,
    /// All stash entries, newest first.
    pub stash: Vec<StashEntry>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// Symbolic references to nothing, which lose no content.
    pub notes: Vec<String>,
}

/// A repository with hundreds of thousands of references has some ten megabytes here.
const MAX_PACKED_BYTES: u64 = 1 << 30;

/// Directories below `refs/`.
const MAX_DEPTH: u32 = 64;

/// git's `SYMREF_MAXDEPTH`.
const MAX_SYMBOLIC: u32 = 5;

/// Below these, each work tree has its own (`is_per_worktree_ref` in git's `refs.c`).
const PER_WORKTREE: [&[u8]; 3] = [b"refs/bisect/", b"refs/worktree/", b"refs/rewritten/"];

/// What one reference's file says.
enum Raw {
    Id(ObjectId),
    Symbolic(BString),
}

/// Where a name leads in the end.
enum Resolved {
    Id(ObjectId),
    /// A symbolic reference to this name, which does not exist.
    Nothing(BString),
    Broken(String),
}

struct Store<'a> {
    git_dir: &'a Path,
    common_dir: &'a Path,
    hash: gix_hash::Kind,
    packed: Packed<'a>,
}

/// `packed-refs`, by name: id, and the object behind a tag.
type PackedMap = BTreeMap<BString, (ObjectId, Option<ObjectId>)>;

/// How names are looked up in `packed-refs`.
#[derive(Clone, Copy)]
enum Packed<'a> {
    /// Parsed whole, for whoever asks for every name.
    Parsed(&'a PackedMap),
    /// Searched for a name or two, and not read at all while files answer: a hook has no time to parse a million names.
    Searched(&'a OnceCell<Vec<u8>>),
}

impl Packed<'_> {
    fn get(self, name: &BStr, common_dir: &Path, hash: gix_hash::Kind) -> Option<ObjectId> {
        let text = match self {
            Self::Parsed(map) => return map.get(&name.to_owned()).map(|(id, _)| *id),
            Self::Searched(text) => text.get_or_init(|| {
                // That it can't be read is named where all references are listed.
                read_small(&common_dir.join("packed-refs"), MAX_PACKED_BYTES).unwrap_or_default()
            }),
        };
        let mut needle = BString::from(" ");
        needle.extend_from_slice(name);
        text.find_iter(needle.as_slice()).find_map(|at| {
            let is_whole = text.get(at + needle.len()).is_none_or(|end| *end == b'\n' || *end == b'\r');
            let start = text[..at].rfind_byte(b'\n').map_or(0, |end| end + 1);
            if is_whole { parse_id(&text[start..at], hash) } else { None }
        })
    }
}

pub(super) fn read_all(repository: &Repository) -> References {
    let mut all = References::default();
    let common_dir = &repository.common_dir;
    let hash = repository.object_hash();
    let packed = read_packed(common_dir, hash, &mut all.gaps);
    let store = Store { git_dir: &repository.git_dir, common_dir, hash, packed: Packed::Parsed(&packed) };

    let mut names = Vec::new();
    store.list_loose(common_dir, b"refs", &mut names, &mut all.gaps);
    if repository.git_dir != *common_dir {
        names.retain(|name| !is_per_worktree(name));
        store.list_loose(&repository.git_dir, b"refs", &mut names, &mut all.gaps);
    }
    let mut references = store.resolve_all(names, b"", &mut all.gaps, &mut all.notes);
    // A file takes precedence, and where there is none, none has to be looked for: there can be very many of these.
    let loose: HashSet<&BString> = references.iter().map(|reference| &reference.name).collect();
    let broken: HashSet<&str> = all.gaps.iter().map(|gap| gap.what.as_str()).collect();
    let only_packed: Vec<Reference> = packed
        .iter()
        .filter(|(name, _)| !loose.contains(name) && !broken.contains(name.to_str_lossy().as_ref()))
        .map(|(name, (target, peeled))| Reference {
            name: name.clone(),
            target: *target,
            symbolic: None,
            peeled: *peeled,
        })
        .collect();
    references.extend(only_packed);
    references.sort_by(|a, b| a.name.cmp(&b.name));
    (all.replacements, all.references) =
        references.into_iter().partition(|reference| reference.name.starts_with(b"refs/replace/"));

    for (name, git_dir) in other_worktrees(repository, &mut all.gaps) {
        let store = Store { git_dir: &git_dir, ..store };
        let mut names = Vec::new();
        store.list_loose(&git_dir, b"refs", &mut names, &mut all.gaps);
        names.retain(|name| is_per_worktree(name));
        let prefix = format!("{name}/");
        let references = store.resolve_all(names, prefix.as_bytes(), &mut all.gaps, &mut all.notes);
        let head = store.head(&format!("{prefix}HEAD"));
        all.worktrees.push(LinkedWorktree { name, head, references });
    }
    all.stash = read_stash(common_dir, hash, &mut all.gaps);
    all
}

pub(super) fn head(repository: &Repository) -> Head {
    single(repository, &OnceCell::new()).head("HEAD")
}

pub(super) fn find(repository: &Repository, name: &[u8]) -> Option<ObjectId> {
    match single(repository, &OnceCell::new()).resolve(name.as_bstr()) {
        Resolved::Id(id) => Some(id),
        Resolved::Nothing(_) | Resolved::Broken(_) => None,
    }
}

fn single<'a>(repository: &'a Repository, packed: &'a OnceCell<Vec<u8>>) -> Store<'a> {
    Store {
        git_dir: &repository.git_dir,
        common_dir: &repository.common_dir,
        hash: repository.object_hash(),
        packed: Packed::Searched(packed),
    }
}

fn is_per_worktree(name: &[u8]) -> bool {
    PER_WORKTREE.iter().any(|prefix| name.starts_with(prefix))
}

impl Store<'_> {
    fn head(&self, shown: &str) -> Head {
        let broken =
            |detail: String| Head::Broken(Gap { kind: GapKind::BrokenReference, what: shown.to_owned(), detail });
        match self.read(b"HEAD".as_bstr()) {
            Ok(Some(Raw::Id(id))) => Head::Detached(id),
            Ok(Some(Raw::Symbolic(name))) => match self.resolve(name.as_ref()) {
                Resolved::Id(target) => Head::Branch { name, target },
                Resolved::Nothing(_) => Head::Unborn(name),
                Resolved::Broken(detail) => broken(format!("stands for {name}, which {detail}")),
            },
            Ok(None) => broken("is missing; `git symbolic-ref HEAD refs/heads/BRANCH` sets it".to_owned()),
            Err(detail) => broken(detail),
        }
    }

    fn resolve_all(
        &self,
        mut names: Vec<BString>,
        prefix: &[u8],
        gaps: &mut Vec<Gap>,
        notes: &mut Vec<String>,
    ) -> Vec<Reference> {
        names.sort();
        names.dedup();
        let mut references = Vec::with_capacity(names.len());
        for short in names {
            let mut name = BString::from(prefix);
            name.extend_from_slice(&short);
            let symbolic = match self.read(short.as_ref()) {
                Ok(Some(Raw::Symbolic(to))) => Some(to),
                _ => None,
            };
            match self.resolve(short.as_ref()) {
                Resolved::Id(target) => {
                    let packed = match self.packed {
                        Packed::Parsed(map) => map.get(&short),
                        Packed::Searched(_) => None,
                    };
                    let peeled = packed.filter(|(id, _)| *id == target).and_then(|(_, peeled)| *peeled);
                    references.push(Reference { name, target, symbolic, peeled });
                }
                Resolved::Nothing(to) => notes.push(format!("{name} stands for {to}, which does not exist")),
                Resolved::Broken(detail) => {
                    gaps.push(Gap { kind: GapKind::BrokenReference, what: name.to_string(), detail });
                }
            }
        }
        references
    }

    fn resolve(&self, name: &BStr) -> Resolved {
        let mut name = name.to_owned();
        for _ in 0..=MAX_SYMBOLIC {
            match self.read(name.as_ref()) {
                Ok(Some(Raw::Id(id))) => return Resolved::Id(id),
                Ok(Some(Raw::Symbolic(to))) => name = to,
                Ok(None) => return Resolved::Nothing(name),
                Err(detail) => return Resolved::Broken(detail),
            }
        }
        Resolved::Broken(format!("is symbolic more than {MAX_SYMBOLIC} times over, or in a circle"))
    }

    /// What the reference's file, or else `packed-refs`, says; `None` if neither has the name.
    fn read(&self, name: &BStr) -> Result<Option<Raw>, String> {
        // A name from a hostile file must not lead out of the git directory.
        if name.is_empty() || name.split_str("/").any(|part| part.is_empty() || part == b"." || part == b"..") {
            return Err("has no valid name".to_owned());
        }
        let is_own = !name.starts_with(b"refs/") || is_per_worktree(name);
        let path = if is_own { self.git_dir } else { self.common_dir }.join(name.to_path_lossy());
        // HEAD was once a symbolic link to `refs/heads/…`; git still reads that.
        if let Ok(link) = path.read_link() {
            let link = <[u8]>::from_path(&link).unwrap_or_default();
            if link.starts_with(b"refs/") {
                return Ok(Some(Raw::Symbolic(link.into())));
            }
        }
        match read_pointer(&path) {
            Ok(text) => return parse_loose(&text, self.hash).map(Some),
            // Nothing there, or a directory (`refs/heads/a` while `refs/heads/a/b` exists, possibly empty).
            Err(error) if error.kind() == io::ErrorKind::NotFound || error.kind() == io::ErrorKind::NotADirectory => {}
            Err(_) if path.is_dir() => {}
            Err(error) => return Err(format!("can't be read: {error}")),
        }
        Ok(self.packed.get(name, self.common_dir, self.hash).map(Raw::Id))
    }

    /// Adds the names of all reference files below `top/below`.
    fn list_loose(&self, top: &Path, below: &[u8], names: &mut Vec<BString>, gaps: &mut Vec<Gap>) {
        // A symbolic link can lead to a directory that was listed already, or to one that holds it.
        let mut listed: HashSet<PathBuf> = HashSet::new();
        let mut open = vec![(BString::from(below), 0)];
        while let Some((name, depth)) = open.pop() {
            let mut gap = |detail: String| {
                gaps.push(Gap { kind: GapKind::BrokenReference, what: name.to_string(), detail });
            };
            if depth > MAX_DEPTH {
                gap(format!("lies more than {MAX_DEPTH} directories deep"));
                continue;
            }
            let directory = top.join(name.to_path_lossy());
            if directory.canonicalize().is_ok_and(|real| !listed.insert(real)) {
                continue;
            }
            let entries = match directory.read_dir() {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    gap(format!("can't be listed: {error}"));
                    continue;
                }
            };
            for entry in entries {
                let entry = match entry {
                    Ok(entry) => entry,
                    Err(error) => {
                        gap(format!("can't be listed: {error}"));
                        continue;
                    }
                };
                let file_name = entry.file_name();
                let file_name = file_name.as_encoded_bytes();
                // As git: these are lock files and temporary ones, never references.
                if file_name.starts_with(b".") || file_name.ends_with(b".lock") {
                    continue;
                }
                let mut full = name.clone();
                full.push(b'/');
                full.extend_from_slice(file_name);
                if entry.path().is_dir() {
                    open.push((full, depth + 1));
                } else {
                    names.push(full);
                }
            }
        }
    }
}

/// `ref: NAME`, or an id and white space.
fn parse_loose(text: &[u8], hash: gix_hash::Kind) -> Result<Raw, String> {
    if let Some(name) = text.strip_prefix(b"ref:") {
        return Ok(Raw::Symbolic(name.trim().into()));
    }
    if text.trim().is_empty() {
        return Err(
            "is an empty file, as a crash can leave it; its reflog or `git fsck --lost-found` may know the commit"
                .to_owned(),
        );
    }
    let id = text.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    parse_id(id, hash).map(Raw::Id).ok_or_else(|| "holds neither an object id nor a name".to_owned())
}

fn parse_id(hex: &[u8], hash: gix_hash::Kind) -> Option<ObjectId> {
    ObjectId::from_hex(hex).ok().filter(|id| id.kind() == hash && !id.is_null())
}

fn read_packed(common_dir: &Path, hash: gix_hash::Kind, gaps: &mut Vec<Gap>) -> PackedMap {
    let mut packed = PackedMap::new();
    let path = common_dir.join("packed-refs");
    let mut gap = |detail: String| {
        gaps.push(Gap { kind: GapKind::BrokenReference, what: "packed-refs".to_owned(), detail });
    };
    let text = match read_small(&path, MAX_PACKED_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return packed,
        Err(error) => {
            gap(format!("can't be read: {error}"));
            return packed;
        }
    };
    let mut last: Option<BString> = None;
    for (number, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        if let Some(hex) = line.strip_prefix(b"^") {
            match (parse_id(hex.trim(), hash), last.as_ref().and_then(|name| packed.get_mut(name))) {
                (Some(id), Some((_, peeled))) => *peeled = Some(id),
                _ => gap(format!("line {} is not the object behind a tag", number + 1)),
            }
            continue;
        }
        match line.split_once_str(" ").and_then(|(hex, name)| Some((parse_id(hex, hash)?, BString::from(name)))) {
            Some((id, name)) => {
                packed.insert(name.clone(), (id, None));
                last = Some(name);
            }
            None => {
                last = None;
                gap(format!("line {} is not an object id and a name", number + 1));
            }
        }
    }
    packed
}

/// The other work trees: name and git directory.
fn other_worktrees(repository: &Repository, gaps: &mut Vec<Gap>) -> Vec<(BString, PathBuf)> {
    let mut worktrees = Vec::new();
    if repository.git_dir != repository.common_dir {
        worktrees.push(("main-worktree".into(), repository.common_dir.clone()));
    }
    let directory = repository.common_dir.join("worktrees");
    let entries = match directory.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return worktrees,
        Err(error) => {
            let detail = format!("can't be listed: {error}");
            gaps.push(Gap { kind: GapKind::BrokenReference, what: "worktrees".to_owned(), detail });
            return worktrees;
        }
    };
    for entry in entries.flatten() {
        let git_dir = entry.path();
        if !git_dir.is_dir() || git_dir.canonicalize().is_ok_and(|real| real == repository.git_dir) {
            continue;
        }
        let mut name = BString::from("worktrees/");
        name.extend_from_slice(entry.file_name().as_encoded_bytes());
        worktrees.push((name, git_dir));
    }
    worktrees.sort();
    worktrees
}

/// The reflog of `refs/stash`: each line is `OLD NEW COMMITTER<TAB>MESSAGE`, the newest entry last.
fn read_stash(common_dir: &Path, hash: gix_hash::Kind, gaps: &mut Vec<Gap>) -> Vec<StashEntry> {
    let mut gap = |detail: String| {
        gaps.push(Gap { kind: GapKind::BrokenReference, what: "logs/refs/stash".to_owned(), detail });
    };
    let text = match read_small(&common_dir.join("logs/refs/stash"), MAX_PACKED_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            gap(format!("can't be read: {error}; only the newest stash entry is known"));
            return Vec::new();
        }
    };
    let lines: Vec<&[u8]> = text.lines().filter(|line| !line.is_empty()).collect();
    let mut entries = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().rev().enumerate() {
        match line.splitn_str(3, " ").nth(1).and_then(|hex| parse_id(hex, hash)) {
            Some(commit) => entries.push(StashEntry { index, commit }),
            None => gap(format!("stash@{{{index}}} has no object id")),
        }
    }
    entries
}
