//! Reads the operator's SecretsManagerSecret, in the fields that its source defines and in those that
//! its documentation writes.
//!
//! The API server drops what the definition does not have before the webhook sees it; a file has still
//! both. So both are read, and `object-unknown-field` says offline which of them would be lost.
//!
//! Source: infra-operator-aws bf53ff5, api/v1alpha1/secretsmanagersecret_types.go, awsprovider_types.go.

use std::borrow::Cow;

use serde_json::Value;

use super::managed::{Deletion, Maker, ManagedSecret, Placed, Replica, Rotation, Setting};
use super::reference::{Names, Reference, StoreTarget};
use super::{Fault, Subject};
use crate::field_path::Path;
use crate::policy::Access;

/// Reads a SecretsManagerSecret.
pub(super) fn read_secrets_manager_secret<'o>(object: &'o Value, subject: &mut Subject<'o>) {
    let spec_path = Path::of(&["spec"]);
    let Some(spec) = object.get("spec").filter(|spec| spec.is_object()) else {
        // The definition doesn't require one: the operator would act on an empty name.
        subject.faults.push(Fault { path: (&spec_path).into(), message: "must be a map".to_owned() });
        return;
    };
    let mut reader = Reader { spec, path: &spec_path, faults: &mut subject.faults };
    let name = reader.text(&["secretName"]);
    let rotation = Rotation {
        is_enabled: reader.truth(&["rotationEnabled"]),
        function: reader.text_of(&[&["rotationLambdaARN"], &["rotationLambdaArn"]]),
        days: reader.number_of(&[&["automaticallyAfterDays"], &["rotationSchedule", "automaticallyAfterDays"]]),
        expression: reader.text(&["rotationSchedule", "scheduleExpression"]),
    };
    let deletion = Deletion {
        policy: reader.text(&["deletionPolicy"]),
        recovery_days: reader.number(&["recoveryWindowInDays"]),
        is_forced: Placed { path: spec_path.clone(), setting: Setting::Absent },
    };
    let secret = ManagedSecret {
        maker: Maker::SecretsManagerSecret,
        region: Setting::Absent,
        kms_key: reader.text(&["kmsKeyId"]),
        replicas: reader.replicas(),
        tags: Some(reader.tags()),
        inline_value: ["secretString", "secretBinary"]
            .iter()
            .find(|field| spec.get(**field).is_some_and(|value| !value.is_null()))
            .map(|field| spec_path.field(field)),
        rotation: Some(rotation),
        deletion: Some(deletion),
        name: name.clone(),
    };
    let provider_name = reader.text(&["providerRef", "name"]);
    let _ = reader.text(&["providerRef", "namespace"]);
    let store = match spec.get("providerRef").and_then(|provider| provider.get("name")).and_then(Value::as_str) {
        None | Some("") => StoreTarget::Missing,
        Some(provider) => StoreTarget::AwsProvider {
            namespace: spec
                .get("providerRef")
                .and_then(|provider| provider.get("namespace"))
                .and_then(Value::as_str)
                .filter(|namespace| !namespace.is_empty()),
            name: provider,
            path: provider_name.path.clone(),
        },
    };
    let key = spec.get("secretName").and_then(Value::as_str).unwrap_or("");
    // Unless it is to be retained, what is written is destroyed with the object.
    let destroys = secret
        .deletion
        .as_ref()
        .is_none_or(|deletion| deletion.policy.setting.known().is_none_or(|policy| &**policy != "Retain"));
    let mut refer = |access| {
        subject.references.push(Reference {
            path: name.path.clone(),
            store: store.clone(),
            access,
            names: Names::Key(key),
            property: None,
            version: None,
            reads_metadata: false,
        });
    };
    refer(Access::Write);
    if destroys {
        refer(Access::Delete);
    }
    subject.managed.push(secret);
}

struct Reader<'o, 'r> {
    spec: &'o Value,
    path: &'r Path<'o>,
    faults: &'r mut Vec<Fault>,
}

