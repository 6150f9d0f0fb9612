//! The definition of the custom resource SecretPolicy, made from the table that documents are read by.
//!
//! It says less than the JSON Schema for editors: a definition's schema must be structural, so a value
//! that may be written once or by environment is left open; and it must not let the API server drop a
//! field that it does not know, since a mistyped limit would then be no limit. Every object keeps what is
//! unknown, and the webhook refuses it with its place.

use keystile_policy::kind::KEYSTILE;
use keystile_policy::policy::document::schema::schema;
use serde_json::{Map, Value, json};

/// The plural under which the API server serves it.
pub const PLURAL: &str = "secretpolicies";
/// The version that is served and stored.
pub const VERSION: &str = "v1alpha1";
/// The kind.
pub const KIND: &str = "SecretPolicy";

/// Words that a field may have at most for the definition to list them.
const MAX_WORDS: usize = 8;

/// The CustomResourceDefinition.
#[must_use]
pub fn definition() -> Value {
    let mut whole = structural(&schema());
    let properties = &mut whole["properties"];
    // The API server has its own schema for these.
    for field in ["apiVersion", "kind"] {
        properties[field] = json!({"type": "string"});
    }
    properties["metadata"] = json!({"type": "object"});
    properties["status"] = status();
    whole["required"] = json!(["spec"]);
    if let Some(fields) = whole.as_object_mut() {
        fields.remove("x-kubernetes-preserve-unknown-fields");
    }
    let column = |name: &str, kind: &str, path: &str| json!({"name": name, "type": kind, "jsonPath": path});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{PLURAL}.{KEYSTILE}")},
        "spec": {
            "group": KEYSTILE,
            "scope": "Cluster",
            "names": {"kind": KIND, "listKind": format!("{KIND}List"), "plural": PLURAL, "singular": "secretpolicy"},
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "additionalPrinterColumns": [
                    column("In force", "string", ".status.conditions[?(@.type==\"InForce\")].status"),
                    column("Reason", "string", ".status.conditions[?(@.type==\"InForce\")].reason"),
                    column("Errors", "integer", ".status.errorCount"),
                    column("Profile", "string", ".spec.profile"),
                    column("Age", "date", ".metadata.creationTimestamp"),
                ],
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": whole},
            }],
        },
    })
}

/// What the webhook writes.
fn status() -> Value {
    let text = |meaning: &str| json!({"type": "string", "description": meaning});
    json!({
        "type": "object",
        "description": "Written by keystile-webhook.",
        "properties": {
            "observedGeneration": {"type": "integer", "format": "int64", "description": "The generation of the spec that was read."},
            "errorCount": {"type": "integer", "description": "How many errors the spec has."},
            "problems": {
                "type": "array",
                "description": "The first errors and warnings of the spec.",
                "items": text("Field and what is wrong with it."),
            },
            "conditions": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
                "items": {
                    "type": "object",
                    "required": ["type", "status"],
                    "properties": {
                        "type": text("InForce."),
                        "status": text("True or False."),
                        "reason": text("In one word."),
                        "message": text("In words."),
                        "lastTransitionTime": {"type": "string", "format": "date-time"},
                        "observedGeneration": {"type": "integer", "format": "int64"},
                    },
                },
            },
        },
    })
}

