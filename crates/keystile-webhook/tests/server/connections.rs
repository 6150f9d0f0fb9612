//! Clients that are slow, silent, many or half gone.

use std::time::Duration;

use keystile_webhook::Limits;
use tokio::io::AsyncWriteExt as _;

use crate::support::client::{BOTH, Http, Kept, connect, exchange, read_to_end, validate};
use crate::support::{Running, UID, limits, review};

/// Too short for what never comes.
const SHORT: Duration = Duration::from_millis(100);
/// Too short for what never comes, long enough on a busy machine for what comes before it.
const NOT_SO_SHORT: Duration = Duration::from_secs(1);

fn head(body_bytes: usize) -> String {
    format!(
        "POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {body_bytes}\r\n\r\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_end_is_cut() {
    let server = Running::start(Limits { header_timeout: SHORT, ..limits() }).await;
    let mut stream = connect(server.address, &server.authority.pem, Http::One).await.unwrap();
    assert_eq!(exchange(&mut stream, b"POST /validate HTTP/1.1\r\nhost:").await, "");
    server.until("keystile_connections_closed_total{reason=\"slow-head\"} 1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_outlives_the_time_for_a_head() {
    let server = Running::start(Limits { header_timeout: SHORT, ..limits() }).await;
    for http in BOTH {
        let mut kept = Kept::open(server.address, &server.authority.pem, http).await.unwrap();
        for _ in 0..2 {
            let answer = kept.send(validate(server.address, review("x").to_string())).await.unwrap();
            assert_eq!(answer.json()["response"]["allowed"], true);
            tokio::time::sleep(SHORT * 3).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed() {
    let server = Running::start(Limits { idle_timeout: SHORT, ..limits() }).await;
    for (http, closed) in [(Http::One, 1), (Http::Two, 2)] {
        let mut stream = connect(server.address, &server.authority.pem, http).await.unwrap();
        let mut read = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut read).await;
        server.until(&format!("keystile_connections_closed_total{{reason=\"idle\"}} {closed}")).await;
    }
    server.until("keystile_connections_open 0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_does_not_come_is_given_up() {
    let server = Running::start(Limits { handshake_timeout: SHORT, ..limits() }).await;
    let silent = tokio::net::TcpStream::connect(server.address).await.unwrap();
    server.until("keystile_connections_closed_total{reason=\"slow-handshake\"} 1").await;
    drop(silent);
    let server = Running::start(limits()).await;
    let mut plain = tokio::net::TcpStream::connect(server.address).await.unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\n\r\n").await.unwrap();
    server.until("keystile_connections_closed_total{reason=\"failed-handshake\"} 1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_end_is_answered_with_its_uid() {
    let server = Running::start(Limits { body_timeout: NOT_SO_SHORT, ..limits() }).await;
    let body = review("x").to_string();
    let mut stream = connect(server.address, &server.authority.pem, Http::One).await.unwrap();
    let answer = exchange(&mut stream, format!("{}{}", head(body.len()), &body[..200]).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("connection: close"), "{answer}");
    assert!(answer.contains(UID) && answer.contains("did not arrive in time: 200 bytes came"), "{answer}");

    let mut stream = connect(server.address, &server.authority.pem, Http::One).await.unwrap();
    let answer = exchange(&mut stream, head(body.len()).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_closed_its_half_is_answered() {
    let server = Running::start(limits()).await;
    let body = review("deny").to_string();
    let mut stream = connect(server.address, &server.authority.pem, Http::One).await.unwrap();
    stream.write_all(format!("{}{body}", head(body.len())).as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.contains(UID) && answer.contains("key-outside-grant"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_within_its_body_leaves_nothing_behind() {
    let server = Running::start(limits()).await;
    let body = review("x").to_string();
    let mut stream = connect(server.address, &server.authority.pem, Http::One).await.unwrap();
    stream.write_all(format!("{}{}", head(body.len()), &body[..100]).as_bytes()).await.unwrap();
    server.until("keystile_admission_requests_in_flight 1").await;
    stream.shutdown().await.unwrap();
    read_to_end(&mut stream).await;
    server.until("keystile_admission_requests_in_flight 0").await;
    server.until("keystile_connections_open 0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_http_are_refused() {
    let server = Running::start(limits()).await;
    let mut stream = connect(server.address, &server.authority.pem, Http::One).await.unwrap();
    let answer = exchange(&mut stream, b"\x16\x03\x01 noise\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    // A head that never ends: cut off at 64 KiB or a read's length more. The answer may be lost with
    // the connection, since the client is still writing.
    let mut stream = connect(server.address, &server.authority.pem, Http::One).await.unwrap();
    let answer = exchange(&mut stream, format!("POST / HTTP/1.1\r\nx: {}", "y".repeat(1 << 20)).as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    server.until("keystile_connections_open 0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_lock_nobody_out() {
    let server = Running::start(Limits { max_connections: 8, ..limits() }).await;
    let mut kept = Kept::open(server.address, &server.authority.pem, Http::One).await.unwrap();
    assert_eq!(kept.send(validate(server.address, review("x").to_string())).await.unwrap().status, 200);
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(connect(server.address, &server.authority.pem, Http::One).await.unwrap());
    }
    server.until("keystile_connections_closed_total{reason=\"evicted\"} 13").await;
    // The one that was used is still there, and there is room for another.
    assert_eq!(kept.send(validate(server.address, review("x").to_string())).await.unwrap().status, 200);
    let mut other = Kept::open(server.address, &server.authority.pem, Http::Two).await.unwrap();
    assert_eq!(other.send(validate(server.address, review("x").to_string())).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_come_lock_nobody_out() {
    let endless = Duration::from_secs(60);
    let server =
        Running::start(Limits { max_connections: 8, body_timeout: endless, deadline: endless, ..limits() }).await;
    let mut kept = Kept::open(server.address, &server.authority.pem, Http::One).await.unwrap();
    assert_eq!(kept.send(validate(server.address, review("x").to_string())).await.unwrap().status, 200);
    let mut slow = Vec::new();
    for _ in 0..3 {
        for _ in 0..7 {
            let mut stream = connect(server.address, &server.authority.pem, Http::One).await.unwrap();
            stream.write_all(format!("{}{{", head(1_000)).as_bytes()).await.unwrap();
            slow.push(stream);
        }
        server.until("keystile_admission_requests_in_flight 7").await;
        // As long as a body may take before its connection gives way.
        tokio::time::sleep(NOT_SO_SHORT).await;
    }
    server.until("keystile_connections_closed_total{reason=\"evicted\"} 14").await;
    assert_eq!(kept.send(validate(server.address, review("x").to_string())).await.unwrap().status, 200);
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_reads_are_few() {
    const SETTINGS: u8 = 4;
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    let server = Running::start(limits()).await;
    let mut stream = connect(server.address, &server.authority.pem, Http::Two).await.unwrap();
    // SETTINGS_INITIAL_WINDOW_SIZE 0: no byte of an answer may be sent.
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    sent.extend(frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
    // GET, https, and :path as text (RFC 7541, appendix A).
    let request = [&[0x82, 0x87, 0x04, 8], &b"/metrics"[..]].concat();
    let opened = 100;
    for nth in 0..opened {
        // END_STREAM and END_HEADERS.
        sent.extend(frame(HEADERS, 5, 2 * nth + 1, &request));
    }
    stream.write_all(&sent).await.unwrap();
    let mut received = Vec::new();
    let refused = loop {
        let mut buffer = [0; 16 * 1024];
        let read = tokio::time::timeout(NOT_SO_SHORT, tokio::io::AsyncReadExt::read(&mut stream, &mut buffer)).await;
        match read {
            Ok(Ok(count)) if count > 0 => received.extend_from_slice(&buffer[..count]),
            _ => {
                let mut refused = 0;
                let mut rest = &received[..];
                while let Some((head, behind)) = rest.split_first_chunk::<9>() {
                    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                    // REFUSED_STREAM (RFC 9113, section 7).
                    refused += u32::from(head[3] == RST_STREAM && behind[..length] == [0, 0, 0, 7]);
                    rest = &behind[length..];
                }
                break refused;
            }
        }
    };
    assert_eq!(refused, opened - 16, "all but as many as one connection may have at a time");
}