impl<'o> Reader<'o, '_> {
    fn setting<T>(
        &mut self,
        fields: &[&'static str],
        expected: &str,
        read: impl FnOnce(&'o Value) -> Option<T>,
    ) -> Placed<'o, T> {
        let path = self.path.fields(fields);
        let mut value = Some(self.spec);
        for field in fields {
            value = value.and_then(|value| value.get(field));
        }
        let setting = match value {
            None | Some(Value::Null) => Setting::Absent,
            Some(Value::String(text)) if crate::template::find(text).is_some() => Setting::Undecidable(text.clone()),
            Some(value) => read(value).map_or_else(
                || {
                    self.faults.push(Fault { path: (&path).into(), message: format!("must be {expected}") });
                    Setting::Absent
                },
                Setting::Is,
            ),
        };
        Placed { path, setting }
    }

    fn text(&mut self, fields: &[&'static str]) -> Placed<'o, Cow<'o, str>> {
        self.setting(fields, "text", |value| value.as_str().map(Cow::Borrowed))
    }

    fn number(&mut self, fields: &[&'static str]) -> Placed<'o, i64> {
        self.setting(fields, "a whole number", Value::as_i64)
    }

    fn truth(&mut self, fields: &[&'static str]) -> Placed<'o, bool> {
        self.setting(fields, "true or false", Value::as_bool)
    }

    /// The first of several fields that is written; the first place where none is.
    fn text_of(&mut self, fields: &[&[&'static str]]) -> Placed<'o, Cow<'o, str>> {
        let all: Vec<_> = fields.iter().map(|fields| self.text(fields)).collect();
        first_written(all)
    }

    fn number_of(&mut self, fields: &[&[&'static str]]) -> Placed<'o, i64> {
        let all: Vec<_> = fields.iter().map(|fields| self.number(fields)).collect();
        first_written(all)
    }

    fn replicas(&mut self) -> Vec<Replica<'o>> {
        let list = match self.spec.get("replicaRegions") {
            None | Some(Value::Null) => return Vec::new(),
            Some(list) => list,
        };
        let path = self.path.field("replicaRegions");
        let Some(items) = list.as_array() else {
            self.faults.push(Fault { path: (&path).into(), message: "must be a list".to_owned() });
            return Vec::new();
        };
        items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let path = path.item(index);
                let mut reader = Reader { spec: item, path: &path, faults: self.faults };
                Replica {
                    region: reader.text(&["region"]).setting,
                    kms_key: reader.text(&["kmsKeyId"]).setting,
                    path: path.clone(),
                }
            })
            .collect()
    }

    fn tags(&mut self) -> Placed<'o, Vec<Cow<'o, str>>> {
        self.setting(&["tags"], "a map of tags", |value| {
            Some(value.as_object()?.keys().map(|key| Cow::Borrowed(key.as_str())).collect())
        })
    }
}

fn first_written<T>(all: Vec<Placed<'_, T>>) -> Placed<'_, T> {
    let nth = all.iter().position(|placed| !matches!(placed.setting, Setting::Absent)).unwrap_or(0);
    all.into_iter().nth(nth).expect("at least one place is asked for")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_dialects_say_the_same() {
        let source = json!({"spec": {
            "secretName": "/prod/team-a/db", "kmsKeyId": "alias/secrets", "rotationEnabled": true,
            "rotationLambdaARN": "arn:aws:lambda:eu-west-1:111111111111:function:rotate", "automaticallyAfterDays": 30,
        }});
        let documented = json!({"spec": {
            "secretName": "/prod/team-a/db", "kmsKeyId": "alias/secrets", "rotationEnabled": true,
            "rotationLambdaArn": "arn:aws:lambda:eu-west-1:111111111111:function:rotate",
            "rotationSchedule": {"automaticallyAfterDays": 30},
        }});
        let read = |object| {
            let mut subject = Subject::default();
            read_secrets_manager_secret(object, &mut subject);
            assert!(subject.faults.is_empty(), "{:?}", subject.faults);
            let rotation = subject.managed[0].rotation.clone().expect("it has rotation");
            (rotation.function.setting.known().map(ToString::to_string), rotation.days.setting)
        };
        assert_eq!(read(&source), read(&documented));
    }

    #[test]
    fn unless_it_is_retained_it_is_destroyed_with_the_object() {
        let accesses = |object| {
            let mut subject = Subject::default();
            read_secrets_manager_secret(object, &mut subject);
            subject.references.iter().map(|reference| reference.access).collect::<Vec<_>>()
        };
        let kept = json!({"spec": {"secretName": "/prod/team-a/db", "deletionPolicy": "Retain"}});
        assert_eq!(accesses(&kept), [Access::Write]);
        let unsaid = json!({"spec": {"secretName": "/prod/team-a/db"}});
        assert_eq!(accesses(&unsaid), [Access::Write, Access::Delete]);
    }
}
