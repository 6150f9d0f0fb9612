//! Single files out of a commit: configuration that a change under review must not be able to alter.

use bstr::BStr;

use crate::error::Error;
use crate::object::{Kind, ObjectId};
use crate::range::revision::{self, Side};
use crate::reader::{EntryKind, ObjectReader, Unread};
use crate::repository::Repository;

/// The files of one commit.
pub struct CommittedFiles<'r> {
    reader: ObjectReader<'r>,
    commit: ObjectId,
    tree: ObjectId,
}

impl<'r> CommittedFiles<'r> {
    /// The files of the commit that `revision` names (an id, a branch, a tag, with `~N` and `^N`).
    ///
    /// # Errors
    /// [`Error::Usage`] if it names none of this repository.
    pub fn open(repository: &'r Repository, revision: &str) -> Result<Self, Error> {
        let reader = ObjectReader::new(repository);
        let commit = revision::resolve(&reader, revision, Side::Configuration)?;
        let tree = match reader.commit(&commit) {
            Ok(commit) => commit.tree,
            Err(why) => return Err(unreadable(revision, "the commit", &why)),
        };
        Ok(Self { reader, commit, tree })
    }

    /// The commit.
    #[must_use]
    pub fn commit(&self) -> ObjectId {
        self.commit
    }

    /// The content of the file at `path`; `None` if the commit has none there.
    ///
    /// # Errors
    /// [`Error::Usage`] if it is there but can't be read, or a symbolic link is on the way: going on without it
    /// would be another configuration than the one in the work tree.
    pub fn read(&self, path: &BStr) -> Result<Option<Vec<u8>>, Error> {
        let fail = |why: Unread| unreadable(&self.commit.to_string(), &path.to_string(), &why);
        let mut tree = self.tree;
        let mut parts = path.split(|&byte| byte == b'/').peekable();
        while let Some(part) = parts.next() {
            let entries = self.reader.tree(&tree).map_err(fail)?;
            let Some(entry) = entries.into_iter().find(|entry| entry.name == part) else { return Ok(None) };
            if entry.is_symlink {
                return Err(Error::Usage(format!(
                    "{path} at {}: {} is a symbolic link, and links are not followed in a commit; put the file itself there",
                    self.commit, entry.name
                )));
            }
            match (entry.kind, parts.peek().is_some()) {
                (EntryKind::Blob, false) => return self.reader.read(&entry.id, Kind::Blob).map(Some).map_err(fail),
                (EntryKind::Tree, true) => tree = entry.id,
                _ => return Ok(None),
            }
        }
        Ok(None)
    }
}

impl std::fmt::Debug for CommittedFiles<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CommittedFiles({})", self.commit)
    }
}

fn unreadable(revision: &str, what: &str, why: &Unread) -> Error {
    let why = match why {
        Unread::Missing => "an object that it needs is missing; fetch again, or see `git fsck`",
        Unread::Corrupt(detail) => detail,
    };
    Error::Usage(format!("{what} at {revision} can't be read: {why}"))
}
