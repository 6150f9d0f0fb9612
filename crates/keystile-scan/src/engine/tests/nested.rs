//! Delta reuse where encodings lie in each other and are wrapped over lines: the same findings as a whole scan.

use std::collections::HashMap;

use proptest::prelude::*;

use super::{pattern, rule, set};
use crate::engine::tests::equivalence::{apply, base64, edits, show};
use crate::engine::{DeltaOp, ScanOptions, Scanner};
use crate::rule::{Allowlist, RegexTarget, Required, Rule, RuleId, RuleSet};

/// A token that the rules below look for.
fn token(seed: usize) -> String {
    let letters: String = (0..16).map(|at| char::from(b'a' + ((seed * 7 + at * at * 5 + at) % 26) as u8)).collect();
    format!("kst_{letters}")
}

/// Tokens, assignments, blocks over many lines, and rules that look at their surroundings.
fn rules() -> RuleSet {
    let line = Allowlist {
        regexes: vec![pattern("(?-u:example|fixture)")],
        regex_target: RegexTarget::Line,
        ..Allowlist::default()
    };
    let rules = vec![
        Rule { keywords: vec!["kst_".into()], ..rule("token", "(?-u:\\b)kst_[a-z]{16}(?-u:\\b)") },
        Rule {
            entropy: 2.0,
            allowlists: vec![line],
            ..rule("assignment", "(?i-u)(?:secret|password)[ \\t]{0,5}[:=][ \\t]{0,5}[\"']?([a-z0-9_]{8,60})")
        },
        rule("block", "(?-u)-----BEGIN KEY-----[^\\-]{8,}-----END KEY-----"),
        Rule {
            required: vec![Required { id: RuleId::new("identity"), within_lines: Some(3), within_columns: None }],
            ..rule("pair", "(?-u)pair_[a-z]{8}")
        },
        Rule { skip_report: true, keywords: vec!["identity".into()], ..rule("identity", "(?-u)id-[0-9]{6}") },
        rule("long", "(?-u)endpoint-of-the-vault-of-keys=[a-z]{4}"),
    ];
    set(rules, Vec::new())
}

fn scanner(decode_depth: u32) -> Scanner {
    Scanner::new(rules(), ScanOptions { decode_depth, ..ScanOptions::default() })
}

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Writing {
    Base64,
    /// In lines of so many characters, indented.
    Wrapped(usize, usize),
    /// The same with every so many-th character written as a percent escape.
    Sprinkled(usize, usize),
    Hex,
    Percent,
    /// Some characters only.
    SomePercent,
    Unicode,
    Utf16,
}

fn writing() -> impl Strategy<Value = Writing> {
    prop_oneof![
        2 => Just(Writing::Base64),
        4 => (prop::sample::select(vec![64_usize, 76]), 0_usize..3).prop_map(|(width, indent)| Writing::Wrapped(width, indent)),
        2 => (prop::sample::select(vec![64_usize, 76]), 40_usize..900).prop_map(|(width, each)| Writing::Sprinkled(width, each)),
        1 => Just(Writing::Hex),
        1 => Just(Writing::Percent),
        1 => Just(Writing::SomePercent),
        1 => Just(Writing::Unicode),
        1 => Just(Writing::Utf16),
    ]
}

fn write(text: &[u8], writing: Writing) -> Vec<u8> {
    let lines = |width: usize, indent: usize| {
        let gap = format!("\n{}", " ".repeat(indent));
        let mut wrapped = gap.clone().into_bytes();
        wrapped.extend(base64(text).chunks(width).collect::<Vec<_>>().join(gap.as_bytes()));
        wrapped.push(b'\n');
        wrapped
    };
    let percent = |byte: &u8| format!("%{byte:02X}").into_bytes();
    match writing {
        Writing::Base64 => base64(text),
        Writing::Wrapped(width, indent) => lines(width, indent),
        Writing::Sprinkled(width, each) => lines(width, 0)
            .iter()
            .enumerate()
            .flat_map(|(at, byte)| if *byte != b'\n' && at % each == 7 { percent(byte) } else { vec![*byte] })
            .collect(),
        Writing::Hex => text.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect(),
        Writing::Percent => text.iter().flat_map(percent).collect(),
        Writing::SomePercent => text
            .iter()
            .enumerate()
            .flat_map(|(at, byte)| if at % 37 == 5 || !byte.is_ascii() { percent(byte) } else { vec![*byte] })
            .collect(),
        Writing::Unicode => String::from_utf8_lossy(text)
            .encode_utf16()
            .flat_map(|unit| format!("\\u{unit:04x}").into_bytes())
            .collect(),
        Writing::Utf16 => String::from_utf8_lossy(text).encode_utf16().flat_map(u16::to_le_bytes).collect(),
    }
}

