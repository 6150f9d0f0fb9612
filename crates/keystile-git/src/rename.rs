//! Which file that a commit creates is one that it deletes, under another name: the way git decides it for
//! `git log -p`, so that [`crate::patch`] sees the same patches.
//!
//! First come files with the same content, then files that alone have their base name and are three
//! quarters alike, then the most alike of all others that are half alike. How alike two files are is counted
//! in bytes of equal lines (or pieces of 64 bytes). Source: git's `diffcore-rename.c` and
//! `diffcore-delta.c`, 2.43.2 and later; older ones leave out a last line without a line feed.

use std::cmp::Reverse;
use std::collections::HashMap;

use git2::Oid;

/// Scores are parts of this.
const WHOLE: u64 = 60_000;
/// The least score of a rename.
const LEAST: u64 = WHOLE / 2;
/// The least score of files that alone have their base name.
const LEAST_BY_NAME: u64 = LEAST + (WHOLE - LEAST) / 2;
/// git's default of `diff.renameLimit`: the root of the number of pairs that are compared at most.
const LIMIT: usize = 1000;
/// How many candidates a created file keeps.
const CANDIDATES: usize = 4;
/// How many files of the same content are looked at.
const SAME_CONTENT: usize = 101;
/// Pieces end after so many bytes.
const PIECE: u64 = 64;
/// Pieces are told apart by a number below this.
const PIECES: u32 = 107_927;

/// A file on one side of a commit.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: Vec<u8>,
    pub(crate) id: Oid,
    pub(crate) mode: git2::FileMode,
}

impl File {
    fn base_name(&self) -> &[u8] {
        memchr::memrchr(b'/', &self.path).map_or(&self.path, |slash| &self.path[slash + 1..])
    }

    fn is_regular(&self) -> bool {
        use git2::FileMode::{Blob, BlobExecutable, BlobGroupWritable};
        matches!(self.mode, Blob | BlobExecutable | BlobGroupWritable)
    }
}

/// For each of `created` the index of the one of `deleted` that it was. Both are in the order of their paths;
/// `read` gives the content of a blob.
///
/// # Errors
/// Those of `read`.
pub(crate) fn find<E>(
    deleted: &[File],
    created: &[File],
    read: impl FnMut(Oid) -> Result<Vec<u8>, E>,
) -> Result<Vec<Option<usize>>, E> {
    let mut search = Search {
        deleted,
        created,
        sources: vec![None; created.len()],
        is_used: vec![false; deleted.len()],
        sketches: Sketches { read, known: HashMap::new() },
    };
    if !deleted.is_empty() && !created.is_empty() {
        search.by_content();
        search.by_name()?;
        search.by_likeness()?;
    }
    Ok(search.sources)
}

struct Search<'f, R> {
    deleted: &'f [File],
    created: &'f [File],
    sources: Vec<Option<usize>>,
    is_used: Vec<bool>,
    sketches: Sketches<R>,
}

