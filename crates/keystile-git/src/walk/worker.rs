//! What the threads of a walk do: take an object, decode it, hand it out, put what is based on it
//! on top of the stack. Idle threads take from the bottom of the others' stacks, where the largest
//! subtrees are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_deque::{Injector, Steal, Stealer, Worker};

use super::forest::Forest;
use super::{Base, Check, Lost, Object, Visitor, WalkOptions, WalkOutcome};
use crate::object::{Kind, ObjectId, oid};
use crate::progress::Progress;
use crate::store::delta::Delta;
use crate::store::entry::Stored;
use crate::store::inflate::{Buffer, Inflater, MAX_OBJECT_BYTES, within};
use crate::store::pack::Pack;
use crate::store::{ObjectStore, PlaceKey, Source};

/// An object that others are based on, for as long as some of them are still to come.
struct Expanded<K> {
    kind: Kind,
    data: Buffer,
    kept: Option<K>,
}

/// An object to decode.
struct Task<K> {
    node: u32,
    from: From<K>,
}

/// Where it comes from.
enum From<K> {
    /// It is whole, or loose, or was never to be decoded.
    Root,
    Delta(Arc<Expanded<K>>),
    /// Its base could not be read.
    LostBase(Arc<ObjectId>),
    /// Its base is, over some steps, itself.
    Circle,
}

/// Buffers above this size are not kept for later.
const MAX_POOLED: usize = 4 << 20;
/// How many buffers a thread keeps for later.
const POOLED: usize = 8;

/// What all threads share.
pub(super) struct Shared<'a, V: Visitor> {
    pub(super) store: &'a ObjectStore,
    pub(super) forest: &'a Forest,
    pub(super) visitor: &'a V,
    pub(super) options: &'a WalkOptions,
    pub(super) progress: &'a Progress,
    tasks: Injector<Task<V::Kept>>,
    /// Tasks that are not done, those that are in a thread's hands included.
    pending: AtomicUsize,
    /// A thread panicked: the others end.
    broken: AtomicBool,
}

/// One thread.
struct Thread<'a, V: Visitor> {
    shared: &'a Shared<'a, V>,
    own: Worker<Task<V::Kept>>,
    scratch: V::Scratch,
    inflater: Inflater,
    /// The inflated delta.
    packed: Buffer,
    delta: Delta,
    /// Content of an object that nothing is based on.
    leaf: Buffer,
    /// Buffers for those that something is based on.
    pool: Vec<Buffer>,
    outcome: WalkOutcome,
}

impl<'a, V: Visitor> Shared<'a, V> {
    pub(super) fn new(
        store: &'a ObjectStore,
        forest: &'a Forest,
        visitor: &'a V,
        options: &'a WalkOptions,
        progress: &'a Progress,
    ) -> Self {
        let tasks = Injector::new();
        for &(node, _) in &forest.roots {
            tasks.push(Task { node, from: From::Root });
        }
        for &node in &forest.circles {
            tasks.push(Task { node, from: From::Circle });
        }
        let pending = AtomicUsize::new(forest.roots.len() + forest.circles.len());
        Self { store, forest, visitor, options, progress, tasks, pending, broken: AtomicBool::new(false) }
    }

    /// Decodes everything on `threads` threads, this one included.
    pub(super) fn run(&self, threads: usize) -> WalkOutcome {
        let workers: Vec<_> = (0..threads).map(|_| Worker::new_lifo()).collect();
        let stealers: Vec<_> = workers.iter().map(Worker::stealer).collect();
        let mut outcome = WalkOutcome::default();
        std::thread::scope(|scope| {
            let stealers = &stealers;
            let handles: Vec<_> =
                workers.into_iter().map(|own| scope.spawn(move || Thread::new(self, own).run(stealers))).collect();
            for handle in handles {
                match handle.join() {
                    Ok(part) => outcome.add(part),
                    // The visitor's panic is the caller's to see.
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        outcome
    }
}

/// Tells the other threads when this one panics: they would wait for its tasks for ever.
struct Alarm<'a>(&'a AtomicBool);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Release);
        }
    }
}

