//! Loose objects: one deflated file each, `xx/yyyy…`, with a header of kind and size.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::index::plain_file;
use super::inflate::{Buffer, Inflater, MAX_OBJECT_BYTES, within};
use crate::coverage::{Gap, GapKind};
use crate::object::{HashKind, Kind, ObjectId, oid};

/// The loose objects of one object directory.
#[derive(Debug)]
pub(crate) struct LooseObjects {
    directory: PathBuf,
    /// Sorted.
    pub(crate) ids: Vec<ObjectId>,
}

impl LooseObjects {
    /// Lists them. Other files (`tmp_obj_…`) are none of git's objects and are passed over.
    pub(crate) fn list(directory: &Path, hash: HashKind, gaps: &mut Vec<Gap>) -> Self {
        let mut ids = Vec::new();
        let hex_len = hash.len_in_hex();
        for first in 0..=0xffu8 {
            let path = directory.join(format!("{first:02x}"));
            let mut unreadable = |error: std::io::Error| {
                gaps.push(Gap {
                    kind: GapKind::UnreadableFile,
                    what: path.display().to_string(),
                    detail: format!("this directory of objects can't be listed: {error}"),
                });
            };
            let entries = match std::fs::read_dir(&path) {
                Ok(entries) => entries,
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
                Err(error) => {
                    unreadable(error);
                    continue;
                }
            };
            for entry in entries {
                match entry {
                    Ok(entry) => {
                        let name = entry.file_name();
                        let hex = format!("{first:02x}{}", name.to_string_lossy());
                        let is_lower = hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                        if hex.len() == hex_len && is_lower {
                            ids.extend(ObjectId::from_hex(hex.as_bytes()));
                        }
                    }
                    Err(error) => unreadable(error),
                }
            }
        }
        ids.sort_unstable();
        Self { directory: directory.to_owned(), ids }
    }

    /// Where in [`Self::ids`] an object is.
    pub(crate) fn position(&self, id: &oid) -> Option<usize> {
        self.ids.binary_search_by(|other| other.as_ref().cmp(id)).ok()
    }

    /// Reads one; its id is always checked.
    pub(crate) fn read(&self, id: &oid, inflater: &mut Inflater) -> Result<(Kind, Vec<u8>), String> {
        read(&path(&self.directory, id), id, inflater)
    }

    /// Reads no more than the header.
    pub(crate) fn kind(&self, id: &oid, inflater: &mut Inflater) -> Result<Kind, String> {
        use std::io::Read;
        let path = path(&self.directory, id);
        plain_file(&path)?;
        let mut head = Vec::new();
        let file = std::fs::File::open(&path).map_err(|error| error.to_string())?;
        file.take(512).read_to_end(&mut head).map_err(|error| error.to_string())?;
        Ok(header(&head, inflater)?.0)
    }
}

/// Reads one that was not listed; `None` if the directory has no such file.
pub(crate) fn read_unlisted(directory: &Path, id: &oid) -> Option<Result<(Kind, Vec<u8>), String>> {
    let path = path(directory, id);
    match path.symlink_metadata() {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
        _ => Some(read(&path, id, &mut Inflater::new())),
    }
}

fn path(directory: &Path, id: &oid) -> PathBuf {
    let hex = id.to_hex().to_string();
    directory.join(&hex[..2]).join(&hex[2..])
}

fn read(path: &Path, id: &oid, inflater: &mut Inflater) -> Result<(Kind, Vec<u8>), String> {
    // Deflate makes nothing longer by more than a thousandth.
    within(MAX_OBJECT_BYTES + MAX_OBJECT_BYTES / 1000, plain_file(path)?)?;
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    decode(&bytes, id, inflater)
}

/// The longest header: `commit`, a space, 20 digits, NUL.
const MAX_HEADER: usize = 32;

/// Kind, size and length of the header.
fn header(bytes: &[u8], inflater: &mut Inflater) -> Result<(Kind, u64, usize), String> {
    let mut head = [0; MAX_HEADER];
    let len = inflater.prefix(bytes, &mut head)?;
    let header = memchr::memchr(0, &head[..len]).map(|end| &head[..end]);
    let parsed = header.and_then(|header| {
        let space = memchr::memchr(b' ', header)?;
        let kind = Kind::from_bytes(&header[..space]).ok()?;
        let digits = std::str::from_utf8(&header[space + 1..]).ok()?;
        if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        Some((kind, digits.parse::<u64>().ok()?, header.len() + 1))
    });
    parsed.ok_or_else(|| "its header is not kind and size".to_owned())
}

/// Decodes a loose object's file.
fn decode(bytes: &[u8], id: &oid, inflater: &mut Inflater) -> Result<(Kind, Vec<u8>), String> {
    if bytes.is_empty() {
        return Err("its file is empty; git fsck finds such, and another clone may have the object".to_owned());
    }
    let (kind, size, header) = header(bytes, inflater)?;
    let whole = size.checked_add(header as u64).ok_or("its header claims a size beyond 64 bits")?;
    within(MAX_OBJECT_BYTES, size)?;
    let mut out = Buffer::default();
    let used = inflater.exact(bytes, whole, &mut out)?;
    if used < bytes.len() {
        return Err(format!("its file goes on for {} bytes after the object's end", bytes.len() - used));
    }
    let mut content = out.into_vec();
    content.drain(..header);
    match gix_object::compute_hash(id.kind(), kind, &content) {
        Ok(actual) if *actual == *id => Ok((kind, content)),
        Ok(actual) => Err(format!("its content is not its id: it is {actual}")),
        Err(error) => Err(format!("its content can't be hashed: {error}")),
    }
}
