//! A server with a scripted judge, certificates for it, reviews to send.

pub mod client;
pub mod load;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use keystile_webhook::server::Ended;
use keystile_webhook::tls::{Certificate, ServingCertificate};
use keystile_webhook::{AdmissionRequest, Decision, Health, Judge, Limits, Metrics, Server};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// After this a test counts as hanging.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const UID: &str = "705ab4f5-6393-11e8-b7cc-42010a800002";

/// Does what the object's name says, so that a request carries its own script.
#[derive(Debug, Default)]
pub struct Scripted {
    /// Told when a request named `wait` has begun.
    pub waiting: Notify,
    /// Lets requests named `wait` go on.
    pub go_on: Notify,
}

impl Judge for Scripted {
    async fn judge(&self, request: AdmissionRequest) -> Decision {
        match request.name.as_str() {
            "deny" => Decision::deny("spec.x: no (key-outside-grant)"),
            "warn" => Decision { warnings: vec!["careful".into()], ..Decision::allow() },
            "panic" => panic!("as the test asked"),
            "hang" => std::future::pending().await,
            "wait" => {
                self.waiting.notify_one();
                self.go_on.notified().await;
                Decision::allow()
            }
            _ => Decision::allow(),
        }
    }
}

/// An authority and certificates of it for 127.0.0.1.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new([]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(parameters, key), pem }
    }

    /// Certificate and key as PEM.
    pub fn issue(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        (parameters.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// A server that runs.
pub struct Running<J = Scripted> {
    pub address: SocketAddr,
    pub probes: SocketAddr,
    pub judge: Arc<J>,
    pub metrics: Metrics,
    pub certificate: Arc<ServingCertificate>,
    pub authority: Authority,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<Ended>,
}

impl Running {
    pub async fn start(limits: Limits) -> Self {
        Self::start_with(limits, Authority::new()).await
    }

    pub async fn start_with(limits: Limits, authority: Authority) -> Self {
        Self::serve(limits, authority, Arc::new(Scripted::default())).await
    }
}

impl<J: Judge> Running<J> {
    /// With a judge of one's own.
    pub async fn start_judged(limits: Limits, judge: Arc<J>) -> Self {
        Self::serve(limits, Authority::new(), judge).await
    }

    async fn serve(limits: Limits, authority: Authority, judge: Arc<J>) -> Self {
        let metrics = Metrics::default();
        let certificate = ServingCertificate::new(metrics.certificate.clone());
        let (chain, key) = authority.issue();
        certificate.replace(Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap());
        let server = Server::new(
            Arc::clone(&judge),
            Arc::clone(&certificate),
            Arc::new(Health::default()),
            metrics.clone(),
            limits,
        );
        let https = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let probe_listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, probes) = (https.local_addr().unwrap(), probe_listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(server.serve(https, Some(probe_listener), async {
            let _ = stopped.await;
        }));
        Self { address, probes, judge, metrics, certificate, authority, stop: Some(stop), ended }
    }

    /// Asks it to stop.
    pub fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// How it ended, after [`Self::stop`].
    pub async fn ended(self) -> Ended {
        tokio::time::timeout(PATIENCE, self.ended).await.expect("the server hangs").unwrap()
    }

    /// Waits until `found` is true of `/metrics`.
    pub async fn until(&self, line: &str) {
        let seen = async {
            while !self.metrics.text().lines().any(|found| found == line) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, seen)
            .await
            .unwrap_or_else(|_| panic!("{line} never came in\n{}", self.metrics.text()));
    }
}

/// Limits that no test runs into by accident, with a short way to the end.
pub fn limits() -> Limits {
    Limits {
        deadline: PATIENCE,
        body_timeout: PATIENCE,
        handshake_timeout: PATIENCE,
        header_timeout: PATIENCE,
        idle_timeout: PATIENCE,
        drain_delay: Duration::ZERO,
        drain_timeout: PATIENCE,
        ..Limits::default()
    }
}

/// An object of the kind that [`review`] asks about.
pub fn object(name: &str) -> Value {
    json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": name, "namespace": "team-a"},
        "spec": {"data": [{"secretKey": "p", "remoteRef": {"key": "/prod/team-a/db"}}]},
    })
}

/// A review that the judge answers as `name` says.
pub fn review(name: &str) -> Value {
    json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": UID,
            "kind": {"group": "external-secrets.io", "version": "v1", "kind": "ExternalSecret"},
            "resource": {"group": "external-secrets.io", "version": "v1", "resource": "externalsecrets"},
            "name": name, "namespace": "team-a", "operation": "CREATE",
            "userInfo": {"username": "dev", "groups": ["system:authenticated"]},
            "object": object(name), "oldObject": null, "dryRun": false, "options": {"kind": "CreateOptions"},
        },
    })
}

/// A text of JSON arrays, `levels` deep.
pub fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}
