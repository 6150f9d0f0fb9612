//! Objects beside pods that name Secrets: service accounts, certificates of entrances, and kinds that are not
//! known here, which are searched for fields that look like a Secret's name.

use serde_json::Value;

use super::found::{How, ObjectName};

/// A Secret that an object names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) object: ObjectName,
    pub(super) file: Option<String>,
    pub(super) place: String,
    pub(super) namespace: String,
    pub(super) secret: String,
    pub(super) how: How,
}

/// Objects are searched no deeper.
const MOST_DEPTH: usize = 32;

fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// The lists of a ServiceAccount.
pub(super) fn service_account(object: &Value, name: &ObjectName, file: Option<&str>) -> Vec<Named> {
    let mut found = Vec::new();
    for (field, how) in [("secrets", How::ServiceAccount), ("imagePullSecrets", How::ImagePull)] {
        let list = object.get(field).and_then(Value::as_array).into_iter().flatten();
        for (nth, named) in list.enumerate() {
            found.push(Named {
                object: name.clone(),
                file: file.map(ToOwned::to_owned),
                place: format!("{field}[{nth}]"),
                namespace: name.namespace.clone(),
                secret: text(named, "/name").to_owned(),
                how,
            });
        }
    }
    found.retain(|named| !named.secret.is_empty());
    found
}

/// What any other object names: a field `secretName`, a map behind a name with `secret` in it that has a `name`,
/// or a map with `kind: Secret`.
pub(super) fn other(object: &Value, name: &ObjectName, file: Option<&str>) -> Vec<Named> {
    let mut search = Search { name, file, found: Vec::new() };
    if let Some(fields) = object.as_object() {
        for (field, value) in fields {
            // Neither annotations nor what a controller wrote back.
            if !matches!(field.as_str(), "metadata" | "status" | "apiVersion" | "kind") {
                search.value(field, value, field.clone(), 0);
            }
        }
    }
    search.found
}

struct Search<'s> {
    name: &'s ObjectName,
    file: Option<&'s str>,
    found: Vec<Named>,
}

impl Search<'_> {
    fn value(&mut self, field: &str, value: &Value, place: String, depth: usize) {
        if depth > MOST_DEPTH {
            return;
        }
        match value {
            Value::Object(fields) => {
                let is_secret = field.to_ascii_lowercase().contains("secret") || text(value, "/kind") == "Secret";
                if is_secret && let Some(secret) = fields.get("name").and_then(Value::as_str) {
                    let namespace = fields.get("namespace").and_then(Value::as_str);
                    self.add(place.clone(), secret, namespace);
                }
                for (field, value) in fields {
                    self.value(field, value, format!("{place}.{field}"), depth + 1);
                }
            }
            Value::Array(items) => {
                for (nth, item) in items.iter().enumerate() {
                    self.value(field, item, format!("{place}[{nth}]"), depth + 1);
                }
            }
            Value::String(secret) if field == "secretName" => self.add(place, secret, None),
            _ => {}
        }
    }

    fn add(&mut self, place: String, secret: &str, namespace: Option<&str>) {
        let is_entrance = matches!(self.name.kind.as_str(), "Ingress" | "Gateway" | "IngressRoute" | "HTTPProxy");
        self.found.push(Named {
            object: self.name.clone(),
            file: self.file.map(ToOwned::to_owned),
            place,
            namespace: namespace.unwrap_or(&self.name.namespace).to_owned(),
            secret: secret.to_owned(),
            how: if is_entrance { How::Tls } else { How::Other },
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(object: &Value) -> Vec<String> {
        let name = ObjectName { namespace: "a".into(), kind: text(object, "/kind").into(), name: "x".into() };
        other(object, &name, None)
            .into_iter()
            .map(|named| format!("{} {}/{} {:?}", named.place, named.namespace, named.secret, named.how))
            .collect()
    }

    #[test]
    fn fields_that_name_secrets_are_found_in_any_object() {
        for (object, expected) in [
            (
                json!({"kind": "Ingress", "spec": {"tls": [{"hosts": ["x"], "secretName": "cert"}]}}),
                vec!["spec.tls[0].secretName a/cert Tls"],
            ),
            (
                json!({"kind": "Gateway", "spec": {"listeners": [{"tls": {"certificateRefs": [{"kind": "Secret", "name": "cert", "namespace": "b"}]}}]}}),
                vec!["spec.listeners[0].tls.certificateRefs[0] b/cert Tls"],
            ),
            (
                json!({"kind": "HelmRelease", "spec": {"valuesFrom": [{"kind": "Secret", "name": "v"}, {"kind": "ConfigMap", "name": "no"}]}}),
                vec!["spec.valuesFrom[0] a/v Other"],
            ),
            (
                json!({"kind": "Issuer", "spec": {"acme": {"apiTokenSecretRef": {"name": "t", "key": "k"}}}}),
                vec!["spec.acme.apiTokenSecretRef a/t Other"],
            ),
            (json!({"kind": "ConfigMap", "data": {"name": "x"}}), vec![]),
            (json!({"kind": "X", "metadata": {"secretRef": {"name": "no"}}, "status": {"secretName": "no"}}), vec![]),
        ] {
            assert_eq!(found(&object), expected, "{object}");
        }
    }

    #[test]
    fn a_service_account_names_two_lists() {
        let object =
            json!({"kind": "ServiceAccount", "secrets": [{"name": "a"}], "imagePullSecrets": [{"name": "b"}, {}]});
        let found = service_account(&object, &ObjectName::default(), None);
        let shown: Vec<_> =
            found.iter().map(|named| (named.place.as_str(), named.secret.as_str(), named.how)).collect();
        assert_eq!(shown, [("secrets[0]", "a", How::ServiceAccount), ("imagePullSecrets[0]", "b", How::ImagePull)]);
    }
}
