//! A visitor that checks and keeps what it sees.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use keystile_git::object::{Kind, ObjectId, ObjectIndex};
use keystile_git::progress::Progress;
use keystile_git::store::ObjectStore;
use keystile_git::walk::{Object, Visitor, WalkOptions, WalkOutcome, walk};
use keystile_scan::DeltaOp;

#[derive(Default)]
pub(crate) struct Seen {
    /// By number.
    ids: Vec<ObjectId>,
    pub(crate) objects: Mutex<BTreeMap<ObjectId, (Kind, Vec<u8>)>>,
    pub(crate) deltas: AtomicU64,
    pub(crate) without_kept: AtomicU64,
    only: Option<Kind>,
}

impl Visitor for Seen {
    type Scratch = Vec<u8>;
    /// The content, so that a delta can say whether it got what was kept of its base.
    type Kept = Vec<u8>;

    fn scratch(&self) -> Vec<u8> {
        Vec::new()
    }

    fn wants(&self, kind: Kind) -> bool {
        self.only.is_none_or(|only| only == kind)
    }

    fn visit(&self, again: &mut Vec<u8>, object: &Object<'_, Self::Kept>, _is_base: bool) -> Self::Kept {
        if let Some(base) = &object.base {
            self.deltas.fetch_add(1, Ordering::Relaxed);
            match base.kept {
                Some(kept) => assert_eq!(kept, base.data, "what is kept of the base is of the base"),
                None => {
                    self.without_kept.fetch_add(1, Ordering::Relaxed);
                }
            }
            again.clear();
            for op in base.ops {
                match *op {
                    DeltaOp::Copy { from, len } => again.extend_from_slice(&base.data[from..from + len]),
                    DeltaOp::Insert { len } => again.extend_from_slice(&object.data[again.len()..again.len() + len]),
                }
            }
            assert_eq!(again, object.data, "the instructions make the object from its base");
        }
        let content = (object.kind, object.data.to_vec());
        let id = self.ids[object.index.as_usize()];
        let before = self.objects.lock().expect("no panic").insert(id, content);
        assert!(before.is_none(), "{id} was seen twice");
        object.data.to_vec()
    }
}

/// Walks, and checks what holds always: each object has its id's number and nothing is both seen and lost.
pub(crate) fn see(store: &ObjectStore, options: &WalkOptions) -> (Seen, WalkOutcome) {
    see_only(store, options, None)
}

pub(crate) fn see_only(store: &ObjectStore, options: &WalkOptions, only: Option<Kind>) -> (Seen, WalkOutcome) {
    let ids = (0..store.len() as u32).map(|index| store.id(ObjectIndex(index))).collect();
    let seen = Seen { ids, only, ..Seen::default() };
    let progress = Progress::default();
    let outcome = walk(store, &seen, options, &progress);
    {
        let objects = seen.objects.lock().expect("no panic");
        assert_eq!(outcome.objects, objects.len() as u64);
        assert_eq!(outcome.bytes, objects.values().map(|(_, content)| content.len() as u64).sum::<u64>());
        for lost in &outcome.lost {
            assert!(!objects.contains_key(&lost.id), "{} is seen and lost", lost.id);
            assert_eq!(store.id(lost.index), lost.id);
        }
        if only.is_none() {
            assert_eq!(objects.len() + outcome.lost.len(), store.len(), "each object is seen or lost");
            assert_eq!(progress.now().1 + outcome.lost.len() as u64, progress.now().2, "progress counts what is seen");
        }
        for id in objects.keys() {
            assert_eq!(store.id(store.lookup(id).expect("it is there")), *id);
        }
    }
    (seen, outcome)
}

/// Whether what was seen is what git says that there is.
pub(crate) fn assert_equal(seen: &Seen, expected: &BTreeMap<ObjectId, (String, Vec<u8>)>) {
    let objects = seen.objects.lock().expect("no panic");
    let ids = |missing: Vec<&ObjectId>| missing.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let missing: Vec<_> = expected.keys().filter(|id| !objects.contains_key(*id)).collect();
    assert!(missing.is_empty(), "not seen: {}", ids(missing));
    let more: Vec<_> = objects.keys().filter(|id| !expected.contains_key(*id)).collect();
    assert!(more.is_empty(), "seen, but git does not have: {}", ids(more));
    for (id, (kind, content)) in objects.iter() {
        let (expected_kind, expected) = &expected[id];
        assert_eq!(kind.to_string(), *expected_kind, "{id}");
        assert!(content == expected, "{id} has other bytes");
    }
}
