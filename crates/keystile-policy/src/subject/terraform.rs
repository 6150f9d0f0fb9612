//! Reads `aws_secretsmanager_secret` (with the rotation and version that belong to it) and
//! `aws_ssm_parameter` of Terraform.
//!
//! `keystile-manifest` makes the objects: attributes as Terraform names them, `rotation` and `version` from
//! the resources of that kind. What an expression gives only when Terraform runs stands as text in `${…}`,
//! and is undecidable here, but for two references that say enough: a function is a function whatever its
//! ARN, and a key that the same configuration makes is the customer's own.
//!
//! Source: the provider's documentation, hashicorp/aws 6.x, resources `secretsmanager_secret`,
//! `secretsmanager_secret_rotation`, `secretsmanager_secret_version`, `ssm_parameter`.

use std::borrow::Cow;

use serde_json::Value;

use super::managed::{Deletion, Maker, ManagedSecret, Placed, Replica, Rotation, Setting};
use super::{Fault, Subject};
use crate::field_path::Path;

/// Whether a text is an expression that only Terraform can evaluate.
fn is_expression(text: &str) -> bool {
    text.contains("${") || text.contains("%{")
}

/// Reads an `aws_secretsmanager_secret`.
pub(super) fn read_secret<'o>(object: &'o Value, subject: &mut Subject<'o>) {
    let mut reader = Reader { object, faults: &mut subject.faults };
    let rotation = reader.rotation();
    let secret = ManagedSecret {
        maker: Maker::TerraformSecret,
        name: reader.text(Path::of(&["name"])),
        region: reader.text(Path::of(&["region"])).setting,
        kms_key: reader.text(Path::of(&["kms_key_id"])),
        replicas: reader.replicas(),
        rotation: Some(rotation),
        deletion: Some(Deletion {
            policy: Placed { path: Path::root(), setting: Setting::Absent },
            recovery_days: reader.number(Path::of(&["recovery_window_in_days"])),
            // `force_overwrite_replica_secret` is about copies; a window of 0 days is what forces.
            is_forced: Placed { path: Path::root(), setting: Setting::Absent },
        }),
        tags: Some(reader.tags()),
        inline_value: value_of_version(object),
    };
    subject.managed.push(secret);
}

/// Where a secret's version holds its value as a literal.
pub(crate) fn value_of_version(object: &Value) -> Option<Path<'_>> {
    let reader = Reader { object, faults: &mut Vec::new() };
    ["secret_string", "secret_string_wo", "secret_binary"]
        .iter()
        .find_map(|field| reader.literal(Path::of(&["version", field])))
}

/// Reads an `aws_ssm_parameter`. One of type `String` is no secret; it is read for its literal alone.
pub(super) fn read_parameter<'o>(object: &'o Value, subject: &mut Subject<'o>) {
    let mut reader = Reader { object, faults: &mut subject.faults };
    let kind = reader.text(Path::of(&["type"])).setting;
    if matches!(kind.known().map(|kind| &**kind), Some("String" | "StringList")) {
        return;
    }
    let secret = ManagedSecret {
        maker: Maker::TerraformParameter,
        name: reader.text(Path::of(&["name"])),
        region: reader.text(Path::of(&["region"])).setting,
        kms_key: reader.text(Path::of(&["key_id"])),
        replicas: Vec::new(),
        rotation: None,
        deletion: None,
        tags: Some(reader.tags()),
        inline_value: ["value", "value_wo", "insecure_value"]
            .iter()
            .find_map(|field| reader.literal(Path::of(&[field]))),
    };
    subject.managed.push(secret);
}

struct Reader<'o, 's> {
    object: &'o Value,
    faults: &'s mut Vec<Fault>,
}

