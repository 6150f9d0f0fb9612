//! Every rule finds its matching examples, with the right secret and as the only rule, and none of
//! those that must not match; each in several surroundings and with several random fillings.

use keystile_rules::example::{Filled, Template};
use keystile_scan::{Place, Scanner, Verdict};

use crate::builtin::scanner;
use crate::document::{RuleDocument, files};

/// Fillings of each example: enough to meet tokens without a digit, with a `-` at the end, and so on.
const FILLINGS: usize = 6;

/// Surroundings of an example that is nothing but the secret; `@` is its place.
const TOKEN_LAYOUTS: &[(&str, &str)] = &[
    ("alone", "@"),
    ("line", "first line\n@\nlast line\n"),
    ("yaml", "settings:\n  api_key: @\n  other: 1\n"),
    ("json", "{\"name\": \"x\", \"access_token\": \"@\", \"more\": true}\n"),
    ("shell", "set -e\nexport CLIENT_SECRET='@'\nrun\n"),
    ("query", "see https://service.internal/list?id=@&page=2 for more\n"),
    ("sentence", "The value is `@`, as of today.\r\n"),
];

/// Surroundings of an example that brings its context along.
const CONTEXT_LAYOUTS: &[(&str, &str)] = &[("alone", "@"), ("lines", "first line\n@\nlast line\n")];

#[test]
fn matching_examples_are_found_by_their_rule_alone() {
    let scanner = scanner();
    let mut failures = Vec::new();
    for_each_example(
        |rule| &rule.matching,
        |rule, case, text, filled| {
            let found = findings(&scanner, text);
            let secret = &filled.text[filled.secret.clone()];
            if !found.iter().any(|(id, value)| *id == rule.id && value == secret) {
                failures.push(format!("{case}: not found in {text:?}; found {found:?}"));
            }
            for (id, _) in found.iter().filter(|(id, _)| *id != rule.id && !rule.also.contains(id)) {
                failures.push(format!("{case}: {id} finds it too, in {text:?}"));
            }
        },
    );
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn other_examples_are_not_found_by_their_rule() {
    let scanner = scanner();
    let mut failures = Vec::new();
    for_each_example(
        |rule| &rule.not_matching,
        |rule, case, text, _| {
            if findings(&scanner, text).iter().any(|(id, _)| *id == rule.id) {
                failures.push(format!("{case}: found in {text:?}"));
            }
        },
    );
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn windows_line_ends_change_nothing() {
    let scanner = scanner();
    let mut failures = Vec::new();
    for_each_example(
        |rule| &rule.matching,
        |rule, case, text, filled| {
            let secret = filled.text[filled.secret.clone()].replace('\n', "\r\n");
            let found = findings(&scanner, &text.replace("\r\n", "\n").replace('\n', "\r\n"));
            if !found.iter().any(|(id, value)| *id == rule.id && *value == secret) {
                failures.push(format!("{case}: not found in {text:?}; found {found:?}"));
            }
        },
    );
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn names_under_also_are_rules() {
    let files = files();
    let ids: Vec<&str> = files.iter().flat_map(|file| &file.rules).map(|rule| rule.id.as_str()).collect();
    for rule in files.iter().flat_map(|file| &file.rules) {
        for id in &rule.also {
            assert!(ids.contains(&id.as_str()), "{}: `also` names `{id}`, which is no rule", rule.id);
        }
    }
}

/// Calls `check` with each example of each rule, filled in, in each of its surroundings.
fn for_each_example(
    examples: impl Fn(&RuleDocument) -> &[Template],
    mut check: impl FnMut(&RuleDocument, &str, &str, &Filled),
) {
    for rule in files().iter().flat_map(|file| &file.rules) {
        for (index, example) in examples(rule).iter().enumerate() {
            for filling in 0..FILLINGS {
                let filled = example.fill(&format!("{}/{index}/{filling}", rule.id));
                let brings_context = example.has_marks() || filled.text.contains(['\n', ' ']);
                for (layout, around) in if brings_context { CONTEXT_LAYOUTS } else { TOKEN_LAYOUTS } {
                    let case = format!("{}, example {index}, filling {filling}, {layout}", rule.id);
                    check(rule, &case, &around.replace('@', &filled.text), &filled);
                }
            }
        }
    }
}

/// Rule and secret of everything that is reported for `text`. The values are made up.
fn findings(scanner: &Scanner, text: &str) -> Vec<(String, String)> {
    let matches = scanner.scan(&mut scanner.scratch(), text.as_bytes()).matches;
    let place = Place { path: "file.txt".into(), commit: "" };
    let verdicts = scanner.judge(&matches, place);
    matches
        .iter()
        .zip(verdicts)
        .filter(|(_, verdict)| *verdict == Verdict::Finding)
        .map(|(found, _)| {
            let secret = String::from_utf8_lossy(found.secret.reveal()).into_owned();
            (scanner.rule(found).id.as_str().to_owned(), secret)
        })
        .collect()
}
