//! Objects cut down to what says who uses which Secret: for a snapshot, which may be kept and handed around.
//!
//! What may hold a value (variables, arguments, annotations, templates' own words) is not taken over; everything
//! is put together anew from names.

use keystile_policy::subject::agent::PREFIX;
use keystile_policy::subject::agent_template;
use serde_json::{Map, Value, json};

use super::workload::{CSI_DRIVER, pod_of};

/// Annotations that are kept: they say as whom, where and how often something is read.
const ANNOTATIONS: [&str; 6] = [
    "eks.amazonaws.com/role-arn",
    "reloader.stakater.com/auto",
    "secret.reloader.stakater.com/auto",
    "secret.reloader.stakater.com/reload",
    "external-secrets.io/force-sync",
    "vault.hashicorp.com/agent-inject",
];

/// Those of the Vault Agent Injector that are kept, without their prefix.
const AGENT: [&str; 7] = [
    "agent-inject",
    "agent-pre-populate-only",
    "auth-path",
    "namespace",
    "role",
    "service",
    "template-static-secret-render-interval",
];

/// The object without anything that could be a value; `None` for one of a kind that does not use Secrets, or not
/// in a way that is known here.
#[must_use]
pub fn without_values(object: &Value) -> Option<Value> {
    let api_version = object.get("apiVersion")?.as_str()?;
    let kind = object.get("kind")?.as_str()?;
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let mut kept = Map::new();
    match (group, kind) {
        ("", "Secret" | "ConfigMap") => return None,
        ("", "ServiceAccount") => {
            for list in ["secrets", "imagePullSecrets"] {
                put(&mut kept, list, named(object.get(list)));
            }
        }
        ("storage.k8s.io", "CSIDriver") => {
            let republishes = object.pointer("/spec/requiresRepublish").cloned();
            put(&mut kept, "spec", Some(only([("requiresRepublish", republishes)])));
        }
        ("networking.k8s.io" | "extensions", "Ingress") => {
            let tls =
                list(object.pointer("/spec/tls"), |entry| only([("secretName", entry.get("secretName").cloned())]));
            put(&mut kept, "spec", Some(only([("tls", tls)])));
        }
        ("gateway.networking.k8s.io", "Gateway") => {
            let listeners = list(object.pointer("/spec/listeners"), |listener| {
                let references = list(listener.pointer("/tls/certificateRefs"), |reference| {
                    let field = |name: &'static str| (name, reference.get(name).cloned());
                    only([field("kind"), field("name"), field("namespace")])
                });
                json!({ "tls": only([("certificateRefs", references)]) })
            });
            put(&mut kept, "spec", Some(only([("listeners", listeners)])));
        }
        ("secrets-store.csi.x-k8s.io", "SecretProviderClass") => {
            let parameter = |name: &'static str| (name, object.pointer(&format!("/spec/parameters/{name}")).cloned());
            let parameters = only(
                ["region", "failoverRegion", "pathTranslation", "objects", "secrets", "vaultNamespace", "vaultAddress"]
                    .map(parameter),
            );
            let field = |name: &'static str| (name, object.pointer(&format!("/spec/{name}")).cloned());
            let spec = [field("provider"), field("secretObjects"), ("parameters", Some(parameters))];
            put(&mut kept, "spec", Some(only(spec)));
        }
        _ => workload(object, &mut kept)?,
    }
    let mut all = Map::new();
    all.insert("apiVersion".to_owned(), api_version.into());
    all.insert("kind".to_owned(), kind.into());
    all.insert("metadata".to_owned(), metadata(object));
    all.append(&mut kept);
    Some(Value::Object(all))
}

fn put(into: &mut Map<String, Value>, field: &str, value: Option<Value>) {
    if let Some(value) = value {
        into.insert(field.to_owned(), value);
    }
}

/// A map of the fields that are there.
fn only<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    Value::Object(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
}

fn list(value: Option<&Value>, each: impl Fn(&Value) -> Value) -> Option<Value> {
    Some(Value::Array(value?.as_array()?.iter().map(each).collect()))
}

