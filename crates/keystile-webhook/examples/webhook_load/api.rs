//! An API server as far as the webhook's watches ask one: the kinds that are served, lists in pages,
//! watches that bring nothing. So the webhook is measured with the caches that it has in a cluster.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::reviews::applied;
use crate::world::{self, Place};

const GROUP: &str = "external-secrets.io";

/// Serves a cluster with so many namespaces, for ever.
pub async fn serve(address: SocketAddr, namespaces: usize) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("while listening on {address}"))?;
    loop {
        let (stream, _) = listener.accept().await.context("while accepting a connection")?;
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| async move {
                Ok::<_, Infallible>(answer(&request, namespaces))
            });
            // Whoever asked is gone: nothing to do about it.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// What stands in a kubeconfig for it.
pub fn kubeconfig(address: SocketAddr) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "load",
        "clusters": [{"name": "load", "cluster": {"server": format!("http://{address}")}}],
        "contexts": [{"name": "load", "context": {"cluster": "load", "user": "load"}}],
        "users": [{"name": "load", "user": {}}],
    })
    .to_string()
}

fn answer(request: &Request<Incoming>, namespaces: usize) -> Response<BoxBody<Bytes, Infallible>> {
    let query = request.uri().query().unwrap_or_default();
    let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let number = |name: &str| parameter(name).and_then(|value| value.parse::<usize>().ok());
    let versions = json!([{"groupVersion": format!("{GROUP}/v1"), "version": "v1"}]);
    let group = json!({"name": GROUP, "versions": versions, "preferredVersion": versions[0]});
    let path = request.uri().path().trim_end_matches('/');
    let body = match path {
        "/apis" => json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group]}),
        "/apis/external-secrets.io" => {
            let mut group = group;
            group["kind"] = "APIGroup".into();
            group["apiVersion"] = "v1".into();
            group
        }
        "/apis/external-secrets.io/v1" => {
            let resource = |plural: &str, kind: &str| json!({"name": plural, "singularName": "", "namespaced": true, "kind": kind, "verbs": ["get", "list", "watch"]});
            json!({
                "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": format!("{GROUP}/v1"),
                "resources": [resource("secretstores", "SecretStore"), resource("externalsecrets", "ExternalSecret")],
            })
        }
        "/api/v1/namespaces"
        | "/apis/external-secrets.io/v1/secretstores"
        | "/apis/external-secrets.io/v1/externalsecrets"
            if parameter("watch") == Some("true") || parameter("watch") == Some("1") =>
        {
            return Response::new(Silent.boxed());
        }
        "/api/v1/namespaces" => page(namespaces, &number, "PartialObjectMetadata", "meta.k8s.io/v1", |nth| {
            world::namespace(&Place::nth(nth))
        }),
        "/apis/external-secrets.io/v1/secretstores" => {
            page(namespaces * world::STORES.len(), &number, "SecretStore", "external-secrets.io/v1", |nth| {
                world::store(&Place::nth(nth / world::STORES.len()), nth % world::STORES.len())
            })
        }
        "/apis/external-secrets.io/v1/externalsecrets" => {
            page(namespaces * world::SERVICES, &number, "ExternalSecret", "external-secrets.io/v1", world::referring)
        }
        _ => {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "message": "not served here"});
            return respond(StatusCode::NOT_FOUND, &status);
        }
    };
    respond(StatusCode::OK, &body)
}

fn respond(status: StatusCode, body: &Value) -> Response<BoxBody<Bytes, Infallible>> {
    let mut response = Response::new(Full::from(body.to_string()).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    response
}

/// One page of a list, as `limit` and `continue` ask for it.
fn page(
    all: usize,
    number: &dyn Fn(&str) -> Option<usize>,
    kind: &str,
    api_version: &str,
    nth: impl Fn(usize) -> Value,
) -> Value {
    let from = number("continue").unwrap_or(0).min(all);
    let to = (from + number("limit").unwrap_or(all)).min(all);
    let items: Vec<Value> = (from..to)
        .map(|at| {
            let mut item = applied(nth(at));
            item["metadata"]["resourceVersion"] = "1".into();
            if kind != "PartialObjectMetadata" {
                item["status"] =
                    json!({"conditions": [{"type": "Ready", "status": "True", "message": "secret synced"}]});
            }
            item
        })
        .collect();
    let more = if to < all { to.to_string() } else { String::new() };
    json!({
        "kind": format!("{kind}List"), "apiVersion": api_version,
        "metadata": {"resourceVersion": "1", "continue": more}, "items": items,
    })
}

/// The body of a watch that brings nothing and does not end.
struct Silent;

impl Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}
