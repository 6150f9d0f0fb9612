//! Packs that git would not write.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ThreadId;
use std::time::Duration;

use keystile_git::object::{HashKind, Kind, ObjectId};
use keystile_git::progress::Progress;
use keystile_git::store::ObjectStore;
use keystile_git::walk::{Check, Lost, Object, Visitor, WalkOptions, walk};
use proptest::prelude::*;

use crate::packer::{Delta, Entry, Stored, appending, delta, id_of, whole, write};
use crate::repository::git;
use crate::seen::{Seen, see};

/// An object directory with these packs.
fn store(packs: &[&[Entry]]) -> (tempfile::TempDir, ObjectStore) {
    let root = tempfile::tempdir().expect("a directory");
    for (number, entries) in packs.iter().enumerate() {
        write(root.path(), &format!("pack-{number}"), entries);
    }
    let store = open(root.path());
    assert_eq!(store.gaps(), []);
    (root, store)
}

fn open(objects: &Path) -> ObjectStore {
    ObjectStore::open(objects, HashKind::Sha1).expect("it can be opened")
}

fn check_id() -> WalkOptions {
    WalkOptions { check: Check::Id, ..WalkOptions::default() }
}

/// Walks in every way; what is seen and what is lost must not depend on it, and `read` must agree.
fn outcome(store: &ObjectStore) -> (Seen, Vec<Lost>) {
    let (seen, first) = see(store, &check_id());
    for threads in 1..4 {
        let options = WalkOptions { threads, ..WalkOptions::default() };
        let (again, outcome) = see(store, &options);
        assert_eq!(outcome.lost, first.lost);
        assert!(*again.objects.lock().expect("no panic") == *seen.objects.lock().expect("no panic"));
    }
    for (id, (kind, content)) in seen.objects.lock().expect("no panic").iter() {
        assert_eq!(id_of(*kind, content), *id);
        assert_eq!(store.read(id).expect("whole"), Some((*kind, content.clone())), "{id}");
        assert_eq!(store.kind(id).expect("whole"), Some(*kind), "{id}");
    }
    for lost in &first.lost {
        store.read(&lost.id).expect_err("a lost object can't be read either");
    }
    (seen, first.lost)
}

fn contents(seen: &Seen) -> Vec<Vec<u8>> {
    let mut contents: Vec<_> =
        seen.objects.lock().expect("no panic").values().map(|(_, content)| content.clone()).collect();
    contents.sort();
    contents
}

/// The details of what is lost, by id.
fn detail(lost: &[Lost], id: ObjectId) -> &str {
    &lost.iter().find(|lost| lost.id == id).unwrap_or_else(|| panic!("{id} is not among {lost:?}")).detail
}

#[test]
fn a_base_by_id_may_come_before_or_after() {
    let (_root, store) = store(&[&[
        appending(Stored::OnId(id_of(Kind::Blob, b"one, two, ")), b"one, two, ", b"three"),
        appending(Stored::OnId(id_of(Kind::Blob, b"one, ")), b"one, ", b"two, "),
        whole(b"one, "),
        appending(Stored::OnEntry(2), b"one, ", b"other"),
    ]]);
    let (seen, lost) = outcome(&store);
    assert_eq!(lost, []);
    assert_eq!(contents(&seen), [&b"one, "[..], b"one, other", b"one, two, ", b"one, two, three"]);
    assert_eq!(seen.deltas.into_inner(), 3);
}

#[test]
fn a_thin_packs_bases_are_found_in_other_packs_and_among_loose_objects() {
    let base = Stored::OnId(id_of(Kind::Blob, b"packed elsewhere, "));
    let loose = Stored::OnId(id_of(Kind::Blob, b"loose, "));
    let root = tempfile::tempdir().expect("a directory");
    git(root.path(), &["init", "-q"], b"");
    git(root.path(), &["hash-object", "-w", "--stdin"], b"loose, ");
    let objects = root.path().join(".git/objects");
    write(&objects, "pack-0", &[appending(base, b"packed elsewhere, ", b"a"), appending(loose, b"loose, ", b"b")]);
    write(&objects, "pack-1", &[whole(b"packed elsewhere, ")]);
    let store = open(&objects);
    let (seen, lost) = outcome(&store);
    assert_eq!(lost, []);
    assert_eq!(contents(&seen), [&b"loose, "[..], b"loose, b", b"packed elsewhere, ", b"packed elsewhere, a"]);
    assert_eq!(seen.deltas.into_inner(), 2);
}

