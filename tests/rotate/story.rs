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

    // Again: nothing is left to do, and nothing is done.
    story.keystile(&apply).expect(0);
    assert_eq!(story.emulator.versions(NAME).len(), 2);
    assert_eq!(story.emulator.writes(), ["RotateSecret"]);
}