/// Text before it is written, without a secret most of the time: where one was found all is searched again.
fn plain(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        12 => prop::sample::select(vec![
            "lorem ", "ipsum, ", "dolor\n", "sit\n", "amet = ", "x", "gr\u{fc}n ", "\u{fc}\u{fc}\u{fc}\u{fc}", "kst_ ",
            "secret: ", "Identity\n", "example ", "pair_ ", "id- ", "endpoint-of-the-vault-of-", "keys=",
            "-----BEGIN KEY-----", "AAAABBBBCCCCDDDD", "\u{fc}r\u{fc}r\u{fc}r\u{fc}r\u{fc}r\u{fc}r",
        ])
        .prop_map(String::from),
        1 => prop::sample::select(vec!["abcdefgh", "012345", "-----END KEY-----", "password=", "pair_abcdefgh", "id-012345"])
            .prop_map(String::from),
        4 => (4_usize..60).prop_map(|times| "no secret in this line\n".repeat(times)),
        2 => (10_usize..700).prop_map(|times| "w".repeat(times)),
        6 => (10_usize..900).prop_map(|times| "\u{fc}".repeat(times)),
    ];
    prop::collection::vec(word, 1..most).prop_map(|words| words.concat().into_bytes())
}

/// A text and how it is written, the innermost first.
#[derive(Debug, Clone)]
struct Piece {
    text: Vec<u8>,
    writings: Vec<Writing>,
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let any = (plain(10), prop::collection::vec(writing(), 0..4)).prop_map(|(text, writings)| Piece { text, writings });
    // A block that is decoded as a whole or not at all, with few escapes in it.
    let inner = prop_oneof![2 => Just(Vec::new()), 1 => writing().prop_map(|writing| vec![writing])];
    let block = (3_usize..60, inner, 64_usize..4000).prop_map(|(lines, mut writings, each)| {
        writings.push(Writing::Sprinkled(64, each));
        Piece { text: across_lines(lines), writings }
    });
    let lines = "[ a-z,.]{0,30}\n".prop_map(|line| Piece { text: line.into_bytes(), writings: Vec::new() });
    prop::collection::vec(prop_oneof![2 => any, 2 => block, 1 => lines], 1..6)
}

fn body(pieces: &[Piece]) -> Vec<u8> {
    pieces
        .iter()
        .map(|piece| {
            let mut text = piece.text.clone();
            for &writing in &piece.writings {
                // What grew too long is written no further.
                if text.len() < 6000 {
                    text = write(&text, writing);
                }
            }
            text
        })
        .collect::<Vec<_>>()
        .concat()
}

/// A change of one piece, before it is written.
#[derive(Debug, Clone)]
struct Change {
    piece: prop::sample::Index,
    at: prop::sample::Index,
    removed: usize,
    inserted: Vec<u8>,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let words = prop::sample::select(vec![
        "secret: abcdefgh1",
        "pair_abcdefgh id-012345",
        "endpoint-of-the-vault-of-keys=abcd",
        "-----END KEY-----",
        "\n",
        ",",
        "-----BEGIN KEY-----abcdefgh",
        "kst_",
        "example",
        "\u{fc}",
    ]);
    let inserted = prop_oneof![
        1 => plain(3),
        4 => (0_usize..5).prop_map(|seed| format!(" {} ", token(seed)).into_bytes()),
        2 => words.prop_map(|words| words.as_bytes().to_vec()),
        1 => Just(Vec::new()),
    ];
    // What takes the place of as much leaves all behind it as it is written.
    let removed = prop_oneof![1 => (0_usize..40).prop_map(Some), 3 => Just(None)];
    let change = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), removed, inserted);
    let change = change.prop_map(|(piece, at, removed, inserted)| {
        let removed = removed.unwrap_or(inserted.len());
        Change { piece, at, removed, inserted }
    });
    prop::collection::vec(change, 1..3)
}

fn change(pieces: &mut [Piece], changes: &[Change]) {
    for Change { piece, at, removed, inserted } in changes {
        let text = &mut pieces[piece.index(pieces.len())].text;
        // Whole characters, whatever stood there.
        let is_inside = |text: &[u8], at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
        let at = at.index(text.len() + 1);
        let at = at + usize::from(is_inside(text, at));
        let end = (at + removed).min(text.len());
        let mut inserted = inserted.clone();
        let end = if is_inside(text, end) {
            inserted.push(b'.');
            end + 1
        } else {
            end
        };
        text.splice(at..end, inserted);
    }
}

