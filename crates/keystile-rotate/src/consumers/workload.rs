//! What pods, and what makes them, use of Secrets, SecretProviderClasses and the Vault Agent.
//!
//! Read once for each object, names only: the values of variables, arguments and annotations are not kept.
//! Source: Kubernetes API reference, PodSpec; the Vault Agent Injector's annotations (by way of keystile-policy).

use std::collections::BTreeSet;
use std::time::Duration;

use keystile_policy::subject::Subject;
use keystile_policy::subject::refresh::go_duration;
use keystile_policy::{Kind, subject};
use serde_json::Value;

use super::found::{How, ObjectName};

/// The driver of SecretProviderClasses.
pub(super) const CSI_DRIVER: &str = "secrets-store.csi.k8s.io";

/// How often the Vault Agent reads a secret without a lease again, unless told otherwise.
/// Source: Vault Agent's documentation, `template_config.static_secret_render_interval`.
const AGENT_INTERVAL: Duration = Duration::from_secs(300);

/// A pod, or what makes pods.
#[derive(Debug, Clone, Default)]
pub(super) struct Workload {
    pub(super) name: ObjectName,
    pub(super) file: Option<String>,
    /// What makes it.
    pub(super) owner: Option<ObjectName>,
    pub(super) secrets: Vec<SecretUse>,
    pub(super) classes: Vec<ClassUse>,
    pub(super) agent: Option<AgentUse>,
    pub(super) service_account: String,
    /// Nothing of it runs now, as far as it says itself.
    pub(super) is_idle: bool,
    /// `spec.paused`.
    pub(super) is_paused: bool,
    /// `updateStrategy.type: OnDelete`.
    pub(super) is_replaced_by_hand: bool,
    /// It is over: a pod or Job that has ended.
    pub(super) is_over: bool,
    pub(super) reloader: Reloader,
}

/// A Secret that is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SecretUse {
    /// Its name.
    pub(super) secret: String,
    /// The keys that are used; `None` = all.
    pub(super) keys: Option<BTreeSet<String>>,
    pub(super) how: How,
    pub(super) place: String,
}

/// A SecretProviderClass that is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClassUse {
    pub(super) class: String,
    pub(super) place: String,
    /// Whether one of the mounts is by `subPath`.
    pub(super) has_sub_path: bool,
}

/// What is asked of the Vault Agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AgentUse {
    /// Vault's namespace, where one is said.
    pub(super) namespace: Option<String>,
    /// Places and the paths that are read.
    pub(super) paths: Vec<(String, String)>,
    /// Places that can't be judged, and why.
    pub(super) undecidable: Vec<(String, String)>,
    /// Whether it runs before the pod only.
    pub(super) is_init_only: bool,
    pub(super) interval: Duration,
}

/// What Stakater's Reloader is asked. Source: its README, "How to use Reloader".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reloader {
    /// Every Secret that is used.
    all: bool,
    named: BTreeSet<String>,
}

impl Reloader {
    fn read(annotations: Option<&Value>) -> Self {
        let text = |name: &str| annotations.and_then(|all| all.get(name)).and_then(Value::as_str).unwrap_or_default();
        let is_on = |name: &str| text(name) == "true";
        let named = text("secret.reloader.stakater.com/reload").split(',');
        Self {
            all: is_on("reloader.stakater.com/auto") || is_on("secret.reloader.stakater.com/auto"),
            named: named.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect(),
        }
    }

    pub(super) fn watches(&self, secret: &str) -> bool {
        self.all || self.named.contains(secret)
    }
}

fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn items<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = (usize, &'v Value)> {
    value.get(field).and_then(Value::as_array).into_iter().flatten().enumerate()
}

/// Where the pod's metadata and spec are, as a pointer and as people write it; `None` where there is no pod in it.
pub(super) fn pod_of(object: &Value) -> Option<(&'static str, &'static str)> {
    let (pointer, shown) = match object.get("kind").and_then(Value::as_str)? {
        "Pod" => ("", ""),
        "PodTemplate" => ("/template", "template."),
        _ if object.pointer("/spec/jobTemplate/spec/template/spec/containers").is_some() => {
            ("/spec/jobTemplate/spec/template", "spec.jobTemplate.spec.template.")
        }
        _ => ("/spec/template", "spec.template."),
    };
    object.pointer(&format!("{pointer}/spec/containers"))?.as_array()?;
    Some((pointer, shown))
}

