//! The end: nothing in flight is lost, and nothing holds it up for ever.

use std::time::Duration;

use keystile_webhook::Limits;
use keystile_webhook::server::Ended;

use crate::support::client::{BOTH, Http, Kept, connect, read_to_end, request, validate};
use crate::support::load::Load;
use crate::support::{Authority, Running, limits, review};

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_ends_under_load_loses_no_request() {
    let mut first = Running::start(Limits { drain_delay: Duration::from_secs(1), ..limits() }).await;
    // Both replicas serve certificates of one authority, so that clients trust either.
    let authority = std::mem::replace(&mut first.authority, Authority::new());
    let pem = authority.pem.clone();
    let second = Running::start_with(limits(), authority).await;
    let load = Load::start(&[first.address, second.address], &pem, 4, usize::MAX);
    load.answered(0, 200).await;
    first.stop();
    assert_eq!(first.ended().await, Ended::Drained);
    load.answered(1, 200).await;
    assert_eq!(load.lost().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_flight_is_answered() {
    for http in BOTH {
        let mut server = Running::start(limits()).await;
        let (address, authority) = (server.address, server.authority.pem.clone());
        let waiting = tokio::spawn(async move {
            let mut kept = Kept::open(address, &authority, http).await.unwrap();
            kept.send(validate(address, review("wait").to_string())).await.unwrap()
        });
        server.judge.waiting.notified().await;
        server.stop();
        // No longer listening: the rest of the way is the end.
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.judge.go_on.notify_one();
        assert_eq!(waiting.await.unwrap().json()["response"]["allowed"], true, "{http:?}");
        assert_eq!(server.ended().await, Ended::Drained, "{http:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_and_silent_connections_don_t_hold_up_the_end() {
    let mut server = Running::start(limits()).await;
    let mut idle = Vec::new();
    for http in BOTH {
        let mut kept = Kept::open(server.address, &server.authority.pem, http).await.unwrap();
        kept.send(validate(server.address, review("x").to_string())).await.unwrap();
        idle.push(kept);
    }
    let mut silent = connect(server.address, &server.authority.pem, Http::One).await.unwrap();
    server.stop();
    read_to_end(&mut silent).await;
    assert_eq!(server.ended().await, Ended::Drained);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_ends_is_cut_off() {
    let mut server = Running::start(Limits { drain_timeout: Duration::from_millis(200), ..limits() }).await;
    let (address, authority) = (server.address, server.authority.pem.clone());
    let waiting = tokio::spawn(async move {
        let mut kept = Kept::open(address, &authority, Http::One).await.unwrap();
        kept.send(validate(address, review("wait").to_string())).await
    });
    server.judge.waiting.notified().await;
    server.stop();
    assert_eq!(server.ended().await, Ended::CutOff(1));
    waiting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_end_it_is_not_ready_and_still_answers() {
    let mut server = Running::start(Limits { drain_delay: Duration::from_secs(600), ..limits() }).await;
    let mut kept = Kept::open(server.address, &server.authority.pem, Http::Two).await.unwrap();
    let ready = || request("GET", server.address, "/readyz", None, "");
    assert_eq!(kept.send(ready()).await.unwrap().status, 200);
    let asked = ready();
    server.stop();
    let mut answer = kept.send(asked).await.unwrap();
    while answer.status == 200 {
        answer = kept.send(request("GET", server.address, "/readyz", None, "")).await.unwrap();
    }
    assert_eq!(answer.status, 503);
    assert!(answer.text().ends_with("[-]shutdown failed: the process is shutting down\n"), "{}", answer.text());
    for http in BOTH {
        let mut new = Kept::open(server.address, &server.authority.pem, http).await.unwrap();
        let answer = new.send(validate(server.address, review("x").to_string())).await.unwrap();
        assert_eq!(answer.json()["response"]["allowed"], true, "{http:?}");
        assert_eq!(answer.closes, http == Http::One, "HTTP/1.1 is told with each answer");
    }
}
