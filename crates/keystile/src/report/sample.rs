//! A report with something of everything, for the tests of formats. Tokens are put together here, so
//! that no file holds one.

use std::sync::Arc;

use keystile_git::{Coverage, GapKind, SkipReason};
use keystile_scan::rule::{Rule, Severity};
use keystile_scan::{
    CommitInfo, Finding, Fingerprint, Match, Occurrence, OccurrencePlace, Position, RuleId, RuleSet, Salt, SecretBytes,
    Span,
};

use keystile_verify::{Reason, State, Verdict};

use super::{Options, Outcome, Report, Suppressed, Target, TargetKind, UnusedEntry};
use crate::link::Remote;
use crate::verify::Verification;

pub(crate) fn rule(id: &str, description: &str, severity: Severity) -> Rule {
    Rule {
        id: RuleId::new(id),
        description: description.to_owned(),
        regex: None,
        path: None,
        secret_group: 0,
        entropy: 0.0,
        keywords: Vec::new(),
        tags: vec!["sample".to_owned()],
        allowlists: Vec::new(),
        required: Vec::new(),
        skip_report: false,
        severity,
        remedy: (severity == Severity::Critical).then(|| "Delete it in the account's settings.".to_owned()),
        references: vec!["https://docs.example.org/tokens".to_owned()],
        verification: None,
    }
}

pub(crate) fn rules() -> RuleSet {
    RuleSet {
        rules: vec![
            rule("github-pat", "A GitHub personal access token.", Severity::Critical),
            rule("private-key", "A private key.", Severity::High),
            rule("generic-api-key", "A value that looks like an API key.", Severity::Medium),
        ],
        allowlists: Vec::new(),
    }
}

/// `ghp_` and 36 characters.
pub(crate) fn token() -> String {
    format!("{}{}", "gh", "p_") + &"a1B2c3".repeat(6)
}

pub(crate) fn key() -> String {
    let dashes = "-".repeat(5);
    format!(
        "{dashes}BEGIN {0}{dashes}\n{1}\n{1}\n{dashes}END {0}{dashes}",
        "PRIVATE KEY",
        "QUFBQUFBQUFBQUFBQUFB".repeat(3)
    )
}

pub(crate) fn password() -> String {
    ["hunter", "2=", "<\"'&|`>"].concat()
}

pub(crate) fn commit(id: char, message: &str) -> Arc<CommitInfo> {
    Arc::new(CommitInfo {
        id: id.to_string().repeat(40),
        author_name: "Ann Example".to_owned(),
        author_email: "ann@example.org".to_owned(),
        author_seconds: 1_767_323_045,
        author_offset_minutes: -210,
        message: message.to_owned(),
    })
}

pub(crate) fn found(rule: usize, id: &str, secret: &str, line: &str, at: (u32, u32)) -> Match {
    let fingerprint = Fingerprint::new(&Salt::default(), id, secret.as_bytes());
    let mut found = Match::new(rule, fingerprint, SecretBytes::new(secret.as_bytes()));
    found.line = SecretBytes::new(line.as_bytes());
    found.start = Position { line: at.0, column: at.1 };
    let lines = secret.lines().count().max(1) as u32 - 1;
    let column = if lines == 0 {
        at.1 + secret.chars().count() as u32 - 1
    } else {
        secret.lines().last().map_or(1, |last| last.len() as u32)
    };
    found.end = Position { line: at.0 + lines, column };
    found.span = Span::new(100, 100 + secret.len());
    found.entropy = 3.625;
    found
}

pub(crate) fn occurrence(place: OccurrencePlace, path: &[u8], found: &Arc<Match>, in_head: Option<bool>) -> Occurrence {
    Occurrence { place, path: path.into(), symlink: None, found: found.clone(), in_head }
}

pub(crate) fn finding(rule: &str, found: &Arc<Match>, occurrences: Vec<Occurrence>) -> Finding {
    Finding { rule: RuleId::new(rule), fingerprint: found.fingerprint, secret: found.secret.clone(), occurrences }
}

fn findings() -> Vec<Finding> {
    let token = token();
    let evil = format!("fix \u{1b}[2J\u{202e} login with {token}\n\nlong story\n");
    let in_line =
        Arc::new(found(0, "github-pat", &token, &format!("let token = \"{token}\"; // {}", password()), (12, 14)));
    let one = finding(
        "github-pat",
        &in_line,
        vec![
            occurrence(OccurrencePlace::Commit(commit('1', &evil)), b"src/a b#c.rs", &in_line, Some(false)),
            occurrence(
                OccurrencePlace::Commit(commit('2', "add docs | `x` <b>")),
                b"docs/\xffguide.md",
                &in_line,
                Some(true),
            ),
            occurrence(OccurrencePlace::CommitMessage(commit('1', &evil)), b"", &in_line, None),
            occurrence(OccurrencePlace::WorkTree, b"=cmd|' /C calc'!A0", &in_line, Some(false)),
        ],
    );
    let key = key();
    let in_file = Arc::new(found(1, "private-key", &key, &key, (1, 1)));
    let two = finding(
        "private-key",
        &in_file,
        vec![occurrence(OccurrencePlace::Commit(commit('3', "keys")), b"keys/id.pem", &in_file, Some(false))],
    );
    let password = password();
    let mut encoded = found(2, "generic-api-key", &password, "data: aHVudGVyMj08IicmfGA+ # x", (3, 7));
    encoded.encodings = vec!["base64"];
    encoded.span = Span::new(40, 60);
    encoded.matched = SecretBytes::new(password.as_bytes());
    let encoded = Arc::new(encoded);
    let three = finding(
        "generic-api-key",
        &encoded,
        vec![
            occurrence(OccurrencePlace::Index, b"deploy/secret.yaml", &encoded, Some(false)),
            occurrence(
                OccurrencePlace::Unreachable("e".repeat(40)),
                b"old.zip!inner/secret.yaml",
                &encoded,
                Some(false),
            ),
        ],
    );
    vec![three, two, one]
}

