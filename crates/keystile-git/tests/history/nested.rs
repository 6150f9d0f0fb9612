//! Versions of files with encodings in each other, in packs as git makes them: delta reuse gives what whole scans give.

use std::io::Write as _;
use std::process::{Command, Stdio};

use keystile_git::history::HistoryOptions;
use keystile_git::{InspectOptions, Inspector, SourceReport};
use keystile_scan::rule::{Allowlist, Pattern, RegexTarget, Required, Rule};
use keystile_scan::{RuleId, RuleSet, ScanOptions, Scanner};
use proptest::prelude::*;

use crate::scanning::{scan_by, token_rules};
use crate::support::{Fixture, token};

/// One file's content lies at two paths, of which an allowlist excuses one; in an archive; and as UTF-16.
const PATHS: [&str; 4] = ["config/values.txt", "allowed/values.txt", "bundle.tar", "windows.txt"];

fn pattern(source: &str) -> Pattern {
    Pattern { source: source.into(), translated: source.into(), groups: 0 }
}

/// Tokens (not below `allowed/`, not in lines that say `example`), a rule for `config/` alone, a pair of rules.
fn rules() -> RuleSet {
    let mut rules = token_rules();
    let template = rules.rules[0].clone();
    let line = Allowlist { regexes: vec![pattern("example")], regex_target: RegexTarget::Line, ..Allowlist::default() };
    let paths = Allowlist { paths: vec![pattern("^allowed/")], ..Allowlist::default() };
    rules.rules[0].allowlists = vec![line, paths];
    let more = [("by-path", "cfg-[0-9]{6}"), ("pair", "pair_[a-z]{8}"), ("identity", "identity-[0-9]{4}")];
    rules.rules.extend(more.map(|(id, regex)| Rule {
        id: RuleId::new(id),
        regex: Some(pattern(regex)),
        keywords: Vec::new(),
        ..template.clone()
    }));
    rules.rules[1].path = Some(pattern("^config/"));
    rules.rules[2].required =
        vec![Required { id: RuleId::new("identity"), within_lines: Some(2), within_columns: None }];
    rules.rules[3].skip_report = true;
    rules
}

fn inspector(decode_depth: u32) -> Inspector {
    let options = ScanOptions { decode_depth, ..ScanOptions::default() };
    Inspector { scanner: Scanner::new(rules(), options), options: InspectOptions::default() }
}

#[derive(Debug, Clone, Copy)]
enum Writing {
    /// In lines of so many characters; with one that is a percent escape, if any.
    Base64(usize, Option<usize>),
    Hex,
    Percent,
    Unicode,
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().chain(&[0, 0]).take(3).fold(0_usize, |bits, &byte| bits << 8 | usize::from(byte));
        out.extend((0..=chunk.len()).map(|at| ALPHABET[bits >> (18 - 6 * at) & 63]));
        out.extend(std::iter::repeat_n(b'=', 3 - chunk.len()));
    }
    out
}

fn write(text: &[u8], writing: Writing) -> Vec<u8> {
    match writing {
        Writing::Base64(width, escaped) => {
            let mut block = b"\n".to_vec();
            block.extend(base64(text).chunks(width).collect::<Vec<_>>().join(b"\n".as_slice()));
            block.push(b'\n');
            if let Some(at) = escaped.map(|at| 1 + at % (block.len() - 1)).filter(|&at| block[at] != b'\n') {
                block.splice(at..=at, format!("%{:02X}", block[at]).into_bytes());
            }
            block
        }
        Writing::Hex => text.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect(),
        Writing::Percent => text.iter().flat_map(|byte| format!("%{byte:02X}").into_bytes()).collect(),
        Writing::Unicode => String::from_utf8_lossy(text)
            .encode_utf16()
            .flat_map(|unit| format!("\\u{unit:04x}").into_bytes())
            .collect(),
    }
}

/// A tar archive with one file, so that versions of it have a delta.
fn tar(content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, "inner/values.txt");
    put(100, "0000644\0");
    put(124, &format!("{:011o}\0", content.len()));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\0");
    put(263, "00");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = [&header, content].concat();
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}

/// A file: lines of text, the same lines written in other ways, and a long line.
fn file(lines: &[String], writings: &[Writing], long: usize) -> Vec<u8> {
    let mut inner = lines.concat().into_bytes();
    for &writing in writings {
        inner = write(&inner, writing);
    }
    let mut content = b"# values, version one\n".to_vec();
    content.extend(lines.iter().take(3).flat_map(|line| line.bytes()));
    content.extend_from_slice(b"data: ");
    content.extend(inner);
    content.extend_from_slice(b"\nlong: ");
    content.extend(std::iter::repeat_n(b'w', long));
    content.extend_from_slice(b"\n# the end.\n");
    content
}

