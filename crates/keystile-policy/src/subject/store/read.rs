//! Reads a store.

use serde_json::{Map, Value};

use super::tables::{
    AWS, AWS_AUTH, AWS_METHODS, GCP, GCP_AUTH, GCP_METHODS, KUBERNETES, KUBERNETES_METHODS, VAULT, VAULT_METHODS,
    VAULT_MOUNTS,
};
use super::{AwsStore, Condition, GcpStore, KubernetesStore, StoreFacts, StoreKind, StoreProvider, VaultStore};
use crate::field_path::Path;
use crate::selector::Selector;
use crate::subject::Fault;
use crate::subject::fields::{self, Row};
use crate::subject::identity::Identity;
use crate::world::StoreId;

pub(super) fn store(object: &Value, faults: &mut Vec<Fault>) -> StoreFacts {
    let metadata =
        |field: &str| object.get("metadata").and_then(|metadata| metadata.get(field)).and_then(Value::as_str);
    let kind = match object.get("kind").and_then(Value::as_str) {
        Some("ClusterSecretStore") => StoreKind::ClusterSecretStore,
        _ => StoreKind::SecretStore,
    };
    let namespace = match kind {
        StoreKind::ClusterSecretStore => String::new(),
        StoreKind::SecretStore | StoreKind::AwsProvider => metadata("namespace").unwrap_or_default().to_owned(),
    };
    let mut facts = StoreFacts {
        id: StoreId { kind, namespace, name: metadata("name").unwrap_or_default().to_owned() },
        labels: labels(object),
        controller: Box::default(),
        conditions: Vec::new(),
        identity: Identity::default(),
        provider: StoreProvider::Unreadable("it has no spec".into()),
    };
    let base = Path::of(&["spec"]);
    let spec = match object.get("spec") {
        Some(Value::Object(spec)) => spec,
        Some(other) if !other.is_null() => {
            faults.push(Fault::wrong(other, &base, "a map"));
            return facts;
        }
        _ => {
            faults.push(Fault { path: base.into(), message: "is missing".to_owned() });
            return facts;
        }
    };
    facts.controller = text(spec, "controller", &base, faults).unwrap_or_default().into();
    facts.conditions = conditions(spec, &base, faults);
    let known = faults.len();
    (facts.provider, facts.identity) = provider(spec, &base.field("provider"), faults);
    if faults.len() > known {
        // What the operator makes of it is not known, so nothing may be read through it.
        facts.provider = StoreProvider::Unreadable("it has a value of the wrong type".into());
    }
    facts
}

fn labels(object: &Value) -> Vec<(Box<str>, Box<str>)> {
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    labels
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.as_str().into(), value.as_str()?.into())))
        .collect()
}

fn provider(spec: &Map<String, Value>, base: &Path<'_>, faults: &mut Vec<Fault>) -> (StoreProvider, Identity) {
    let unreadable = |why: &str| (StoreProvider::Unreadable(why.into()), Identity::default());
    let providers = match spec.get("provider") {
        Some(Value::Object(providers)) => providers,
        Some(other) if !other.is_null() => {
            faults.push(Fault::wrong(other, base, "a map"));
            return unreadable("its provider is no map");
        }
        _ => return unreadable("it names no provider"),
    };
    let mut written = providers.iter().filter(|(_, value)| !value.is_null());
    let (Some((name, value)), None) = (written.next(), written.next()) else {
        return unreadable(if providers.is_empty() {
            "it names no provider"
        } else {
            "it names not just one provider"
        });
    };
    let base = base.field(name);
    let Value::Object(fields) = value else {
        faults.push(Fault::wrong(value, &base, "a map"));
        return unreadable("its provider is no map");
    };
    match name.as_str() {
        "aws" => {
            let identity = identity(fields, &base, &[AWS, AWS_AUTH], AWS_METHODS, faults);
            (StoreProvider::Aws(Box::new(aws(fields, &base, &identity, faults))), identity)
        }
        "vault" => {
            let identity = identity(fields, &base, &[VAULT], VAULT_METHODS, faults);
            (StoreProvider::Vault(Box::new(vault(fields))), identity)
        }
        "gcpsm" => {
            let identity = identity(fields, &base, &[GCP, GCP_AUTH], GCP_METHODS, faults);
            let token_endpoint = at(fields, "auth.workloadIdentityFederation.externalTokenEndpoint");
            let store = GcpStore {
                project: at(fields, "projectID").unwrap_or_default().into(),
                location: at(fields, "location").unwrap_or_default().into(),
                token_endpoint: token_endpoint.map(Into::into),
            };
            (StoreProvider::Gcp(Box::new(store)), identity)
        }
        "kubernetes" => {
            let identity = identity(fields, &base, &[KUBERNETES], KUBERNETES_METHODS, faults);
            let server = match at(fields, "server.url") {
                _ if fields.get("authRef").is_some_and(|value| !value.is_null()) => KubernetesStore::OF_A_KUBECONFIG,
                Some(url) => url,
                None => "kubernetes.default",
            };
            let remote_namespace = at(fields, "remoteNamespace").unwrap_or("default");
            let store = KubernetesStore { server: server.into(), remote_namespace: remote_namespace.into() };
            (StoreProvider::Kubernetes(Box::new(store)), identity)
        }
        other => (StoreProvider::Other(other.into()), Identity::default()),
    }
}

