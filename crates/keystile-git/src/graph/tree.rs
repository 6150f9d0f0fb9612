//! Trees as differences: parsing only what a delta writes anew, and getting at the entries again.

use keystile_scan::DeltaOp;

use super::names::NameId;
use super::{NONE, Node};

/// What an entry of a tree is, by its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntryKind {
    /// A file or symbolic link.
    Blob,
    /// A directory.
    Tree,
    /// A submodule's commit: no object of this repository.
    Gitlink,
}

/// An entry of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry {
    /// Name, and in the two upper bits the kind.
    key: u32,
    /// Its object; [`NONE`] for a gitlink.
    child: Node,
}

const KIND_SHIFT: u32 = 30;

impl Entry {
    pub(super) fn new(kind: EntryKind, name: NameId, child: Node) -> Self {
        Self { key: name | (kind as u32) << KIND_SHIFT, child }
    }

    /// Name and kind in one number: what entries of different trees are paired by.
    #[must_use]
    pub fn key(self) -> u32 {
        self.key
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> NameId {
        self.key & ((1 << KIND_SHIFT) - 1)
    }

    /// What it is.
    #[must_use]
    pub fn kind(self) -> EntryKind {
        match self.key >> KIND_SHIFT {
            0 => EntryKind::Blob,
            1 => EntryKind::Tree,
            _ => EntryKind::Gitlink,
        }
    }

    /// Its object; no object's number for a gitlink.
    #[must_use]
    pub fn child(self) -> Node {
        self.child
    }

    /// The same entry as one that leads nowhere further.
    pub(super) fn as_end(self) -> Self {
        if self.kind() == EntryKind::Tree { Self::new(EntryKind::Blob, self.name(), self.child) } else { self }
    }

    /// The same entry with another child.
    pub(super) fn with_child(self, child: Node) -> Self {
        Self { child, ..self }
    }
}

/// A run of a tree's entries: either the same as those of the base from `start` on, or the tree's own next ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// Position among the base's entries; [`NONE`]: own entries.
    pub(super) start: u32,
    pub(super) len: u32,
}

impl Piece {
    pub(super) fn is_own(self) -> bool {
        self.start == NONE
    }
}

/// A tree's place in [`Trees`]; its pieces and own entries end where the next record's begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct TreeRecord {
    pub(super) node: Node,
    /// The tree that its pieces point into: an object while building, then a record.
    pub(super) base: u32,
    pub(super) pieces: u32,
    pub(super) entries: u32,
    /// How many entries it has in all.
    pub(super) len: u32,
}

/// All trees.
#[derive(Debug, Default)]
pub(super) struct Trees {
    pub(super) records: Vec<TreeRecord>,
    pub(super) pieces: Vec<Piece>,
    pub(super) entries: Vec<Entry>,
}

impl Trees {
    /// Notes a tree whose own entries are those from `first_entry` on. `None` when numbers are used up.
    pub(super) fn push(
        &mut self,
        node: Node,
        base: Node,
        pieces: &[Piece],
        first_entry: usize,
        len: u32,
    ) -> Option<()> {
        let entries = u32::try_from(first_entry).ok()?;
        self.records.push(TreeRecord { node, base, pieces: u32::try_from(self.pieces.len()).ok()?, entries, len });
        self.pieces.extend_from_slice(pieces);
        Some(())
    }

    pub(super) fn pieces(&self, record: u32) -> &[Piece] {
        let record = record as usize;
        let end = self.records.get(record + 1).map_or(self.pieces.len(), |next| next.pieces as usize);
        &self.pieces[self.records[record].pieces as usize..end]
    }

    /// The own entries of a tree, as positions in [`Self::entries`].
    pub(super) fn own(&self, record: u32) -> std::ops::Range<usize> {
        let record = record as usize;
        let end = self.records.get(record + 1).map_or(self.entries.len(), |next| next.entries as usize);
        self.records[record].entries as usize..end
    }

    /// Whether some of a tree's entries are in its base only.
    pub(super) fn base(&self, record: u32) -> Option<u32> {
        Some(self.records[record as usize].base).filter(|&base| base != NONE)
    }

