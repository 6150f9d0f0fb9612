//! `metadata` of a PushSecret's entry: an envelope with settings for the provider.
//!
//! Source: External Secrets 2.9.0, runtime/esutils/metadata/metadata.go: `apiVersion`, `kind` and
//! `spec`, unknown fields refused; the fields of `spec` are those of `PushSecretMetadataSpec` beside
//! each provider. Go's decoder takes names in any letters (`encoding/json`: simple Unicode folding, so
//! U+212A is a k and U+017F an s) and the last of two; here two spellings of one field are a fault,
//! since which of them counts is nothing a reader sees.

use serde_json::{Map, Value};

use crate::field_path::Path;
use crate::shown::Shown;
use crate::suggest;

/// `apiVersion` of the envelope.
pub const API_VERSION: &str = "kubernetes.external-secrets.io/v1alpha1";
/// `kind` of the envelope.
pub const KIND: &str = "PushSecretMetadata";

/// Why metadata is not what the operator takes.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataFault<'o> {
    /// Where.
    pub path: Path<'o>,
    /// What is wrong, in words that follow the path.
    pub message: String,
    /// Whether it is one field in two spellings.
    pub is_twice: bool,
}

/// A field as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Written<'o> {
    /// Its path, in the spelling of the object.
    pub path: Path<'o>,
    /// Its value; never `null`.
    pub value: &'o Value,
}

/// The `spec` of an envelope.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings<'o> {
    /// Where `spec` stands, or would.
    pub path: Path<'o>,
    fields: Option<&'o Map<String, Value>>,
}

/// The type of a field of `spec`.
#[derive(Clone, Copy, Debug)]
enum Form {
    Text,
    Flag,
    Texts,
    TextByName,
    Map(&'static [Row]),
    Any,
}

type Row = (&'static str, Form);

const ENVELOPE: &[Row] = &[("apiVersion", Form::Text), ("kind", Form::Text), ("spec", Form::Any)];

const SECRETS_MANAGER: &[Row] = &[
    ("tags", Form::TextByName),
    ("description", Form::Text),
    ("secretPushFormat", Form::Text),
    ("kmsKeyId", Form::Text),
    (
        "resourcePolicy",
        Form::Map(&[
            ("blockPublicPolicy", Form::Flag),
            ("policySourceRef", Form::Map(&[("kind", Form::Text), ("name", Form::Text), ("key", Form::Text)])),
        ]),
    ),
    ("replicationLocations", Form::Texts),
];

const PARAMETER_STORE: &[Row] = &[
    ("secretType", Form::Text),
    ("kmsKeyID", Form::Text),
    ("tier", Form::Map(&[("type", Form::Text), ("policies", Form::Any)])),
    ("encodeAsDecoded", Form::Flag),
    ("tags", Form::TextByName),
    ("description", Form::Text),
];

const KUBERNETES: &[Row] = &[
    ("targetMergePolicy", Form::Text),
    ("sourceMergePolicy", Form::Text),
    ("labels", Form::TextByName),
    ("annotations", Form::TextByName),
    ("remoteNamespace", Form::Text),
];

const GCP: &[Row] = &[
    ("annotations", Form::TextByName),
    ("labels", Form::TextByName),
    ("topics", Form::Texts),
    ("mergePolicy", Form::Text),
    ("cmekKeyName", Form::Text),
    ("replicationLocation", Form::Text),
    ("replicationLocations", Form::Texts),
];

/// A provider that reads metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// AWS Secrets Manager.
    SecretsManager,
    /// SSM Parameter Store.
    ParameterStore,
    /// Secrets of a Kubernetes cluster.
    Kubernetes,
    /// GCP Secret Manager.
    Gcp,
}

impl Reader {
    fn table(self) -> &'static [Row] {
        match self {
            Self::SecretsManager => SECRETS_MANAGER,
            Self::ParameterStore => PARAMETER_STORE,
            Self::Kubernetes => KUBERNETES,
            Self::Gcp => GCP,
        }
    }
}

