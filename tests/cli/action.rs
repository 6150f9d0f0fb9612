//! The GitHub Action: its steps as `action.yml` has them, run with what GitHub would set.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::support::assets::{path_with_keystile, path_without_keystile, project, yaml};
use crate::support::run::finish;
use crate::support::{Run, TestRepository, github_token, keystile};

/// A repository as `actions/checkout` leaves it, and the event that it was checked out for.
struct Event {
    repository: TestRepository,
    checkout: PathBuf,
    /// The contexts that expressions can ask, by their full names.
    contexts: BTreeMap<String, String>,
}

/// What a run of the action left behind.
struct Ran {
    run: Run,
    summary: String,
    output: String,
    sarif: Option<Value>,
}

impl Event {
    /// The pull request `topic` → `main`, checked out as its merge, with the whole history.
    fn pull_request(repository: TestRepository) -> Self {
        let base = repository.git(&["rev-parse", "main"]);
        repository.git(&["checkout", "-q", "--detach", "main"]);
        repository.git(&["merge", "-q", "--no-ff", "-m", "Merge topic into main", "topic"]);
        repository.git(&["update-ref", "refs/pull/1/merge", "HEAD"]);
        let mut event = Self::checked_out(repository, "pull/1/merge", &["fetch", "-q"]);
        event.set("github.event.pull_request.base.sha", &base);
        event.set("github.ref_name", "1/merge");
        event
    }

    /// A push that moved `branch` from `before`.
    fn push(repository: TestRepository, branch: &str, before: &str) -> Self {
        let mut event = Self::checked_out(repository, &format!("heads/{branch}"), &["fetch", "-q"]);
        event.set("github.event.before", before);
        event.set("github.ref_name", branch);
        event
    }

    /// As `actions/checkout` does: all branches, then the reference of the event, detached for a merge.
    fn checked_out(repository: TestRepository, reference: &str, fetch: &[&str]) -> Self {
        let checkout = repository.beside("checkout");
        let url = format!("file://{}", repository.path().display());
        repository.git(&["init", "-q", checkout.to_str().unwrap()]);
        repository.git_in(&checkout, &["remote", "add", "origin", &url]);
        let branches = "+refs/heads/*:refs/remotes/origin/*";
        let wanted = format!("+refs/{reference}:refs/remotes/event");
        let all: &[&str] = if fetch.contains(&"--depth=1") { &[] } else { &[branches] };
        repository.git_in(&checkout, &[fetch, &["origin"], all, &[wanted.as_str()]].concat());
        repository.git_in(&checkout, &["checkout", "-q", "--detach", "refs/remotes/event"]);
        let mut event = Self { repository, checkout, contexts: BTreeMap::new() };
        event.set("github.action_path", project().to_str().unwrap());
        event.set("github.event.repository.default_branch", "main");
        event
    }

    fn set(&mut self, name: &str, value: &str) {
        self.contexts.insert(name.to_owned(), value.to_owned());
    }

    /// The value of `a || b || c`: the first that is not empty, as GitHub has it.
    fn expression(&self, action: &Value, text: &str) -> String {
        let inner = text.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}")).expect("one expression");
        let of_context = |name: &str| {
            let default = || {
                let input = name.strip_prefix("inputs.")?;
                Some(action["inputs"][input]["default"].as_str().expect("every input has a default").to_owned())
            };
            assert!(name.starts_with("github.") || default().is_some(), "{name} is no context of an action");
            self.contexts.get(name).cloned().or_else(default).unwrap_or_default()
        };
        inner.split("||").map(|name| of_context(name.trim())).find(|value| !value.is_empty()).unwrap_or_default()
    }

    /// Runs the step that scans; `None` where there is nothing to read YAML with.
    fn run(&self) -> Option<Ran> {
        let action = yaml(&std::fs::read_to_string(project().join("action.yml")).unwrap())?;
        let step = action["runs"]["steps"].as_array().expect("steps").last().expect("a step").clone();
        assert_eq!(step["shell"], "bash");
        let summary = self.repository.beside("summary.md");
        std::fs::write(&summary, "from an earlier step\n").unwrap();
        let output = self.repository.beside("output");
        std::fs::write(&output, "").unwrap();
        // <https://docs.github.com/actions/reference/workflow-syntax#jobsjob_idstepsshell>
        let mut command = Command::new("bash");
        command
            .args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"].as_str().expect("a script")])
            .current_dir(&self.checkout)
            .env_clear()
            .env("PATH", self.contexts.get("PATH").map_or_else(path_with_keystile, |path| path.into()))
            .env("HOME", self.repository.beside("home"))
            .env("GITHUB_STEP_SUMMARY", &summary)
            .env("GITHUB_OUTPUT", &output);
        for (name, value) in step["env"].as_object().expect("variables") {
            command.env(name, self.expression(&action, value.as_str().expect("a text")));
        }
        if let Some(value) = self.contexts.get("variable GITHUB_ACTIONS") {
            command.env("GITHUB_ACTIONS", value);
        }
        let run = finish(&mut command);
        let sarif = std::fs::read(self.checkout.join("keystile.sarif")).ok();
        Some(Ran {
            run,
            summary: std::fs::read_to_string(&summary).unwrap(),
            output: std::fs::read_to_string(&output).unwrap(),
            sarif: sarif.map(|text| serde_json::from_slice(&text).expect("SARIF is JSON")),
        })
    }

    #[track_caller]
    fn expect(&self, status: i32) -> Option<Ran> {
        let ran = self.run()?;
        assert_eq!(ran.run.status, Some(status), "{}{}", ran.run.text(), ran.run.stderr);
        Some(ran)
    }
}

