//! Equivalences: windows and whole content, for random rules and contents.

use proptest::prelude::*;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;

use super::{rule, scanner, set};
use crate::engine::{ContentScan, DeltaOp, ScanOptions, Scanner};
use crate::position::Span;
use crate::rule::{Required, Rule};

/// Expressions over a small alphabet, so that random content is full of near misses.
pub(super) fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => prop::sample::select(vec!["key", "ke", "tok", "a", "b", "=", "-", "ab", "\\n", "k"]).prop_map(String::from),
        3 => prop::sample::select(vec![
            "[ab]", "[ab=]", "[^\\n]", ".", "\\s", "[a-z]", "[^a]", "(?s:.)", "[\\w-]", "[kK]",
        ]).prop_map(String::from),
        1 => prop::sample::select(vec!["\\b", "^", "$", "(?m:^)", "(?m:$)", "\\B"]).prop_map(String::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        let repeat = prop::sample::select(vec!["*", "+", "?", "{2}", "{0,3}", "{1,4}", "{2,}", "*?", "+?", "{1,3}?"]);
        prop_oneof![
            4 => prop::collection::vec(inner.clone(), 2..5).prop_map(|parts| parts.concat()),
            2 => prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
            1 => inner.clone().prop_map(|part| format!("({part})")),
            1 => inner.clone().prop_map(|part| format!("(?i:{part})")),
            3 => (inner, repeat).prop_map(|(part, repeat)| format!("(?:{part}){repeat}")),
        ]
    })
}

/// An expression with a literal that a match must contain, most of the time.
fn anchored_expression() -> impl Strategy<Value = String> {
    let literal = prop::sample::select(vec!["key", "tok", "(?i)key", "(?:key|tok|ab=)", "ke[yb]", "k(?:e|eb)y"]);
    (expression(), literal, expression())
        .prop_map(|(before, literal, after)| format!("(?:{before}){literal}(?:{after})"))
}

pub(super) fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let keywords = prop::sample::subsequence(vec!["key", "tok", "ab"], 0..2);
    let one = (prop_oneof![1 => expression(), 6 => anchored_expression()], keywords);
    prop::collection::vec(one, 1..5).prop_map(|rules| {
        rules
            .into_iter()
            .enumerate()
            .map(|(index, (regex, keywords))| Rule {
                keywords: keywords.into_iter().map(String::from).collect(),
                ..rule(&format!("rule-{index}"), &regex)
            })
            .collect()
    })
}

/// Content with encoded text in it: long enough to be found, and decoding to words that rules look for.
fn encoded_content(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        2 => prop::sample::select(vec!["key", "tok", "ab=", "=", "a", "b", "\n", " ", "kb", "bcdefgh ijklmno\n"])
            .prop_map(|text: &str| text.as_bytes().to_vec()),
        2 => prop::collection::vec(prop::sample::select(vec!["key", "tok", "ab=", "a", "b ", "yyyyyyyy"]), 3..8)
            .prop_map(|words| base64(words.concat().as_bytes())),
        1 => prop::collection::vec(prop::sample::select(vec!["%6b", "%65", "%79", "%6", "\\u006b", "\\u0065", "%3D"]), 1..4)
            .prop_map(|words| words.concat().into_bytes()),
        1 => prop::collection::vec(prop::sample::select(vec!["key", "aaaaaaaaaaaa", "tok"]), 5..8)
            .prop_map(|words| base64(&base64(words.concat().as_bytes()))),
        1 => (1_usize..30).prop_map(|times| "lorem ipsum,\n".repeat(times * times / 4 + 1).into_bytes()),
    ];
    prop::collection::vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

pub(super) fn base64(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().enumerate().fold(0_u32, |bits, (index, &byte)| bits | u32::from(byte) << (16 - 8 * index));
        out.extend((0..=chunk.len()).map(|index| ALPHABET[(bits >> (18 - 6 * index)) as usize & 63]));
        out.extend(std::iter::repeat_n(b'=', 3 - chunk.len()));
    }
    out
}

/// Rules that also ask for entropy and for each other.
fn varied_rules() -> impl Strategy<Value = Vec<Rule>> {
    let entropies = prop::collection::vec(prop::sample::select(vec![0.0, 0.5, 1.5, 2.5]), 4);
    (rules(), entropies, any::<bool>(), any::<bool>()).prop_map(|(mut rules, entropies, is_composite, skip_report)| {
        for (rule, entropy) in rules.iter_mut().zip(entropies) {
            rule.entropy = entropy;
        }
        if is_composite && rules.len() > 1 {
            let id = rules[1].id.clone();
            rules[0].required = vec![Required { id, within_lines: Some(2), within_columns: None }];
            rules[1].skip_report = skip_report;
        }
        rules
    })
}

