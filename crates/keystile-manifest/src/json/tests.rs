//! Tables of JSON texts.

use keystile_policy::Path;
use serde_json::json;

use super::*;
use crate::{Format, read as read_text};

fn read_json(text: &str) -> Vec<Result<Document, Unreadable>> {
    read_text(&Arc::new(Source::new("t.json", text)), Format::Json)
}

#[test]
fn values_and_places_agree() {
    let text = "{\"a\": [1, {\"b\\u0062\": \"x\"}],\n \"ü\": null}";
    let documents = read_json(text);
    let [Ok(document)] = documents.as_slice() else { panic!("{documents:?}") };
    assert_eq!(*document.value, json!({"a": [1, {"bb": "x"}], "ü": null}));
    let at = |path: Path<'_>| document.value_position(&path.to_owned()).unwrap().to_string();
    assert_eq!(at(Path::of(&["a"]).item(1).field("bb")), "1:23");
    assert_eq!(at(Path::of(&["ü"])), "2:7");
    assert_eq!(document.key_position(&Path::of(&["ü"]).to_owned()).unwrap().to_string(), "2:2");
}

#[test]
fn several_values_are_several_documents() {
    let documents = read_json("{\"a\": 1}\n{\"a\": 2} null {\"a\": {\"b\": 3}}");
    assert_eq!(documents.len(), 3);
    let last = documents[2].as_ref().unwrap();
    assert_eq!(last.value_position(&Path::of(&["a", "b"]).to_owned()).unwrap().to_string(), "2:27");
}

#[test]
fn what_is_wrong_has_a_place() {
    for (name, text, why, position) in [
        ("cut off", "{\"a\": ", Why::Syntax, "1:6"),
        ("a comma too many", "{\n \"a\": 1,\n}", Why::Syntax, "3:1"),
        ("twice", "{\"a\": 1,\n \"\\u0061\": 2}", Why::DuplicateKey, "2:2"),
        ("a template", "{\"a\": {{ .x }}}", Why::Template(crate::Template::Go), "1:7"),
    ] {
        let documents = read_json(text);
        let [Err(unreadable)] = documents.as_slice() else { panic!("{name}: {documents:?}") };
        assert_eq!((unreadable.why, unreadable.position().to_string().as_str()), (why, position), "{name}");
    }
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(read_json(&deep)[0].as_ref().unwrap_err().why, Why::Budget);
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    let documents = read_json("\u{feff}{\"a\": 1}");
    let document = documents[0].as_ref().unwrap();
    assert_eq!(document.key_position(&Path::of(&["a"]).to_owned()).unwrap().to_string(), "1:2");
}
