//! Whatever can go wrong with a rotation, through the program: its own outcome and the right exit status.

use serde_json::{Value, json};

use super::leak::{Leak, apply, planned};
use super::run::Run;
use super::support::{Emulator, NewSecret};

/// One leak in one secret.
struct Case {
    name: &'static str,
    /// What the secret is like.
    make: fn(NewSecret<'_>) -> NewSecret<'_>,
    /// What happens between plan and apply.
    meanwhile: fn(&Emulator, &str),
    /// Flags of `plan` and its exit status.
    plan: (&'static [&'static str], i32),
    /// Flags of `apply`.
    apply: &'static [&'static str],
    /// The outcome, and the exit status of `apply`.
    end: (&'static str, i32),
    /// Whether the secret has a new current version afterwards.
    is_new: bool,
}

const CASE: Case = Case {
    name: "",
    make: |secret| secret,
    meanwhile: |_, _| {},
    plan: (&[], 1),
    apply: &["--wait", "20"],
    end: ("rotated", 0),
    is_new: true,
};

fn cases() -> Vec<Case> {
    let active = |name, make, outcome| {
        let apply = &["--wait", "8", "--step", "4"];
        Case { name, make, apply, end: (outcome, 1), is_new: false, ..CASE }
    };
    vec![
        Case { name: "ok", ..CASE },
        Case { name: "tidy", make: |secret| secret.mode("tidy"), ..CASE },
        Case { name: "slow", make: |secret| secret.mode("slow:4"), ..CASE },
        Case {
            name: "too-slow",
            make: |secret| secret.mode("slow:60"),
            apply: &["--no-wait"],
            end: ("pending", 3),
            is_new: false,
            ..CASE
        },
        active("fail-create", |secret| secret.mode("fail_create"), "no-new-value"),
        active("fail-set", |secret| secret.mode("fail_set"), "set-failed"),
        active("fail-test", |secret| secret.mode("fail_test"), "test-failed"),
        active("stuck", |secret| secret.mode("stuck"), "no-new-value"),
        active("noop", |secret| secret.mode("noop"), "no-new-value"),
        active("given-up", |secret| secret.mode("abandon"), "failed-leak-active"),
        Case { name: "same-value", make: |secret| secret.mode("same_value"), end: ("same-value", 1), ..CASE },
        Case { name: "owned", make: |secret| secret.mode("managed"), ..CASE },
        Case {
            name: "throttled",
            meanwhile: |emulator, name| emulator.set_mode(name, "throttle_every_nth:1"),
            apply: &["--wait", "8"],
            end: ("throttled", 3),
            is_new: false,
            ..CASE
        },
        Case {
            name: "throttled-at-times",
            meanwhile: |emulator, name| emulator.set_mode(name, "throttle_every_nth:2"),
            ..CASE
        },
        Case {
            name: "hang",
            meanwhile: |emulator, name| emulator.set_mode(name, "hang:60"),
            end: ("no-answer", 3),
            is_new: false,
            ..CASE
        },
        Case { name: "dropped", make: |secret| secret.mode("drop_after_accept:1"), ..CASE },
        Case { name: "always-dropped", make: |secret| secret.mode("drop_after_accept"), ..CASE },
        Case {
            name: "no-function",
            make: |secret| secret.with("function", Value::Null),
            end: ("no-rotation-function", 1),
            is_new: false,
            ..CASE
        },
        Case {
            name: "replica",
            make: |secret| secret.with("replicas", json!(["eu-west-1"])),
            plan: (&["--region", "eu-west-1"], 1),
            end: ("replica", 1),
            is_new: false,
            ..CASE
        },
        Case { name: "with-replica", make: |secret| secret.with("replicas", json!(["eu-west-1"])), ..CASE },
        Case {
            name: "replica-lags",
            make: |secret| secret.with("replicas", json!(["eu-west-1"])).mode("replica_lags"),
            end: ("replica-lags", 3),
            ..CASE
        },
        Case {
            name: "deleted",
            meanwhile: |emulator, name| {
                assert_eq!(emulator.call("DeleteSecret", &json!({ "SecretId": name })).0, 200);
            },
            end: ("scheduled-for-deletion", 1),
            is_new: false,
            ..CASE
        },
        Case {
            name: "foreign",
            plan: (&["--allow-account", "999999999999"], 2),
            end: ("foreign-account", 2),
            is_new: false,
            ..CASE
        },
        Case {
            name: "untagged",
            make: |secret| secret.with("tags", json!({})),
            plan: (&[], 2),
            end: ("blocked", 2),
            is_new: false,
            ..CASE
        },
        Case {
            name: "stale",
            meanwhile: |emulator, name| {
                let version = emulator.labelled(name, "AWSCURRENT").unwrap();
                let label = json!({ "SecretId": name, "VersionStage": "KEEP", "MoveToVersionId": version.id() });
                assert_eq!(emulator.call("UpdateSecretVersionStage", &label).0, 200);
            },
            end: ("stale", 1),
            is_new: false,
            ..CASE
        },
        Case {
            name: "rotated-meanwhile",
            meanwhile: |emulator, name| {
                let token = "00000000-0000-0000-0000-000000000001";
                let asked = json!({ "SecretId": name, "ClientRequestToken": token });
                assert_eq!(emulator.call("RotateSecret", &asked).0, 200);
                while emulator.labelled(name, "AWSCURRENT").unwrap().id() != token {
                    std::thread::sleep(std::time::Duration::from_millis(50));
                }
            },
            end: ("rotated-by-other", 0),
            ..CASE
        },
        Case { name: "written-back", make: |secret| secret.mode("write_back:0"), end: ("regressed", 1), ..CASE },
        Case { name: "alternating", make: |secret| secret.mode("alternating"), end: ("login-still-valid", 1), ..CASE },
        active("denied", |secret| secret.mode("access_denied"), "denied"),
        Case {
            name: "not-readable",
            meanwhile: |emulator, name| emulator.set_mode(name, "access_denied:GetSecretValue"),
            end: ("unverified", 3),
            ..CASE
        },
    ]
}