impl<'o> Reader<'o, '_> {
    /// The value at a path; an expression on the way there is the answer to what lies below it.
    fn at(&self, path: &Path<'o>) -> Option<&'o Value> {
        let mut value = self.object;
        for step in path.steps() {
            if value.as_str().is_some_and(is_expression) {
                return Some(value);
            }
            value = match step {
                crate::Step::Field(name) => value.get(name)?,
                crate::Step::Item(index) => value.get(*index as usize)?,
            };
        }
        Some(value).filter(|value| !value.is_null())
    }

    fn setting<T>(
        &mut self,
        path: Path<'o>,
        expected: &str,
        read: impl FnOnce(&'o Value) -> Option<T>,
    ) -> Placed<'o, T> {
        let setting = match self.at(&path) {
            None => Setting::Absent,
            Some(Value::String(text)) if is_expression(text) => Setting::Undecidable(text.clone()),
            Some(value) => match read(value) {
                Some(value) => Setting::Is(value),
                None => {
                    self.faults.push(Fault { path: (&path).into(), message: format!("must be {expected}") });
                    Setting::Absent
                }
            },
        };
        Placed { path, setting }
    }

    fn text(&mut self, path: Path<'o>) -> Placed<'o, Cow<'o, str>> {
        self.setting(path, "text", |value| match value {
            Value::String(text) => Some(Cow::Borrowed(text.as_str())),
            // Terraform makes text of them.
            Value::Number(number) => Some(Cow::Owned(number.to_string())),
            _ => None,
        })
    }

    fn number(&mut self, path: Path<'o>) -> Placed<'o, i64> {
        self.setting(path, "a whole number", |value| match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        })
    }

    fn rotation(&mut self) -> Rotation<'o> {
        let is_there = self.at(&Path::of(&["rotation"]));
        let is_enabled = Placed {
            path: Path::of(&["rotation"]),
            setting: match is_there {
                None => Setting::Absent,
                Some(Value::String(text)) if is_expression(text) => Setting::Undecidable(text.clone()),
                // There is no switch: the resource is the rotation.
                Some(_) => Setting::Is(true),
            },
        };
        let mut function = self.text(Path::of(&["rotation", "rotation_lambda_arn"]));
        if let Setting::Undecidable(text) = &function.setting
            && is_there.is_some_and(Value::is_object)
        {
            function.setting = Setting::Is(Cow::Owned(text.clone()));
        }
        Rotation {
            is_enabled,
            function,
            days: self.number(Path::of(&["rotation", "rotation_rules", "automatically_after_days"])),
            expression: self.text(Path::of(&["rotation", "rotation_rules", "schedule_expression"])),
        }
    }

    fn replicas(&mut self) -> Vec<Replica<'o>> {
        let Some(list) = self.at(&Path::of(&["replica"])) else { return Vec::new() };
        let Some(items) = list.as_array() else {
            let unknown = || Setting::Undecidable(list.as_str().unwrap_or("replica").to_owned());
            return vec![Replica { path: Path::of(&["replica"]), region: unknown(), kms_key: unknown() }];
        };
        (0..items.len())
            .map(|index| {
                let path = Path::of(&["replica"]).item(index);
                Replica {
                    region: self.text(path.field("region")).setting,
                    kms_key: self.text(path.field("kms_key_id")).setting,
                    path,
                }
            })
            .collect()
    }

    fn tags(&mut self) -> Placed<'o, Vec<Cow<'o, str>>> {
        self.setting(Path::of(&["tags"]), "a map of tags", |value| {
            Some(value.as_object()?.keys().map(|key| Cow::Borrowed(key.as_str())).collect())
        })
    }

    /// The path, where a value stands there that is no expression.
    fn literal(&self, path: Path<'o>) -> Option<Path<'o>> {
        match self.at(&path)? {
            Value::String(text) if is_expression(text) || text.is_empty() => None,
            _ => Some(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn managed(object: &Value) -> ManagedSecret<'_> {
        let mut subject = Subject::default();
        read_secret(object, &mut subject);
        assert!(subject.faults.is_empty(), "{:?}", subject.faults);
        subject.managed.remove(0)
    }

    #[test]
    fn what_is_written_what_is_not_and_what_only_terraform_knows() {
        let object = json!({
            "name": "/prod/team-a/db", "kms_key_id": "${var.key}", "recovery_window_in_days": 7,
            "tags": {"Team": "a"}, "replica": [{"region": "eu-north-1"}],
            "rotation": {"rotation_lambda_arn": "${aws_lambda_function.x.arn}",
                         "rotation_rules": {"automatically_after_days": 30}},
            "version": {"secret_string": "${random_password.x.result}"},
        });
        let secret = managed(&object);
        assert_eq!(secret.name.setting, Setting::Is("/prod/team-a/db".into()));
        assert_eq!(secret.kms_key.setting, Setting::Undecidable("${var.key}".to_owned()));
        let rotation = secret.rotation.unwrap();
        assert_eq!(rotation.is_enabled.setting, Setting::Is(true));
        assert!(matches!(rotation.function.setting, Setting::Is(_)), "a function, whatever its ARN");
        assert_eq!(rotation.days.setting, Setting::Is(30));
        assert_eq!(rotation.expression.setting, Setting::Absent);
        assert_eq!(secret.deletion.unwrap().recovery_days.setting, Setting::Is(7));
        assert_eq!(secret.replicas[0].kms_key, Setting::Absent);
        assert_eq!(secret.inline_value, None);
    }

    #[test]
    fn a_literal_value_is_inline_and_no_rotation_is_absent() {
        let object = json!({"name": "x", "version": {"secret_string": "plain"}});
        let secret = managed(&object);
        assert_eq!(secret.inline_value.unwrap().to_string(), "version.secret_string");
        assert_eq!(secret.rotation.unwrap().is_enabled.setting, Setting::Absent);
    }

    #[test]
    fn a_rotation_that_may_be_anybodys_is_undecidable() {
        let object = json!({"name": "x", "rotation": "${var.secret}"});
        let rotation = managed(&object).rotation.unwrap();
        assert!(matches!(rotation.is_enabled.setting, Setting::Undecidable(_)));
        assert!(matches!(rotation.days.setting, Setting::Undecidable(_)));
        assert!(matches!(rotation.function.setting, Setting::Undecidable(_)));
    }
}