#[test]
fn a_missing_base_loses_its_deltas_by_name_and_nothing_else() {
    let missing = id_of(Kind::Blob, b"missing, ");
    let first = appending(Stored::OnId(missing), b"missing, ", b"a");
    let second = appending(Stored::OnEntry(0), b"missing, a", b"b");
    let (_root, store) = store(&[&[first.clone(), second.clone(), whole(b"here")]]);
    let (seen, lost) = outcome(&store);
    assert_eq!(contents(&seen), [b"here"]);
    assert_eq!(lost.len(), 2);
    assert_eq!(detail(&lost, first.id), format!("its delta base {missing} is missing"));
    assert_eq!(detail(&lost, second.id), format!("its delta base {} can't be read", first.id));
    let error = store.read(&second.id).expect_err("nor can it be read alone");
    assert_eq!(error.to_string(), format!("object {}: its delta base {missing} is missing", second.id));
}

#[test]
fn a_read_names_the_base_that_is_broken() {
    let broken = Entry { claimed: Some(1), ..whole(b"broken, ") };
    let mut entries = vec![broken.clone()];
    let mut content = b"broken, ".to_vec();
    for step in 0..5 {
        entries.push(appending(Stored::OnEntry(step), &content, b"."));
        content.push(b'.');
    }
    let (_root, store) = store(&[&entries]);
    let error = store.read(&entries[5].id).expect_err("its base is broken");
    let cause = "it expands to more than the 1 bytes that its header says";
    assert_eq!(error.detail, format!("its delta base {} can't be read: {cause}", broken.id));
}

#[test]
fn circles_of_bases_end_and_are_named() {
    let (a, b, c) = (id_of(Kind::Blob, b"a"), id_of(Kind::Blob, b"b"), id_of(Kind::Blob, b"c"));
    let own = id_of(Kind::Blob, b"itself");
    let any = Delta::new(1, 0).0;
    let (_root, store) = store(&[
        &[
            delta(Stored::OnId(b), a, any.clone()),
            delta(Stored::OnId(a), b, any.clone()),
            delta(Stored::OnEntry(1), c, any.clone()),
            delta(Stored::OnId(own), own, any),
            whole(b"here"),
        ],
        &[whole(b"there")],
    ]);
    let (seen, lost) = outcome(&store);
    assert_eq!(contents(&seen), [&b"here"[..], b"there"]);
    assert_eq!(lost.len(), 4);
    for id in [a, b, c, own] {
        assert!(detail(&lost, id).starts_with("its chain of delta bases leads back to itself"), "{lost:?}");
    }
}

#[test]
fn a_circle_is_broken_by_a_copy_elsewhere() {
    let (a, b) = (b"first, ", b"first, second");
    let mut back = Delta::new(b.len(), a.len());
    back.copy(0, a.len() as u32);
    let circle = [
        appending(Stored::OnId(id_of(Kind::Blob, a)), a, b"second"),
        delta(Stored::OnId(id_of(Kind::Blob, b)), id_of(Kind::Blob, a), back.0),
    ];
    let (_root, store) = store(&[&circle, &[whole(a)]]);
    let (seen, lost) = outcome(&store);
    assert_eq!(lost, []);
    assert_eq!(contents(&seen), [&a[..], b]);
}

