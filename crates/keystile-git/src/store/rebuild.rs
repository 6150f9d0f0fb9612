//! An index for a pack that has none: made in memory by reading the pack from its start, inflating
//! each entry to find the next, and hashing each object. Costs a decode of the pack on one thread;
//! nothing is written into the repository.

use std::collections::HashMap;
use std::rc::Rc;

use super::delta::Delta;
use super::entry::{self, Entry, PACK_HEADER, Stored};
use super::index::Indexed;
use super::inflate::{Buffer, Inflater, MAX_OBJECT_BYTES, within};
use crate::object::{HashKind, Kind, ObjectId};

/// What a pack gave.
pub(crate) struct Rebuilt {
    /// Sorted by id.
    pub(crate) entries: Vec<Indexed>,
    /// What could not be read of it, if anything: one sentence.
    pub(crate) wrong: Option<String>,
}

/// Where an object is found that a delta of the pack is based on and that is not in it.
pub(crate) type Outside<'a> = &'a dyn Fn(&ObjectId) -> Option<(Kind, Vec<u8>)>;

/// Reads `pack` (all of its bytes); `announced` is the number of entries that its header has.
pub(crate) fn rebuild(pack: &[u8], announced: Option<u32>, hash: HashKind, outside: Outside<'_>) -> Rebuilt {
    let end = pack.len().saturating_sub(hash.len_in_bytes());
    let mut wrong = None;
    let (found, stopped) = list(pack.get(..end).unwrap_or_default(), announced, hash);
    let count = found.len();
    let entries = resolve(pack, found, hash, outside);
    if let Some((offset, detail)) = stopped {
        let announced = announced.map_or_else(|| "an unknown number".to_owned(), |announced| announced.to_string());
        wrong = Some(format!("{count} of {announced} objects could be read, then at byte {offset}: {detail}"));
    } else if entries.len() < count {
        wrong = Some(format!("{} of its {count} objects could not be decoded", count - entries.len()));
    } else {
        let mut hasher = gix_hash::hasher(hash);
        hasher.update(&pack[..end]);
        if hasher.try_finalize().ok().is_none_or(|actual| pack[end..] != *actual.as_slice()) {
            wrong = Some("it does not match its own checksum".to_owned());
        }
    }
    Rebuilt { entries, wrong }
}

/// An entry and its place.
type Found = (u64, Entry);

/// Where and why reading ended early.
type Stopped = (u64, String);

/// The entries one after the other.
fn list(pack: &[u8], announced: Option<u32>, hash: HashKind) -> (Vec<Found>, Option<Stopped>) {
    let mut found = Vec::new();
    let mut at = PACK_HEADER as u64;
    let mut inflater = Inflater::new();
    let mut out = Buffer::default();
    while announced.map_or((at as usize) < pack.len(), |announced| found.len() < announced as usize) {
        let read = entry::decode(pack, at, hash)
            .map_err(str::to_owned)
            .and_then(|entry| within(MAX_OBJECT_BYTES, entry.size).map(|()| entry))
            .and_then(|entry| Ok((entry, inflater.exact(&pack[entry.data..], entry.size, &mut out)?)));
        match read {
            Ok((entry, used)) => {
                found.push((at, entry));
                at = (entry.data + used) as u64;
            }
            Err(detail) => return (found, Some((at, detail))),
        }
    }
    let rest = pack.len() as u64 - at.min(pack.len() as u64);
    let more = (rest > 0).then(|| (at, format!("{rest} more bytes than its objects take")));
    (found, more)
}

/// Kind and content.
type Object = (Kind, Vec<u8>);

/// Decodes and hashes, from the whole entries along the deltas.
fn resolve(pack: &[u8], found: Vec<Found>, hash: HashKind, outside: Outside<'_>) -> Vec<Indexed> {
    let mut on_offset: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut on_id: HashMap<ObjectId, Vec<usize>> = HashMap::new();
    let mut work: Vec<(usize, Option<Rc<Object>>)> = Vec::new();
    for (number, (_, entry)) in found.iter().enumerate() {
        match entry.stored {
            Stored::Whole(_) => work.push((number, None)),
            Stored::DeltaOnOffset(base) => on_offset.entry(base).or_default().push(number),
            Stored::DeltaOnId(base) => on_id.entry(base).or_default().push(number),
        }
    }
    let mut entries = Vec::with_capacity(found.len());
    let (mut inflater, mut packed, mut delta) = (Inflater::new(), Buffer::default(), Delta::default());
    loop {
        while let Some((number, base)) = work.pop() {
            let (offset, entry) = found[number];
            let object = inflater.exact(&pack[entry.data..], entry.size, &mut packed).ok().and_then(|_| {
                match (&base, entry.stored) {
                    (None, Stored::Whole(kind)) => Some((kind, packed.filled().to_vec())),
                    (Some(base), _) => {
                        delta.parse(packed.filled(), base.1.len()).ok()?;
                        within(MAX_OBJECT_BYTES, delta.size() as u64).ok()?;
                        let mut out = Buffer::default();
                        delta.apply(packed.filled(), &base.1, out.room(delta.size(), 0).ok()?);
                        Some((base.0, out.into_vec()))
                    }
                    (None, _) => None,
                }
            });
            let Some(object) = object else { continue };
            let Ok(id) = gix_object::compute_hash(hash, object.0, &object.1) else { continue };
            entries.push(Indexed { id, offset });
            let object = Rc::new(object);
            let children = on_offset.remove(&offset).into_iter().chain(on_id.remove(&id));
            work.extend(children.flatten().map(|child| (child, Some(object.clone()))));
        }
        // A thin pack: what is left waits for objects of other packs.
        let Some((id, object)) = on_id.keys().find_map(|id| Some((*id, outside(id)?))) else { break };
        let object = Rc::new(object);
        let children = on_id.remove(&id).unwrap_or_default();
        work.extend(children.into_iter().map(|child| (child, Some(object.clone()))));
    }
    entries.sort_unstable();
    entries
}
