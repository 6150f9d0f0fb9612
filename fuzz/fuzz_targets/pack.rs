//! A pack without an index, of any bytes: reading and walking it ends, and what it hands out has
//! the id that it says.
#![no_main]

use keystile_git::object::{HashKind, Kind};
use keystile_git::progress::Progress;
use keystile_git::store::ObjectStore;
use keystile_git::walk::{Check, Object, Visitor, WalkOptions, walk};
use libfuzzer_sys::fuzz_target;

struct Nothing;

impl Visitor for Nothing {
    type Scratch = ();
    type Kept = ();

    fn scratch(&self) {}

    fn wants(&self, _kind: Kind) -> bool {
        true
    }

    fn visit(&self, (): &mut (), object: &Object<'_, ()>, _is_base: bool) {
        if let Some(base) = &object.base {
            assert_eq!(base.ops.is_empty(), object.data.is_empty());
        }
    }
}

fuzz_target!(|entries: &[u8]| {
    let root = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(root.path().join("pack")).expect("a directory");
    // The header is right, so that the fuzzer need not find it; the trailer is wrong, which costs a gap.
    let pack = [b"PACK\0\0\0\x02\0\0\0\x04", entries, &[0; 20]].concat();
    std::fs::write(root.path().join("pack/pack-0.pack"), pack).expect("a file");
    let store = ObjectStore::open(root.path(), HashKind::Sha1).expect("it can be opened");
    let options = WalkOptions { threads: 1, check: Check::Id, max_object_bytes: Some(1 << 24) };
    let outcome = walk(&store, &Nothing, &options, &Progress::default());
    assert_eq!(outcome.objects as usize + outcome.lost.len(), store.len());
    assert!(!store.gaps().is_empty());
});
