//! Policy documents: what they say, what is wrong with them, where each value comes from.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cases;
mod errors;
mod exceptions;
mod export;
mod overlap;
mod proposal;
mod reference;
mod values;

use jiff::Timestamp;
use keystile_policy::policy::Policy;
use keystile_policy::policy::document::{Problem, read};
use serde_json::Value;

/// The time at which documents are read.
fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

/// A document with this `spec`, beside a binding by the labels `team` and `env` (dev, staging, prod).
fn document(spec: &str) -> Value {
    let mut document: Value = serde_saphyr::from_str(
        "apiVersion: keystile.dev/v1alpha1\n\
         kind: SecretPolicy\n\
         metadata: {name: default}\n\
         spec:\n  binding: {team: {label: team, reserved: [shared]}, env: {label: env, values: [dev, staging, prod]}}\n",
    )
    .unwrap();
    let spec: Value =
        if spec.is_empty() { Value::Object(Default::default()) } else { serde_saphyr::from_str(spec).unwrap() };
    for (name, value) in spec.as_object().unwrap() {
        document["spec"][name] = value.clone();
    }
    document
}

/// The policy of a document without a problem.
fn policy(spec: &str) -> Policy {
    match read(&document(spec), now()) {
        Ok((policy, problems)) if problems.is_empty() => policy,
        Ok((_, problems)) | Err(problems) => panic!("{}", shown(&problems).join("\n")),
    }
}

/// The problems of a document.
fn problems(spec: &str) -> Vec<String> {
    match read(&document(spec), now()) {
        Ok((_, problems)) | Err(problems) => shown(&problems),
    }
}

fn shown(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// An entry for AWS with these grants, one a line.
fn aws(grants: &[&str]) -> String {
    let grants: Vec<String> = grants.iter().map(|grant| format!("  - {grant}\n")).collect();
    format!("providers:\n- aws: {{accounts: ['111111111111'], regions: [eu-west-1]}}\n  grants:\n{}", grants.concat())
}
