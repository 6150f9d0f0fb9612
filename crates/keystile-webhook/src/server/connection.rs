//! One connection from its handshake to its end.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::activity::{Activity, Arriving, Next, Watched};
use super::connections::{Connections, Member};
use crate::limits::Limits;
use crate::metrics::ConnectionMetrics;
use crate::tls::ALPN_HTTP2;

/// Largest head of a request over HTTP/1.1, in bytes; the API server's has a few hundred.
const MAX_HTTP1_HEAD_BYTES: usize = 64 * 1024;
/// Largest head over HTTP/2, uncompressed.
const MAX_HTTP2_HEAD_BYTES: u32 = 16 * 1024;
/// Requests at one time on one HTTP/2 connection, until their answers are sent. A client that never reads
/// costs up to 14 KiB for each, so this times [`Limits::max_connections`] bounds what all of them take.
/// Go's client, which the API server is, opens another connection where it needs more.
const MAX_HTTP2_STREAMS: u32 = 16;
/// What a client may send on one stream before we have read it.
const HTTP2_STREAM_WINDOW: u32 = 64 * 1024;
/// The same for a whole connection: as much as that of all connections is held unread at most.
const HTTP2_CONNECTION_WINDOW: u32 = 128 * 1024;
/// How long a connection that is told to close may take for it, when nothing is in flight.
const CLOSING_GRACE: Duration = Duration::from_secs(2);
/// The same for one whose place is taken: with many newcomers there would soon be more that close
/// than may be open.
const EVICTION_GRACE: Duration = Duration::from_millis(200);

/// Where the server stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// As always.
    Serving,
    /// Connections are to end when what is in flight is answered.
    Closing,
}

/// What all connections of a listener share.
#[derive(Clone, Debug)]
pub(super) struct Limited {
    pub(super) connections: Connections,
    pub(super) metrics: ConnectionMetrics,
    pub(super) limits: Limits,
}

/// Serves one connection, to its end.
pub(super) async fn serve(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    router: Router,
    limited: Limited,
    member: Member,
    phases: watch::Receiver<Phase>,
) {
    let metrics = limited.metrics.clone();
    metrics.open.inc();
    // Answers are small and awaited: don't hold them back for more. A failure costs latency only.
    let _ = stream.set_nodelay(true);
    let ended = match tls {
        None => http1(stream, router, &limited, &member, phases).await,
        Some(tls) => {
            let handshake = tokio::time::timeout(limited.limits.handshake_timeout, tls.accept(stream));
            let handshaken = tokio::select! {
                handshaken = handshake => handshaken.map_err(|_| "slow-handshake").and_then(|done| done.map_err(|_| "failed-handshake")),
                () = member.evicted.notified() => Err("evicted"),
            };
            match handshaken {
                // Counted where the newcomer came in.
                Err("evicted") => None,
                Err(reason) => Some(reason),
                Ok(stream) if stream.get_ref().1.alpn_protocol() == Some(ALPN_HTTP2) => {
                    http2(stream, router, &limited, &member, phases).await
                }
                Ok(stream) => http1(stream, router, &limited, &member, phases).await,
            }
        }
    };
    metrics.open.dec();
    if let Some(reason) = ended {
        metrics.closed(reason);
    }
}

async fn http1<S>(
    stream: S,
    router: Router,
    limited: &Limited,
    member: &Member,
    phases: watch::Receiver<Phase>,
) -> Option<&'static str>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = Counted::new(router, &member.activity);
    let stream = TokioIo::new(Watched::new(stream, member.activity.clone()));
    let connection = hyper::server::conn::http1::Builder::new()
        // Ours is in `activity`.
        .header_read_timeout(None)
        // A client that closes its half still gets its answer.
        .half_close(true)
        .max_buf_size(MAX_HTTP1_HEAD_BYTES)
        .serve_connection(stream, service);
    watch_over(connection, limited, member, phases).await
}

async fn http2<S>(
    stream: S,
    router: Router,
    limited: &Limited,
    member: &Member,
    phases: watch::Receiver<Phase>,
) -> Option<&'static str>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = Counted::new(router, &member.activity);
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .max_concurrent_streams(MAX_HTTP2_STREAMS)
        .max_header_list_size(MAX_HTTP2_HEAD_BYTES)
        .initial_stream_window_size(HTTP2_STREAM_WINDOW)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
        // Not watched: pings and settings are bytes that belong to no head.
        .serve_connection(TokioIo::new(stream), service);
    watch_over(connection, limited, member, phases).await
}

/// Drives a connection; says why it was closed, if it was us.
async fn watch_over<C: Graceful>(
    connection: C,
    limited: &Limited,
    member: &Member,
    mut phases: watch::Receiver<Phase>,
) -> Option<&'static str> {
    let mut connection = pin!(connection);
    // An error means that the server is gone, which ends in the same way.
    let mut closing = pin!(async move { phases.wait_for(|phase| *phase == Phase::Closing).await.map(drop) });
    let (header_timeout, idle_timeout) = (limited.limits.header_timeout, limited.limits.idle_timeout);
    let mut is_evicted = false;
    let (reason, grace) = loop {
        let check = match member.activity.state().next(Instant::now(), header_timeout, idle_timeout) {
            Next::Check(at) => at,
            Next::CutSlow => return Some("slow-head"),
            Next::CloseIdle => break (Some("idle"), CLOSING_GRACE),
        };
        tokio::select! {
            // Whatever it ended with concerns the client alone, and was answered where it could be.
            _ = connection.as_mut() => return None,
            () = tokio::time::sleep_until(check) => {}
            () = member.evicted.notified() => {
                is_evicted = true;
                break (None, EVICTION_GRACE);
            }
            _ = closing.as_mut() => break (Some("shutdown"), CLOSING_GRACE),
        }
    };
    connection.as_mut().graceful_shutdown();
    loop {
        tokio::select! {
            _ = connection.as_mut() => return reason,
            () = tokio::time::sleep(grace) => {
                let state = member.activity.state();
                // Whose place is taken is not waited for, only those that wait for us are.
                if state.in_flight == 0 || is_evicted && state.in_flight == state.arriving {
                    return reason;
                }
            }
        }
    }
}

/// What hyper's two kinds of connection have in common.
trait Graceful: Future {
    /// Ends when what is in flight is answered.
    fn graceful_shutdown(self: Pin<&mut Self>);
}

impl<S> Graceful for hyper::server::conn::http1::Connection<TokioIo<Watched<S>>, Counted>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    fn graceful_shutdown(self: Pin<&mut Self>) {
        Self::graceful_shutdown(self);
    }
}

impl<S> Graceful for hyper::server::conn::http2::Connection<TokioIo<S>, Counted, TokioExecutor>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    fn graceful_shutdown(self: Pin<&mut Self>) {
        Self::graceful_shutdown(self);
    }
}

/// The routes, with each request counted from its head to its answer.
struct Counted {
    router: TowerToHyperService<Router>,
    activity: Activity,
}

impl Counted {
    fn new(router: Router, activity: &Activity) -> Self {
        Self { router: TowerToHyperService::new(router), activity: activity.clone() }
    }
}

impl Service<Request<Incoming>> for Counted {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let counted = self.activity.begin();
        let answer = self.router.call(request.map(|body| Arriving::new(body, &self.activity)));
        Box::pin(async move {
            let answer = answer.await;
            drop(counted);
            answer
        })
    }
}
