//! `keystile inventory` against the emulator.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::support::Emulator;

/// Of every secret that is made here: it must never be seen again.
const MARK: &str = "Zk3mW8q";
/// The day before, and the days around it, in seconds since 1970.
const DAY: i64 = 86_400;

/// The program, with the emulator's variables and no others.
fn keystile(emulator: &Emulator, arguments: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_keystile"));
    command.env_clear().envs(emulator.environment()).env("HOME", home.path()).args(arguments);
    command.output().unwrap()
}

/// Exit status, standard output and standard error.
#[track_caller]
fn parts(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(!out.contains(MARK) && !err.contains(MARK), "a value is shown: {out}{err}");
    (output.status.code().unwrap(), out, err)
}

fn now() -> i64 {
    i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap()
}

/// All entries as the manager itself pages them out.
#[track_caller]
fn listed(emulator: &Emulator) -> Vec<Value> {
    let mut entries = Vec::new();
    let mut request = json!({ "MaxResults": 100, "IncludePlannedDeletion": true });
    loop {
        let (status, answer) = emulator.call("ListSecrets", &request);
        assert_eq!(status, 200, "{answer}");
        entries.extend(answer["SecretList"].as_array().unwrap().iter().cloned());
        match answer["NextToken"].as_str() {
            Some(token) => request["NextToken"] = json!(token),
            None => return entries,
        }
    }
}

/// An entry with its times as seconds, whichever way they were written.
fn plain(entry: &Value) -> BTreeMap<String, Value> {
    let seconds = |value: &Value| match value.as_str() {
        Some(text) => text.parse::<jiff::Timestamp>().unwrap().as_second(),
        None => value.as_f64().unwrap() as i64,
    };
    let fields = entry.as_object().unwrap().iter();
    fields
        .map(|(field, value)| match field.ends_with("Date") {
            true => (field.clone(), json!(seconds(value))),
            false => (field.clone(), value.clone()),
        })
        .collect()
}

#[test]
fn a_thousand_secrets_are_what_list_secrets_says_and_no_value_is_read() {
    let Some(emulator) = Emulator::start() else { return };
    let secrets: Vec<Value> = (0..1_000)
        .map(|number| {
            let mut secret = json!({
                "name": format!("/prod/team-{}/db-{number}", number % 7),
                "value": format!("{MARK}-{number}"),
                "tags": { "Team": format!("team-{}", number % 7) },
                "rotationDays": 1 + number % 90,
                "lastRotated": now() - number % 50 * DAY,
                "nextRotation": now() + DAY,
            });
            match number % 5 {
                0 => secret["kmsKeyId"] = json!("alias/secrets-prod"),
                1 => secret["function"] = Value::Null,
                2 => secret["owningService"] = json!("rds"),
                3 => secret["rotationEnabled"] = json!(false),
                _ => secret["mode"] = json!("scheduled_deletion"),
            }
            secret
        })
        .collect();
    emulator.ask("POST", "secrets", &json!(secrets));
    let expected = listed(&emulator);
    assert_eq!(expected.len(), 1_000);
    emulator.forget_calls();

    // Each second page is refused for being asked too fast.
    emulator.fault(&json!({ "fault": "throttle", "action": "ListSecrets", "every": 2 }));
    let (status, out, err) = parts(&keystile(&emulator, &["inventory", "--format", "list-secrets"]));
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    let answer: Value = serde_json::from_str(&out).unwrap();
    let by_arn = |entries: &[Value]| -> BTreeMap<String, BTreeMap<String, Value>> {
        entries.iter().map(|entry| (entry["ARN"].as_str().unwrap().to_owned(), plain(entry))).collect()
    };
    let (shown, expected) = (by_arn(answer["SecretList"].as_array().unwrap()), by_arn(&expected));
    for (arn, entry) in &expected {
        assert_eq!(shown.get(arn), Some(entry), "{arn}");
    }
    assert_eq!(shown.len(), expected.len());

    let calls = emulator.calls();
    let actions: BTreeSet<&str> = calls.iter().filter_map(|call| call["action"].as_str()).collect();
    assert_eq!(actions, BTreeSet::from(["ListSecrets"]));
    assert_eq!(calls.iter().filter(|call| call["status"] == 200).count(), 10, "ten pages");
}
