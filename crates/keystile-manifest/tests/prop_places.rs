//! Whatever the text: nothing panics, a value has as many places as parts, and each lies in its text.

use std::sync::Arc;

use keystile_manifest::{Document, Format, Places, Source, list, read, terraform};
use proptest::prelude::*;
use serde_json::Value;

/// Pieces that make and break structure.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a: ",
        "b:",
        "- ",
        "\n",
        "  ",
        "\t",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "\"",
        "'",
        "&x ",
        "*x",
        "<<: *x",
        "---\n",
        "...\n",
        "# c\n",
        "|\n",
        ">-\n",
        "!!str ",
        "!Ref ",
        "1",
        "0x1F",
        "yes",
        "~",
        ".inf",
        "{{ .x }}",
        "${X}",
        "%{",
        "kind: List",
        "items:",
        "apiVersion",
        "ä",
        "\u{feff}",
        "\u{2028}",
        "\r\n",
        "resource \"aws_secretsmanager_secret\" \"x\" {\n",
        "name = ",
        "for_each = ",
        "var.x",
        "local.y",
        "locals {\n",
        "}\n",
        "<<EOT\n",
        "EOT\n",
        "? ",
        ": ",
        "=> ",
        "for ",
        "\"${a}\"",
        "\\u00e4",
        "\\",
        "yaml_body",
        "kubectl_manifest",
        "@",
        "`",
        "null",
        "-1.5e3",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn check(document: &Document, value: &Value, places: &Places) {
    let length = document.source.text().len();
    assert!(places.place().value.range().end <= length, "{:?} in {length}", places.place());
    assert!(places.place().key.is_none_or(|key| key.range().end <= length));
    let below: Vec<&Value> = match value {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    assert_eq!(below.len(), places.children().len(), "{value}");
    for (value, places) in below.into_iter().zip(places.children()) {
        check(document, value, places);
    }
}

fn check_text(name: &str, text: &str) {
    let source = Arc::new(Source::new(name, text));
    let documents: Vec<Document> = if terraform::is_terraform(name) {
        terraform::read(&[source]).documents
    } else {
        let format = Format::of_name(name).expect("a manifest's name");
        read(&source, format)
            .into_iter()
            .filter_map(|one| one.map_err(|unreadable| (unreadable.to_string(), unreadable.also_at())).ok())
            .collect()
    };
    for document in documents.into_iter().flat_map(list::objects) {
        check(&document, &document.value, &document.places);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_value_has_its_place(text in pieces()) {
        for name in ["t.yaml", "t.json", "m/t.tf", "m/t.tf.json"] {
            check_text(name, &text);
        }
    }

    /// What JSON means is the same when it is read as YAML, but for what go-yaml reads differently (numbers).
    #[test]
    fn json_is_yaml(value in json()) {
        let text = serde_json::to_string_pretty(&value).expect("JSON");
        let as_json = read(&Arc::new(Source::new("t", text.as_str())), Format::Json);
        let as_yaml = read(&Arc::new(Source::new("t", text.as_str())), Format::Yaml);
        let values = |read: Vec<Result<Document, _>>| -> Vec<Value> {
            read.into_iter().map(|one: Result<Document, keystile_manifest::Unreadable>| (*one.expect("it is sound").value).clone()).collect()
        };
        prop_assert_eq!(values(as_json), values(as_yaml));
    }
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[ -~äß\\\\\"/\\n\\t]{0,12}".prop_map(Value::from),
    ];
    let tree = leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-z0-9 :{}#-]{1,6}", inner, 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    });
    // A document of null is no document.
    tree.prop_map(|value| Value::Array(vec![value]))
}
