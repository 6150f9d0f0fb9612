//! The reviews that are sent: what an API server sends for `kubectl apply` of ExternalSecrets with 1 to
//! 50 entries, three of four new, one in ten with an entry that no grant covers.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::world::{Place, external_secret};

/// How many there are; they are sent in turn.
const REVIEWS: usize = 2_000;

/// Most entries of an object.
const MOST_ENTRIES: usize = 50;

/// How a server wants a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrapping {
    None,
    Opa,
}

/// A review, and what its answer must hold.
pub struct Review {
    pub body: Bytes,
    uid: String,
    is_allowed: bool,
}

impl Review {
    /// What is wrong with an answer.
    pub fn fault(&self, answer: &str) -> Option<String> {
        let verdict = if self.is_allowed { "\"allowed\":true" } else { "\"allowed\":false" };
        let is_right = answer.contains(&self.uid) && answer.contains(verdict);
        (!is_right).then(|| format!("expected {verdict} for {}: {answer}", self.uid))
    }
}

/// Makes them, always the same.
pub fn make(namespaces: usize, wrapping: Wrapping) -> Vec<Review> {
    (0..REVIEWS).map(|nth| review(nth, namespaces, wrapping)).collect()
}

fn review(nth: usize, namespaces: usize, wrapping: Wrapping) -> Review {
    // Steps that are prime to what they step through, so that size, verdict and place vary apart.
    let place = Place::nth(nth * 1_999 % namespaces);
    let entries = 1 + nth * 7 % MOST_ENTRIES;
    let is_allowed = nth % 10 != 3;
    let uid = format!("705ab4f5-6393-11e8-b7cc-{nth:012}");
    let mut object = applied(external_secret(&place, "checkout", entries));
    let old = object.clone();
    if !is_allowed {
        let entry = nth * 11 % entries;
        object["spec"]["data"][entry]["remoteRef"]["key"] = "/prod/another-team/service-1/database".into();
    } else if nth % 4 == 1 {
        object["spec"]["refreshInterval"] = "2h".into();
    }
    let is_update = nth % 4 == 1;
    let kind = json!({"group": "external-secrets.io", "version": "v1", "kind": "ExternalSecret"});
    let resource = json!({"group": "external-secrets.io", "version": "v1", "resource": "externalsecrets"});
    let review = json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": uid,
            "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
            "name": "checkout", "namespace": place.namespace,
            "operation": if is_update { "UPDATE" } else { "CREATE" },
            "userInfo": {"username": "jane", "groups": ["developers", "system:authenticated"]},
            "object": object,
            "oldObject": if is_update { old } else { Value::Null },
            "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "kubectl-client-side-apply"},
        },
    });
    let body = match wrapping {
        Wrapping::None => review,
        Wrapping::Opa => json!({ "input": review }),
    };
    Review { body: body.to_string().into(), uid, is_allowed }
}

/// With what API server and `kubectl apply` add to an object: among it its whole text once more.
pub fn applied(mut object: Value) -> Value {
    let text = object.to_string();
    let metadata = &mut object["metadata"];
    metadata["uid"] = "0b36ba6e-0aab-4b67-b07c-4a4ba3b6ee27".into();
    metadata["creationTimestamp"] = "2026-11-25T12:00:00Z".into();
    metadata["generation"] = 1.into();
    metadata["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": text});
    metadata["managedFields"] = json!([{
        "manager": "kubectl-client-side-apply", "operation": "Update", "apiVersion": "external-secrets.io/v1",
        "time": "2026-11-25T12:00:00Z", "fieldsType": "FieldsV1",
        "fieldsV1": {
            "f:metadata": {
                "f:annotations": {".": {}, "f:kubectl.kubernetes.io/last-applied-configuration": {}},
                "f:labels": {".": {}, "f:app.kubernetes.io/name": {}},
            },
            "f:spec": {
                ".": {}, "f:data": {}, "f:refreshInterval": {},
                "f:secretStoreRef": {".": {}, "f:kind": {}, "f:name": {}},
                "f:target": {".": {}, "f:creationPolicy": {}, "f:deletionPolicy": {}, "f:name": {}},
            },
        },
    }]);
    object
}
