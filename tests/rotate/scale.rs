//! Ten thousand managed secrets.

use std::io::Read as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::repository::TestRepository;
use super::run::command;
use super::support::Emulator;
use super::token::random;

/// Secrets of the account.
const SECRETS: usize = 10_000;

#[test]
fn ten_thousand_secrets_are_looked_through_in_few_calls_and_little_memory() {
    let Some(emulator) = Emulator::start() else { return };
    let password = |number: usize| format!("{}7", random(number as u64, 19));
    for chunk in (0..SECRETS).collect::<Vec<_>>().chunks(500) {
        let secrets: Vec<Value> = chunk
            .iter()
            .map(|number| {
                let value = json!({ "username": "app", "password": password(*number), "host": "db.internal" });
                json!({ "name": format!("/prod/{number:05}/db"), "value": value.to_string() })
            })
            .collect();
        emulator.ask("POST", "secrets", &Value::Array(secrets));
    }
    emulator.forget_calls();
    let repository = TestRepository::new();
    repository.commit_file("app.env", format!("DB_PASSWORD={}\n", password(7_777)), "configuration");
    let plan = repository.beside("plan.json");
    let mut child = command(repository.path())
        .args(["rotate", "plan", "--prefix", "/prod/", "--allow-untagged", "--reads-per-second", "1000", "--output"])
        .arg(&plan)
        .envs(emulator.environment())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut peak = 0_u64;
    let status = loop {
        let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(kilobytes.unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(status.code(), Some(1), "{text}");
    let written: Value = serde_json::from_slice(&std::fs::read(&plan).unwrap()).unwrap();
    assert_eq!(written["items"][0]["secret"]["name"], "/prod/07777/db");
    assert_eq!(written["searched"]["secrets"], SECRETS);
    assert_eq!(emulator.count("BatchGetSecretValue"), SECRETS / 20);
    assert_eq!(emulator.count("ListSecrets"), SECRETS / 100);
    assert_eq!(emulator.count("GetSecretValue"), 0);
    assert_eq!(emulator.writes(), [""; 0]);
    assert!(peak > 1_000 && peak < 200_000, "{peak} kB");
    println_peak(peak);
}

/// Figures of docs/benchmarks.md.
#[allow(clippy::print_stderr, reason = "a figure, for whoever runs the slow tests")]
fn println_peak(kilobytes: u64) {
    eprintln!("10,000 secrets: {kilobytes} kB at most");
}
