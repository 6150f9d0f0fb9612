//! Which objects a pack holds, and where: from its index file, or from an index that was made in
//! memory because there is no usable file (see [`super::rebuild`]).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::object::{HashKind, ObjectId, oid};

/// A pack's index; positions are in the order of the ids.
pub(crate) enum PackIndex {
    /// The file beside the pack, mapped.
    File(Box<gix_pack::index::File>),
    /// Made by reading the pack.
    Memory(Vec<Indexed>),
}

/// An object of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Indexed {
    pub(crate) id: ObjectId,
    pub(crate) offset: u64,
}

impl std::fmt::Debug for PackIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PackIndex({} objects)", self.len())
    }
}

impl PackIndex {
    /// Maps an index file and checks it: layout, checksum, and that its ids are in order.
    ///
    /// The checksum costs one hash over 28 bytes an object, a percent of what decoding the objects costs; with it,
    /// an id or place in the index is what git wrote.
    pub(crate) fn open(path: &Path, hash: HashKind) -> Result<Self, String> {
        let size = plain_file(path)?;
        let file = gix_pack::index::File::at(path, hash).map_err(|error| error.to_string())?;
        let actual = checksum(path, size.saturating_sub(hash.len_in_bytes() as u64), hash);
        if actual.map_err(|error| error.to_string())? != file.index_checksum() {
            return Err("it does not match its own checksum".to_owned());
        }
        let index = Self::File(Box::new(file));
        if (1..index.len()).any(|at| index.id(at - 1) > index.id(at)) {
            return Err("its ids are not in order".to_owned());
        }
        Ok(index)
    }

    /// How many objects.
    pub(crate) fn len(&self) -> u32 {
        match self {
            Self::File(file) => file.num_objects(),
            Self::Memory(entries) => u32::try_from(entries.len()).expect("a pack counts its objects in 32 bits"),
        }
    }

    /// The id at a position.
    pub(crate) fn id(&self, at: u32) -> &oid {
        match self {
            Self::File(file) => file.oid_at_index(at),
            Self::Memory(entries) => &entries[at as usize].id,
        }
    }

    /// The place in the pack of the object at a position. Untrusted: may lie outside of the pack.
    pub(crate) fn offset(&self, at: u32) -> u64 {
        match self {
            Self::File(file) => file.pack_offset_at_index(at),
            Self::Memory(entries) => entries[at as usize].offset,
        }
    }

    /// The CRC32 of the entry at a position; not known for a version 1 index.
    pub(crate) fn crc32(&self, at: u32) -> Option<u32> {
        match self {
            Self::File(file) => file.crc32_at_index(at),
            // Its id was made from its content just before: there is nothing older to compare with.
            Self::Memory(_) => None,
        }
    }

    /// Whether [`Self::crc32`] knows any.
    pub(crate) fn has_crc32(&self) -> bool {
        matches!(self, Self::File(file) if file.version() == gix_pack::index::Version::V2)
    }

    /// The position of an id.
    pub(crate) fn lookup(&self, id: &oid) -> Option<u32> {
        match self {
            Self::File(file) => file.lookup(id),
            Self::Memory(entries) => {
                let at = entries.binary_search_by(|entry| entry.id.as_ref().cmp(id)).ok()?;
                Some(at as u32)
            }
        }
    }

    /// The checksum that the pack ends with, as the index knows it.
    pub(crate) fn pack_checksum(&self) -> Option<ObjectId> {
        match self {
            Self::File(file) => Some(file.pack_checksum()),
            Self::Memory(_) => None,
        }
    }
}

/// The size of a file; an error if it is none (opening a pipe would wait for ever).
pub(crate) fn plain_file(path: &Path) -> Result<u64, String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if metadata.is_file() { Ok(metadata.len()) } else { Err("it is not a file".to_owned()) }
}

/// The hash of a file's first `len` bytes.
fn checksum(path: &Path, len: u64, hash: HashKind) -> io::Result<ObjectId> {
    let mut hasher = gix_hash::hasher(hash);
    let mut file = File::open(path)?.take(len);
    let mut chunk = vec![0; 1 << 18];
    loop {
        match file.read(&mut chunk)? {
            0 => return hasher.try_finalize().map_err(io::Error::other),
            read => hasher.update(&chunk[..read]),
        }
    }
}
