//! YAML, JSON and Terraform to documents: nothing panics, every place lies in its text.
#![no_main]

use std::sync::Arc;

use keystile_manifest::{Document, Format, Places, Source, list, read, terraform};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Some((kind, text)) = data.split_first() else { return };
    let name = ["t.yaml", "t.json", "m/t.tf", "m/t.tf.json"][usize::from(kind % 4)];
    let Ok(source) = Source::from_bytes(name, text.to_vec()) else { return };
    let source = Arc::new(source);
    let documents: Vec<Document> = match kind % 4 {
        0 => documents(&source, Format::Yaml),
        1 => documents(&source, Format::Json),
        _ => terraform::read(&[Arc::clone(&source)]).documents,
    };
    for document in documents.into_iter().flat_map(list::objects) {
        check(&document, &document.value, &document.places);
    }
});

fn documents(source: &Arc<Source>, format: Format) -> Vec<Document> {
    read(source, format)
        .into_iter()
        .filter_map(|one| match one {
            Ok(document) => Some(document),
            Err(unreadable) => {
                let _ = (unreadable.to_string(), unreadable.also_at());
                None
            }
        })
        .collect()
}

/// As many places as fields, each within the text.
fn check(document: &Document, value: &Value, places: &Places) {
    let length = document.source.text().len();
    assert!(places.place().value.range().end <= length);
    let below: Vec<&Value> = match value {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    assert_eq!(below.len(), places.children().len());
    for (value, places) in below.into_iter().zip(places.children()) {
        check(document, value, places);
    }
}
