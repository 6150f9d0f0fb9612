//! Reports held against what others say of their formats: published schemas, and gitleaks itself.
//!
//! These come from package registries by `tests/assets`, whose folder `KEYSTILE_ASSETS` names; without
//! it the tests say that they are left out, and with `CI=true` that is a failure.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use keystile_scan::{CommitInfo, Match, OccurrencePlace, Position, RuleSet, SecretBytes};

use super::sample::{self, occurrence};
use super::{Format, Options, Report};
use crate::link::Remote;
use crate::mask::Redaction;

/// A file of the test assets, or `None` where there are none.
fn asset(name: &str) -> Option<PathBuf> {
    let found =
        std::env::var_os("KEYSTILE_ASSETS").map(|folder| Path::new(&folder).join(name)).filter(|path| path.exists());
    if found.is_none() {
        let is_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(!is_ci, "{name} is not among the test assets: tests/assets installs it");
        eprintln!("left out: {name} is not there, tests/run installs it");
    }
    found
}

/// The samples of `format` are valid by the schema at `schema`.
fn validate(format: Format, schema: &Path) {
    let Some(python) = asset("venv/bin/python") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rules = sample::rules();
    let none = RuleSet::default();
    let unknown = Report { rules: &none, ..sample::report(&rules) };
    for (index, report) in
        [sample::report(&rules), sample::verified(&rules), sample::empty(&rules), unknown].iter().enumerate()
    {
        for redaction in [Redaction::Full, Redaction::Off] {
            let text = sample::render_with(report, format, &Options { redaction, ..Options::default() });
            let file = folder.path().join("report.json");
            fs::write(&file, text).expect("a temporary file");
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas/validate.py");
            let output = Command::new(&python).arg(script).arg(schema).arg(&file).output().expect("python runs");
            let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{} sample {index}, {redaction:?}:\n{said}", format.as_str());
        }
    }
}

#[test]
fn json_is_valid_by_the_published_schema() {
    validate(Format::Json, &Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/report.schema.json"));
}

#[test]
fn sarif_is_valid_by_its_schema() {
    if let Some(schema) = asset("sarif-2.1.0.json") {
        validate(Format::Sarif, &schema);
    }
}

#[test]
fn junit_is_well_formed() {
    validate(Format::Junit, Path::new("xml"));
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .envs([("GIT_AUTHOR_NAME", "Änn & Example"), ("GIT_AUTHOR_EMAIL", "ann@example.org")])
        .envs([("GIT_COMMITTER_NAME", "Bob"), ("GIT_COMMITTER_EMAIL", "bob@example.org")])
        .envs([("GIT_AUTHOR_DATE", "1767323045 -0330"), ("GIT_COMMITTER_DATE", "1767323045 -0330")])
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
}

/// The records of a report of gitleaks, as text, sorted.
fn records(report: &str) -> Vec<String> {
    let inner = report.strip_prefix("[\n").and_then(|rest| rest.strip_suffix("\n]\n")).expect("a list of records");
    let mut records: Vec<String> =
        inner.split(",\n {\n").map(|record| record.trim_start_matches(" {\n").to_owned()).collect();
    records.sort();
    records
}

#[test]
fn gitleaks_writes_the_same() {
    let Some(gitleaks) = asset("bin/gitleaks") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let repository = folder.path().join("r");
    fs::create_dir(&repository).expect("a folder");
    git(&repository, &["init", "-q"]);
    git(&repository, &["remote", "add", "origin", "https://token@github.com/o/r.git"]);
    let (one, two) = ("sample-a1b2c3d4", "sample-zzzzyyyy");
    // (path, lines before it, the line, secret, column)
    let files = [("a b.md", "", format!("x = \"{one}\" & <b> ä"), one, 6), ("dir/z.txt", "", two.to_owned(), two, 1)];
    let message = "title <of> it &\n  goes on\n\n\nbody \ttab \"quoted\"\n\n\n  more\\\n";
    for (path, before, line, _, _) in &files {
        let path = repository.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, format!("{before}{line}\n")).expect("a file");
    }
    git(&repository, &["add", "."]);
    git(&repository, &["commit", "-q", "--cleanup=verbatim", "-m", message]);
    let id = git(&repository, &["rev-parse", "HEAD"]);
    let configuration = folder.path().join("c.toml");
    let rule = "[[rules]]\nid = \"sample-rule\"\ndescription = \"A <sample> & more\"\nregex = '''sample-([a-z0-9]{8})'''\nsecretGroup = 0\ntags = [\"one\", \"<two>\"]\n";
    fs::write(&configuration, rule).expect("a file");

    let commit = Arc::new(CommitInfo {
        id: id.clone(),
        author_name: "Änn & Example".to_owned(),
        author_email: "ann@example.org".to_owned(),
        author_seconds: 1_767_323_045,
        author_offset_minutes: -210,
        message: message.to_owned(),
    });
    let rules = RuleSet {
        rules: vec![keystile_scan::Rule {
            tags: vec!["one".to_owned(), "<two>".to_owned()],
            ..sample::rule("sample-rule", "A <sample> & more", Default::default())
        }],
        allowlists: Vec::new(),
    };
    let findings = files.iter().map(|(path, _, line, matched, column)| {
        // Without `secretGroup`, the first group is the secret.
        let secret = &matched["sample-".len()..];
        let mut found = Match::new(
            0,
            keystile_scan::Fingerprint::new(&Default::default(), "sample-rule", secret.as_bytes()),
            secret.as_bytes().into(),
        );
        found.matched = SecretBytes::new(matched.as_bytes());
        found.line = SecretBytes::new(line.as_bytes());
        found.start = Position { line: 1, column: *column };
        found.end = Position { line: 1, column: column + matched.len() as u32 - 1 };
        found.entropy = keystile_scan::entropy::shannon(secret.as_bytes());
        let found = Arc::new(found);
        let place = OccurrencePlace::Commit(commit.clone());
        sample::finding("sample-rule", &found, vec![occurrence(place, path.as_bytes(), &found, Some(true))])
    });
    let report = Report {
        findings: findings.collect(),
        remote: Remote::parse("https://token@github.com/o/r.git", None),
        ..sample::report(&rules)
    };
    for (flag, percent) in [("", 0), ("--redact", 100), ("--redact=20", 20)] {
        let out = folder.path().join("out.json");
        let mut command = Command::new(&gitleaks);
        command
            .args(["git", "--no-banner", "--exit-code=0", "-f", "json", "-r"])
            .arg(&out)
            .arg("-c")
            .arg(&configuration);
        if !flag.is_empty() {
            command.arg(flag);
        }
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        let output = command.arg(&repository).output().expect("gitleaks runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let theirs = fs::read_to_string(&out).expect("gitleaks wrote a report");
        let options = Options { redaction: Redaction::from_percent(percent), ..Options::default() };
        let ours = sample::render_with(&report, Format::Gitleaks, &options);
        assert_eq!(records(&ours), records(&theirs), "{flag}");
    }
}
