//! The webhook's request path: any body gets an answer, and the uid that can be read is in it.
#![no_main]

use std::cell::OnceCell;
use std::sync::Arc;

use keystile_webhook::review::Envelope;
use keystile_webhook::review::json::find_uid;
use keystile_webhook::tls::ServingCertificate;
use keystile_webhook::{AdmissionRequest, Decision, Health, Judge, Limits, Metrics, Server};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;

/// Allows what has a name and denies the rest, so that both answers come.
struct ByName;

impl Judge for ByName {
    async fn judge(&self, request: AdmissionRequest) -> Decision {
        if request.name.is_empty() { Decision::deny(format!("{request:?}")) } else { Decision::allow() }
    }
}

thread_local! {
    static SERVER: OnceCell<(Runtime, Server<ByName>)> = const { OnceCell::new() };
}

fn start() -> (Runtime, Server<ByName>) {
    let metrics = Metrics::default();
    let certificate = ServingCertificate::new(metrics.certificate.clone());
    let server = Server::new(Arc::new(ByName), certificate, Arc::new(Health::default()), metrics, Limits::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    (runtime, server)
}

fuzz_target!(|body: &[u8]| {
    let uid = Envelope::read(body).ok().map(|envelope| envelope.uid().to_owned());
    // The short way finds what the proper way finds, or nothing (keys that are written with escapes).
    if let (Some(uid), Some(found)) = (&uid, find_uid(body)) {
        assert_eq!(*uid, found);
    }
    SERVER.with(|server| {
        let (runtime, server) = server.get_or_init(start);
        let (status, answer) = runtime.block_on(server.answer("application/json", body.to_vec()));
        match status {
            200 => {
                let answer: serde_json::Value = serde_json::from_slice(&answer).expect("an answer is JSON");
                assert!(answer["response"]["allowed"].is_boolean());
                let echoed = answer["response"]["uid"].as_str().expect("a uid is a text");
                assert!(!echoed.is_empty());
                if let Some(uid) = uid {
                    assert_eq!(echoed, uid);
                }
            }
            400 => assert!(uid.is_none()),
            other => panic!("HTTP {other}"),
        }
    });
});