#[test]
fn sizes_that_are_not_true_are_noticed_and_not_allocated() {
    let claims = |claimed, text: &[u8]| Entry { claimed: Some(claimed), ..whole(text) };
    let sized = |bytes: Vec<u8>| {
        let id = id_of(Kind::Blob, &bytes);
        delta(Stored::OnEntry(0), id, bytes)
    };
    let mut out_of_base = Delta::new(4, 4);
    out_of_base.copy(1, 4);
    let mut too_much = Delta::new(4, usize::MAX >> 1);
    (0..100).for_each(|_| too_much.copy(0, 4));
    let cases = [
        (claims(1 << 40, b"one"), "limit"),
        (claims(3 << 30, b"two"), "expands to 3 bytes, but its header says 3221225472"),
        (claims(6, b"three"), "expands to 5 bytes, but its header says 6"),
        (claims(3, b"four"), "more than the 3 bytes"),
        (claims(0, b"five"), "more than the 0 bytes"),
        (sized(Delta::new(5, 0).0), "made for a base of 5 bytes, but the base has 4"),
        (sized(out_of_base.0), "copies from outside of its base"),
        (sized(too_much.0), "makes 400 bytes, but says"),
        (sized(Vec::new()), "cut off"),
        (delta(Stored::OnDistance(3), id_of(Kind::Blob, b"six"), Vec::new()), "no object starts at byte"),
        (delta(Stored::OnDistance(1 << 30), id_of(Kind::Blob, b"7"), Vec::new()), "outside of the pack"),
    ];
    let mut entries = vec![whole(b"base")];
    entries.extend(cases.iter().map(|(entry, _)| entry.clone()));
    let (_root, store) = store(&[&entries]);
    let (seen, lost) = outcome(&store);
    assert_eq!(contents(&seen), [b"base"]);
    for (entry, wrong) in &cases {
        assert!(detail(&lost, entry.id).contains(wrong), "{wrong}: {}", detail(&lost, entry.id));
    }
}

#[test]
fn a_delta_bomb_stops_at_the_limit() {
    // A kilobyte of instructions makes 64 MB of one, and with another step 4 GB.
    let base = vec![0; 1 << 20];
    let mut bomb = Delta::new(base.len(), base.len() * 64);
    (0..64).for_each(|_| bomb.copy(0, 1 << 20));
    let (first, second) = (id_of(Kind::Blob, b"first bomb"), id_of(Kind::Blob, b"second bomb"));
    let entries = [
        whole(&base),
        delta(Stored::OnEntry(0), first, bomb.0),
        delta(Stored::OnEntry(1), second, Delta::new(base.len() * 64, 0).0),
    ];
    let (_root, store) = store(&[&entries]);
    let options = WalkOptions { max_object_bytes: Some(32 << 20), ..WalkOptions::default() };
    let (seen, outcome) = see(&store, &options);
    assert_eq!(contents(&seen).len(), 1);
    assert_eq!(detail(&outcome.lost, first), "it has 67108864 bytes, more than the limit of 33554432");
    assert_eq!(detail(&outcome.lost, second), format!("its delta base {first} can't be read"));
}

#[test]
fn content_that_is_not_its_id_is_noticed_when_ids_are_checked() {
    let mut entry = whole(b"what it is");
    entry.id = id_of(Kind::Blob, b"what it says it is");
    let derived = appending(Stored::OnEntry(0), b"what it is", b", and more");
    let (_root, store) = store(&[&[entry.clone(), derived, whole(b"honest")]]);
    let (_, outcome) = see(&store, &check_id());
    assert_eq!(outcome.lost.len(), 2);
    assert_eq!(
        detail(&outcome.lost, entry.id),
        format!("its content is not its id: it is {}", id_of(Kind::Blob, b"what it is"))
    );
    let (_, outcome) = see(&store, &WalkOptions::default());
    assert_eq!(outcome.lost, [], "by checksum alone it looks well");
    store.read(&entry.id).expect_err("single reads check");
}

#[test]
fn of_two_copies_the_first_counts_unless_it_is_broken() {
    let broken = Entry { claimed: Some(1), ..whole(b"twice, ") };
    let derived = appending(Stored::OnEntry(0), b"twice, ", b"and more");
    let further = appending(Stored::OnEntry(1), b"twice, and more", b", further");
    let (_root, store) = store(&[&[broken, derived, further], &[whole(b"other"), whole(b"twice, ")]]);
    assert_eq!(store.len(), 4);
    let (seen, lost) = outcome(&store);
    assert_eq!(lost, []);
    assert_eq!(contents(&seen), [&b"other"[..], b"twice, ", b"twice, and more", b"twice, and more, further"]);
    assert_eq!(seen.deltas.into_inner(), 2, "what came from elsewhere is a base like any other");
}