/// Reads the envelope that stands at `path`. Without one (`None`) there are no settings.
///
/// # Errors
///
/// Everything that the operator would refuse, and every field in two spellings.
pub fn read<'o>(value: Option<&'o Value>, path: &Path<'o>) -> Result<Settings<'o>, Vec<MetadataFault<'o>>> {
    let Some(value) = value else { return Ok(Settings { path: path.field("spec"), fields: None }) };
    let mut faults = Vec::new();
    let fault = |path: &Path<'o>, message: String| MetadataFault { path: path.clone(), message, is_twice: false };
    let Value::Object(fields) = value else { return Err(vec![fault(path, "is not a map".to_owned())]) };
    check(fields, path, ENVELOPE, &mut faults);
    for (name, expected) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        let written = find(fields, name).map(|(_, value)| value.as_str().unwrap_or_default());
        if written != Some(expected) && faults.is_empty() {
            let message = match written {
                None => format!("has no {name}: the operator takes settings only inside of an envelope"),
                Some(other) => format!("has {name} {}, not {expected}", Shown(other)),
            };
            faults.push(fault(path, message));
        }
    }
    let spec = find(fields, "spec");
    let spec_path = path.field(spec.map_or("spec", |(name, _)| name));
    let spec = match spec {
        None => None,
        Some((_, Value::Object(spec))) => Some(spec),
        Some(_) => {
            faults.push(fault(&spec_path, "is not a map".to_owned()));
            None
        }
    };
    if faults.is_empty() { Ok(Settings { path: spec_path, fields: spec }) } else { Err(faults) }
}

impl<'o> Settings<'o> {
    /// What the provider would refuse, and every field in two spellings.
    #[must_use]
    pub fn faults(&self, reader: Reader) -> Vec<MetadataFault<'o>> {
        let mut faults = Vec::new();
        if let Some(fields) = self.fields {
            check(fields, &self.path, reader.table(), &mut faults);
        }
        faults
    }

    /// A field by its name, in any letters.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Written<'o>> {
        let (spelling, value) = find(self.fields?, name)?;
        Some(Written { path: self.path.field(spelling), value })
    }

    /// A text by its name; the empty one is as if it were not written.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<(Path<'o>, &'o str)> {
        let written = self.get(name)?;
        written.value.as_str().filter(|text| !text.is_empty()).map(|text| (written.path, text))
    }
}

impl<'o> Written<'o> {
    /// A field of a map.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Written<'o>> {
        let (spelling, value) = find(self.value.as_object()?, name)?;
        Some(Written { path: self.path.field(spelling), value })
    }
}

/// The field that Go's decoder would take for `name`, with its spelling; `null` is none.
fn find<'o>(fields: &'o Map<String, Value>, name: &str) -> Option<(&'o str, &'o Value)> {
    fields
        .iter()
        .find(|(field, value)| is_spelling(field, name) && !value.is_null())
        .map(|(field, value)| (&**field, value))
}

/// Whether Go's decoder takes `field` for `name`, which is ASCII.
fn is_spelling(field: &str, name: &str) -> bool {
    let fold = |character: char| match character {
        '\u{212A}' => 'k',
        '\u{17F}' => 's',
        other => other.to_ascii_lowercase(),
    };
    field.chars().map(fold).eq(name.chars().map(fold))
}

