//! A hook and a configuration as platform teams write them for gitleaks, with the program's name changed:
//! `protect --staged --verbose`, the default rules, two rules for an organisation's own patterns, and an
//! allowlist for documentation and test data in the deprecated form.

use serde_json::Value;

use crate::gitleaks_commands::expect_same;
use crate::support::assets::{asset, path_with_keystile};
use crate::support::commits::HookedRepository;
use crate::support::{TestRepository, github_token, keystile};

const CONFIG: &str = r#"
[extend]
useDefault = true

[[rules]]
id = "cloud-account-number"
description = "Number of a cloud account"
regex = '''(?i)(?:account[_ -]?id|aws_account)\s*[=:]\s*["']?(\d{12})\b["']?'''
tags = ["account"]

[[rules]]
id = "connection-url-with-password"
description = "Connection URL that holds a password"
regex = '''(?i)(?:mysql|postgres|redis|mongodb):\/\/[^:\s'"]+:[^@\s'"]+@[^\s'"]+'''
tags = ["database"]

[allowlist]
paths = ['''\.md$''', '''\.txt$''', '''testdata/''', '''test_fixtures/''']
"#;

fn rules_by_path(report: &Value) -> Vec<String> {
    let mut found: Vec<_> = report["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .flat_map(|finding| {
            let rule = finding["rule_id"].as_str().expect("a rule");
            let places = finding["occurrences"].as_array().expect("occurrences");
            places.iter().map(move |place| format!("{} {rule}", place["path"].as_str().expect("a path")))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

#[test]
fn the_configuration_behaves_as_meant() {
    let repository = everything();
    let run = keystile(repository.path(), ["scan", "--format=json"]).expect(1);
    let found = rules_by_path(&run.json());
    for expected in [
        "main.tf cloud-account-number",
        "app.yaml connection-url-with-password",
        // The default rules are extended, not replaced.
        "ci.yaml github-pat",
    ] {
        assert!(found.iter().any(|found| found == expected), "{expected}: {found:?}");
    }
    for place in &found {
        let path = place.split(' ').next().unwrap();
        assert!(["main.tf", "app.yaml", "ci.yaml"].contains(&path), "not meant to be found: {place}");
    }
    assert!(run.stderr.contains("[allowlist]") || run.stderr.contains("deprecated"), "{}", run.stderr);
}

#[test]
fn its_own_rules_find_what_gitleaks_finds() {
    let Some(gitleaks) = asset("bin/gitleaks") else { return };
    let repository = everything();
    // The default rules are each program's own.
    let own = "--enable-rule=cloud-account-number,connection-url-with-password";
    for command in ["detect", "dir", "git"] {
        let report = expect_same(&gitleaks, repository.path(), &[command, own], &[], "");
        assert_eq!(report.as_array().map(Vec::len), Some(2), "{command}: {report:#}");
    }
}

/// What the rules are about, what they must leave alone, and all of it where the allowlist says so.
fn everything() -> TestRepository {
    let repository = TestRepository::new();
    repository.write(".gitleaks.toml", CONFIG);
    let account = format!("{}{}", 123_456, 789_012);
    let url = format!("{}://{}:{}@db.internal:5432/app", "postgres", "app", "hunter2x9");
    let token = github_token(1);
    repository.write("main.tf", format!("account_id = \"{account}\"\n"));
    repository.write("near-miss.tf", format!("account_id = \"{account}9\"\nnumber = {account}\n"));
    repository.write("app.yaml", format!("database: {url}\n"));
    repository.write("no-password.yaml", "database: postgres://db.internal:5432/app\n");
    repository.write("ci.yaml", format!("token: {token}\n"));
    for path in ["README.md", "notes.txt", "pkg/testdata/ci.yaml", "test_fixtures/ci.yaml"] {
        repository.write(path, format!("account_id: {account}\n{url}\n{token}\n"));
    }
    repository.commit("everything");
    repository
}

#[test]
fn the_hook_entry_works_with_the_name_changed() {
    let hooked = HookedRepository::new(path_with_keystile());
    let repository = &hooked.repository;
    repository.commit_file(".gitleaks.toml", CONFIG, "start");
    // The entry as pre-commit would run it, at the top of the work tree, with its variables set by git.
    let hook = repository.path().join(".git/hooks/pre-commit");
    repository.write(".git/hooks/pre-commit", "#!/bin/sh\nexec keystile protect --staged --verbose\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&hook, mode).unwrap();
    repository.write("main.tf", format!("account_id = \"{}{}\"\n", 123_456, 789_012));
    repository.write("testdata/token", github_token(1));
    repository.git(&["add", "-A"]);
    let run = hooked.try_git(&["commit", "-q", "-m", "leak"]).expect(1);
    let said = format!("{}{}", run.text(), run.stderr);
    assert!(said.contains("cloud-account-number") && said.contains("main.tf"), "{said}");
    // Not as a finding; what the configuration allows is named.
    assert!(!said.contains("testdata/token:"), "{said}");
    assert!(said.contains("left out     1: at a path that the configuration allows (testdata/token)"), "{said}");
    repository.write("main.tf", "account_id = var.account\n");
    repository.git(&["add", "-A"]);
    hooked.try_git(&["commit", "-q", "-m", "clean"]).expect(0);
}
