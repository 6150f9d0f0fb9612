//! What a Pod, or a workload with a pod template, asks of the Vault Agent Injector.
//!
//! The injector reads annotations of the pod alone, and only where `agent-inject` is true. Its names are
//! those of its documentation (developer.hashicorp.com, Vault Agent Injector annotations, Vault 1.21; source:
//! vault-k8s, agent-inject/agent/annotations.go). An annotation that this list does not have may do anything.

use serde_json::{Map, Value};

use super::agent_template;
use super::{Fault, Subject};
use crate::field_path::Path;

/// What every annotation of the injector begins with.
pub const PREFIX: &str = "vault.hashicorp.com/";

/// What names a secret.
const SECRET: &str = "vault.hashicorp.com/agent-inject-secret-";

/// Annotations that say nothing about which secrets are read, or as whom: resources, files, time-outs.
const HARMLESS: &[&str] = &[
    "agent-cache-enable",
    "agent-cache-exit-on-err",
    "agent-cache-listener-port",
    "agent-copy-volume-mounts",
    "agent-disable-idle-connections",
    "agent-disable-keep-alives",
    "agent-enable-quit",
    "agent-extra-secret",
    "agent-image",
    "agent-init-first",
    "agent-inject",
    "agent-inject-command",
    "agent-inject-containers",
    "agent-inject-default-template",
    "agent-inject-file",
    "agent-inject-perms",
    "agent-inject-status",
    "agent-limits-cpu",
    "agent-limits-ephemeral",
    "agent-limits-mem",
    "agent-pre-populate",
    "agent-pre-populate-only",
    "agent-request-namespace",
    "agent-requests-cpu",
    "agent-requests-ephemeral",
    "agent-requests-mem",
    "agent-revoke-grace",
    "agent-revoke-on-shutdown",
    "agent-run-as-group",
    "agent-run-as-same-user",
    "agent-run-as-user",
    "agent-service-account-token-volume-name",
    "agent-set-security-context",
    "agent-share-process-namespace",
    "agent-auto-auth-exit-on-err",
    "auth-max-backoff",
    "auth-min-backoff",
    "ca-cert",
    "ca-key",
    "client-cert",
    "client-key",
    "client-max-retries",
    "client-timeout",
    "error-on-missing-key",
    "go-max-procs",
    "log-format",
    "log-level",
    "preserve-secret-case",
    "secret-volume-path",
    "template-config-exit-on-retry-failure",
    "template-lease-renewal-threshold",
    "template-max-connections-per-host",
    "template-static-secret-render-interval",
    "tls-secret",
    "tls-server-name",
];

/// Those of the list that may be followed by the name of a secret.
const HARMLESS_BY_SECRET: &[&str] = &[
    "agent-inject-command-",
    "agent-inject-file-",
    "agent-inject-perms-",
    "agent-telemetry-",
    "error-on-missing-key-",
    "secret-volume-path-",
];

/// What is asked of the injector.
#[derive(Debug, Default)]
pub struct Agent<'o> {
    /// `role`.
    pub role: Option<Said<'o>>,
    /// `service`: the address of Vault; unless said, the injector's own.
    pub service: Option<Said<'o>>,
    /// `namespace` of Vault.
    pub namespace: Option<Said<'o>>,
    /// `auth-path`; unless said, `auth/kubernetes`.
    pub auth_path: Option<Said<'o>>,
    /// Paths that are read, from `agent-inject-secret-…` and from templates.
    pub secrets: Vec<Said<'o>>,
    /// What makes it impossible to say which secrets are read: the annotation, and why.
    pub undecidable: Vec<(Path<'o>, String)>,
    /// Settings that change as whom or how Vault is asked: the annotation, and what it does.
    pub settings: Vec<(Said<'o>, &'static str)>,
}

/// The value of an annotation, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said<'o> {
    /// The annotation.
    pub path: Path<'o>,
    /// What it says.
    pub value: &'o str,
}

/// Reads the annotations of an object's pods.
pub(super) fn read<'o>(object: &'o Value, subject: &mut Subject<'o>) {
    let base: &[&'o str] = match object.get("kind").and_then(Value::as_str) {
        Some("Pod") => &["metadata", "annotations"],
        Some("PodTemplate") => &["template", "metadata", "annotations"],
        Some("CronJob") => &["spec", "jobTemplate", "spec", "template", "metadata", "annotations"],
        _ => &["spec", "template", "metadata", "annotations"],
    };
    let annotations = base.iter().try_fold(object, |value, field| value.get(*field));
    let Some(annotations) = annotations.and_then(Value::as_object) else { return };
    let asks = annotations.get("vault.hashicorp.com/agent-inject").is_some_and(|value| !is_false(value));
    if asks {
        let agent = agent(annotations, &Path::of(base), &mut subject.faults);
        subject.agent = Some(Box::new(agent));
    }
}

/// Whether Go's `strconv.ParseBool` takes it for false. What it can't read stops the injector, unless a
/// later one reads it.
fn is_false(value: &Value) -> bool {
    matches!(value.as_str(), Some("0" | "f" | "F" | "false" | "FALSE" | "False"))
}

