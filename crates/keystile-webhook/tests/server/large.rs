//! Large objects: their judgement takes no thread that serves, and the deadline's answer comes in time.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use keystile_policy::Snapshot;
use keystile_policy::policy::document;
use keystile_webhook::metrics::PolicyMetrics;
use keystile_webhook::policy::PolicyInForce;
use keystile_webhook::tls::ServingCertificate;
use keystile_webhook::{Guard, Health, Limits, Metrics, Server};
use serde_json::{Value, json};

use crate::support::{UID, limits, review};

/// Judgements that stand still, as long ones seem to: each asks the clock first, and the clock waits.
#[derive(Default)]
struct Still {
    is_over: Mutex<bool>,
    over: Condvar,
    begun: AtomicUsize,
}

impl Still {
    fn clock(&self) -> Timestamp {
        self.begun.fetch_add(1, Ordering::SeqCst);
        drop(self.over.wait_while(self.is_over.lock().unwrap(), |is_over| !*is_over).unwrap());
        Timestamp::UNIX_EPOCH
    }

    fn end(&self) {
        *self.is_over.lock().unwrap() = true;
        self.over.notify_all();
    }
}

/// A server whose judgements stand still where the object is large, and are made by `clock` in any case.
fn server(limits: Limits, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Server<Guard> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/threats/policies/default.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let document: Value = serde_saphyr::from_str(&text).unwrap();
    let (policy, _) = document::read(&document, "2026-11-25T12:00:00Z".parse().unwrap()).unwrap();
    let in_force = PolicyInForce::with_scanner(PolicyMetrics::default());
    in_force.replace(policy, keystile_webhook::policy::digest(text.as_bytes()));
    let guard = Guard::new(in_force, Arc::new(Snapshot::complete().into()), Duration::ZERO).at(clock);
    let metrics = Metrics::default();
    let certificate = ServingCertificate::new(metrics.certificate.clone());
    Server::new(Arc::new(guard), certificate, Arc::new(Health::default()), metrics, limits)
}

/// A review with `entries` entries: some 90 bytes each.
fn review_of(entries: usize) -> Vec<u8> {
    let mut review = review("db");
    let entry = |nth: usize| json!({"secretKey": format!("key-{nth}"), "remoteRef": {"key": format!("/prod/team-b/application/database-{nth}")}});
    review["request"]["object"]["spec"]["data"] = (0..entries).map(entry).collect();
    review.to_string().into_bytes()
}

async fn answer(server: &Server<Guard>, body: Vec<u8>) -> Value {
    let (status, body) = server.answer("application/json", body).await;
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &answer["response"]["uid"]), (200, &json!(UID)), "{answer}");
    assert_eq!(answer["response"]["allowed"], false, "{answer}");
    answer["response"]["status"].clone()
}

// On one thread: a judgement there would let no deadline come.
#[tokio::test]
async fn the_deadline_of_a_large_object_comes_while_it_is_judged() {
    let still = Arc::new(Still::default());
    let clock = {
        let still = Arc::clone(&still);
        move || still.clock()
    };
    let server = server(Limits { deadline: Duration::from_millis(300), ..limits() }, clock);
    let places = std::thread::available_parallelism().map_or(2, |count| count.get().max(2));
    // One more than there are places: it waits for one, and its deadline comes as well.
    for _ in 0..=places {
        let status = answer(&server, review_of(2_000)).await;
        assert_eq!(status["code"], 504, "{status}");
        assert_eq!(status["message"], "keystile could not decide within its deadline: try again shortly");
    }
    assert_eq!(still.begun.load(Ordering::SeqCst), places, "no more go on than there are places");
    still.end();
}

#[tokio::test]
async fn a_small_object_is_judged_at_once_while_large_ones_take_every_place() {
    let still = Arc::new(Still::default());
    let serving = std::thread::current().id();
    let clock = {
        let still = Arc::clone(&still);
        // What is judged on the thread that serves must not stand still.
        move || if std::thread::current().id() == serving { Timestamp::UNIX_EPOCH } else { still.clock() }
    };
    let server = server(Limits { deadline: Duration::from_millis(300), ..limits() }, clock);
    for _ in 0..4 {
        assert_eq!(answer(&server, review_of(2_000)).await["code"], 504);
    }
    let status = answer(&server, review_of(2)).await;
    assert_eq!((&status["code"], &status["reason"]), (&json!(403), &json!("Forbidden")), "{status}");
    still.end();
}

#[tokio::test]
async fn a_large_object_gets_its_verdict() {
    let server = server(limits(), Timestamp::now);
    let status = answer(&server, review_of(2_000)).await;
    assert_eq!((&status["code"], &status["reason"]), (&json!(403), &json!("Forbidden")), "{status}");
}
