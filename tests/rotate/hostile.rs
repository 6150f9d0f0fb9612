//! What goes wrong around a rotation: no credentials, wrong arguments, plans and reports of others, odd files.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::leak::{Leak, apply, planned};
use super::repository::TestRepository;
use super::run::{command, finish};
use super::support::Emulator;

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

#[test]
fn a_report_takes_no_other_files_place_and_one_that_fails_hides_no_rotation() {
    let Some(emulator) = Emulator::start() else { return };
    let leak = Leak::new("reports");
    let plan = planned(&emulator, &leak);
    let journal = leak.repository.beside("plan.journal.jsonl");
    for (flag, path) in [("--report", &plan), ("--report", &journal), ("--output", &plan)] {
        let named = path.display().to_string();
        let value = if flag == "--report" { format!("json={named}") } else { named };
        let run = leak.keystile(&emulator, &[&apply(&plan)[..], &[flag, &value]].concat()).expect(2);
        assert!(run.stderr.contains("is there"), "{}", run.stderr);
    }
    for special in ["/dev/zero", "/dev/full"] {
        let run = leak.keystile(&emulator, &[&apply(&plan)[..], &["--journal", special]].concat()).expect(2);
        assert!(run.stderr.contains("is no file"), "{}", run.stderr);
        let run = leak.keystile(&emulator, &["rotate", "status", special]).expect(2);
        assert!(run.stderr.contains("it is no file"), "{}", run.stderr);
    }
    assert_eq!(emulator.writes(), [""; 0]);
    let run = leak.keystile(&emulator, &[&apply(&plan)[..], &["--report", "markdown=/dev/full"]].concat()).expect(3);
    assert!(run.stderr.contains("the verdict is: 1 leak: 1 over"), "{}", run.stderr);
    assert_eq!(emulator.count("RotateSecret"), 1);
    // Nothing is there to take back, and the proof stays.
    let abort = ["rotate", "abort", plan.to_str().unwrap(), "--yes", "--allow-prefix", "/prod/a/"];
    leak.keystile(&emulator, &abort).expect(0);
    leak.keystile(&emulator, &["rotate", "status", plan.to_str().unwrap(), "--offline"]).expect(0);
}

#[test]
fn a_rotation_that_leaves_the_leaked_password_elsewhere_in_the_value_is_none() {
    let Some(emulator) = Emulator::start() else { return };
    let leak = Leak::new("elsewhere");
    let plan = leak.repository.beside("plan.json");
    // The function makes a new `password` and knows nothing of the other field.
    let dsn = format!("host=db user=app password={} dbname=shop", leak.password);
    let value = json!({ "username": "app", "password": leak.password, "dsn": dsn }).to_string();
    emulator.secret("/prod/a/db", &value).tag("keystile.io/rotate", "allow").create();
    let path = plan.to_str().unwrap();
    leak.keystile(&emulator, &["rotate", "plan", "--prefix", "/prod/a/", "--output", path]).expect(1);
    let run = leak.keystile(&emulator, &apply(&plan)).expect(1);
    assert!(run.text().contains("same-value") && run.text().contains("is still in it"), "{}", run.text());
    leak.keystile(&emulator, &["rotate", "status", path]).expect(1);
}

#[test]
fn a_region_is_one_or_is_said_to_be_none() {
    let Some(emulator) = Emulator::start() else { return };
    let leak = Leak::new("region");
    planned(&emulator, &leak);
    let plan = ["rotate", "plan", "--prefix", "/prod/a/", "--output", "again.json"];
    let config = leak.repository.beside("aws-config");
    std::fs::write(&config, "[default]\nregion = us-east-1\n").unwrap();
    let of_profile = [("AWS_REGION", ""), ("AWS_CONFIG_FILE", config.to_str().unwrap())];
    for (regions, status) in [
        (&[("AWS_REGION", "")][..], 2),
        (&of_profile, 1),
        (&[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "us-east-1")], 1),
        (&[("AWS_REGION", "example.com/x")], 2),
    ] {
        let environment = emulator.environment().into_iter().filter(|(name, _)| *name != "AWS_REGION");
        let mut command = command(leak.repository.path());
        let run = finish(command.args(plan).envs(environment).envs(regions.iter().copied())).expect(status);
        assert!(status == 1 || run.stderr.contains("region"), "{regions:?}: {}", run.stderr);
    }
}

#[test]
fn a_profile_that_is_not_there_is_named() {
    let leak = Leak::new("profile");
    for arguments in [&["rotate", "plan", "--prefix", "/prod/a/"][..], &["inventory"]] {
        let mut command = command(leak.repository.path());
        let run = finish(command.args(arguments).env("AWS_PROFILE", "security").env("AWS_REGION", "us-east-1"));
        assert_eq!(run.status, Some(2), "{arguments:?}: {}", run.stderr);
        let shown = run.text().to_owned() + &run.stderr;
        assert!(shown.contains("there is no profile \"security\""), "{arguments:?}: {shown}");
    }
}

#[test]
fn a_report_does_not_lead_out_of_what_is_looked_through() {
    let Some(emulator) = Emulator::start() else { return };
    let leak = Leak::new("outside");
    let outside = leak.repository.beside("outside.env");
    std::fs::write(&outside, format!("DB_PASSWORD={}\n", leak.password)).unwrap();
    let report = leak.repository.beside("report.json");
    let finding = json!([{
        "RuleID": "generic-password", "File": "../outside.env", "StartLine": 1, "StartColumn": 1, "Commit": "",
    }]);
    std::fs::write(&report, finding.to_string()).unwrap();
    let arguments = ["rotate", "plan", "--prefix", "/prod/a/", "--report", report.to_str().unwrap()];
    let run = leak.keystile(&emulator, &arguments).expect(3);
    assert!(run.text().contains("outside of what is looked through"), "{}", run.text());
}
