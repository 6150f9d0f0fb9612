//! The `gitlab` format: GitLab's secret detection report, which a job hands over as
//! `artifacts:reports:secret_detection`.
//!
//! Version 15.0.7 of GitLab's security report schemas (project `security-report-schemas`, file
//! `secret-detection-report-format.json`; MIT), which GitLab 15.7 and later read. One vulnerability per
//! occurrence, since a vulnerability there has one location, and a location has a commit.

use std::io::{self, Write};

use serde_json::{Value, json};

use keystile_scan::rule::Severity;
use keystile_scan::{Fingerprint, Salt};

use super::advice::{sentence, title};
use super::coverage::gap_kind;
use super::text::{printable, window};
use super::view::{FindingView, OccurrenceView, View, utc};

const VERSION: &str = "15.0.7";

/// What GitLab's own analyzer gives for a file that is in no commit.
const NO_COMMIT: &str = "0000000";

pub(super) fn write(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let tool = json!({
        "id": "keystile",
        "name": "keystile",
        "version": view.tool_version,
        "vendor": { "name": "keystile" },
        "url": "https://github.com/keystile/keystile",
    });
    let report = json!({
        "version": VERSION,
        "vulnerabilities": view.occurrences().map(|(finding, place)| vulnerability(finding, place)).collect::<Vec<_>>(),
        "scan": {
            "analyzer": tool,
            "scanner": tool,
            "type": "secret_detection",
            "start_time": time(&utc(view.started)),
            "end_time": time(&utc(view.finished)),
            "status": if view.coverage.is_complete() { "success" } else { "failure" },
            "messages": messages(view),
        },
    });
    serde_json::to_writer_pretty(&mut *out, &report)?;
    writeln!(out)
}

fn vulnerability(finding: &FindingView, place: &OccurrenceView) -> Value {
    let commit = place.commit.as_deref();
    let mut location = json!({
        "commit": { "sha": commit.map_or(NO_COMMIT, |commit| &commit.id) },
    });
    if let Some(commit) = commit {
        location["commit"]["author"] = json!(commit.author_name);
        location["commit"]["date"] = json!(commit.date_utc());
        location["commit"]["message"] = json!(window(&commit.message, 0..0, 1000));
    }
    if !place.path.is_empty() {
        location["file"] = json!(place.path_lossy());
    }
    if place.start.line > 0 {
        location["start_line"] = json!(place.start.line);
        location["end_line"] = json!(place.end.line.max(place.start.line));
    }
    let mut vulnerability = json!({
        "id": id(finding, place),
        "name": window(title(finding), 0..0, 250),
        "description": format!("{} ({})", title(finding), finding.rule_id),
        "severity": match finding.severity {
            Severity::Critical => "Critical",
            Severity::High => "High",
            Severity::Medium => "Medium",
            Severity::Low => "Low",
        },
        "solution": window(&sentence(finding), 0..0, 6900),
        "identifiers": [{
            "type": "keystile_rule_id",
            "name": format!("keystile rule {}", finding.rule_id),
            "value": finding.rule_id,
        }],
        "location": location,
        "raw_source_code_extract": finding.secret,
        "details": {
            "fingerprint": { "name": "Fingerprint", "type": "text", "value": finding.fingerprint.to_string() },
            "kind": { "name": "Kind of place", "type": "text", "value": place.kind.as_str() },
        },
    });
    if let Some(verdict) = finding.verdict_text() {
        vulnerability["details"]["verification"] = json!({ "name": "Verified", "type": "text", "value": verdict });
    }
    if let Some(managed) = finding.managed_text() {
        vulnerability["details"]["managed"] = json!({ "name": "Managed", "type": "text", "value": managed });
    }
    let links: Vec<Value> = finding
        .references
        .iter()
        .filter(|url| url.starts_with("https://") || url.starts_with("http://"))
        .map(|url| json!({ "url": url }))
        .collect();
    if !links.is_empty() {
        vulnerability["links"] = json!(links);
    }
    vulnerability
}

/// A UUID (RFC 9562, version 8) made from the finding and the place, the same in every run.
fn id(finding: &FindingView, place: &OccurrenceView) -> String {
    let mut name = finding.fingerprint.to_string().into_bytes();
    name.extend_from_slice(place.kind.as_str().as_bytes());
    name.extend_from_slice(place.object.as_deref().or(place.tag.as_deref()).unwrap_or_default().as_bytes());
    name.extend_from_slice(&place.positional);
    name.extend_from_slice(&place.start.column.to_be_bytes());
    let digest = Fingerprint::new(&Salt::new(b"keystile gitlab report"), &finding.rule_id, &name).to_string();
    format!("{}-{}-8{}-8{}-{}", &digest[..8], &digest[8..12], &digest[13..16], &digest[17..20], &digest[20..])
}