impl<E, R: FnMut(Oid) -> Result<Vec<u8>, E>> Search<'_, R> {
    fn pair(&mut self, source: usize, target: usize) {
        self.sources[target] = Some(source);
        self.is_used[source] = true;
    }

    /// The deleted and the created files that are still alone.
    fn alone(&self) -> (Vec<usize>, Vec<usize>) {
        let sources = (0..self.deleted.len()).filter(|&index| !self.is_used[index]).collect();
        let targets = (0..self.created.len()).filter(|&index| self.sources[index].is_none()).collect();
        (sources, targets)
    }

    fn by_content(&mut self) {
        let mut by_id: HashMap<Oid, Vec<usize>> = HashMap::new();
        for (index, file) in self.deleted.iter().enumerate() {
            by_id.entry(file.id).or_default().push(index);
        }
        for (target, file) in self.created.iter().enumerate() {
            let Some(same) = by_id.get(&file.id) else { continue };
            let fitting = same.iter().take(SAME_CONTENT).copied().filter(|&source| {
                let other = &self.deleted[source];
                !self.is_used[source] && (other.mode == file.mode || other.is_regular() && file.is_regular())
            });
            // The first of the same base name, else the first.
            if let Some(source) =
                fitting.min_by_key(|&source| (self.deleted[source].base_name() != file.base_name(), source))
            {
                self.pair(source, target);
            }
        }
    }

    fn by_name(&mut self) -> Result<(), E> {
        let (sources, targets) = self.alone();
        let of_targets = unique_names(targets.iter().map(|&index| (self.created[index].base_name(), index)));
        let of_sources = unique_names(sources.iter().map(|&index| (self.deleted[index].base_name(), index)));
        for source in sources {
            let name = self.deleted[source].base_name();
            if let (Some(Some(_)), Some(Some(target))) = (of_sources.get(name), of_targets.get(name))
                && self.likeness(source, *target)? >= LEAST_BY_NAME
            {
                self.pair(source, *target);
            }
        }
        Ok(())
    }

    fn by_likeness(&mut self) -> Result<(), E> {
        let (sources, targets) = self.alone();
        if sources.len().saturating_mul(targets.len()) > LIMIT * LIMIT {
            return Ok(());
        }
        let mut candidates = Vec::new();
        for &target in &targets {
            let mut best: [Option<Candidate>; CANDIDATES] = [None; CANDIDATES];
            for &source in &sources {
                let score = self.likeness(source, target)?;
                let same_name = self.deleted[source].base_name() == self.created[target].base_name();
                let candidate = Candidate { score, same_name, source, target };
                // An empty place is the worst; of equal ones the first.
                let worst = best.iter_mut().min_by_key(|place| place.map(|found| found.rank()));
                if let Some(worst) = worst.filter(|worst| worst.is_none_or(|found| found.rank() < candidate.rank())) {
                    *worst = Some(candidate);
                }
            }
            candidates.extend(best.into_iter().flatten());
        }
        candidates.sort_by_key(|candidate| Reverse(candidate.rank()));
        for Candidate { source, target, .. } in candidates.into_iter().take_while(|found| found.score >= LEAST) {
            if self.sources[target].is_none() && !self.is_used[source] {
                self.pair(source, target);
            }
        }
        Ok(())
    }

    /// How much of the larger file is in the other, as a part of [`WHOLE`].
    fn likeness(&mut self, source: usize, target: usize) -> Result<u64, E> {
        let (source, target) = (&self.deleted[source], &self.created[target]);
        // Links are renamed whole or not at all.
        if !source.is_regular() || !target.is_regular() {
            return Ok(0);
        }
        self.sketches.learn(source.id)?;
        self.sketches.learn(target.id)?;
        let (one, other) = (&self.sketches.known[&source.id], &self.sketches.known[&target.id]);
        let (most, least) = (one.size.max(other.size), one.size.min(other.size));
        if other.size == 0 || most * (WHOLE - LEAST) < (most - least) * WHOLE {
            return Ok(0);
        }
        Ok(one.in_common(other) * WHOLE / most)
    }
}

/// Which index a name stands for; `None`: several.
fn unique_names<'n>(names: impl Iterator<Item = (&'n [u8], usize)>) -> HashMap<&'n [u8], Option<usize>> {
    let mut unique = HashMap::new();
    for (name, index) in names {
        unique.entry(name).and_modify(|known| *known = None).or_insert(Some(index));
    }
    unique
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    score: u64,
    same_name: bool,
    source: usize,
    target: usize,
}

impl Candidate {
    fn rank(&self) -> (u64, bool) {
        (self.score, self.same_name)
    }
}

/// The sketches of the blobs that were compared.
struct Sketches<R> {
    read: R,
    known: HashMap<Oid, Sketch>,
}

impl<E, R: FnMut(Oid) -> Result<Vec<u8>, E>> Sketches<R> {
    fn learn(&mut self, id: Oid) -> Result<(), E> {
        if !self.known.contains_key(&id) {
            let sketch = Sketch::new(&(self.read)(id)?);
            self.known.insert(id, sketch);
        }
        Ok(())
    }
}

/// A content as its pieces.
#[derive(Debug)]
struct Sketch {
    size: u64,
    /// The number of each piece and the bytes of all pieces with that number, sorted.
    pieces: Vec<(u32, u64)>,
}