fn results(ran: &Ran) -> Vec<String> {
    let sarif = ran.sarif.as_ref().expect("a SARIF report");
    let results = sarif["runs"][0]["results"].as_array().expect("results");
    results.iter().map(|result| result["ruleId"].as_str().expect("a rule").to_owned()).collect()
}

/// A repository whose branch `topic` is one commit ahead of `main`.
fn proposal(change: impl FnOnce(&TestRepository)) -> TestRepository {
    let repository = TestRepository::new();
    repository.commit_file("README", "start\n", "start");
    repository.git(&["checkout", "-q", "-b", "topic"]);
    change(&repository);
    repository.commit("proposed");
    repository
}

#[test]
fn no_expression_stands_in_a_script() {
    let Some(action) = yaml(&std::fs::read_to_string(project().join("action.yml")).unwrap()) else { return };
    for step in action["runs"]["steps"].as_array().expect("steps") {
        let script = step["run"].as_str().expect("a script");
        assert!(!script.contains("${{"), "whoever names a branch could run programs: {script}");
        assert!(step["shell"].is_string(), "a composite action names the shell of each step");
        // Cargo reads .cargo/config.toml, and rustup rust-toolchain.toml, of the current folder: both name
        // programs, and in a checkout they are the change's.
        let elsewhere = step["working-directory"] == "${{ github.action_path }}";
        assert!(elsewhere || !script.contains("cargo "), "{script}");
    }
}

#[test]
fn a_token_fails_the_pull_request_and_is_reported() {
    let token = github_token(1);
    let repository = proposal(|repository| repository.write("leak.txt", format!("key = {token}\n")));
    let Some(ran) = Event::pull_request(repository).expect(1) else { return };
    assert_eq!(results(&ran), ["github-pat"]);
    assert!(ran.summary.starts_with("from an earlier step\n"), "the summary is appended to: {}", ran.summary);
    assert_eq!(ran.output, "sarif=keystile.sarif\n");
    assert!(ran.summary.contains("1 secret") && ran.summary.contains("leak"), "{}", ran.summary);
    for text in [ran.run.text(), ran.run.stderr, ran.summary, ran.sarif.unwrap().to_string()] {
        assert!(!text.contains(&token), "{text}");
    }
}

