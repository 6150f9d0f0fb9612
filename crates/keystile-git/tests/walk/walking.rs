//! Every object once, with its bytes and instructions; reads of single objects.

use keystile_git::object::{HashKind, Kind, ObjectId};
use keystile_git::progress::Progress;
use keystile_git::walk::{Check, Object, Visitor, WalkOptions, walk};

use crate::repository::{Repository, files};
use crate::seen::{assert_equal, see, see_only};

fn all_options() -> Vec<WalkOptions> {
    let options = |threads, check| WalkOptions { threads, check, ..WalkOptions::default() };
    vec![options(1, Check::Crc), options(0, Check::Crc), options(3, Check::Id)]
}

#[test]
fn each_packed_object_is_seen_once_and_nothing_is_written() {
    let repository = Repository::new();
    repository.fill(60);
    repository.repack();
    let expected = repository.expected();
    let before = files(repository.path());
    let store = repository.open();
    assert_eq!((store.gaps(), store.notes()), (&[][..], &[][..]));
    assert_eq!(store.len(), expected.len());
    for options in all_options() {
        let (seen, outcome) = see(&store, &options);
        assert_eq!(outcome.lost, []);
        assert_equal(&seen, &expected);
        assert!(seen.deltas.into_inner() > 50, "the pack has deltas");
        assert_eq!(seen.without_kept.into_inner(), 0, "every base is seen before what is based on it");
    }
    for (id, (kind, content)) in &expected {
        let (read_kind, read) = store.read(id).expect("it is whole").expect("it is there");
        assert_eq!((read_kind.to_string(), &read), (kind.clone(), content), "{id}");
        assert_eq!(store.kind(id).expect("it is whole"), Some(read_kind), "{id}");
    }
    assert!(files(repository.path()) == before, "the repository is as before");
}

#[test]
fn sha256_repositories_are_read_the_same_way() {
    let repository = Repository::with_format("sha256", HashKind::Sha256);
    repository.fill(10);
    repository.repack();
    repository.write("loose", b"loose");
    repository.commit("a loose one");
    let store = repository.open();
    let (seen, outcome) = see(&store, &WalkOptions { check: Check::Id, ..WalkOptions::default() });
    assert_eq!((outcome.lost, store.gaps()), (vec![], &[][..]));
    assert_equal(&seen, &repository.expected());
}

#[test]
fn only_wanted_kinds_are_seen() {
    let repository = Repository::new();
    repository.fill(10);
    repository.repack();
    repository.write("loose", b"loose");
    repository.commit("a loose one");
    for kind in [Kind::Commit, Kind::Tree, Kind::Blob, Kind::Tag] {
        let mut expected = repository.expected();
        expected.retain(|_, (other, _)| *other == kind.to_string());
        let (seen, outcome) = see_only(&repository.open(), &WalkOptions::default(), Some(kind));
        assert_eq!(outcome.lost, []);
        assert_equal(&seen, &expected);
    }
}

#[test]
fn what_is_not_there_is_none() {
    let repository = Repository::new();
    let store = repository.open();
    let id = ObjectId::from_hex(b"0123456789012345678901234567890123456789").expect("an id");
    assert!(store.is_empty());
    assert_eq!(store.lookup(&id), None);
    assert!(matches!(store.read(&id), Ok(None)));
    assert!(matches!(store.kind(&id), Ok(None)));
    let (_, outcome) = see(&store, &WalkOptions::default());
    assert_eq!(outcome.objects, 0);
}

struct Panics;

impl Visitor for Panics {
    type Scratch = ();
    type Kept = ();

    fn scratch(&self) {}

    fn wants(&self, _kind: Kind) -> bool {
        true
    }

    fn visit(&self, (): &mut (), object: &Object<'_, ()>, _is_base: bool) {
        assert!(object.kind != Kind::Tag, "the visitor's own trouble");
    }
}

#[test]
fn a_visitors_panic_ends_the_walk_instead_of_hanging_it() {
    let repository = Repository::new();
    repository.fill(10);
    let store = repository.open();
    let options = WalkOptions { threads: 4, check: Check::Crc, ..WalkOptions::default() };
    let result = std::panic::catch_unwind(|| walk(&store, &Panics, &options, &Progress::default()));
    let panic = result.expect_err("it is passed on");
    let message = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
    assert_eq!(message, Some("the visitor's own trouble"));
}
