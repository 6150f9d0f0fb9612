//! The `sarif` format: SARIF 2.1.0 (OASIS Standard, with errata 01), as code scanning services read it.
//!
//! One result per finding: its best place is the location, the others are related locations. What
//! GitHub adds to the standard (`security-severity`, `primaryLocationLineHash`, limits) is in its
//! "SARIF support for code scanning". No author, address or commit message is in here: such reports
//! are uploaded to services, and who leaked a secret is no part of what they show.
//!
//! `primaryLocationLineHash` has the shape that GitHub's upload action gives it (16 hexadecimal
//! digits, a colon, a number), but it is the beginning of keystile's fingerprint, a keyed digest of
//! rule and secret. The action's own value is a rolling hash over the hundred characters that follow
//! the line's start in the checked-out file: it does not exist for what only the history has, it
//! changes when a neighbouring line does, and without a key it would let anyone test guesses of the
//! secret. The action keeps a value that it finds.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use keystile_scan::rule::Severity;

use super::advice::{sentence, state, title};
use super::coverage::gap_kind;
use super::text::{count, printable};
use super::view::{FindingView, OccurrenceView, PlaceKind, View, severity_str, utc};
use crate::link;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
const HOME: &str = "https://github.com/keystile/keystile";

/// GitHub reads so many locations of a result; properties tell how many there are.
const RELATED: usize = 99;

pub(super) fn write(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let rules = used_rules(view);
    let mut run = json!({
        "tool": { "driver": {
            "name": "keystile",
            "version": view.tool_version,
            "semanticVersion": view.tool_version,
            "informationUri": HOME,
            "rules": rules.iter().map(|(id, (_, finding))| rule(id, finding)).collect::<Vec<_>>(),
        }},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {
            "%SRCROOT%": { "description": { "text": "The top of the scanned repository or folder." } },
        },
        "invocations": [invocation(view)],
        "results": view.findings.iter().map(|finding| {
            let index = rules.get(finding.rule_id.as_str()).map(|(index, _)| *index);
            result(finding, index)
        }).collect::<Vec<_>>(),
        "properties": { "coverage": super::json::coverage(&view.coverage, view.scanned_anything()) },
    });
    if let Some(url) = view.remote_url {
        run["versionControlProvenance"] = json!([{ "repositoryUri": url }]);
    }
    let log = json!({ "$schema": SCHEMA, "version": "2.1.0", "runs": [run] });
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)
}

/// The rules that have findings, by id, each with its index and a finding that knows it.
fn used_rules<'v>(view: &'v View<'_>) -> BTreeMap<&'v str, (usize, &'v FindingView)> {
    let by_id: BTreeMap<&str, &FindingView> =
        view.findings.iter().map(|finding| (finding.rule_id.as_str(), finding)).collect();
    by_id.into_iter().enumerate().map(|(index, (id, finding))| (id, (index, finding))).collect()
}

fn rule(id: &str, finding: &FindingView) -> Value {
    let title = title(finding);
    let remedy = finding.remedy.as_deref().unwrap_or("Revoke or rotate the credential.");
    let help = format!(
        "{remedy} Taking the value out of the file is not enough: whoever has a clone of the repository can read it in the history. \
         If it is no secret, put the finding's fingerprint with a reason into .keystile/ignore."
    );
    let references: String = finding.references.iter().map(|url| format!("\n- <{url}>")).collect();
    let mut tags = vec!["security".to_owned(), "secret".to_owned(), "external/cwe/cwe-798".to_owned()];
    // GitHub shows twenty.
    tags.extend(finding.tags.iter().filter(|tag| !tag.is_empty()).take(17).cloned());
    tags.dedup();
    let mut rule = json!({
        "id": id,
        "shortDescription": { "text": message(title) },
        "fullDescription": { "text": message(title) },
        "help": { "text": message(&help), "markdown": format!("{help}\n{references}") },
        "defaultConfiguration": { "level": level(finding.severity) },
        "properties": {
            "tags": tags,
            "precision": if finding.severity >= Severity::High { "high" } else { "medium" },
            "problem.severity": match level(finding.severity) { "note" => "recommendation", other => other },
            "security-severity": security_severity(finding.severity),
        },
    });
    if let Some(url) = finding.references.first() {
        rule["helpUri"] = json!(url);
    }
    rule
}

