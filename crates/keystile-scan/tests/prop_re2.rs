//! Translation never panics, and what it accepts can be parsed.

use keystile_scan::re2;
use proptest::prelude::*;
use regex_automata::nfa::thompson::{self, WhichCaptures};

/// Pieces that mean something in one of the two syntaxes.
const PIECES: &[&str] = &[
    "a",
    "k",
    "é",
    "\u{10FFFF}",
    "\u{FFFD}",
    " ",
    "#",
    "\n",
    "&&",
    "--",
    "~~",
    "-",
    ",",
    ":",
    "=",
    "!",
    "<",
    ">",
    "'",
    "(",
    ")",
    "(?",
    "(?:",
    "(?i)",
    "(?i-s:",
    "(?P<n>",
    "(?<n>",
    "(?P",
    "(?-",
    "(?x)",
    "|",
    "[",
    "]",
    "[^",
    "[]",
    "[[:alpha:]]",
    "[^\\p{Any}]",
    "[\\p{Any}",
    "[:^word:]",
    "{",
    "}",
    "{2}",
    "{2,}",
    "{,2}",
    "{0,3}",
    "{1000}",
    "*",
    "+",
    "?",
    "??",
    "^",
    "$",
    ".",
    "\\",
    "\\Q",
    "\\E",
    "\\A",
    "\\z",
    "\\b",
    "\\B",
    "\\C",
    "\\d",
    "\\W",
    "\\s",
    "\\p",
    "\\pL",
    "\\P{Greek}",
    "\\p{^Lu}",
    "\\p{Cs}",
    "\\x",
    "\\x{",
    "\\x7f",
    "\\x{D800}",
    "\\x{FFFD}",
    "\\1",
    "\\12",
    "\\0",
    "\\n",
    "\\]",
    "i",
    "s",
    "U",
    "0",
    "9",
];

fn check(pattern: &str) -> Result<(), TestCaseError> {
    match re2::parse(pattern) {
        Ok(translated) => {
            // `parse` promises that it parses, with as many groups, and compiles within the limit.
            let config = re2::syntax_config();
            let hir = regex_automata::util::syntax::parse_with(&translated.translated, &config);
            let hir = hir.map_err(|error| TestCaseError::fail(format!("{pattern:?}: {error}")))?;
            // Groups that are repeated no times, as in `(a){0}`, are dropped when parsed.
            let groups = hir.properties().explicit_captures_len();
            let can_drop = pattern.contains("{0");
            prop_assert!(groups == translated.groups || (can_drop && groups < translated.groups), "{}", pattern);
            for (is_reverse, captures) in [(false, WhichCaptures::All), (true, WhichCaptures::None)] {
                let config = thompson::Config::new()
                    .utf8(false)
                    .reverse(is_reverse)
                    .which_captures(captures)
                    .nfa_size_limit(Some(re2::NFA_SIZE_LIMIT));
                let compiled = thompson::Compiler::new().configure(config).build_from_hir(&hir);
                prop_assert!(compiled.is_ok(), "{:?}: {:?}", pattern, compiled.err());
            }
        }
        Err(error) => {
            prop_assert!(error.span.start <= error.span.end && error.span.end <= pattern.len());
            prop_assert!(pattern.is_char_boundary(error.span.start) && pattern.is_char_boundary(error.span.end));
            prop_assert!(
                !matches!(error.kind, re2::SyntaxErrorKind::Untranslatable(_)),
                "{:?}: {} in {:?}",
                pattern,
                error,
                re2::translate(pattern)
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_text(pattern in any::<String>()) {
        check(&pattern)?;
    }

    #[test]
    fn any_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..12)) {
        check(&pieces.concat())?;
    }

    #[test]
    fn a_literal_matches_itself_only(text in "\\PC{0,12}") {
        let pattern = re2::parse(&format!("\\Q{}\\E", text.replace("\\E", ""))).expect("a quote is valid");
        let regex = regex_automata::meta::Regex::builder()
            .syntax(re2::syntax_config())
            .build(&pattern.translated)
            .expect("compiles");
        let text = text.replace("\\E", "");
        let found = regex.find(text.as_bytes()).expect("matches itself");
        prop_assert_eq!(found.range(), 0..text.len());
    }
}
