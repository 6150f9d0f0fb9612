//! Nothing that a repository configures is run, and nothing in it is changed, whatever is scanned.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use keystile_git::history::{self, HistoryOptions};
use keystile_git::range::{self, RangeOptions, RangeSpec};
use keystile_git::work_tree::{self, WorkTreeOptions};
use keystile_git::{Progress, Repository, SourceReport, directory, patch, staged};
use support::scanning::inspector;
use support::{Fixture, snapshot, token};

/// Every key that names a program, with `%` for the script (git-config(1), gitattributes(5)).
const PROGRAMS: &[(&str, &str)] = &[
    ("alias.log", "!%"),
    ("browser.web.cmd", "%"),
    ("core.alternateRefsCommand", "%"),
    ("core.askPass", "%"),
    ("core.editor", "%"),
    ("core.fsmonitor", "%"),
    ("core.gitProxy", "%"),
    ("core.hooksPath", "%.hooks"),
    ("core.pager", "%"),
    ("core.sshCommand", "%"),
    ("credential.helper", "!%"),
    ("diff.evil.command", "%"),
    ("diff.evil.textconv", "%"),
    ("diff.external", "%"),
    ("difftool.evil.cmd", "%"),
    ("filter.evil.clean", "%"),
    ("filter.evil.process", "%"),
    ("filter.evil.required", "true"),
    ("filter.evil.smudge", "%"),
    ("gpg.program", "%"),
    ("gpg.ssh.defaultKeyCommand", "%"),
    ("gpg.ssh.program", "%"),
    ("interactive.diffFilter", "%"),
    ("log.showSignature", "true"),
    ("merge.evil.driver", "%"),
    ("merge.tool", "evil"),
    ("mergetool.evil.cmd", "%"),
    ("pager.log", "%"),
    ("protocol.ext.allow", "always"),
    ("remote.origin.promisor", "true"),
    ("remote.origin.receivepack", "%"),
    ("remote.origin.uploadpack", "%"),
    ("remote.origin.url", "ext::%"),
    ("remote.origin.vcs", "evil"),
    ("sequence.editor", "%"),
    ("submodule.sub.update", "!%"),
    ("uploadpack.packObjectsHook", "%"),
];

/// A repository that names the script wherever a program can be named, and the file that the script leaves.
fn hostile() -> (Fixture, PathBuf) {
    let fixture = Fixture::new();
    let outside = fixture.outside();
    let trace = outside.join("trace");
    let script = outside.join("script");
    fs::write(&script, format!("#!/bin/sh\necho \"$0 $*\" >> '{}'\ncat\n", trace.display())).expect("written");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("own file");

    fixture.write("old.txt", format!("{}\n", token(1)));
    fixture.write("deleted.txt", format!("{}\n", token(2)));
    fixture.commit("first");
    fixture.git(&["tag", "start"]);
    fixture.git(&["rm", "-q", "deleted.txt"]);
    fixture.write("new.txt", format!("{}\n", token(3)));
    fixture.write(".gitattributes", "* diff=evil filter=evil merge=evil\n");
    fixture.commit("second");
    fixture.write("stashed.txt", format!("{}\n", token(4)));
    fixture.git(&["add", "-A"]);
    fixture.git(&["stash", "-q"]);
    fixture.write("staged.txt", format!("{}\n", token(5)));
    fixture.git(&["add", "-A"]);
    fixture.write("untracked.txt", format!("{}\n", token(6)));
    fixture.write("old.txt", format!("{}\n{}\n", token(1), token(7)));
    // A missing object, which a promisor remote would be asked for.
    let id = fixture.git(&["rev-parse", "start:deleted.txt"]);
    fs::remove_file(fixture.path.join(".git/objects").join(&id[..2]).join(&id[2..])).expect("loose");

    let hooks = outside.join("script.hooks");
    for folder in [&hooks, &fixture.path.join(".git/hooks")] {
        fs::create_dir_all(folder).expect("made");
        for hook in ["pre-commit", "post-checkout", "post-index-change", "fsmonitor-watchman", "reference-transaction"]
        {
            fs::copy(&script, folder.join(hook)).expect("copied");
        }
    }
    let mut config = fs::read_to_string(fixture.path.join(".git/config")).expect("there");
    for (key, value) in PROGRAMS {
        let (section, name) = key.rsplit_once('.').expect("a section");
        let value = value.replace('%', &script.display().to_string());
        match section.split_once('.') {
            Some((section, subsection)) => {
                config.push_str(&format!("[{section} \"{subsection}\"]\n\t{name} = {value}\n"))
            }
            None => config.push_str(&format!("[{section}]\n\t{name} = {value}\n")),
        }
    }
    fixture.write(".git/config", config);
    (fixture, trace)
}

#[test]
fn the_trap_works() {
    let (fixture, trace) = hostile();
    fixture.try_git(&["diff", "HEAD"]);
    assert!(trace.exists(), "git itself runs what this repository names");
}

#[test]
fn nothing_is_run_and_nothing_is_changed() {
    let (fixture, trace) = hostile();
    let inspector = inspector();
    let progress = Progress::default();
    let before = snapshot(&fixture.path);
    type Scan<'a> = (&'a str, usize, &'a dyn Fn(&Repository) -> SourceReport);
    let scans: &[Scan<'_>] = &[
        ("history", 3, &|repository| {
            let store = repository.open_objects().expect("opens");
            let options = HistoryOptions { messages: true, unreachable: true, ..HistoryOptions::default() };
            history::scan(repository, &store, &inspector, &options, &progress).expect("scans")
        }),
        ("history as gitleaks reads it", 1, &|repository| {
            patch::scan_history(repository, &inspector, &progress).expect("scans")
        }),
        ("range", 1, &|repository| {
            let spec = RangeSpec::parse("start..HEAD").expect("a range");
            range::scan(repository, &inspector, &spec, &RangeOptions { messages: true }, &progress).expect("scans")
        }),
        ("staged", 1, &|repository| staged::scan(repository, &inspector, &progress).expect("scans")),
        ("work tree", 3, &|repository| {
            work_tree::scan(repository, &inspector, &WorkTreeOptions::default(), &progress).expect("scans")
        }),
        ("unstaged", 1, &|repository| work_tree::scan_unstaged(repository, &inspector, &progress).expect("scans")),
        ("directory", 1, &|repository| {
            let top = repository.work_tree().expect("not bare").to_owned();
            directory::scan(&inspector, &[top], &directory::DirectoryOptions::default(), &progress).expect("scans")
        }),
    ];
    for (name, at_least, scan) in scans {
        let repository = Repository::open(&fixture.path).expect("opens");
        assert!(repository.head().target().is_some(), "{name}");
        let report = scan(&repository);
        assert!(report.occurrences.len() >= *at_least, "{name} finds what is there: {:?}", report.occurrences.len());
        let traces = fs::read_to_string(&trace).unwrap_or_default();
        assert_eq!(traces, "", "{name} ran something");
        assert_eq!(snapshot(&fixture.path), before, "{name} changed something");
    }
}
