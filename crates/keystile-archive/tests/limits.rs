//! Bombs, and archives that are broken.

mod support;

use std::io::Write as _;

use keystile_archive::{Limits, SkipReason};
use support::{expanded, gzip, tar, xz, zip, zstd};

fn zeros(len: usize) -> Vec<u8> {
    vec![0; len]
}

#[test]
fn an_entry_is_cut_at_its_limit_and_named() {
    let limits = Limits { max_entry_bytes: 1000, ..Limits::default() };
    let big = zeros(5000);
    for (name, content, path) in [
        ("zip", zip(&[("big", &big), ("small", b"x")]), "big"),
        ("tar", tar(&[("big", &big), ("small", b"x")]), "big"),
        ("tar.gz", gzip(&tar(&[("big", &big), ("small", b"x")])), "big"),
        ("gzip", gzip(&big), "content"),
        ("xz", xz(&big), "content"),
    ] {
        let found = expanded(&content, &limits);
        assert_eq!(found.content(path).map(<[u8]>::len), Some(1000), "{name}");
        assert_eq!(found.reasons(), [(path, SkipReason::Limit)], "{name}");
        assert_eq!(found.content("small"), if path == "big" { Some(&b"x"[..]) } else { None }, "{name}");
    }
}

#[test]
fn all_entries_together_are_cut_at_their_limit() {
    let limits = Limits { max_bytes: 2500, ..Limits::default() };
    let kilobyte = zeros(1000);
    let files: Vec<(&str, &[u8])> = ["a", "b", "c", "d", "e"].iter().map(|name| (*name, &kilobyte[..])).collect();
    let found = expanded(&zip(&files), &limits);
    assert_eq!(found.paths(), ["a", "b", "c"]);
    assert_eq!(found.content("c").map(<[u8]>::len), Some(500));
    assert_eq!(found.reasons(), [("c", SkipReason::Limit), ("", SkipReason::Limit)]);

    let found = expanded(&gzip(&tar(&files)), &limits);
    assert_eq!(found.paths(), ["a", "b"]);
    assert_eq!(found.skipped.last().map(|skipped| &skipped.reason), Some(&SkipReason::Limit));
}

