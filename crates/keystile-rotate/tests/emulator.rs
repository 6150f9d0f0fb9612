//! Runs over real HTTP, against the emulator of AWS in `tests/emulator`.
//!
//! The AWS client takes its endpoint and keys from the environment, so the part that talks to the emulator is this
//! test program once more, as a process of its own.

#[expect(dead_code, unused_imports, reason = "shared with tests/rotate, which uses all of it")]
#[path = "../../../tests/rotate/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use jiff::Timestamp;
use keystile_inventory::aws::AwsOptions;
use keystile_inventory::{SecretArn, Stage, VersionId};
use keystile_rotate::backend::aws::AwsSecretsManager;
use keystile_rotate::clock::Clock;
use keystile_rotate::journal::{Journal, JournalWriter};
use keystile_rotate::plan::{Action, FORMAT, Held, Searched, Strategy, state_digest};
use keystile_rotate::run::{Connected, Limits, Run};
use keystile_rotate::token::Purpose;
use keystile_rotate::{PlanItem, RotationPlan, SecretBackend as _};
use support::Emulator;

const MARK: &str = "Zk3mW8q";
/// The secret, the leaked version and the journal, for the second process.
const VARIABLES: [&str; 3] = ["KEYSTILE_TEST_ARN", "KEYSTILE_TEST_VERSION", "KEYSTILE_TEST_JOURNAL"];

struct Real;

impl Clock for Real {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

#[test]
fn each_mode_of_a_rotation_has_its_outcome() {
    let Some(emulator) = Emulator::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let modes = [
        ("ok", "rotated"),
        ("slow:3", "rotated"),
        ("drop_after_accept", "rotated"),
        ("same_value", "same-value"),
        ("noop", "pending"),
        ("fail_set", "pending"),
        ("stuck", "pending"),
        ("abandon", "failed-leak-active"),
        ("access_denied", "denied"),
        ("access_denied:GetSecretValue", "unverified"),
    ];
    let runs: Vec<_> = modes
        .iter()
        .map(|(mode, outcome)| {
            let name = format!("team/{}", mode.replace([':', '_'], "-"));
            let secret = emulator.secret(&name, &format!(r#"{{"username":"app","password":"{MARK}-0"}}"#));
            let secret = secret.mode(mode).create();
            let journal = folder.path().join(format!("{}.jsonl", name.replace('/', "-")));
            let child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "the_process_that_applies", "--ignored", "--nocapture"])
                .envs(emulator.environment())
                .env(VARIABLES[0], &secret.arn)
                .env(VARIABLES[1], &secret.version)
                .env(VARIABLES[2], &journal)
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            (mode, outcome, name, secret, journal, child)
        })
        .collect();
    for (mode, outcome, name, secret, journal, child) in runs {
        let output = child.wait_with_output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{mode}: {shown}");
        assert!(shown.contains(&format!("outcome: {outcome}\n")), "{mode}: expected {outcome}: {shown}");
        let current = emulator.labelled(&name, "AWSCURRENT").unwrap();
        assert_eq!(current.id() != secret.version, ["rotated", "same-value", "unverified"].contains(outcome), "{mode}");
        let text = std::fs::read_to_string(&journal).unwrap();
        assert!(!text.contains(MARK) && !shown.contains(MARK), "{mode}: a value is written");
        let entries = Journal::read(&journal).unwrap().entries.len();
        assert!(entries >= 5, "{mode}: {entries} lines");
        // The AWS client sends a call again itself when no answer comes; what counts is that the token is the same.
        let calls = emulator.calls();
        let tokens: BTreeSet<&str> = calls
            .iter()
            .filter(|call| call["action"] == "RotateSecret")
            .filter(|call| [name.as_str(), secret.arn.as_str()].contains(&call["secret"].as_str().unwrap_or_default()))
            .filter_map(|call| call["ClientRequestToken"].as_str())
            .collect();
        assert_eq!(tokens.len(), 1, "{mode}: {tokens:?}");
        assert!(emulator.versions(&name).len() <= 2, "{mode}: one new version at most");
    }
}

/// Not a test of its own: applies a plan for the secret that the environment names.
#[test]
#[ignore = "run by the test above, with an emulator"]
fn the_process_that_applies() {
    let [Ok(arn), Ok(version), Ok(journal)] = VARIABLES.map(std::env::var) else { return };
    let options = AwsOptions { attempt_timeout: Some(Duration::from_secs(5)), ..AwsOptions::default() };
    let backend = AwsSecretsManager::open(&options).unwrap();
    let identity = backend.identity().unwrap();
    let record = backend.describe(&SecretArn(arn)).unwrap();
    let held = Held {
        backend: identity.backend,
        account: identity.account.clone(),
        region: identity.region.clone(),
        arn: record.arn.clone(),
        name: record.name.clone(),
        version: VersionId(version),
        stages: [Stage::Current].into(),
        pointer: "/password".to_owned(),
        normalisation: Vec::new(),
        rotation: record.rotation.clone(),
        strategy: Strategy::SingleUser,
        replicas: Vec::new(),
        last_rotated: record.last_rotated,
        state: state_digest(&record),
    };
    let item = PlanItem {
        number: 1,
        rule: "password".to_owned(),
        places: Vec::new(),
        secret: Some(held),
        action: Action::Rotate(Purpose::First),
        blocked: Vec::new(),
        warnings: Vec::new(),
        guidance: Vec::new(),
        access_key: None,
        consumers: None,
    };
    let plan = RotationPlan {
        format: FORMAT.to_owned(),
        made_at: Timestamp::now(),
        source: keystile_rotate::plan::Source::default(),
        identities: vec![identity.clone()],
        items: vec![item],
        searched: Searched::default(),
    };
    let mut writer = JournalWriter::open(journal.as_ref(), "run-1").unwrap();
    let (managers, stop, history) =
        ([Connected { identity, backend: &backend, access_keys: None }], AtomicBool::new(false), Default::default());
    let limits = Limits { wait: Duration::from_secs(12), ..Limits::default() };
    let report = Run::new(&managers, &Real, limits, &history, &stop, &mut writer).apply(&plan, &[1]).unwrap();
    // A line of its own, whatever the test harness has written before.
    let text = format!("\noutcome: {}\n{report:?}\n", report.results[0].outcome);
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()).unwrap();
}
