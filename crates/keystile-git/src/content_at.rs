//! One content at a place that a report names: to read a value there once more.

use std::collections::BTreeSet;

use bstr::BStr;

use crate::committed_files::CommittedFiles;
use crate::coverage::Coverage;
use crate::error::Error;
use crate::object::ObjectId;
use crate::reader::{ObjectReader, Unread};
use crate::repository::Repository;
use crate::staged::index::Index;

/// Where a content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContentPlace<'a> {
    /// A file of a commit.
    Committed {
        /// The commit.
        commit: &'a str,
        /// Path from the top.
        path: &'a BStr,
    },
    /// A file of the index.
    Index(&'a BStr),
    /// Whatever object has this id: a blob, or a commit or tag with its message.
    Object(&'a str),
    /// The annotated tag of this name.
    Tag(&'a BStr),
}

/// The content at a place; `None` if there is none (any more).
///
/// # Errors
/// [`Error::Usage`] if the commit is not there, or what is there can't be read.
pub fn content_at(repository: &Repository, place: ContentPlace<'_>) -> Result<Option<Vec<u8>>, Error> {
    match place {
        ContentPlace::Committed { commit, path } => CommittedFiles::open(repository, commit)?.read(path),
        ContentPlace::Object(id) => {
            let id = ObjectId::from_hex(id.as_bytes())
                .map_err(|_| Error::Usage(format!("{id} is not the id of an object")))?;
            object(repository, &id)
        }
        ContentPlace::Tag(name) => {
            let mut full = b"refs/tags/".to_vec();
            full.extend_from_slice(name);
            repository.find_reference(&full).map_or(Ok(None), |id| object(repository, &id))
        }
        ContentPlace::Index(path) => {
            let mut coverage = Coverage::default();
            let index = Index::read(repository, &mut coverage);
            if let Some(gap) = coverage.gaps.first() {
                return Err(Error::Usage(format!("the index can't be read: {}", gap.detail)));
            }
            let ids: BTreeSet<ObjectId> =
                index.entries().iter().filter(|entry| entry.path == path).map(|entry| entry.id).collect();
            // The sides of a conflict are read as one.
            let mut content = None;
            for id in ids {
                if let Some(bytes) = object(repository, &id)? {
                    let whole: &mut Vec<u8> = content.get_or_insert_default();
                    whole.extend(bytes);
                    whole.push(b'\n');
                }
            }
            Ok(content)
        }
    }
}

fn object(repository: &Repository, id: &ObjectId) -> Result<Option<Vec<u8>>, Error> {
    match ObjectReader::new(repository).read_any(id) {
        Ok((_, data)) => Ok(Some(data)),
        Err(Unread::Missing) => Ok(None),
        Err(Unread::Corrupt(detail)) => Err(Error::Usage(format!("the object {id} can't be read: {detail}"))),
    }
}