fn result(finding: &FindingView, index: Option<usize>) -> Value {
    let best = finding.best_place();
    let places = finding.occurrences.len();
    let others = finding.occurrences.iter().filter(|place| best.is_none_or(|best| !std::ptr::eq(*place, best)));
    let related: Vec<Value> = others
        .take(RELATED)
        .enumerate()
        .map(|(id, place)| {
            let mut location = location(place);
            location["id"] = json!(id + 1);
            location["message"] = json!({ "text": message(&related_text(place)) });
            location
        })
        .collect();
    let state = state(finding);
    let state = if state.is_empty() { String::new() } else { format!(" ({state})") };
    let text =
        format!("{}{state}, in {}. {}", title(finding), count(places as u64, "place", "places"), sentence(finding));
    let fingerprint = finding.fingerprint.to_string();
    let mut result = json!({
        "ruleId": finding.rule_id,
        "level": level(finding.severity),
        "message": { "text": message(&text) },
        "locations": best.map(location).into_iter().collect::<Vec<_>>(),
        "partialFingerprints": {
            "primaryLocationLineHash": format!("{}:1", &fingerprint[..16]),
            "keystileFingerprint/v1": fingerprint,
        },
        "properties": {
            "severity": severity_str(finding.severity),
            "inHead": finding.in_head,
            "occurrences": places,
            "commit": best.and_then(|place| place.commit.as_deref()).map(|commit| commit.id.clone()),
            "entropy": (finding.entropy * 1000.0).round() / 1000.0,
        },
    });
    if let Some(verdict) = &finding.verdict {
        result["properties"]["verification"] =
            json!({ "state": verdict.state.as_str(), "reason": verdict.reason.as_str(), "host": verdict.host });
    }
    if let Some(holders) = &finding.managed {
        result["properties"]["managed"] = holders.iter().map(super::json::holder).collect();
    }
    if let Some(index) = index {
        result["ruleIndex"] = json!(index);
    }
    if !related.is_empty() {
        result["relatedLocations"] = json!(related);
    }
    if let Some(link) = best.and_then(|place| place.link.as_deref()) {
        result["hostedViewerUri"] = json!(link);
    }
    result
}

/// Where an occurrence stands. A place that is no file has a logical location.
fn location(place: &OccurrenceView) -> Value {
    let mut location = json!({});
    let uri = match place.kind {
        PlaceKind::StandardInput => Some(json!({ "uri": "stdin" })),
        _ if place.path.is_empty() => None,
        // What only an object holds lies under no root.
        _ => Some(json!({ "uri": link::encode(&place.path, true), "uriBaseId": "%SRCROOT%" })),
    };
    match uri {
        Some(uri) => {
            location["physicalLocation"] = json!({ "artifactLocation": uri });
            if place.start.line > 0 {
                let mut region = json!({
                    "startLine": place.start.line,
                    "startColumn": place.start.column.max(1),
                    "endLine": place.end.line.max(place.start.line),
                });
                // SARIF's end is behind the last character, ours is on it.
                let end = place.end.column + 1;
                if place.end.line > place.start.line || end > place.start.column {
                    region["endColumn"] = json!(end);
                }
                location["physicalLocation"]["region"] = region;
                location["physicalLocation"]["contextRegion"] = json!({
                    "startLine": place.start.line,
                    "endLine": place.end.line.max(place.start.line),
                    "snippet": { "text": place.text.line },
                });
            }
        }
        None => {
            let name = printable(&place.place_name()).into_owned();
            let of = place.commit.as_deref().map(|commit| commit.id.clone());
            let of = of.or_else(|| place.object.clone()).or_else(|| place.tag.clone());
            location["logicalLocations"] =
                json!([{ "name": name, "fullyQualifiedName": of.unwrap_or_else(|| name.clone()), "kind": "message" }]);
        }
    }
    if let Some(commit) = &place.commit {
        location["properties"] = json!({ "commit": commit.id });
    }
    location
}