fn agent<'o>(annotations: &'o Map<String, Value>, base: &Path<'o>, faults: &mut Vec<Fault>) -> Agent<'o> {
    let mut agent = Agent::default();
    for (annotation, value) in annotations {
        let path = base.field(annotation);
        let Some(name) = annotation.strip_prefix(PREFIX) else {
            // Older injectors look for it anywhere in the name (`strings.Contains`), so that
            // `x.vault.hashicorp.com/…` names a secret too.
            if annotation.contains(SECRET) {
                agent.undecidable.push((path, "names a secret to some injectors and to others not".to_owned()));
            }
            continue;
        };
        let Some(value) = value.as_str() else {
            faults.push(Fault { path: path.into(), message: "is not text; put it in quotes".to_owned() });
            continue;
        };
        let said = Said { path: path.clone(), value };
        let slot = match name {
            "role" => &mut agent.role,
            "service" => &mut agent.service,
            "namespace" => &mut agent.namespace,
            "auth-path" => &mut agent.auth_path,
            _ => {
                if let Some(secret) = name.strip_prefix("agent-inject-secret-") {
                    let template = annotations.get(&format!("{PREFIX}agent-inject-template-{secret}"));
                    // With a template of its own nothing asks for the path.
                    if template.and_then(Value::as_str).unwrap_or_default().is_empty() {
                        agent.secrets.push(said);
                    }
                } else if name.starts_with("agent-inject-template-file") {
                    agent.undecidable.push((path, "takes the template from a file that nobody sees here".to_owned()));
                } else if name.starts_with("agent-inject-template-") {
                    match agent_template::secrets(value) {
                        Ok(found) => {
                            agent.secrets.extend(found.into_iter().map(|value| Said { path: path.clone(), value }));
                        }
                        Err(why) => agent.undecidable.push((path, why)),
                    }
                } else {
                    other(name, said, &mut agent);
                }
                continue;
            }
        };
        *slot = Some(said);
    }
    agent
}

fn other<'o>(name: &str, said: Said<'o>, agent: &mut Agent<'o>) {
    let is_on = !said.value.is_empty() && !is_false(&Value::from(said.value));
    let hidden = match name {
        "agent-configmap" => Some("hands a whole configuration in, whose templates nobody sees here"),
        "agent-json-patch" | "agent-init-json-patch" => Some("changes the agent's container in any way"),
        _ if name.starts_with("agent-template-left-delim") || name.starts_with("agent-template-right-delim") => {
            Some("changes what counts as a template")
        }
        _ => None,
    };
    if let Some(why) = hidden.filter(|_| !said.value.is_empty()) {
        agent.undecidable.push((said.path, why.to_owned()));
        return;
    }
    let setting = match name {
        "agent-inject-token" if is_on => {
            Some("hands the agent's token to every container, and with it all that the role may read")
        }
        // vault-k8s 0.3.0 to 0.10.0 only looked whether it is there (`_, found := annotations[…]`).
        "agent-inject-token" => Some(
            "hands the agent's token to every container where the injector is older than 0.10.1, which takes any value for true",
        ),
        "agent-cache-use-auto-auth-token" => {
            is_on.then_some("lets every container ask Vault with the agent's token for all that the role may read")
        }
        "tls-skip-verify" => is_on.then_some("lets anybody answer in Vault's place"),
        "proxy-address" => is_on.then_some("sends what is asked of Vault through another server"),
        "auth-type" => (said.value != "kubernetes").then_some("is not the pod's own identity"),
        _ if name.starts_with("auth-config") => Some("says as whom Vault is asked in a way that is not judged"),
        _ if HARMLESS.contains(&name) || HARMLESS_BY_SECRET.iter().any(|prefix| name.starts_with(prefix)) => None,
        _ if hidden.is_some() => None,
        _ => Some("is not known to this release of keystile, and may do anything"),
    };
    if let Some(setting) = setting {
        agent.settings.push((said, setting));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn annotations_are_read_where_pods_get_them() {
        let annotations = json!({"vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/role": "r"});
        let metadata = json!({"annotations": annotations});
        for (object, is_asked) in [
            (json!({"kind": "Pod", "metadata": metadata}), true),
            (json!({"kind": "Deployment", "spec": {"template": {"metadata": metadata}}}), true),
            (json!({"kind": "PodTemplate", "template": {"metadata": metadata}}), true),
            (json!({"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"metadata": metadata}}}}}), true),
            // The injector doesn't look at the annotations of a Deployment itself.
            (json!({"kind": "Deployment", "metadata": metadata, "spec": {"template": {}}}), false),
            (json!({"kind": "Pod", "metadata": {}}), false),
            (json!({"kind": "Pod", "metadata": {"annotations": {"vault.hashicorp.com/role": "r"}}}), false),
            (json!({"kind": "Pod", "metadata": {"annotations": {"vault.hashicorp.com/agent-inject": "false"}}}), false),
            (json!({"kind": "Pod", "metadata": {"annotations": {"vault.hashicorp.com/agent-inject": "yes"}}}), true),
        ] {
            let mut subject = Subject::default();
            read(&object, &mut subject);
            assert_eq!(subject.agent.is_some(), is_asked, "{object}");
            assert_eq!(subject.is_silent(), !is_asked, "{object}");
        }
    }

    #[test]
    fn what_an_injected_pod_has_by_default_is_harmless() {
        // What the injector itself writes into a pod (vault-k8s, `Init`).
        let object = json!({"kind": "Pod", "metadata": {"annotations": {
            "vault.hashicorp.com/agent-inject": "true",
            "vault.hashicorp.com/agent-inject-status": "injected",
            "vault.hashicorp.com/auth-type": "kubernetes",
            "vault.hashicorp.com/proxy-address": "",
            "vault.hashicorp.com/agent-image": "hashicorp/vault:1.21.1",
            "vault.hashicorp.com/agent-limits-cpu": "500m",
            "vault.hashicorp.com/tls-skip-verify": "false",
            "vault.hashicorp.com/agent-cache-use-auto-auth-token": "",
            "vault.hashicorp.com/secret-volume-path-db": "/run",
        }}});
        let mut subject = Subject::default();
        read(&object, &mut subject);
        let agent = subject.agent.unwrap();
        assert_eq!((agent.settings, agent.undecidable), (Vec::new(), Vec::new()));
    }
}
