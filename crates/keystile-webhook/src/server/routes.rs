//! The four paths. Everything else is 404, another method is 405.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;

use super::Shared;
use super::validate::validate;
use crate::judge::Judge;

/// OpenMetrics 1.0, "Overall Structure".
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is served over TLS. Health and metrics are open to whoever reaches the port: they hold no
/// name and no value.
pub(super) fn all<J: Judge>(shared: Arc<Shared<J>>) -> Router {
    Router::new().route("/validate", post(validate::<J>)).with_state(Arc::clone(&shared)).merge(probes(shared))
}

/// What is served without TLS too.
pub(super) fn probes<J: Judge>(shared: Arc<Shared<J>>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz::<J>))
        .route("/metrics", get(metrics::<J>))
        .with_state(shared)
}

async fn readyz<J: Judge>(State(shared): State<Arc<Shared<J>>>) -> (StatusCode, String) {
    let (ready, text) = shared.health.ready();
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, text)
}

async fn metrics<J: Judge>(
    State(shared): State<Arc<Shared<J>>>,
) -> ([(hyper::header::HeaderName, &'static str); 1], String) {
    shared.metrics.queued.set(i64::try_from(shared.gate.waiting()).unwrap_or(i64::MAX));
    ([(CONTENT_TYPE, OPEN_METRICS)], shared.metrics.text())
}
