//! What a match is: secret, entropy, exceptions, places. Where gitleaks is cited, its version is 8.30.

use std::sync::Arc;

use super::{matches, pattern, rule, scanner, secrets, set};
use crate::engine::{Place, ScanOptions, Scanner, Verdict};
use crate::position::Span;
use crate::rule::{Allowlist, Condition, RegexTarget, Required, Rule, RuleId};

fn strict(rules: Vec<Rule>) -> Scanner {
    Scanner::new(set(rules, Vec::new()), ScanOptions { strict: true, decode_depth: 0, ..ScanOptions::default() })
}

fn judge(scanner: &Scanner, content: &[u8], path: &str, commit: &str) -> Vec<Verdict> {
    scanner.judge(&matches(scanner, content), Place { path: path.into(), commit })
}

#[test]
fn the_secret_is_the_first_group_that_took_part_or_the_named_one() {
    let cases = [
        (r"pass=\w+", 0, "pass=abc"),
        (r"pass=(\w+)", 0, "abc"),
        (r"pass=(?:(\d+)|(\w+))", 0, "abc"),
        (r"(pass)=(\w+)", 2, "abc"),
        (r"pass=(?:(\d+)|(\w+))", 1, "pass=abc"),
    ];
    for (regex, secret_group, expected) in cases {
        let scanner = scanner(vec![Rule { secret_group, ..rule("r", regex) }]);
        assert_eq!(secrets(&scanner, b"x pass=abc\n"), [expected], "{regex} {secret_group}");
    }
}

#[test]
fn groups_are_taken_where_the_match_stands() {
    // Cut out of its line, `\B` before the word no longer holds, and gitleaks finds no group.
    let rules = || vec![rule("r", r"\B(pass)=\w+")];
    assert_eq!(secrets(&scanner(rules()), b"mypass=abc"), ["pass"]);
    assert_eq!(secrets(&strict(rules()), b"mypass=abc"), ["pass=abc"]);
}

#[test]
fn line_feeds_at_both_ends_are_cut() {
    let rules = || vec![rule("r", r"\spass=\w+\s")];
    let found = &matches(&scanner(rules()), b"a\npass=abc\nb")[0];
    assert_eq!(found.matched.reveal(), b"pass=abc");
    assert_eq!(found.span, Span::new(2, 10));
    assert_eq!((found.start.line, found.start.column, found.end.line, found.end.column), (2, 1, 2, 8));
    assert_eq!(found.line.reveal(), b"pass=abc");
    // gitleaks moves the end only.
    let found = &matches(&strict(rules()), b"a\npass=abc\nb")[0];
    assert_eq!((found.start.line, found.start.column, found.end.line, found.end.column), (2, 1, 2, 8));
}

#[test]
fn entropy_must_be_above_the_threshold() {
    let with = |entropy| scanner(vec![Rule { entropy, ..rule("r", r"key=(\w+)") }]);
    assert_eq!(secrets(&with(1.0), b"key=aabb"), [""; 0], "equal is not above");
    assert_eq!(secrets(&with(0.99), b"key=aabb"), ["aabb"]);
    assert_eq!(matches(&with(0.99), b"key=aabb")[0].entropy, 1.0);
}

#[test]
fn keywords_gate_the_whole_content() {
    let scanner = scanner(vec![Rule { keywords: vec!["vault".into()], ..rule("r", r"hvs\.\w+") }]);
    assert_eq!(secrets(&scanner, b"hvs.abc"), [""; 0]);
    assert_eq!(secrets(&scanner, b"# VAULT\n\n\nhvs.abc"), ["hvs.abc"]);
}

#[test]
fn a_comment_excuses_its_line_only() {
    let scanner = scanner(vec![rule("r", r"pass=\w+")]);
    let scan = |content: &[u8]| {
        let scan = scanner.scan(&mut scanner.scratch(), content);
        (scan.matches.len(), scan.allowed_inline)
    };
    assert_eq!(scan(b"pass=abc # gitleaks:allow\n"), (0, 1));
    assert_eq!(scan(b"pass=abc # keystile:allow\n"), (0, 1));
    assert_eq!(scan(b"x # gitleaks:allow\npass=abc\n"), (1, 0));
    assert_eq!(scan(b"x # gitleaks:allow\npass=abc"), (1, 0), "also on a last line without a line feed");
    let off = ScanOptions { inline_allow: false, ..ScanOptions::default() };
    let off = Scanner::new(set(vec![rule("r", r"pass=\w+")], Vec::new()), off);
    assert_eq!(off.scan(&mut off.scratch(), b"pass=abc # gitleaks:allow\n").matches.len(), 1);
}

