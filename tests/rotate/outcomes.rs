//! Whatever can go wrong with a rotation, through the program: its own outcome and the right exit status.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::repository::TestRepository;
use super::run::{Run, command, finish};
use super::support::{Emulator, NewSecret};
use super::token::random;

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

/// A repository with a password in its history.
struct Leak {
    password: String,
    repository: TestRepository,
}

impl Leak {
    fn new(name: &str) -> Self {
        let seed = name.bytes().fold(7_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        let password = format!("{}7", random(seed, 19));
        let repository = TestRepository::new();
        repository.commit_file("app.env", format!("DB_PASSWORD={password}\n"), "configuration");
        Self { password, repository }
    }

    fn keystile(&self, emulator: &Emulator, arguments: &[&str]) -> Run {
        finish(command(self.repository.path()).args(arguments).envs(emulator.environment()))
    }

    /// What lies beside the repository: plan and journal.
    fn files(&self) -> String {
        let beside = |name: &str| std::fs::read_to_string(self.repository.beside(name)).unwrap_or_default();
        beside("plan.json") + &beside("plan.journal.jsonl")
    }
}

/// A plan that can be applied, for the tests of what is around.
fn planned(emulator: &Emulator, leak: &Leak) -> PathBuf {
    let value = json!({ "username": "app", "password": leak.password }).to_string();
    emulator.secret("/prod/a/db", &value).tag("keystile.io/rotate", "allow").create();
    let plan = leak.repository.beside("plan.json");
    leak.keystile(emulator, &["rotate", "plan", "--prefix", "/prod/a/", "--output", plan.to_str().unwrap()]).expect(1);
    plan
}

fn apply(plan: &Path) -> [&str; 6] {
    ["rotate", "apply", plan.to_str().unwrap(), "--yes", "--allow-prefix", "/prod/a/"]
}

#[test]
fn without_credentials_or_a_network_nothing_is_done() {
    let Some(emulator) = Emulator::start() else { return };
    let leak = Leak::new("around");
    let plan = planned(&emulator, &leak);
    let run = |without: &[&str], with: &[(&str, &str)], arguments: &[&str]| {
        let environment = emulator.environment().into_iter().filter(|(name, _)| !without.contains(name));
        let with = with.iter().copied();
        finish(command(leak.repository.path()).args(arguments).envs(environment).envs(with))
    };
    let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let closed = [("AWS_ENDPOINT_URL", "http://127.0.0.1:9")];
    let outside = [("AWS_ENDPOINT_URL", "http://192.0.2.1/")];
    let plan_again = ["rotate", "plan", "--prefix", "/prod/a/", "--output", plan.to_str().unwrap()];
    let text = std::fs::read(&plan).unwrap();
    for (arguments, journal) in [(&plan_again[..], false), (&apply(&plan)[..], false)] {
        let none = run(&keys, &[], arguments).expect(2);
        assert!(none.stderr.contains("nothing was changed"), "{}", none.stderr);
        let none = run(&["AWS_REGION"], &[], arguments);
        // The plan says which region it is for.
        assert_eq!(none.status, Some(if arguments[1] == "plan" { 2 } else { 0 }), "{}", none.stderr);
        if arguments[1] == "apply" {
            break;
        }
        run(&[], &closed, arguments).expect(3);
        let refused = run(&[], &outside, arguments).expect(2);
        assert!(refused.stderr.contains("without TLS"), "{}", refused.stderr);
        assert_eq!(leak.repository.beside("plan.journal.jsonl").exists(), journal);
        assert_eq!(std::fs::read(&plan).unwrap(), text, "a plan that can't be made replaces none");
    }
}

#[test]
fn who_answers_without_end_or_with_something_else_than_aws_is_given_up() {
    let leak = Leak::new("endless");
    for (endless, said) in [(true, "GetCallerIdentity"), (false, "none of AWS's")] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        // As much as it takes of an answer, at each attempt.
        let sent = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let counts = std::sync::Arc::clone(&sent);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 4096];
                let _ = std::io::Read::read(&mut stream, &mut request).unwrap();
                let head: &[u8] = if endless { b"HTTP/1.1 200 OK\r\n\r\n" } else { b"HTTP/1.1 302 Found\r\n\r\n" };
                stream.write_all(head).unwrap();
                let (chunk, mut bytes) = (vec![b'a'; 1 << 20], 0_u64);
                while endless && stream.write_all(&chunk).is_ok() {
                    bytes += 1;
                }
                counts.lock().unwrap().push(bytes);
            }
        });
        let arguments = ["rotate", "plan", "--prefix", "/prod/a/"];
        let environment = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ];
        let run = finish(command(leak.repository.path()).args(arguments).envs(environment)).expect(3);
        assert!(run.stderr.contains(said), "{}", run.stderr);
        // 16 MiB, and what lies in the buffers of both ends.
        let sent = sent.lock().unwrap();
        assert!(!sent.is_empty() && sent.iter().all(|mebibytes| *mebibytes < 40), "{sent:?}");
    }
}