/// <https://docs.github.com/actions/reference/workflow-commands-for-github-actions#stopping-and-starting-workflow-commands>
#[test]
fn what_a_change_is_called_commands_nothing() {
    let mut tokens = Vec::new();
    for (args, status) in [("", 1), ("--no-such-flag ::error::usage", 2)] {
        let name = "##[error]x ::error::y.txt";
        let mut event = Event::pull_request(proposal(|repository| repository.write(name, github_token(1))));
        event.set("variable GITHUB_ACTIONS", "true");
        event.set("inputs.args", args);
        let Some(ran) = event.expect(status) else { return };
        let text = ran.run.text();
        assert_eq!(
            ran.run.stderr, "",
            "streams are read side by side: what is on the other one may come before the guard"
        );
        let lines: Vec<&str> = text.lines().collect();
        let token = lines[0].strip_prefix("::stop-commands::").expect("the guard comes first");
        assert!(token.len() > 32 && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{token}");
        assert_eq!(text.matches(token).count(), 2, "the change sees no token: {text}");
        assert_eq!(lines.last(), Some(&format!("::{token}::").as_str()), "{text}");
        assert!(text.contains("error"), "the guard has something to guard: {text}");
        tokens.push(token.to_owned());
    }
    assert_ne!(tokens[0], tokens[1]);
}

#[test]
fn a_clean_pull_request_passes_and_old_leaks_do_not_count() {
    let repository = TestRepository::new();
    repository.commit_file("old.txt", github_token(9), "old");
    repository.git(&["checkout", "-q", "-b", "topic"]);
    repository.commit_file("new.txt", "nothing\n", "proposed");
    let Some(ran) = Event::pull_request(repository).expect(0) else { return };
    assert!(results(&ran).is_empty());
    assert!(ran.summary.contains("No secrets found"), "{}", ran.summary);
}

#[test]
fn a_pull_request_can_not_silence_itself() {
    let token = github_token(1);
    let leak = format!("key = {token}\n");
    let repository = TestRepository::new();
    repository.commit_file("leak.txt", &leak, "leak");
    let report = keystile(repository.path(), ["scan", "--format=json"]).expect(1);
    let fingerprint = report.json()["findings"][0]["fingerprint"].as_str().unwrap().to_owned();
    let gitleaks_report = keystile(repository.path(), ["scan", "--format=gitleaks", "--reveal"]).expect(1).text();
    keystile(repository.path(), ["scan", "--update-baseline"]).expect(0);
    let baseline = std::fs::read_to_string(repository.path().join(".keystile/baseline.json")).unwrap();

    let allowlist = "[extend]\nuseDefault = true\n[[allowlists]]\npaths = ['''.*''']\n".to_owned();
    let disabled = "[extend]\nuseDefault = true\ndisabledRules = [\"github-pat\"]\n".to_owned();
    let other = "[[rules]]\nid = \"none\"\nregex = '''nothing-like-it'''\n".to_owned();
    let cases: &[(&str, &str, String)] = &[
        ("an allowlist", ".keystile/scan.toml", allowlist.clone()),
        ("a disabled rule", ".keystile/scan.toml", disabled.clone()),
        ("other rules", ".keystile/scan.toml", other.clone()),
        ("broken", ".keystile/scan.toml", "[[rules".to_owned()),
        ("gitleaks' allowlist", ".gitleaks.toml", allowlist),
        ("gitleaks' disabled rule", ".gitleaks.toml", disabled),
        ("gitleaks' other rules", ".gitleaks.toml", other),
        ("an ignored fingerprint", ".keystile/ignore", format!("{fingerprint}  # reason: hush\n")),
        ("an ignored place", ".keystile/ignore", "leak.txt:github-pat:1  # reason: hush\n".to_owned()),
        ("gitleaks' ignored place", ".gitleaksignore", "leak.txt:github-pat:1\n".to_owned()),
        ("a baseline", ".keystile/baseline.json", baseline),
        ("gitleaks' baseline", ".keystile/baseline.json", gitleaks_report),
        ("the path is ignored by git", ".gitignore", "leak.txt\n".to_owned()),
        ("an attribute", ".gitattributes", "* -diff -text binary\n".to_owned()),
    ];
    for (case, path, content) in cases {
        let repository = proposal(|repository| {
            repository.write("leak.txt", &leak);
            repository.git(&["add", "leak.txt"]);
            repository.write(path, content);
        });
        let Some(ran) = Event::pull_request(repository).run() else { return };
        assert_eq!(ran.run.status, Some(1), "{case}: {}{}", ran.run.text(), ran.run.stderr);
        assert_eq!(results(&ran), ["github-pat"], "{case}");
    }
}

#[test]
fn what_the_base_excuses_is_excused() {
    let leak = format!("{}\n", github_token(1));
    for (path, content) in [
        (".keystile/scan.toml", "[extend]\nuseDefault = true\ndisabledRules = [\"github-pat\"]\n"),
        (".keystile/ignore", "leak.txt:github-pat:1  # reason: a test\n"),
        (".gitleaksignore", "leak.txt:github-pat:1\n"),
    ] {
        let repository = TestRepository::new();
        repository.commit_file(path, content, "an exception, reviewed");
        repository.git(&["checkout", "-q", "-b", "topic"]);
        std::fs::remove_file(repository.path().join(path)).unwrap();
        repository.commit_file("leak.txt", &leak, "proposed");
        if Event::pull_request(repository).expect(0).is_none() {
            return;
        }
    }
}

#[test]
fn files_that_flags_and_variables_name_come_from_the_base_too() {
    let allow = "[extend]\nuseDefault = true\n[[allowlists]]\npaths = ['''.*''']\n";
    for (args, file, content) in [
        ("--config=ci/rules.toml", "ci/rules.toml", allow),
        ("--config ./ci/../ci/rules.toml", "ci/rules.toml", allow),
        ("--ignore-file=ci/ignore", "ci/ignore", "leak.txt:github-pat:1  # reason: hush\n"),
        ("--baseline=ci/baseline.json", "ci/baseline.json", "[]"),
    ] {
        let repository = TestRepository::new();
        let harmless = if content == allow { "[extend]\nuseDefault = true\n" } else { "" };
        let harmless = if content == "[]" { content } else { harmless };
        repository.commit_file(file, harmless, "start");
        repository.git(&["checkout", "-q", "-b", "topic"]);
        repository.write(file, content);
        repository.commit_file("leak.txt", github_token(1), "proposed");
        let mut event = Event::pull_request(repository);
        event.set("inputs.args", args);
        if event.expect(1).is_none() {
            return;
        }
        // New in the change: not there at the base, which is an error and no reason to read the other one.
        let repository = proposal(|repository| {
            repository.write(file, content);
            repository.write("leak.txt", github_token(1));
        });
        let mut event = Event::pull_request(repository);
        event.set("inputs.args", args);
        let ran = event.expect(2).expect("as before");
        assert!(ran.run.stderr.contains("--config-from"), "{}", ran.run.stderr);
    }
}

#[test]
fn comments_excuse_unless_the_workflow_says_no() {
    let line = format!("key = {} # {}:allow\n", github_token(1), "keystile");
    let mut event = Event::pull_request(proposal(|repository| repository.write("leak.txt", line)));
    let Some(ran) = event.expect(0) else { return };
    for said in [ran.run.text(), ran.summary] {
        assert!(said.contains("1 by an allow comment") || said.contains("1 finding by an allow"), "it is said: {said}");
    }
    event.set("inputs.inline-allow", "false");
    assert_eq!(results(&event.expect(1).unwrap()), ["github-pat"]);
}

#[test]
fn a_shallow_checkout_is_2_with_the_cure() {
    let repository = proposal(|repository| repository.write("leak.txt", github_token(1)));
    let base = repository.git(&["rev-parse", "main"]);
    for event in ["github.event.pull_request.base.sha", "github.event.before"] {
        let repository = proposal(|repository| repository.write("leak.txt", github_token(1)));
        let mut shallow = Event::checked_out(repository, "heads/topic", &["fetch", "-q", "--depth=1"]);
        shallow.set(event, &base);
        shallow.set("github.ref_name", "topic");
        let Some(ran) = shallow.expect(2) else { return };
        assert!(ran.run.stderr.contains("fetch-depth: 0"), "{event}: {}", ran.run.stderr);
        assert!(ran.sarif.is_none(), "nothing was scanned, so nothing is reported as clean");
        assert_eq!(ran.output, "", "there is nothing to upload");
    }
}

#[test]
fn pushes() {
    let zero = "0".repeat(40);
    let leak = |repository: &TestRepository| repository.write("leak.txt", github_token(1));

    println!("commits pushed to a branch");
    let repository = proposal(leak);
    let before = repository.git(&["rev-parse", "topic"]);
    repository.commit_file("later.txt", "nothing\n", "later");
    let Some(_) = Event::push(repository, "topic", &before).expect(0) else { return };

    println!("a new branch is compared with the default branch");
    let ran = Event::push(proposal(leak), "topic", &zero).expect(1).unwrap();
    assert_eq!(results(&ran), ["github-pat"]);

    println!("the first push of the default branch: everything is new");
    let repository = proposal(leak);
    repository.git(&["branch", "-f", "main", "topic"]);
    assert_eq!(results(&Event::push(repository, "main", &zero).expect(1).unwrap()), ["github-pat"]);

    println!("a forced push: the old commit is gone");
    let ran = Event::push(proposal(leak), "topic", &"1".repeat(40)).expect(1).unwrap();
    assert_eq!(results(&ran), ["github-pat"]);

    println!("a merge queue");
    let repository = proposal(leak);
    let base = repository.git(&["rev-parse", "main"]);
    let mut event = Event::push(repository, "topic", "");
    event.set("github.event.merge_group.base_sha", &base);
    assert_eq!(results(&event.expect(1).unwrap()), ["github-pat"]);

    println!("nothing to compare with");
    let mut event = Event::push(proposal(leak), "topic", &zero);
    event.set("github.event.repository.default_branch", "");
    let ran = event.expect(2).unwrap();
    assert!(ran.run.stderr.contains("nothing to compare with"), "{}", ran.run.stderr);

    println!("an event without a change");
    let mut event = Event::push(proposal(leak), "topic", "");
    event.set("github.event.repository.default_branch", "main");
    let ran = event.expect(2).unwrap();
    assert!(ran.run.stderr.contains("KEYSTILE_BASE is not set"), "{}", ran.run.stderr);
}

#[test]
fn the_base_that_pull_request_target_checks_out_is_not_taken_for_the_change() {
    let of = |checked_out: &str| {
        let repository = proposal(|repository| repository.write("leak.txt", github_token(1)));
        let (base, head) = (repository.git(&["rev-parse", "main"]), repository.git(&["rev-parse", "topic"]));
        // A fork's branch is not among those that are fetched.
        repository.git(&["update-ref", "refs/pull/1/head", "topic"]);
        repository.git(&["checkout", "-q", "main"]);
        repository.git(&["branch", "-q", "-D", "topic"]);
        let mut event = Event::checked_out(repository, checked_out, &["fetch", "-q"]);
        event.set("github.event_name", "pull_request_target");
        event.set("github.event.pull_request.base.sha", &base);
        event.set("github.event.pull_request.head.sha", &head);
        (event, head)
    };
    let (event, head) = of("heads/main");
    let Some(ran) = event.expect(2) else { return };
    assert!(ran.run.stderr.contains(&head), "{}", ran.run.stderr);
    let (event, _) = of("pull/1/head");
    assert_eq!(results(&event.expect(1).unwrap()), ["github-pat"]);
}

#[test]
fn inputs_name_another_folder_range_and_branch_names_are_no_programs() {
    let repository = proposal(|repository| repository.write("leak.txt", github_token(1)));
    let base = repository.git(&["rev-parse", "main"]);
    let mut event = Event::push(repository, "topic", "");
    event.set("inputs.base", &base);
    event.set("inputs.head", "refs/remotes/event");
    event.set("inputs.path", event.checkout.clone().to_str().unwrap());
    event.checkout = event.repository.beside("workspace");
    std::fs::create_dir(&event.checkout).unwrap();
    let Some(ran) = event.expect(1) else { return };
    assert_eq!(results(&ran), ["github-pat"], "the report is where the workflow looks for it");

    let name = "$(touch${IFS}ran)`touch${IFS}ran`;touch${IFS}ran";
    let repository = proposal(|repository| repository.write("leak.txt", github_token(1)));
    repository.git(&["branch", name, "topic"]);
    let event = Event::push(repository, name, &"0".repeat(40));
    event.expect(1).unwrap();
    assert!(!event.checkout.join("ran").exists(), "a branch's name was run");
}

#[test]
fn a_change_can_not_bring_a_report_or_have_one_written_elsewhere() {
    let bring = |link: bool| {
        proposal(|repository| {
            repository.write("leak.txt", github_token(1));
            let victim = repository.beside("victim");
            std::fs::write(&victim, "precious").unwrap();
            if link {
                std::os::unix::fs::symlink(victim, repository.path().join("keystile.sarif")).unwrap();
            } else {
                repository.write("keystile.sarif", "{}");
            }
        })
    };
    let event = Event::pull_request(bring(true));
    let Some(ran) = event.expect(1) else { return };
    assert_eq!(results(&ran), ["github-pat"]);
    assert_eq!(std::fs::read_to_string(event.repository.beside("victim")).unwrap(), "precious");
    let mut event = Event::pull_request(bring(false));
    event.set("inputs.args", "--no-such-flag");
    let ran = event.expect(2).unwrap();
    assert!(ran.sarif.is_none() && ran.output.is_empty(), "the change's own file passes for the report");
}

#[test]
fn a_missing_binary_is_2_with_the_cure() {
    let mut event = Event::pull_request(proposal(|repository| repository.write("a.txt", "nothing\n")));
    event.set("PATH", path_without_keystile().to_str().unwrap());
    let Some(ran) = event.expect(2) else { return };
    assert!(ran.run.stderr.contains("install it first"), "{}", ran.run.stderr);
}