pub(super) fn content(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => prop::sample::select(vec![
            "key", "KEY", "tok", "ke", "ab=", "=", "a", "b", "\n", "\n", " ", "-", "y", "kb", "gitleaks:allow",
        ])
            .prop_map(|text: &str| text.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

/// The matches of the rules without anchors or windows: every expression on the whole content.
fn whole(rules: &[Rule], content: &[u8]) -> Vec<(usize, Span)> {
    let mut found = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let lower = content.to_ascii_lowercase();
        let has = |keyword: &String| lower.windows(keyword.len()).any(|window| window == keyword.as_bytes());
        if !rule.keywords.is_empty() && !rule.keywords.iter().any(has) {
            continue;
        }
        let regex = Regex::builder()
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .configure(Regex::config().utf8_empty(false))
            .build(&rule.regex.as_ref().unwrap().translated)
            .unwrap();
        for raw in regex.find_iter(content) {
            let bytes = &content[raw.range()];
            if let Some(first) = bytes.iter().position(|&byte| byte != b'\n') {
                let last = bytes.iter().rposition(|&byte| byte != b'\n').unwrap();
                found.push((index, Span::new(raw.start() + first, raw.start() + last + 1)));
            }
        }
    }
    found
}

proptest! {
    #[test]
    fn windows_find_what_a_search_of_the_whole_finds(rules in rules(), content in content(60)) {
        let expected = whole(&rules, &content);
        let options = ScanOptions { decode_depth: 0, inline_allow: false, ..ScanOptions::default() };
        let scanner = Scanner::new(set(rules, Vec::new()), options);
        let scan = scanner.scan(&mut scanner.scratch(), &content);
        let found: Vec<(usize, Span)> = scan.matches.iter().map(|found| (found.rule, found.span)).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn places_lie_inside_the_content(rules in rules(), content in content(40)) {
        let lines = content.iter().filter(|&&byte| byte == b'\n').count() as u32 + 1;
        let scanner = scanner(rules);
        for found in scanner.scan(&mut scanner.scratch(), &content).matches {
            prop_assert!(found.span.start < found.span.end && found.span.end <= content.len());
            prop_assert!(found.start <= found.end);
            prop_assert!(1 <= found.start.line && found.end.line <= lines);
            prop_assert!(1 <= found.start.column && found.end.column as usize <= content.len());
        }
    }
}

/// Steps that make new content from a base of `len` bytes, without the bytes to insert.
#[derive(Debug, Clone)]
pub(super) enum Edit {
    /// Start and length in tenths of a percent of the base.
    Copy(usize, usize),
    Insert(Vec<u8>),
}

pub(super) fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let copy = (0_usize..1000, 0_usize..1000).prop_map(|(from, len)| Edit::Copy(from, len));
    // Mostly what git does: long copies in order with small changes between them.
    let in_order = prop::collection::vec((0_usize..1000, 0_usize..12, content(4)), 0..4).prop_map(|mut cuts| {
        cuts.sort();
        let mut edits = Vec::new();
        let mut at = 0;
        for (cut, skipped, inserted) in cuts {
            edits.push(Edit::Copy(at, cut.saturating_sub(at)));
            edits.push(Edit::Insert(inserted));
            at = cut + skipped;
        }
        edits.push(Edit::Copy(at, 1000));
        edits
    });
    let any_order = prop::collection::vec(prop_oneof![copy, content(6).prop_map(Edit::Insert)], 0..6);
    prop_oneof![3 => in_order, 1 => any_order]
}

pub(super) fn apply(base: &[u8], edits: &[Edit]) -> (Vec<u8>, Vec<DeltaOp>) {
    let mut content = Vec::new();
    let mut ops = Vec::new();
    for edit in edits {
        match edit {
            Edit::Copy(from, len) => {
                let from = (base.len() * from).div_ceil(1000).min(base.len());
                let len = (base.len() * len).div_ceil(1000).min(base.len() - from);
                content.extend_from_slice(&base[from..from + len]);
                ops.push(DeltaOp::Copy { from, len });
            }
            Edit::Insert(bytes) => {
                content.extend_from_slice(bytes);
                ops.push(DeltaOp::Insert { len: bytes.len() });
            }
        }
    }
    (content, ops)
}

/// A scan without what is kept for reuse; matches print their places, names and lengths.
pub(super) fn show(scan: &ContentScan) -> String {
    format!("{:#?} {} {:?}", scan.matches, scan.allowed_inline, scan.failed_rules)
}

proptest! {
    #[test]
    fn a_scan_of_derived_content_finds_what_a_whole_scan_finds(
        rules in varied_rules(),
        base in content(80),
        generations in prop::collection::vec(edits(), 1..4),
    ) {
        let scanner = scanner(rules);
        let mut scratch = scanner.scratch();
        let mut base_scan = scanner.scan(&mut scratch, &base);
        let mut base = base;
        for edits in generations {
            let (content, ops) = apply(&base, &edits);
            let derived = scanner.scan_delta(&mut scratch, &content, &base_scan, &ops);
            // With nothing kept of the other scans.
            let whole = scanner.scan(&mut scanner.scratch(), &content);
            prop_assert_eq!(show(&derived), show(&whole));
            (base, base_scan) = (content, derived);
        }
    }
}

proptest! {
    #[test]
    fn decoded_forms_of_derived_content_give_what_a_whole_scan_gives(
        rules in varied_rules(),
        base in encoded_content(20),
        generations in prop::collection::vec(edits(), 1..4),
        strict in any::<bool>(),
    ) {
        let options = ScanOptions { decode_depth: 3, strict, ..ScanOptions::default() };
        let scanner = Scanner::new(set(rules, Vec::new()), options);
        let mut scratch = scanner.scratch();
        let mut base_scan = scanner.scan(&mut scratch, &base);
        let mut base = base;
        for edits in generations {
            let (content, ops) = apply(&base, &edits);
            let derived = scanner.scan_delta(&mut scratch, &content, &base_scan, &ops);
            // With nothing kept of the other scans.
            let whole = scanner.scan(&mut scanner.scratch(), &content);
            prop_assert_eq!(show(&derived), show(&whole));
            for found in &whole.matches {
                prop_assert!(found.span.start < found.span.end && found.span.end <= content.len());
            }
            (base, base_scan) = (content, derived);
        }
    }

    /// Rules that look for a byte which is too common for the search of all literals, where a keyword occurs.
    #[test]
    fn a_common_byte_is_looked_for_as_a_rule_that_can_match_anywhere(
        base in encoded_content(20),
        generations in prop::collection::vec(edits(), 1..4),
        strict in any::<bool>(),
    ) {
        let keyed = |regex: &str| Rule { keywords: vec!["tok".into()], ..rule("rule", regex) };
        let scanner = |regex: &str| {
            let options = ScanOptions { decode_depth: 2, strict, ..ScanOptions::default() };
            Scanner::new(set(vec![keyed(regex)], Vec::new()), options)
        };
        let common = scanner("[aby]{1,4}=[ab]{2,9}");
        // Without a byte that every match contains.
        let anywhere = scanner("[aby]{1,4}(?:=|=)[ab]{2,9}|[0-9]{40}");
        prop_assert_eq!((common.programs.common.len(), anywhere.programs.common.len()), (1, 0));
        let mut scratch = common.scratch();
        let mut base_scan = common.scan(&mut scratch, &base);
        let mut base = base;
        for edits in generations {
            let (content, ops) = apply(&base, &edits);
            let derived = common.scan_delta(&mut scratch, &content, &base_scan, &ops);
            prop_assert_eq!(show(&derived), show(&common.scan(&mut common.scratch(), &content)));
            prop_assert_eq!(show(&derived), show(&anywhere.scan(&mut anywhere.scratch(), &content)));
            (base, base_scan) = (content, derived);
        }
    }

    /// Searching the neighbourhoods of what was decoded is as good as decoding the whole content.
    #[test]
    fn neighbourhoods_of_decoded_text_are_wide_enough(rules in varied_rules(), content in encoded_content(20)) {
        let options = || ScanOptions { decode_depth: 1, ..ScanOptions::default() };
        let plain = Scanner::new(set(rules.clone(), Vec::new()), options());
        // A rule that can match anywhere forces the whole to be decoded.
        let mut more = rules;
        more.push(rule("anywhere", "[0-9]{40}"));
        let whole = Scanner::new(set(more, Vec::new()), options());
        prop_assert_eq!(
            show(&plain.scan(&mut plain.scratch(), &content)),
            show(&whole.scan(&mut whole.scratch(), &content))
        );
    }
}
