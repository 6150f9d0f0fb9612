//! The graph on real packs with long chains of deltas, and on trees that no honest git would write.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::process::{Command, Stdio};

use super::prune::Pruned;
use super::reach::Reach;
use super::*;
use crate::Progress;
use crate::object::{HashKind, ObjectIndex};
use crate::store::ObjectStore;
use crate::walk::{Object, Visitor, WalkOptions, walk};

struct Repository {
    folder: tempfile::TempDir,
}

impl Repository {
    fn new() -> Self {
        let repository = Self { folder: tempfile::tempdir().unwrap() };
        repository.git(&["init", "-q", "--bare", "-b", "main"], "");
        repository
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn git(&self, args: &[&str], input: &str) -> String {
        let mut git = Command::new("git")
            .args(args)
            .current_dir(self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut git.stdin.take().unwrap(), input.as_bytes()).unwrap();
        let output = git.wait_with_output().unwrap();
        assert!(output.status.success(), "{args:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn store(&self) -> ObjectStore {
        ObjectStore::open(&self.path().join("objects"), HashKind::Sha1).unwrap()
    }
}

struct Reader<'a>(&'a Builder<'a>);

impl<'a> Visitor for Reader<'a> {
    type Scratch = Scratch<'a>;
    type Kept = Option<KeptTree>;

    fn scratch(&self) -> Scratch<'a> {
        self.0.scratch()
    }

    fn wants(&self, _: Kind) -> bool {
        true
    }

    fn visit(&self, scratch: &mut Scratch<'a>, object: &Object<'_, Self::Kept>, is_base: bool) -> Self::Kept {
        match object.kind {
            Kind::Tree => {
                let base = object.base.as_ref().and_then(|base| Some((base.kept?.as_ref()?, base.ops)));
                return scratch.tree(object.index, object.data, base, is_base);
            }
            Kind::Blob => self.0.blob(object.index, object.data.len() as u64),
            Kind::Commit => scratch.commit(object.index, object.data),
            Kind::Tag => scratch.tag(object.index, object.data),
        }
        None
    }
}

fn read(store: &ObjectStore) -> Graph {
    let builder = Builder::new(store);
    let outcome = walk(store, &Reader(&builder), &WalkOptions::default(), &Progress::default());
    assert_eq!(outcome.lost, []);
    builder.finish()
}

/// A history of one directory with many files, of which each commit changes, adds or removes some.
fn wide() -> Repository {
    let repository = Repository::new();
    let mut stream = String::new();
    let mut state = 1_u64;
    for commit in 1..=80_u64 {
        stream.push_str(&format!("commit refs/heads/main\ncommitter C <c> {} +0000\ndata 0\n", 1000 + commit));
        for _ in 0..if commit == 1 { 400 } else { 6 } {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let file = (state >> 33) % 500;
            let directory = ["", "d/", "d/e/"][(file % 3) as usize];
            let content = format!("{}\n", (state >> 40) % 300);
            match state >> 60 {
                0 => stream.push_str(&format!("D {directory}file{file}\n")),
                _ => stream
                    .push_str(&format!("M 100644 inline {directory}file{file}\ndata {}\n{content}\n", content.len())),
            }
        }
        stream.push('\n');
    }
    repository.git(&["fast-import", "--quiet", "--force"], &stream);
    repository.git(&["repack", "-adfq", "--depth=250", "--window=50"], "");
    repository
}

#[test]
fn trees_stored_as_deltas_have_all_their_entries() {
    let repository = wide();
    let store = repository.store();
    let graph = read(&store);
    let size = graph.size();
    assert!(size.entries > 8 * size.stored_entries as u64, "the pack has deltas, or this test shows nothing: {size:?}");
    let objects = repository.git(&["cat-file", "--batch-all-objects", "--batch-check=%(objecttype) %(objectname)"], "");
    let mut trees = 0;
    for tree in objects.lines().filter_map(|line| line.strip_prefix("tree ")) {
        let listed: BTreeSet<String> = repository
            .git(&["ls-tree", "--format=%(objecttype) %(objectname) %(path)", tree], "")
            .lines()
            .map(str::to_owned)
            .collect();
        let node = store.lookup(&ObjectId::from_hex(tree.as_bytes()).unwrap()).unwrap().0;
        let mut found = BTreeSet::new();
        assert!(graph.for_each_entry(node, |entry| {
            let kind = if entry.kind() == EntryKind::Tree { "tree" } else { "blob" };
            let id = store.id(ObjectIndex(entry.child()));
            assert!(found.insert(format!("{kind} {id} {}", graph.names().get(entry.name()))), "each entry once");
        }));
        assert_eq!(found, listed, "{tree}");
        trees += 1;
    }
    assert_eq!(trees, size.trees);
}

#[test]
fn a_part_of_the_history_reaches_what_git_says() {
    let repository = wide();
    let store = repository.store();
    let graph = read(&store);
    let shallow = HashSet::new();
    // Most of the trees that these are made from are not reached from here.
    for revision in ["main~79", "main~40", "main~3"] {
        let listed: BTreeSet<String> = repository
            .git(&["rev-list", "--objects", "--no-object-names", revision], "")
            .lines()
            .map(str::to_owned)
            .collect();
        let id = repository.git(&["rev-parse", revision], "");
        let mut reach = Reach::new(&graph, &shallow);
        reach.extend(store.lookup(&ObjectId::from_hex(id.as_bytes()).unwrap()).map(|index| index.0));
        let reached: BTreeSet<String> =
            reach.nodes().iter().map(|node| store.id(ObjectIndex(node)).to_string()).collect();
        assert_eq!(reached, listed, "{revision}");
        assert_eq!(reach.counts().all(), listed.len() as u64, "{revision}");
    }
}

#[test]
fn every_path_is_named_once() {
    let repository = wide();
    let store = repository.store();
    let graph = read(&store);
    let (mut listed, mut blobs) = (BTreeSet::new(), BTreeSet::new());
    for commit in repository.git(&["rev-list", "main"], "").lines() {
        listed.extend(repository.git(&["ls-tree", "-r", "--name-only", commit], "").lines().map(str::to_owned));
        for line in repository.git(&["ls-tree", "-r", commit], "").lines() {
            let (facts, path) = line.split_once('\t').unwrap();
            blobs.insert((facts.rsplit(' ').next().unwrap().to_owned(), path.to_owned()));
        }
    }
    let mut commits: Vec<_> = graph.commits().collect();
    for newest_first in [true, false] {
        commits.sort_by_key(|commit| if newest_first { -commit.seconds } else { commit.seconds });
        let mut found = Vec::new();
        let roots = commits.iter().map(|commit| commit.tree);
        let mut found_blobs = BTreeSet::new();
        let file = |path: &bstr::BStr, _| {
            found.push(path.to_string());
            found.len() - 1
        };
        let mut at = Vec::new();
        assert!(paths::for_each_path(&graph, roots, file, |blob, path| at.push((blob, path))));
        for (blob, path) in at {
            found_blobs.insert((store.id(ObjectIndex(blob)).to_string(), found[path].clone()));
        }
        assert_eq!(found_blobs, blobs);
        found.sort();
        assert_eq!(found, listed.iter().cloned().collect::<Vec<_>>());
    }
}

#[test]
fn pruned_trees_are_the_trees_without_the_rest() {
    let repository = wide();
    let store = repository.store();
    let graph = read(&store);
    let is_wanted = |entry: Entry| entry.kind() == EntryKind::Blob && entry.child().is_multiple_of(40);
    let pruned = Pruned::new(&graph, is_wanted);
    let mut shapes = std::collections::HashMap::new();
    for commit in graph.commits() {
        let whole = expand(&graph, commit.tree, &is_wanted);
        let shape = pruned.shape(&graph, commit.tree);
        let mut cut = BTreeSet::new();
        if let Some(shape) = shape {
            let mut open = vec![(shape, String::new())];
            while let Some((shape, directory)) = open.pop() {
                for entry in pruned.entries(shape) {
                    let path = format!("{directory}{}", graph.names().get(entry.name()));
                    match entry.kind() {
                        EntryKind::Tree => open.push((entry.child(), path + "/")),
                        _ => assert!(cut.insert((path, entry.child()))),
                    }
                }
            }
        }
        assert_eq!(cut, whole);
        assert_eq!(shapes.entry(whole).or_insert(shape), &shape, "equal trees have one shape");
    }
    assert!(shapes.len() > 10, "{}", shapes.len());
}

fn expand(graph: &Graph, tree: Node, is_wanted: &impl Fn(Entry) -> bool) -> BTreeSet<(String, Node)> {
    let mut all = BTreeSet::new();
    graph.for_each_entry(tree, |entry| {
        let name = graph.names().get(entry.name());
        if entry.kind() == EntryKind::Tree {
            let below = expand(graph, entry.child(), is_wanted);
            all.extend(below.into_iter().map(|(path, node)| (format!("{name}/{path}"), node)));
        } else if is_wanted(entry) {
            all.insert((name.to_string(), entry.child()));
        }
    });
    all
}

/// A store of `N` objects, whose contents the test makes up.
fn forge<const N: usize>() -> (Repository, ObjectStore, [ObjectIndex; N]) {
    let repository = Repository::new();
    for object in 0..N {
        repository.git(&["hash-object", "-w", "--stdin"], &object.to_string());
    }
    let store = repository.store();
    (repository, store, std::array::from_fn(|at| ObjectIndex(at as u32)))
}

fn tree_of(store: &ObjectStore, entries: &[(&str, &str, ObjectIndex)]) -> Vec<u8> {
    let mut data = Vec::new();
    for (mode, name, child) in entries {
        data.extend_from_slice(format!("{mode} {name}\0").as_bytes());
        data.extend_from_slice(store.id(*child).as_bytes());
    }
    data
}

#[test]
fn trees_that_contain_themselves_end() {
    let (_repository, store, [blob, first, second, commit]) = forge();
    let builder = Builder::new(&store);
    let mut scratch = builder.scratch();
    builder.blob(blob, 1);
    let inner = [("40000", "up", first), ("100644", "file", blob)];
    scratch.tree(first, &tree_of(&store, &[("40000", "down", second), ("40000", "self", first)]), None, false);
    scratch.tree(second, &tree_of(&store, &inner), None, false);
    let header = format!("tree {}\nparent {}\n", store.id(first), store.id(commit));
    scratch.commit(commit, header.as_bytes());
    drop(scratch);
    let graph = builder.finish();
    let shallow = HashSet::new();
    let mut reach = Reach::new(&graph, &shallow);
    reach.extend([commit.0]);
    assert_eq!(reach.counts(), reach::Counts { commits: 1, trees: 2, blobs: 1, tags: 0, missing: 0 });
    let pruned = Pruned::new(&graph, |entry| entry.kind() == EntryKind::Blob);
    assert!(!pruned.cycles().is_empty());
    assert!(pruned.shape(&graph, first.0).is_some(), "what lies beside the circle is still there");
    assert!(!paths::for_each_path(&graph, [first.0], |_, _| {}, |_, ()| {}), "the paths have no end");
}

#[test]
fn an_object_of_another_kind_than_is_said_is_noticed() {
    let (_repository, store, [blob, tree, commit]) = forge();
    let builder = Builder::new(&store);
    let mut scratch = builder.scratch();
    builder.blob(blob, 1);
    scratch.tree(tree, &tree_of(&store, &[("40000", "directory", blob)]), None, false);
    scratch.commit(commit, format!("tree {}\n", store.id(tree)).as_bytes());
    drop(scratch);
    let graph = builder.finish();
    let shallow = HashSet::new();
    let mut reach = Reach::new(&graph, &shallow);
    reach.extend([commit.0]);
    assert_eq!(reach.mismatches(), [reach::Mismatch { node: blob.0, expected: Kind::Tree }]);
}

#[test]
fn what_has_not_its_kinds_form_is_malformed() {
    let (_repository, store, [tree, commit, tag, cut]) = forge();
    let builder = Builder::new(&store);
    let mut scratch = builder.scratch();
    scratch.tree(tree, b"not a tree", None, false);
    let whole = tree_of(&store, &[("100644", "a", tag), ("100644", "b", tag)]);
    scratch.tree(cut, &whole[..whole.len() - 1], None, false);
    scratch.commit(commit, b"not a commit");
    scratch.tag(tag, b"not a tag");
    drop(scratch);
    let graph = builder.finish();
    for (index, kind) in [(tree, Kind::Tree), (cut, Kind::Tree), (commit, Kind::Commit), (tag, Kind::Tag)] {
        assert_eq!(graph.state(index.0), State::Malformed(kind));
    }
    assert_eq!((graph.malformed().len(), graph.size().entries), (4, 0));
}
