//! The JSON Schema of policy documents, for editors. Made from the table; what a schema can't say
//! (patterns that two teams can spell, exceptions that have expired) the reader says alone.

use serde_json::{Map, Value, json};

use super::syntax::{ACTIONS, Syntax};
use super::table::{DOCUMENT, Field, Shape, Unsaid};
use super::words;

/// Where the schema is published.
const ID: &str = "https://keystile.dev/schema/secret-policy.v1alpha1.json";

/// The schema (draft 2020-12).
#[must_use]
pub fn schema() -> Value {
    let mut schema = object(DOCUMENT);
    // The API server adds to both what it likes.
    schema["properties"]["metadata"]["additionalProperties"] = json!(true);
    schema["properties"]["status"] = json!({"type": "object", "description": "written by keystile-webhook"});
    let mut whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "SecretPolicy",
        "description": "The policy of keystile: who a namespace is, which secrets it may name, what must be set.",
    });
    for (name, value) in schema.as_object().into_iter().flatten() {
        whole[name] = value.clone();
    }
    whole
}

fn object(fields: &[Field]) -> Value {
    let mut properties = Map::new();
    for field in fields {
        properties.insert(field.name.to_owned(), property(field));
    }
    let required: Vec<&str> =
        fields.iter().filter(|field| matches!(field.unsaid, Unsaid::Refused)).map(|field| field.name).collect();
    let mut schema = json!({"type": "object", "additionalProperties": false, "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn property(field: &Field) -> Value {
    let is_required = matches!(field.unsaid, Unsaid::Refused);
    let list = |syntax: Syntax| {
        let mut list = json!({"type": "array", "items": value(syntax)});
        if is_required {
            list["minItems"] = json!(1);
        }
        list
    };
    let mut schema = match &field.shape {
        Shape::One(syntax) => value(*syntax),
        Shape::OneByEnv(syntax) => by_env(value(*syntax)),
        Shape::List(syntax) => list(*syntax),
        Shape::ListByEnv(syntax) => by_env(list(*syntax)),
        Shape::Object(fields) => object(fields),
        Shape::Objects(fields) => {
            let mut list = json!({"type": "array", "items": object(fields)});
            if is_required {
                list["minItems"] = json!(1);
            }
            list
        }
        Shape::Anything => json!({}),
        Shape::ObjectByName(key, fields) => {
            json!({"type": "object", "propertyNames": value(*key), "additionalProperties": object(fields)})
        }
        Shape::OneByName(key, syntax) => {
            json!({"type": "object", "propertyNames": value(*key), "additionalProperties": by_env(value(*syntax))})
        }
    };
    schema["description"] = json!(match field.unsaid {
        Unsaid::Refused => field.meaning.to_owned(),
        Unsaid::Nothing("see below") => field.meaning.to_owned(),
        Unsaid::Nothing(then) => format!("{}. Unless said: {then}", field.meaning),
        Unsaid::Is(text) => format!("{}. Unless said: {text}", field.meaning),
        Unsaid::Profile { baseline, pci } => {
            format!("{}. Unless said: {baseline} in baseline, {pci} in pci", field.meaning)
        }
    });
    if let Unsaid::Is(text) = field.unsaid {
        schema["default"] = serde_json::from_str(text).expect("the table's values are JSON, as its test says");
    }
    schema
}

/// A value, once or by environment.
fn by_env(value: Value) -> Value {
    json!({"anyOf": [
        value,
        {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": DNS_LABEL},
            "additionalProperties": value,
            "description": "by environment; default is for the others",
        },
    ]})
}

const DNS_LABEL: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";

/// The form of a single text. Where a form is looser than [`Syntax::check`], the reader has the last
/// word; it is never stricter.
fn value(syntax: Syntax) -> Value {
    let pattern = |pattern: &str| json!({"type": "string", "pattern": pattern});
    match syntax {
        Syntax::Text | Syntax::Names | Syntax::Role => json!({"type": "string", "minLength": 1}),
        Syntax::TextOrEmpty => json!({"type": "string"}),
        Syntax::Words([word]) => json!({"const": word}),
        Syntax::Words(words) => json!({"enum": words}),
        Syntax::Action => json!({"enum": ACTIONS}),
        Syntax::DnsLabel => pattern(DNS_LABEL),
        Syntax::DnsSubdomain => pattern("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"),
        Syntax::LabelKey => pattern("^([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$"),
        Syntax::Account => pattern("^[0-9]{12}$"),
        Syntax::Region => pattern("^[a-z]{2}(-[a-z]+)+-[0-9]{1,2}$"),
        Syntax::LocationOrEmpty => pattern("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?$"),
        Syntax::Url => pattern("^https?://[^ ]+$"),
        Syntax::Duration | Syntax::RecoveryWindow => pattern("^([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?$"),
        Syntax::Date => pattern("^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
        Syntax::ServiceAccount => pattern("^[a-z0-9{}.-]+$"),
        Syntax::NamespacedName => pattern("^[a-z0-9-]+/[a-z0-9.-]+$"),
        Syntax::KmsAlias => pattern("^alias/[A-Za-z0-9/_{}-]+$"),
        Syntax::KmsKey => pattern("^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/)?(mrk-)?[0-9a-f-]{32,36}$"),
        Syntax::GeneratorKind => json!({"enum": words::GENERATOR_KINDS}),
        Syntax::ObjectKind => json!({"enum": words::object_kinds()}),
        Syntax::RuleId => json!({"enum": words::rule_ids()}),
        Syntax::RuleName => json!({"enum": words::rule_names()}),
    }
}