fn check<'o>(
    fields: &'o Map<String, Value>,
    path: &Path<'o>,
    table: &'static [Row],
    faults: &mut Vec<MetadataFault<'o>>,
) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for (field, value) in fields {
        let here = path.field(field);
        let mut fault =
            |message: String, is_twice: bool| faults.push(MetadataFault { path: here.clone(), message, is_twice });
        let Some((name, form)) = table.iter().find(|(name, _)| is_spelling(field, name)) else {
            let near = suggest::did_you_mean(field, table.iter().map(|(name, _)| *name));
            fault(format!("is a field that the operator does not take{near}"), false);
            continue;
        };
        if let Some((_, before)) = seen.iter().find(|(seen, _)| seen == name) {
            fault(format!("is {} in another spelling: only one of them counts", Shown(before)), true);
            continue;
        }
        seen.push((*name, field));
        if value.is_null() {
            continue;
        }
        let expected = match form {
            Form::Text => (!value.is_string()).then_some("text"),
            Form::Flag => (!value.is_boolean()).then_some("true or false"),
            Form::Texts => {
                let is_texts = value.as_array().is_some_and(|items| items.iter().all(Value::is_string));
                (!is_texts).then_some("a list of texts")
            }
            Form::TextByName => {
                let is_texts = value.as_object().is_some_and(|fields| fields.values().all(Value::is_string));
                (!is_texts).then_some("a map of texts")
            }
            Form::Map(table) => match value.as_object() {
                Some(fields) => {
                    check(fields, &here, table, faults);
                    None
                }
                None => Some("a map"),
            },
            Form::Any => None,
        };
        if let Some(expected) = expected {
            faults.push(MetadataFault { path: here, message: format!("is not {expected}"), is_twice: false });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn envelope(spec: Value) -> Value {
        json!({"apiVersion": API_VERSION, "kind": KIND, "spec": spec})
    }

    fn faults(value: &Value, reader: Reader) -> Vec<String> {
        let found = match read(Some(value), &Path::of(&["metadata"])) {
            Ok(settings) => settings.faults(reader),
            Err(faults) => faults,
        };
        found.iter().map(|fault| format!("{} {}", fault.path, fault.message)).collect()
    }

    #[test]
    fn what_the_operator_takes_has_no_fault() {
        for (value, reader) in [
            (envelope(json!({})), Reader::SecretsManager),
            (envelope(json!(null)), Reader::SecretsManager),
            (envelope(json!({"kmsKeyId": "alias/a", "tags": {"a": "b", "A": "c"}})), Reader::SecretsManager),
            (envelope(json!({"KMSKEYID": "alias/a", "replicationlocations": ["eu-north-1"]})), Reader::SecretsManager),
            (
                envelope(
                    json!({"resourcePolicy": {"blockPublicPolicy": true, "policySourceRef": {"kind": "ConfigMap"}}}),
                ),
                Reader::SecretsManager,
            ),
            (
                envelope(json!({"secretType": "SecureString", "kmsKeyID": "alias/a", "tier": {"type": "Advanced"}})),
                Reader::ParameterStore,
            ),
            (envelope(json!({"remoteNamespace": "x"})), Reader::Kubernetes),
            (json!({"APIVERSION": API_VERSION, "Kind": KIND}), Reader::Gcp),
        ] {
            assert_eq!(faults(&value, reader), Vec::<String>::new(), "{value}");
        }
    }

    #[test]
    fn what_the_operator_refuses_is_named() {
        for (value, expected) in [
            (json!("text"), "metadata is not a map"),
            (json!({"kmsKeyID": "alias/a"}), "metadata.kmsKeyID is a field that the operator does not take"),
            (
                json!({"kind": KIND, "spec": {}}),
                "metadata has no apiVersion: the operator takes settings only inside of an envelope",
            ),
            (
                json!({"apiVersion": "v1", "kind": KIND}),
                "metadata has apiVersion \"v1\", not kubernetes.external-secrets.io/v1alpha1",
            ),
            (envelope(json!("x")), "metadata.spec is not a map"),
            (envelope(json!({"kmsKeyId": 1})), "metadata.spec.kmsKeyId is not text"),
            (
                envelope(json!({"kmsKey": "x"})),
                "metadata.spec.kmsKey is a field that the operator does not take; did you mean kmsKeyId?",
            ),
            (
                envelope(json!({"replicationLocations": "eu-north-1"})),
                "metadata.spec.replicationLocations is not a list of texts",
            ),
            (
                envelope(json!({"resourcePolicy": {"policy": "x"}})),
                "metadata.spec.resourcePolicy.policy is a field that the operator does not take",
            ),
        ] {
            assert_eq!(faults(&value, Reader::SecretsManager), [expected], "{value}");
        }
    }

    #[test]
    fn two_spellings_of_one_field_are_a_fault_whatever_they_hold() {
        for (value, path) in [
            (envelope(json!({"kmsKeyID": "alias/a", "kmsKeyId": "alias/b"})), "metadata.spec.kmsKeyId"),
            (envelope(json!({"kmsKeyId": "alias/a", "\u{212A}msKeyId": null})), "metadata.spec[\"\\u{212A}msKeyId\"]"),
            (
                json!({"apiVersion": API_VERSION, "kind": KIND, "spec": {}, "\u{17F}pec": {"kmsKeyId": "x"}}),
                "metadata[\"\\u{017F}pec\"]",
            ),
            (
                envelope(json!({"resourcePolicy": {"BlockPublicPolicy": false, "blockPublicPolicy": true}})),
                "metadata.spec.resourcePolicy.blockPublicPolicy",
            ),
        ] {
            let found = match read(Some(&value), &Path::of(&["metadata"])) {
                Ok(settings) => settings.faults(Reader::SecretsManager),
                Err(faults) => faults,
            };
            let paths: Vec<String> =
                found.iter().filter(|fault| fault.is_twice).map(|fault| fault.path.to_string()).collect();
            assert_eq!(paths, [path], "{value}");
        }
    }
}
