//! The whole story: a password in a commit, the scan that finds it, the plan, the rotation, the proof.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::repository::TestRepository;
use super::run::{Run, command, finish};
use super::support::Emulator;
use super::token::random;

/// A repository with a password in a commit that is not in HEAD any more, and an emulator whose secret has it.
pub(crate) struct Story {
    pub(crate) emulator: Emulator,
    pub(crate) repository: TestRepository,
    /// The leaked password.
    pub(crate) password: String,
}

/// The name of the secret.
pub(crate) const NAME: &str = "/prod/team-a/db";

impl Story {
    /// `None`, and said so, where the emulator can't be had.
    #[track_caller]
    pub(crate) fn start(mode: &str) -> Option<Self> {
        let emulator = Emulator::start()?;
        let password = format!("{}7", random(0x5eed, 19));
        let value = json!({ "username": "app", "password": password, "host": "db.internal" });
        emulator.secret(NAME, &value.to_string()).mode(mode).tag("keystile.io/rotate", "allow").create();
        let repository = TestRepository::new();
        repository.commit_file("README.md", "An application.\n", "first");
        repository.commit_file("app.env", format!("DB_PASSWORD={password}\n"), "configuration");
        repository.commit_file("app.env", "DB_PASSWORD=${DB_PASSWORD}\n", "take the password out again");
        Some(Self { emulator, repository, password })
    }

    /// Runs `keystile ARGUMENTS` in the repository, as somebody who can reach the emulator.
    pub(crate) fn keystile(&self, arguments: &[&str]) -> Run {
        let run = finish(command(self.repository.path()).args(arguments).envs(self.emulator.environment()));
        assert!(!self.shows_a_value(&run.stdout), "{arguments:?} shows a value");
        assert!(!self.shows_a_value(run.stderr.as_bytes()), "{arguments:?} shows a value on standard error");
        run
    }

    /// Makes a plan, which lies beside the repository.
    #[track_caller]
    pub(crate) fn plan(&self) -> PathBuf {
        let plan = self.repository.beside("plan.json");
        let path = plan.to_str().unwrap();
        self.keystile(&["rotate", "plan", "--prefix", "/prod/team-a/", "--output", path]).expect(1);
        plan
    }

    /// Whether a text has the leaked value, or any that the secret has had since.
    pub(crate) fn shows_a_value(&self, text: &[u8]) -> bool {
        let mut values = vec![self.password.clone()];
        for version in self.emulator.versions(NAME) {
            let parsed: Option<Value> = version.value().and_then(|value| serde_json::from_str(value).ok());
            values.extend(parsed.and_then(|value| value["password"].as_str().map(ToOwned::to_owned)));
        }
        let text = String::from_utf8_lossy(text);
        values.iter().any(|value| text.contains(value.as_str()))
    }
}