impl<'a, V: Visitor> Thread<'a, V> {
    fn new(shared: &'a Shared<'a, V>, own: Worker<Task<V::Kept>>) -> Self {
        Self {
            shared,
            own,
            scratch: shared.visitor.scratch(),
            inflater: Inflater::new(),
            packed: Buffer::default(),
            delta: Delta::default(),
            leaf: Buffer::default(),
            pool: Vec::new(),
            outcome: WalkOutcome::default(),
        }
    }

    fn run(mut self, stealers: &[Stealer<Task<V::Kept>>]) -> WalkOutcome {
        let shared = self.shared;
        let _alarm = Alarm(&shared.broken);
        let mut idle = 0u32;
        let mut since_report = 0u64;
        while !shared.broken.load(Ordering::Relaxed) {
            let Some(task) = self.own.pop().or_else(|| take(&shared.tasks, stealers)) else {
                if shared.pending.load(Ordering::Acquire) == 0 {
                    break;
                }
                // A long chain leaves the others idle: they must not take the core from it.
                idle += 1;
                if idle < 64 {
                    std::thread::yield_now()
                } else {
                    std::thread::sleep(Duration::from_micros(100))
                }
                continue;
            };
            idle = 0;
            let before = self.outcome.objects;
            self.process(task);
            shared.pending.fetch_sub(1, Ordering::AcqRel);
            since_report += self.outcome.objects - before;
            if since_report >= 64 {
                shared.progress.advance(std::mem::take(&mut since_report));
            }
        }
        shared.progress.advance(since_report);
        self.outcome
    }

    fn process(&mut self, task: Task<V::Kept>) {
        let Shared { store, forest, .. } = *self.shared;
        let (source, at, offset) = forest.place(store, task.node);
        let has_children = forest.children(task.node).any(|child| forest.weight(child) > 0);
        let mut out = if has_children { self.pool.pop().unwrap_or_default() } else { std::mem::take(&mut self.leaf) };
        let id = store.sources()[source].ids().id(at);
        let decoded = match &store.sources()[source] {
            Source::Loose(loose) => loose.read(id, &mut self.inflater).map(|(kind, content)| {
                out = Buffer::from(content);
                kind
            }),
            Source::Pack(pack) => self.decode(pack, task.node, offset, id, &task.from, &mut out),
        };
        let (kind, from) = match decoded {
            Ok(kind) => (Some(kind), Some(task.from)),
            // What was decoded halfway is no base for what comes from elsewhere.
            Err(detail) => (self.salvage(&task, id, (source, offset), detail, &mut out), None),
        };
        let Some(kind) = kind else {
            let id = Arc::new(id.to_owned());
            self.push_children(task.node, || From::LostBase(id.clone()));
            self.put_back(out, has_children);
            return;
        };
        let kept = self.visit(task.node, kind, &out, from.as_ref(), has_children);
        if has_children {
            let base = Arc::new(Expanded { kind, data: out, kept });
            self.push_children(task.node, || From::Delta(base.clone()));
        } else {
            self.put_back(out, false);
        }
        // The last one that is based on it gives its base's buffer back.
        if let Some(From::Delta(base)) = from
            && let Some(base) = Arc::into_inner(base)
        {
            self.put_back(base.data, true);
        }
    }

    /// The object from another place, or a note that it is lost.
    fn salvage(
        &mut self,
        task: &Task<V::Kept>,
        id: &oid,
        place: PlaceKey,
        mut detail: String,
        out: &mut Buffer,
    ) -> Option<Kind> {
        let Shared { store, forest, .. } = *self.shared;
        let elsewhere = match task.from {
            // Nothing is known to be wrong with the entry itself.
            From::Circle => store.read(id),
            _ => store.read_elsewhere(id, place),
        };
        match elsewhere {
            Ok(Some((kind, content))) => {
                *out = Buffer::from(content);
                return Some(kind);
            }
            Ok(None) => {}
            Err(_) if matches!(task.from, From::Circle) => {}
            Err(error) => detail = format!("{detail}; nor can its other copies be read: {}", error.detail),
        }
        if let Some(index) = forest.first_place_of(store, task.node) {
            self.outcome.lost.push(Lost { index, id: id.to_owned(), detail });
        }
        None
    }