impl Sketch {
    fn new(content: &[u8]) -> Self {
        let is_text = !super::patch::has_nul(content);
        let mut pieces = Vec::new();
        // Two shift registers; a piece's number is made of both.
        let (mut low, mut high, mut length) = (0_u32, 0_u32, 0_u64);
        for (index, &byte) in content.iter().enumerate() {
            let is_last = index + 1 == content.len();
            let is_return = is_text && byte == b'\r' && content.get(index + 1) == Some(&b'\n');
            if !is_return {
                (low, high) = ((low << 7 ^ high >> 25).wrapping_add(u32::from(byte)), high << 7 ^ low >> 25);
                length += 1;
            }
            if length > 0 && (is_last || !is_return && (length >= PIECE || byte == b'\n')) {
                pieces.push((low.wrapping_add(high.wrapping_mul(0x61)) % PIECES, length));
                (low, high, length) = (0, 0, 0);
            }
        }
        pieces.sort_unstable();
        pieces.dedup_by(|next, kept| {
            let is_same = next.0 == kept.0;
            kept.1 += if is_same { next.1 } else { 0 };
            is_same
        });
        Self { size: content.len() as u64, pieces }
    }

    /// Bytes of the pieces that both have.
    fn in_common(&self, other: &Self) -> u64 {
        let mut others = other.pieces.iter().peekable();
        let mut common = 0;
        for &(number, bytes) in &self.pieces {
            while others.next_if(|other| other.0 < number).is_some() {}
            if let Some(&&(_, most)) = others.peek().filter(|other| other.0 == number) {
                common += bytes.min(most);
            }
        }
        common
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renames(deleted: &[(&str, &str)], created: &[(&str, &str)]) -> Vec<Option<usize>> {
        let mut blobs = HashMap::new();
        let mut files = |side: &[(&str, &str)]| -> Vec<File> {
            let file = |&(path, content): &(&str, &str)| {
                let id = Oid::hash_object(git2::ObjectType::Blob, content.as_bytes()).expect("an id");
                blobs.insert(id, content.as_bytes().to_vec());
                File { path: path.into(), id, mode: git2::FileMode::Blob }
            };
            side.iter().map(file).collect()
        };
        let (deleted, created) = (files(deleted), files(created));
        find(&deleted, &created, |id| Ok::<_, ()>(blobs[&id].clone())).expect("every blob is there")
    }

    #[test]
    fn the_same_content_is_a_rename_and_the_same_name_is_preferred() {
        assert_eq!(renames(&[("a/x", "1\n"), ("b/y", "1\n")], &[("c/y", "1\n"), ("c/z", "1\n")]), [Some(1), Some(0)]);
        assert_eq!(renames(&[("a", "")], &[("b", "")]), [Some(0)]);
    }

    #[test]
    fn half_of_the_larger_file_is_enough_and_less_is_not() {
        let four = "one\ntwo\nthr\nfou\n";
        assert_eq!(renames(&[("a", four)], &[("b", "one\ntwo\nxxx\nyyy\n")]), [Some(0)]);
        assert_eq!(renames(&[("a", four)], &[("b", "one\nzzz\nxxx\nyyy\n")]), [None]);
        assert_eq!(renames(&[("a", four)], &[("b", "one\ntwo\nxxx\nyyy\nz\n")]), [None]);
        assert_eq!(renames(&[("a", "one\r\ntwo\r\n")], &[("b", "one\ntwo\n")]), [Some(0)], "line ends do not count");
        assert_eq!(
            renames(&[("a", "one\ntwo four six")], &[("b", "zzz\ntwo four six")]),
            [Some(0)],
            "an open last line"
        );
    }

    #[test]
    fn a_name_of_its_own_comes_before_a_better_match() {
        let content = "one\ntwo\nthr\nfou\nfiv\nsix\nsev\neig\n";
        let other = content.replace("eig", "xxx");
        let third = content.replace("sev", "yyy");
        assert_eq!(renames(&[("a/x", content)], &[("b/w", &other), ("b/x", &third)]), [None, Some(0)]);
    }

    #[test]
    fn the_best_of_all_pairs_comes_first() {
        let (content, better) = ("one\ntwo\nthr\nfou\n", "one\ntwo\nthr\nxxx\n");
        assert_eq!(renames(&[("a", content)], &[("b", "one\ntwo\nyyy\nzzz\n"), ("c", better)]), [None, Some(0)]);
    }
}