#[test]
fn a_leak_in_a_commit_ends_as_a_proven_rotation() {
    let Some(story) = Story::start("ok") else { return };
    let found = story.keystile(&["scan", "--format", "json"]).expect(1).json();
    assert_eq!(found["findings"].as_array().unwrap().len(), 1, "{found}");

    let plan = story.plan();
    assert_eq!(story.emulator.writes(), [""; 0], "planning changes nothing");
    let path = plan.to_str().unwrap();
    let written: Value = serde_json::from_slice(&std::fs::read(&plan).unwrap()).unwrap();
    let item = &written["items"][0];
    assert_eq!((&item["secret"]["name"], &item["secret"]["pointer"]), (&json!(NAME), &json!("/password")), "{item}");
    assert!(!story.shows_a_value(written.to_string().as_bytes()), "the plan has a value");

    let before = story.emulator.labelled(NAME, "AWSCURRENT").unwrap();
    let incident = story.repository.beside("incident.md");
    let report = format!("markdown={}", incident.display());
    let apply =
        ["rotate", "apply", path, "--yes", "--allow-prefix", "/prod/team-a/", "--wait", "30", "--report", &report];
    story.keystile(&apply).expect(0);
    let after = story.emulator.labelled(NAME, "AWSCURRENT").unwrap();
    assert_ne!(after.id(), before.id());
    assert_ne!(after.value(), before.value());
    assert_eq!(story.emulator.writes(), ["RotateSecret"]);
    for file in ["incident.md", "plan.journal.jsonl"] {
        let text = std::fs::read(story.repository.beside(file)).unwrap();
        assert!(!text.is_empty() && !story.shows_a_value(&text), "{file}");
    }
    // The record of the incident has what an investigation looks for: where it leaked, what proves its end, and the id by
    // which AWS's own log has the call.
    let journal = std::fs::read_to_string(story.repository.beside("plan.journal.jsonl")).unwrap();
    let events: Vec<Value> = journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let request = events.iter().find_map(|event| find(event, "request_id")).expect("the answer has the request's id");
    let incident = std::fs::read_to_string(incident).unwrap();
    for part in [request, "app.env:1", before.id(), after.id(), "values differ", " UTC", "## Next steps"] {
        assert!(incident.contains(part), "{part} is not in {incident}");
    }

    // Again: nothing is left to do, and nothing is done.
    story.keystile(&apply).expect(0);
    assert_eq!(story.emulator.versions(NAME).len(), 2);
    assert_eq!(story.emulator.writes(), ["RotateSecret"]);
}

/// The text of a key, however deep it is.
fn find<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    let object = value.as_object()?;
    object.get(key).and_then(Value::as_str).or_else(|| object.values().find_map(|inner| find(inner, key)))
}

#[test]
fn a_scan_says_which_findings_a_managed_secret_holds() {
    let Some(story) = Story::start("ok") else { return };
    let scan = ["scan", "--managed", "--managed-prefix", "/prod/team-a/"];
    let report = story.keystile(&[&scan[..], &["--format", "json"]].concat()).expect(1).json();
    let managed = &report["findings"][0]["managed"];
    assert_eq!((&managed[0]["name"], &managed[0]["stages"]), (&json!(NAME), &json!(["AWSCURRENT"])), "{report}");
    let text = story.keystile(&scan).expect(1).text();
    assert!(text.contains("managed      /prod/team-a/db (AWSCURRENT, at /password)"), "{text}");
    // Of another team's secrets none holds it.
    let text = story.keystile(&["scan", "--managed", "--managed-prefix", "/prod/team-b/"]).expect(1).text();
    assert!(text.contains("by none of the secrets that were read"), "{text}");
    assert_eq!(story.emulator.writes(), [""; 0]);
    // Without a leak nothing is asked.
    story.emulator.forget_calls();
    let clean = TestRepository::new();
    clean.commit_file("README.md", "An application.\n", "first");
    let path = clean.path().to_str().unwrap();
    story.keystile(&[&scan[..], &[path]].concat()).expect(0);
    assert_eq!(story.emulator.calls().len(), 0);
}

/// A store, an ExternalSecret that reads the secret, and the Deployment that has it in its environment.
const MANIFESTS: &str = "\
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: { name: aws, namespace: team-a }
spec:
  provider: { aws: { service: SecretsManager, region: us-east-1 } }
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: { name: db, namespace: team-a }
spec:
  refreshInterval: 1h
  secretStoreRef: { name: aws, kind: SecretStore }
  target: { name: db }
  data:
    - secretKey: password
      remoteRef: { key: /prod/team-a/db, property: password }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: app, namespace: team-a }
spec:
  selector: { matchLabels: { app: app } }
  template:
    metadata: { labels: { app: app } }
    spec:
      containers:
        - name: app
          image: app
          envFrom: [{ secretRef: { name: db } }]
";