#[test]
fn strict_lets_an_earlier_comment_excuse_an_unclosed_last_line() {
    let scanner = strict(vec![rule("r", r"pass=\w+")]);
    assert_eq!(secrets(&scanner, b"x # gitleaks:allow\npass=abc"), [""; 0]);
    assert_eq!(secrets(&scanner, b"x # gitleaks:allow\npass=abc\n"), ["pass=abc"]);
}

#[test]
fn strict_columns_are_one_too_many_after_the_first_line() {
    let content = "pass=abc\n§ pass=abc\n".as_bytes();
    let columns = |scanner: &Scanner| -> Vec<(u32, u32)> {
        matches(scanner, content).iter().map(|found| (found.start.column, found.end.column)).collect()
    };
    assert_eq!(columns(&scanner(vec![rule("r", r"pass=\w+")])), [(1, 8), (3, 10)]);
    assert_eq!(columns(&strict(vec![rule("r", r"pass=\w+")])), [(1, 8), (5, 12)]);
}

#[test]
fn allowlists_look_at_secret_match_or_line() {
    let with = |regex_target, regex: &str| {
        let allowlist = Allowlist { regexes: vec![pattern(regex)], regex_target, ..Allowlist::default() };
        scanner(vec![Rule { allowlists: vec![allowlist], ..rule("r", r"pass=(\w+)") }])
    };
    let content = b"one\nset pass=abc now\ntwo\n";
    for (target, excusing, not) in [
        (RegexTarget::Secret, "^abc$", "pass"),
        (RegexTarget::Match, "^pass=abc$", "set"),
        (RegexTarget::Line, "^set pass=abc now$", "one"),
    ] {
        assert_eq!(secrets(&with(target, excusing), content), [""; 0], "{target:?}");
        assert_eq!(secrets(&with(target, not), content), ["abc"], "{target:?}");
    }
}

#[test]
fn in_strict_mode_a_line_begins_with_the_line_feed_before_it() {
    let allowlist =
        Allowlist { regexes: vec![pattern("^set")], regex_target: RegexTarget::Line, ..Allowlist::default() };
    let rules = || vec![Rule { allowlists: vec![allowlist.clone()], ..rule("r", r"pass=(\w+)") }];
    assert_eq!(secrets(&scanner(rules()), b"set pass=abc\nset pass=def\n"), [""; 0]);
    assert_eq!(secrets(&strict(rules()), b"set pass=abc\nset pass=def\n"), ["def"]);
}

#[test]
fn stop_words_count_in_any_case() {
    let allowlist = Allowlist { stopwords: vec!["example".into()], ..Allowlist::default() };
    let scanner = scanner(vec![Rule { allowlists: vec![allowlist], ..rule("r", r"pass=(\w+)") }]);
    assert_eq!(secrets(&scanner, b"pass=myEXAMPLEpass pass=abc example"), ["abc"]);
}

#[test]
fn strict_joins_the_expressions_of_an_allowlist() {
    let allowlist = Allowlist { regexes: vec![pattern("(?i)foo"), pattern("abc")], ..Allowlist::default() };
    let rules = || vec![Rule { allowlists: vec![allowlist.clone()], ..rule("r", r"pass=(\w+)") }];
    assert_eq!(secrets(&scanner(rules()), b"pass=ABC pass=abc pass=FOO"), ["ABC"]);
    assert_eq!(secrets(&strict(rules()), b"pass=ABC pass=abc pass=FOO"), [""; 0]);
}

