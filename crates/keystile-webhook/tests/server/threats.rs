//! The cases of `tests/threats` at the webhook's door: each goes through TLS, HTTP and a review.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keystile_policy::policy::document;
use keystile_policy::{Policy, Snapshot};
use keystile_webhook::metrics::PolicyMetrics;
use keystile_webhook::policy::PolicyInForce;
use keystile_webhook::{AdmissionRequest, Decision, Guard, Judge};
use serde_json::{Value, json};

use crate::case::{self, Case, Door};
use crate::support::client::{BOTH, Http, Kept, validate};
use crate::support::{Running, UID, limits};

/// The guard of the case that is asked about.
#[derive(Default)]
struct OfTheCase(Mutex<Option<Arc<Guard>>>);

impl Judge for OfTheCase {
    async fn judge(&self, request: AdmissionRequest) -> Decision {
        let guard = self.0.lock().unwrap().clone().expect("a case is set");
        guard.judge(request).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_gets_its_verdict_over_https() {
    let folder = case::folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    let running = Running::start_judged(limits(), Arc::new(OfTheCase::default())).await;
    let mut connections = Vec::new();
    for http in BOTH {
        connections.push(Kept::open(running.address, &running.authority.pem, http).await.unwrap());
    }
    let mut policies: BTreeMap<PathBuf, Arc<PolicyInForce>> = BTreeMap::new();
    let mut faults = Vec::new();
    let cases = case::all(&folder);
    for (number, case) in cases.iter().filter(|case| case.is_for(Door::Webhook)).enumerate() {
        let policy = policies.entry(case.policy.clone()).or_insert_with(|| in_force(&case.policy));
        *running.judge.0.lock().unwrap() = Some(Arc::new(guard(case, policy)));
        // In turn, over both versions of HTTP.
        let kept = &mut connections[number % BOTH.len()];
        let answer = kept.send(validate(running.address, review(case).to_string())).await.unwrap().json();
        if let Some(fault) = fault(case, &answer) {
            faults.push(format!("{}\n  {fault}", case.label()));
        }
    }
    assert!(faults.is_empty(), "{} of {} verdicts:\n{}", faults.len(), cases.len(), faults.join("\n"));
}

fn in_force(file: &Path) -> Arc<PolicyInForce> {
    let text = std::fs::read_to_string(file).unwrap();
    let document: Value = serde_saphyr::from_str(&text).unwrap();
    let (policy, _): (Policy, _) = document::read(&document, "2026-11-25T12:00:00Z".parse().unwrap())
        .unwrap_or_else(|problems| panic!("{}: {problems:?}", file.display()));
    let in_force = PolicyInForce::with_scanner(PolicyMetrics::default());
    in_force.replace(policy, keystile_webhook::policy::digest(text.as_bytes()));
    in_force
}

fn guard(case: &Case, policy: &Arc<PolicyInForce>) -> Guard {
    let mut world = if case.is_world_complete { Snapshot::complete() } else { Snapshot::default() };
    for object in &case.world {
        world.insert(Arc::new(object.clone()));
    }
    let now = case.now.parse().unwrap();
    Guard::new(Arc::clone(policy), Arc::new(world.into()), Duration::ZERO).at(move || now)
}

/// The review that an API server would send about the case.
fn review(case: &Case) -> Value {
    let object = case.judged();
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (group, version) = text("/apiVersion").split_once('/').unwrap_or(("", text("/apiVersion")));
    let kind = text("/kind");
    let namespace = match (kind, text("/metadata/namespace")) {
        ("Namespace", _) => text("/metadata/name"),
        (_, "") => &case.namespace,
        (_, namespace) => namespace,
    };
    json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": UID,
            "kind": {"group": group, "version": version, "kind": kind},
            "resource": {"group": group, "version": version, "resource": format!("{}s", kind.to_lowercase())},
            "subResource": case.subresource,
            "name": text("/metadata/name"),
            "namespace": namespace,
            "operation": case.operation,
            "userInfo": {"username": case.user.name, "groups": case.user.groups},
            "object": case.object, "oldObject": case.old, "dryRun": false,
        },
    })
}

/// What is wrong with the answer; nothing where it is right.
fn fault(case: &Case, answer: &Value) -> Option<String> {
    let response = &answer["response"];
    let message = response["status"]["message"].as_str().unwrap_or_default();
    if response["uid"] != UID || response["allowed"] != case.deny.is_empty() {
        return Some(format!("allowed is {}: {message}", response["allowed"]));
    }
    if !case.deny.is_empty() && (response["status"]["code"] != 403 || response["status"]["reason"] != "Forbidden") {
        return Some(format!("the status is {}", response["status"]));
    }
    for (verb, expected) in [("denied", &case.deny), ("warned", &case.warn)] {
        let ids = response["auditAnnotations"][verb].as_str().unwrap_or_default();
        let mut found: Vec<&str> = ids.split(',').filter(|id| !id.is_empty()).collect();
        found.sort_unstable();
        if *expected != found {
            return Some(format!("should be {verb} by {expected:?}, is by {found:?}\n    {message}"));
        }
    }
    let warnings: Vec<&str> = response["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let missing =
        case.says.iter().find(|says| !message.contains(*says) && !warnings.iter().any(|one| one.contains(*says)))?;
    Some(format!("does not say {missing:?}\n    {message}\n    {warnings:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_world_without_answers_denies() {
    let folder = case::folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    let running = Running::start_judged(limits(), Arc::new(OfTheCase::default())).await;
    let policy = in_force(&folder.join("policies/default.yaml"));
    let guard = Guard::new(policy, Arc::new(Snapshot::default().into()), Duration::ZERO);
    *running.judge.0.lock().unwrap() = Some(Arc::new(guard));
    let mut kept = Kept::open(running.address, &running.authority.pem, Http::Two).await.unwrap();
    let mut review = crate::support::review("db");
    review["request"]["object"]["spec"]["secretStoreRef"] = json!({"kind": "ClusterSecretStore", "name": "aws"});
    let answer = kept.send(validate(running.address, review.to_string())).await.unwrap().json();
    assert_eq!(answer["response"]["allowed"], false, "{answer}");
}