/// A schema as structural schemas may be.
fn structural(schema: &Value) -> Value {
    let Some(fields) = schema.as_object() else { return json!({"x-kubernetes-preserve-unknown-fields": true}) };
    let mut made = Map::new();
    if let Some(description) = fields.get("description") {
        made.insert("description".into(), description.clone());
    }
    // Once or by environment, or any value: only the webhook can tell.
    if fields.contains_key("anyOf")
        || !(fields.contains_key("type") || fields.contains_key("enum") || fields.contains_key("const"))
    {
        made.insert("x-kubernetes-preserve-unknown-fields".into(), json!(true));
        return Value::Object(made);
    }
    let kind = fields.get("type").cloned().unwrap_or_else(|| json!("string"));
    let is_object = kind == "object";
    made.insert("type".into(), kind);
    for name in ["enum", "pattern", "minLength", "minItems", "required"] {
        if let Some(value) = fields.get(name) {
            made.insert(name.into(), value.clone());
        }
    }
    // Lists of rules and kinds grow with each release: a definition that was not renewed must not refuse them.
    if made.get("enum").and_then(Value::as_array).is_some_and(|words| words.len() > MAX_WORDS) {
        made.remove("enum");
    }
    if let Some(word) = fields.get("const") {
        made.insert("enum".into(), json!([word]));
    }
    if let Some(items) = fields.get("items") {
        made.insert("items".into(), structural(items));
    }
    if let Some(properties) = fields.get("properties").and_then(Value::as_object) {
        let properties = properties.iter().map(|(name, schema)| (name.clone(), structural(schema)));
        made.insert("properties".into(), Value::Object(properties.collect()));
        made.insert("x-kubernetes-preserve-unknown-fields".into(), json!(true));
    } else if let Some(below) = fields.get("additionalProperties").filter(|below| below.is_object()) {
        made.insert("additionalProperties".into(), structural(below));
    } else if is_object {
        made.insert("x-kubernetes-preserve-unknown-fields".into(), json!(true));
    }
    Value::Object(made)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/webhook/secretpolicies.yaml");

    /// YAML in block style, strings as JSON has them.
    fn write(text: &mut String, value: &Value, indent: usize) {
        let pad = "  ".repeat(indent);
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                for (name, value) in fields {
                    match value {
                        Value::Object(below) if !below.is_empty() => {
                            writeln!(text, "{pad}{name}:").unwrap();
                            write(text, value, indent + 1);
                        }
                        Value::Array(items) if items.iter().any(Value::is_object) => {
                            writeln!(text, "{pad}{name}:").unwrap();
                            for item in items {
                                let mut below = String::new();
                                write(&mut below, item, indent + 1);
                                let first = "  ".repeat(indent + 1);
                                writeln!(text, "{pad}- {}", below.strip_prefix(&first).unwrap().trim_end()).unwrap();
                            }
                        }
                        _ => writeln!(text, "{pad}{name}: {value}").unwrap(),
                    }
                }
            }
            _ => writeln!(text, "{pad}{value}").unwrap(),
        }
    }

    #[test]
    fn the_file_is_up_to_date() {
        let mut text = "# Made from the table of the policy's fields; to write it anew: KEYSTILE_UPDATE=1 cargo test -p keystile-webhook definition\n".to_owned();
        write(&mut text, &definition(), 0);
        let read: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(read, definition(), "what is written is what is meant");
        if std::env::var_os("KEYSTILE_UPDATE").is_some() {
            std::fs::write(FILE, &text).unwrap();
        }
        let written = std::fs::read_to_string(FILE).unwrap_or_default();
        assert!(
            written == text,
            "deploy/webhook/secretpolicies.yaml is out of date: KEYSTILE_UPDATE=1 cargo test -p keystile-webhook definition"
        );
    }

    #[test]
    fn no_object_drops_what_it_does_not_know() {
        fn check(schema: &Value, path: &str) {
            let keeps = schema["x-kubernetes-preserve-unknown-fields"] == true;
            if schema["type"] == "object" {
                assert!(keeps || schema["additionalProperties"].is_object(), "{path}");
            }
            assert!(schema["type"].is_string() || keeps, "{path} has no type");
            for (name, below) in schema["properties"].as_object().into_iter().flatten() {
                check(below, &format!("{path}.{name}"));
            }
            for below in ["items", "additionalProperties"] {
                if schema[below].is_object() {
                    check(&schema[below], &format!("{path}.{below}"));
                }
            }
        }
        let definition = definition();
        check(&definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"], "spec");
    }
}
