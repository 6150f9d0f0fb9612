//! Damage: whatever byte is wrong, nothing panics, nothing wrong is handed out as right, and what is
//! lost is named.

use std::path::Path;

use keystile_git::coverage::GapKind;
use keystile_git::walk::{Check, WalkOptions};

use crate::repository::Repository;
use crate::seen::see;

/// Puts a file back as it was.
struct Original<'a> {
    path: &'a Path,
    bytes: Vec<u8>,
}

impl<'a> Original<'a> {
    fn of(path: &'a Path) -> Self {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(path, permissions).expect("permissions");
        Self { path, bytes: std::fs::read(path).expect("a file") }
    }

    /// In place of the file, a new one: a mapping of the old one stays as it is.
    fn replace(&self, bytes: &[u8]) {
        std::fs::remove_file(self.path).expect("removed");
        std::fs::write(self.path, bytes).expect("written");
    }
}

/// What must hold for each damage: right content only, and everything missing is named somewhere.
/// Says whether anything at all was noticed.
fn holds(repository: &Repository, expected: &Expected, what: &str) -> bool {
    let store = repository.open();
    let (seen, outcome) = see(&store, &WalkOptions { threads: 1, check: Check::Crc, ..WalkOptions::default() });
    let objects = seen.objects.lock().expect("no panic");
    for (id, (kind, content)) in objects.iter() {
        let Some((expected_kind, expected)) = expected.get(id) else { panic!("{what}: {id} was never there") };
        assert!(kind.to_string() == *expected_kind && content == expected, "{what}: {id} is not what it was");
    }
    for id in expected.keys().filter(|id| !objects.contains_key(*id)) {
        let named = outcome.lost.iter().any(|lost| lost.id == *id && !lost.detail.is_empty());
        assert!(named || !store.gaps().is_empty(), "{what}: {id} is gone without a word");
    }
    !outcome.lost.is_empty() || !store.gaps().is_empty()
}

type Expected = std::collections::BTreeMap<keystile_git::ObjectId, (String, Vec<u8>)>;

fn small() -> (Repository, Expected) {
    let repository = Repository::new();
    repository.fill(8);
    repository.repack();
    let expected = repository.expected();
    (repository, expected)
}

fn flip_everywhere(ending: &str, step: usize) {
    let (repository, expected) = small();
    let path = repository.pack_file(ending);
    let original = Original::of(&path);
    for at in (0..original.bytes.len()).step_by(step).chain(original.bytes.len() - 44..original.bytes.len()) {
        for bits in [0x01, 0x80, 0xff] {
            let mut bytes = original.bytes.clone();
            bytes[at] ^= bits;
            original.replace(&bytes);
            let what = format!("byte {at} of the {ending} with {bits:#x} flipped");
            let noticed = holds(&repository, &expected, &what);
            // A pack of version 3 is read like one of version 2.
            assert!(noticed || (ending, at, bits) == ("pack", 7, 0x01), "{what}: nobody noticed");
        }
    }
}

#[test]
fn flipped_bytes_in_a_pack_are_noticed() {
    flip_everywhere("pack", 7);
}

#[test]
fn flipped_bytes_in_an_index_are_noticed_and_cost_nothing() {
    flip_everywhere("idx", 13);
}

#[test]
fn a_pack_or_index_that_is_cut_off_is_noticed() {
    let (repository, expected) = small();
    for ending in ["pack", "idx"] {
        let path = repository.pack_file(ending);
        let original = Original::of(&path);
        let len = original.bytes.len();
        for keep in [0, 1, 4, 11, 12, 13, 31, 32, 33, len / 4, len / 2, len - 21, len - 20, len - 19, len - 1] {
            original.replace(&original.bytes[..keep]);
            let what = format!("the {ending} with {keep} of {len} bytes");
            assert!(holds(&repository, &expected, &what), "{what}: nobody noticed");
        }
        original.replace(&original.bytes);
    }
}

#[test]
fn what_lies_before_the_damage_is_read_and_the_rest_is_named() {
    let (repository, expected) = small();
    let path = repository.pack_file("pack");
    let original = Original::of(&path);
    original.replace(&original.bytes[..original.bytes.len() / 2]);
    let store = repository.open();
    let gaps: Vec<_> = store.gaps().iter().map(|gap| (gap.kind, &gap.what[..], &gap.detail[..])).collect();
    let name = path.display().to_string();
    let cut = "it does not end with the checksum that its index has: it is cut off, or damaged";
    assert_eq!(gaps, [(GapKind::CorruptPack, &name[..], cut)]);
    let (_, outcome) = see(&store, &WalkOptions::default());
    assert!(outcome.objects > 0 && !outcome.lost.is_empty());
    assert_eq!(outcome.objects as usize + outcome.lost.len(), expected.len());
}

