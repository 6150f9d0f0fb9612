//! Reviews that were damaged at random: every one gets an answer, and the uid whenever it is still there.

use std::sync::Arc;

use keystile_webhook::review::json::find_uid;
use keystile_webhook::tls::ServingCertificate;
use keystile_webhook::{Health, Metrics, Server};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::{Scripted, UID, limits, nested, review};

/// A change to a text: at a place (in thousandths of its length), so many bytes go and others come.
fn damage() -> impl Strategy<Value = (usize, usize, Vec<u8>)> {
    let tokens = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        ":",
        ",",
        "null",
        "-1e9",
        "\u{0}",
        "\"uid\":\"other\",",
        "\"object\":null,",
        "\"request\":",
    ]);
    let text = prop_oneof![
        4 => tokens.prop_map(|token| token.as_bytes().to_vec()),
        2 => prop::collection::vec(any::<u8>(), 0..8),
        1 => Just(nested(300).into_bytes()),
    ];
    (0..=1000_usize, prop_oneof![Just(0), Just(1), 0..400_usize], text)
}

fn damaged(changes: &[(usize, usize, Vec<u8>)]) -> Vec<u8> {
    let mut body = review("deny").to_string().into_bytes();
    for (place, length, text) in changes {
        let from = body.len() * place / 1000;
        let to = (from + length).min(body.len());
        body.splice(from..to, text.iter().copied());
    }
    body
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_damaged_review_is_answered(changes in prop::collection::vec(damage(), 0..4)) {
        let metrics = Metrics::default();
        let server = Server::new(
            Arc::new(Scripted::default()),
            ServingCertificate::new(metrics.certificate.clone()),
            Arc::new(Health::default()),
            metrics,
            limits(),
        );
        let body = damaged(&changes);
        let found = find_uid(&body);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (status, answer) = runtime.block_on(server.answer("application/json", body));
        match status {
            200 => {
                let answer: Value = serde_json::from_slice(&answer).unwrap();
                prop_assert!(answer["response"]["uid"].as_str().is_some_and(|uid| !uid.is_empty()));
                prop_assert!(answer["response"]["allowed"].is_boolean());
                if changes.is_empty() {
                    prop_assert_eq!(&answer["response"]["uid"], UID);
                }
            }
            // Two uids and an unusable one are the only reasons to see a uid and not echo it.
            400 => prop_assert!(found.is_none_or(|uid| uid.is_empty() || uid.len() > 256 || changes.iter().any(|(_, _, text)| text.starts_with(b"\"uid\"")))),
            other => prop_assert!(false, "HTTP {}", other),
        }
    }
}