/// Reads a workload; `None` where there is no pod in the object.
pub(super) fn read(object: &Value, name: &ObjectName, file: Option<&str>) -> Option<Workload> {
    let (pointer, shown) = pod_of(object)?;
    let spec = object.pointer(&format!("{pointer}/spec"))?;
    let place = format!("{shown}spec");
    let mut secrets = Vec::new();
    containers(spec, &place, &mut secrets);
    let classes = volumes(spec, &place, &mut secrets);
    for (nth, pull) in items(spec, "imagePullSecrets") {
        secrets.push(SecretUse {
            secret: text(pull, "/name").to_owned(),
            keys: Some([".dockerconfigjson", ".dockercfg"].map(ToOwned::to_owned).into()),
            how: How::ImagePull,
            place: format!("{place}.imagePullSecrets[{nth}]"),
        });
    }
    secrets.retain(|used| !used.secret.is_empty());
    let is_zero = |path: &str| object.pointer(path).and_then(Value::as_i64) == Some(0);
    let is_true = |path: &str| object.pointer(path).and_then(Value::as_bool) == Some(true);
    let of_object = Reloader::read(object.pointer("/metadata/annotations"));
    let of_pod = Reloader::read(object.pointer(&format!("{pointer}/metadata/annotations")));
    Some(Workload {
        name: name.clone(),
        file: file.map(ToOwned::to_owned),
        owner: owner(object, &name.namespace),
        agent: agent(object),
        secrets,
        classes,
        service_account: text(spec, "/serviceAccountName").to_owned(),
        is_idle: is_zero("/spec/replicas") || is_true("/spec/suspend"),
        is_paused: is_true("/spec/paused"),
        is_replaced_by_hand: text(object, "/spec/updateStrategy/type") == "OnDelete",
        is_over: matches!(text(object, "/status/phase"), "Succeeded" | "Failed")
            || object.pointer("/status/completionTime").is_some(),
        reloader: Reloader { all: of_object.all || of_pod.all, named: &of_object.named | &of_pod.named },
    })
}

/// The controller that an object names as its owner.
pub(super) fn owner(object: &Value, namespace: &str) -> Option<ObjectName> {
    let owners = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let owner = owners.iter().find(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))?;
    let kind = text(owner, "/kind").to_owned();
    let is_cluster_scoped = matches!(kind.as_str(), "ClusterExternalSecret" | "ClusterPushSecret");
    let namespace = if is_cluster_scoped { String::new() } else { namespace.to_owned() };
    Some(ObjectName { namespace, kind, name: text(owner, "/name").to_owned() })
}

const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

fn containers(spec: &Value, place: &str, secrets: &mut Vec<SecretUse>) {
    for field in CONTAINERS {
        for (nth, container) in items(spec, field) {
            let place = format!("{place}.{field}[{nth}]");
            for (nth, variable) in items(container, "env") {
                if let Some(named) = variable.pointer("/valueFrom/secretKeyRef") {
                    secrets.push(SecretUse {
                        secret: text(named, "/name").to_owned(),
                        keys: Some([text(named, "/key").to_owned()].into()),
                        how: How::Environment,
                        place: format!("{place}.env[{nth}]"),
                    });
                }
            }
            for (nth, from) in items(container, "envFrom") {
                if let Some(named) = from.get("secretRef") {
                    secrets.push(SecretUse {
                        secret: text(named, "/name").to_owned(),
                        keys: None,
                        how: How::Environment,
                        place: format!("{place}.envFrom[{nth}]"),
                    });
                }
            }
        }
    }
}

/// How a volume is mounted: whole, and by which `subPath`s.
#[derive(Default)]
struct Mounts<'v> {
    is_whole: bool,
    sub_paths: Vec<(String, &'v str)>,
}

fn mounts_of<'v>(spec: &'v Value, place: &str, volume: &str) -> Mounts<'v> {
    let mut mounts = Mounts::default();
    for field in CONTAINERS {
        for (nth, container) in items(spec, field) {
            for (mount_nth, mount) in items(container, "volumeMounts") {
                if text(mount, "/name") != volume {
                    continue;
                }
                let sub_path = text(mount, "/subPath");
                let is_expression = mount.get("subPathExpr").is_some();
                if sub_path.is_empty() && !is_expression {
                    mounts.is_whole = true;
                } else {
                    mounts.sub_paths.push((format!("{place}.{field}[{nth}].volumeMounts[{mount_nth}]"), sub_path));
                }
            }
        }
    }
    mounts
}

