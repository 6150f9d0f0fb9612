//! Where objects come from: manifests of a repository, a snapshot of a cluster, or the cluster itself.
//!
//! The cluster is asked through kubectl, which has every way to log in: `get` alone, of kinds that name Secrets;
//! Secrets are not among them. deploy/consumers/rbac.yaml is the role that it needs.

use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use keystile_manifest::files::{self, Walk};
use keystile_manifest::{Files, Gap};
use serde_json::Value;
use thiserror::Error;

use super::world::ConsumerWorld;

/// How long one request may take.
const TIME_LIMIT: &str = "--request-timeout=60s";

/// What is listed of a cluster, as `kubectl api-resources -o name` writes it.
const RESOURCES: [&str; 24] = [
    "namespaces",
    "externalsecrets.external-secrets.io",
    "clusterexternalsecrets.external-secrets.io",
    "pushsecrets.external-secrets.io",
    "clusterpushsecrets.external-secrets.io",
    "secretstores.external-secrets.io",
    "clustersecretstores.external-secrets.io",
    "vaultdynamicsecrets.generators.external-secrets.io",
    "clustergenerators.generators.external-secrets.io",
    "secretproviderclasses.secrets-store.csi.x-k8s.io",
    "secretsmanagersecrets.aws-infra-operator.runner.codes",
    "awsproviders.aws-infra-operator.runner.codes",
    "csidrivers.storage.k8s.io",
    "serviceaccounts",
    "pods",
    "deployments.apps",
    "statefulsets.apps",
    "daemonsets.apps",
    "replicasets.apps",
    "replicationcontrollers",
    "jobs.batch",
    "cronjobs.batch",
    "ingresses.networking.k8s.io",
    "gateways.gateway.networking.k8s.io",
];

/// Kinds of others that make pods, and are asked for where the cluster has them.
const MORE_RESOURCES: [&str; 1] = ["rollouts.argoproj.io"];

/// What a cluster is asked for, as `kubectl api-resources -o name` writes it.
pub fn resources() -> impl Iterator<Item = &'static str> {
    RESOURCES.iter().chain(&MORE_RESOURCES).copied()
}

/// How kubectl is called.
#[derive(Debug, Clone)]
pub struct Kubectl {
    /// The program.
    pub program: PathBuf,
    /// `--kubeconfig`; `None` = kubectl's own.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`; `None` = the current one.
    pub context: Option<String>,
}

impl Default for Kubectl {
    fn default() -> Self {
        Self { program: PathBuf::from("kubectl"), kubeconfig: None, context: None }
    }
}

/// Why a cluster could not be looked at.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// kubectl is not there, or can't be started.
    #[error("{program} can't be started: install kubectl, or hand over a snapshot", program = program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The cluster does not answer, or not to this user.
    #[error("kubectl could not ask the cluster which kinds it has: {0}")]
    Refused(String),
}

impl ConsumerWorld {
    /// The manifests below some paths. What ignore files name is left out. `namespace`: that of objects which name
    /// none. Others may lie elsewhere: what is missing is not known to be absent.
    #[must_use]
    pub fn of_manifests(paths: &[PathBuf], namespace: Option<&str>) -> Self {
        let read = files::read_paths(paths, Walk { honour_ignore_files: true });
        let mut world = Self::new(format!("manifests in {}", shown(paths)), false);
        world.take_files(read, namespace);
        world
    }

    /// Snapshots of a cluster, as `keystile policy snapshot --consumers` and `kubectl get -A -o json` write them:
    /// what they lack is not there.
    #[must_use]
    pub fn of_snapshot(paths: &[PathBuf]) -> Self {
        let read = files::read_paths(paths, Walk { honour_ignore_files: false });
        let mut world = Self::new(format!("the snapshot {}", shown(paths)), true);
        world.take_files(read, None);
        if !world.looked_at().objects.keys().any(|kind| kind == "Pod" || kind == "Deployment") {
            world.gap(
                "there is no workload in the snapshot, so who uses the Secrets is not known; make it with --consumers",
            );
        }
        world
    }

