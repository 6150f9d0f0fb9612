//! Random changes and random histories, against a model and against git.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use keystile_git::range::{self, RangeOptions, RangeSpec};
use keystile_git::{Progress, Repository, staged};
use proptest::prelude::*;
use support::scanning::inspector;
use support::{Fixture, feed, token};

/// Path to the seeds of the tokens in its content.
type Files = BTreeMap<String, BTreeSet<u64>>;

/// Few names, so that files, directories and moves collide.
fn files() -> impl Strategy<Value = Files> {
    let path = prop_oneof!["[ab]", "[ab]/[ab]", "[ab]/[ab]/[ab]", "[ab]-[ab]", "[ab]/[ab]\\.[ab]"];
    proptest::collection::btree_map(path, proptest::collection::btree_set(0..6_u64, 0..3), 0..8).prop_map(|files| {
        // A file can't be where a directory is.
        let directories: BTreeSet<String> = files
            .keys()
            .flat_map(|path| path.match_indices('/').map(|(at, _)| path[..at].to_owned()).collect::<Vec<_>>())
            .collect();
        files.into_iter().filter(|(path, _)| !directories.contains(path)).collect()
    })
}

fn content(seeds: &BTreeSet<u64>) -> String {
    seeds.iter().map(|seed| format!("{}\n", token(*seed))).collect()
}

/// Makes the index hold `files`, and nothing else.
fn stage(fixture: &Fixture, files: &Files, blobs: &BTreeMap<String, String>) {
    let mut lines = String::new();
    let listed = fixture.git(&["ls-files"]);
    for old in listed.lines().filter(|old| !files.contains_key(*old)) {
        let _ = writeln!(lines, "0 {} 0\t{old}", "0".repeat(40));
    }
    for (path, seeds) in files {
        let _ = writeln!(lines, "100644 {} 0\t{path}", blobs[&content(seeds)]);
    }
    feed(fixture, &["update-index", "--add", "--replace", "--index-info"], &lines);
}

/// What a staged change introduces: (path, seed).
fn expected(before: &Files, after: &Files) -> BTreeSet<(String, u64)> {
    let mut moved: BTreeMap<u64, usize> = BTreeMap::new();
    let gone: Vec<_> = before.iter().filter(|(path, _)| !after.contains_key(*path)).collect();
    for (_, seeds) in &gone {
        for seed in *seeds {
            *moved.entry(*seed).or_default() += 1;
        }
    }
    let mut introduced: Vec<(&String, &BTreeSet<u64>, BTreeSet<u64>)> = Vec::new();
    for (path, seeds) in after {
        let old = before.get(path).cloned().unwrap_or_default();
        introduced.push((path, seeds, seeds.difference(&old).copied().collect()));
    }
    introduced.sort_by_key(|(_, seeds, _)| !gone.iter().any(|(_, old)| old == seeds));
    let mut expected = BTreeSet::new();
    for (path, _, new) in introduced {
        for seed in new {
            match moved.get_mut(&seed).filter(|left| **left > 0) {
                Some(left) => *left -= 1,
                None => {
                    expected.insert((path.clone(), seed));
                }
            }
        }
    }
    expected
}

fn seed_of(secret: &[u8]) -> u64 {
    (0..1000).find(|seed| token(*seed).as_bytes() == secret).expect("a token of this test")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_staged_change_is_what_the_model_says(
        before in files(),
        after in files(),
        is_split in any::<bool>(),
        is_version_4 in any::<bool>(),
    ) {
        let fixture = Fixture::new();
        let mut blobs = BTreeMap::new();
        for seeds in before.values().chain(after.values()) {
            let content = content(seeds);
            fixture.write("content", &content);
            blobs.insert(content, fixture.git(&["hash-object", "-w", "content"]));
        }
        stage(&fixture, &before, &blobs);
        fixture.git(&["commit", "-q", "--allow-empty", "-m", "before"]);
        if is_version_4 {
            fixture.git(&["update-index", "--index-version", "4"]);
        }
        if is_split {
            fixture.git(&["update-index", "--split-index"]);
        }
        stage(&fixture, &after, &blobs);

        let repository = Repository::open(&fixture.path).expect("opens");
        let report = staged::scan(&repository, &inspector(), &Progress::default()).expect("scans");
        prop_assert_eq!(&report.coverage.gaps, &[]);
        let found: BTreeSet<(String, u64)> = report
            .occurrences
            .iter()
            .map(|occurrence| (occurrence.path.to_string(), seed_of(occurrence.found.secret.reveal())))
            .collect();
        prop_assert_eq!(found.len(), report.occurrences.len());
        prop_assert_eq!(found, expected(&before, &after));
        let changed = fixture.git(&["diff-index", "--cached", "--no-renames", "--diff-filter=AMT", "--raw", "HEAD"]);
        let blobs: BTreeSet<&str> = changed.lines().filter_map(|line| line.split(' ').nth(3)).collect();
        prop_assert_eq!(report.coverage.blobs, blobs.len() as u64, "as many blobs as git says");
    }

    #[test]
    fn a_range_has_the_commits_that_git_lists(
        commits in proptest::collection::vec((any::<u8>(), any::<u8>(), 0..3_u8, 0..40_u64), 2..25),
        pairs in proptest::collection::vec((any::<u8>(), any::<u8>()), 4),
    ) {
        // Parents come before children, dates in any order, several roots.
        let mut stream = String::new();
        for (at, (one, two, parents, date)) in commits.iter().enumerate() {
            let _ = write!(
                stream,
                "commit refs/heads/c{at}\nmark :{}\ncommitter C <c@example.com> {} +0000\ndata 1\n.\n",
                at + 1,
                1_000_000 + date
            );
            let first = usize::from(*one) % at.max(1) + 1;
            let second = usize::from(*two) % at.max(1) + 1;
            if at > 0 && *parents > 0 {
                let _ = writeln!(stream, "from :{first}");
                if *parents > 1 && first != second {
                    let _ = writeln!(stream, "merge :{second}");
                }
            }
            let secret = token(at as u64);
            let _ = write!(stream, "M 100644 inline f{at}\ndata {}\n{secret}\n", secret.len());
        }
        let fixture = Fixture::new();
        feed(&fixture, &["fast-import", "--quiet"], &stream);
        let repository = Repository::open(&fixture.path).expect("opens");
        let inspector = inspector();
        for (base, head) in pairs {
            let side = |number: u8| format!("c{}", usize::from(number) % commits.len());
            let text = format!("{}..{}", side(base), side(head));
            let spec = RangeSpec::parse(&text).expect("a range");
            let report =
                range::scan(&repository, &inspector, &spec, &RangeOptions::default(), &Progress::default()).expect("scans");
            prop_assert_eq!(&report.coverage.gaps, &[]);
            // Each commit adds a file with its own token.
            let found: BTreeSet<String> = report
                .occurrences
                .iter()
                .map(|occurrence| match &occurrence.place {
                    keystile_scan::OccurrencePlace::Commit(info) => info.id.clone(),
                    other => panic!("{other:?}"),
                })
                .collect();
            let listed = fixture.git(&["rev-list", &text]);
            let expected: BTreeSet<String> = listed.lines().map(str::to_owned).collect();
            prop_assert_eq!(report.coverage.commits, expected.len() as u64, "{}", text);
            prop_assert_eq!(report.occurrences.len(), expected.len(), "{}", text);
            prop_assert_eq!(found, expected, "{}", text);
        }
    }
}
