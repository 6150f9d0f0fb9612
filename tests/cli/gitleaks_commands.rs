//! gitleaks' commands and flags beside the real gitleaks: the same exit status and the same report.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::assets::{asset, csv};
use crate::support::run::{command, finish, keystile_with_input};
use crate::support::token::random;
use crate::support::{Run, TestRepository, keystile};

/// Two rules that no default configuration has, so that both programs know the same ones.
const RULES: &str = "\
[[rules]]
id = \"acme\"
description = \"ACME key\"
regex = '''\\bacme_[0-9A-Za-z]{32}\\b'''
keywords = [\"acme_\"]
tags = [\"one\", \"two\"]
[[rules]]
id = \"globex\"
description = \"Globex key\"
regex = '''globex-([0-9A-Za-z]{24})'''
secretGroup = 1
entropy = 3
[[rules.allowlists]]
paths = ['''^allowed/''']
";

fn acme(seed: u64) -> String {
    format!("acme_{}", random(seed, 32))
}

fn globex(seed: u64) -> String {
    format!("globex-{}", random(seed, 24))
}

/// History with leaks that are gone, renamed, copied, allowed and in a branch; one staged, one not staged.
fn repository() -> TestRepository {
    let repository = TestRepository::new();
    repository.commit_file(".gitleaks.toml", RULES, "rules");
    repository.git(&["tag", "base"]);
    repository.commit_file(
        "a.txt",
        format!("one\nkey: {}, {}\nthree\n", acme(1), globex(1)),
        "two leaks <&> in a line",
    );
    repository.commit_file("a.txt", "one\nthree\n", "gone");
    repository.git(&["tag", "middle"]);
    repository.write("allowed/b.txt", globex(2));
    repository.write("sub/c d.txt", format!("{}\n{} # {}:allow\n", acme(3), acme(4), "gitleaks"));
    repository.commit("more\n\nwith a body");
    repository.git(&["checkout", "-q", "-b", "side"]);
    repository.commit_file("side.txt", format!("encoded\n{}\n", acme(5)), "side");
    repository.git(&["checkout", "-q", "main"]);
    repository.write("sub/staged.txt", format!("{}\n", acme(6)));
    repository.git(&["add", "-A"]);
    repository.write("sub/c d.txt", format!("{}\n{}\n", acme(3), acme(7)));
    repository
}

/// Runs both programs and fails unless they end alike and report the same; gives keystile's report. With
/// `--compat=strict` every field is the same, without it all but the columns, which gitleaks counts from 2
/// behind the first line (of a file, of a hunk; staged changes are not read by hunks here, strict or not).
#[track_caller]
pub(crate) fn expect_same(
    gitleaks: &Path,
    folder: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
    input: &str,
) -> Value {
    let (status, mut theirs, _) = run(Command::new(gitleaks), folder, arguments, variables, input);
    let strict = [arguments, &["--compat=strict"]].concat();
    let (strict_status, strict, said) = run(command(folder), folder, &strict, variables, input);
    assert_eq!(strict_status, status, "{arguments:?}: {said}");
    let by_hunks = ["protect", "--staged", "--pre-commit"].iter().any(|word| arguments.contains(word));
    if !by_hunks {
        assert_eq!(strict, theirs, "{arguments:?} --compat=strict");
    }
    let (ours_status, mut ours, said) = run(command(folder), folder, arguments, variables, input);
    assert_eq!(ours_status, status, "{arguments:?}: {said}");
    for record in ours.iter_mut().chain(&mut theirs) {
        for column in ["StartColumn", "EndColumn"] {
            record[column].take();
        }
    }
    assert_eq!(ours, theirs, "{arguments:?}");
    Value::Array(ours)
}

/// Exit status, records of the report and what was said.
#[track_caller]
fn run(
    mut program: Command,
    folder: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
    input: &str,
) -> (Option<i32>, Vec<Value>, String) {
    let reports = tempfile::tempdir().expect("a temporary folder");
    let report = reports.path().join("report.json");
    program
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", reports.path())
        .envs(variables.iter().copied())
        .args(arguments)
        .arg("--report-path")
        .arg(&report)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = program.spawn().expect("the program starts");
    // One that does not read its input may be gone.
    let _ = std::io::Write::write_all(&mut child.stdin.take().expect("piped"), input.as_bytes());
    let output = child.wait_with_output().expect("the program ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let text = std::fs::read(&report).unwrap_or_else(|_| panic!("{program:?}: no report: {said}"));
    let mut records: Vec<Value> = serde_json::from_slice(&text).expect("a list");
    records.sort_by_key(|record| format!("{} {}", record["Fingerprint"], record["StartColumn"]));
    (output.status.code(), records, said)
}

fn found(report: &Value) -> usize {
    report.as_array().expect("a list").len()
}

#[test]
fn commands_end_alike_and_report_the_same() {
    let Some(gitleaks) = asset("bin/gitleaks") else { return };
    let repository = repository();
    let whole = repository.path().join("sub");
    let whole = whole.to_str().expect("UTF-8");
    // Arguments, and how many records both have.
    let cases: &[(&[&str], usize)] = &[
        (&["git"], 4),
        (&["git", "."], 4),
        (&["git", "--log-opts=middle..main"], 1),
        (&["git", "--log-opts=base..middle"], 2),
        (&["git", "--log-opts", "--all --full-history"], 4),
        (&["git", "--staged"], 1),
        (&["git", "--pre-commit"], 1),
        (&["git", "--pre-commit", "--staged"], 1),
        (&["git", "--ignore-gitleaks-allow"], 5),
        (&["git", "--enable-rule=globex"], 1),
        (&["git", "--enable-rule", "globex,acme"], 4),
        (&["git", "--exit-code=7"], 4),
        (&["git", "--exit-code", "0"], 4),
        (&["git", "-v", "--no-color", "--no-banner", "-l", "error"], 4),
        (&["git", "--max-decode-depth=0", "--max-archive-depth=1"], 4),
        (&["detect"], 4),
        (&["detect", "-s", ".", "-f", "json"], 4),
        (&["detect", "--source=sub/..", "--log-opts=middle..side"], 2),
        (&["detect", "--no-git"], 3),
        (&["detect", "--no-git", "-s", "sub"], 3),
        (&["protect"], 1),
        (&["protect", "--staged"], 1),
        (&["protect", "--staged", "--verbose"], 1),
        (&["protect", "--staged", "--log-opts=base..main"], 1),
        (&["dir"], 3),
        (&["dir", "."], 3),
        (&["directory", "sub"], 3),
        (&["file", "sub/c d.txt"], 2),
        (&["dir", "a.txt"], 0),
        // What allowlists and fingerprints see begins with the folder as it was named.
        (&["dir", "allowed"], 0),
        (&["dir", "./allowed/"], 0),
        (&["dir", "../repository/allowed"], 1),
        (&["dir", whole], 3),
        (&["detect", "--no-git", "-s", "sub/../sub"], 3),
        (&["dir", "--max-target-megabytes=1"], 3),
    ];
    for (arguments, records) in cases {
        println!("{arguments:?}");
        // A folder of its own has no configuration there; gitleaks and keystile would take their own rules.
        let arguments = [arguments, &["--config=.gitleaks.toml"][..]].concat();
        let report = expect_same(&gitleaks, repository.path(), &arguments, &[], "");
        assert_eq!(found(&report), *records, "{arguments:?}: {report:#}");
    }
}

#[test]
fn standard_input() {
    let Some(gitleaks) = asset("bin/gitleaks") else { return };
    let repository = repository();
    let leak = format!("one\ntwo {}\n", acme(1));
    for arguments in [&["stdin"][..], &["detect", "--pipe"], &["stdin", "--redact"], &["stdin", "--exit-code=3"]] {
        assert_eq!(found(&expect_same(&gitleaks, repository.path(), arguments, &[], &leak)), 1);
        assert_eq!(found(&expect_same(&gitleaks, repository.path(), arguments, &[], "nothing\n")), 0);
    }
}

#[test]
fn clean_repositories() {
    let Some(gitleaks) = asset("bin/gitleaks") else { return };
    let repository = TestRepository::new();
    repository.commit_file(".gitleaks.toml", RULES, "rules");
    for arguments in [&["git"][..], &["detect"], &["protect", "--staged"], &["protect"], &["dir"], &["git", "--staged"]]
    {
        assert_eq!(found(&expect_same(&gitleaks, repository.path(), arguments, &[], "")), 0, "{arguments:?}");
    }
}

#[test]
fn redaction() {
    let Some(gitleaks) = asset("bin/gitleaks") else { return };
    let repository = repository();
    for percent in ["--redact", "--redact=100", "--redact=0"] {
        let report = expect_same(&gitleaks, repository.path(), &["git", "--log-opts=middle..main", percent], &[], "");
        assert_eq!(report[0]["Secret"] == "REDACTED", percent != "--redact=0", "{report:#}");
    }
    // In part: as much of it is shown.
    let report = expect_same(&gitleaks, repository.path(), &["git", "--log-opts=middle..main", "--redact=80"], &[], "");
    assert!(!report.to_string().contains(&acme(3)), "{report:#}");
    // What is printed ends up in logs: it is masked unless asked otherwise, which is not so in gitleaks.
    for (flag, is_masked) in [(None, true), (Some("--redact"), true), (Some("--redact=0"), false)] {
        let run = keystile(repository.path(), ["git", "--verbose"].into_iter().chain(flag)).expect(1);
        assert!(run.text().contains("[acme]"), "{}", run.text());
        assert_eq!(!run.text().contains(&acme(1)), is_masked, "{flag:?}: {}", run.text());
    }
}

#[test]
fn baselines() {
    let Some(gitleaks) = asset("bin/gitleaks") else { return };
    let repository = repository();
    // keystile's counts columns right, so that it is gitleaks' own only with --compat=strict.
    for writer in ["gitleaks", "keystile"] {
        let baseline = repository.beside(&format!("{writer}.json"));
        let report = format!("--report-path={}", baseline.display());
        let arguments = ["git", "--log-opts=base..middle", "-r", report.trim_start_matches("--report-path=")];
        if writer == "gitleaks" {
            finish(Command::new(&gitleaks).args(arguments).current_dir(repository.path())).expect(1);
        } else {
            keystile(repository.path(), [&arguments[..], &["--compat=strict"]].concat()).expect(1);
        }
        let known = format!("--baseline-path={}", baseline.display());
        let report = expect_same(&gitleaks, repository.path(), &["git", &known], &[], "");
        assert_eq!(found(&report), 2, "what is known is left out: {report:#}");
        let known = baseline.to_str().unwrap();
        let arguments = ["git", "--log-opts=base..middle", "-b", known];
        assert_eq!(found(&expect_same(&gitleaks, repository.path(), &arguments, &[], "")), 0);
    }
}

#[test]
fn ignore_files() {
    let Some(gitleaks) = asset("bin/gitleaks") else { return };
    let repository = repository();
    let all = expect_same(&gitleaks, repository.path(), &["git"], &[], "");
    let fingerprint = |index: usize| all[index]["Fingerprint"].as_str().unwrap().to_owned();
    let other = repository.beside("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join(".gitleaksignore"), format!("# one\n{}\n", fingerprint(0))).unwrap();
    std::fs::write(other.join("named"), format!("{}\n", fingerprint(1))).unwrap();
    let (folder, named) = (other.to_str().unwrap(), other.join("named").to_str().unwrap().to_owned());
    let file = other.join(".gitleaksignore").to_str().unwrap().to_owned();
    let none = repository.path().to_str().unwrap();
    for (arguments, left) in [
        (&["git", "-i", folder][..], 3),
        (&["git", "-i", &file], 3),
        (&["git", "--gitleaks-ignore-path", &named], 3),
        (&["git", "-i", none], 4),
        (&["git", "-i", ".gitleaksignore"], 4),
    ] {
        assert_eq!(found(&expect_same(&gitleaks, repository.path(), arguments, &[], "")), left, "{arguments:?}");
    }
    // The one beside what is scanned counts as well; without the commit it is for every one.
    let anywhere = fingerprint(2).split_once(':').unwrap().1.to_owned();
    repository.write(".gitleaksignore", format!("{anywhere}\n"));
    for (arguments, left) in [(&["git"][..], 3), (&["git", "-i", folder], 2), (&["git", "-i", "."], 3)] {
        assert_eq!(found(&expect_same(&gitleaks, repository.path(), arguments, &[], "")), left, "{arguments:?}");
    }
}

#[test]
fn where_configuration_comes_from() {
    let Some(gitleaks) = asset("bin/gitleaks") else { return };
    let repository = repository();
    let one_rule = |id: &str| format!("[[rules]]\nid = \"{id}\"\nregex = '''acme_[0-9A-Za-z]{{32}}'''\n");
    let file = repository.beside("file.toml").to_str().unwrap().to_owned();
    std::fs::write(&file, one_rule("file")).unwrap();
    let variable = repository.beside("variable.toml").to_str().unwrap().to_owned();
    std::fs::write(&variable, one_rule("variable")).unwrap();
    let text = one_rule("text");
    repository.write("nested/.gitleaks.toml", one_rule("nested"));
    let bare = repository.beside("bare.git").to_str().unwrap().to_owned();
    repository.git(&["clone", "-q", "--bare", ".", &bare]);
    let (config, toml) = (("GITLEAKS_CONFIG", variable.as_str()), ("GITLEAKS_CONFIG_TOML", text.as_str()));
    for (arguments, variables, rule) in [
        (&["git", "-c", &file][..], &[config, toml][..], "file"),
        (&["git"], &[config, toml], "variable"),
        (&["git"], &[toml], "text"),
        (&["git"], &[("GITLEAKS_CONFIG", ""), toml], "text"),
        (&["git"], &[], "acme"),
        (&["dir", "sub"], &[toml], "text"),
        (&["git", "nested"], &[], "nested"),
        (&["detect", "-s", "nested"], &[], "nested"),
        (&["git", &bare], &[toml], "text"),
    ] {
        let report = expect_same(&gitleaks, repository.path(), arguments, variables, "");
        assert!(report.to_string().contains(&format!("\"RuleID\":\"{rule}\"")), "{arguments:?}: {report:#}");
    }
}

#[test]
fn report_formats() {
    let repository = repository();
    let target = |name: &str| repository.beside(name).to_str().unwrap().to_owned();
    for (file, format, begins) in [
        ("report.json", None, "[\n {\n  \"RuleID\""),
        ("report.csv", None, "RuleID,"),
        ("report.sarif", None, "{"),
        ("report.xml", Some("junit"), "<?xml"),
        ("report", Some("json"), "[\n {"),
        ("report.txt", Some("csv"), "RuleID,"),
    ] {
        let path = target(file);
        let format = format.map(|format| format!("--report-format={format}"));
        let arguments = ["git", "-r", &path].into_iter().chain(format.as_deref());
        let run = keystile(repository.path(), arguments).expect(1);
        assert_eq!(run.text(), "", "{file}: nothing is printed without --verbose");
        let report = std::fs::read_to_string(&path).unwrap();
        assert!(report.to_lowercase().starts_with(&begins.to_lowercase()), "{file}: {report:.80}");
    }
    let run = keystile(repository.path(), ["git", "-r", "-", "-f", "json"]).expect(1);
    assert_eq!(found(&run.json()), 4);
    let run = keystile(repository.path(), ["git", "-r", &target("both.json"), "--verbose"]).expect(1);
    assert!(run.text().contains("acme"), "findings are printed beside the report: {}", run.text());
    for (arguments, word) in [
        (&["git", "-r", "x.txt"][..], "txt"),
        (&["git", "--report-template=x.tmpl"], "--report-template"),
        (&["git", "-r", "no/such/folder/x.json"], "no/such/folder/x.json"),
    ] {
        let run = keystile(repository.path(), arguments).expect(2);
        assert!(run.stderr.contains(word), "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn csv_has_gitleaks_columns() {
    let (Some(gitleaks), Some(_)) = (asset("bin/gitleaks"), asset("venv/bin/python")) else { return };
    let repository = repository();
    for arguments in [&["git"][..], &["git", "--redact"], &["dir", "sub"], &["protect", "--staged"], &["dir", "a.txt"]]
    {
        let report = |mut program: Command, name: &str| {
            let path = repository.beside(name);
            let option = format!("--report-path={}", path.display());
            let run = finish(program.current_dir(repository.path()).args(arguments).arg(option));
            let mut records = csv(&std::fs::read_to_string(&path).unwrap()).expect("there is Python");
            let list = records.as_array_mut().expect("a list");
            list.sort_by_key(|record| record["Fingerprint"].to_string());
            for record in list {
                record["StartColumn"].take();
                record["EndColumn"].take();
            }
            (run.status, records)
        };
        let theirs = report(Command::new(&gitleaks), "theirs.csv");
        assert_eq!(report(command(repository.path()), "ours.csv"), theirs, "{arguments:?}");
    }
}

#[test]
fn what_was_found_and_covered_is_said_where_no_report_says_it() {
    let repository = repository();
    let said = |run: Run| run.stderr;
    let run = said(keystile(repository.path(), ["git"]).expect(1));
    assert!(run.contains("leaks found: 4"), "{run}");
    let run = said(keystile_with_input(repository.path(), &["stdin"], b"nothing\n").expect(0));
    assert!(run.contains("no leaks found"), "{run}");
    let run = said(keystile_with_input(repository.path(), &["stdin", "-l", "error"], b"nothing\n").expect(0));
    assert_eq!(run, "");
    // Where gitleaks says "no leaks found" and ends with 0.
    let shallow = repository.beside("shallow");
    repository.git(&["stash", "-q"]);
    repository.commit_file("a.txt", "clean\n", "clean");
    let url = format!("file://{}", repository.path().display());
    repository.git(&["clone", "-q", "--depth=1", &url, shallow.to_str().unwrap()]);
    let report = repository.beside("shallow.json");
    let arguments = ["detect", "-c", ".gitleaks.toml", "--enable-rule=globex", "-r", report.to_str().unwrap()];
    let run = said(keystile(&shallow, arguments).expect(3));
    assert!(run.contains("not scanned") && run.contains("shallow"), "{run}");
    let run = keystile(&shallow, ["scan", "--config=.gitleaks.toml", "--format=csv", "--enable-rule=globex"]).expect(3);
    assert!(run.stderr.contains("not scanned") && !run.stderr.contains("leaks found"), "{}", run.stderr);
}

#[test]
fn a_timeout_is_an_incomplete_scan() {
    let repository = repository();
    let mut command = command(repository.path());
    // Its input never ends.
    let mut child =
        command.args(["stdin", "--timeout=1"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let input = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    drop(input);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("not done within 1 s"), "{said}");
}

#[test]
fn options_that_would_scan_something_else_are_refused() {
    let repository = repository();
    for (arguments, word) in [
        (&["git", "--log-opts=-1"][..], "-1"),
        (&["git", "--log-opts=--since=yesterday"], "--since"),
        (&["git", "--log-opts=main"], "main"),
        (&["git", "--log-opts=base...main"], "base...main"),
        (&["git", "--log-opts=--all base..main"], "--all"),
        (&["git", "--log-opts=base..main middle..side"], "middle..side"),
        (&["git", "--log-opts=base..main -- sub"], "--"),
        (&["detect", "--log-opts=--not base"], "--not"),
        (&["git", "--log-opts=none..main"], "none"),
        (&["git", "-i", "no-such-ignore"], "no-such-ignore"),
        (&["git", "--enable-rule=none"], "none"),
        (&["git", "-b", "none.json"], "none.json"),
        (&["git", "-c", "none.toml"], "none.toml"),
        (&["git", "nowhere"], "nowhere"),
        (&["dir", "nowhere"], "nowhere"),
        (&["protect", "--no-such-flag"], "--no-such-flag"),
    ] {
        let run = keystile(repository.path(), arguments).expect(2);
        assert!(run.stderr.contains(word), "{arguments:?}: {}", run.stderr);
    }
}
