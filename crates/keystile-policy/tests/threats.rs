//! The cases of `tests/threats` at the engine's door: each is judged as the webhook would ask, as
//! `keystile check` would, or both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keystile_policy::policy::{Policy, document};
use keystile_policy::{Action, Engine, Judgement, Operation, Request, Snapshot, User};

#[path = "../../../tests/threats/case.rs"]
mod case;

use case::{Case, Door};

fn folder() -> PathBuf {
    case::folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
}

#[test]
fn every_case_gets_its_verdict() {
    let mut engines: BTreeMap<PathBuf, Engine> = BTreeMap::new();
    let mut faults = Vec::new();
    for case in case::all(&folder()) {
        let engine = engines.entry(case.policy.clone()).or_insert_with(|| Engine::new(policy(&case.policy)));
        let doors = [
            (case.is_for(Door::Engine) || case.is_for(Door::Webhook), keystile_policy::Door::Admission),
            (case.is_for(Door::Check), keystile_policy::Door::Offline),
        ];
        for (_, door) in doors.into_iter().filter(|(is_shown, _)| *is_shown) {
            let judgement = judge(engine, &case, door);
            if let Some(fault) = fault(&case, &judgement) {
                faults.push(format!("{}\n  at {door:?}: {fault}", case.label()));
            }
        }
    }
    assert!(faults.is_empty(), "{} verdicts:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_line_has_a_case() {
    let cases = case::all(&folder());
    let missing: Vec<String> =
        case::lines(&folder()).into_iter().filter(|line| !cases.iter().any(|case| case.threat == *line)).collect();
    assert!(missing.is_empty(), "no case for: {}", missing.join(", "));
}

#[test]
fn at_least_as_many_pass_as_are_refused() {
    let cases = case::all(&folder());
    let passing = cases.iter().filter(|case| case.deny.is_empty()).count();
    let refused = cases.len() - passing;
    assert!(passing >= refused, "{refused} cases are refused, only {passing} pass");
}

fn judge(engine: &Engine, case: &Case, door: keystile_policy::Door) -> Judgement {
    let mut world = if case.is_world_complete { Snapshot::complete() } else { Snapshot::default() };
    for object in &case.world {
        world.insert(Arc::new(object.clone()));
    }
    let user = User { name: case.user.name.clone(), groups: case.user.groups.clone() };
    let now = case.now.parse().expect("a case's time is RFC 3339");
    let mut request = Request::offline(case.judged(), &case.namespace, now);
    request.door = door;
    request.sub_resource = &case.subresource;
    request.object = case.object.as_ref();
    request.old_object = case.old.as_ref();
    request.operation = match case.operation.as_str() {
        "CREATE" => Operation::Create,
        "UPDATE" => Operation::Update,
        "DELETE" => Operation::Delete,
        other => panic!("{}: there is no operation {other}", case.label()),
    };
    request.user = (door == keystile_policy::Door::Admission).then_some(&user);
    engine.judge(&request, &world)
}

/// What is wrong with the judgement; `None` = nothing.
fn fault(case: &Case, judgement: &Judgement) -> Option<String> {
    let ids = |action: Action| {
        let mut ids: Vec<&str> = judgement.with(action).map(|violation| violation.rule.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let messages: Vec<String> = judgement.violations.iter().map(|judged| judged.violation.to_string()).collect();
    let said = messages.join("\n    ");
    for (verb, expected, action) in [("denied", &case.deny, Action::Deny), ("warned", &case.warn, Action::Warn)] {
        let found = ids(action);
        if *expected != found {
            return Some(format!("should be {verb} by {expected:?}, is by {found:?}\n    {said}"));
        }
    }
    let missing = case.says.iter().find(|text| !messages.iter().any(|message| message.contains(*text)))?;
    Some(format!("does not say {missing:?}\n    {said}"))
}

/// The policy of a file.
fn policy(file: &Path) -> Policy {
    let text = std::fs::read_to_string(file).expect("a policy can be read");
    let document: serde_json::Value = serde_saphyr::from_str(&text).expect("a policy is YAML");
    let now = "2026-11-25T12:00:00Z".parse().expect("a time");
    match document::read(&document, now) {
        Ok((policy, problems)) if problems.is_empty() => policy,
        Ok((_, problems)) | Err(problems) => {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("{}:\n{}", file.display(), problems.join("\n"))
        }
    }
}
