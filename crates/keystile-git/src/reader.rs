//! Single objects on demand, for sources that need few of them: a staged change, a range.
//!
//! [`ObjectStore`] numbers every object of a repository, which a whole history needs and a commit
//! hook has no time for. libgit2's object database opens a pack when something is looked for in it, so it is
//! asked first for what is packed. Loose objects are read by keystile itself: libgit2 never returns from one that is cut
//! off. What it can't give (SHA-256, a pack without an index, a damaged copy of which
//! there is another one) the store is asked for, opened on the first such question.

use std::sync::OnceLock;

use bstr::{BStr, BString};

use crate::coverage::{Coverage, GapKind};
use crate::error::Error;
use crate::object::{HashKind, Kind, ObjectId, oid};
use crate::repository::Repository;
use crate::store::{ObjectStore, loose};

/// Reads objects of one repository; shared by all threads.
pub(crate) struct ObjectReader<'r> {
    repository: &'r Repository,
    quick: Option<git2::Odb<'static>>,
    store: OnceLock<Result<ObjectStore, String>>,
}

/// Why an object was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is nowhere.
    Missing,
    /// It is there, and this is wrong with it.
    Corrupt(String),
}

/// What a source asks of a commit.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) tree: ObjectId,
    pub(crate) parents: Vec<ObjectId>,
    /// Committer date in seconds since 1970; 0 if it can't be read.
    pub(crate) seconds: i64,
    /// The whole object.
    pub(crate) data: Vec<u8>,
}

/// An entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TreeEntry {
    pub(crate) name: BString,
    pub(crate) kind: EntryKind,
    /// A blob that is a symbolic link.
    pub(crate) is_symlink: bool,
    pub(crate) id: ObjectId,
}

/// What an entry of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// A file, or a symbolic link, whose target is its content.
    Blob,
    /// A directory.
    Tree,
    /// A submodule.
    Gitlink,
}

impl EntryKind {
    /// By the mode, as `object_type` in git's `object.h`: what is neither directory nor gitlink is a blob.
    pub(crate) fn from_mode(mode: u32) -> Self {
        match mode & 0o170_000 {
            0o040_000 => Self::Tree,
            0o160_000 => Self::Gitlink,
            _ => Self::Blob,
        }
    }
}

impl<'r> ObjectReader<'r> {
    pub(crate) fn new(repository: &'r Repository) -> Self {
        Self { repository, quick: open_quick(repository), store: OnceLock::new() }
    }