    /// All entries of a tree, in no particular order. Costs little more than the entries' number.
    pub(super) fn for_each_entry(&self, record: u32, entry: &mut impl FnMut(Entry)) {
        // Ranges of entries still to be handed out. A chain of deltas may be thousands long: no recursion.
        let mut open = vec![(record, 0, self.records[record as usize].len)];
        while let Some((record, start, len)) = open.pop() {
            let (end, own) = (start + len, self.own(record));
            let (mut at, mut next_own) = (0, own.start);
            for piece in self.pieces(record) {
                let from = start.max(at);
                let to = end.min(at + piece.len);
                if from < to {
                    if piece.is_own() {
                        let first = next_own + (from - at) as usize;
                        self.entries[first..first + (to - from) as usize].iter().copied().for_each(&mut *entry);
                    } else {
                        open.push((self.records[record as usize].base, piece.start + (from - at), to - from));
                    }
                }
                if piece.is_own() {
                    next_own += piece.len as usize;
                }
                at += piece.len;
                if at >= end {
                    break;
                }
            }
        }
    }
}

/// What is kept of a tree while trees based on it are still to come: where its entries begin, and its end.
#[derive(Debug)]
pub struct KeptTree {
    pub(super) node: Node,
    pub(super) starts: Vec<u32>,
}

/// An entry as it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RawEntry<'a> {
    pub(super) kind: EntryKind,
    pub(super) name: &'a [u8],
    pub(super) id: &'a [u8],
    /// Its bytes in all.
    pub(super) len: usize,
}

/// The first entry of `data`: `MODE NAME\0ID`; `None` if there is no such thing.
pub(super) fn parse_entry(data: &[u8], hash_len: usize) -> Option<RawEntry<'_>> {
    // The longest mode that git writes has six digits.
    let space = data.iter().take(8).position(|&byte| byte == b' ')?;
    let mut mode = 0_u32;
    for &digit in &data[..space] {
        if !(b'0'..=b'7').contains(&digit) {
            return None;
        }
        mode = mode << 3 | u32::from(digit - b'0');
    }
    let name_end = space + 1 + memchr::memchr(0, &data[space + 1..])?;
    let len = name_end + 1 + hash_len;
    let id = data.get(name_end + 1..len)?;
    // As `object_type` in git's `object.h`: what is neither directory nor gitlink is a blob.
    let kind = match mode & 0o170_000 {
        0o040_000 => EntryKind::Tree,
        0o160_000 => EntryKind::Gitlink,
        _ => EntryKind::Blob,
    };
    Some(RawEntry { kind, name: &data[space + 1..name_end], id, len })
}