fn related_text(place: &OccurrenceView) -> String {
    match (&place.commit, place.kind) {
        (Some(commit), PlaceKind::CommitMessage) => format!("In the message of commit {}", commit.short_id()),
        (Some(commit), _) => format!("Introduced by commit {}", commit.short_id()),
        (None, PlaceKind::Index) => "Staged".to_owned(),
        (None, PlaceKind::WorkTree) => "In the work tree".to_owned(),
        (None, PlaceKind::Unreachable) => "In an object that no reference leads to".to_owned(),
        (None, _) => "Here too".to_owned(),
    }
}

fn invocation(view: &View<'_>) -> Value {
    let gaps = view.coverage.gaps.iter().map(|gap| {
        let (id, name) = gap_kind(gap.kind);
        let text = format!("Not scanned: {name}: {}: {}", printable(&gap.what), printable(&gap.detail));
        json!({ "descriptor": { "id": id }, "level": "error", "message": { "text": message(&text) } })
    });
    let mut executions: Vec<Value> = gaps.collect();
    if !view.scanned_anything() {
        let text = "Nothing was scanned: this is not the same as nothing found.";
        executions.push(
            json!({ "descriptor": { "id": "nothing_scanned" }, "level": "warning", "message": { "text": text } }),
        );
    }
    let unused = view.unused.iter().map(|unused| {
        let line = unused.line.map(|line| format!(":{line}")).unwrap_or_default();
        ("unused_entry", format!("{}{line}: {} matches nothing any more", unused.file, unused.entry))
    });
    let warnings = view.warnings.iter().map(|warning| ("warning", warning.clone()));
    let configuration: Vec<Value> = unused
        .chain(warnings)
        .map(|(id, text)| {
            json!({ "descriptor": { "id": id }, "level": "warning", "message": { "text": message(&printable(&text)) } })
        })
        .collect();
    json!({
        "executionSuccessful": view.coverage.is_complete(),
        "exitCode": view.exit_code,
        "exitCodeDescription": view.outcome.as_str(),
        "startTimeUtc": utc(view.started),
        "endTimeUtc": utc(view.finished),
        "toolExecutionNotifications": executions,
        "toolConfigurationNotifications": configuration,
    })
}

/// Plain text of a message: brackets would be embedded links (SARIF 3.11.6), braces placeholders (3.11.5).
pub(crate) fn message(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '[' | ']' | '\\' => escaped.extend(['\\', character]),
            '{' | '}' => escaped.extend([character, character]),
            _ => escaped.push(character),
        }
    }
    escaped
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

