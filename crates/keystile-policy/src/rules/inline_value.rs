//! A secret's value in the object itself.

use serde_json::Value;

use super::Rule;
use crate::context::Context;
use crate::field_path::Path;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::violation::Violation;

/// See the rule's texts.
pub static INLINE_VALUE: Rule = Rule {
    id: "inline-value",
    summary: "An object holds the value of a secret in plain text: a fake store, a Fake generator, a SecretsManagerSecret's `secretString`.",
    why: "The value is in etcd, in the repository and in the API server's audit log, dressed as an external secret. A field that the API server prunes has still been in all of them.",
    example: "kind: SecretStore\nspec:\n  provider:\n    fake:\n      data: [{key: /prod/team-a/db, value: a literal}]",
    instead: "Keep values in a real store; refer to a Secret (`secretStringRef`) where one is needed.",
    references: &["https://external-secrets.io/latest/provider/fake/"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretStore, Kind::ClusterSecretStore, Kind::Generator, Kind::SecretsManagerSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let mut report = |path: &Path<'_>| {
        // Without the value: the answer ends in logs.
        out.push(
            Violation::new(&INLINE_VALUE, path, path.to_string(), "a secret's value is written here in plain text")
                .cure("keep it in the secret store, and rotate it: whoever may read the object has read it"),
        );
    };
    for path in context.subject.managed.iter().filter_map(|secret| secret.inline_value.as_ref()) {
        report(path);
    }
    match context.kind {
        Kind::SecretStore | Kind::ClusterSecretStore => {
            let base = ["spec", "provider", "fake", "data"];
            let Some(Value::Array(entries)) = context.object.pointer("/spec/provider/fake/data") else { return };
            for (index, entry) in entries.iter().enumerate() {
                for field in ["value", "valueMap"] {
                    if entry.get(field).is_some_and(is_written) {
                        report(&Path::of(&base).item(index).field(field));
                    }
                }
            }
        }
        Kind::Generator => {
            for fields in [&["spec", "data"] as &[_], &["spec", "generator", "fakeSpec", "data"]] {
                let is_fake = fields.len() > 2 || context.object.get("kind").and_then(Value::as_str) == Some("Fake");
                let pointer = format!("/{}", fields.join("/"));
                let Some(Value::Object(values)) = context.object.pointer(&pointer).filter(|_| is_fake) else {
                    continue;
                };
                for (name, _) in values.iter().filter(|(_, value)| is_written(value)) {
                    report(&Path::of(fields).field(name));
                }
            }
        }
        _ => {}
    }
}

fn is_written(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    }
}