#[test]
fn allowlists_on_places() {
    let commit = "0123456789012345678901234567890123456789";
    let paths = || vec![pattern(r"^tests/")];
    let cases: [(&str, Allowlist, [Verdict; 3]); 5] = [
        (
            "OR: path",
            Allowlist { paths: paths(), ..Allowlist::default() },
            [Verdict::Allowed, Verdict::Finding, Verdict::Finding],
        ),
        (
            "OR: commit",
            Allowlist { commits: vec![commit.into()], ..Allowlist::default() },
            [Verdict::Finding, Verdict::Allowed, Verdict::Finding],
        ),
        (
            "AND: path and a regex that holds",
            Allowlist {
                condition: Condition::And,
                paths: paths(),
                regexes: vec![pattern("abc")],
                ..Allowlist::default()
            },
            [Verdict::Allowed, Verdict::Finding, Verdict::Finding],
        ),
        (
            "AND: path and a regex that does not",
            Allowlist {
                condition: Condition::And,
                paths: paths(),
                regexes: vec![pattern("zzz")],
                ..Allowlist::default()
            },
            [Verdict::Finding, Verdict::Finding, Verdict::Finding],
        ),
        (
            "AND: path and commit",
            Allowlist {
                condition: Condition::And,
                paths: paths(),
                commits: vec![commit.into()],
                ..Allowlist::default()
            },
            [Verdict::Finding, Verdict::Finding, Verdict::Finding],
        ),
    ];
    for (name, allowlist, expected) in cases {
        let own = scanner(vec![Rule { allowlists: vec![allowlist.clone()], ..rule("r", r"pass=\w+") }]);
        let global = Scanner::new(set(vec![rule("r", r"pass=\w+")], vec![allowlist]), ScanOptions::default());
        let by_path = name == "OR: path";
        assert_eq!(global.has_path_allowlists(), by_path, "{name}");
        assert_eq!(global.excuses_path("tests/a".into()), by_path, "{name}");
        assert!(!global.excuses_path("src/a".into()) && !own.excuses_path("tests/a".into()), "{name}");
        for (scanner, is_global) in [(own, false), (global, true)] {
            let at = |path, commit| judge(&scanner, b"pass=abc", path, commit)[0];
            let mut expected = expected;
            if is_global && by_path {
                expected[0] = Verdict::PathAllowed;
            }
            assert_eq!([at("tests/a", ""), at("src/a", commit), at("src/a", "")], expected, "{name}");
        }
    }
}

#[test]
fn an_allowlist_that_asks_for_the_path_alone_excuses_it_under_either_condition() {
    let commit = "0123456789012345678901234567890123456789";
    let paths = || vec![pattern(r"^tests/"), pattern(r"\.md$")];
    let or = Allowlist { paths: paths(), commits: vec![commit.into()], ..Allowlist::default() };
    let and = Allowlist { condition: Condition::And, paths: paths(), ..Allowlist::default() };
    for (name, allowlist) in [("OR", or), ("AND", and)] {
        let scanner = Scanner::new(set(vec![rule("r", r"pass=\w+")], vec![allowlist]), ScanOptions::default());
        assert!(scanner.has_path_allowlists(), "{name}");
        for (path, expected) in [("tests/a", true), ("a/b.md", true), ("src/a", false), ("", false)] {
            assert_eq!(scanner.excuses_path(path.into()), expected, "{name} {path}");
            for commit in ["", commit] {
                let verdict = judge(&scanner, b"pass=abc", path, commit)[0];
                let otherwise = if name == "OR" && !commit.is_empty() { Verdict::Allowed } else { Verdict::Finding };
                assert_eq!(verdict, if expected { Verdict::PathAllowed } else { otherwise }, "{name} {path} {commit}");
            }
        }
    }
}

#[test]
fn a_rule_with_a_path_looks_there_only() {
    let scanner = scanner(vec![Rule { path: Some(pattern(r"\.env$")), ..rule("r", r"pass=\w+") }]);
    assert_eq!(judge(&scanner, b"pass=abc", "a/.env", ""), [Verdict::Finding]);
    assert_eq!(judge(&scanner, b"pass=abc", "a/env.rs", ""), [Verdict::PathNotCovered]);
    assert_eq!(judge(&scanner, b"pass=abc", "", ""), [Verdict::PathNotCovered]);
}

#[test]
fn a_generic_rule_gives_way_on_the_same_line() {
    let rules = vec![rule("my-Generic-key", r"key=(\w+)"), rule("specific", r"spec\w+")];
    let scanner = scanner(rules);
    assert_eq!(judge(&scanner, b"key=spec1", "a", ""), [Verdict::Superseded, Verdict::Finding]);
    assert_eq!(judge(&scanner, b"key=other1 spec1", "a", ""), [Verdict::Finding, Verdict::Finding]);
    assert_eq!(judge(&scanner, b"key=pec1\nspec1", "a", ""), [Verdict::Finding, Verdict::Finding]);
}

#[test]
fn a_generic_rule_gives_way_inside_of_another_match_but_not_in_strict() {
    let rules = || vec![rule("generic", r"key=(\w+)"), rule("block", r"BEGIN\n[\w=\n]*key=(\w+)\nEND")];
    let content = b"key=abc\nBEGIN\nkey=abc\nEND\n";
    let verdicts = judge(&scanner(rules()), content, "a", "");
    assert_eq!(verdicts, [Verdict::Finding, Verdict::Superseded, Verdict::Finding]);
    assert_eq!(judge(&strict(rules()), content, "a", ""), [Verdict::Finding; 3]);
}

