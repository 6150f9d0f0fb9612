//! A field that the kind does not have.

use super::Rule;
use crate::context::Context;
use crate::field_path::Path;
use crate::fields::{self, Node};
use crate::judgement::Action;
use crate::kind::Kind;
use crate::request::Door;
use crate::shown::Shown;
use crate::suggest;
use crate::violation::Violation;
use serde_json::Value;

/// See the rule's texts.
pub static OBJECT_UNKNOWN_FIELD: Rule = Rule {
    id: "object-unknown-field",
    summary: "A field is written that the kind has in no supported release; the API server drops it without a word. Files only: what is dropped never reaches the webhook.",
    why: "The setting that a reviewer reads is not the one that counts: rotation under a misspelt name is no rotation.",
    example: "kind: SecretsManagerSecret\nspec: {rotationEnabled: true, rotationLambdaArn: \"arn:aws:lambda:…\"}   # it is rotationLambdaARN",
    instead: "Write the field as the kind's definition has it, or leave it out.",
    references: &[
        "https://external-secrets.io/latest/api/spec/",
        "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#field-pruning",
    ],
    default_action: Action::Deny,
    kinds: &[
        Kind::ExternalSecret,
        Kind::ClusterExternalSecret,
        Kind::PushSecret,
        Kind::ClusterPushSecret,
        Kind::SecretStore,
        Kind::ClusterSecretStore,
        Kind::Generator,
        Kind::SecretsManagerSecret,
        Kind::AwsProvider,
    ],
    check,
};

/// Fields that the operator's documentation has and its definition has not, with what to write.
/// Source: infra-operator-aws bf53ff5, api/v1alpha1/secretsmanagersecret_types.go.
const DOCUMENTED: &[(&str, &str)] = &[
    ("rotationSchedule", "write automaticallyAfterDays itself in spec: the operator has no window and no expression"),
    ("replicaRegions", "the operator makes no copies: leave it out"),
    ("secretString", "name a key of a Secret in secretStringRef"),
    ("secretBinary", "the operator takes no binary value: name a key of a Secret in secretStringRef"),
];

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    if context.request.door != Door::Offline {
        return;
    }
    let (Some(node), Some(object)) = (fields::of_kind(context.request.kind), context.object.as_object()) else {
        return;
    };
    let own =
        object.iter().filter(|(field, _)| !matches!(field.as_str(), "apiVersion" | "kind" | "metadata" | "status"));
    for (field, value) in own {
        one(context.request.kind, field, value, node, &Path::root(), out);
    }
}

fn one<'o>(kind: &str, field: &'o str, value: &'o Value, node: &Node, path: &Path<'o>, out: &mut Vec<Violation>) {
    let Node::Fields(fields) = node else { return };
    let path = path.field(field);
    if let Some(node) = fields.get(field) {
        return below(kind, value, node, &path, out);
    }
    let documented =
        (kind == "SecretsManagerSecret").then(|| DOCUMENTED.iter().find(|(name, _)| *name == field)).flatten();
    let cure = match (documented, suggest::nearest(field, fields.keys().copied())) {
        (Some((_, cure)), _) => (*cure).to_owned(),
        (None, Some(nearest)) => format!("did you mean {nearest}?"),
        (None, None) => "leave it out".to_owned(),
    };
    out.push(
        Violation::new(
            &OBJECT_UNKNOWN_FIELD,
            &path,
            path.to_string(),
            format!("{} is no field here: the API server drops it", Shown(field)),
        )
        .cure(cure),
    );
}

fn below<'o>(kind: &str, value: &'o Value, node: &Node, path: &Path<'o>, out: &mut Vec<Violation>) {
    match (value, node) {
        (Value::Array(items), _) => {
            for (index, item) in items.iter().enumerate() {
                below(kind, item, node, &path.item(index), out);
            }
        }
        (Value::Object(object), Node::Fields(_)) => {
            for (field, value) in object {
                one(kind, field, value, node, path, out);
            }
        }
        (Value::Object(object), Node::Map(values)) => {
            for (key, value) in object {
                below(kind, value, values, &path.field(key), out);
            }
        }
        // A wrong type is object-unparsable's.
        _ => {}
    }
}
