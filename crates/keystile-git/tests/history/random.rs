//! Random histories, against the plain reference.

use std::io::Write as _;
use std::process::{Command, Stdio};

use keystile_git::history::HistoryOptions;
use proptest::prelude::*;

use crate::reference;
use crate::scanning::{scan_with, token_rules};
use crate::support::{Fixture, token};

/// Some are files in one commit and directories in another.
const PATHS: [&str; 9] = ["a", "b", "d/a", "d/b", "d/e/a", "d/e/f/a", "f", "f/x", "f/y/a"];

#[derive(Debug, Clone)]
struct Step {
    /// How far back each parent is; none: a root.
    parents: Vec<usize>,
    /// Path, and which of four secrets the file has from now on; `None`: it goes.
    edits: Vec<(usize, Option<[bool; 4]>)>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let parents = prop_oneof![
        1 => Just(Vec::new()),
        6 => Just(vec![1]),
        6 => prop::collection::vec(1_usize..6, 1..=3),
    ];
    let secrets = prop::option::weighted(0.8, any::<[bool; 4]>());
    let edits = prop::collection::vec((0..PATHS.len(), secrets), 0..4);
    prop::collection::vec((parents, edits).prop_map(|(parents, edits)| Step { parents, edits }), 1..14)
}

/// Long enough that git stores versions of it as deltas.
fn content(secrets: [bool; 4]) -> String {
    let mut text = String::new();
    for at in 0..4_u64 {
        for line in 0..6 {
            text.push_str(&format!("{} is line {line} of part {at}\n", token(100 + at * 6 + line).replace("kst_", "")));
        }
        if secrets[at as usize] {
            text.push_str(&format!("key = {}\n", token(at)));
        }
    }
    text
}

/// A stream for `git fast-import`; the last commit is `main`, every commit has a branch.
fn stream(steps: &[Step]) -> String {
    let mut text = String::new();
    for (at, step) in steps.iter().enumerate() {
        let mark = at + 1;
        text.push_str(&format!("commit refs/heads/b{mark}\nmark :{mark}\n"));
        text.push_str(&format!("committer C <c@example.com> {} +0000\ndata 2\nm\n", 1_700_000_000 + at * 60));
        let mut parents: Vec<usize> = step.parents.iter().filter_map(|back| mark.checked_sub(*back)).collect();
        parents.retain(|&parent| parent > 0);
        parents.dedup();
        for (place, parent) in parents.iter().enumerate() {
            text.push_str(&format!("{} :{parent}\n", if place == 0 { "from" } else { "merge" }));
        }
        for &(path, secrets) in &step.edits {
            let path = PATHS[path];
            match secrets {
                Some(secrets) => {
                    let content = content(secrets);
                    text.push_str(&format!("M 100644 inline {path}\ndata {}\n{content}\n", content.len()));
                }
                None => text.push_str(&format!("D {path}\n")),
            }
        }
        text.push('\n');
    }
    text.push_str(&format!("reset refs/heads/main\nfrom :{}\n\ndone\n", steps.len()));
    text
}

fn import(steps: &[Step]) -> Fixture {
    let fixture = Fixture::new();
    let mut git = Command::new("git")
        .args(["fast-import", "--quiet", "--done", "--force"])
        .current_dir(&fixture.path)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .stdin(Stdio::piped())
        .spawn()
        .expect("git is installed");
    git.stdin.take().expect("it is piped").write_all(stream(steps).as_bytes()).expect("git reads it");
    assert!(git.wait().expect("git ends").success());
    fixture
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn introductions_are_those_of_the_reference(steps in steps(), repack in any::<bool>()) {
        let fixture = import(&steps);
        if repack {
            fixture.git(&["repack", "-adfq", "--depth=50", "--window=50"]);
        }
        let expected = reference::introduced(&fixture.path);
        for (threads, delta) in [(1, true), (2, true), (2, false)] {
            let options = HistoryOptions { threads, delta, ..HistoryOptions::default() };
            let report = scan_with(&fixture.path, token_rules(), &options);
            prop_assert!(report.coverage.is_complete(), "{:?}", report.coverage.gaps);
            prop_assert_eq!(reference::found(&report), expected.clone(), "threads {}, delta {}", threads, delta);
        }
    }

    #[test]
    fn counts_are_gits_when_branches_were_deleted(steps in steps(), keep in prop::collection::vec(any::<bool>(), 14)) {
        let fixture = import(&steps);
        for (at, _) in steps.iter().enumerate().filter(|&(at, _)| !keep[at]) {
            fixture.git(&["update-ref", "-d", &format!("refs/heads/b{}", at + 1)]);
        }
        if keep[0] {
            fixture.git(&["update-ref", "-d", "refs/heads/main"]);
        }
        let listed = fixture.git(&["rev-list", "--all", "--objects", "--no-object-names"]);
        let report = scan_with(&fixture.path, token_rules(), &HistoryOptions::default());
        let coverage = &report.coverage;
        let counted = coverage.commits + coverage.trees + coverage.blobs + coverage.tags;
        prop_assert_eq!(counted, listed.lines().count() as u64);
        let stored = fixture.git(&["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]);
        let options = HistoryOptions { unreachable: true, ..HistoryOptions::default() };
        let report = scan_with(&fixture.path, token_rules(), &options);
        let coverage = &report.coverage;
        let counted = coverage.commits + coverage.trees + coverage.blobs + coverage.tags;
        prop_assert_eq!(counted, stored.lines().count() as u64);
    }
}