/// A repository with a commit for each version of the file, in one pack.
fn repository(versions: &[Vec<u8>]) -> Fixture {
    let fixture = Fixture::new();
    let mut stream = Vec::new();
    for (at, content) in versions.iter().enumerate() {
        let seconds = 1_700_000_000 + at * 60;
        let head = format!("commit refs/heads/main\ncommitter C <c@example.com> {seconds} +0000\ndata 2\nm\n");
        stream.extend(head.into_bytes());
        let utf16 = String::from_utf8_lossy(content).encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (path, content) in PATHS.iter().zip([content.clone(), content.clone(), tar(content), utf16]) {
            stream.extend(format!("M 100644 inline {path}\ndata {}\n", content.len()).into_bytes());
            stream.extend(content);
            stream.push(b'\n');
        }
        stream.push(b'\n');
    }
    stream.extend_from_slice(b"done\n");
    let mut git = Command::new("git")
        .args(["-c", "core.fsync=none", "fast-import", "--quiet", "--done", "--force"])
        .current_dir(&fixture.path)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .stdin(Stdio::piped())
        .spawn()
        .expect("git is installed");
    git.stdin.take().expect("it is piped").write_all(&stream).expect("git reads it");
    assert!(git.wait().expect("git ends").success());
    fixture.git(&["-c", "core.fsync=none", "repack", "-adfq", "--depth=50", "--window=50"]);
    fixture
}

/// Blobs that are stored as deltas.
fn deltas(fixture: &Fixture) -> usize {
    let bases = fixture.git(&["cat-file", "--batch-all-objects", "--batch-check=%(objecttype) %(deltabase)"]);
    bases.lines().filter(|line| line.starts_with("blob ") && !line.ends_with(&"0".repeat(40))).count()
}

/// What was found where, and what was read.
fn shown(report: &SourceReport) -> (Vec<String>, String) {
    let mut lines: Vec<String> = report.occurrences.iter().map(|occurrence| format!("{occurrence:?}")).collect();
    lines.sort_unstable();
    (lines, format!("{:?}", report.coverage))
}

fn compare(fixture: &Fixture, decode_depth: u32) -> SourceReport {
    let inspector = inspector(decode_depth);
    let by = |threads, delta| {
        scan_by(&fixture.path, &inspector, &HistoryOptions { threads, delta, ..HistoryOptions::default() })
    };
    let whole = by(1, false);
    for threads in [1, 2] {
        assert_eq!(shown(&by(threads, true)), shown(&whole), "{threads} threads, decoded {decode_depth} times");
    }
    whole
}

#[test]
fn a_token_in_a_far_line_of_a_block_that_is_decoded_second_is_introduced_by_its_commit() {
    // A character lies across the end of every line, so the block is decoded once the escape in it is.
    let umlauts = "\u{fc}".repeat(900);
    let texts = [
        format!("={umlauts}"),
        format!("={}{}{}", &umlauts[..1400], token(1), &umlauts[1420..]),
        format!("={}{}{}", &umlauts[..1500], token(2), &umlauts[1520..]),
    ];
    let versions = texts.map(|text| file(&[text], &[Writing::Base64(64, Some(1))], 700));
    // Without the lines of text, which would be found first.
    let versions = versions.map(|content| {
        let at = content.windows(6).position(|bytes| bytes == b"data: ").expect("it is there");
        content[at..].to_vec()
    });
    let fixture = repository(&versions);
    assert!(deltas(&fixture) >= 4, "{} deltas", deltas(&fixture));
    let report = compare(&fixture, 2);
    let mut found: Vec<String> = report
        .occurrences
        .iter()
        .filter(|occurrence| occurrence.path == PATHS[0])
        .map(|occurrence| String::from_utf8_lossy(occurrence.found.secret.reveal()).into_owned())
        .collect();
    found.sort();
    let mut expected = [token(1), token(2)];
    expected.sort();
    assert_eq!(found, expected);
}

fn line() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        8 => prop::sample::select(vec![
            "lorem", "ipsum,", "= dolor", "kst_", "\u{fc}\u{fc}\u{fc}", "pair_", "identity-", "example", "cfg-", "sit.",
        ])
        .prop_map(String::from),
        1 => (0_u64..4).prop_map(token),
        1 => (0_u64..9).prop_map(|digit| format!("cfg-{digit}12345")),
        1 => Just(String::from("pair_abcdefgh")),
        1 => Just(String::from("identity-1234")),
        1 => Just(format!("{}:allow", "keystile")),
        2 => (1_usize..200).prop_map(|times| "\u{fc}".repeat(times)),
    ];
    prop::collection::vec(word, 1..5).prop_map(|words| words.join(" ") + "\n")
}

fn quiet_line() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z]{3,9} [a-z]{3,9}[,.] [a-z]{3,30}\n", 1 => (1_usize..300).prop_map(|times| "\u{fc}".repeat(times))]
}

fn writing() -> impl Strategy<Value = Writing> {
    let width = prop::sample::select(vec![64_usize, 76, 1 << 20]);
    prop_oneof![
        6 => (width, prop::option::of(0_usize..4000)).prop_map(|(width, escaped)| Writing::Base64(width, escaped)),
        1 => Just(Writing::Hex),
        1 => Just(Writing::Percent),
        1 => Just(Writing::Unicode),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 16,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn delta_reuse_gives_what_whole_scans_give(
        lines in prop::collection::vec(quiet_line(), 3..40),
        changes in prop::collection::vec((any::<prop::sample::Index>(), line(), 0_usize..3), 1..9),
        writings in prop::collection::vec(writing(), 0..3),
        long in prop_oneof![Just(0_usize), 200_usize..3000],
        depth in 1_u32..4,
    ) {
        let mut lines = lines;
        let mut versions = vec![file(&lines, &writings, long)];
        for (at, line, removed) in changes {
            let at = at.index(lines.len() + 1);
            let end = (at + removed).min(lines.len());
            lines.splice(at..end, [line]);
            versions.push(file(&lines, &writings, long));
        }
        compare(&repository(&versions), depth);
    }
}
