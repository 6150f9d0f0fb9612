//! An index of any bytes is read, or named as broken; it never ends the scan.

mod support;

use std::fs;

use keystile_git::{Progress, Repository, staged};
use proptest::prelude::*;
use support::scanning::inspector;
use support::{Fixture, token};

/// An index with a cache of trees, entries to be added later and long and short names.
fn fixture(version: &str) -> Fixture {
    let fixture = Fixture::new();
    for path in ["a", "b/c", "b/d/e", "b/d/f", "long/name/of/a/file/that/is/not/short/at/all"] {
        fixture.write(path, token(1));
    }
    fixture.commit("first");
    fixture.write("announced", "x");
    fixture.git(&["add", "-N", "announced"]);
    fixture.git(&["update-index", "--index-version", version]);
    fixture.git(&["update-index", "--split-index"]);
    fixture.git(&["update-index", "--no-split-index"]);
    fixture
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_index_makes_a_scan_panic(
        is_version_4 in any::<bool>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        thread_local! {
            static FIXTURES: [(Fixture, Vec<u8>); 2] = ["2", "4"].map(|version| {
                let fixture = fixture(version);
                let index = fs::read(fixture.path.join(".git/index")).expect("there");
                (fixture, index)
            });
        }
        FIXTURES.with(|fixtures| {
            let (fixture, index) = &fixtures[usize::from(is_version_4)];
            let mut index = index.clone();
            let end = index.len() - 20;
            for (at, byte) in changes {
                index[at.index(end)] = byte;
            }
            if let Some(cut) = cut {
                index.truncate(cut.index(end));
                index.extend([0; 20]);
            } else {
                // Without a checksum (`index.skipHash`), so that what is wrong is not found before it is read.
                index[end..].fill(0);
            }
            fixture.write(".git/index", &index);
            let repository = Repository::open(&fixture.path).expect("opens");
            staged::scan(&repository, &inspector(), &Progress::default()).expect("scans");
        });
    }
}
