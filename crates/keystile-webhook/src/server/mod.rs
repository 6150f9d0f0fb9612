//! The server: accepts connections, keeps to the limits, and ends without losing a request.
//!
//! ```text
//! stop ─► not ready, HTTP/1.1 answers say `Connection: close`        for `drain_delay`
//!      ─► no new connection, HTTP/2 clients hear GOAWAY, the rest ends  for at most `drain_timeout`
//! ```

mod activity;
mod body;
mod connection;
mod connections;
mod routes;
mod validate;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use self::connection::{Limited, Phase};
use self::connections::Connections;
use crate::health::Health;
use crate::judge::Judge;
use crate::limits::{ByteBudget, Gate, Limits};
use crate::metrics::Metrics;
use crate::tls::{ServingCertificate, server_config};

/// Connections to the address without TLS: a kubelet and a scraper or two.
const MAX_PROBE_CONNECTIONS: usize = 32;

/// How long to wait when no connection can be accepted, for want of file descriptors say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every request needs.
pub(crate) struct Shared<J> {
    judge: Arc<J>,
    health: Arc<Health>,
    metrics: Metrics,
    limits: Limits,
    gate: Gate,
    bytes: ByteBudget,
}

/// The server, not started yet.
pub struct Server<J> {
    shared: Arc<Shared<J>>,
    certificate: Arc<ServingCertificate>,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every request was answered and every connection closed.
    Drained,
    /// So many connections were still open when `drain_timeout` had passed.
    CutOff(usize),
}

impl<J: Judge> Server<J> {
    /// Adds its own check, for the certificate, to `health`.
    #[must_use]
    pub fn new(
        judge: Arc<J>,
        certificate: Arc<ServingCertificate>,
        health: Arc<Health>,
        metrics: Metrics,
        limits: Limits,
    ) -> Self {
        let served = Arc::clone(&certificate);
        health.add("certificate", move || served.readiness(crate::tls::unix_now()));
        let gate = Gate::new(limits.max_in_flight, limits.max_queued);
        let bytes = ByteBudget::new(limits.max_buffered_bytes);
        Self { shared: Arc::new(Shared { judge, health, metrics, limits, gate, bytes }), certificate }
    }

    /// The answer of `/validate` to a body: HTTP status and text. Without sockets, for fuzzing and for
    /// measuring.
    pub async fn answer(&self, content_type: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
        let mut request = Request::new(Body::from(body));
        if let Ok(value) = HeaderValue::from_str(content_type) {
            request.headers_mut().insert(CONTENT_TYPE, value);
        }
        let response = validate::validate(State(Arc::clone(&self.shared)), request).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.expect("an answer is in memory").to_bytes();
        (status, body.into())
    }

    /// Serves until `stop` and then until drained. `probes` serves health and metrics without TLS,
    /// to the very end.
    pub async fn serve(self, https: TcpListener, probes: Option<TcpListener>, stop: impl Future<Output = ()>) -> Ended {
        let shared = &self.shared;
        let (phase, phases) = watch::channel(Phase::Serving);
        let probes = probes.map(|listener| {
            let limited = Limited {
                connections: Connections::new(MAX_PROBE_CONNECTIONS),
                metrics: Metrics::default().connections,
                limits: shared.limits.clone(),
            };
            let router = routes::probes(Arc::clone(shared));
            tokio::spawn(accept(listener, None, router, limited, phases.clone(), mpsc::channel(1).0))
        });

        // Each connection holds a sender: the receiver ends when the last of them has ended.
        let (open, mut all_closed) = mpsc::channel::<()>(1);
        let limited = Limited {
            connections: Connections::new(shared.limits.max_connections),
            metrics: shared.metrics.connections.clone(),
            limits: shared.limits.clone(),
        };
        let connections = limited.connections.clone();
        let tls = TlsAcceptor::from(server_config(self.certificate));
        let accepting = tokio::spawn(accept(https, Some(tls), routes::all(Arc::clone(shared)), limited, phases, open));

        stop.await;
        tracing::info!("stopping: no longer ready, going on until no new request comes");
        shared.health.start_draining();
        tokio::time::sleep(shared.limits.drain_delay).await;
        tracing::info!(connections = connections.len(), "closing connections");
        accepting.abort();
        // An error says that it was aborted, which is what was asked for.
        let _ = accepting.await;
        phase.send_replace(Phase::Closing);
        let drained = tokio::time::timeout(shared.limits.drain_timeout, all_closed.recv()).await;
        if let Some(probes) = probes {
            probes.abort();
        }
        match drained {
            Ok(_) => Ended::Drained,
            Err(_) => Ended::CutOff(connections.len()),
        }
    }
}

/// Accepts for ever. Each connection is a task of its own: a fault in one ends that one.
async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    limited: Limited,
    phases: watch::Receiver<Phase>,
    open: mpsc::Sender<()>,
) {
    loop {
        let stream: TcpStream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        limited.metrics.accepted.inc();
        let Some(admitted) = limited.connections.admit() else {
            limited.metrics.closed("all-busy");
            continue;
        };
        if admitted.in_place_of_another {
            limited.metrics.closed("evicted");
        }
        let (tls, router, limited, phases, open) =
            (tls.clone(), router.clone(), limited.clone(), phases.clone(), open.clone());
        tokio::spawn(async move {
            connection::serve(stream, tls, router, limited, admitted.member, phases).await;
            drop(open);
        });
    }
}