#[test]
fn path_rules_report_the_path() {
    let path_rule = Rule { regex: None, path: Some(pattern(r"\.p12$")), ..rule("p12", "x") };
    let scanner = scanner(vec![path_rule]);
    assert!(scanner.has_path_rules());
    let place = |path: &'static str| Place { path: path.into(), commit: "" };
    let found = scanner.judge_path(place("a/b.p12"));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].matched.reveal(), b"file detected: a/b.p12");
    assert_ne!(found[0].fingerprint, scanner.judge_path(place("b.p12"))[0].fingerprint);
    assert!(scanner.judge_path(place("a/b.p1")).is_empty());
}

#[test]
fn a_composite_rule_needs_the_others_nearby() {
    let required =
        |within_lines, within_columns| vec![Required { id: RuleId::new("id"), within_lines, within_columns }];
    let with = |required| {
        scanner(vec![
            Rule { required, ..rule("pair", r"secret=\w+") },
            Rule { skip_report: true, keywords: vec!["absent".into()], ..rule("id", r"id=\w+") },
        ])
    };
    let found = |required, content: &[u8]| -> Vec<usize> {
        matches(&with(required), content).iter().map(|found| found.required.len()).collect()
    };
    let content = b"id=a\n\nsecret=b\n\n    id=c\n";
    assert_eq!(found(required(None, None), content), [2], "keywords do not gate what is required");
    assert_eq!(found(required(Some(1), None), content), [0; 0]);
    assert_eq!(found(required(Some(2), None), content), [2]);
    assert_eq!(found(required(Some(2), Some(0)), content), [1]);
    assert_eq!(found(required(None, None), b"secret=b"), [0; 0]);
}

#[test]
fn a_composite_rule_is_judged_with_what_it_requires() {
    let required = vec![Required { id: RuleId::new("id"), within_lines: None, within_columns: None }];
    let scanner = scanner(vec![
        Rule { required, ..rule("pair", r"secret=\w+") },
        Rule { path: Some(pattern("^in/")), ..rule("id", r"id=\w+") },
    ]);
    assert_eq!(judge(&scanner, b"id=a secret=b", "in/a", ""), [Verdict::Finding, Verdict::Finding]);
    assert_eq!(judge(&scanner, b"id=a secret=b", "a", ""), [Verdict::Allowed, Verdict::PathNotCovered]);
}

#[test]
fn a_rule_that_can_not_be_compiled_is_reported() {
    let scanner =
        scanner(vec![rule("big", r"key(?:[a-z]{900}){900}[0-9]{900}(?:(?:[a-z]{900}){900}){90}"), rule("ok", "key=a")]);
    let scan = scanner.scan(&mut scanner.scratch(), b"key=a");
    assert_eq!(scan.matches.len(), 1);
    assert_eq!(scan.failed_rules, [] as [usize; 0], "its check says that it can't match here");
    let failures = scanner.check_all().unwrap_err();
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].rule, "big");
    let broken = super::scanner(vec![rule("big", r"(?:(?:[a-z]{900}){900}){90}"), rule("ok", "key=a")]);
    let scan = broken.scan(&mut broken.scratch(), b"key=a");
    assert_eq!((scan.matches.len(), scan.failed_rules), (1, vec![0]));
}

#[test]
fn a_match_knows_its_name_and_line() {
    let scanner = scanner(vec![rule("r", r"pass=\w+")]);
    let found = matches(&scanner, b"one\r\ntwo pass=abc three\r\nfour");
    assert_eq!(found[0].line.reveal(), b"two pass=abc three");
    let again = matches(&scanner, b"pass=abc");
    assert_eq!(found[0].fingerprint, Arc::clone(&again[0]).fingerprint);
}

#[test]
fn matches_in_base64_lie_where_it_lies() {
    let scanner = Scanner::new(set(vec![rule("r", r"pass=(\w+);")], Vec::new()), ScanOptions::default());
    // "user=a; pass=abc; end of it"
    let content = b"x\ndata: dXNlcj1hOyBwYXNzPWFiYzsgZW5kIG9mIGl0 # y\n";
    let found = matches(&scanner, content);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].secret.reveal(), b"abc");
    assert_eq!(found[0].matched.reveal(), b"pass=abc;");
    assert_eq!(found[0].encodings, ["base64"]);
    assert_eq!(found[0].line.reveal(), &content[2..content.len() - 1]);
    assert_eq!((found[0].start.line, found[0].end.line), (2, 2));
    assert!(found[0].span.start >= 8 && found[0].span.end <= 44, "{:?}", found[0].span);
    let off = ScanOptions { decode_depth: 0, ..ScanOptions::default() };
    let off = Scanner::new(set(vec![rule("r", r"pass=(\w+);")], Vec::new()), off);
    assert!(matches(&off, content).is_empty());
}

