//! More at once than may be judged, and judgements that don't come.

use std::time::Duration;

use keystile_webhook::Limits;
use serde_json::Value;

use crate::support::client::{BOTH, Http, Kept, connect, request, validate};
use crate::support::{Running, UID, limits, review};

fn message(answer: &Value) -> &str {
    assert_eq!(answer["response"]["uid"], UID);
    assert_eq!(answer["response"]["allowed"], false);
    answer["response"]["status"]["message"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_judgement_that_does_not_come_is_a_denial_at_the_deadline() {
    let server = Running::start(Limits { deadline: Duration::from_secs(1), ..limits() }).await;
    for http in BOTH {
        let mut kept = Kept::open(server.address, &server.authority.pem, http).await.unwrap();
        let answer = kept.send(validate(server.address, review("hang").to_string())).await.unwrap().json();
        assert_eq!(message(&answer), "keystile could not decide within its deadline: try again shortly");
        assert_eq!(answer["response"]["status"]["code"], 504);
        let answer = kept.send(validate(server.address, review("x").to_string())).await.unwrap().json();
        assert_eq!(answer["response"]["allowed"], true, "the place is free again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_servers_own_timeout_counts_when_it_is_shorter() {
    let server = Running::start(limits()).await;
    let mut kept = Kept::open(server.address, &server.authority.pem, Http::One).await.unwrap();
    let body = review("hang").to_string();
    let asked = request("POST", server.address, "/validate?timeout=1s", Some("application/json"), body);
    assert!(message(&kept.send(asked).await.unwrap().json()).contains("within its deadline"));
}

#[tokio::test(flavor = "multi_thread")]
async fn past_places_and_queue_there_is_a_denial_at_once() {
    let server = Running::start(Limits { max_in_flight: 1, max_queued: 1, ..limits() }).await;
    let (address, authority) = (server.address, server.authority.pem.clone());
    let ask = move |name: &'static str| {
        let authority = authority.clone();
        tokio::spawn(async move {
            let mut kept = Kept::open(address, &authority, Http::One).await.unwrap();
            kept.send(validate(address, review(name).to_string())).await.unwrap().json()
        })
    };
    let running = ask("wait");
    server.judge.waiting.notified().await;
    let queued = ask("x");
    // Read through the metrics page, which asks the gate.
    let mut kept = Kept::open(server.address, &server.authority.pem, Http::Two).await.unwrap();
    loop {
        let text = kept.send(request("GET", server.address, "/metrics", None, "")).await.unwrap();
        if text.text().contains("keystile_admission_requests_queued 1\n") {
            break;
        }
    }
    let refused = ask("x").await.unwrap();
    assert_eq!(message(&refused), "keystile is overloaded, too many requests wait: try again shortly");
    assert_eq!(refused["response"]["status"]["code"], 429);
    server.judge.go_on.notify_one();
    assert_eq!(running.await.unwrap()["response"]["allowed"], true);
    assert_eq!(queued.await.unwrap()["response"]["allowed"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_past_the_deadline_hears_of_the_overload() {
    let server = Running::start(Limits { max_in_flight: 1, ..limits() }).await;
    let (address, authority) = (server.address, server.authority.pem.clone());
    let running = tokio::spawn(async move {
        let mut kept = Kept::open(address, &authority, Http::Two).await.unwrap();
        kept.send(validate(address, review("wait").to_string())).await.unwrap().json()
    });
    server.judge.waiting.notified().await;
    let mut kept = Kept::open(server.address, &server.authority.pem, Http::Two).await.unwrap();
    let asked = request("POST", address, "/validate?timeout=1s", Some("application/json"), review("x").to_string());
    assert!(message(&kept.send(asked).await.unwrap().json()).contains("the request's turn did not come in time"));
    server.judge.go_on.notify_one();
    assert_eq!(running.await.unwrap()["response"]["allowed"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_requests_hold_is_bounded_together() {
    let body = review("wait").to_string();
    // Enough for one request with what its object takes, not for a large body beside it.
    let server = Running::start(Limits { max_buffered_bytes: 6_000, ..limits() }).await;
    let mut wide = review("wide");
    wide["request"]["object"]["spec"]["values"] = serde_json::json!(vec![0; 200]);
    let mut kept = Kept::open(server.address, &server.authority.pem, Http::One).await.unwrap();
    let refused = kept.send(validate(server.address, wide.to_string())).await.unwrap().json();
    assert_eq!(message(&refused), "keystile holds as many requests as it may: try again shortly");

    let (address, authority) = (server.address, server.authority.pem.clone());
    let first = tokio::spawn(async move {
        let mut kept = Kept::open(address, &authority, Http::One).await.unwrap();
        kept.send(validate(address, body)).await.unwrap().json()
    });
    server.judge.waiting.notified().await;
    let mut kept = Kept::open(server.address, &server.authority.pem, Http::One).await.unwrap();
    let mut large = review("x");
    large["request"]["object"]["spec"]["text"] = serde_json::json!("y".repeat(5_000));
    let refused = kept.send(validate(address, large.to_string())).await.unwrap().json();
    assert_eq!(message(&refused), "keystile holds as many requests as it may: try again shortly");
    server.judge.go_on.notify_one();
    assert_eq!(first.await.unwrap()["response"]["allowed"], true);
    let mut kept = Kept::open(server.address, &server.authority.pem, Http::One).await.unwrap();
    let answer = kept.send(validate(address, review("x").to_string())).await.unwrap().json();
    assert_eq!(answer["response"]["allowed"], true, "the bytes are given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_carries_many_requests_at_once() {
    let server = Running::start(Limits { max_in_flight: 4, ..limits() }).await;
    let io = hyper_util::rt::TokioIo::new(connect(server.address, &server.authority.pem, Http::Two).await.unwrap());
    let executor = hyper_util::rt::TokioExecutor::new();
    // Until the server has said how many streams it takes, as many as it will say: a client that opens more on a
    // new connection is refused those (REFUSED_STREAM) and has to send them again, as Go's client does by itself.
    let mut client = hyper::client::conn::http2::Builder::new(executor);
    client.initial_max_send_streams(16);
    let (sender, connection) = client.handshake(io).await.unwrap();
    tokio::spawn(connection);
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..400 {
        let mut sender = sender.clone();
        let request = validate(server.address, review("x").to_string());
        asked.spawn(async move {
            sender.ready().await.unwrap();
            let answer = sender.send_request(request).await.unwrap();
            http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes()
        });
    }
    for answer in asked.join_all().await {
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["response"]["allowed"], true, "{answer}");
    }
    server.until("keystile_connections_accepted_total 1").await;
}