/// Splits a tree into runs that its base has and entries of its own, which are handed to `own`. `pieces` and
/// `starts` are filled; `None` if `data` is no tree (or `own` says so).
pub(super) fn split(
    data: &[u8],
    hash_len: usize,
    base: Option<(&KeptTree, &[DeltaOp])>,
    pieces: &mut Vec<Piece>,
    starts: &mut Vec<u32>,
    mut own: impl FnMut(&RawEntry<'_>) -> Option<()>,
) -> Option<()> {
    u32::try_from(data.len()).ok().filter(|&len| len != NONE)?;
    let mut at = 0;
    let mut own_until = |at: &mut usize, end: usize, pieces: &mut Vec<Piece>, starts: &mut Vec<u32>, once: bool| {
        while *at < end {
            let entry = parse_entry(&data[*at..], hash_len)?;
            own(&entry)?;
            starts.push(*at as u32);
            *at += entry.len;
            match pieces.last_mut() {
                Some(last) if last.is_own() => last.len += 1,
                _ => pieces.push(Piece { start: NONE, len: 1 }),
            }
            if once {
                break;
            }
        }
        Some(())
    };
    if let Some((base, ops)) = base {
        let mut op_start = 0;
        for op in ops {
            match *op {
                DeltaOp::Insert { len } => {
                    op_start += len;
                    own_until(&mut at, op_start, pieces, starts, false)?;
                }
                DeltaOp::Copy { from, len } => {
                    let op_end = op_start + len;
                    while at < op_end {
                        let in_base = from + (at - op_start);
                        let run = run_in_base(&base.starts, in_base, from + len);
                        if run.is_empty() {
                            // An entry that the copy cuts in two, or one that is none in the base.
                            own_until(&mut at, op_end, pieces, starts, true)?;
                            continue;
                        }
                        let (first, end) = (run.start, run.end);
                        starts.extend(
                            base.starts[first..end].iter().map(|&start| (start as usize - in_base + at) as u32),
                        );
                        at += base.starts[end] as usize - in_base;
                        let (start, len) = (first as u32, (end - first) as u32);
                        match pieces.last_mut() {
                            Some(last) if !last.is_own() && last.start + last.len == start => last.len += len,
                            _ => pieces.push(Piece { start, len }),
                        }
                    }
                    op_start = op_end;
                }
            }
        }
    }
    own_until(&mut at, data.len(), pieces, starts, false)?;
    starts.push(data.len() as u32);
    Some(())
}

/// The entries of the base that begin at `from` and end at or before `end`.
fn run_in_base(starts: &[u32], from: usize, end: usize) -> std::ops::Range<usize> {
    // The last start is the end of the last entry, so that each entry ends where the next start is.
    let entries = starts.len() - 1;
    match starts[..entries].binary_search_by(|&start| (start as usize).cmp(&from)) {
        Ok(first) => first..starts.partition_point(|&start| start as usize <= end) - 1,
        Err(_) => 0..0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(entries: &[(&str, u8)]) -> Vec<u8> {
        let mut data = Vec::new();
        for (name, id) in entries {
            data.extend_from_slice(format!("100644 {name}\0").as_bytes());
            data.extend_from_slice(&[*id; 20]);
        }
        data
    }

    #[test]
    fn modes() {
        let cases = [
            ("100644", Some(EntryKind::Blob)),
            ("100755", Some(EntryKind::Blob)),
            ("100664", Some(EntryKind::Blob)),
            ("120000", Some(EntryKind::Blob)),
            ("40000", Some(EntryKind::Tree)),
            ("040000", Some(EntryKind::Tree)),
            ("160000", Some(EntryKind::Gitlink)),
            ("100648", None),
            ("1006440000000", None),
        ];
        for (mode, kind) in cases {
            let mut data = format!("{mode} a b\n\0").into_bytes();
            data.extend_from_slice(&[7; 20]);
            let entry = parse_entry(&data, 20);
            assert_eq!(entry.as_ref().map(|entry| entry.kind), kind, "{mode}");
            if let Some(entry) = entry {
                assert_eq!((entry.name, entry.len), (&b"a b\n"[..], data.len()));
                assert_eq!(parse_entry(&data[..data.len() - 1], 20), None, "cut short");
            }
        }
    }

    #[test]
    fn only_what_a_delta_writes_is_parsed() {
        let base = tree(&[("a", 1), ("b", 2), ("c", 3), ("d", 4)]);
        let entry = base.len() / 4;
        let (mut pieces, mut starts) = (Vec::new(), Vec::new());
        split(&base, 20, None, &mut pieces, &mut starts, |_| Some(())).unwrap();
        let kept = KeptTree { node: 0, starts: starts.clone() };
        assert_eq!(pieces, [Piece { start: NONE, len: 4 }]);

        // The id of `b` changes, `c` goes, `e` comes.
        let derived = tree(&[("a", 1), ("b", 9), ("d", 4), ("e", 5)]);
        let insert = |len| DeltaOp::Insert { len };
        let ops = [
            DeltaOp::Copy { from: 0, len: entry + 9 },
            insert(20),
            DeltaOp::Copy { from: 3 * entry, len: entry },
            insert(entry),
        ];
        let (mut pieces, mut starts, mut own) = (Vec::new(), Vec::new(), Vec::new());
        split(&derived, 20, Some((&kept, &ops)), &mut pieces, &mut starts, |entry| {
            own.push((entry.name.to_vec(), entry.id[0]));
            Some(())
        })
        .unwrap();
        assert_eq!(own, [(b"b".to_vec(), 9), (b"e".to_vec(), 5)]);
        assert_eq!(
            pieces,
            [
                Piece { start: 0, len: 1 },
                Piece { start: NONE, len: 1 },
                Piece { start: 3, len: 1 },
                Piece { start: NONE, len: 1 }
            ]
        );
        assert_eq!(starts, kept.starts);
    }
}
