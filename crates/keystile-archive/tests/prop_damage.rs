//! Archives that were cut, changed or made up: no panic, no more than the limits allow.

mod support;

use keystile_archive::Limits;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use support::{expanded, gzip, gzip_named, tar, xz, zip, zip_with, zstd};

const LIMITS: Limits = Limits { depth: 3, max_bytes: 20_000, max_entry_bytes: 5000, max_entries: 12 };

fn archives() -> Vec<Vec<u8>> {
    let text = b"a line of text that is not very long\n".repeat(100);
    let inner = zip(&[("x", &text), ("y", b"short")]);
    let files: [(&str, &[u8]); 3] = [("text", &text), ("dir/inner.zip", &inner), ("empty", b"")];
    let tar = tar(&files);
    vec![
        zip(&files),
        zip_with(&files, zip::CompressionMethod::Stored),
        gzip(&tar),
        gzip_named("name", &inner),
        xz(&tar),
        zstd(&tar),
        tar,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damage_does_no_harm(
        which in any::<Index>(),
        cut in any::<Option<Index>>(),
        changes in vec((any::<Index>(), any::<u8>()), 0..6),
        words in vec((any::<Index>(), prop_oneof![Just(u32::MAX), Just(0), any::<u32>()]), 0..2),
        copied in any::<Option<(Index, Index, Index)>>(),
    ) {
        let archives = archives();
        let mut content = archives[which.index(archives.len())].clone();
        if let Some((from, to, at)) = copied {
            let (from, to) = (from.index(content.len()), to.index(content.len()));
            let part = content[from.min(to)..from.max(to)].to_vec();
            let at = at.index(content.len());
            content.splice(at..at, part);
        }
        if let Some(cut) = cut {
            content.truncate(cut.index(content.len()));
        }
        for (at, value) in changes {
            if !content.is_empty() {
                let at = at.index(content.len());
                content[at] = value;
            }
        }
        for (at, value) in words {
            if content.len() >= 4 {
                let at = at.index(content.len() - 3);
                content[at..at + 4].copy_from_slice(&value.to_le_bytes());
            }
        }
        check(&content)?;
    }

    #[test]
    fn made_up_bytes_do_no_harm(
        magic in prop::sample::select(vec![
            &b"PK\x03\x04"[..], b"PK\x05\x06", b"\x1f\x8b\x08\x08", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd",
        ]),
        rest in vec(any::<u8>(), 0..600),
    ) {
        check(&[magic, &rest].concat())?;
    }
}

fn check(content: &[u8]) -> Result<(), TestCaseError> {
    let found = expanded(content, &LIMITS);
    prop_assert!(found.entries.len() as u64 <= LIMITS.max_entries);
    let mut total = 0;
    for (path, bytes) in &found.entries {
        prop_assert!(bytes.len() as u64 <= LIMITS.max_entry_bytes, "{path}");
        total += bytes.len() as u64;
    }
    // What lies in a tar in memory was paid for with the tar.
    let paid_once = LIMITS.max_bytes + content.len() as u64;
    prop_assert!(total <= paid_once * u64::from(LIMITS.depth), "{total} bytes");
    prop_assert_eq!(expanded(content, &LIMITS), found, "twice the same");
    Ok(())
}
