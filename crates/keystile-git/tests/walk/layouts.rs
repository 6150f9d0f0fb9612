//! Where objects lie: several packs, loose, alternates, packs without an index.

use keystile_git::coverage::GapKind;
use keystile_git::walk::{Check, WalkOptions};

use crate::repository::{Repository, files, git};
use crate::seen::{assert_equal, see};

#[test]
fn many_packs_and_loose_objects_with_duplicates_are_seen_once() {
    let repository = Repository::new();
    for round in 0..4 {
        repository.write("round", format!("round {round}").as_bytes());
        repository.fill_more(5, round);
        repository.git(&["repack", "-q", "-d"]);
    }
    // Everything once more in one pack, and loose objects, some of them packed as well.
    repository.git(&["repack", "-q", "-a"]);
    repository.write("loose", b"a loose one");
    repository.commit("loose");
    let ids: String = repository.expected().keys().step_by(3).map(|id| format!("{id}\n")).collect();
    repository.git_with(&["pack-objects", "-q", ".git/objects/pack/pack"], ids.as_bytes());
    std::fs::write(repository.objects().join("pack/tmp_pack_a1b2c3"), b"PACK of a fetch that was broken off")
        .expect("a file");
    let before = files(repository.path());
    let store = repository.open();
    assert_eq!((store.gaps(), store.notes()), (&[][..], &[][..]));
    let expected = repository.expected();
    assert_eq!(store.len(), expected.len());
    let (seen, outcome) = see(&store, &WalkOptions::default());
    assert_eq!(outcome.lost, []);
    assert_equal(&seen, &expected);
    for (index, id) in expected.keys().enumerate() {
        let found = store.lookup(id).expect("it is there");
        assert_eq!(found.as_usize(), index, "numbers are in the order of the ids");
    }
    assert!(files(repository.path()) == before, "the repository is as before");
}

#[test]
fn old_and_wide_indexes_are_read() {
    for version in ["--index-version=1", "--index-version=2,0x40"] {
        let repository = Repository::new();
        repository.fill(10);
        repository.repack();
        let (pack, index) = (repository.pack_file("pack"), repository.pack_file("idx"));
        std::fs::remove_file(&index).expect("removed");
        let pack = pack.display().to_string();
        repository.git(&["index-pack", version, "-o", &index.display().to_string(), &pack]);
        let store = repository.open();
        assert_eq!(store.gaps(), [], "{version}");
        let (seen, outcome) = see(&store, &WalkOptions::default());
        assert_eq!(outcome.lost, [], "{version}");
        assert_equal(&seen, &repository.expected());
    }
}

#[test]
fn a_pack_without_an_index_is_read_and_said() {
    let repository = Repository::new();
    repository.fill(10);
    repository.repack();
    let expected = repository.expected();
    std::fs::remove_file(repository.pack_file("idx")).expect("removed");
    let store = repository.open();
    assert_eq!(store.gaps(), []);
    assert_eq!(store.notes().len(), 1);
    assert!(store.notes()[0].contains("has no index") && store.notes()[0].contains("git index-pack"));
    let (seen, outcome) = see(&store, &WalkOptions::default());
    assert_eq!(outcome.lost, []);
    assert_equal(&seen, &expected);
}

#[test]
fn a_damaged_pack_without_an_index_is_read_up_to_the_damage() {
    let repository = Repository::new();
    repository.fill(10);
    repository.repack();
    let expected = repository.expected();
    std::fs::remove_file(repository.pack_file("idx")).expect("removed");
    let pack = repository.pack_file("pack");
    let whole = std::fs::read(&pack).expect("a pack");
    for keep in (0..whole.len()).step_by(whole.len() / 25) {
        std::fs::remove_file(&pack).expect("removed");
        std::fs::write(&pack, &whole[..keep]).expect("written");
        let store = repository.open();
        assert!(!store.gaps().is_empty(), "{keep} bytes");
        assert!(store.gaps().iter().all(|gap| gap.kind == GapKind::CorruptPack), "{:?}", store.gaps());
        let (seen, _) = see(&store, &WalkOptions { check: Check::Id, threads: 1, ..WalkOptions::default() });
        let objects = seen.objects.lock().expect("no panic");
        assert!(objects.iter().all(|(id, (_, content))| expected[id].1 == *content));
        assert_eq!(objects.len(), store.len());
        assert!(keep < whole.len() / 2 || !objects.is_empty(), "{keep} of {} bytes give nothing", whole.len());
    }
}

