//! Opening repositories of every layout, and reading their references.

mod support;

use std::fs;
use std::path::Path;

use keystile_git::repository::{Head, Location, Promisor};
use keystile_git::{Error, GapKind, ObjectId, Repository};
use support::Fixture;

fn id(hex: &str) -> ObjectId {
    ObjectId::from_hex(hex.as_bytes()).expect("an id")
}

fn open(path: &Path) -> Repository {
    Repository::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn names(repository: &Repository) -> Vec<String> {
    repository.references().references.iter().map(|reference| reference.name.to_string()).collect()
}

#[test]
fn is_found_from_any_path_inside() {
    let fixture = Fixture::new();
    fixture.write("a/b/c.txt", "text");
    let commit = fixture.commit("first");
    for inside in ["", "a", "a/b", "a/b/c.txt", ".git", ".git/refs/heads"] {
        let repository = open(&fixture.path.join(inside));
        assert_eq!(repository.git_dir(), fixture.path.join(".git"), "from {inside:?}");
        assert_eq!(repository.work_tree(), Some(fixture.path.as_path()), "from {inside:?}");
        assert_eq!(repository.head(), Head::Branch { name: "refs/heads/main".into(), target: id(&commit) });
    }
    let outside = fixture.outside();
    assert!(matches!(Repository::open(&outside), Err(Error::NotARepository { .. })), "outside of any repository");
    assert!(matches!(Repository::open(&outside.join("absent")), Err(Error::NotARepository { .. })), "no such path");
}

#[test]
fn bare_separate_and_linked_layouts_open() {
    let fixture = Fixture::new();
    fixture.write("a.txt", "text");
    let commit = fixture.commit("first");
    fixture.git(&["clone", "-q", "--bare", ".", "../bare.git"]);
    fixture.git(&["clone", "-q", "--separate-git-dir=../separate.git", ".", "../separate"]);
    fixture.git(&["worktree", "add", "-q", "-b", "linked", "../linked"]);
    let outside = fixture.outside();

    let bare = open(&outside.join("bare.git"));
    assert_eq!((bare.git_dir(), bare.work_tree()), (outside.join("bare.git").as_path(), None));

    let separate = open(&outside.join("separate"));
    assert_eq!(separate.git_dir(), outside.join("separate.git"));
    assert_eq!(separate.work_tree(), Some(outside.join("separate").as_path()));

    let linked = open(&outside.join("linked"));
    assert_eq!(linked.git_dir(), fixture.path.join(".git/worktrees/linked"));
    assert_eq!(linked.common_dir(), fixture.path.join(".git"));
    assert_eq!(linked.work_tree(), Some(outside.join("linked").as_path()));
    assert_eq!(linked.index_file(), fixture.path.join(".git/worktrees/linked/index"));
    assert_eq!(linked.head(), Head::Branch { name: "refs/heads/linked".into(), target: id(&commit) });
    assert_eq!(names(&linked), ["refs/heads/linked", "refs/heads/main"]);
    // By its git directory alone, the same work tree.
    let by_git_dir = open(&fixture.path.join(".git/worktrees/linked"));
    assert_eq!(by_git_dir.work_tree(), Some(outside.join("linked").as_path()));
}

#[test]
fn location_overrides_discovery_like_git_environment() {
    let fixture = Fixture::new();
    fixture.write("a.txt", "text");
    fixture.commit("first");
    let outside = fixture.outside();
    let location = Location {
        path: outside.clone(),
        git_dir: Some(fixture.path.join(".git")),
        work_tree: Some(fixture.path.clone()),
        index_file: Some(outside.join("next-index")),
        ..Location::default()
    };
    let repository = Repository::open_at(&location).expect("opens");
    assert_eq!(repository.git_dir(), fixture.path.join(".git"));
    assert_eq!(repository.work_tree(), Some(fixture.path.as_path()));
    assert_eq!(repository.index_file(), outside.join("next-index"));
}

#[test]
fn damage_is_named_and_no_other_repository_taken_instead() {
    let outer = Fixture::new();
    outer.write("inner/a.txt", "text");
    let inner = outer.path.join("inner");
    support::git(&inner, &["init", "-q"]);
    fs::remove_dir_all(inner.join(".git/objects")).expect("there");
    match Repository::open(&inner) {
        Err(Error::Usage(text)) => assert!(text.contains("inner/.git is damaged"), "{text}"),
        other => panic!("{other:?}"),
    }
    // References can be gone; then there is HEAD.
    fs::create_dir(inner.join(".git/objects")).expect("made");
    fs::remove_dir_all(inner.join(".git/refs")).expect("there");
    assert_eq!(open(&inner).git_dir(), inner.join(".git"));
}

#[test]
fn a_git_directory_that_can_not_be_read_is_not_taken_for_a_folder_without_history() {
    // Permissions don't stop a privileged user who runs the tests; a link to itself stops everybody.
    let fixture = Fixture::new();
    let top = fixture.outside().join("unreadable");
    fs::create_dir(&top).expect("made");
    std::os::unix::fs::symlink(".git", top.join(".git")).expect("linked");
    let error = Repository::open(&top).expect_err("nothing can be read there");
    assert!(matches!(&error, Error::Usage(text) if text.contains("can't be read")), "{error:?}");
}

#[test]
fn a_pipe_in_place_of_the_configuration_does_not_block() {
    let fixture = Fixture::new();
    let config = fixture.path.join(".git/config");
    fs::remove_file(&config).expect("removed");
    let made = std::process::Command::new("mkfifo").arg(&config).status().expect("mkfifo is installed");
    assert!(made.success());
    let error = Repository::open(&fixture.path).expect_err("not a file");
    assert!(matches!(&error, Error::Read { what, .. } if what.ends_with("config")), "{error:?}");
}

#[test]
fn git_file_that_leads_nowhere_is_a_usage_error_with_the_cure() {
    let fixture = Fixture::new();
    let lost = fixture.outside().join("lost");
    fs::create_dir(&lost).expect("new");
    fs::write(lost.join(".git"), "gitdir: ../gone.git\n").expect("written");
    let error = Repository::open(&lost).expect_err("leads nowhere").to_string();
    assert!(error.contains("gone.git") && error.contains("git worktree repair"), "{error}");
}

#[test]
fn formats_open_or_are_refused_in_words() {
    for (case, config, refused) in [
        ("version 0", "[core]\n\trepositoryformatversion = 0\n", None),
        ("no version", "[core]\n\tbare = false\n", None),
        ("version 1", "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tnoop = true\n", None),
        ("version 2", "[core]\n\trepositoryformatversion = 2\n", Some("repository format version 2")),
        ("no number", "[core]\n\trepositoryformatversion = x\n", Some("not a number")),
        (
            "unknown at version 1",
            "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tshinyThing = 1\n",
            Some("the repository extension \"shinything\""),
        ),
        ("unknown at version 0", "[extensions]\n\tshinyThing = 1\n", None),
        (
            "reftable",
            "[core]\n\trepositoryformatversion = 1\n[extensions]\n\trefStorage = reftable\n",
            Some("the reference format \"reftable\""),
        ),
        ("files", "[core]\n\trepositoryformatversion = 1\n[extensions]\n\trefStorage = files\n", None),
        (
            "unknown hash",
            "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = sha512\n",
            Some("the object format \"sha512\""),
        ),
        ("sha256 at version 0", "[extensions]\n\tobjectFormat = sha256\n", Some("repository format version 0")),
        ("partial clone", "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tpartialClone = origin\n", None),
    ] {
        let fixture = Fixture::new();
        fixture.write(".git/config", config);
        match (Repository::open(&fixture.path), refused) {
            (Ok(_), None) => {}
            (Err(error @ Error::Unsupported { .. }), Some(words)) => {
                let text = error.to_string();
                assert!(text.contains(words) && text.contains("not supported: "), "{case}: {text}");
            }
            (other, _) => panic!("{case}: {other:?}"),
        }
    }
}

#[test]
fn sha256_repository_opens() {
    let fixture = Fixture::with_args(&["--object-format=sha256"]);
    fixture.write("a.txt", "text");
    let commit = fixture.commit("first");
    fixture.git(&["tag", "-m", "tag", "v1"]);
    fixture.git(&["pack-refs", "--all"]);
    let repository = open(&fixture.path);
    assert_eq!(repository.object_hash(), gix_hash::Kind::Sha256);
    assert_eq!(repository.head().target(), Some(id(&commit)));
    assert_eq!(names(&repository), ["refs/heads/main", "refs/tags/v1"]);
    assert_eq!(repository.references().references[1].peeled, Some(id(&commit)));
}

#[test]
fn references_equal_what_git_lists() {
    let fixture = Fixture::new();
    fixture.write("a.txt", "one");
    fixture.commit("first");
    fixture.git(&["branch", "topic/packed"]);
    fixture.git(&["tag", "-m", "annotated", "v1"]);
    fixture.git(&["pack-refs", "--all"]);
    fixture.write("a.txt", "two");
    fixture.commit("second");
    fixture.git(&["branch", "topic/loose"]);
    fixture.git(&["tag", "light"]);
    fixture.git(&["notes", "add", "-m", "note", "HEAD"]);
    fixture.git(&["symbolic-ref", "refs/heads/alias", "refs/heads/topic/packed"]);
    fixture.git(&["update-ref", "refs/heads/na\u{ef}ve", "HEAD"]);
    fixture.git(&["replace", "HEAD", "HEAD~1"]);
    let repository = open(&fixture.path);
    let all = repository.references();
    assert_eq!(all.gaps, []);
    let mut listed: Vec<String> = all
        .references
        .iter()
        .chain(&all.replacements)
        .map(|reference| format!("{} {}", reference.target, reference.name))
        .collect();
    listed.sort();
    let by_git = fixture.git(&["--no-replace-objects", "for-each-ref", "--format=%(objectname) %(refname)"]);
    let mut expected: Vec<String> = by_git.lines().map(str::to_owned).collect();
    expected.sort();
    assert_eq!(listed, expected);
    assert_eq!(all.replacements.len(), 1, "replacements are listed apart");
    let alias = all.references.iter().find(|reference| reference.name == "refs/heads/alias").expect("listed");
    assert_eq!(alias.symbolic, Some("refs/heads/topic/packed".into()));
    assert_eq!(repository.find_reference(b"refs/tags/light"), repository.head().target());
    assert_eq!(repository.find_reference(b"refs/tags/absent"), None);
}

#[test]
fn single_names_are_found_as_in_the_list() {
    let fixture = Fixture::new();
    fixture.write("a.txt", "one");
    fixture.commit("first");
    fixture.git(&["branch", "main-2"]);
    fixture.git(&["tag", "-m", "annotated", "main"]);
    fixture.git(&["pack-refs", "--all"]);
    fixture.write("a.txt", "two");
    fixture.commit("second");
    fixture.git(&["branch", "loose", "HEAD"]);
    let repository = open(&fixture.path);
    let all = repository.references().references;
    assert_eq!(all.len(), 4);
    for reference in all {
        assert_eq!(repository.find_reference(&reference.name), Some(reference.target), "{}", reference.name);
    }
    for absent in ["refs/heads/mai", "refs/heads/main-", "heads/main", "main", "refs/heads", ""] {
        assert_eq!(repository.find_reference(absent.as_bytes()), None, "{absent:?}");
    }
    fixture.git(&["checkout", "-q", "main-2"]);
    let first = fixture.git(&["rev-parse", "HEAD"]);
    let head = Head::Branch { name: "refs/heads/main-2".into(), target: id(&first) };
    assert_eq!(open(&fixture.path).head(), head, "packed only");
}

#[test]
fn broken_references_are_gaps_and_hide_nothing() {
    let fixture = Fixture::new();
    fixture.write("a.txt", "one");
    let commit = fixture.commit("first");
    fixture.write(".git/refs/heads/empty", "");
    fixture.write(".git/refs/heads/garbage", "not an id\n");
    fixture.write(".git/refs/heads/zero", "0".repeat(40));
    fixture.write(".git/refs/heads/short", &commit[..39]);
    fixture.write(".git/refs/heads/round", "ref: refs/heads/about\n");
    fixture.write(".git/refs/heads/about", "ref: refs/heads/round\n");
    fixture.write(".git/refs/heads/outside", "ref: refs/../../../elsewhere\n");
    fixture.write(".git/refs/heads/dangling", "ref: refs/heads/nothing\n");
    fixture.write(".git/refs/heads/held.lock", "");
    std::os::unix::fs::symlink(".", fixture.path.join(".git/refs/heads/again")).expect("made");
    std::os::unix::fs::symlink("..", fixture.path.join(".git/refs/heads/up")).expect("made");
    fixture.write(".git/packed-refs", format!("{commit} refs/tags/good\nnonsense\n{commit} refs/tags/better\n"));
    let all = open(&fixture.path).references();
    let good: Vec<_> = all.references.iter().map(|reference| reference.name.to_string()).collect();
    assert_eq!(good, ["refs/heads/main", "refs/tags/better", "refs/tags/good"]);
    assert!(all.gaps.iter().all(|gap| gap.kind == GapKind::BrokenReference));
    let mut gaps: Vec<_> = all.gaps.iter().map(|gap| gap.what.as_str()).collect();
    gaps.sort_unstable();
    let heads = ["about", "empty", "garbage", "outside", "round", "short", "zero"];
    let expected: Vec<String> =
        std::iter::once("packed-refs".to_owned()).chain(heads.map(|name| format!("refs/heads/{name}"))).collect();
    assert_eq!(gaps, expected);
    assert_eq!(all.notes, ["refs/heads/dangling stands for refs/heads/nothing, which does not exist"]);
}

#[test]
fn a_pipe_among_the_references_does_not_block() {
    let fixture = Fixture::new();
    let pipe = fixture.path.join(".git/refs/heads/pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is installed");
    assert!(made.success());
    let all = open(&fixture.path).references();
    assert_eq!(all.gaps.len(), 1);
    assert_eq!(all.gaps[0].detail, "can't be read: not a regular file");
}

#[test]
fn head_is_attached_detached_unborn_or_broken() {
    let fixture = Fixture::new();
    assert_eq!(open(&fixture.path).head(), Head::Unborn("refs/heads/main".into()));
    fixture.write("a.txt", "one");
    let commit = fixture.commit("first");
    fixture.git(&["checkout", "-q", "--detach"]);
    assert_eq!(open(&fixture.path).head(), Head::Detached(id(&commit)));
    fixture.git(&["checkout", "-q", "main"]);
    fs::remove_file(fixture.path.join(".git/HEAD")).expect("there");
    std::os::unix::fs::symlink("refs/heads/main", fixture.path.join(".git/HEAD")).expect("made");
    assert_eq!(
        open(&fixture.path).head(),
        Head::Branch { name: "refs/heads/main".into(), target: id(&commit) },
        "a symbolic link, as git once made it"
    );
    fs::remove_file(fixture.path.join(".git/HEAD")).expect("there");
    fixture.write(".git/HEAD", "");
    let Head::Broken(gap) = open(&fixture.path).head() else { panic!("an empty HEAD is broken") };
    assert_eq!((gap.kind, gap.what.as_str()), (GapKind::BrokenReference, "HEAD"));
}

#[test]
fn other_work_trees_and_stash_entries_are_listed() {
    let fixture = Fixture::new();
    fixture.write("a.txt", "one");
    let first = fixture.commit("first");
    fixture.git(&["worktree", "add", "-q", "--detach", "../linked"]);
    let linked_path = fixture.outside().join("linked");
    support::git(&linked_path, &["update-ref", "refs/worktree/own", &first]);
    support::git(&linked_path, &["update-ref", "refs/bisect/bad", &first]);
    let mut stashed = Vec::new();
    for text in ["two", "three", "four"] {
        fixture.write("a.txt", text);
        fixture.git(&["stash", "-q"]);
        stashed.insert(0, fixture.git(&["rev-parse", "refs/stash"]));
    }
    let all = open(&fixture.path).references();
    let entries: Vec<_> = all.stash.iter().map(|entry| (entry.index, entry.commit.to_string())).collect();
    assert_eq!(entries, stashed.iter().cloned().enumerate().collect::<Vec<_>>());
    assert_eq!(all.worktrees.len(), 1);
    assert_eq!(
        (all.worktrees[0].name.to_string(), &all.worktrees[0].head),
        ("worktrees/linked".to_owned(), &Head::Detached(id(&first)))
    );
    let own: Vec<_> = all.worktrees[0].references.iter().map(|reference| reference.name.to_string()).collect();
    assert_eq!(own, ["worktrees/linked/refs/bisect/bad", "worktrees/linked/refs/worktree/own"]);
    let shared: Vec<_> = all.references.iter().map(|reference| reference.name.to_string()).collect();
    assert_eq!(shared, ["refs/heads/main", "refs/stash"]);

    let from_linked = open(&linked_path).references();
    assert_eq!(from_linked.worktrees[0].name, "main-worktree");
    assert_eq!(from_linked.worktrees[0].head, Head::Branch { name: "refs/heads/main".into(), target: id(&first) });
    let seen: Vec<_> = from_linked.references.iter().map(|reference| reference.name.to_string()).collect();
    assert_eq!(seen, ["refs/bisect/bad", "refs/heads/main", "refs/stash", "refs/worktree/own"]);
}

#[test]
fn alternates_are_followed_once_each_and_named_when_missing() {
    let fixture = Fixture::new();
    fixture.write("a.txt", "one");
    fixture.commit("first");
    fixture.git(&["clone", "-q", "--shared", ".", "../second"]);
    support::git(&fixture.outside().join("second"), &["clone", "-q", "--shared", ".", "../third"]);
    let outside = fixture.outside();
    let objects = |name: &str| outside.join(name).join(".git/objects");
    let third = open(&outside.join("third"));
    assert_eq!(third.object_directories(), [objects("third"), objects("second"), objects("repo")]);
    assert_eq!(third.gaps(), []);

    // A circle ends, and what is not there is named.
    fixture.write(
        ".git/objects/info/alternates",
        format!("# comment\n{}\n../../../gone/objects\n", objects("third").display()),
    );
    let third = open(&outside.join("third"));
    assert_eq!(third.object_directories(), [objects("third"), objects("second"), objects("repo")]);
    assert_eq!(third.gaps().len(), 1);
    assert_eq!(third.gaps()[0].kind, GapKind::MissingAlternate);
    assert!(third.gaps()[0].what.ends_with("gone/objects"), "{}", third.gaps()[0].what);
}

#[test]
fn shallow_and_partial_clones_are_recognised() {
    let fixture = Fixture::new();
    for text in ["one", "two", "three"] {
        fixture.write("a.txt", text);
        fixture.commit(text);
    }
    fixture.git(&["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", fixture.path.display());
    fixture.git(&["clone", "-q", "--depth=2", &url, "../shallow"]);
    fixture.git(&["clone", "-q", "--no-checkout", "--filter=blob:none", &url, "../partial"]);
    let whole = open(&fixture.path);
    assert_eq!((whole.shallow(), whole.promisor()), ([].as_slice(), None));
    let shallow = open(&fixture.outside().join("shallow"));
    assert_eq!(shallow.shallow(), [id(&fixture.git(&["rev-parse", "HEAD~1"]))]);
    let partial = open(&fixture.outside().join("partial"));
    let expected = Promisor { remote: Some("origin".into()), filter: Some("blob:none".into()) };
    assert_eq!(partial.promisor(), Some(expected));
    fs::write(fixture.outside().join("partial/.git/config"), "[core]\n\tbare = false\n").expect("written");
    let partial = open(&fixture.outside().join("partial"));
    assert_eq!(partial.promisor(), Some(Promisor { remote: None, filter: None }), "by its packs alone");
}

#[test]
fn origin_is_named_without_credentials() {
    let fixture = Fixture::new();
    assert_eq!(open(&fixture.path).origin_url(), None);
    let word = support::token(1);
    fixture.git(&["remote", "add", "upstream", &format!("https://user{}{word}@example.com/upstream.git", ':')]);
    assert_eq!(open(&fixture.path).origin_url(), Some("https://example.com/upstream.git"), "the only one");
    fixture.git(&["remote", "add", "other", "https://example.com/other.git"]);
    assert_eq!(open(&fixture.path).origin_url(), None, "two, neither named origin");
    fixture.git(&["remote", "add", "origin", "git@example.com:own/it.git"]);
    assert_eq!(open(&fixture.path).origin_url(), Some("git@example.com:own/it.git"));
    let debug = format!("{:?}", open(&fixture.path));
    assert!(!debug.contains(&word), "a password in a remote's URL shows in Debug");
}

#[test]
fn a_hook_that_judges_a_push_sees_what_was_pushed() {
    let fixture = Fixture::with_args(&["--bare"]);
    fixture.git(&["clone", "-q", ".", "../pusher"]);
    let pusher = fixture.outside().join("pusher");
    support::git(&pusher, &["checkout", "-q", "-b", "main"]);
    fs::write(pusher.join("a.txt"), support::token(1)).expect("written");
    support::git(&pusher, &["add", "-A"]);
    support::git(&pusher, &["commit", "-q", "-m", "first"]);
    let hook = fixture.path.join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().expect("hooks")).expect("made");
    let seen = fixture.outside().join("seen");
    // The objects are in quarantine: what is pushed is copied for the test, since refusing it throws it away.
    let script = format!(
        "#!/bin/sh\ncp -r \"$GIT_OBJECT_DIRECTORY\" '{0}' && echo \"$GIT_ALTERNATE_OBJECT_DIRECTORIES\" > '{0}.alternates'\n",
        seen.display()
    );
    fs::write(&hook, script).expect("written");
    fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("own file");
    support::git(&pusher, &["push", "-q", "origin", "main"]);
    let alternate = fs::read_to_string(fixture.outside().join("seen.alternates")).expect("the hook ran");
    let location = Location {
        path: fixture.path.clone(),
        object_directory: Some(seen.clone()),
        alternate_object_directories: vec![fixture.path.join(alternate.trim())],
        ..Location::default()
    };
    let repository = Repository::open_at(&location).expect("opens");
    assert_eq!(repository.object_directories(), [seen, fixture.path.join("objects")]);
    assert_eq!(repository.gaps(), []);
    let blob = support::git(&pusher, &["rev-parse", "HEAD:a.txt"]);
    assert!(repository.open_objects().expect("opens").lookup(&id(&blob)).is_some(), "what was pushed is seen");
}