#[test]
fn entries_are_counted() {
    let limits = Limits { max_entries: 3, ..Limits::default() };
    let names: Vec<String> = (0..100).map(|index| format!("file-{index}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (&name[..], &b"x"[..])).collect();
    for (name, content) in [("zip", zip(&files)), ("tar", tar(&files)), ("tar.zst", zstd(&tar(&files)))] {
        let found = expanded(&content, &limits);
        assert_eq!(found.paths(), ["file-0", "file-1", "file-2"], "{name}");
        assert_eq!(found.reasons(), [("", SkipReason::Limit)], "{name}");
    }
    // All archives inside count together.
    let inner = zip(&files[..2]);
    let found = expanded(&zip(&[("a", &inner), ("b", &inner)]), &limits);
    assert_eq!(found.paths(), ["a", "a!file-0", "a!file-1"]);
    assert_eq!(found.reasons(), [("", SkipReason::Limit)]);
}

#[test]
fn a_gigabyte_of_zeros_costs_what_the_limits_say() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let megabyte = zeros(1 << 20);
    for _ in 0..1024 {
        encoder.write_all(&megabyte).expect("in memory");
    }
    let bomb = encoder.finish().expect("in memory");
    let limits = Limits { max_bytes: 4 << 20, max_entry_bytes: 1 << 20, ..Limits::default() };
    let found = expanded(&bomb, &limits);
    assert_eq!(found.content("content").map(<[u8]>::len), Some(1 << 20));
    assert_eq!(found.reasons(), [("content", SkipReason::Limit)]);
    // Wrapped again and again, the budget stays one.
    let mut nested = bomb;
    for _ in 0..4 {
        nested = zip(&[("1", &nested), ("2", &nested), ("3", &nested)]);
    }
    let found = expanded(&nested, &Limits { depth: 10, ..limits });
    let total: usize = found.entries.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(total <= 4 << 20, "{total}");
    assert_eq!(found.skipped.last().map(|skipped| &skipped.reason), Some(&SkipReason::Limit));
}

#[test]
fn members_that_share_their_data_are_paid_for_each_time() {
    // As in David Fifield's non-recursive bomb, but without its quoting: every entry of the directory points
    // to the same data.
    let one = zip(&[("a", &zeros(100_000))]);
    let directory = one.windows(4).position(|window| window == b"PK\x01\x02").expect("a directory");
    let end = one.windows(4).position(|window| window == b"PK\x05\x06").expect("an end");
    let entry = &one[directory..end];
    let count = 1000_u16;
    let mut bomb = one[..directory].to_vec();
    bomb.extend(entry.repeat(count.into()));
    let mut record = one[end..].to_vec();
    record[8..10].copy_from_slice(&count.to_le_bytes());
    record[10..12].copy_from_slice(&count.to_le_bytes());
    let size = u32::try_from(entry.len() * usize::from(count)).expect("small");
    record[12..16].copy_from_slice(&size.to_le_bytes());
    bomb.extend(record);
    let found = expanded(&bomb, &Limits { max_bytes: 1_000_000, ..Limits::default() });
    assert_eq!(found.entries.len(), 10);
    assert_eq!(found.reasons(), [("", SkipReason::Limit)]);
}

#[test]
fn sizes_in_headers_are_not_believed() {
    let text = b"some text that is stored ".repeat(10);
    let content = zip(&[("a", &text)]);
    let directory = content.windows(4).position(|window| window == b"PK\x01\x02").expect("a directory");
    for (name, at) in [("size", directory + 24), ("compressed size", directory + 20)] {
        for value in [0_u32, 1, u32::MAX - 1] {
            let mut content = content.clone();
            content[at..at + 4].copy_from_slice(&value.to_le_bytes());
            let found = expanded(&content, &Limits::default());
            assert!(found.paths().contains(&"a"), "{name} {value}");
            assert!(found.reasons().contains(&("a", SkipReason::Corrupt)), "{name} {value}: {:?}", found.reasons());
        }
    }
    let mut tar = tar(&[("a", &text)]);
    tar[124..136].copy_from_slice(b"77777777777\0");
    tar[148..156].fill(b' ');
    let sum: u32 = tar[..512].iter().map(|byte| u32::from(*byte)).sum();
    tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let found = expanded(&tar, &Limits::default());
    assert!(found.content("a").is_some_and(|bytes| bytes.starts_with(&text)));
    assert_eq!(found.reasons()[0], ("a", SkipReason::Corrupt));
}

#[test]
fn what_stands_before_a_fault_is_handed_out() {
    let text: Vec<u8> =
        (0..60_000_u32).flat_map(|line| (line.wrapping_mul(2_654_435_761)).to_string().into_bytes()).collect();
    for (name, whole, path) in [
        ("gzip", gzip(&text), "content"),
        ("xz", xz(&text), "content"),
        ("zstd", zstd(&text), "content"),
        ("zip", zip(&[("content", &text)]), "content"),
        ("tar", tar(&[("content", &text)]), "content"),
        ("tar.gz", gzip(&tar(&[("content", &text)])), "content"),
    ] {
        let cut = whole.len() * 3 / 4;
        let found = expanded(&whole[..cut], &Limits::default());
        let got = found.content(path).unwrap_or_default();
        // A block of zstd is all or nothing, and so is a chunk of xz.
        assert!(!got.is_empty(), "{name}");
        let same = text.iter().zip(got).take_while(|(a, b)| a == b).count();
        assert_eq!(same, got.len(), "{name}: the start of {} bytes", text.len());
        assert!(
            found.reasons().iter().any(|(_, reason)| *reason == SkipReason::Corrupt),
            "{name}: {:?}",
            found.reasons()
        );
    }
}

#[test]
fn a_changed_byte_is_noticed() {
    let text = b"the quick brown fox jumps over the lazy dog ".repeat(3);
    for (name, mut content) in [("gzip", gzip(&text)), ("xz", xz(&text))] {
        let at = content.len() / 2;
        content[at] ^= 0x20;
        let found = expanded(&content, &Limits::default());
        assert!(found.reasons().iter().any(|(_, reason)| *reason == SkipReason::Corrupt), "{name}");
    }
    let mut content = support::zip_with(&[("a", &text)], zip::CompressionMethod::Stored);
    content[60] ^= 0x20;
    let found = expanded(&content, &Limits::default());
    assert_eq!(found.reasons(), [("a", SkipReason::Corrupt)]);
    assert_eq!(found.content("a").map(<[u8]>::len), Some(text.len()));
}