/// Reads who is acted as: by the tables, and by which of `methods` are written.
pub(crate) fn identity(
    fields: &Map<String, Value>,
    base: &Path<'_>,
    tables: &[&'static [Row]],
    methods: &[&'static str],
    faults: &mut Vec<Fault>,
) -> Identity {
    let found = fields::read(fields, base, tables, faults);
    let mut written = methods.iter().filter(|method| value_at(fields, method).is_some()).peekable();
    let operator_field = match written.peek() {
        None => Some("auth"),
        // The operator falls back on its own identity where a method names nobody.
        Some(_) => written.copied().find(|method| {
            !found.references.iter().any(|reference| {
                reference.field.strip_prefix(method).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
        }),
    };
    Identity {
        references: found.references.into(),
        roles: found.roles.into(),
        operator_field,
        unknown_fields: found.unknown.into(),
    }
}

fn aws(fields: &Map<String, Value>, base: &Path<'_>, identity: &Identity, faults: &mut Vec<Fault>) -> AwsStore {
    let texts = |field: &str| -> Vec<Box<str>> {
        let list = fields.get(field).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(|item| item.as_str().map(Into::into)).collect()
    };
    let own = |field: &str| -> Box<str> { at(fields, field).unwrap_or_default().into() };
    let settings = fields.get("secretsManager");
    let setting = |field: &str| settings.and_then(|settings| settings.get(field));
    // An empty one is not assumed, so the last of `additionalRoles` is then the last of all.
    let mut named = identity.roles.iter().filter(|role| !role.name.is_empty());
    let last = named.clone().find(|role| role.field == "role").or(named.next_back());
    AwsStore {
        service: own("service"),
        region: own("region"),
        prefix: own("prefix"),
        role: last.map(|role| role.name.clone()),
        session_tag_keys: session_tag_keys(fields, base, faults),
        transitive_tag_keys: texts("transitiveTagKeys"),
        custom_session_tag_keys: match fields.get("customSessionTags").and_then(Value::as_object) {
            Some(tags) => tags.keys().map(|key| key.as_str().into()).collect(),
            None => Vec::new(),
        },
        force_delete_without_recovery: setting("forceDeleteWithoutRecovery").and_then(Value::as_bool) == Some(true),
        recovery_window_in_days: setting("recoveryWindowInDays").and_then(Value::as_i64),
    }
}

fn session_tag_keys(fields: &Map<String, Value>, base: &Path<'_>, faults: &mut Vec<Fault>) -> Vec<Box<str>> {
    let path = base.field("sessionTags");
    let mut keys = Vec::new();
    match fields.get("sessionTags") {
        None | Some(Value::Null) => {}
        Some(Value::Array(tags)) => {
            for (index, tag) in tags.iter().enumerate() {
                let path = path.item(index);
                match tag.get("key") {
                    Some(Value::String(key)) => keys.push(key.as_str().into()),
                    Some(other) => faults.push(Fault::wrong(other, &path.field("key"), "text")),
                    None => faults.push(Fault { path: path.field("key").into(), message: "is missing".to_owned() }),
                }
            }
        }
        Some(other) => faults.push(Fault::wrong(other, &path, "a list")),
    }
    keys
}

/// What of Vault's fields is judged. Their types are looked at already.
pub(crate) fn vault(fields: &Map<String, Value>) -> VaultStore {
    let own = |field: &str| at(fields, field).map(Into::into);
    let mut mount_paths: Vec<(&'static str, Box<str>)> = Vec::new();
    if value_at(fields, "auth.kubernetes").is_some() {
        let mount = at(fields, "auth.kubernetes.mountPath").unwrap_or("kubernetes");
        mount_paths.push(("auth.kubernetes.mountPath", mount.into()));
    }
    for (_, field, usual) in VAULT_MOUNTS {
        if let Some(path) = at(fields, field).filter(|path| path != usual) {
            mount_paths.push((field, path.into()));
        }
    }
    mount_paths.shrink_to_fit();
    VaultStore {
        server: own("server").unwrap_or_default(),
        path: own("path"),
        version: at(fields, "version").unwrap_or("v2").into(),
        namespace: own("namespace"),
        auth_namespace: own("auth.namespace"),
        mount_paths,
        header_names: match fields.get("headers").and_then(Value::as_object) {
            Some(headers) => headers.keys().map(|name| name.as_str().into()).collect(),
            None => Vec::new(),
        },
    }
}

fn conditions(spec: &Map<String, Value>, base: &Path<'_>, faults: &mut Vec<Fault>) -> Vec<Condition> {
    let base = base.field("conditions");
    let list = match spec.get("conditions") {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(list)) => list,
        Some(other) => {
            faults.push(Fault::wrong(other, &base, "a list"));
            return Vec::new();
        }
    };
    let mut conditions = Vec::with_capacity(list.len());
    for (index, entry) in list.iter().enumerate() {
        let path = base.item(index);
        let mut condition = Condition::default();
        let Value::Object(fields) = entry else {
            faults.push(Fault::wrong(entry, &path, "a map"));
            continue;
        };
        for (field, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            let path = path.field(field);
            match field.as_str() {
                "namespaces" => condition.namespaces = texts(value, &path, faults),
                "namespaceRegexes" => condition.namespace_regexes = texts(value, &path, faults),
                "namespaceSelector" => {
                    if let Err(message) = Selector::parse(value) {
                        faults.push(Fault { path: path.into(), message });
                    }
                    condition.namespace_selector = Some(value.clone());
                }
                _ => {
                    faults.push(Fault { path: path.into(), message: "is no part of a condition".to_owned() });
                }
            }
        }
        conditions.push(condition);
    }
    conditions
}

fn texts(value: &Value, path: &Path<'_>, faults: &mut Vec<Fault>) -> Vec<Box<str>> {
    let Value::Array(items) = value else {
        faults.push(Fault::wrong(value, path, "a list"));
        return Vec::new();
    };
    let mut texts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match item.as_str() {
            Some(text) => texts.push(text.into()),
            None => faults.push(Fault::wrong(item, &path.item(index), "text")),
        }
    }
    texts
}

fn text<'o>(map: &'o Map<String, Value>, field: &str, base: &Path<'_>, faults: &mut Vec<Fault>) -> Option<&'o str> {
    match map.get(field) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text),
        Some(other) => {
            faults.push(Fault::wrong(other, &base.field(field), "text"));
            None
        }
    }
}

/// The value at a path with dots; `null` is none.
fn value_at<'o>(fields: &'o Map<String, Value>, path: &str) -> Option<&'o Value> {
    let mut steps = path.split('.');
    let mut value = fields.get(steps.next()?)?;
    for step in steps {
        value = value.get(step)?;
    }
    Some(value).filter(|value| !value.is_null())
}

/// The text at a path with dots, where it is one.
fn at<'o>(fields: &'o Map<String, Value>, path: &str) -> Option<&'o str> {
    value_at(fields, path)?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_account_is_that_of_the_role_that_is_assumed_last() {
        let role = |account: &str| format!("arn:aws:iam::{account}:role/x");
        let (one, two) = ("111111111111", "222222222222");
        for (name, roles, expected) in [
            ("role alone", json!({"role": role(one)}), Some(one)),
            ("role after others", json!({"role": role(one), "additionalRoles": [role(two)]}), Some(one)),
            ("others alone", json!({"additionalRoles": [role(one), role(two)]}), Some(two)),
            ("others and an empty role", json!({"role": "", "additionalRoles": [role(two)]}), Some(two)),
            ("an empty role", json!({"role": ""}), None),
        ] {
            let facts = StoreFacts::read(&json!({"kind": "SecretStore", "spec": {"provider": {"aws": roles}}}));
            let StoreProvider::Aws(aws) = &facts.provider else { panic!("{name}: {:?}", facts.provider) };
            assert_eq!(aws.account(), expected, "{name}");
        }
    }
}
