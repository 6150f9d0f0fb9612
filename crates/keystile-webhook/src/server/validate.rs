//! `/validate`: from a request to its answer, whatever the request is like.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode, Version};
use keystile_policy::Operation;
use tokio::time::Instant;

use super::Shared;
use super::body;
use crate::judge::{Decision, Judge, Verdict};
use crate::limits::Shut;
use crate::review::envelope::Envelope;
use crate::review::{AdmissionRequest, Answer, Refusal, RefusalReason, operation_name};
use crate::telemetry::id;

/// What is known of a request, for log and metrics. Ids alone.
#[derive(Clone, Default)]
struct Ids {
    uid: String,
    kind: String,
    namespace: String,
    name: String,
    operation: Option<Operation>,
    dry_run: bool,
}

impl From<&AdmissionRequest> for Ids {
    fn from(request: &AdmissionRequest) -> Self {
        Self {
            uid: request.uid.clone(),
            kind: request.kind.kind.clone(),
            namespace: request.namespace.clone(),
            name: request.name.clone(),
            operation: Some(request.operation),
            dry_run: request.dry_run,
        }
    }
}

/// What became of a request.
enum Outcome {
    Decided(Ids, Decision),
    Refused(Ids, Refusal),
}

impl Outcome {
    fn refused(refusal: Refusal) -> Self {
        Self::Refused(Ids { uid: refusal.uid.clone().unwrap_or_default(), ..Ids::default() }, refusal)
    }
}

/// Answers a review.
pub(super) async fn validate<J: Judge>(State(shared): State<Arc<Shared<J>>>, request: Request<Body>) -> Response<Body> {
    let started = Instant::now();
    let _counted = Counted::new(&shared.metrics.in_flight);
    let version = request.version();
    let outcome = decide(&shared, request, started).await;
    let (mut answer, close) = respond(&shared, outcome, started.elapsed());
    // HTTP/2 has GOAWAY for this.
    if version <= Version::HTTP_11 && (close || shared.health.is_draining()) {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

async fn decide<J: Judge>(shared: &Shared<J>, request: Request<Body>, started: Instant) -> Outcome {
    let limits = &shared.limits;
    let deadline = started + limits.deadline.min(callers_patience(request.uri().query()).unwrap_or(Duration::MAX));
    let is_json = has_json_type(&request);
    let body_deadline = deadline.min(started + limits.body_timeout);
    let mut whole = match body::read(request.into_body(), limits, &shared.bytes, body_deadline).await {
        Ok(whole) => whole,
        Err(part) => return Outcome::refused(Refusal::of_bytes(&part.bytes, part.reason, part.message)),
    };
    if !is_json {
        let message = "the request's Content-Type must be application/json".to_owned();
        return Outcome::refused(Refusal::of_bytes(&whole.bytes, RefusalReason::Malformed, message));
    }
    let envelope = match Envelope::read(&whole.bytes) {
        Ok(envelope) => envelope,
        Err(refusal) => return Outcome::refused(refusal),
    };
    let _permit = match shared.gate.enter(deadline).await {
        Ok(permit) => permit,
        Err(shut) => {
            let message = match shut {
                Shut::QueueFull => "keystile is overloaded, too many requests wait: try again shortly",
                Shut::TooLate => "keystile is overloaded, the request's turn did not come in time: try again shortly",
            };
            return Outcome::refused(envelope.refuse(RefusalReason::Overloaded, message.into()));
        }
    };
    let opened = match envelope.open() {
        Ok(opened) => opened,
        Err(refusal) => return Outcome::refused(refusal),
    };
    let ids = Ids::from(&opened.request);
    if !opened.to_judge {
        return Outcome::Decided(ids, Decision::allow());
    }
    let refuse = |reason, message: &str| Refusal {
        uid: Some(ids.uid.clone()),
        api_version: crate::review::envelope::V1,
        reason,
        message: message.into(),
    };
    // A judge may wait for the cluster, and many objects at once may wait with it.
    if !whole.held.add(opened.bytes()) {
        return Outcome::Refused(ids.clone(), refuse(RefusalReason::Overloaded, body::NO_ROOM));
    }
    // The call itself may panic too, so it is made inside.
    let judging = caught(async { shared.judge.judge(opened.request).await });
    let refusal = match tokio::time::timeout_at(deadline, judging).await {
        Ok(Some(decision)) => return Outcome::Decided(ids, decision),
        Ok(None) => refuse(RefusalReason::Panic, "keystile failed while it judged this object: its log says where"),
        Err(_) => refuse(RefusalReason::Deadline, "keystile could not decide within its deadline: try again shortly"),
    };
    Outcome::Refused(ids, refusal)
}

/// The result of `future`, or nothing when it panics.
async fn caught<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    // Unwind safe: after a panic the future is not polled again, and what it shares with others
    // (the judge's state) is swapped whole.
    std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Some),
        Err(_) => std::task::Poll::Ready(None),
    })
    .await
}

