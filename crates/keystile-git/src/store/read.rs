//! One object after the other: for what is asked on demand, and for what the walk could not read at
//! its first place.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::delta::Delta;
use super::entry::Stored;
use super::inflate::{Buffer, Inflater, MAX_OBJECT_BYTES, within};
use super::{ObjectStore, ReadError, Source};
use crate::object::{Kind, ObjectId, oid};

/// A place of an object: which source, and where in it (a pack's offset, a loose object's position).
pub(crate) type PlaceKey = (usize, u64);

/// How many other places are tried for the bases of one object: damage can't make this explode.
const MAX_DETOURS: u32 = 64;

/// How an error about a base begins.
const BASE: &str = "its delta base";

/// What a read goes through, so that circles end.
#[derive(Default)]
struct Trail {
    places: Vec<PlaceKey>,
    detours: u32,
}

/// An object's kind and content.
type Content = (Kind, Arc<Vec<u8>>);

impl ObjectStore {
    /// [`Self::read`], without the copy at `avoid`.
    pub(crate) fn read_elsewhere(&self, id: &oid, avoid: PlaceKey) -> Result<Option<(Kind, Vec<u8>)>, ReadError> {
        let trail = Trail { places: vec![avoid], detours: 0 };
        self.read_on(id, trail)
    }

    pub(crate) fn read_anywhere(&self, id: &oid) -> Result<Option<(Kind, Vec<u8>)>, ReadError> {
        self.read_on(id, Trail::default())
    }

    fn read_on(&self, id: &oid, mut trail: Trail) -> Result<Option<(Kind, Vec<u8>)>, ReadError> {
        let mut inflater = Inflater::new();
        match self.resolve(id, &mut trail, &mut inflater) {
            None => Ok(None),
            Some(Ok((kind, content))) => Ok(Some((kind, Arc::unwrap_or_clone(content)))),
            Some(Err(detail)) => Err(ReadError { id: id.to_owned(), detail }),
        }
    }

    /// All places of an object outside of `trail`, the one that counts first.
    fn places(&self, id: &oid, trail: &Trail) -> Vec<PlaceKey> {
        let mut places = Vec::new();
        for (number, source) in self.sources.iter().enumerate() {
            let key = match source {
                Source::Pack(pack) => pack.index.lookup(id).map(|at| (number, pack.index.offset(at))),
                Source::Loose(loose) => loose.position(id).map(|at| (number, at as u64)),
            };
            places.extend(key.filter(|key| !trail.places.contains(key)));
        }
        places
    }

    /// The object's content from the first place that gives it; `None` if there is no (other) place.
    fn resolve(&self, id: &oid, trail: &mut Trail, inflater: &mut Inflater) -> Option<Result<Content, String>> {
        let mut wrong: Option<String> = None;
        for place in self.places(id, trail) {
            let content = match &self.sources[place.0] {
                Source::Loose(loose) => loose.read(id, inflater).map(|(kind, content)| (kind, Arc::new(content))),
                Source::Pack(_) => self.decode(place, trail, inflater).and_then(|content| self.checked(id, content)),
            };
            match content {
                Ok(content) => return Some(Ok(content)),
                Err(detail) => wrong = Some(wrong.map_or_else(|| detail.clone(), |wrong| format!("{wrong}; {detail}"))),
            }
        }
        wrong.map(Err)
    }

    fn checked(&self, id: &oid, (kind, content): Content) -> Result<Content, String> {
        match gix_object::compute_hash(self.hash, kind, &content) {
            Ok(actual) if *actual == *id => Ok((kind, content)),
            Ok(actual) => Err(format!("its content is not its id: it is {actual}")),
            Err(error) => Err(format!("its content can't be hashed: {error}")),
        }
    }

    /// Decodes the entry at a place of a pack.
    fn decode(&self, place: PlaceKey, trail: &mut Trail, inflater: &mut Inflater) -> Result<Content, String> {
        let Source::Pack(pack) = &self.sources[place.0] else { return Err("it is not in a pack".to_owned()) };
        let depth = trail.places.len();
        // From the object down to something that is whole.
        let mut chain = Vec::new();
        let mut next = place.1;
        let mut base_is_here = true;
        let mut content = loop {
            let key = (place.0, next);
            if let Some(content) = self.bases.get(key) {
                break Ok(content);
            }
            if trail.places.contains(&key) {
                break Err("its chain of delta bases leads back to itself".to_owned());
            }
            trail.places.push(key);
            let entry = pack.entry(next, self.hash).map_err(str::to_owned);
            let entry = match entry.and_then(|entry| within(MAX_OBJECT_BYTES, entry.size).map(|()| entry)) {
                Ok(entry) => entry,
                Err(detail) => break Err(detail),
            };
            match entry.stored {
                Stored::Whole(kind) => {
                    let mut out = Buffer::default();
                    let inflated = inflater.exact(&pack.entries()[entry.data..], entry.size, &mut out);
                    break inflated.map(|_| {
                        let content = (kind, Arc::new(out.into_vec()));
                        self.bases.put(key, &content);
                        content
                    });
                }
                Stored::DeltaOnOffset(base) => {
                    chain.push((next, entry));
                    next = base;
                }
                Stored::DeltaOnId(base) => {
                    chain.push((next, entry));
                    match pack.index.lookup(&base) {
                        Some(at) => next = pack.index.offset(at),
                        None => {
                            base_is_here = false;
                            break self.detour(&base, trail, inflater);
                        }
                    }
                }
            }
        };
        let (mut packed, mut delta) = (Buffer::default(), Delta::default());
        // Up again, applying the deltas; a link that is broken may have another place.
        if content.is_err() && base_is_here && !chain.is_empty() {
            content = self.elsewhere(place.0, next, content, trail, inflater);
        }
        while let Some((offset, entry)) = chain.pop() {
            content = content.and_then(|(kind, base)| {
                inflater.exact(&pack.entries()[entry.data..], entry.size, &mut packed)?;
                delta.parse(packed.filled(), base.len()).map_err(|error| error.to_string())?;
                within(MAX_OBJECT_BYTES, delta.size() as u64)?;
                let mut out = Buffer::default();
                delta.apply(packed.filled(), &base, out.room(delta.size(), 0)?);
                let content = (kind, Arc::new(out.into_vec()));
                self.bases.put((place.0, offset), &content);
                Ok(content)
            });
            if content.is_err() && offset != place.1 {
                content = self.elsewhere(place.0, offset, content, trail, inflater);
            }
        }
        trail.places.truncate(depth);
        content
    }

