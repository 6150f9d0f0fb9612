//! A `List` to the objects in it, as `kubectl apply` takes it apart.

use std::sync::Arc;

use keystile_policy::Path;
use serde_json::Value;

use crate::document::Document;

/// The objects of a document: itself, or, where it has `items`, those. An item that names no kind is of
/// the kind of its list without `List`. For kubectl `items` alone make a list, whatever the kind says
/// (k8s.io/apimachinery, `unstructured` decoder); here a kind that does not end in `List` makes one where an
/// item is an object with a kind. How deep lists lie in each other is bounded by the reading of the text.
#[must_use]
pub fn objects(document: Document) -> Vec<Document> {
    let mut found = Vec::new();
    flatten(document, &mut found);
    found
}

fn flatten(document: Document, found: &mut Vec<Document>) {
    let Some(kind) = list_kind(&document.value) else {
        found.push(document);
        return;
    };
    let version = document.value.get("apiVersion").cloned();
    let Some((items, places)) = document
        .places
        .step(&document.value, keystile_policy::Step::Field("items"))
        .and_then(|(places, items)| Some((items.as_array()?, places)))
    else {
        found.push(document);
        return;
    };
    for (index, (item, places)) in items.iter().zip(&places.children).enumerate() {
        let mut item = item.clone();
        let mut places = places.clone();
        if let (Value::Object(fields), Some(kind)) = (&mut item, &kind) {
            // At the end, so that the places stay beside their fields.
            for (name, value) in [("apiVersion", version.clone()), ("kind", Some(Value::String(kind.clone())))] {
                if let (false, Some(value)) = (fields.contains_key(name), value) {
                    fields.insert(name.to_owned(), value);
                    places.children.push(crate::Places::leaf(places.place.value));
                }
            }
        }
        let mut within = Path::root();
        for step in document.within.steps() {
            within = within.step(step);
        }
        let within = within.field("items").item(index).to_owned();
        let document = Document {
            source: Arc::clone(&document.source),
            value: Arc::new(item),
            places,
            within,
            elsewhere: Vec::new(),
        };
        flatten(document, found);
    }
}

/// `Some(kind of its items)` of a list, with `None` for a plain `List`.
#[expect(clippy::option_option, reason = "no list, a list of anything, a list of a kind: three answers")]
fn list_kind(value: &Value) -> Option<Option<String>> {
    let items = value.get("items")?.as_array()?;
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
    let Some(kind) = kind.strip_suffix("List") else {
        return items.iter().any(|item| item.get("kind").is_some()).then_some(None);
    };
    Some((!kind.is_empty()).then(|| kind.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, Source, read};

    fn flattened(text: &str) -> Vec<Document> {
        let source = Arc::new(Source::new("t.yaml", text));
        read(&source, Format::Yaml).into_iter().flat_map(|document| objects(document.unwrap())).collect()
    }

    #[test]
    fn items_keep_their_place_and_path() {
        let found = flattened("apiVersion: v1\nkind: List\nitems:\n- kind: A\n- kind: B\n  spec: {x: 1}\n");
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].within.to_string(), "items[1]");
        assert_eq!(found[1].locate(&Path::of(&["spec", "x"]).to_owned()).position.to_string(), "6:13");
    }

    #[test]
    fn items_of_a_typed_list_may_leave_their_kind_to_it() {
        let found = flattened(
            "apiVersion: external-secrets.io/v1\nkind: ExternalSecretList\nitems:\n- metadata: {name: a}\n- kind: Other\n",
        );
        assert_eq!(found[0].value["kind"], "ExternalSecret");
        assert_eq!(found[0].value["apiVersion"], "external-secrets.io/v1");
        assert_eq!(found[1].value["kind"], "Other");
    }

    #[test]
    fn lists_in_lists_are_taken_apart_and_a_kind_that_only_sounds_so_is_not() {
        let found = flattened("kind: List\nitems:\n- kind: List\n  items:\n  - kind: A\n");
        assert_eq!(found[0].within.to_string(), "items[0].items[0]");
        let found = flattened(&format!("{}{{kind: A}}{}", "{kind: List, items: [".repeat(12), "]}".repeat(12)));
        assert_eq!(found[0].value["kind"], "A");
        let found = flattened("kind: AllowList\nspec: {items: []}\n");
        assert_eq!(found[0].value["kind"], "AllowList");
    }

    #[test]
    fn items_make_a_list_of_any_kind() {
        for head in ["kind: ConfigMap\n", "apiVersion: v1\n", ""] {
            let found = flattened(&format!("{head}items:\n- {{kind: A}}\n"));
            assert_eq!(found[0].value["kind"], "A", "{head}");
        }
        let found = flattened("kind: Config\nitems: [a, {b: c}]\n");
        assert_eq!(found[0].value["kind"], "Config");
    }
}