#[test]
fn each_fault_has_its_outcome_and_exit_status() {
    let Some(emulator) = Emulator::start() else { return };
    let cases = cases();
    let failures: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = cases.iter().map(|case| scope.spawn(|| run(&emulator, case))).collect();
        let failed = running.into_iter().zip(&cases).filter_map(|(thread, case)| match thread.join() {
            Ok(Ok(())) => None,
            Ok(Err(text)) => Some(format!("{}: {text}", case.name)),
            Err(_) => Some(format!("{}: panicked", case.name)),
        });
        failed.collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Plans and applies; what is not as expected comes back.
fn run(emulator: &Emulator, case: &Case) -> Result<(), String> {
    let name = format!("/prod/{}/db", case.name);
    let leak = Leak::new(case.name);
    let value = json!({ "username": "app", "password": leak.password }).to_string();
    let secret = (case.make)(emulator.secret(&name, &value).tag("keystile.io/rotate", "allow")).create();
    let prefix = format!("/prod/{}/", case.name);
    let plan = leak.repository.beside("plan.json");
    let path = plan.to_str().unwrap();
    let planned =
        leak.keystile(emulator, &[&["rotate", "plan", "--prefix", &prefix, "--output", path], case.plan.0].concat());
    if planned.status != Some(case.plan.1) {
        return Err(format!("plan ended with {:?}: {}{}", planned.status, planned.text(), planned.stderr));
    }
    (case.meanwhile)(emulator, &name);
    let apply = ["rotate", "apply", path, "--yes", "--allow-prefix", &prefix, "--format", "json"];
    let applied = leak.keystile(emulator, &[&apply, case.apply].concat());
    let report: Value = serde_json::from_slice(&applied.stdout).unwrap_or_default();
    let outcome = report["items"][0]["status"]["outcome"].as_str().unwrap_or("none");
    if (outcome, applied.status) != (case.end.0, Some(case.end.1)) {
        let proof = &report["items"][0]["proof"];
        return Err(format!(
            "{outcome} with {:?} instead of {:?}: {proof} {}",
            applied.status, case.end, applied.stderr
        ));
    }
    let versions = emulator.versions(&name);
    let current = versions.iter().find(|version| version.stages().contains(&"AWSCURRENT")).unwrap();
    if (current.id() != secret.version) != case.is_new {
        return Err(format!("the current version is {} and was {}", current.id(), secret.version));
    }
    let shown = [planned.text(), planned.stderr, applied.text(), applied.stderr, leak.files()].concat();
    let new = versions.iter().filter_map(|version| serde_json::from_str::<Value>(version.value()?).ok());
    let new: Vec<String> = new.filter_map(|value| value["password"].as_str().map(ToOwned::to_owned)).collect();
    if new.iter().chain([&leak.password]).any(|value| shown.contains(value.as_str())) {
        return Err("a value is shown".to_owned());
    }
    Ok(())
}

#[test]
fn without_the_functions_log_the_step_is_not_named() {
    let Some(emulator) = Emulator::start() else { return };
    let leak = Leak::new("no-log");
    let plan = planned(&emulator, &leak);
    emulator.set_mode("/prod/a/db", "fail_test");
    emulator.fault(&json!({ "fault": "access_denied", "service": "logs", "action": "FilterLogEvents" }));
    let arguments = [&apply(&plan)[..], &["--wait", "4", "--step", "1"]].concat();
    let run = leak.keystile(&emulator, &arguments).expect(1);
    assert!(run.text().contains("new-value-not-current"), "{}", run.text());
    assert!(run.text().contains("FilterLogEvents: AccessDeniedException"), "{}", run.text());
    // Whoever may read it is told.
    emulator.ask("DELETE", "faults", &Value::Null);
    let arguments = ["rotate", "status", plan.to_str().unwrap(), "--step", "1"];
    let run = leak.keystile(&emulator, &arguments).expect(1);
    assert!(run.text().contains("test-failed") && run.text().contains("testSecret failed"), "{}", run.text());
}

#[test]
fn status_says_how_it_stands_now_and_the_journal_how_it_stood() {
    let Some(emulator) = Emulator::start() else { return };
    let leak = Leak::new("status");
    let plan = planned(&emulator, &leak);
    let path = plan.to_str().unwrap();
    let outcome = |flags: &[&str], status: i32| -> String {
        let arguments = [&["rotate", "status", path, "--format", "json"], flags].concat();
        let report = leak.keystile(&emulator, &arguments).expect(status).json();
        report["items"][0]["status"]["outcome"].as_str().unwrap_or("none").to_owned()
    };
    assert_eq!(outcome(&[], 3), "not-started");
    emulator.set_mode("/prod/a/db", "slow:4");
    leak.keystile(&emulator, &[&apply(&plan)[..], &["--no-wait"]].concat()).expect(3);
    assert_eq!(outcome(&[], 3), "pending");
    emulator.settle();
    let writes = emulator.writes().len();
    assert_eq!(outcome(&["--offline"], 3), "pending", "as the journal tells");
    assert_eq!(outcome(&[], 0), "rotated");
    // Without the journal, as on another machine.
    let journal = leak.repository.beside("plan.journal.jsonl");
    let away = leak.repository.beside("away.jsonl");
    std::fs::rename(&journal, &away).unwrap();
    assert_eq!(outcome(&["--item", "1"], 0), "rotated");
    std::fs::rename(&away, &journal).unwrap();
    leak.keystile(&emulator, &["rotate", "resume", path, "--yes", "--allow-prefix", "/prod/a/"]).expect(0);
    assert_eq!(emulator.writes().len(), writes, "looking changes nothing, and there was nothing to go on with");
    let value = json!({ "username": "app", "password": leak.password }).to_string();
    let back = json!({ "SecretId": "/prod/a/db", "SecretString": value, "ClientRequestToken": "b".repeat(36) });
    assert_eq!(emulator.call("PutSecretValue", &back).0, 200);
    assert_eq!(outcome(&[], 1), "regressed");
    assert_eq!(outcome(&["--offline"], 0), "rotated");
}

#[test]
fn what_is_stuck_is_cleared_away_with_leave_and_not_before_six_hours() {
    let Some(emulator) = Emulator::start() else { return };
    let leak = Leak::new("stuck-before");
    let plan = planned(&emulator, &leak);
    emulator.set_mode("/prod/a/db", "noop");
    let other = json!({ "SecretId": "/prod/a/db", "ClientRequestToken": "a".repeat(36) });
    assert_eq!(emulator.call("RotateSecret", &other).0, 200);
    std::thread::sleep(std::time::Duration::from_secs(2));
    emulator.set_mode("/prod/a/db", "ok");
    let ours = |report: &Run| report.json()["items"][0]["status"]["outcome"].as_str().unwrap_or("none").to_owned();
    let arguments = [&apply(&plan)[..], &["--clear-stuck", "--wait", "4", "--step", "1", "--format", "json"]].concat();
    let run = leak.keystile(&emulator, &arguments).expect(1);
    assert_eq!(ours(&run), "stuck", "it is not old enough to be cleared away: {}", run.stderr);
    assert_eq!(emulator.versions("/prod/a/db").len(), 2);
}