fn volumes(spec: &Value, place: &str, secrets: &mut Vec<SecretUse>) -> Vec<ClassUse> {
    let mut classes = Vec::new();
    for (nth, volume) in items(spec, "volumes") {
        let volume_place = format!("{place}.volumes[{nth}]");
        let mounts = mounts_of(spec, place, text(volume, "/name"));
        if let Some(secret) = volume.get("secret") {
            mounted(secret, text(secret, "/secretName"), &mounts, &format!("{volume_place}.secret"), secrets);
        }
        for (source, projected) in volume.get("projected").into_iter().flat_map(|volume| items(volume, "sources")) {
            if let Some(secret) = projected.get("secret") {
                let place = format!("{volume_place}.projected.sources[{source}].secret");
                mounted(secret, text(secret, "/name"), &mounts, &place, secrets);
            }
        }
        let Some(fields) = volume.as_object() else { continue };
        for (field, source) in fields {
            if field == "csi" && text(source, "/driver") == CSI_DRIVER {
                classes.push(ClassUse {
                    class: text(source, "/volumeAttributes/secretProviderClass").to_owned(),
                    place: format!("{volume_place}.csi"),
                    has_sub_path: !mounts.sub_paths.is_empty(),
                });
            }
            // What a driver logs in with.
            let named = match field.as_str() {
                "azureFile" => text(source, "/secretName"),
                "csi" => text(source, "/nodePublishSecretRef/name"),
                "secret" | "projected" => "",
                _ => text(source, "/secretRef/name"),
            };
            if !named.is_empty() {
                let place = format!("{volume_place}.{field}");
                secrets.push(SecretUse { secret: named.to_owned(), keys: None, how: How::Other, place });
            }
        }
    }
    classes
}

fn mounted(source: &Value, secret: &str, mounts: &Mounts<'_>, place: &str, secrets: &mut Vec<SecretUse>) {
    let files: Vec<(&str, &str)> =
        items(source, "items").map(|(_, item)| (text(item, "/key"), text(item, "/path"))).collect();
    let keys = || -> Option<BTreeSet<String>> {
        (!files.is_empty()).then(|| files.iter().map(|(key, _)| (*key).to_owned()).collect())
    };
    let secret = secret.to_owned();
    // A volume that nobody mounts is there all the same.
    if mounts.is_whole || mounts.sub_paths.is_empty() {
        secrets.push(SecretUse { secret: secret.clone(), keys: keys(), how: How::Volume, place: place.to_owned() });
    }
    for (place, sub_path) in &mounts.sub_paths {
        let keys = match files.iter().find(|(_, path)| path == sub_path) {
            Some((key, _)) => Some([(*key).to_owned()].into()),
            // A folder of the volume, or an expression: it may be any of the files.
            None if !files.is_empty() || sub_path.is_empty() => keys(),
            None => Some([(*sub_path).to_owned()].into()),
        };
        secrets.push(SecretUse { secret: secret.clone(), keys, how: How::SubPath, place: place.clone() });
    }
}

fn agent(object: &Value) -> Option<AgentUse> {
    let subject = Subject::read(Kind::Workload, object);
    let agent = subject.agent?;
    let (pointer, _) = pod_of(object)?;
    let annotations = object.pointer(&format!("{pointer}/metadata/annotations"))?;
    let annotation = |name: &str| {
        annotations.get(format!("{}{name}", subject::agent::PREFIX)).and_then(Value::as_str).unwrap_or_default()
    };
    Some(AgentUse {
        namespace: agent.namespace.as_ref().map(|said| said.value.to_owned()),
        paths: agent.secrets.iter().map(|said| (said.path.to_string(), said.value.to_owned())).collect(),
        undecidable: agent.undecidable.iter().map(|(path, why)| (path.to_string(), why.clone())).collect(),
        is_init_only: annotation("agent-pre-populate-only") == "true",
        interval: go_duration(annotation("template-static-secret-render-interval")).unwrap_or(AGENT_INTERVAL),
    })
}