fn messages(view: &View<'_>) -> Vec<Value> {
    let message = |level: &str, value: String| json!({ "level": level, "value": value });
    let mut messages = Vec::new();
    if !view.scanned_anything() {
        messages.push(message("warn", "Nothing was scanned".to_owned()));
    }
    messages.extend(view.coverage.gaps.iter().map(|gap| {
        message(
            "warn",
            format!("Not scanned: {}: {}: {}", gap_kind(gap.kind).1, printable(&gap.what), printable(&gap.detail)),
        )
    }));
    messages.extend(
        view.warnings.iter().filter(|text| !text.is_empty()).map(|text| message("warn", printable(text).into_owned())),
    );
    messages.extend(
        super::human::covered(&view.coverage).into_iter().map(|line| message("info", format!("Scanned {line}"))),
    );
    messages
}

/// The schema's times have no zone.
fn time(utc: &str) -> &str {
    utc.trim_end_matches('Z')
}

#[cfg(test)]
mod tests {
    use keystile_git::Coverage;
    use serde_json::Value;

    use super::super::{Format, Report, sample};
    use super::*;

    fn report(report: &Report<'_>) -> Value {
        serde_json::from_str(&sample::render(report, Format::Gitlab)).expect("JSON")
    }

    /// GitLab's schema comes in no package of a registry, so what it asks for is written down here:
    /// every required field and every pattern of version 15.0.7.
    #[test]
    fn what_the_schema_requires() {
        let rules = sample::rules();
        for report in [report(&sample::report(&rules)), report(&sample::empty(&rules))] {
            let text = |value: &Value, at: &str| {
                let text = value.pointer(at).and_then(Value::as_str).unwrap_or_else(|| panic!("{at} in {value}"));
                assert!(!text.is_empty(), "{at}");
                text.to_owned()
            };
            assert_eq!(text(&report, "/version"), "15.0.7");
            for tool in ["analyzer", "scanner"] {
                for field in ["id", "name", "version", "vendor/name"] {
                    text(&report, &format!("/scan/{tool}/{field}"));
                }
                assert!(text(&report, &format!("/scan/{tool}/url")).starts_with("https://"));
            }
            assert_eq!(text(&report, "/scan/type"), "secret_detection");
            for time in ["start_time", "end_time"] {
                let time = text(&report, &format!("/scan/{time}"));
                assert!(time.parse::<jiff::civil::DateTime>().is_ok() && time.len() == 19, "{time}");
            }
            assert!(["success", "failure"].contains(&text(&report, "/scan/status").as_str()));
            for message in report["scan"]["messages"].as_array().expect("a list") {
                assert!(["info", "warn", "fatal"].contains(&text(message, "/level").as_str()));
                text(message, "/value");
            }
            for one in report["vulnerabilities"].as_array().expect("a list") {
                assert_eq!(text(one, "/id").len(), 36);
                assert!(text(one, "/name").chars().count() <= 255);
                assert!(
                    ["Info", "Unknown", "Low", "Medium", "High", "Critical"].contains(&text(one, "/severity").as_str())
                );
                assert!(text(one, "/solution").len() <= 7000);
                for field in ["type", "name", "value"] {
                    text(one, &format!("/identifiers/0/{field}"));
                }
                text(one, "/location/commit/sha");
                for (_, detail) in one["details"].as_object().expect("an object") {
                    assert_eq!((text(detail, "/type").as_str(), text(detail, "/name").is_empty()), ("text", false));
                }
            }
        }
    }

    #[test]
    fn one_vulnerability_per_place_with_an_id_of_its_own() {
        let rules = sample::rules();
        let one = report(&sample::report(&rules));
        let ids: std::collections::BTreeSet<String> =
            one["vulnerabilities"].as_array().expect("a list").iter().map(|one| one["id"].to_string()).collect();
        assert_eq!(ids.len(), 7);
        assert_eq!(one, report(&sample::report(&rules)), "the same in every run");
    }

    #[test]
    fn places_in_commits_and_outside_of_them() {
        let rules = sample::rules();
        let report = report(&sample::report(&rules));
        let first = &report["vulnerabilities"][0];
        assert_eq!(first["location"]["commit"]["sha"], "1".repeat(40));
        assert_eq!(first["location"]["file"], "src/a b#c.rs");
        assert_eq!((&first["location"]["start_line"], &first["severity"]), (&json!(12), &json!("Critical")));
        assert_eq!(report["vulnerabilities"][3]["location"]["commit"]["sha"], NO_COMMIT);
        assert_eq!(report["vulnerabilities"][2]["location"].get("file"), None, "a commit message is no file");
    }

    #[test]
    fn gaps_are_a_failure() {
        let rules = sample::rules();
        assert_eq!(report(&sample::report(&rules))["scan"]["status"], "failure");
        assert_eq!(report(&sample::empty(&rules))["scan"]["status"], "success");
        let nothing = report(&Report { coverage: Coverage::default(), ..sample::empty(&rules) });
        assert_eq!(nothing["scan"]["messages"][0]["value"], "Nothing was scanned");
    }
}
