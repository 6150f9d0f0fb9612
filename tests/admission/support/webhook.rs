//! The real `keystile-webhook`, and its registration with an API server.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::Cluster;
use super::certificates::Authority;
use super::identities::{PLATFORM_ADMIN, WEBHOOK};
use super::mounted::Mounted;
use super::server::{Server, eventually, free_port};

/// How long the process may take to listen: milliseconds, unless the machine is busy.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running webhook. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Webhook {
    server: Option<Server>,
    command: Command,
    log: PathBuf,
    port: u16,
    /// `tls.crt` and `tls.key`, as cert-manager's Secret has them; none where it keeps its own.
    certificate: Option<Mounted>,
}

impl Webhook {
    /// Starts one whose certificate `authority` signs. `name` is for its log, in the cluster's folder.
    pub(crate) fn start(cluster: &Cluster, name: &str, authority: &Authority) -> Self {
        let (chain, key) = authority.issue();
        let certificate = Mounted::new(&[("tls.crt", &chain), ("tls.key", &key)]);
        let mut webhook = Self::new(cluster, name);
        webhook.command.arg("--tls-cert").arg(certificate.path("tls.crt"));
        webhook.command.arg("--tls-key").arg(certificate.path("tls.key"));
        webhook.command.arg("--certificate-poll=100ms");
        webhook.certificate = Some(certificate);
        webhook.start_again();
        webhook
    }

    /// Starts one that keeps its own certificate in the Secret `NAMESPACE/NAME`, for the Service and in the
    /// configuration of that name.
    pub(crate) fn start_self_managed(cluster: &Cluster, log: &str, namespace: &str, name: &str) -> Self {
        let mut webhook = Self::new(cluster, log);
        webhook.command.arg(format!("--certificate-secret={namespace}/{name}"));
        webhook.command.arg(format!("--service={namespace}/{name}"));
        webhook.command.arg(format!("--webhook-configuration={name}"));
        webhook.start_again();
        webhook
    }

    fn new(cluster: &Cluster, name: &str) -> Self {
        let port = free_port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_keystile-webhook"));
        command.env("KUBECONFIG", cluster.kubeconfig(WEBHOOK));
        command.args([&format!("--listen=127.0.0.1:{port}"), "--drain-delay=0ms"]);
        let log = cluster.folder().join(format!("{name}.log"));
        Self { server: None, command, log, port, certificate: None }
    }

    /// Starts it where it was, after [`Self::kill`].
    pub(crate) fn start_again(&mut self) {
        let mut server = Server::start(&self.command, &self.log, Duration::ZERO);
        let ready = eventually(START_LIMIT, || match server.ended() {
            Some(status) => panic!("keystile-webhook ended ({status}):\n{}", server.log_tail()),
            None => TcpStream::connect(("127.0.0.1", self.port)).map(drop).map_err(|error| error.to_string()),
        });
        ready.unwrap_or_else(|error| panic!("keystile-webhook does not listen {error}:\n{}", server.log_tail()));
        self.server = Some(server);
    }

    /// Ends it without a farewell.
    pub(crate) fn kill(&mut self) {
        self.server = None;
    }

    /// Gives it another certificate, the way the kubelet does.
    pub(crate) fn swap_certificate(&mut self, authority: &Authority) {
        let (chain, key) = authority.issue();
        let mounted = self.certificate.as_mut().expect("its certificate is in files");
        mounted.update(&[("tls.crt", &chain), ("tls.key", &key)]);
    }

    /// Waits until new connections see a certificate of `authority`.
    #[track_caller]
    pub(crate) fn expect_certificate_of(&self, authority: &Authority) {
        let served = eventually(START_LIMIT, || authority.expect_trusts(self.port));
        served.unwrap_or_else(|error| panic!("another certificate is served {error}"));
    }

    /// Registers it as `name` for the objects of `namespace`; the API server trusts `authorities`. Again: changes that.
    #[track_caller]
    pub(crate) fn register(&self, cluster: &Cluster, name: &str, namespace: &str, authorities: &[&Authority]) {
        let bundle: String = authorities.iter().map(|authority| authority.pem()).collect();
        let client = json!({
            "url": format!("https://127.0.0.1:{}/validate", self.port),
            "caBundle": ByteString(bundle.into_bytes()),
        });
        register(cluster, name, &[(namespace, client)]);
    }

    /// How a registration names it when it is called by a Service; the API server takes the port from here.
    pub(crate) fn behind_service(&self, namespace: &str, name: &str) -> Value {
        json!({"service": {"namespace": namespace, "name": name, "path": "/validate", "port": self.port}})
    }
}

/// Registers webhooks as `name`, each for the objects of its namespace.
#[track_caller]
pub(crate) fn register(cluster: &Cluster, name: &str, clients: &[(&str, Value)]) {
    let apply = ["apply", "--server-side", "-f", "-"];
    cluster.kubectl(PLATFORM_ADMIN, apply, &registration(name, clients).to_string()).succeeds();
}

/// Tests share a cluster, so a registration is for one namespace, and for no cluster-scoped kind.
fn registration(name: &str, clients: &[(&str, Value)]) -> Value {
    let webhook = |(number, (namespace, client)): (usize, &(&str, Value))| {
        json!({
            "name": format!("{name}-{number}.keystile.dev"),
            "clientConfig": client,
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "matchPolicy": "Equivalent",
            "timeoutSeconds": 10,
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "rules": [{
                "apiGroups": ["external-secrets.io", "generators.external-secrets.io", "aws-infra-operator.runner.codes"],
                "apiVersions": ["*"],
                "resources": ["*", "pushsecrets/status"],
                "scope": "Namespaced",
                "operations": ["CREATE", "UPDATE", "DELETE"],
            }],
        })
    };
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": clients.iter().enumerate().map(webhook).collect::<Vec<_>>(),
    })
}
