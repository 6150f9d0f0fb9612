//! The GitLab template: its commands, run with what GitLab would set.

use std::process::Command;

use serde_json::Value;

use crate::support::assets::{path_with_keystile, project, yaml};
use crate::support::run::finish;
use crate::support::{Run, TestRepository, github_token};

/// Runs the job's script as a runner does: one shell, all lines, stopping at the first that fails.
fn run(repository: &TestRepository, shell: &str, variables: &[(&str, &str)]) -> Option<Run> {
    let template = yaml(&std::fs::read_to_string(project().join("deploy/ci/keystile.gitlab-ci.yml")).unwrap())?;
    let job = &template["keystile"];
    let script: Vec<_> =
        job["script"].as_array().expect("a script").iter().map(|line| line.as_str().unwrap()).collect();
    let mut command = Command::new(shell);
    command
        .args(["-e", "-c", &script.join("\n")])
        .current_dir(repository.path())
        .env_clear()
        .env("PATH", path_with_keystile())
        .env("HOME", repository.beside("home"));
    for (name, value) in job["variables"].as_object().expect("variables") {
        command.env(name, value.as_str().expect("GitLab's variables are texts"));
    }
    Some(finish(command.envs(variables.iter().copied())))
}

fn report(repository: &TestRepository) -> Value {
    let text = std::fs::read(repository.path().join("gl-secret-detection-report.json")).expect("a report");
    serde_json::from_slice(&text).expect("JSON")
}

fn proposal(content: &str) -> (TestRepository, String, String) {
    let repository = TestRepository::new();
    let base = repository.commit_file("README", "start\n", "start");
    repository.git(&["checkout", "-q", "-b", "topic"]);
    repository.write(".keystile/scan.toml", "[extend]\nuseDefault = true\n[[allowlists]]\npaths = ['''.*''']\n");
    let head = repository.commit_file("a.txt", content, "proposed");
    (repository, base, head)
}

#[test]
fn the_report_goes_where_the_job_says() {
    let Some(template) = yaml(&std::fs::read_to_string(project().join("deploy/ci/keystile.gitlab-ci.yml")).unwrap())
    else {
        return;
    };
    let artifacts = &template["keystile"]["artifacts"];
    assert_eq!(artifacts["reports"]["secret_detection"], "gl-secret-detection-report.json");
    assert_eq!(artifacts["when"], "always", "of a failed job too");
    assert_eq!(template["keystile"]["variables"]["GIT_DEPTH"], "0");
}

#[test]
fn a_merge_request_with_a_token_fails_whatever_it_configures() {
    let token = github_token(1);
    for shell in ["sh", "bash"] {
        for merged_results in [false, true] {
            let (repository, base, head) = proposal(&format!("{token}\n"));
            let mut variables = vec![("CI_MERGE_REQUEST_DIFF_BASE_SHA", base.as_str()), ("CI_COMMIT_SHA", &head)];
            variables.push(("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", if merged_results { &base } else { "" }));
            let Some(run) = run(&repository, shell, &variables) else { return };
            run.expect(1);
            let report = report(&repository);
            assert_eq!(report["scan"]["type"], "secret_detection");
            assert_eq!(report["scan"]["status"], "success");
            assert_eq!(report["vulnerabilities"][0]["location"]["file"], "a.txt", "{report}");
            assert_eq!(report["vulnerabilities"][0]["identifiers"][0]["value"], "github-pat", "{report}");
            assert!(report["version"].is_string() && !report.to_string().contains(&token));
        }
    }
}

#[test]
fn a_clean_merge_request_passes_and_a_shallow_one_is_2() {
    let (repository, base, head) = proposal("nothing\n");
    let variables = [("CI_MERGE_REQUEST_DIFF_BASE_SHA", base.as_str()), ("CI_COMMIT_SHA", head.as_str())];
    let Some(ran) = run(&repository, "sh", &variables) else { return };
    ran.expect(0);
    assert_eq!(report(&repository)["vulnerabilities"].as_array().map(Vec::len), Some(0));

    let shallow = TestRepository::new();
    let url = format!("file://{}", repository.path().display());
    shallow.git(&["fetch", "-q", "--depth=1", &url, "topic"]);
    shallow.git(&["checkout", "-q", "--detach", "FETCH_HEAD"]);
    let run = run(&shallow, "sh", &variables).unwrap().expect(2);
    assert!(run.stderr.contains("GIT_DEPTH: 0"), "{}", run.stderr);
}
