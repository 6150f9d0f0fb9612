//! The story with Vault: a token that Vault is the only place of, in a commit, replaced and proven.

#[path = "../../crates/keystile-rotate/tests/managers/http.rs"]
pub(crate) mod http;
/// Where the server looks for it.
mod managers {
    pub(crate) use super::http;
}
#[path = "../../crates/keystile-rotate/tests/managers/vault.rs"]
#[expect(dead_code, reason = "shared with keystile-rotate, which uses all of it")]
mod server;

use serde_json::{Value, json};

use super::repository::TestRepository;
use super::run::{Run, command, finish};
use super::token::random;
use server::Vault;

#[test]
fn a_token_that_leaked_from_vault_is_replaced_and_proven() {
    let Some(vault) = Vault::start() else { return };
    let leaked = format!("{}7", random(0x5eed + 4, 29));
    vault.put("prod/team-a/webhook", &json!({ "url": "https://hooks.internal", "token": leaked }));
    vault.tag("prod/team-a/webhook", &[("keystile.io/rotate", "allow"), ("keystile.io/rotation", "generate")]);
    vault.put("prod/team-b/webhook", &json!({ "token": random(0x5eed + 5, 30) }));
    let repository = TestRepository::new();
    repository.commit_file("app.env", format!("WEBHOOK_SECRET_TOKEN={leaked}\n"), "configuration");
    repository.commit_file("app.env", "WEBHOOK_SECRET_TOKEN=${TOKEN}\n", "take the token out again");

    let (address, token) = vault.root();
    let keystile = |arguments: &[&str]| -> Run {
        let environment = [("VAULT_ADDR", address.as_str()), ("VAULT_TOKEN", token)];
        let run = finish(command(repository.path()).args(arguments).envs(environment));
        let current = vault.current("prod/team-a/webhook")["token"].as_str().unwrap().to_owned();
        for value in [&leaked, &current] {
            let shown = run.text().contains(value.as_str()) || run.stderr.contains(value.as_str());
            assert!(!shown, "{arguments:?} shows a value");
        }
        assert!(!run.text().contains(token) && !run.stderr.contains(token), "{arguments:?} shows Vault's token");
        run
    };
    let plan = repository.beside("plan.json");
    let path = plan.to_str().unwrap();
    let arguments = ["rotate", "plan", "--manager", "vault-kv", "--prefix", "secret/prod/team-a/", "--output", path];

    // Without leave to make a value there is nothing to be done, and the plan says what would be.
    let blocked = keystile(&arguments);
    assert_ne!(blocked.status, Some(0), "{}", blocked.text());
    assert!(blocked.text().contains("--generate"), "{}", blocked.text());
    keystile(&[&arguments[..], &["--generate"]].concat()).expect(1);
    let written: Value = serde_json::from_slice(&std::fs::read(&plan).unwrap()).unwrap();
    let secret = &written["items"][0]["secret"];
    assert_eq!((&secret["name"], &secret["pointer"]), (&json!("secret/prod/team-a/webhook"), &json!("/token")));
    assert_eq!(vault.versions("prod/team-a/webhook"), 1, "planning writes nothing");

    let incident = repository.beside("incident.md");
    let report = format!("markdown={}", incident.display());
    let apply = ["rotate", "apply", path, "--yes", "--allow-prefix", "secret/prod/team-a/", "--report", &report];
    for _ in 0..2 {
        keystile(&apply).expect(0);
        assert_eq!(vault.versions("prod/team-a/webhook"), 2, "once");
    }
    let current = vault.current("prod/team-a/webhook");
    assert_eq!(current["url"], "https://hooks.internal");
    for file in ["plan.json", "plan.journal.jsonl", "incident.md"] {
        let text = std::fs::read_to_string(repository.beside(file)).unwrap();
        for value in [leaked.as_str(), current["token"].as_str().unwrap(), token] {
            assert!(!text.is_empty() && !text.contains(value), "{file}");
        }
    }
}

#[test]
fn a_name_that_no_manager_has_is_a_mistake_and_so_is_a_vault_that_is_not_there() {
    let repository = TestRepository::new();
    repository.commit_file("app.env", format!("DB_PASSWORD={}7\n", random(0x5eed + 6, 19)), "configuration");
    let plan = |prefix: &str, environment: &[(&str, &str)]| {
        let arguments = ["rotate", "plan", "--manager", "vault-kv", "--prefix", prefix, "--generate"];
        finish(command(repository.path()).args(arguments).envs(environment.iter().copied()))
    };
    let run = plan("secret/", &[]).expect(2);
    assert!(run.stderr.contains("VAULT_ADDR"), "{}", run.stderr);
    let clear = [("VAULT_ADDR", "http://vault.example.com:8200"), ("VAULT_TOKEN", "x")];
    let run = plan("secret/", &clear).expect(2);
    assert!(run.stderr.contains("https://"), "{}", run.stderr);
    let nobody = [("VAULT_ADDR", "http://127.0.0.1:1"), ("VAULT_TOKEN", "x")];
    let run = plan("secret/", &nobody).expect(3);
    assert!(run.stderr.contains("127.0.0.1:1 can't be reached"), "{}", run.stderr);
    let Some(vault) = Vault::start() else { return };
    let (address, token) = vault.root();
    let run = plan("/prod/team-a/", &[("VAULT_ADDR", &address), ("VAULT_TOKEN", token)]).expect(2);
    assert!(run.stderr.contains("/prod/team-a/"), "{}", run.stderr);
}
