//! The cases of `tests/threats` at the engine's door: each is judged as the webhook would ask, as
//! `keystile check` would, or both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keystile_policy::name::{NamePattern, TextPattern};
use keystile_policy::policy::{
    AccessSet, Admins, BindingRule, ByEnv, ClusterStoreSettings, EnvRule, Grant, KmsSettings, Policy, Provider,
    ProviderEntry, StoreSettings,
};
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
    assert!(file.ends_with("default.yaml"), "{}: only the default policy is built here yet", file.display());
    let read = ByEnv::all(AccessSet { read: true, ..AccessSet::default() });
    let grant = |names: &str, separator: char| Grant {
        names: NamePattern::parse(names, separator).unwrap(),
        access: read.clone(),
        teams: None,
        stores: None,
    };
    let texts = |texts: &[&str]| ByEnv::all(texts.iter().map(|text| (*text).to_owned()).collect());
    let text = |text: &str| TextPattern::parse(text).unwrap();
    Policy {
        name: "default".to_owned(),
        binding: BindingRule {
            team_label: "team".to_owned(),
            reserved_teams: Vec::new(),
            env: EnvRule::Label {
                label: "env".to_owned(),
                values: ["dev", "staging", "prod"].map(str::to_owned).to_vec(),
            },
        },
        namespaces: BTreeMap::new(),
        admins: Admins::default(),
        providers: vec![ProviderEntry {
            provider: Provider::Aws {
                services: texts(&["SecretsManager", "ParameterStore"]),
                accounts: texts(&["111111111111"]),
                regions: texts(&["eu-west-1"]),
                replica_regions: ByEnv::default(),
            },
            grants: vec![grant("/{env}/{team}/**", '/')],
        }],
        stores: StoreSettings {
            service_accounts: ByEnv::all(vec![text("secrets-reader")]),
            roles: ByEnv::all(vec![text("arn:aws:iam::111111111111:role/secrets-{env}-{team}")]),
            controllers: ByEnv::all(vec![String::new()]),
            cluster: Some(ClusterStoreSettings {
                env: Some("prod".to_owned()),
                service_accounts: vec!["external-secrets/secrets-reader".to_owned()],
                roles: vec![text("arn:aws:iam::111111111111:role/secrets-hub")],
            }),
        },
        generators: texts(&["Password", "UUID", "SSHKey"]),
        status_writers: ByEnv::default(),
        kms: KmsSettings::default(),
        rotation_max_age: ByEnv::default(),
        refresh_max_interval: ByEnv::all(Duration::from_secs(12 * 3600)),
        min_recovery_window: ByEnv::default(),
        required_tags: ByEnv::default(),
        inventory_max_age: ByEnv::default(),
        actions: BTreeMap::new(),
        exceptions: Vec::new(),
    }
}