    pub(crate) fn repository(&self) -> &'r Repository {
        self.repository
    }

    fn hash(&self) -> HashKind {
        self.repository.object_hash()
    }

    /// The content of the object `id`, which is to be of `kind`.
    pub(crate) fn read(&self, id: &oid, kind: Kind) -> Result<Vec<u8>, Unread> {
        // git knows these two without their being stored.
        if (kind == Kind::Tree && id == ObjectId::empty_tree(self.hash()))
            || (kind == Kind::Blob && id == ObjectId::empty_blob(self.hash()))
        {
            return Ok(Vec::new());
        }
        let (found, data) = self.read_any(id)?;
        if found == kind { Ok(data) } else { Err(Unread::Corrupt(format!("is a {found} where a {kind} belongs"))) }
    }

    /// The kind and the content of the object `id`.
    pub(crate) fn read_any(&self, id: &oid) -> Result<(Kind, Vec<u8>), Unread> {
        let mut fault = None;
        for directory in self.repository.object_directories() {
            match loose::read_unlisted(directory, id) {
                None => {}
                Some(Ok(object)) => return Ok(object),
                Some(Err(detail)) => fault = Some(detail),
            }
        }
        // libgit2 might turn to the broken file; the store knows of other copies too.
        if let (Some(quick), None) = (&self.quick, &fault) {
            let name = git2::Oid::from_bytes(id.as_bytes()).map_err(|error| Unread::Corrupt(error.to_string()))?;
            match quick.read(name) {
                Ok(object) => {
                    if let Some(kind) = kind_of(object.kind()) {
                        return Ok((kind, object.data().to_vec()));
                    }
                }
                Err(error) if error.code() == git2::ErrorCode::NotFound => {}
                Err(error) => fault = Some(error.message().to_owned()),
            }
        }
        let store = self.store.get_or_init(|| self.repository.open_objects().map_err(|error| error.to_string()));
        match store {
            Ok(store) => match store.read(id) {
                Ok(Some(object)) => Ok(object),
                Ok(None) => Err(fault.map_or(Unread::Missing, Unread::Corrupt)),
                Err(error) => Err(Unread::Corrupt(error.detail)),
            },
            Err(detail) => Err(Unread::Corrupt(fault.unwrap_or_else(|| detail.clone()))),
        }
    }

    pub(crate) fn commit(&self, id: &oid) -> Result<Commit, Unread> {
        let data = self.read(id, Kind::Commit)?;
        parse_commit(data, self.hash()).ok_or_else(|| Unread::Corrupt("is no commit that can be read".to_owned()))
    }

    pub(crate) fn tree(&self, id: &oid) -> Result<Vec<TreeEntry>, Unread> {
        let data = self.read(id, Kind::Tree)?;
        parse_tree(&data, self.hash()).ok_or_else(|| Unread::Corrupt("is no tree that can be read".to_owned()))
    }

    /// The blob at `path` in the tree `root`; `None` if there is none.
    pub(crate) fn blob_at(&self, root: &oid, path: &BStr) -> Result<Option<ObjectId>, Unread> {
        let mut tree = root.to_owned();
        let mut parts = path.split(|&byte| byte == b'/').peekable();
        while let Some(part) = parts.next() {
            let Some(entry) = self.tree(&tree)?.into_iter().find(|entry| entry.name == part) else { return Ok(None) };
            match (entry.kind, parts.peek().is_some()) {
                (EntryKind::Blob, false) => return Ok(Some(entry.id)),
                (EntryKind::Tree, true) => tree = entry.id,
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The object whose id begins with `prefix`, 4 to 39 hexadecimal digits; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if there are several, or if the repository is one in which ids can't be shortened here.
    pub(crate) fn find_prefix(&self, prefix: &str) -> Result<Option<ObjectId>, Error> {
        let Some(quick) = &self.quick else {
            return Err(Error::Usage(format!(
                "{prefix}: ids can't be shortened in this repository; `git rev-parse {prefix}` gives the whole id"
            )));
        };
        let padded = format!("{prefix:0<40}");
        let Ok(id) = git2::Oid::from_str(&padded) else { return Ok(None) };
        match quick.exists_prefix(id, prefix.len()) {
            Ok(found) => Ok(ObjectId::try_from(found.as_bytes()).ok()),
            Err(error) if error.code() == git2::ErrorCode::Ambiguous => {
                Err(Error::Usage(format!("{prefix} begins the ids of several objects; give more of it")))
            }
            Err(_) => Ok(None),
        }
    }

    /// Names an object that was not read as a gap. `place` says what refers to it.
    pub(crate) fn gap(&self, coverage: &mut Coverage, id: &oid, place: &str, why: &Unread) {
        let (kind, detail) = match why {
            Unread::Missing => match self.repository.promisor() {
                Some(promisor) => {
                    let remote = promisor.remote.unwrap_or_else(|| "the remote".into());
                    let detail = format!(
                        "{place}: never fetched, the clone is partial; `git fetch --refetch {remote}` with no filter brings it"
                    );
                    (GapKind::PromisorObject, detail)
                }
                None => (GapKind::MissingObject, format!("{place}: is not there; fetch again, or see `git fsck`")),
            },
            Unread::Corrupt(detail) => (GapKind::CorruptObject, format!("{place}: {detail}")),
        };
        coverage.gap(kind, id.to_string(), detail);
    }
}

fn open_quick(repository: &Repository) -> Option<git2::Odb<'static>> {
    if repository.object_hash() != HashKind::Sha1 {
        return None;
    }
    let odb = git2::Odb::new().ok()?;
    for directory in repository.object_directories() {
        odb.add_disk_alternate(directory.to_str()?).ok()?;
    }
    Some(odb)
}

fn kind_of(kind: git2::ObjectType) -> Option<Kind> {
    match kind {
        git2::ObjectType::Commit => Some(Kind::Commit),
        git2::ObjectType::Tree => Some(Kind::Tree),
        git2::ObjectType::Blob => Some(Kind::Blob),
        git2::ObjectType::Tag => Some(Kind::Tag),
        git2::ObjectType::Any => None,
    }
}

fn parse_commit(data: Vec<u8>, hash: HashKind) -> Option<Commit> {
    let id = |hex: &[u8]| ObjectId::from_hex(hex).ok().filter(|id| id.kind() == hash);
    let mut lines = data.split(|&byte| byte == b'\n');
    let tree = id(lines.next()?.strip_prefix(b"tree ")?)?;
    let mut parents = Vec::new();
    let mut seconds = 0;
    for line in lines.take_while(|line| !line.is_empty()) {
        if let Some(hex) = line.strip_prefix(b"parent ") {
            parents.push(id(hex)?);
        } else if line.starts_with(b"committer ") {
            // `NAME <EMAIL> SECONDS ZONE`
            let text = line.rsplit(|&byte| byte == b'>').next().unwrap_or_default();
            let text = std::str::from_utf8(text).unwrap_or_default();
            seconds = text.split_ascii_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0);
        }
    }
    Some(Commit { tree, parents, seconds, data })
}

