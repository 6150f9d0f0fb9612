//! The `gitlab` format: GitLab's code quality report (`artifacts:reports:codequality`), which a merge
//! request shows beside the lines it changes.
//!
//! Not the secret detection report, which scan writes: a manifest that points at a secret in the wrong way
//! holds no leaked secret, and each entry there asks for a revocation. Format: GitLab's documentation,
//! "Code quality report format": a list of objects with description, check_name, fingerprint, location and
//! severity.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{fingerprint, gap_message};
use crate::check::{CheckReport, Weight};

pub(super) fn write(report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
    let problems = report.problems.iter().filter(|problem| problem.weight() > Weight::Note).map(|problem| {
        entry(
            &format!("{}: {}", problem.path, problem.sentence()),
            problem.rule.id,
            &fingerprint(problem),
            match problem.weight() {
                Weight::Violation => "critical",
                Weight::Undecided => "major",
                Weight::Warning | Weight::Note => "minor",
            },
            &problem.file,
            problem.position.line,
        )
    });
    let gaps = report.gaps.iter().map(|gap| {
        let name = format!("{}\0{}\0{}", gap.file, gap.kind, gap.message);
        let salt = keystile_scan::Salt::new(b"keystile check report");
        let fingerprint = keystile_scan::Fingerprint::new(&salt, gap.kind, name.as_bytes()).to_string();
        let line = gap.position.map_or(1, |position| position.line);
        entry(&format!("not read: {}", gap_message(gap)), gap.kind, &fingerprint, "major", &gap.file, line)
    });
    let entries: Vec<Value> = problems.chain(gaps).collect();
    serde_json::to_writer_pretty(&mut *out, &entries)?;
    writeln!(out)
}

fn entry(description: &str, check: &str, fingerprint: &str, severity: &str, file: &str, line: u32) -> Value {
    json!({
        "description": description,
        "check_name": check,
        "fingerprint": fingerprint,
        "severity": severity,
        // Relative to the repository's top, without `./`.
        "location": { "path": file.strip_prefix("./").unwrap_or(file), "lines": { "begin": line } },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::sample;
    use crate::cli::check::CheckFormat;

    #[test]
    fn every_entry_has_what_gitlab_asks_for() {
        let entries: Vec<Value> =
            serde_json::from_str(&sample::render(&sample::report(), CheckFormat::Gitlab)).unwrap();
        assert_eq!(entries.len(), 4);
        let mut fingerprints = std::collections::BTreeSet::new();
        for entry in &entries {
            for field in ["description", "check_name", "fingerprint"] {
                assert!(entry[field].as_str().is_some_and(|text| !text.is_empty()), "{field} in {entry}");
            }
            assert!(["info", "minor", "major", "critical", "blocker"].contains(&entry["severity"].as_str().unwrap()));
            assert!(entry["location"]["lines"]["begin"].as_u64().is_some_and(|line| line > 0));
            fingerprints.insert(entry["fingerprint"].to_string());
        }
        assert_eq!(fingerprints.len(), entries.len());
    }
}