fn named(value: Option<&Value>) -> Option<Value> {
    list(value, |item| only([("name", item.get("name").cloned())]))
}

/// The controller that an object names as its owner, as `metadata.ownerReferences`.
#[must_use]
pub fn owner_references(object: &Value) -> Option<Value> {
    let owners = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let controllers = owners.iter().filter(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true));
    let kept: Vec<Value> = controllers
        .map(|owner| {
            let field = |name: &'static str| (name, owner.get(name).cloned());
            only([field("apiVersion"), field("kind"), field("name"), field("controller")])
        })
        .collect();
    (!kept.is_empty()).then_some(Value::Array(kept))
}

fn metadata(object: &Value) -> Value {
    let field = |name: &'static str| (name, object.pointer(&format!("/metadata/{name}")).cloned());
    only([
        field("name"),
        field("namespace"),
        field("labels"),
        field("deletionTimestamp"),
        ("annotations", annotations(object.pointer("/metadata/annotations"))),
        ("ownerReferences", owner_references(object)),
    ])
}

fn annotations(all: Option<&Value>) -> Option<Value> {
    let all = all?.as_object()?;
    let mut kept = Map::new();
    for (annotation, value) in all {
        let Some(text) = value.as_str() else { continue };
        let name = annotation.strip_prefix(PREFIX);
        let is_plain = ANNOTATIONS.contains(&annotation.as_str())
            || name.is_some_and(|name| AGENT.contains(&name) || name.starts_with("agent-inject-secret-"));
        if is_plain {
            kept.insert(annotation.clone(), value.clone());
        } else if name.is_some_and(|name| name.starts_with("agent-inject-template-file")) {
            // That there is one is what counts.
            kept.insert(annotation.clone(), "".into());
        } else if name.is_some_and(|name| name.starts_with("agent-inject-template-")) {
            kept.insert(annotation.clone(), template(text).into());
        } else if name.is_some_and(|name| name.starts_with("agent-configmap") || name.ends_with("json-patch")) {
            kept.insert(annotation.clone(), "kept back".into());
        }
    }
    (!kept.is_empty()).then_some(Value::Object(kept))
}

/// A template that reads what another reads, and has none of its words.
fn template(text: &str) -> String {
    match agent_template::secrets(text) {
        Ok(paths) if paths.iter().all(|path| !path.contains(['"', '\\', '`'])) => {
            paths.iter().map(|path| format!("{{{{ with secret \"{path}\" }}}}{{{{ end }}}}")).collect()
        }
        // It can't be judged, and this can't either.
        Ok(_) | Err(_) => "{{ keptBack }}".to_owned(),
    }
}

fn workload(object: &Value, kept: &mut Map<String, Value>) -> Option<()> {
    let (pointer, _) = pod_of(object)?;
    let pod = pod(object.pointer(&format!("{pointer}/spec"))?);
    let annotations = annotations(object.pointer(&format!("{pointer}/metadata/annotations")));
    let template =
        only([("metadata", annotations.map(|all| json!({ "annotations": all }))), ("spec", Some(pod.clone()))]);
    let field = |name: &'static str| (name, object.pointer(&format!("/spec/{name}")).cloned());
    let strategy = object.pointer("/spec/updateStrategy/type").cloned().map(|kind| json!({ "type": kind }));
    let settings = [field("replicas"), field("suspend"), field("paused"), ("updateStrategy", strategy)];
    match pointer {
        "" => put(kept, "spec", Some(pod)),
        "/template" => put(kept, "template", Some(template)),
        _ => {
            let mut spec = match only(settings) {
                Value::Object(spec) => spec,
                _ => Map::new(),
            };
            if pointer == "/spec/template" {
                spec.insert("template".to_owned(), template);
            } else {
                spec.insert("jobTemplate".to_owned(), json!({ "spec": { "template": template } }));
            }
            put(kept, "spec", Some(Value::Object(spec)));
        }
    }
    let status = |name: &'static str| (name, object.pointer(&format!("/status/{name}")).cloned());
    let status = only([status("phase"), status("completionTime")]);
    if status.as_object().is_some_and(|status| !status.is_empty()) {
        put(kept, "status", Some(status));
    }
    Some(())
}