#[test]
fn a_chain_of_thousands_is_no_deeper_than_another() {
    let mut entries = vec![whole(b"0")];
    let mut content = b"0".to_vec();
    for step in 1..5000usize {
        entries.push(appending(Stored::OnEntry(step - 1), &content, b"."));
        content.push(b'.');
    }
    let (_root, store) = store(&[&entries]);
    let (seen, outcome) = see(&store, &WalkOptions::default());
    assert_eq!((outcome.objects, outcome.lost), (5000, vec![]));
    assert_eq!(seen.deltas.into_inner(), 4999);
    let last = entries.last().expect("many").id;
    assert_eq!(store.read(&last).expect("whole"), Some((Kind::Blob, content)));
}

/// Counts how much of what is kept is alive.
#[derive(Default)]
struct Counting {
    alive: AtomicUsize,
    most: AtomicUsize,
}

struct Kept<'a>(&'a AtomicUsize);

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<'a> Visitor for &'a Counting {
    type Scratch = ();
    type Kept = Kept<'a>;

    fn scratch(&self) {}

    fn wants(&self, _kind: Kind) -> bool {
        true
    }

    fn visit(&self, (): &mut (), _object: &Object<'_, Kept<'a>>, _is_base: bool) -> Kept<'a> {
        let alive = self.alive.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(alive, Ordering::SeqCst);
        Kept(&self.alive)
    }
}

/// A family in which the entry `n + 1` is based on the entry `bases[n]`.
fn family(bases: &[usize]) -> Vec<Entry> {
    let mut contents: Vec<Vec<u8>> = vec![b"root".to_vec()];
    let mut entries = vec![whole(b"root")];
    for (number, &base) in bases.iter().enumerate() {
        let more = format!("{number},");
        entries.push(appending(Stored::OnEntry(base), &contents[base], more.as_bytes()));
        contents.push([&contents[base][..], more.as_bytes()].concat());
    }
    entries
}

fn most_alive(bases: &[usize]) -> usize {
    let entries = family(bases);
    let (_root, store) = store(&[&entries]);
    let counting = Counting::default();
    let options = WalkOptions { threads: 1, ..WalkOptions::default() };
    let outcome = walk(&store, &&counting, &options, &Progress::default());
    assert_eq!(outcome.objects, entries.len() as u64);
    assert_eq!(counting.alive.into_inner(), 0, "nothing is kept for longer than needed");
    counting.most.into_inner()
}

#[test]
fn a_broad_family_keeps_few_bases_alive() {
    assert_eq!(most_alive(&[0; 3000]), 2, "one base, one child");
    let chain: Vec<usize> = (0..1000).collect();
    assert_eq!(most_alive(&chain), 2, "one base, one child, whatever the depth");
    let comb: Vec<usize> = (0..1000).map(|n| n / 2 * 2).collect();
    assert_eq!(most_alive(&comb), 2, "a chain whose links have a leaf each");
}

/// Notes which threads see objects, and gives the others time to come.
#[derive(Default)]
struct Threads(Mutex<HashSet<ThreadId>>);

impl Visitor for Threads {
    type Scratch = ();
    type Kept = ();

    fn scratch(&self) {}

    fn wants(&self, _kind: Kind) -> bool {
        true
    }

    fn visit(&self, (): &mut (), _object: &Object<'_, ()>, _is_base: bool) {
        self.0.lock().expect("no panic").insert(std::thread::current().id());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn one_family_is_split_over_the_threads() {
    let bases: Vec<usize> = (0..300).map(|number| number / 2).collect();
    let (_root, store) = store(&[&family(&bases)]);
    let threads = Threads::default();
    let options = WalkOptions { threads: 3, ..WalkOptions::default() };
    walk(&store, &threads, &options, &Progress::default());
    assert_eq!(threads.0.into_inner().expect("no panic").len(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_family_keeps_no_more_than_its_doublings_alive(
        seeds in proptest::collection::vec(any::<prop::sample::Index>(), 1..400)
    ) {
        let bases: Vec<usize> = seeds.iter().enumerate().map(|(number, seed)| seed.index(number + 1)).collect();
        let size = bases.len() + 1;
        let bound = size.next_power_of_two().trailing_zeros() as usize + 2;
        prop_assert!(most_alive(&bases) <= bound, "{} alive of {size}, {bases:?}", most_alive(&bases));
    }
}
