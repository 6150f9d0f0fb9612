//! Packs that git would not write: our own small writer of packs and version 2 indexes, as in git's
//! `Documentation/gitformat-pack.adoc`.

use std::path::Path;

use keystile_git::object::{HashKind, Kind, ObjectId};

/// Where an entry's content comes from.
#[derive(Debug, Clone)]
pub(crate) enum Stored {
    Whole(Kind),
    /// On the entry with this number.
    OnEntry(usize),
    /// On the entry that many bytes before.
    OnDistance(u64),
    OnId(ObjectId),
}

/// An entry as it is to be written.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// What the index says.
    pub(crate) id: ObjectId,
    pub(crate) stored: Stored,
    /// What is deflated.
    pub(crate) bytes: Vec<u8>,
    /// What the header says, if not the truth.
    pub(crate) claimed: Option<u64>,
}

pub(crate) fn id_of(kind: Kind, content: &[u8]) -> ObjectId {
    gix_object::compute_hash(HashKind::Sha1, kind, content).expect("no collision")
}

pub(crate) fn whole(content: &[u8]) -> Entry {
    let id = id_of(Kind::Blob, content);
    Entry { id, stored: Stored::Whole(Kind::Blob), bytes: content.to_vec(), claimed: None }
}

/// A delta that appends to its base.
pub(crate) fn appending(stored: Stored, base: &[u8], more: &[u8]) -> Entry {
    let content = [base, more].concat();
    let mut delta = Delta::new(base.len(), content.len());
    let mut from = 0;
    while from < base.len() {
        let len = (base.len() - from).min(0xffff);
        delta.copy(from as u32, len as u32);
        from += len;
    }
    more.chunks(127).for_each(|chunk| delta.insert(chunk));
    Entry { id: id_of(Kind::Blob, &content), stored, bytes: delta.0, claimed: None }
}

/// A delta with these instructions, whatever they are.
pub(crate) fn delta(stored: Stored, id: ObjectId, bytes: Vec<u8>) -> Entry {
    Entry { id, stored, bytes, claimed: None }
}

/// Writes delta instructions.
pub(crate) struct Delta(pub(crate) Vec<u8>);

impl Delta {
    pub(crate) fn new(base: usize, result: usize) -> Self {
        let mut out = Vec::new();
        for mut size in [base as u64, result as u64] {
            while size > 0x7f {
                out.push(size as u8 | 0x80);
                size >>= 7;
            }
            out.push(size as u8);
        }
        Self(out)
    }

    pub(crate) fn copy(&mut self, from: u32, len: u32) {
        self.0.push(0xff);
        self.0.extend_from_slice(&from.to_le_bytes());
        self.0.extend_from_slice(&len.to_le_bytes()[..3]);
    }

    pub(crate) fn insert(&mut self, bytes: &[u8]) {
        self.0.push(bytes.len() as u8);
        self.0.extend_from_slice(bytes);
    }
}

/// Writes `name.pack` and `name.idx` into an object directory.
pub(crate) fn write(objects: &Path, name: &str, entries: &[Entry]) {
    let mut pack = b"PACK\0\0\0\x02".to_vec();
    pack.extend_from_slice(&(entries.len() as u32).to_be_bytes());
    let mut offsets = Vec::new();
    for entry in entries {
        let offset = pack.len() as u64;
        offsets.push(offset);
        let (kind, base) = match &entry.stored {
            Stored::Whole(Kind::Commit) => (1, Vec::new()),
            Stored::Whole(Kind::Tree) => (2, Vec::new()),
            Stored::Whole(Kind::Blob) => (3, Vec::new()),
            Stored::Whole(Kind::Tag) => (4, Vec::new()),
            Stored::OnEntry(number) => (6, distance(offset - offsets[*number])),
            Stored::OnDistance(bytes) => (6, distance(*bytes)),
            Stored::OnId(id) => (7, id.as_slice().to_vec()),
        };
        let mut size = entry.claimed.unwrap_or(entry.bytes.len() as u64);
        let mut byte = kind << 4 | (size & 15) as u8;
        size >>= 4;
        while size > 0 {
            pack.push(byte | 0x80);
            byte = (size & 0x7f) as u8;
            size >>= 7;
        }
        pack.push(byte);
        pack.extend_from_slice(&base);
        pack.extend_from_slice(&deflate(&entry.bytes));
    }
    let ends: Vec<u64> = offsets.iter().skip(1).copied().chain([pack.len() as u64]).collect();
    let checksum = sum(&pack);
    let mut sorted: Vec<usize> = (0..entries.len()).collect();
    sorted.sort_by_key(|&number| entries[number].id);
    let mut index = b"\xfftOc\0\0\0\x02".to_vec();
    for first in 0..=255u8 {
        let up_to = entries.iter().filter(|entry| entry.id.as_slice()[0] <= first).count();
        index.extend_from_slice(&(up_to as u32).to_be_bytes());
    }
    sorted.iter().for_each(|&number| index.extend_from_slice(entries[number].id.as_slice()));
    for &number in &sorted {
        let crc = crc32fast::hash(&pack[offsets[number] as usize..ends[number] as usize]);
        index.extend_from_slice(&crc.to_be_bytes());
    }
    sorted.iter().for_each(|&number| index.extend_from_slice(&(offsets[number] as u32).to_be_bytes()));
    pack.extend_from_slice(checksum.as_slice());
    index.extend_from_slice(checksum.as_slice());
    index.extend_from_slice(sum(&index).as_slice());
    let directory = objects.join("pack");
    std::fs::create_dir_all(&directory).expect("a directory");
    std::fs::write(directory.join(format!("{name}.pack")), pack).expect("a file");
    std::fs::write(directory.join(format!("{name}.idx")), index).expect("a file");
}

pub(crate) fn sum(bytes: &[u8]) -> ObjectId {
    let mut hasher = gix_hash::hasher(HashKind::Sha1);
    hasher.update(bytes);
    hasher.try_finalize().expect("no collision")
}

/// A distance as git writes it: seven bits a byte, the highest first, each step adding one.
fn distance(mut value: u64) -> Vec<u8> {
    let mut out = vec![(value & 0x7f) as u8];
    value >>= 7;
    while value > 0 {
        value -= 1;
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.reverse();
    out
}

/// A zlib stream of stored blocks.
fn deflate(content: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let mut chunks: Vec<&[u8]> = content.chunks(0xffff).collect();
    if chunks.is_empty() {
        chunks.push(&[]);
    }
    for (number, chunk) in chunks.iter().enumerate() {
        out.push(u8::from(number + 1 == chunks.len()));
        out.extend_from_slice(&(chunk.len() as u16).to_le_bytes());
        out.extend_from_slice(&(!(chunk.len() as u16)).to_le_bytes());
        out.extend_from_slice(chunk);
    }
    let (mut a, mut b) = (1u32, 0u32);
    for &byte in content {
        a = (a + u32::from(byte)) % 65521;
        b = (b + a) % 65521;
    }
    out.extend_from_slice(&((b << 16) | a).to_be_bytes());
    out
}
