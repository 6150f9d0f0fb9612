//! Tables of YAML texts.

use keystile_policy::Path;
use serde_json::json;

use super::*;
use crate::{Format, Template, read as read_text};

fn read_yaml(text: &str) -> Vec<Result<Document, Unreadable>> {
    read_text(&Arc::new(Source::new("t.yaml", text)), Format::Yaml)
}

fn one(text: &str) -> Document {
    let mut documents = read_yaml(text);
    assert_eq!(documents.len(), 1, "{documents:?}");
    documents.remove(0).unwrap()
}

fn fault(text: &str) -> Unreadable {
    read_yaml(text).into_iter().find_map(Result::err).unwrap_or_else(|| panic!("can be read: {text}"))
}

#[test]
fn keys_and_values_have_places() {
    let document = one("spec:\n  data:\n  - secretKey: p\n    remoteRef: {key: /ä/b, version: \"1\"}\n");
    let key = Path::of(&["spec", "data"]).item(0).fields(&["remoteRef", "key"]).to_owned();
    assert_eq!(document.key_position(&key).unwrap().to_string(), "4:17");
    assert_eq!(document.value_position(&key).unwrap().to_string(), "4:22");
    let place = document.place(&key).0;
    assert_eq!(document.source.slice(place.value), "/ä/b");
    let version = Path::of(&["spec", "data"]).item(0).fields(&["remoteRef", "version"]).to_owned();
    assert_eq!(document.key_position(&version).unwrap().to_string(), "4:28");
}

#[test]
fn a_field_that_is_missing_is_where_the_field_above_it_is() {
    let document = one("spec:\n  target: {}\n");
    let located = document.locate(&Path::of(&["spec", "target", "name"]).to_owned());
    assert!(!located.is_exact);
    assert_eq!(located.position.to_string(), "2:3");
}

#[test]
fn documents_are_told_apart_and_empty_ones_left_out() {
    for (name, text, expected) in [
        ("nothing", "", vec![]),
        ("comments", "# a\n---\n# b\n---\n", vec![]),
        (
            "several",
            "a: 1\n---\nb: 2\n...\n---\n# no\n---\nc: 3\n",
            vec![json!({"a": 1}), json!({"b": 2}), json!({"c": 3})],
        ),
        ("windows", "a: 1\r\n---\r\nb:\r\n- x\r\n", vec![json!({"a": 1}), json!({"b": ["x"]})]),
        ("mark", "\u{feff}a: 1\n", vec![json!({"a": 1})]),
        ("json", "{\"a\": [1, \"x\"]}", vec![json!({"a": [1, "x"]})]),
        ("no line end", "a: |\n  x", vec![json!({"a": "x"})]),
        ("own tag", "a: !Ref x\nb: !Sub [z]\n", vec![json!({"a": "x", "b": ["z"]})]),
        ("names", "1: a\non: b\n1.5: c\n", vec![json!({"1": "a", "true": "b", "1.5": "c"})]),
    ] {
        let values: Vec<_> = read_yaml(text).into_iter().map(|document| (*document.unwrap().value).clone()).collect();
        assert_eq!(values, expected, "{name}");
    }
}

#[test]
fn merge_keys_and_aliases_are_carried_out() {
    for (name, text, expected) in [
        ("alias", "a: &x {k: 1}\nb: *x\n", json!({"a": {"k": 1}, "b": {"k": 1}})),
        ("merge", "a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  k: 3\n", json!({"a": {"k": 1, "l": 2}, "b": {"k": 3, "l": 2}})),
        (
            "merge of several: the first wins",
            "a: &x {k: 1}\nb: &y {k: 2, l: 2}\nc:\n  <<: [*x, *y]\n",
            json!({"a": {"k": 1}, "b": {"k": 2, "l": 2}, "c": {"k": 1, "l": 2}}),
        ),
        ("quoted is a name", "a: {\"<<\": 1}\n", json!({"a": {"<<": 1}})),
        ("anchor again", "a: &x 1\nb: &x 2\nc: *x\n", json!({"a": 1, "b": 2, "c": 2})),
        ("merge after the same", "a: &x {k: 1}\nb:\n  k: 1\n  <<: *x\n", json!({"a": {"k": 1}, "b": {"k": 1}})),
    ] {
        assert_eq!(*one(text).value, expected, "{name}");
    }
    let document = one("a: &x\n  k: 1\nb:\n  <<: *x\n");
    let merged = Path::of(&["b", "k"]).to_owned();
    assert_eq!(document.key_position(&merged).unwrap().to_string(), "2:3", "where it is written");
}

#[test]
fn what_is_wrong_has_a_place_and_a_reason() {
    for (name, text, why, position) in [
        ("tab", "a:\n\tb: 1\n", Why::Syntax, "2:2"),
        ("mark inside", "a: 1\n---\n\u{feff}b: 2\n", Why::Syntax, "3:1"),
        ("twice", "a: 1\nb: 2\na: 3\n", Why::DuplicateKey, "3:1"),
        ("twice by another spelling", "1: a\n\"1\": b\n", Why::DuplicateKey, "2:1"),
        ("merge after another value", "a: &x {k: 1}\nb:\n  k: 2\n  <<: *x\n", Why::Ambiguous, "4:3"),
        ("merge of text", "a:\n  <<: x\n", Why::Syntax, "2:3"),
        ("unknown alias", "a: *x\n", Why::Syntax, "1:4"),
        ("alias of itself", "a: &x\n  b: *x\n", Why::Syntax, "2:6"),
        ("null as name", "a: 1\n~: 2\n", Why::Syntax, "2:1"),
        ("infinity", "a: .inf\n", Why::Syntax, "1:4"),
        ("binary", "a: !!binary aGk=\n", Why::Syntax, "1:13"),
        ("wrong tag", "a: !!int x\n", Why::Syntax, "1:10"),
        ("line break of 1.1", "a: 1 # x\u{2028}b: 2\n", Why::Ambiguous, "1:9"),
        ("go template in a value", "a: {{ .Values.x }}\n", Why::Template(Template::Go), "1:4"),
        ("go template as a line", "a: 1\n{{- if .x }}\nb: 2\n{{- end }}\n", Why::Template(Template::Go), "2:1"),
    ] {
        let unreadable = fault(text);
        let found = (unreadable.why, unreadable.position().to_string());
        assert_eq!(found, (why, position.to_owned()), "{name}: {unreadable}");
    }
}

#[test]
fn the_first_of_two_keys_is_named() {
    assert_eq!(fault("a: 1\nb: 2\na: 3\n").also_at().unwrap().to_string(), "1:1");
}

#[test]
fn a_broken_document_does_not_hide_the_next() {
    let documents = read_yaml("a: 1\n---\nb: [1\n---\nc: 3\n");
    let read: Vec<_> =
        documents.iter().map(|document| document.as_ref().map(|document| document.value.to_string())).collect();
    assert!(matches!(read.as_slice(), [Ok(_), Err(_), Ok(_)]), "{read:?}");
}

#[test]
fn bombs_are_refused() {
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let before = level - 1;
        let row = vec![format!("*a{before}"); 10].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{row}]\n"));
    }
    assert_eq!(fault(&laughs).why, Why::Budget);
    let long = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 100].join(", "));
    assert_eq!(fault(&long).why, Why::Budget);
    let deep = format!("a: {}{}\n", "[".repeat(2000), "]".repeat(2000));
    assert!(matches!(fault(&deep).why, Why::Budget | Why::Syntax));
    let deep: String = (0..300).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    assert!(matches!(fault(&deep).why, Why::Budget | Why::Syntax));
}