/// `MODE NAME\0ID`, again and again.
fn parse_tree(mut data: &[u8], hash: HashKind) -> Option<Vec<TreeEntry>> {
    let mut entries = Vec::with_capacity(data.len() / 40);
    while !data.is_empty() {
        let space = data.iter().take(8).position(|&byte| byte == b' ')?;
        let mode = u32::from_str_radix(std::str::from_utf8(&data[..space]).ok()?, 8).ok()?;
        let rest = &data[space + 1..];
        let end = memchr::memchr(0, rest)?;
        let id = rest.get(end + 1..end + 1 + hash.len_in_bytes())?;
        entries.push(TreeEntry {
            name: rest[..end].into(),
            kind: EntryKind::from_mode(mode),
            is_symlink: mode & 0o170_000 == 0o120_000,
            id: ObjectId::try_from(id).ok()?,
        });
        data = &rest[end + 1 + id.len()..];
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn entries_of_trees_and_broken_ones() {
        let mut data = b"100644 a b\n\0".to_vec();
        data.extend([1; 20]);
        data.extend(b"40000 d\0");
        data.extend([2; 20]);
        data.extend(b"160000 s\0");
        data.extend([3; 20]);
        let entries = parse_tree(&data, HashKind::Sha1).expect("a tree");
        let seen: Vec<_> = entries.iter().map(|entry| (entry.name.to_string(), entry.kind)).collect();
        let expected = [("a b\n", EntryKind::Blob), ("d", EntryKind::Tree), ("s", EntryKind::Gitlink)];
        assert_eq!(seen, expected.map(|(name, kind)| (name.to_owned(), kind)));
        assert_eq!(parse_tree(&data[..data.len() - 1], HashKind::Sha1), None, "cut short");
        assert_eq!(parse_tree(b"", HashKind::Sha1), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn nothing_makes_the_parsers_panic(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            for hash in [HashKind::Sha1, HashKind::Sha256] {
                let _ = parse_tree(&data, hash);
                let _ = parse_commit(data.clone(), hash);
            }
        }
    }
}