    /// Hands an object out, if this is its first place.
    fn visit(
        &mut self,
        node: u32,
        kind: Kind,
        data: &Buffer,
        from: Option<&From<V::Kept>>,
        is_base: bool,
    ) -> Option<V::Kept> {
        let Shared { store, forest, visitor, .. } = *self.shared;
        let index = forest.first_place_of(store, node)?;
        if !visitor.wants(kind) {
            return None;
        }
        let base = match from {
            Some(From::Delta(base)) => {
                Some(Base { data: base.data.filled(), ops: self.delta.ops(), kept: base.kept.as_ref() })
            }
            _ => None,
        };
        let data = data.filled();
        self.outcome.objects += 1;
        self.outcome.bytes += data.len() as u64;
        let object = Object { index, kind, data, base };
        Some(visitor.visit(&mut self.scratch, &object, is_base))
    }

    /// Decodes an entry of a pack into `out`; what is wrong with it, if it can't be.
    fn decode(
        &mut self,
        pack: &Pack,
        node: u32,
        offset: u64,
        id: &oid,
        from: &From<V::Kept>,
        out: &mut Buffer,
    ) -> Result<Kind, String> {
        let Shared { store, forest, options, .. } = *self.shared;
        let base = match from {
            From::LostBase(base) => return Err(format!("its delta base {base} can't be read")),
            From::Circle => return Err("its chain of delta bases leads back to itself".to_owned()),
            From::Root => None,
            From::Delta(base) => Some(base),
        };
        let entry = pack.entry(offset, store.hash())?;
        let limit = options.max_object_bytes.unwrap_or(MAX_OBJECT_BYTES);
        within(limit, entry.size)?;
        let bytes = pack.entries();
        let (kind, used) = match (entry.stored, base) {
            (Stored::Whole(kind), None) => (kind, self.inflater.exact(&bytes[entry.data..], entry.size, out)?),
            (Stored::DeltaOnOffset(_) | Stored::DeltaOnId(_), Some(base)) => {
                let used = self.inflater.exact(&bytes[entry.data..], entry.size, &mut self.packed)?;
                let data = base.data.filled();
                self.delta.parse(self.packed.filled(), data.len()).map_err(|error| error.to_string())?;
                within(limit, self.delta.size() as u64)?;
                self.delta.apply(self.packed.filled(), data, out.room(self.delta.size(), 0)?);
                (base.kind, used)
            }
            (Stored::DeltaOnId(base), None) => return Err(format!("its delta base {base} is missing")),
            (Stored::DeltaOnOffset(base), None) => {
                return Err(format!("no object starts at byte {base} of its pack, where its delta base should be"));
            }
            (Stored::Whole(_), Some(_)) => return Err("its entry changed while it was read".to_owned()),
        };
        if self.packed.capacity() > MAX_POOLED {
            self.packed = Buffer::default();
        }
        let has_crc = pack.index.has_crc32();
        if has_crc && crc32fast::hash(&bytes[offset as usize..entry.data + used]) != forest.crc32(node) {
            return Err("its entry does not match the CRC32 in the pack's index".to_owned());
        }
        if options.check == Check::Id || !has_crc {
            match gix_object::compute_hash(store.hash(), kind, out.filled()) {
                Ok(actual) if *actual == *id => {}
                Ok(actual) => return Err(format!("its content is not its id: it is {actual}")),
                Err(error) => return Err(format!("its content can't be hashed: {error}")),
            }
        }
        Ok(kind)
    }

    fn push_children(&self, node: u32, from: impl Fn() -> From<V::Kept>) {
        let forest = self.shared.forest;
        for child in forest.children(node).filter(|&child| forest.weight(child) > 0) {
            self.shared.pending.fetch_add(1, Ordering::AcqRel);
            self.own.push(Task { node: child, from: from() });
        }
    }

    fn put_back(&mut self, buffer: Buffer, was_base: bool) {
        if !was_base {
            if buffer.capacity() <= MAX_POOLED {
                self.leaf = buffer;
            }
        } else if self.pool.len() < POOLED && buffer.capacity() <= MAX_POOLED {
            self.pool.push(buffer);
        }
    }
}

/// A task from the others or from those that nobody has begun. Splitting a begun family comes first:
/// its bases are in memory already.
fn take<K>(tasks: &Injector<Task<K>>, stealers: &[Stealer<Task<K>>]) -> Option<Task<K>> {
    loop {
        let attempts = stealers.iter().map(Stealer::steal).chain(std::iter::once_with(|| tasks.steal()));
        match attempts.collect::<Steal<_>>() {
            Steal::Success(task) => return Some(task),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}
