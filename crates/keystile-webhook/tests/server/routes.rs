//! Paths, methods, and what the other paths say.

use crate::support::client::{BOTH, Http, Kept, request, validate};
use crate::support::{Running, UID, limits, review};

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_methods() {
    let server = Running::start(limits()).await;
    let cases = [
        ("GET", "/validate", 405),
        ("PUT", "/validate", 405),
        ("DELETE", "/validate", 405),
        ("PATCH", "/validate", 405),
        ("POST", "/", 404),
        ("POST", "/validate/", 404),
        ("GET", "/healthz", 200),
        ("HEAD", "/healthz", 200),
        ("POST", "/healthz", 405),
        ("GET", "/readyz", 200),
        ("GET", "/metrics", 200),
        ("POST", "/validate?timeout=10s", 200),
    ];
    for http in BOTH {
        let mut kept = Kept::open(server.address, &server.authority.pem, http).await.unwrap();
        for (method, path, status) in cases {
            let body = review("x").to_string();
            let answer =
                kept.send(request(method, server.address, path, Some("application/json"), body)).await.unwrap();
            assert_eq!(answer.status, status, "{http:?} {method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_are_answered_and_counted() {
    let server = Running::start(limits()).await;
    for http in BOTH {
        let mut kept = Kept::open(server.address, &server.authority.pem, http).await.unwrap();
        let mut ask =
            async |name: &str| kept.send(validate(server.address, review(name).to_string())).await.unwrap().json();
        let denied = ask("deny").await;
        assert_eq!(
            denied["response"],
            serde_json::json!({
                "uid": UID, "allowed": false,
                "status": {"code": 403, "reason": "Forbidden", "message": "spec.x: no (key-outside-grant)"},
            })
        );
        assert_eq!(
            ask("warn").await["response"],
            serde_json::json!({"uid": UID, "allowed": true, "warnings": ["careful"]})
        );
        assert_eq!(ask("x").await["response"], serde_json::json!({"uid": UID, "allowed": true}));
    }
    let text = server.metrics.text();
    for verdict in ["allow", "warn", "deny"] {
        let line = format!(
            "keystile_admission_requests_total{{kind=\"ExternalSecret\",operation=\"CREATE\",verdict=\"{verdict}\"}} 2"
        );
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_of_the_judge_is_a_denial_with_uid_and_the_connection_lives_on() {
    let server = Running::start(limits()).await;
    for http in BOTH {
        let mut kept = Kept::open(server.address, &server.authority.pem, http).await.unwrap();
        let answer = kept.send(validate(server.address, review("panic").to_string())).await.unwrap().json();
        assert_eq!(answer["response"]["uid"], UID);
        assert_eq!(answer["response"]["allowed"], false);
        assert_eq!(answer["response"]["status"]["code"], 500);
        let answer = kept.send(validate(server.address, review("x").to_string())).await.unwrap().json();
        assert_eq!(answer["response"]["allowed"], true);
    }
    server.until("keystile_admission_refusals_total{reason=\"panic\"} 2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tls_there_is_health_but_no_judgement() {
    let server = Running::start(limits()).await;
    let stream = tokio::net::TcpStream::connect(server.probes).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut kept = Kept::One(sender);
    for (method, path, status) in
        [("GET", "/readyz", 200), ("GET", "/healthz", 200), ("GET", "/metrics", 200), ("POST", "/validate", 404)]
    {
        let answer = kept.send(request(method, server.probes, path, None, "")).await.unwrap();
        assert_eq!(answer.status, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_names_an_expired_certificate() {
    let server = Running::start(limits()).await;
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let expired = parameters.self_signed(&key).unwrap().pem();
    let mut kept = Kept::open(server.address, &server.authority.pem, Http::One).await.unwrap();
    let certificate = keystile_webhook::tls::Certificate::from_pem(expired.as_bytes(), key.serialize_pem().as_bytes());
    server.certificate.replace(certificate.unwrap());
    let answer = kept.send(request("GET", server.address, "/readyz", None, "")).await.unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(answer.text(), "[-]certificate failed: the certificate is expired\n[+]shutdown ok\n");
}