/// Logs, counts, and makes the answer; and whether the connection can't be used any more.
fn respond<J>(shared: &Shared<J>, outcome: Outcome, duration: Duration) -> (Response<Body>, bool) {
    let duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    match outcome {
        Outcome::Decided(ids, decision) => {
            let verdict = decision.verdict();
            shared.metrics.answered(&ids.kind, ids.operation, verdict, duration);
            for (rule, action) in &decision.rules {
                shared.metrics.violated(rule, *action);
            }
            tracing::info!(
                uid = id(&ids.uid),
                kind = id(&ids.kind),
                namespace = id(&ids.namespace),
                name = id(&ids.name),
                operation = ids.operation.map(operation_name),
                dry_run = ids.dry_run,
                verdict = verdict.as_str(),
                rules = rules(&decision),
                duration_us,
                "decided"
            );
            (review(&Answer::decided(&ids.uid, &decision)), false)
        }
        Outcome::Refused(ids, refusal) => {
            shared.metrics.answered(&ids.kind, ids.operation, Verdict::Refuse, duration);
            shared.metrics.refused(refusal.reason);
            tracing::warn!(
                uid = id(&ids.uid),
                kind = id(&ids.kind),
                namespace = id(&ids.namespace),
                name = id(&ids.name),
                operation = ids.operation.map(operation_name),
                dry_run = ids.dry_run,
                verdict = Verdict::Refuse.as_str(),
                reason = refusal.reason.as_str(),
                duration_us,
                "refused without a judgement"
            );
            // A part of the body may still be on its way.
            let close =
                matches!(refusal.reason, RefusalReason::TooLarge | RefusalReason::SlowBody | RefusalReason::Overloaded);
            let answer = Answer::refused(&refusal).map_or_else(
                || {
                    shared.metrics.without_uid();
                    plain(&refusal.message)
                },
                |answer| review(&answer),
            );
            (answer, close)
        }
    }
}

/// The ids of the violated rules, each once.
fn rules(decision: &Decision) -> String {
    let mut ids: Vec<&str> = decision.rules.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.join(",")
}

fn review(answer: &Answer) -> Response<Body> {
    let mut response = Response::new(Body::from(answer.to_bytes()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// HTTP 400, for bodies without a uid: there is no one to deny to, and the API server counts the call
/// as failed.
fn plain(message: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{message}\n")));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Whether the media type is JSON, whatever its parameters.
fn has_json_type(request: &Request<Body>) -> bool {
    request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}

/// How long the API server waits, less a tenth for the way back. It says so with every call:
/// `?timeout=10s` (`k8s.io/apiserver/pkg/admission/plugin/webhook/validating/dispatcher.go`).
fn callers_patience(query: Option<&str>) -> Option<Duration> {
    let text = query?.split('&').find_map(|pair| pair.strip_prefix("timeout="))?;
    Some(crate::config::duration(text).ok()? * 9 / 10)
}

/// Counts a request while it lasts, however it ends.
struct Counted<'a>(&'a prometheus_client::metrics::gauge::Gauge);

impl<'a> Counted<'a> {
    fn new(gauge: &'a prometheus_client::metrics::gauge::Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_timeout_leaves_time_for_the_way_back() {
        let cases = [
            (Some("timeout=10s"), Some(9_000)),
            (Some("a=b&timeout=2s"), Some(1_800)),
            (Some("timeout=soon"), None),
            (Some("xtimeout=10s"), None),
            (None, None),
        ];
        for (query, expected) in cases {
            assert_eq!(callers_patience(query), expected.map(Duration::from_millis), "{query:?}");
        }
    }

    #[tokio::test]
    async fn a_panic_is_nothing_and_a_result_is_itself() {
        assert_eq!(caught(async { 7 }).await, Some(7));
        assert_eq!(
            caught(async {
                if std::hint::black_box(true) {
                    panic!("as asked")
                }
            })
            .await,
            None
        );
    }
}