/// What the containers of an object say about the CSI driver, if they are it: whether it polls, and how often.
pub(super) fn driver(object: &Value) -> Option<(bool, Option<Duration>)> {
    let (pointer, _) = pod_of(object)?;
    let spec = object.pointer(&format!("{pointer}/spec"))?;
    let mut found = None;
    for (_, container) in items(spec, "containers") {
        let arguments: Vec<&str> = ["args", "command"]
            .into_iter()
            .flat_map(|field| items(container, field))
            .filter_map(|(_, argument)| argument.as_str())
            .collect();
        let image = text(container, "/image");
        let is_driver = image.contains("csi-secrets-store/driver")
            || image.contains("secrets-store-csi-driver")
            || arguments.iter().any(|argument| argument.contains(CSI_DRIVER));
        if !is_driver || image.contains("provider") {
            continue;
        }
        let value =
            |flag: &str| arguments.iter().find_map(|argument| argument.trim_start_matches('-').strip_prefix(flag));
        let polls = matches!(value("enable-secret-rotation"), Some("" | "=true" | "=t" | "=1" | "=True"));
        let every = value("rotation-poll-interval").and_then(|value| go_duration(value.trim_start_matches('=')));
        found = Some((polls, every));
        if polls {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_pod(spec: &Value) -> Workload {
        let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec});
        read(&object, &ObjectName::default(), None).unwrap()
    }

    fn shown(workload: &Workload) -> Vec<String> {
        let keys = |used: &SecretUse| match &used.keys {
            None => "*".to_owned(),
            Some(keys) => keys.iter().cloned().collect::<Vec<_>>().join(","),
        };
        workload
            .secrets
            .iter()
            .map(|used| format!("{} {:?} {} {}", used.secret, used.how, keys(used), used.place))
            .collect()
    }

    #[test]
    fn every_way_to_use_a_secret_is_seen_with_its_keys() {
        let workload = read_pod(&json!({
            "initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "a"}}, {"configMapRef": {"name": "no"}}]}],
            "containers": [{
                "name": "c",
                "env": [
                    {"name": "A", "value": "literal"},
                    {"name": "B", "valueFrom": {"secretKeyRef": {"name": "b", "key": "password"}}},
                ],
                "volumeMounts": [
                    {"name": "whole", "mountPath": "/w"},
                    {"name": "parts", "mountPath": "/p", "subPath": "pw"},
                    {"name": "file", "mountPath": "/f", "subPath": "token"},
                ],
            }],
            "volumes": [
                {"name": "whole", "secret": {"secretName": "c"}},
                {"name": "parts", "secret": {"secretName": "d", "items": [{"key": "password", "path": "pw"}, {"key": "user", "path": "u"}]}},
                {"name": "file", "secret": {"secretName": "e"}},
                {"name": "several", "projected": {"sources": [{"configMap": {"name": "no"}}, {"secret": {"name": "f", "items": [{"key": "k", "path": "k"}]}}]}},
                {"name": "driver", "csi": {"driver": "secrets-store.csi.k8s.io", "nodePublishSecretRef": {"name": "g"}, "volumeAttributes": {"secretProviderClass": "class"}}},
                {"name": "ceph", "cephfs": {"secretRef": {"name": "h"}}},
            ],
            "imagePullSecrets": [{"name": "i"}],
        }));
        assert_eq!(
            shown(&workload),
            [
                "a Environment * spec.initContainers[0].envFrom[0]",
                "b Environment password spec.containers[0].env[1]",
                "c Volume * spec.volumes[0].secret",
                "d SubPath password spec.containers[0].volumeMounts[1]",
                "e SubPath token spec.containers[0].volumeMounts[2]",
                "f Volume k spec.volumes[3].projected.sources[1].secret",
                "g Other * spec.volumes[4].csi",
                "h Other * spec.volumes[5].cephfs",
                "i ImagePull .dockercfg,.dockerconfigjson spec.imagePullSecrets[0]",
            ]
        );
        assert_eq!(workload.classes[0].class, "class");
    }

    #[test]
    fn a_pod_is_found_in_whatever_makes_it() {
        let pod = json!({"spec": {"containers": []}});
        for (object, place) in [
            (json!({"kind": "Deployment", "spec": {"template": pod}}), Some("spec.template.")),
            (json!({"kind": "Rollout", "spec": {"template": pod}}), Some("spec.template.")),
            (
                json!({"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": pod}}}}),
                Some("spec.jobTemplate.spec.template."),
            ),
            (json!({"kind": "Pod", "spec": {"containers": []}}), Some("")),
            (json!({"kind": "PodTemplate", "template": pod}), Some("template.")),
            (json!({"kind": "ConfigMap", "data": {}}), None),
            (json!({"kind": "ExternalSecret", "spec": {"target": {"template": {}}}}), None),
        ] {
            assert_eq!(pod_of(&object).map(|(_, shown)| shown), place, "{object}");
        }
    }

    #[test]
    fn the_driver_is_known_by_its_arguments() {
        let driver_of = |image: &str, arguments: &[&str]| {
            driver(&json!({"kind": "DaemonSet", "spec": {"template": {"spec": {"containers": [
                {"name": "registrar", "image": "x/csi-node-driver-registrar:v2", "args": []},
                {"name": "secrets-store", "image": image, "args": arguments},
            ]}}}}))
        };
        let image = "example/csi-secrets-store/driver:v1.5.0";
        for (arguments, expected) in [
            (&["--provider-volume=/p"][..], Some((false, None))),
            (
                &["--enable-secret-rotation=true", "--rotation-poll-interval=30s"],
                Some((true, Some(Duration::from_secs(30)))),
            ),
            (
                &["--enable-secret-rotation=false", "--rotation-poll-interval=30s"],
                Some((false, Some(Duration::from_secs(30)))),
            ),
        ] {
            assert_eq!(driver_of(image, arguments), expected, "{arguments:?}");
        }
        assert_eq!(driver_of("example/app:1", &["--enable-secret-rotation=true"]), None);
    }
}