/// In the middle of GitHub's bands: over 9.0 critical, from 7.0 high, from 4.0 medium, below low.
fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keystile_scan::OccurrencePlace;

    use super::super::{Format, Report, sample};
    use super::*;

    fn log(report: &Report<'_>) -> Value {
        serde_json::from_str(&sample::render(report, Format::Sarif)).expect("JSON")
    }

    #[test]
    fn a_result_per_finding() {
        let rules = sample::rules();
        let report = sample::report(&rules);
        let run = &log(&report)["runs"][0];
        let results = run["results"].as_array().expect("a list");
        assert_eq!(results.len(), 3);
        let result = &results[0];
        assert_eq!(result["ruleId"], "github-pat");
        assert_eq!(
            run["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().expect("an index") as usize]["id"],
            "github-pat"
        );
        assert_eq!(result["level"], "error");
        assert_eq!(
            result["message"]["text"],
            "A GitHub personal access token (in HEAD), in 4 places. Revoke or rotate it first, then take it out of the file: \
             whoever has a clone can read it in the history. Delete it in the account's settings."
        );
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"], json!({ "uri": "docs/%FFguide.md", "uriBaseId": "%SRCROOT%" }));
        assert_eq!(place["region"], json!({ "startLine": 12, "startColumn": 14, "endLine": 12, "endColumn": 54 }));
        let fingerprint = report.findings[2].fingerprint.to_string();
        assert_eq!(
            result["partialFingerprints"],
            json!({ "primaryLocationLineHash": format!("{}:1", &fingerprint[..16]), "keystileFingerprint/v1": fingerprint })
        );
        assert_eq!(result["properties"]["commit"], "2".repeat(40));
        let related = result["relatedLocations"].as_array().expect("a list");
        assert_eq!(related.len(), 3);
        assert_eq!(related[1]["logicalLocations"][0]["fullyQualifiedName"], "1".repeat(40), "a commit message");
        assert_eq!(results[1]["properties"]["commit"], "3".repeat(40), "of a finding that only the history has");
        assert_eq!(results[1]["properties"]["inHead"], false);
    }

    #[test]
    fn rules_say_how_bad_and_what_to_do() {
        let rules = sample::rules();
        let log = log(&sample::report(&rules));
        let found: Vec<_> = log["runs"][0]["tool"]["driver"]["rules"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|rule| {
                let get = |at: &str| rule.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
                assert!(get("/help/text").contains("rotate") || get("/help/text").contains("Delete"), "{rule}");
                assert_eq!(get("/helpUri"), "https://docs.example.org/tokens");
                (get("/id"), get("/properties/security-severity"), get("/defaultConfiguration/level"))
            })
            .collect();
        let expected =
            [("generic-api-key", "5.5", "warning"), ("github-pat", "9.5", "error"), ("private-key", "8.0", "error")];
        assert_eq!(found, expected.map(|(id, severity, level)| (id.to_owned(), severity.to_owned(), level.to_owned())));
    }

    #[test]
    fn gaps_make_the_execution_unsuccessful() {
        let rules = sample::rules();
        let invocation = &log(&sample::report(&rules))["runs"][0]["invocations"][0];
        assert_eq!(invocation["executionSuccessful"], false);
        assert_eq!(invocation["exitCode"], 1);
        let notification = &invocation["toolExecutionNotifications"][0];
        assert_eq!(
            (&notification["level"], &notification["descriptor"]["id"]),
            (&json!("error"), &json!("missing_object"))
        );
        assert_eq!(invocation["toolConfigurationNotifications"].as_array().map(Vec::len), Some(2));
        let clean = &log(&sample::empty(&rules))["runs"][0]["invocations"][0];
        assert_eq!(clean["executionSuccessful"], true);
        assert_eq!(clean["toolExecutionNotifications"], json!([]));
        let nothing = Report { coverage: keystile_git::Coverage::default(), ..sample::empty(&rules) };
        let nothing = &log(&nothing)["runs"][0]["invocations"][0]["toolExecutionNotifications"][0];
        assert_eq!(nothing["descriptor"]["id"], "nothing_scanned");
    }

    #[test]
    fn no_personal_data() {
        let rules = sample::rules();
        let text = sample::render(&sample::report(&rules), Format::Sarif);
        for personal in ["Ann Example", "ann@example.org", "login with", "long story", "add docs"] {
            assert!(!text.contains(personal), "{personal}");
        }
    }

    #[test]
    fn locations_are_limited_and_counted() {
        let rules = sample::rules();
        let secret = sample::token();
        let found = Arc::new(sample::found(0, "github-pat", &secret, &secret, (1, 1)));
        let places = (0..300).map(|_| sample::occurrence(OccurrencePlace::File, b"a", &found, None));
        let findings = vec![sample::finding("github-pat", &found, places.collect())];
        let result = &log(&Report { findings, ..sample::report(&rules) })["runs"][0]["results"][0];
        assert_eq!(result["relatedLocations"].as_array().map(Vec::len), Some(RELATED));
        assert_eq!(result["properties"]["occurrences"], 300);
    }

    #[test]
    fn messages_have_no_links_or_placeholders() {
        assert_eq!(message(r"see [a](b) {0} \x"), r"see \[a\](b) {{0}} \\x");
    }
}
