//! One pack: its bytes, its index, and what can be said of it before an object is read.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::entry::{self, PACK_HEADER};
use super::index::{PackIndex, plain_file};
use crate::object::{HashKind, oid};

/// A pack and its index.
#[derive(Debug)]
pub(crate) struct Pack {
    pub(crate) path: PathBuf,
    bytes: PackBytes,
    pub(crate) index: PackIndex,
    /// Past the last byte of the last entry.
    end: usize,
    /// Positions in the order of their places, made when first asked for (which is when something is wrong).
    by_offset: OnceLock<Vec<u32>>,
}

/// A pack file's bytes.
pub(crate) enum PackBytes {
    /// Mapped. git never writes into a pack that has its name, so the bytes stay what they are. (Whoever cuts a pack
    /// off while it is read ends the process, as it would end git's.)
    Mapped(Box<gix_pack::data::File>),
    /// Read, since its header is broken and gix-pack maps none such.
    Memory(Vec<u8>),
}

/// How large a pack with a broken header may be.
const MAX_READ: u64 = 4 << 30;

impl std::fmt::Debug for PackBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PackBytes({})", self.as_slice().len())
    }
}

impl PackBytes {
    /// Opens a pack file, be its header right or not.
    pub(crate) fn open(path: &Path, hash: HashKind) -> Result<Self, String> {
        let size = plain_file(path)?;
        match gix_pack::data::File::at(path, hash) {
            Ok(file) => Ok(Self::Mapped(Box::new(file))),
            Err(error) if size > MAX_READ => Err(error.to_string()),
            Err(_) => std::fs::read(path).map(Self::Memory).map_err(|error| error.to_string()),
        }
    }

    /// All bytes, header and trailer included.
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Mapped(file) => file.entry_slice(0..file.data_len() as u64).unwrap_or_default(),
            Self::Memory(bytes) => bytes,
        }
    }

    /// How many entries the header announces; `None` if it is broken.
    pub(crate) fn announced(&self) -> Option<u32> {
        match self {
            Self::Mapped(file) => Some(file.num_objects()),
            Self::Memory(_) => None,
        }
    }
}

impl Pack {
    /// Puts pack and index together; says what is wrong with the pack as a whole, if anything is.
    pub(crate) fn new(path: PathBuf, bytes: PackBytes, index: PackIndex, hash: HashKind) -> (Self, Option<String>) {
        let all = bytes.as_slice();
        let trailer = all.len().saturating_sub(hash.len_in_bytes()).max(PACK_HEADER.min(all.len()));
        let ends_as_indexed = index.pack_checksum().is_none_or(|checksum| all[trailer..] == *checksum.as_slice());
        let wrong = match bytes.announced() {
            None => Some("its header is broken".to_owned()),
            Some(announced) if announced != index.len() => {
                Some(format!("it has {announced} objects, but its index lists {}", index.len()))
            }
            Some(_) if !ends_as_indexed => {
                Some("it does not end with the checksum that its index has: it is cut off, or damaged".to_owned())
            }
            Some(_) => None,
        };
        let end = if ends_as_indexed { trailer } else { all.len() };
        (Self { path, bytes, index, end, by_offset: OnceLock::new() }, wrong)
    }

    /// The bytes up to the end of the last entry.
    pub(crate) fn entries(&self) -> &[u8] {
        &self.bytes.as_slice()[..self.end]
    }

    /// The header at a place.
    pub(crate) fn entry(&self, offset: u64, hash: HashKind) -> Result<entry::Entry, &'static str> {
        entry::decode(self.entries(), offset, hash)
    }

    /// The id of the object at a place.
    pub(crate) fn id_at_offset(&self, offset: u64) -> Option<&oid> {
        let by_offset = self.by_offset.get_or_init(|| {
            let mut positions: Vec<u32> = (0..self.index.len()).collect();
            positions.sort_unstable_by_key(|&at| self.index.offset(at));
            positions
        });
        let at = by_offset.binary_search_by_key(&offset, |&at| self.index.offset(at)).ok()?;
        Some(self.index.id(by_offset[at]))
    }
}