fn coverage() -> Coverage {
    let mut coverage = Coverage {
        commits: 1234,
        trees: 2345,
        tags: 3,
        blobs: 5678,
        blobs_scanned: 5676,
        blob_bytes_scanned: 1_500_000_000,
        files: 12,
        files_scanned: 12,
        file_bytes_scanned: 34_567,
        messages_scanned: 1237,
        archive_entries_scanned: 1,
        ..Coverage::default()
    };
    coverage.skip(SkipReason::Size, "big.bin", 50_000_000);
    coverage.skip(SkipReason::SymbolicLink, "link", 0);
    coverage.skip(SkipReason::SymbolicLink, "other", 0);
    coverage.gap(GapKind::MissingObject, "f".repeat(40), "the blob is not there: fetch it again");
    coverage.notes.push("2 replace refs are not followed".to_owned());
    coverage
}

pub(crate) fn report(rules: &RuleSet) -> Report<'_> {
    Report {
        rules,
        findings: findings(),
        withheld: Vec::new(),
        coverage: coverage(),
        outcome: Outcome::Findings,
        exit_code: 1,
        tool_version: "0.0.0".to_owned(),
        target: Target { path: "repo".to_owned(), kind: TargetKind::History, range: None },
        verification: None,
        managed: None,
        suppressed: Suppressed { ignored: 1, baseline: 2, inline: 0, allowlisted: 0 },
        unused: vec![UnusedEntry {
            file: ".keystile/ignore".to_owned(),
            line: Some(7),
            entry: "src/old.rs:github-pat:3".to_owned(),
        }],
        warnings: vec!["rules.toml:3:1: unknown key".to_owned()],
        remote: Remote::parse("https://github.com/keystile/sample.git", None),
        started: "2026-01-02T03:04:05Z".parse().expect("a time"),
        finished: "2026-01-02T03:04:07.5Z".parse().expect("a time"),
    }
}

/// The report of a run with `--verify`: one finding of each verdict.
pub(crate) fn verified(rules: &RuleSet) -> Report<'_> {
    let report = report(rules);
    let verdicts = [
        Verdict { state: State::Live, reason: Reason::Answered, host: Some("api.example.com".to_owned()) },
        Verdict { state: State::Dead, reason: Reason::Answered, host: Some("api.example.com".to_owned()) },
        Verdict { state: State::Unknown, reason: Reason::Slow, host: Some("api.example.org".to_owned()) },
    ];
    let verdicts = report.findings.iter().map(|finding| finding.fingerprint).zip(verdicts).collect();
    let verification = Verification { verdicts, not_reported: [(State::Dead, 1)].into() };
    Report { verification: Some(verification), ..report }
}

/// A report with nothing in it.
pub(crate) fn empty(rules: &RuleSet) -> Report<'_> {
    Report {
        findings: Vec::new(),
        coverage: Coverage { files: 1, files_scanned: 1, file_bytes_scanned: 10, ..Coverage::default() },
        outcome: Outcome::Clean,
        exit_code: 0,
        target: Target { path: ".".to_owned(), kind: TargetKind::Directory, range: None },
        suppressed: Suppressed::default(),
        unused: Vec::new(),
        warnings: Vec::new(),
        remote: None,
        ..report(rules)
    }
}

pub(crate) fn render(report: &Report<'_>, format: super::Format) -> String {
    render_with(report, format, &Options::default())
}

pub(crate) fn render_with(report: &Report<'_>, format: super::Format, options: &Options) -> String {
    let mut out = Vec::new();
    super::write(report, format, &mut out, options).expect("writing to memory");
    String::from_utf8(out).expect("every format is UTF-8")
}

/// The sample report for a snapshot, fingerprints replaced (they are long hexadecimal numbers, which a
/// scan of this repository would ask about).
pub(crate) fn snapshot(report: &Report<'_>, format: super::Format) -> String {
    snapshot_with(report, format, &Options::default())
}

pub(crate) fn snapshot_with(report: &Report<'_>, format: super::Format, options: &Options) -> String {
    let mut text = render_with(report, format, options);
    for (index, finding) in report.findings.iter().enumerate() {
        let fingerprint = finding.fingerprint.to_string();
        text = text.replace(&fingerprint, &format!("<fingerprint {index}>"));
        text = text.replace(&fingerprint[..16], &format!("<half {index}>"));
        text = text.replace(&fingerprint[..8], &format!("<print {index}>"));
    }
    text
}
