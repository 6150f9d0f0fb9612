//! Whatever comes in the body: an answer with the uid, or HTTP 400 when there is none.

use serde_json::{Value, json};

use crate::support::client::{BOTH, Kept, request, validate};
use crate::support::{Running, UID, limits, nested, object, review};

enum Expected {
    Allowed,
    /// `status.code` and a part of the message.
    Denied(u16, &'static str),
    /// HTTP 400 and a part of the text.
    BadRequest(&'static str),
}
use Expected::{Allowed, BadRequest, Denied};

/// The review with its `object` replaced by a text that need not be JSON.
fn with_object(text: &str) -> String {
    let mut review = review("x");
    review["request"]["object"] = json!("HERE");
    review.to_string().replace("\"HERE\"", text)
}

fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut review = review("x");
    change(&mut review);
    review.to_string()
}

/// An update of an object that is nested too deep, with a `metadata` and a `spec` of its new form.
fn deep_update(kind: &str, metadata: &str, spec: &str) -> String {
    let object = |metadata: &str, spec: &str| {
        format!(
            r#"{{"apiVersion":"external-secrets.io/v1alpha1","kind":"{kind}","metadata":{metadata},"spec":{spec}}}"#
        )
    };
    let (new, old) = (object(metadata, spec), object(r#"{"finalizers":["x/y"]}"#, &nested(200)));
    let kind = json!({"group": "external-secrets.io", "version": "v1alpha1", "kind": kind});
    format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"{UID}","kind":{kind},"operation":"UPDATE","object":{new},"oldObject":{old}}}}}"#
    )
}

/// A deletion of an object that is nested too deep.
fn deep_delete(user: &str) -> String {
    let mut review = review("x");
    review["request"]["operation"] = json!("DELETE");
    review["request"]["object"] = Value::Null;
    review["request"]["oldObject"] = json!("HERE");
    review["request"]["userInfo"]["username"] = json!(user);
    review.to_string().replace("\"HERE\"", &format!("{{\"spec\":{}}}", nested(200)))
}

/// A review of exactly so many bytes.
fn of_size(bytes: usize) -> String {
    let mut review = review("x");
    review["request"]["object"]["spec"]["filler"] = json!("");
    let rest = bytes - review.to_string().len();
    review["request"]["object"]["spec"]["filler"] = json!("x".repeat(rest));
    review.to_string()
}

