//! The real `keystile-webhook`, and its registration with an API server.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
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
    /// Where it answers without TLS.
    probes: u16,
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

    /// The same, with the policy that `policy` holds as `policy.yaml`; waits until it is ready.
    pub(crate) fn start_with_policy(cluster: &Cluster, name: &str, authority: &Authority, policy: &Mounted) -> Self {
        let file = policy.path("policy.yaml");
        let file = file.to_str().expect("temporary folders are UTF-8");
        Self::start_with(cluster, name, authority, &["--policy", file, "--policy-poll=100ms"])
    }

    /// The same, with further arguments; waits until it is ready.
    pub(crate) fn start_with(cluster: &Cluster, name: &str, authority: &Authority, arguments: &[&str]) -> Self {
        let (chain, key) = authority.issue();
        let certificate = Mounted::new(&[("tls.crt", &chain), ("tls.key", &key)]);
        let mut webhook = Self::new(cluster, name);
        webhook.command.arg("--tls-cert").arg(certificate.path("tls.crt"));
        webhook.command.arg("--tls-key").arg(certificate.path("tls.key"));
        webhook.command.args(["--lookup-timeout=10s", "--deadline=20s"]).args(arguments);
        webhook.certificate = Some(certificate);
        webhook.start_again();
        webhook.expect_ready();
        webhook
    }

    /// Waits until it says that it is ready.
    #[track_caller]
    pub(crate) fn expect_ready(&self) {
        let ready = eventually(START_LIMIT, || {
            let answer = self.probe("/readyz").map_err(|error| error.to_string())?;
            if answer.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(answer) }
        });
        ready.unwrap_or_else(|error| panic!("the webhook is not ready {error}"));
    }

    /// What it answers at `path` of the address without TLS, head and all.
    pub(crate) fn probe(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.probes))?;
        stream.set_read_timeout(Some(START_LIMIT))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
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
        let (port, probes) = (free_port(), free_port());
        let mut command = Command::new(env!("CARGO_BIN_EXE_keystile-webhook"));
        command.env("KUBECONFIG", cluster.kubeconfig(WEBHOOK));
        command.args([&format!("--listen=127.0.0.1:{port}"), &format!("--probe-listen=127.0.0.1:{probes}")]);
        command.arg("--drain-delay=0ms");
        let log = cluster.folder().join(format!("{name}.log"));
        Self { server: None, command, log, port, probes, certificate: None }
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

    /// Ends it in good order.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        let mut server = self.server.take().expect("it runs");
        let ended = server.ask_to_stop(START_LIMIT);
        assert!(ended.as_ref().is_ok_and(ExitStatus::success), "{ended:?}\n{}", server.log_tail());
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

/// Registers webhooks as `name`, each for one namespace and the objects in it.
#[track_caller]
pub(crate) fn register(cluster: &Cluster, name: &str, clients: &[(&str, Value)]) {
    let apply = ["apply", "--server-side", "-f", "-"];
    cluster.kubectl(PLATFORM_ADMIN, apply, &registration(name, clients).to_string()).succeeds();
}

/// The registration of `deploy/webhook`, for each of `clients` and its namespace. Tests share a cluster, and
/// cluster-scoped objects have no namespace to be told apart by: it is for those with the label `test: NAME`.
fn registration(name: &str, clients: &[(&str, Value)]) -> Value {
    let mut registration: Value = serde_saphyr::from_str(REGISTRATION).expect("the registration is YAML");
    let webhooks = registration["webhooks"].as_array().expect("the registration has webhooks").clone();
    let mut registered = Vec::new();
    for (number, (namespace, client)) in clients.iter().enumerate() {
        for webhook in &webhooks {
            let mut webhook = webhook.clone();
            if CLUSTER_SCOPED.iter().any(|name| webhook["name"] == *name) {
                webhook["objectSelector"] = json!({"matchLabels": {"test": name}});
            } else {
                webhook["namespaceSelector"]["matchLabels"] = json!({"kubernetes.io/metadata.name": namespace});
            }
            webhook["name"] = json!(format!("{name}-{number}.{}", webhook["name"].as_str().expect("it has a name")));
            webhook["clientConfig"] = client.clone();
            // The machine may be busy with other tests.
            webhook["timeoutSeconds"] = json!(30);
            registered.push(webhook);
        }
    }
    registration["metadata"]["name"] = json!(name);
    registration["webhooks"] = json!(registered);
    registration
}

/// What the API server is told on a real cluster.
const REGISTRATION: &str = include_str!("../../../deploy/webhook/registration.yaml");
/// The webhooks of cluster-scoped objects but Namespaces.
const CLUSTER_SCOPED: [&str; 2] = ["cluster.keystile.dev", "policies.keystile.dev"];
