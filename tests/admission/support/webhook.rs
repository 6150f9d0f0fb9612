//! The real `keystile-webhook`, and its registration with an API server.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::Cluster;
use super::certificates::Authority;
use super::identities::PLATFORM_ADMIN;
use super::mounted::Mounted;
use super::server::{Server, eventually, free_port};

/// How long the process may take to listen: milliseconds, unless the machine is busy.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running webhook with a certificate of its own. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Webhook {
    server: Option<Server>,
    log: PathBuf,
    port: u16,
    /// `tls.crt` and `tls.key`, as cert-manager's Secret has them.
    certificate: Mounted,
}

impl Webhook {
    /// Starts one whose certificate `authority` signs. `name` is for its log, in the cluster's folder.
    pub(crate) fn start(cluster: &Cluster, name: &str, authority: &Authority) -> Self {
        let (chain, key) = authority.issue();
        let certificate = Mounted::new(&[("tls.crt", &chain), ("tls.key", &key)]);
        let log = cluster.folder().join(format!("{name}.log"));
        let mut webhook = Self { server: None, log, port: free_port(), certificate };
        webhook.start_again();
        webhook
    }

    /// Starts it where it was, after [`Self::kill`].
    pub(crate) fn start_again(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keystile-webhook"));
        command.arg(format!("--listen=127.0.0.1:{}", self.port));
        command.arg("--tls-cert").arg(self.certificate.path("tls.crt"));
        command.arg("--tls-key").arg(self.certificate.path("tls.key"));
        command.args(["--certificate-poll=100ms", "--drain-delay=0ms"]);
        let mut server = Server::start(&command, &self.log, Duration::ZERO);
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
        self.certificate.update(&[("tls.crt", &chain), ("tls.key", &key)]);
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
        let registration = registration(name, namespace, &client).to_string();
        let apply = ["apply", "--server-side", "-f", "-"];
        cluster.kubectl(PLATFORM_ADMIN, apply, &registration).succeeds();
    }
}

/// Tests share a cluster, so a registration is for one namespace, and for no cluster-scoped kind.
fn registration(name: &str, namespace: &str, client: &Value) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [{
            "name": format!("{name}.keystile.dev"),
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
        }],
    })
}