#[test]
fn an_index_without_its_pack_is_a_gap() {
    let repository = Repository::new();
    repository.fill(3);
    repository.repack();
    std::fs::remove_file(repository.pack_file("pack")).expect("removed");
    let store = repository.open();
    assert_eq!(store.len(), 0);
    assert_eq!(store.gaps().len(), 1);
    assert_eq!(store.gaps()[0].what, repository.pack_file("idx").display().to_string());
    assert!(store.gaps()[0].detail.starts_with("its pack is not there"), "{:?}", store.gaps());
}

#[test]
fn what_is_no_file_is_a_gap_and_is_not_waited_for() {
    let repository = Repository::new();
    repository.fill(3);
    repository.repack();
    let directory = repository.objects().join("pack");
    std::fs::create_dir(directory.join("folder.pack")).expect("a folder");
    let (pack, list) = (directory.join("pipe.pack"), repository.objects().join("info/alternates"));
    let loose = repository.objects().join(format!("aa/{}", "a".repeat(38)));
    std::fs::create_dir(loose.parent().expect("a directory")).expect("a folder");
    let made = std::process::Command::new("mkfifo").args([&pack, &list, &loose]).status().expect("mkfifo runs");
    assert!(made.success());
    let store = repository.open();
    let gaps: Vec<_> = store.gaps().iter().map(|gap| (gap.kind, gap.detail.contains("not a file"))).collect();
    let (pack, list) = (GapKind::CorruptPack, GapKind::MissingAlternate);
    assert_eq!(gaps, [(list, true), (pack, true), (pack, true)], "{:?}", store.gaps());
    let (_, outcome) = see(&store, &WalkOptions::default());
    let lost: Vec<_> = outcome.lost.iter().map(|lost| (lost.id.to_string(), &lost.detail[..])).collect();
    assert_eq!(lost, [("a".repeat(40), "it is not a file")]);
    assert!(outcome.objects > 10);
}

#[test]
fn alternates_are_part_of_the_store() {
    let upstream = Repository::new();
    upstream.fill(10);
    upstream.repack();
    let middle = tempfile::tempdir().expect("a directory");
    let last = tempfile::tempdir().expect("a directory");
    let clone = |from: &std::path::Path, to: &std::path::Path| {
        git(to, &["clone", "-q", "--shared", "--bare", &from.display().to_string(), "."], b"");
    };
    clone(&upstream.path().join(".git"), middle.path());
    git(middle.path(), &["hash-object", "-w", "--stdin"], b"only in the middle");
    clone(middle.path(), last.path());
    let expected = {
        let mut expected = upstream.expected();
        let content = b"only in the middle";
        let id = crate::packer::id_of(keystile_git::Kind::Blob, content);
        expected.insert(id, ("blob".to_owned(), content.to_vec()));
        expected
    };
    let open = || keystile_git::store::ObjectStore::open(&last.path().join("objects"), upstream.hash).expect("opens");
    let store = open();
    assert_eq!(store.gaps(), []);
    let (seen, outcome) = see(&store, &WalkOptions::default());
    assert_eq!(outcome.lost, []);
    assert_equal(&seen, &expected);
    // One link of the chain goes.
    std::fs::rename(upstream.path().join(".git/objects"), upstream.path().join(".git/gone")).expect("renamed");
    let store = open();
    assert_eq!(store.len(), 1);
    let gaps: Vec<_> = store.gaps().iter().map(|gap| (gap.kind, gap.what.clone())).collect();
    assert_eq!(gaps, [(GapKind::MissingAlternate, upstream.objects().display().to_string())]);
}

#[test]
fn an_object_directory_that_is_not_there_is_an_error() {
    let repository = Repository::new();
    let missing = repository.path().join("missing");
    let error = keystile_git::store::ObjectStore::open(&missing, repository.hash).expect_err("nothing there");
    assert_eq!(error.to_string(), format!("while reading {}", missing.display()));
}