/// A delta as git makes it: the longest piece of the base that goes on from a common block, or new bytes.
fn delta(base: &[u8], content: &[u8]) -> Vec<DeltaOp> {
    const BLOCK: usize = 16;
    let mut places: HashMap<&[u8], usize> = HashMap::new();
    for (index, block) in base.chunks_exact(BLOCK).enumerate() {
        places.entry(block).or_insert(index * BLOCK);
    }
    let mut ops = Vec::new();
    let mut inserted = 0;
    let mut at = 0;
    while at < content.len() {
        let known = content.get(at..at + BLOCK).and_then(|block| places.get(block)).copied();
        let Some(mut from) = known else {
            inserted += 1;
            at += 1;
            continue;
        };
        let mut start = at;
        while inserted > 0 && from > 0 && base[from - 1] == content[start - 1] {
            (from, start, inserted) = (from - 1, start - 1, inserted - 1);
        }
        let len = base[from..].iter().zip(&content[start..]).take_while(|(one, other)| one == other).count();
        if inserted > 0 {
            ops.push(DeltaOp::Insert { len: inserted });
            inserted = 0;
        }
        ops.push(DeltaOp::Copy { from, len });
        at = start + len;
    }
    if inserted > 0 {
        ops.push(DeltaOp::Insert { len: inserted });
    }
    ops
}

/// A delta that copies what stands before and behind the only change.
fn one_change(base: &[u8], content: &[u8]) -> Vec<DeltaOp> {
    let before = base.iter().zip(content).take_while(|(one, other)| one == other).count();
    let most = base.len().min(content.len()) - before;
    let behind = base.iter().rev().zip(content.iter().rev()).take(most).take_while(|(one, other)| one == other).count();
    vec![
        DeltaOp::Copy { from: 0, len: before },
        DeltaOp::Insert { len: content.len() - before - behind },
        DeltaOp::Copy { from: base.len() - behind, len: behind },
    ]
}

/// Text that base64 in lines of 64 characters decodes as a whole only: a character lies across every line's end.
fn across_lines(lines: usize) -> Vec<u8> {
    let mut text = b"=".to_vec();
    while text.len() < lines * 48 {
        text.extend("\u{fc}".as_bytes());
    }
    text
}

/// The base64 of `text` in lines of 64 characters, the first character a percent escape: what follows the first
/// line decodes to no text until that escape is decoded.
fn block_with_escape(text: &[u8]) -> Vec<u8> {
    let encoded = base64(text);
    let first = encoded[0];
    let mut block = b"data:\n".to_vec();
    block.extend(format!("%{first:02X}").into_bytes());
    block.extend(encoded.chunks(64).collect::<Vec<_>>().join(b"\n" as &[u8])[1..].iter());
    block.extend(b"\nend.\n");
    block
}

#[test]
fn an_edit_in_a_far_line_of_a_block_that_is_decoded_second_is_seen() {
    let text = across_lines(40);
    let mut changed = text.clone();
    let secret = format!(" {} ", token(1));
    changed[30 * 48 + 9..30 * 48 + 9 + secret.len()].copy_from_slice(secret.as_bytes());
    let (base, content) = (block_with_escape(&text), block_with_escape(&changed));
    let scanner = scanner(2);
    let mut scratch = scanner.scratch();
    let base_scan = scanner.scan(&mut scratch, &base);
    assert!(base_scan.matches.is_empty(), "there is no token yet");
    let whole = scanner.scan(&mut scratch, &content);
    assert_eq!(whole.matches.len(), 1, "the whole block is decoded, not the lines around the escape only");
    assert_eq!(whole.matches[0].encodings, ["base64"], "the escape is no part of the match");
    let derived = scanner.scan_delta(&mut scratch, &content, &base_scan, &delta(&base, &content));
    assert_eq!(show(&derived), show(&whole));
}