fn pod(spec: &Value) -> Value {
    only([
        ("initContainers", list(spec.get("initContainers"), container)),
        ("containers", list(spec.get("containers"), container)),
        ("ephemeralContainers", list(spec.get("ephemeralContainers"), container)),
        ("volumes", list(spec.get("volumes"), volume)),
        ("imagePullSecrets", named(spec.get("imagePullSecrets"))),
        ("serviceAccountName", spec.get("serviceAccountName").cloned()),
    ])
}

fn container(container: &Value) -> Value {
    let variables = list(container.get("env"), |variable| match variable.pointer("/valueFrom/secretKeyRef") {
        Some(reference) => {
            let field = |name: &'static str| (name, reference.get(name).cloned());
            json!({ "valueFrom": { "secretKeyRef": only([field("name"), field("key")]) } })
        }
        // Its place is kept, so that those of the others stay what they are.
        None => json!({}),
    });
    let from = list(container.get("envFrom"), |from| match from.pointer("/secretRef/name") {
        Some(name) => json!({ "secretRef": { "name": name } }),
        None => json!({}),
    });
    let mounts = list(container.get("volumeMounts"), |mount| {
        let field = |name: &'static str| (name, mount.get(name).cloned());
        only([field("name"), field("subPath"), field("subPathExpr")])
    });
    let (image, arguments) = driver(container);
    only([("env", variables), ("envFrom", from), ("volumeMounts", mounts), ("image", image), ("args", arguments)])
}

/// The image and the two arguments of the CSI driver; nothing of any other container.
fn driver(container: &Value) -> (Option<Value>, Option<Value>) {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    if !image.contains("csi-secrets-store/driver") && !image.contains("secrets-store-csi-driver") {
        return (None, None);
    }
    let arguments: Vec<&Value> = container
        .get("args")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|argument| {
            let argument = argument.as_str().unwrap_or_default().trim_start_matches('-');
            argument.starts_with("enable-secret-rotation") || argument.starts_with("rotation-poll-interval")
        })
        .collect();
    (Some(image.into()), Some(json!(arguments)))
}

fn volume(volume: &Value) -> Value {
    let source = |secret: &Value, name: &'static str| {
        let items = list(secret.get("items"), |item| {
            let field = |name: &'static str| (name, item.get(name).cloned());
            only([field("key"), field("path")])
        });
        only([(name, secret.get(name).cloned()), ("items", items)])
    };
    let mut kept = Map::new();
    put(&mut kept, "name", volume.get("name").cloned());
    for (field, value) in volume.as_object().into_iter().flatten() {
        let reference = value.pointer("/secretRef/name").map(|name| json!({ "secretRef": { "name": name } }));
        let value = match field.as_str() {
            "name" => None,
            "secret" => Some(source(value, "secretName")),
            "projected" => list(value.get("sources"), |projected| {
                only([("secret", projected.get("secret").map(|secret| source(secret, "name")))])
            })
            .map(|sources| json!({ "sources": sources })),
            "csi" => {
                let is_store = value.get("driver").and_then(Value::as_str) == Some(CSI_DRIVER);
                let class = value.pointer("/volumeAttributes/secretProviderClass").filter(|_| is_store);
                let attributes = class.map(|class| json!({ "secretProviderClass": class }));
                let published = value.pointer("/nodePublishSecretRef/name").map(|name| json!({ "name": name }));
                let driver = value.get("driver").cloned();
                Some(only([("driver", driver), ("volumeAttributes", attributes), ("nodePublishSecretRef", published)]))
            }
            "azureFile" => value.get("secretName").map(|name| json!({ "secretName": name })),
            _ => reference,
        };
        put(&mut kept, field, value);
    }
    Value::Object(kept)
}
