//! A leak in a repository and the secret that holds it.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::repository::TestRepository;
use super::run::{Run, command, finish};
use super::support::Emulator;
use super::token::random;

/// A repository with a password in its history.
pub(crate) struct Leak {
    pub(crate) password: String,
    pub(crate) repository: TestRepository,
}

impl Leak {
    pub(crate) fn new(name: &str) -> Self {
        let seed = name.bytes().fold(7_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        let password = format!("{}7", random(seed, 19));
        let repository = TestRepository::new();
        repository.commit_file("app.env", format!("DB_PASSWORD={password}\n"), "configuration");
        Self { password, repository }
    }

    pub(crate) fn keystile(&self, emulator: &Emulator, arguments: &[&str]) -> Run {
        finish(command(self.repository.path()).args(arguments).envs(emulator.environment()))
    }

    /// What lies beside the repository: plan and journal.
    pub(crate) fn files(&self) -> String {
        let beside = |name: &str| std::fs::read_to_string(self.repository.beside(name)).unwrap_or_default();
        beside("plan.json") + &beside("plan.journal.jsonl")
    }
}

/// A plan that can be applied, for the tests of what is around.
pub(crate) fn planned(emulator: &Emulator, leak: &Leak) -> PathBuf {
    let value = json!({ "username": "app", "password": leak.password }).to_string();
    emulator.secret("/prod/a/db", &value).tag("keystile.io/rotate", "allow").create();
    let plan = leak.repository.beside("plan.json");
    leak.keystile(emulator, &["rotate", "plan", "--prefix", "/prod/a/", "--output", plan.to_str().unwrap()]).expect(1);
    plan
}

/// The arguments with which it is carried out.
pub(crate) fn apply(plan: &Path) -> [&str; 6] {
    ["rotate", "apply", plan.to_str().unwrap(), "--yes", "--allow-prefix", "/prod/a/"]
}
