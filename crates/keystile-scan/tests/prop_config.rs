//! The TOML reader never panics, whatever it is given, and its places lie inside the file.

use keystile_scan::config::Loader;
use proptest::prelude::*;

/// Lines and pieces that a configuration is made of, right and wrong.
const PIECES: &[&str] = &[
    "[extend]\n",
    "useDefault = true\n",
    "path = 'x.toml'\n",
    "url = 'u'\n",
    "disabledRules = ['a', 'b']\n",
    "[[rules]]\n",
    "[rules]\n",
    "[[rules.allowlists]]\n",
    "[rules.allowlist]\n",
    "[[rules.required]]\n",
    "[rules.examples]\n",
    "[allowlist]\n",
    "[[allowlists]]\n",
    "[keystile]\n",
    "salt = 'x'\n",
    "id = 'a'\n",
    "id = 'b'\n",
    "id = \"é\"\n",
    "ID = 1\n",
    "regex = '''(a)'''\n",
    "regex = '''(é\n'''\n",
    "regex = \"\\u00e9\\\\d[\"\n",
    "regex = \"\"\"\\\n\t *\"\"\"\n",
    "regex = [1]\n",
    "regexes = ['a', 'b', '(']\n",
    "paths = 'a,b'\n",
    "stopwords = ['s', 1]\n",
    "commits = ['0']\n",
    "condition = 'and'\n",
    "regexTarget = 'line'\n",
    "targetRules = ['a']\n",
    "secretGroup = 1\n",
    "secretGroup = 99999999999999999999\n",
    "entropy = 3.5\n",
    "entropy = inf\n",
    "keywords = ['K']\n",
    "tags = []\n",
    "skipReport = true\n",
    "severity = 'low'\n",
    "withinLines = -1\n",
    "title = 1979-05-27\n",
    "'",
    "\"",
    "'''",
    "\"\"\"",
    "=",
    "[",
    "]",
    "{",
    "}",
    "\n",
    "\r\n",
    "#é\n",
    "\u{FEFF}",
    "\0",
    "a.b.c = 1\n",
    "x = { y = [ {}, ] }\n",
];

fn check(text: &str, extended: &str) -> Result<(), TestCaseError> {
    for (skip_bad_rules, strict) in [(false, false), (true, true)] {
        let read = |_: &str| Ok(extended.to_owned());
        let loader = Loader { builtin: "[[rules]]\nid = 'a'\nregex = 'a'\n", read: &read, skip_bad_rules, strict };
        let (diagnostics, is_error) = match loader.load("scan.toml", text) {
            Ok(config) => {
                for (i, rule) in config.rules.rules.iter().enumerate() {
                    prop_assert!(rule.regex.is_some() || rule.path.is_some());
                    prop_assert!(rule.regex.as_ref().is_none_or(|regex| rule.secret_group <= regex.groups));
                    prop_assert!(config.rules.rules[..i].iter().all(|other| other.id != rule.id), "unique ids");
                }
                (config.warnings, false)
            }
            Err(errors) => {
                prop_assert!(!errors.0.is_empty());
                (errors.0, true)
            }
        };
        for diagnostic in diagnostics {
            prop_assert_eq!(diagnostic.is_error, is_error);
            let text = match diagnostic.file.as_str() {
                "scan.toml" => text,
                "<built-in rules>" => continue,
                _ => extended,
            };
            let line = text.split('\n').nth(diagnostic.line as usize - 1);
            let columns = line.map(|line| line.chars().count() + 1);
            prop_assert!(columns.is_some_and(|columns| diagnostic.column as usize <= columns), "{:?}", diagnostic);
            prop_assert!(diagnostic.rendered.contains(diagnostic.message.lines().next().unwrap_or("")));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in any::<String>(), extended in any::<String>()) {
        check(&text, &extended)?;
    }

    #[test]
    fn any_pieces(
        text in prop::collection::vec(prop::sample::select(PIECES), 0..16),
        extended in prop::collection::vec(prop::sample::select(PIECES), 0..6),
    ) {
        check(&text.concat(), &extended.concat())?;
    }
}
