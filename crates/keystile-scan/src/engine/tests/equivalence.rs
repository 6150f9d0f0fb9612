//! Equivalences: windows and whole content, for random rules and contents.

use proptest::prelude::*;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;

use super::{rule, scanner};
use crate::position::Span;
use crate::rule::Rule;

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

pub(super) fn content(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => prop::sample::select(vec!["key", "KEY", "tok", "ke", "ab=", "=", "a", "b", "\n", " ", "-", "y", "kb"])
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
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn windows_find_what_a_search_of_the_whole_finds(rules in rules(), content in content(60)) {
        let expected = whole(&rules, &content);
        let scanner = scanner(rules);
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
