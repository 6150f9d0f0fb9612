//! The header of an entry in a pack, as in git's `Documentation/gitformat-pack.adoc`: three bits of
//! type, a size of seven bits a byte, and, for a delta, where its base is.

use crate::object::{HashKind, Kind, ObjectId};

/// Where an entry's content comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// The deflated bytes are the content.
    Whole(Kind),
    /// They are a delta on the entry at this offset of the same pack (`OFS_DELTA`).
    DeltaOnOffset(u64),
    /// They are a delta on this object (`REF_DELTA`).
    DeltaOnId(ObjectId),
}

/// A decoded header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) stored: Stored,
    /// What the deflated bytes are said to expand to: content or delta.
    pub(crate) size: u64,
    /// Where in the pack they start.
    pub(crate) data: usize,
}

/// Bytes before the first entry: `PACK`, version, number of entries.
pub(crate) const PACK_HEADER: usize = 12;

/// Decodes the header at `offset` of `pack`.
pub(crate) fn decode(pack: &[u8], offset: u64, hash: HashKind) -> Result<Entry, &'static str> {
    const CUT: &str = "the pack ends within its header";
    const HUGE: &str = "its header's size does not fit in 64 bits";
    let start = usize::try_from(offset).ok().filter(|&start| (PACK_HEADER..pack.len()).contains(&start));
    let mut at = start.ok_or("its place lies outside of the pack")?;
    let mut next = || {
        let byte = pack.get(at).copied().ok_or(CUT);
        at += 1;
        byte
    };
    let mut byte = next()?;
    let kind = (byte >> 4) & 7;
    let mut size = u64::from(byte & 15);
    let mut shift = 4;
    while byte & 0x80 != 0 {
        byte = next()?;
        let bits = u64::from(byte & 0x7f);
        if bits != 0 && (shift > 63 || (bits << shift) >> shift != bits) {
            return Err(HUGE);
        }
        if shift <= 63 {
            size |= bits << shift;
        }
        shift += 7;
        if shift > 140 {
            return Err(HUGE);
        }
    }
    let stored = match kind {
        1 => Stored::Whole(Kind::Commit),
        2 => Stored::Whole(Kind::Tree),
        3 => Stored::Whole(Kind::Blob),
        4 => Stored::Whole(Kind::Tag),
        6 => {
            let mut byte = next()?;
            let mut distance = u64::from(byte & 0x7f);
            while byte & 0x80 != 0 {
                byte = next()?;
                distance = distance
                    .checked_add(1)
                    .filter(|distance| distance.leading_zeros() >= 7)
                    .map(|distance| (distance << 7) | u64::from(byte & 0x7f))
                    .ok_or("the distance to its delta base does not fit in 64 bits")?;
            }
            let base = offset.checked_sub(distance).filter(|&base| distance > 0 && base >= PACK_HEADER as u64);
            Stored::DeltaOnOffset(base.ok_or("its delta base would lie outside of the pack")?)
        }
        7 => {
            let id = pack.get(at..at + hash.len_in_bytes()).ok_or(CUT)?;
            at += id.len();
            Stored::DeltaOnId(ObjectId::try_from(id).map_err(|_| "its delta base's id has an unknown length")?)
        }
        _ => return Err("its header names a type that does not exist"),
    };
    Ok(Entry { stored, size, data: at })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at_12(header: &[u8]) -> Result<Entry, &'static str> {
        let mut pack = vec![0; PACK_HEADER];
        pack.extend_from_slice(header);
        decode(&pack, PACK_HEADER as u64, HashKind::Sha1)
    }

    #[test]
    fn headers_are_read_as_git_writes_them() {
        let whole = |kind, size, data| Ok(Entry { stored: Stored::Whole(kind), size, data });
        assert_eq!(at_12(&[0x10]), whole(Kind::Commit, 0, 13));
        assert_eq!(at_12(&[0x33]), whole(Kind::Blob, 3, 13));
        assert_eq!(at_12(&[0xb3, 0x00]), whole(Kind::Blob, 3, 14), "not the shortest form, but git reads it");
        assert_eq!(at_12(&[0xaf, 0xff, 0x01]), whole(Kind::Tree, 15 + (127 << 4) + (1 << 11), 15));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (header, wrong) in [
            (&[][..], "outside of the pack"),
            (&[0x00], "type that does not exist"),
            (&[0x50], "type that does not exist"),
            (&[0x80], "ends within its header"),
            (&[0x60], "ends within its header"),
            (&[0x60, 0], "delta base would lie outside"),
            (&[0x60, 1], "delta base would lie outside"),
            (&[0x70, 1, 2, 3], "ends within its header"),
            (&[0xbf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], "does not fit in 64 bits"),
            (&[0x60, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], "does not fit in 64 bits"),
        ] {
            let error = at_12(header).expect_err(wrong);
            assert!(error.contains(wrong), "{header:x?}: {error}");
        }
    }

    #[test]
    fn a_base_lies_before_its_delta() {
        let mut pack = vec![0; 300];
        pack[200..203].copy_from_slice(&[0x65, 0x80, 0x05]);
        let entry = decode(&pack, 200, HashKind::Sha1).expect("a distance of 133");
        assert_eq!(entry.stored, Stored::DeltaOnOffset(200 - 133));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(header: Vec<u8>) {
            if let Ok(entry) = at_12(&header) {
                prop_assert!(entry.data <= PACK_HEADER + header.len());
            }
        }
    }
}