    /// A base that could not be read at its place in a pack, from another place.
    fn elsewhere(
        &self,
        source: usize,
        offset: u64,
        failed: Result<Content, String>,
        trail: &mut Trail,
        inflater: &mut Inflater,
    ) -> Result<Content, String> {
        let Source::Pack(pack) = &self.sources[source] else { return failed };
        let Some(id) = pack.id_at_offset(offset) else { return failed };
        let id = id.to_owned();
        let detour = self.detour(&id, trail, inflater);
        match (detour, failed) {
            // Of a chain of failures, the first is the cause.
            (Err(_), Err(detail)) if detail.starts_with(BASE) => Err(detail),
            (Err(_), Err(detail)) => Err(format!("{BASE} {id} can't be read: {detail}")),
            (detour, _) => detour,
        }
    }

    fn detour(&self, id: &ObjectId, trail: &mut Trail, inflater: &mut Inflater) -> Result<Content, String> {
        trail.detours += 1;
        if trail.detours > MAX_DETOURS {
            return Err(format!("too many of its delta bases are damaged ({id} and others)"));
        }
        match self.resolve(id, trail, inflater) {
            Some(content) => content,
            None => Err(format!("{BASE} {id} is missing")),
        }
    }

    /// An object's kind at its first place that tells it.
    pub(crate) fn kind_anywhere(&self, id: &oid) -> Result<Option<Kind>, ReadError> {
        let mut id = id.to_owned();
        let asked = id;
        let mut inflater = Inflater::new();
        let mut steps = 0u32;
        'object: loop {
            let mut there = false;
            for source in &self.sources {
                match source {
                    Source::Loose(loose) => {
                        if loose.position(&id).is_some() {
                            there = true;
                            if let Ok(kind) = loose.kind(&id, &mut inflater) {
                                return Ok(Some(kind));
                            }
                        }
                    }
                    Source::Pack(pack) => {
                        let Some(at) = pack.index.lookup(&id) else { continue };
                        there = true;
                        let mut offset = pack.index.offset(at);
                        while let Ok(entry) = pack.entry(offset, self.hash) {
                            steps += 1;
                            match entry.stored {
                                Stored::Whole(kind) => return Ok(Some(kind)),
                                Stored::DeltaOnOffset(base) => offset = base,
                                // 2²⁰ steps: no chain is that long, but a circle is.
                                Stored::DeltaOnId(base) if steps < 1 << 20 => {
                                    id = base;
                                    continue 'object;
                                }
                                Stored::DeltaOnId(_) => break,
                            }
                        }
                    }
                }
            }
            if !there && id == asked {
                return Ok(None);
            }
            // Headers do not tell; the content may, from another place.
            return self.read_anywhere(&asked).map(|content| content.map(|(kind, _)| kind));
        }
    }
}

/// Bases that were decoded lately.
#[derive(Debug, Default)]
pub(crate) struct BaseCache {
    inner: Mutex<Cached>,
}

#[derive(Debug, Default)]
struct Cached {
    contents: HashMap<PlaceKey, Content>,
    /// The oldest first.
    order: VecDeque<PlaceKey>,
    bytes: usize,
}

/// How many bytes of bases are kept.
const BUDGET: usize = 16 << 20;

impl BaseCache {
    fn get(&self, key: PlaceKey) -> Option<Content> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).contents.get(&key).cloned()
    }

    fn put(&self, key: PlaceKey, content: &Content) {
        let size = content.1.len();
        if size > BUDGET / 8 {
            return;
        }
        let mut cached = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.contents.insert(key, content.clone()).is_some() {
            return;
        }
        cached.order.push_back(key);
        cached.bytes += size;
        while cached.bytes > BUDGET {
            let Some(oldest) = cached.order.pop_front() else { break };
            let freed = cached.contents.remove(&oldest).map_or(0, |(_, content)| content.len());
            cached.bytes -= freed;
        }
    }
}