#[test]
fn a_keyword_may_stand_in_what_was_decoded_or_around_it() {
    let rules = vec![Rule { keywords: vec!["user".into()], ..rule("r", r"pass=(\w+);") }];
    let scanner = Scanner::new(set(rules, Vec::new()), ScanOptions::default());
    let encoded = "dXNlcj1hOyBwYXNzPWFiYzsgZW5kIG9mIGl0";
    assert_eq!(secrets(&scanner, encoded.as_bytes()), ["abc"]);
    // "nnnn=a; pass=abc; end of it"
    let without = "bm5ubj1hOyBwYXNzPWFiYzsgZW5kIG9mIGl0";
    assert_eq!(secrets(&scanner, without.as_bytes()), [""; 0]);
    assert_eq!(secrets(&scanner, format!("{without}\n{}\nUser", "\n".repeat(2000)).as_bytes()), ["abc"]);
}

#[test]
fn of_a_very_long_line_the_part_around_the_match_is_kept() {
    let scanner = scanner(vec![rule("r", r"pass=\w+")]);
    let far = "x ".repeat(50_000);
    let content = format!("{far}pass=abc {far}\n");
    let found = &matches(&scanner, content.as_bytes())[0];
    assert_eq!(found.line.len(), 2 * (16 << 10) + 8);
    assert_eq!(&found.line.reveal()[16 << 10..][..8], b"pass=abc");
    assert_eq!((found.start.line, found.start.column), (1, 100_001));
}

/// A scan must not cost the square of a content's length, whatever is in it. In a debug build each of
/// these takes well under a second; the square would take minutes.
#[test]
fn long_lines_full_of_anchors_are_walked_once() {
    let rules = || {
        vec![
            rule("runs", r"key[a-z]*=[a-z]+[0-9]{5}"),
            rule("lines", r"key.*=.*[0-9]{5}"),
            rule("before", r"[a-z]+key[0-9]"),
            rule("text", r"key[\s\S]*?END[0-9]"),
        ]
    };
    let scanner = Scanner::new(set(rules(), Vec::new()), ScanOptions::default());
    let start = std::time::Instant::now();
    for piece in ["key", "key=", "keyEND", "key =a", "a", "=key\n", "%6bey"] {
        let content = piece.repeat(300_000 / piece.len());
        assert!(matches(&scanner, content.as_bytes()).is_empty(), "{piece:?}");
        let seconds = start.elapsed().as_secs();
        assert!(seconds < 60, "{piece:?} {seconds} s");
    }
}

#[test]
fn an_allowlist_that_can_not_be_compiled_excuses_nothing_and_is_reported() {
    let too_large = pattern(r"(?:(?:[a-z]{900}){900}){90}");
    let allowlist = Allowlist { regexes: vec![too_large], ..Allowlist::default() };
    let scanner = scanner(vec![Rule { allowlists: vec![allowlist], ..rule("r", r"pass=\w+") }]);
    let scan = scanner.scan(&mut scanner.scratch(), b"pass=abc");
    assert_eq!((scan.matches.len(), scan.failed_rules), (1, vec![0]));
    assert_eq!(scanner.check_all().unwrap_err()[0].rule, "r");
}

#[test]
fn in_strict_mode_a_keyword_that_was_decoded_away_no_longer_counts() {
    let rules = || vec![Rule { keywords: vec!["dxnl".into()], ..rule("r", r"pass=(\w+);") }];
    // "user=a; pass=abc; end of it"
    let encoded = b"dXNlcj1hOyBwYXNzPWFiYzsgZW5kIG9mIGl0";
    let with = |strict| Scanner::new(set(rules(), Vec::new()), ScanOptions { strict, ..ScanOptions::default() });
    assert_eq!(secrets(&with(false), encoded), ["abc"]);
    assert_eq!(secrets(&with(true), encoded), [""; 0]);
    assert_eq!(secrets(&with(true), &[b"dxnl ".as_slice(), encoded].concat()), ["abc"]);
}

#[test]
fn a_match_beside_something_decoded_is_reported_again_in_strict_only() {
    let content = b"pass=abc;c3RpbGVzIGZvciBrZXlzOiAxMg==";
    let with = |strict| {
        let rules = vec![rule("r", r"pass=(\w+);")];
        Scanner::new(set(rules, Vec::new()), ScanOptions { strict, ..ScanOptions::default() })
    };
    assert_eq!(secrets(&with(false), content), ["abc"]);
    assert_eq!(secrets(&with(true), content), ["abc", "abc"]);
}