fn cases() -> Vec<(&'static str, Vec<u8>, Expected)> {
    let whole = review("x").to_string();
    let at = whole.find("\"object\"").unwrap();
    let mut not_utf8 = whole.clone().into_bytes();
    not_utf8[at + 2] = 0xff;
    let max = limits().max_body_bytes;
    vec![
        ("well formed", whole.clone().into(), Allowed),
        ("empty", b"".to_vec(), BadRequest("the body is no AdmissionReview")),
        ("not JSON", b"uid: 1".to_vec(), BadRequest("the body is no AdmissionReview")),
        ("not JSON behind the uid", format!("{} oops", &whole[..at]).into(), Denied(403, "it is not valid JSON")),
        ("cut off behind the uid", whole[..at].into(), Denied(403, "it is not valid JSON")),
        ("not UTF-8 behind the uid", not_utf8, Denied(403, "the body is not UTF-8 at byte")),
        ("two JSON texts", format!("{whole}{whole}").into(), Denied(403, "it is not valid JSON")),
        ("an array", b"[]".to_vec(), BadRequest("the body is no AdmissionReview")),
        ("an empty object", b"{}".to_vec(), BadRequest("the AdmissionReview has no request")),
        ("request is null", changed(|r| r["request"] = Value::Null).into(), BadRequest("has no request")),
        (
            "request is a text",
            changed(|r| r["request"] = json!("x")).into(),
            BadRequest("request of the AdmissionReview can't be read"),
        ),
        ("no uid", changed(|r| r["request"]["uid"] = Value::Null).into(), BadRequest("request.uid must be there once")),
        (
            "uid is a number",
            changed(|r| r["request"]["uid"] = json!(7)).into(),
            BadRequest("request.uid must be there once"),
        ),
        (
            "uid is empty",
            changed(|r| r["request"]["uid"] = json!("")).into(),
            BadRequest("request.uid must be there once"),
        ),
        (
            "uid is huge",
            changed(|r| r["request"]["uid"] = json!("u".repeat(300))).into(),
            BadRequest("request.uid must be there once"),
        ),
        (
            "two uids",
            whole.replacen("\"uid\"", "\"uid\":\"other\",\"uid\"", 1).into(),
            BadRequest("request.uid must be there once"),
        ),
        (
            "another kind",
            changed(|r| r["kind"] = json!("TokenReview")).into(),
            Denied(403, "kind is not AdmissionReview"),
        ),
        ("no kind", changed(|r| r["kind"] = Value::Null).into(), Denied(403, "kind is not AdmissionReview")),
        (
            "unknown version",
            changed(|r| r["apiVersion"] = json!("admission.k8s.io/v2")).into(),
            Denied(403, "admissionReviewVersions: [v1]"),
        ),
        ("no version", changed(|r| r["apiVersion"] = Value::Null).into(), Denied(403, "admissionReviewVersions: [v1]")),
        (
            "field of the review twice",
            whole.replacen("\"kind\"", "\"kind\":\"AdmissionReview\",\"kind\"", 1).into(),
            Denied(403, "a field of the AdmissionReview stands twice"),
        ),
        (
            "field of the request twice",
            whole.replacen("\"name\"", "\"name\":\"y\",\"name\"", 1).into(),
            Denied(403, "a field of request in the AdmissionReview stands twice"),
        ),
        (
            "object's key twice",
            with_object(r#"{"spec":{"key":"a","key":"b"}}"#).into(),
            Denied(403, "a key stands twice in one object (line 1, column 24): keep one of them (object-unparsable)"),
        ),
        (
            "no object",
            changed(|r| r["request"]["object"] = Value::Null).into(),
            Denied(403, "request.object is missing"),
        ),
        ("object is an array", with_object("[]").into(), Denied(403, "request.object is no object")),
        (
            "object of another kind",
            with_object(r#"{"apiVersion":"external-secrets.io/v1","kind":"PushSecret"}"#).into(),
            Denied(403, "of another kind or version than request.kind says"),
        ),
        (
            "no old object",
            changed(|r| r["request"]["operation"] = json!("UPDATE")).into(),
            Denied(403, "request.oldObject is missing"),
        ),
        (
            "request's kind is a text",
            changed(|r| r["request"]["kind"] = json!("ExternalSecret")).into(),
            Denied(403, "request.kind does not have the type"),
        ),
        (
            "request names no kind",
            changed(|r| r["request"]["kind"] = Value::Null).into(),
            Denied(403, "request.kind names no kind or no version"),
        ),
        (
            "unknown operation",
            changed(|r| r["request"]["operation"] = json!("PATCH")).into(),
            Denied(403, "request.operation must be"),
        ),
        (
            "groups are numbers",
            changed(|r| r["request"]["userInfo"]["groups"] = json!([1])).into(),
            Denied(403, "request.userInfo does not have the type"),
        ),
        ("nested 128 deep", with_object(&format!("{{\"spec\":{}}}", nested(127))).into(), Allowed),
        (
            "nested 200 deep",
            with_object(&format!("{{\"spec\":{}}}", nested(200))).into(),
            Denied(
                403,
                "request.object can't be judged: it is nested deeper than 128 levels: flatten it (object-unparsable)",
            ),
        ),
        (
            "nested 100,000 deep",
            with_object(&format!("{{\"spec\":{}}}", nested(100_000))).into(),
            Denied(403, "nested deeper than 128 levels"),
        ),
        (
            "nested 100,000 deep in an ignored field",
            changed(|r| r["request"]["options"] = json!("HERE")).replace("\"HERE\"", &nested(100_000)).into(),
            Allowed,
        ),
        (
            "a million values",
            with_object(&format!("{{\"spec\":[{}1]}}", "1,".repeat(1_000_000))).into(),
            Denied(403, "it holds more than 400000 values: split it"),
        ),
        ("finalizer of a deep object goes", deep_update("PushSecret", "{}", &nested(200)).into(), Allowed),
        (
            "spec of a deep object changes",
            deep_update("PushSecret", "{}", &nested(201)).into(),
            Denied(403, "nested deeper"),
        ),
        ("a deep object is mended", deep_update("PushSecret", "{}", "{}").into(), Allowed),
        ("a deep object is deleted", deep_delete("dev").into(), Denied(403, "request.oldObject can't be judged")),
        (
            "a deep object is collected",
            deep_delete("system:serviceaccount:kube-system:namespace-controller").into(),
            Allowed,
        ),
        ("3 MiB", of_size(3 << 20).into(), Allowed),
        ("8 MiB", of_size(max).into(), Allowed),
        (
            "8 MiB and a byte",
            of_size(max + 1).into(),
            Denied(
                413,
                "keystile reads AdmissionReviews of up to 8388608 bytes, this one has 8388609 bytes: make the object smaller",
            ),
        ),
        ("8 MiB and a byte without uid", vec![b' '; max + 1], BadRequest("up to 8388608 bytes")),
        ("20 MiB", of_size(20 << 20).into(), Denied(413, "this one has 20971520 bytes")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_body_gets_its_answer() {
    let server = Running::start(limits()).await;
    for http in BOTH {
        for (name, body, expected) in cases() {
            // The size limit closes a connection, so each case has its own.
            let mut kept = Kept::open(server.address, &server.authority.pem, http).await.unwrap();
            let answer = kept
                .send(validate(server.address, body))
                .await
                .unwrap_or_else(|error| panic!("{http:?} {name}: {error:?}"));
            match expected {
                BadRequest(text) => {
                    assert_eq!(answer.status, 400, "{http:?} {name}: {}", answer.text());
                    assert!(answer.text().contains(text), "{http:?} {name}: {}", answer.text());
                }
                Allowed | Denied(..) => {
                    assert_eq!(answer.status, 200, "{http:?} {name}: {}", answer.text());
                    let json = answer.json();
                    assert_eq!(json["response"]["uid"], UID, "{http:?} {name}");
                    assert_eq!(json["apiVersion"], "admission.k8s.io/v1", "{http:?} {name}");
                    assert_eq!(json["kind"], "AdmissionReview", "{http:?} {name}");
                    let status = &json["response"]["status"];
                    if let Denied(code, message) = expected {
                        assert_eq!(json["response"]["allowed"], false, "{http:?} {name}");
                        assert_eq!(status["code"], code, "{http:?} {name}");
                        let found = status["message"].as_str().unwrap();
                        assert!(found.contains(message), "{http:?} {name}: {found}");
                    } else {
                        assert_eq!(json["response"]["allowed"], true, "{http:?} {name}: {status}");
                    }
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn content_types() {
    let server = Running::start(limits()).await;
    let cases = [
        ("with parameters", Some("Application/JSON; charset=utf-8"), true),
        ("text", Some("text/plain"), false),
        ("protobuf", Some("application/vnd.kubernetes.protobuf"), false),
        ("none", None, false),
    ];
    for http in BOTH {
        let mut kept = Kept::open(server.address, &server.authority.pem, http).await.unwrap();
        for (name, content_type, allowed) in cases {
            let body = review("x").to_string();
            let answer = kept.send(request("POST", server.address, "/validate", content_type, body)).await.unwrap();
            let json = answer.json();
            assert_eq!(json["response"]["allowed"], allowed, "{name}");
            assert_eq!(json["response"]["uid"], UID, "{name}");
            if !allowed {
                assert_eq!(
                    json["response"]["status"]["message"], "the request's Content-Type must be application/json",
                    "{name}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn v1beta1_is_refused_in_its_own_version() {
    let server = Running::start(limits()).await;
    let mut kept = Kept::open(server.address, &server.authority.pem, BOTH[0]).await.unwrap();
    let body = changed(|r| r["apiVersion"] = json!("admission.k8s.io/v1beta1"));
    let json = kept.send(validate(server.address, body)).await.unwrap().json();
    assert_eq!(json["apiVersion"], "admission.k8s.io/v1beta1");
    assert_eq!(json["response"]["uid"], UID);
    assert_eq!(json["response"]["allowed"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_quotes_the_object() {
    let server = Running::start(limits()).await;
    let mut kept = Kept::open(server.address, &server.authority.pem, BOTH[0]).await.unwrap();
    let marker = "MARKER-7f3a";
    let mut wrong_type = review(marker);
    wrong_type["request"]["userInfo"]["groups"] = json!(marker);
    let mut other_kind = object("x");
    other_kind["kind"] = json!(marker);
    let bodies = [
        with_object(&format!(r#"{{"{marker}":"{marker}","{marker}":1}}"#)),
        with_object(&format!(r#"{{"a":"{marker}" {marker}}}"#)),
        with_object(&other_kind.to_string()),
        with_object(&format!("\"{marker}\"")),
        wrong_type.to_string(),
    ];
    for body in bodies {
        let answer = kept.send(validate(server.address, body.clone())).await.unwrap();
        assert!(answer.text().contains("\"allowed\":false"), "{}", answer.text());
        assert!(!answer.text().contains(marker), "{}", answer.text());
    }
}