#[test]
fn a_block_that_an_edit_cuts_off_from_lines_that_are_no_text_is_seen() {
    // Line 20 is no text, so the block is none, and its lines are read one by one; the token lies across two.
    let mut text = vec![b'.'; 60 * 48];
    text[20 * 48..20 * 48 + 4].copy_from_slice(&[0xff; 4]);
    text[41 * 48 - 10..41 * 48 + 12].copy_from_slice(format!(" {} ", token(2)).as_bytes());
    let lines = |text: &[u8]| -> Vec<Vec<u8>> { base64(text).chunks(64).map(<[u8]>::to_vec).collect() };
    // What lies at an end of the content is always looked at again; and so deep that no line touches the change.
    let join = |lines: &[Vec<u8>]| {
        let gap = format!("\n{}", " ".repeat(100));
        let block = lines.join(gap.as_bytes());
        [b"# the first line,", gap.as_bytes(), &block, b"\n# the last line.\n"].concat()
    };
    let base = join(&lines(&text));
    let mut cut = lines(&text);
    cut[30] = b"a line that is none of the block".to_vec();
    let content = join(&cut);
    let scanner = scanner(1);
    let mut scratch = scanner.scratch();
    let base_scan = scanner.scan(&mut scratch, &base);
    assert!(base_scan.matches.is_empty());
    let whole = scanner.scan(&mut scratch, &content);
    assert_eq!(whole.matches.len(), 1);
    let derived = scanner.scan_delta(&mut scratch, &content, &base_scan, &one_change(&base, &content));
    assert_eq!(show(&derived), show(&whole));
}

#[test]
fn a_long_literal_across_the_end_of_decoded_text_is_seen() {
    let encoded = String::from_utf8(write(b"endpoint", Writing::Percent)).expect("ASCII");
    let base = format!("the first line\n{encoded}-of-the-vault-of-kexx=abcd\n").into_bytes();
    let content = format!("the first line\n{encoded}-of-the-vault-of-keys=abcd\n").into_bytes();
    let scanner = scanner(1);
    let mut scratch = scanner.scratch();
    let base_scan = scanner.scan(&mut scratch, &base);
    let whole = scanner.scan(&mut scratch, &content);
    assert_eq!(whole.matches.len(), 1);
    let derived = scanner.scan_delta(&mut scratch, &content, &base_scan, &one_change(&base, &content));
    assert_eq!(show(&derived), show(&whole));
}

#[test]
fn every_rule_has_anchors() {
    assert!(scanner(2).programs.unanchored.is_empty(), "rules that match anywhere leave nothing to reuse");
    assert!(!scanner(2).programs.requires_unanchored);
}

/// Half as many as usual, since each scans several versions twice. (More: PROPTEST_CASES.)
fn cases() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases / 2, failure_persistence: None, ..usual }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn versions_of_nested_encodings_give_what_a_whole_scan_gives(
        pieces in pieces(),
        generations in prop::collection::vec(changes(), 1..4),
        depth in 1_u32..4,
    ) {
        let scanner = scanner(depth);
        let mut scratch = scanner.scratch();
        let mut pieces = pieces;
        let mut base = body(&pieces);
        let mut base_scan = scanner.scan(&mut scratch, &base);
        for changes in generations {
            change(&mut pieces, &changes);
            let content = body(&pieces);
            let derived = scanner.scan_delta(&mut scratch, &content, &base_scan, &delta(&base, &content));
            let whole = scanner.scan(&mut scratch, &content);
            prop_assert_eq!(show(&derived), show(&whole));
            (base, base_scan) = (content, derived);
        }
    }

    #[test]
    fn edits_inside_of_nested_encodings_give_what_a_whole_scan_gives(
        pieces in pieces(),
        generations in prop::collection::vec(edits(), 1..4),
        depth in 1_u32..4,
    ) {
        let scanner = scanner(depth);
        let mut scratch = scanner.scratch();
        let mut base = body(&pieces);
        let mut base_scan = scanner.scan(&mut scratch, &base);
        for edits in generations {
            let (content, ops) = apply(&base, &edits);
            let derived = scanner.scan_delta(&mut scratch, &content, &base_scan, &ops);
            let whole = scanner.scan(&mut scratch, &content);
            prop_assert_eq!(show(&derived), show(&whole));
            (base, base_scan) = (content, derived);
        }
    }

    /// Neighbourhoods of encoded text decode as the whole content does.
    #[test]
    fn neighbourhoods_of_nested_encodings_are_wide_enough(pieces in pieces(), depth in 1_u32..4) {
        let content = body(&pieces);
        let plain = scanner(depth);
        let mut more = rules();
        // A rule that can match anywhere forces the whole to be decoded.
        more.rules.push(rule("anywhere", "(?-u)[!#$&*~]{200}"));
        let whole = Scanner::new(more, ScanOptions { decode_depth: depth, ..ScanOptions::default() });
        prop_assert_eq!(
            show(&plain.scan(&mut plain.scratch(), &content)),
            show(&whole.scan(&mut whole.scratch(), &content))
        );
    }
}