    /// The cluster that kubectl talks to. What can't be listed is a gap.
    ///
    /// # Errors
    ///
    /// kubectl can't be started, or the cluster tells it nothing.
    pub fn of_cluster(kubectl: &Kubectl) -> Result<Self, ClusterError> {
        let names = kubectl.run(&["api-resources", "--verbs=list", "--output=name", TIME_LIMIT])?;
        let served = String::from_utf8_lossy(&names.out).into_owned();
        if served.trim().is_empty() {
            return Err(ClusterError::Refused(names.why()));
        }
        let source = match &kubectl.context {
            Some(context) => format!("the cluster of kubectl's context {context}"),
            None => "the cluster of kubectl's current context".to_owned(),
        };
        let mut world = Self::new(source, true);
        world.context.clone_from(&kubectl.context);
        if !names.is_ok {
            // The rest is there all the same.
            world.gap(format!("not every kind of the cluster is known: {}", names.why()));
        }
        let is_served = |resource: &str| served.lines().any(|line| line.trim() == resource);
        for resource in resources().filter(|resource| is_served(resource)) {
            let listed = kubectl.run(&["get", resource, "--all-namespaces", "--output=json", TIME_LIMIT])?;
            match serde_json::from_slice::<Value>(&listed.out) {
                Ok(mut list) if listed.is_ok => {
                    let items = list.get_mut("items").map(Value::take);
                    let Some(Value::Array(items)) = items else {
                        world.gap(format!("{resource}: what kubectl wrote is no list"));
                        continue;
                    };
                    for item in items {
                        world.insert(&Arc::new(item), None, None);
                    }
                }
                _ => world.gap(format!("{resource} could not be listed: {}", listed.why())),
            }
        }
        Ok(world)
    }

    fn take_files(&mut self, read: Files, namespace: Option<&str>) {
        for document in &read.documents {
            let position = document.source.position(document.places.place().value.start);
            let file = format!("{}:{}", document.source.name(), position.line);
            self.insert(&document.value, Some(&file), namespace);
        }
        for gap in &read.gaps {
            self.gap(sentence(gap));
        }
    }
}

fn shown(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// A gap without a word of the file's own: its message may quote what stands there.
fn sentence(gap: &Gap) -> String {
    let place = gap.position.map(|position| format!(":{position}")).unwrap_or_default();
    let what = match gap.kind {
        "unreadable_file" => gap.message.as_str(),
        "template" => "holds a template that is not rendered; hand over what it renders to",
        "duplicate_key" => "names a key twice",
        "ambiguous" => "means different things to different readers",
        "budget" => "is too large or too deep",
        "unresolved" => "holds an expression that only Terraform resolves",
        _ => "can't be parsed",
    };
    format!("{}{place}: {what}", gap.file)
}

/// What kubectl wrote.
struct Ran {
    is_ok: bool,
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Ran {
    /// The last line of what it complains about.
    fn why(&self) -> String {
        let err = String::from_utf8_lossy(&self.err);
        let line = err.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it does not say why");
        line.chars().filter(|character| !character.is_control()).take(300).collect()
    }
}

impl Kubectl {
    fn run(&self, arguments: &[&str]) -> Result<Ran, ClusterError> {
        let mut command = Command::new(&self.program);
        if let Some(path) = &self.kubeconfig {
            command.arg("--kubeconfig").arg(path);
        }
        if let Some(context) = &self.context {
            command.args(["--context", context]);
        }
        let output = command
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|source| ClusterError::Start { program: self.program.clone(), source })?;
        Ok(Ran { is_ok: output.status.success(), out: output.stdout, err: output.stderr })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubectl_that_is_not_there_is_said() {
        let kubectl = Kubectl { program: PathBuf::from("kubectl-that-is-not-there"), ..Kubectl::default() };
        let error = ConsumerWorld::of_cluster(&kubectl).expect_err("there is none");
        assert!(matches!(error, ClusterError::Start { .. }), "{error}");
        assert!(error.to_string().contains("kubectl-that-is-not-there"), "{error}");
    }
}
