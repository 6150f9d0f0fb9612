//! The TOML reader and the translator of patterns: no text makes them panic, places lie inside the
//! text, and what is accepted can be compiled.
#![no_main]

use keystile_scan::{config::Loader, re2};
use libfuzzer_sys::fuzz_target;
use regex_automata::{nfa::thompson, util::syntax};

fuzz_target!(|text: &str| {
    pattern(text);
    for (skip_bad_rules, strict) in [(false, true), (true, false)] {
        // The text extends itself, which has to end.
        let read = |_: &str| Ok(text.to_owned());
        let loader = Loader { builtin: text, read: &read, skip_bad_rules, strict };
        match loader.load("fuzz.toml", text) {
            Ok(config) => {
                for rule in &config.rules.rules {
                    assert!(rule.regex.is_some() || rule.path.is_some());
                }
            }
            Err(errors) => assert!(!errors.0.is_empty()),
        }
    }
});

fn pattern(text: &str) {
    match re2::parse(text) {
        Ok(pattern) => {
            let hir = syntax::parse_with(&pattern.translated, &re2::syntax_config()).expect("accepted, so it parses");
            // Groups that are repeated no times, as in `(a){0}`, are dropped when parsed.
            assert!(hir.properties().explicit_captures_len() <= pattern.groups);
            let config = thompson::Config::new().utf8(false).nfa_size_limit(Some(re2::NFA_SIZE_LIMIT));
            thompson::Compiler::new().configure(config).build_from_hir(&hir).expect("accepted, so it compiles");
        }
        Err(error) => {
            assert!(text.get(error.span.clone()).is_some(), "{error:?}");
            assert!(!matches!(error.kind, re2::SyntaxErrorKind::Untranslatable(_)), "{error:?}");
        }
    }
}
