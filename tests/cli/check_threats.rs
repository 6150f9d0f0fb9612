//! The cases of `tests/threats` at the door of `keystile check`: the object in a file, what lies around it as
//! `--world`, the verdict out of the report.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::assets::project;
use crate::support::keystile;

#[path = "../threats/case.rs"]
mod case;

use case::{Case, Door};

#[test]
fn every_case_gets_its_verdict() {
    let cases: Vec<Case> =
        case::all(&case::folder(project())).into_iter().filter(|case| case.is_for(Door::Check)).collect();
    assert!(!cases.is_empty(), "no case is for this door");
    let (next, faults) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(fault) = fault(case) {
                        faults.lock().unwrap().push(format!("{}\n  {fault}", case.label()));
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{} of {} verdicts:\n{}", faults.len(), cases.len(), faults.join("\n"));
}

/// What is wrong with the verdict on a case; `None` = nothing.
fn fault(case: &Case) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &Value| std::fs::write(folder.path().join(name), value.to_string()).unwrap();
    write("object.json", case.judged());
    write("world.json", &json!({"apiVersion": "v1", "kind": "List", "items": case.world}));
    let mut arguments = vec!["check", "--format=json", "object.json", "--at", &case.now];
    // What a world lacks is absent; what the files of a run lack is not known.
    if case.is_world_complete {
        arguments.extend(["--world", "world.json"]);
    } else {
        arguments.push("world.json");
    }
    let policy = case.policy.display().to_string();
    arguments.extend(["--policy", &policy]);
    if !case.namespace.is_empty() {
        arguments.extend(["--namespace", &case.namespace]);
    }
    let run = keystile(folder.path(), &arguments);
    if run.status == Some(2) {
        return Some(run.stderr);
    }
    verdict(case, run.status, &run.json())
}

fn verdict(case: &Case, status: Option<i32>, report: &Value) -> Option<String> {
    let found: Vec<&Value> =
        report["violations"].as_array()?.iter().filter(|found| found["file"] == "object.json").collect();
    let text = |found: &Value, field: &str| found[field].as_str().unwrap_or_default().to_owned();
    // As the webhook says it: `path: what is wrong; what to change (rule-id)`.
    let messages: Vec<String> = found
        .iter()
        .map(|found| {
            let (message, cure) = (text(found, "message"), text(found, "cure"));
            let sentence = if cure.is_empty() { message } else { format!("{message}; {cure}") };
            format!("{}: {sentence} ({})", text(found, "path"), text(found, "rule_id"))
        })
        .collect();
    let said = messages.join("\n    ");
    for (action, expected) in [("deny", &case.deny), ("warn", &case.warn)] {
        let mut ids: Vec<String> =
            found.iter().filter(|found| found["action"] == action).map(|found| text(found, "rule_id")).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids != *expected {
            return Some(format!("should {action} by {expected:?}, does by {ids:?}\n    {said}"));
        }
    }
    if let Some(missing) = case.says.iter().find(|text| !messages.iter().any(|message| message.contains(*text))) {
        return Some(format!("does not say {missing:?}\n    {said}"));
    }
    if case.is_world_complete {
        let is_refused = found.iter().any(|found| found["weight"] == "violation");
        let is_decided = !found.iter().any(|found| found["weight"] == "undecided");
        let expected = if is_refused { 1 } else { 3 * i32::from(!is_decided) };
        if status != Some(expected) {
            return Some(format!("should end with {expected}, does with {status:?}\n    gaps: {}", report["gaps"]));
        }
    }
    None
}
