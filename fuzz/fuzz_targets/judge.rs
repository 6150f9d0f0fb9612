//! Extraction and rules: no object makes the engine panic, a second look says the same, and what does not
//! change is not refused.
#![no_main]

use std::sync::{Arc, LazyLock};

use keystile_manifest::{Format, Source, read};
use keystile_policy::policy::document;
use keystile_policy::{Door, Engine, Judgement, Operation, Request, Snapshot, User};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static ENGINES: LazyLock<Vec<Engine>> = LazyLock::new(|| {
    [
        include_str!("../../tests/threats/policies/stores.yaml"),
        include_str!("../../tests/threats/policies/push.yaml"),
        include_str!("../../tests/threats/policies/operator.yaml"),
        include_str!("../../tests/threats/policies/agent.yaml"),
    ]
    .into_iter()
    .map(|text| {
        let now = "2026-11-25T12:00:00Z".parse().expect("a time");
        let policy = documents(text).next().expect("a document");
        Engine::new(document::read(&policy, now).expect("the policy is right").0)
    })
    .collect()
});

static WORLD: LazyLock<Snapshot> = LazyLock::new(|| {
    let mut world = Snapshot::complete();
    for object in documents(include_str!("../../tests/threats/world.yaml")) {
        world.insert(Arc::new(object));
    }
    world
});

fn documents(text: &str) -> impl Iterator<Item = Value> {
    let source = Arc::new(Source::from_bytes("t.yaml", text.as_bytes().to_vec()).expect("it is text"));
    let read = read(&source, Format::Yaml);
    read.into_iter().map(|document| Value::clone(&document.expect("it is YAML").value))
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, text)) = data.split_first() else { return };
    // An object, or the new and the old one.
    let Ok(value) = serde_json::from_slice::<Value>(text) else { return };
    let (object, old) = match &value {
        Value::Array(both) if both.len() == 2 => (&both[0], Some(&both[1])),
        other => (other, None),
    };
    let engine = &ENGINES[usize::from(choice % 4)];
    let now = "2026-11-25T12:00:00Z".parse().expect("a time");
    let mut request = Request::offline(object, "a", now);
    if choice & 4 == 0 {
        request.door = Door::Admission;
    }
    if choice & 8 != 0 {
        request.sub_resource = "status";
    }
    let tenant = User { name: "dev@example.com".to_owned(), groups: vec!["system:authenticated".to_owned()] };
    request.user = (request.door == Door::Admission).then_some(&tenant);
    if let Some(old) = old {
        request.operation = Operation::Update;
        request.old_object = Some(old);
    }
    let said = shown(&engine.judge(&request, &*WORLD));
    assert_eq!(said, shown(&engine.judge(&request, &*WORLD)), "a second look says something else");

    request.operation = Operation::Update;
    request.old_object = Some(object);
    let kept = engine.judge(&request, &*WORLD);
    let is_readable = kept.violations.iter().all(|judged| judged.violation.rule.id != "object-unknown-version");
    assert!(
        !kept.is_denied() || !is_readable || !object.is_object(),
        "what stays as it is is refused: {:?}",
        shown(&kept)
    );

    let controller =
        User { name: "system:serviceaccount:kube-system:namespace-controller".to_owned(), groups: Vec::new() };
    request.operation = Operation::Delete;
    request.object = None;
    request.user = Some(&controller);
    assert!(!engine.judge(&request, &*WORLD).is_denied(), "a namespace could not go");
});

fn shown(judgement: &Judgement) -> Vec<String> {
    judgement.violations.iter().map(|judged| format!("{:?} {}", judged.action, judged.violation)).collect()
}