#[test]
fn a_broken_index_is_done_without() {
    let (repository, expected) = small();
    let path = repository.pack_file("idx");
    let original = Original::of(&path);
    let mut bytes = original.bytes.clone();
    bytes[1100] ^= 1;
    original.replace(&bytes);
    let store = repository.open();
    assert_eq!(store.gaps().len(), 1, "{:?}", store.gaps());
    let detail = &store.gaps()[0].detail;
    assert!(detail.contains("does not match its own checksum") && detail.contains("git index-pack"), "{detail}");
    let (seen, outcome) = see(&store, &WalkOptions::default());
    assert_eq!(outcome.lost, []);
    crate::seen::assert_equal(&seen, &expected);
}

#[test]
fn flipped_bytes_in_a_loose_object_are_noticed() {
    let repository = Repository::new();
    repository.write("file", b"some text, not long, but long enough to be compressed, some text, not long\n");
    repository.commit("one");
    let expected = repository.expected();
    let blob = repository.git(&["rev-parse", "HEAD:file"]);
    let path = repository.objects().join(&blob[..2]).join(blob[2..].trim());
    let original = Original::of(&path);
    for at in 0..original.bytes.len() {
        for bits in [0x01, 0x40, 0xff] {
            let mut bytes = original.bytes.clone();
            bytes[at] ^= bits;
            original.replace(&bytes);
            holds(&repository, &expected, &format!("byte {at} of a loose object with {bits:#x} flipped"));
        }
    }
    for (bytes, wrong) in [
        (&[][..], "its file is empty"),
        (&original.bytes[..original.bytes.len() - 1], "cut off"),
        (&original.bytes[..10], "not kind and size"),
        (&[&original.bytes[..], b"x"].concat(), "goes on for 1 bytes"),
    ] {
        original.replace(bytes);
        let store = repository.open();
        let (_, outcome) = see(&store, &WalkOptions::default());
        let lost: Vec<_> = outcome.lost.iter().map(|lost| lost.id.to_string()).collect();
        assert_eq!(lost, [blob.trim()]);
        assert!(outcome.lost[0].detail.contains(wrong), "{wrong}: {}", outcome.lost[0].detail);
    }
}

#[test]
fn a_loose_object_whose_content_is_not_its_id_is_lost() {
    let repository = Repository::new();
    repository.write("file", b"one");
    repository.write("other", b"two");
    repository.commit("both");
    let path = |name: &str| {
        let id = repository.git(&["rev-parse", &format!("HEAD:{name}")]);
        repository.objects().join(&id[..2]).join(id[2..].trim())
    };
    let other = std::fs::read(path("other")).expect("a file");
    Original::of(&path("file")).replace(&other);
    let (_, outcome) = see(&repository.open(), &WalkOptions::default());
    assert_eq!(outcome.lost.len(), 1);
    assert!(outcome.lost[0].detail.starts_with("its content is not its id"), "{:?}", outcome.lost);
}

#[test]
fn a_damaged_object_is_taken_from_another_pack() {
    let (repository, expected) = small();
    // A second pack with everything whole, beside the first with its deltas.
    let ids: String = expected.keys().map(|id| format!("{id}\n")).collect();
    repository.git_with(&["pack-objects", "-q", "--window=0", ".git/objects/pack/pack"], ids.as_bytes());
    let packs: Vec<_> = std::fs::read_dir(repository.objects().join("pack"))
        .expect("packs")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pack"))
        .collect();
    assert_eq!(packs.len(), 2);
    for path in &packs {
        let original = Original::of(path);
        for at in (12..original.bytes.len() - 20).step_by(original.bytes.len() / 40) {
            let mut bytes = original.bytes.clone();
            bytes[at] ^= 0x10;
            original.replace(&bytes);
            let store = repository.open();
            assert_eq!(store.len(), expected.len());
            let (seen, outcome) = see(&store, &WalkOptions { threads: 2, check: Check::Id, ..WalkOptions::default() });
            assert_eq!(outcome.lost, [], "byte {at}");
            crate::seen::assert_equal(&seen, &expected);
        }
        original.replace(&original.bytes);
    }
}