#[test]
fn a_plan_names_who_consumes_the_secret() {
    let Some(story) = Story::start("ok") else { return };
    story.repository.commit_file("deploy/app.yaml", MANIFESTS, "deployment");
    let plan = story.repository.beside("plan.json");
    let arguments = ["rotate", "plan", "--prefix", "/prod/team-a/", "--output", plan.to_str().unwrap()];
    let text = story.keystile(&[&arguments[..], &["--manifests", "deploy"]].concat()).expect(1).text();
    for shown in ["team-a/db", "team-a/app"] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    let report = story.keystile(&[&arguments[..], &["--manifests", "deploy", "--format", "json"]].concat()).expect(1);
    let consumers = &report.json()["items"][0]["consumers"];
    assert_eq!(consumers["consumers"].as_array().map(Vec::len), Some(2), "{consumers}");
    let missing = story.keystile(&[&arguments[..], &["--manifests", "nowhere"]].concat()).expect(2);
    assert!(missing.stderr.contains("nowhere"), "{}", missing.stderr);
}

#[test]
fn a_map_names_the_secrets_that_are_read() {
    let Some(story) = Story::start("ok") else { return };
    story.emulator.secret("/prod/team-b/db", "something else").create();
    let map = story.repository.beside("map.toml");
    let plan = story.repository.beside("plan.json");
    let arguments = ["rotate", "plan", "--map", map.to_str().unwrap(), "--allow-prefix", "/prod/team-a/", "--output"];
    let arguments = [&arguments[..], &[plan.to_str().unwrap()]].concat();
    let named = "[[secret]]\nname = \"/prod/team-a/db\"\npaths = [\"\\\\.env$\"]\n\n";
    let other = "[[secret]]\nname = \"/prod/team-b/db\"\nrules = [\"github-pat\"]\n";
    std::fs::write(&map, format!("{named}{other}")).unwrap();
    story.keystile(&arguments).expect(1);
    let written: Value = serde_json::from_slice(&std::fs::read(&plan).unwrap()).unwrap();
    assert_eq!(written["items"][0]["secret"]["name"], NAME, "{written}");
    let calls = story.emulator.calls();
    let touched = |name: &str| calls.iter().filter(|call| call.to_string().contains(name)).count();
    assert_eq!((touched("team-b"), story.emulator.count("ListSecrets")), (0, 0), "{calls:?}");

    std::fs::write(&map, "[[secret]]\nnames = \"/prod/team-a/db\"\n").unwrap();
    let run = story.keystile(&arguments).expect(2);
    assert!(run.stderr.contains("map.toml") && run.stderr.contains("line 2"), "{}", run.stderr);
}

#[test]
fn a_report_leads_back_to_the_values_that_it_does_not_have() {
    let Some(story) = Story::start("ok") else { return };
    let report = story.repository.beside("report.json");
    let path = report.to_str().unwrap();
    for format in ["json", "gitleaks"] {
        story.keystile(&["scan", "--format", format, "--output", path]).expect(1);
        assert!(!story.shows_a_value(&std::fs::read(&report).unwrap()), "{format}");
        let plan = story.repository.beside("plan.json");
        let plan_path = plan.to_str().unwrap();
        let arguments = ["rotate", "plan", "--report", path, "--prefix", "/prod/team-a/", "--output", plan_path];
        story.keystile(&arguments).expect(1);
        let written: Value = serde_json::from_slice(&std::fs::read(&plan).unwrap()).unwrap();
        assert_eq!(written["items"][0]["secret"]["name"], NAME, "{format}: {written}");
        // Another repository does not have it: said, and not taken for nothing to do.
        let other = TestRepository::new();
        other.commit_file("README.md", "Another application.\n", "first");
        let elsewhere = [&arguments[..], &[other.path().to_str().unwrap()]].concat();
        story.keystile(&elsewhere).expect(3);
        let written: Value = serde_json::from_slice(&std::fs::read(&plan).unwrap()).unwrap();
        let gap = written["source"]["gaps"][0].as_str().unwrap_or_default();
        assert!(gap.contains("can't be read again"), "{format}: {written}");
    }
    std::fs::write(&report, "{}").unwrap();
    let run = story.keystile(&["rotate", "plan", "--report", path, "--prefix", "/prod/"]).expect(2);
    assert!(run.stderr.contains("is not a report that can be planned from"), "{}", run.stderr);
}