#[test]
fn where_nothing_was_scanned_no_plan_says_that_nothing_leaked() {
    let (empty, clean) = (TestRepository::new(), TestRepository::new());
    clean.commit_file("README.md", "An application.\n", "first");
    for (repository, said) in [(&empty, "Nothing was scanned"), (&clean, "No leak was found")] {
        let plan = repository.beside("plan.json");
        let arguments = ["rotate", "plan", "--prefix", "/prod/a/", "--output", plan.to_str().unwrap()];
        let run = finish(command(repository.path()).args(arguments)).expect(0);
        assert!(run.text().starts_with(said), "{}", run.text());
    }
}

#[test]
fn nobody_is_taken_for_consent() {
    let Some(emulator) = Emulator::start() else { return };
    let leak = Leak::new("consent");
    let plan = planned(&emulator, &leak);
    let path = plan.to_str().unwrap();
    for (arguments, status, said) in [
        (&["rotate", "apply", path][..], 2, "there is no terminal to ask at"),
        (&["rotate", "apply", path, "--yes"], 2, "--allow-prefix"),
        (&["rotate", "apply", path, "--yes", "--allow-prefix", "/prod/b/"], 2, "none of the allowed prefixes"),
        (&["rotate", "apply", path, "--yes", "--allow-prefix", "/prod/a"], 2, "must end in"),
        (&["rotate", "apply", path, "--yes", "--allow-prefix", "/prod/a/", "--item", "7"], 2, "no such item"),
        (&["rotate", "apply", "nowhere.json", "--yes", "--allow-prefix", "/prod/a/"], 2, "can't be read"),
        (&["rotate", "resume", path, "--yes", "--allow-prefix", "/prod/a/"], 2, "is empty or not there"),
        (&["rotate", "status", path, "--offline"], 2, "nothing was done yet"),
        (&["rotate", "status", path, "--offline", "--item", "1"], 2, "cannot be used with"),
        (&["rotate", "status", path, "--item", "7"], 2, "no such item"),
    ] {
        let run = leak.keystile(&emulator, arguments).expect(status);
        assert!(run.stderr.contains(said), "{arguments:?}: {}", run.stderr);
    }
    assert_eq!(emulator.writes(), [""; 0]);
    assert!(!leak.repository.beside("plan.journal.jsonl").exists());
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
fn a_plan_in_which_somebody_has_put_another_secret_gets_nowhere() {
    let Some(emulator) = Emulator::start() else { return };
    let leak = Leak::new("tampered");
    let plan = planned(&emulator, &leak);
    // Of another team, allowed by its own tag, and in the plan under a name of ours.
    let value = json!({ "username": "app", "password": leak.password }).to_string();
    let theirs = emulator.secret("/prod/b/db", &value).tag("keystile.io/rotate", "allow").create();
    let other = leak.repository.beside("other.json");
    let arguments = ["rotate", "plan", "--prefix", "/prod/b/", "--output", other.to_str().unwrap()];
    leak.keystile(&emulator, &arguments).expect(1);
    let text = std::fs::read_to_string(&other).unwrap();
    std::fs::write(&plan, text.replace("\"/prod/b/db\"", "\"/prod/a/db\"")).unwrap();
    let refused = leak.keystile(&emulator, &apply(&plan)).expect(1);
    assert!(refused.text().contains("the plan calls it /prod/a/db"), "{}", refused.text());
    assert_eq!(emulator.writes(), [""; 0]);
    assert_eq!(emulator.labelled("/prod/b/db", "AWSCURRENT").unwrap().id(), theirs.version);
}

#[test]
fn guards_hold_when_a_plan_is_carried_out_too() {
    let Some(emulator) = Emulator::start() else { return };
    let leak = Leak::new("guards");
    let value = json!({ "username": "app", "password": leak.password }).to_string();
    emulator.secret("/prod/a/db", &value).create();
    let plan = leak.repository.beside("plan.json");
    // Whoever planned allowed what whoever applies does not.
    let allowed = ["rotate", "plan", "--prefix", "/prod/a/", "--allow-untagged", "--output", plan.to_str().unwrap()];
    leak.keystile(&emulator, &allowed).expect(1);
    let refused = leak.keystile(&emulator, &apply(&plan)).expect(2);
    assert!(refused.stderr.contains("lacks the tag keystile.io/rotate=allow"), "{}", refused.stderr);
    let tag = |value: &str| {
        let tags = json!([{ "Key": "keystile.io/rotate", "Value": value }]);
        assert_eq!(emulator.call("TagResource", &json!({ "SecretId": "/prod/a/db", "Tags": tags })).0, 200);
    };
    tag("deny");
    let untagged = [&apply(&plan)[..], &["--allow-untagged"]].concat();
    let refused = leak.keystile(&emulator, &untagged).expect(2);
    assert!(refused.stderr.contains("keystile.io/rotate=deny forbids it"), "{}", refused.stderr);
    assert_eq!(emulator.count("RotateSecret"), 0);
    tag("allow");
    leak.keystile(&emulator, &apply(&plan)).expect(0);
    // Once more: nothing is to be done, and the interval since the last rotation stands in nobody's way.
    leak.keystile(&emulator, &apply(&plan)).expect(0);
    assert_eq!(emulator.count("RotateSecret"), 1);
}

#[test]
fn what_was_rotated_within_four_hours_by_the_journal_is_planned_no_second_time() {
    let Some(emulator) = Emulator::start() else { return };
    let leak = Leak::new("interval");
    let plan = planned(&emulator, &leak);
    leak.keystile(&emulator, &apply(&plan)).expect(0);
    // Someone makes a mistake: the new value is committed too.
    let current = emulator.labelled("/prod/a/db", "AWSCURRENT").unwrap();
    let value: Value = serde_json::from_str(current.value().unwrap()).unwrap();
    let again = format!("DB_PASSWORD={}\n", value["password"].as_str().unwrap());
    leak.repository.commit_file("app.env", again, "configuration");
    let arguments = ["rotate", "plan", "--prefix", "/prod/a/", "--output", plan.to_str().unwrap(), "--format", "json"];
    let planned = leak.keystile(&emulator, &arguments);
    assert!(planned.text().contains("less than four hours ago"), "{}{}", planned.text(), planned.stderr);
    leak.keystile(&emulator, &apply(&plan));
    assert_eq!(emulator.versions("/prod/a/db").len(), 2);
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

#[test]
fn whoever_sits_at_the_terminal_is_asked() {
    let Some(emulator) = Emulator::start() else { return };
    let leak = Leak::new("terminal");
    let plan = planned(&emulator, &leak);
    for (answer, status, new) in [("no\n", 2, false), ("y\n", 2, false), ("", 2, false), ("yes\n", 0, true)] {
        // script(1) gives the program a terminal of its own.
        let program = env!("CARGO_BIN_EXE_keystile");
        let line = format!("{program} rotate apply {} --wait 30", plan.display());
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .current_dir(leak.repository.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", leak.repository.path())
            .envs(emulator.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(status), "{answer:?}: {text}");
        assert!(text.contains("1. /prod/a/db (version ") && text.contains("Type yes to go on"), "{answer:?}: {text}");
        assert_eq!(emulator.versions("/prod/a/db").len() == 2, new, "{answer:?}");
    }
}
