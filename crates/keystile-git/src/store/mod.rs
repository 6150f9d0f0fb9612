//! Every place of a repository that holds objects: packs, loose objects, alternates.

use std::path::Path;

use crate::coverage::Gap;
use crate::error::Error;
use crate::object::{HashKind, Kind, ObjectId, ObjectIndex, oid};

/// All objects of a repository, numbered. Shared by all threads.
#[derive(Debug)]
pub struct ObjectStore {
    hash: HashKind,
    gaps: Vec<Gap>,
    notes: Vec<String>,
}

/// Why an object that is there could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("object {id}: {detail}")]
pub struct ReadError {
    /// Which.
    pub id: ObjectId,
    /// What is wrong with it, in one sentence.
    pub detail: String,
}

impl ObjectStore {
    /// Opens the objects under `objects` (`.git/objects`) and all alternates.
    ///
    /// # Errors
    /// The directory itself can't be read. Whatever else is wrong is a [`Self::gaps`].
    pub fn open(objects: &Path, hash: HashKind) -> Result<Self, Error> {
        std::fs::read_dir(objects).map_err(|source| Error::Read { what: objects.display().to_string(), source })?;
        Ok(Self { hash, gaps: Vec::new(), notes: Vec::new() })
    }

    /// What of it could not be opened: packs, alternates, directories.
    #[must_use]
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Things worth knowing that lose nothing (a pack without an index, say): one sentence each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// How ids are made.
    #[must_use]
    pub fn hash(&self) -> HashKind {
        self.hash
    }

    /// How many distinct objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of an object, if it is there. About two cache misses; no system call, no lock.
    #[must_use]
    pub fn lookup(&self, _id: &oid) -> Option<ObjectIndex> {
        None
    }

    /// The id of a numbered object.
    ///
    /// # Panics
    /// If the number is not one of this store.
    #[must_use]
    pub fn id(&self, _index: ObjectIndex) -> ObjectId {
        ObjectId::null(self.hash)
    }

    /// Reads one object; `None` if it is not there. For trees and commits on demand: in bulk, [`crate::walk`]
    /// is many times faster.
    ///
    /// # Errors
    /// The object is there, but no copy of it can be decoded.
    pub fn read(&self, _id: &oid) -> Result<Option<(Kind, Vec<u8>)>, ReadError> {
        Ok(None)
    }

    /// An object's kind, without decoding more than headers; `None` if it is not there.
    ///
    /// # Errors
    /// The object is there, but no copy of it can be decoded.
    pub fn kind(&self, _id: &oid) -> Result<Option<Kind>, ReadError> {
        Ok(None)
    }
}
