//! The `sarif` format: SARIF 2.1.0, as code scanning services read it (see scan's report for its sources).
//!
//! A violation is an `error`, what the policy warns about a `warning`; what could not be decided is a result
//! of kind `review` without a level that fails a job, and the invocation says that it was not successful.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::{fingerprint, gap_message, is_complete, place_of};
use crate::check::{CheckReport, Problem, Weight};
use crate::link;
use crate::report::sarif::message;
use crate::report::text::printable;
use crate::report::view::utc;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
const HOME: &str = "https://github.com/keystile/keystile";

pub(super) fn write(report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
    let rules: BTreeMap<&str, &'static keystile_policy::Rule> =
        report.problems.iter().map(|problem| (problem.rule.id, problem.rule)).collect();
    let index: BTreeMap<&str, usize> = rules.keys().enumerate().map(|(index, id)| (*id, index)).collect();
    let run = json!({
        "tool": { "driver": {
            "name": "keystile",
            "version": env!("CARGO_PKG_VERSION"),
            "semanticVersion": env!("CARGO_PKG_VERSION"),
            "informationUri": HOME,
            "rules": rules.values().map(|rule| describe(rule)).collect::<Vec<_>>(),
        }},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {
            "%SRCROOT%": { "description": { "text": "The folder that keystile was run in." } },
        },
        "invocations": [invocation(report)],
        "results": report.problems.iter().filter(|problem| problem.weight() > Weight::Note)
            .map(|problem| result(problem, index[problem.rule.id])).collect::<Vec<_>>(),
    });
    let log = json!({ "$schema": SCHEMA, "version": "2.1.0", "runs": [run] });
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)
}

fn describe(rule: &keystile_policy::Rule) -> Value {
    let mut described = json!({
        "id": rule.id,
        "shortDescription": { "text": message(rule.summary) },
        "fullDescription": { "text": message(rule.why) },
        "help": { "text": message(rule.instead), "markdown": format!("{}\n\n```yaml\n{}\n```\n\n{}", rule.why, rule.example, rule.instead) },
        "defaultConfiguration": { "level": match rule.default_action {
            keystile_policy::Action::Deny => "error",
            keystile_policy::Action::Warn => "warning",
            keystile_policy::Action::Audit | keystile_policy::Action::Allow => "note",
        }},
        "properties": { "tags": ["security", "policy", rule.group()], "security-severity": "7.0" },
    });
    if let Some(url) = rule.references.first() {
        described["helpUri"] = json!(url);
    }
    described
}

fn result(problem: &Problem, index: usize) -> Value {
    let fingerprint = fingerprint(problem);
    let uri = problem.file.strip_prefix("./").unwrap_or(&problem.file);
    let mut result = json!({
        "ruleId": problem.rule.id,
        "ruleIndex": index,
        "message": { "text": message(&format!("{}: {}: {}", problem.object, problem.path, problem.sentence())) },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": link::encode(uri.as_bytes(), true), "uriBaseId": "%SRCROOT%" },
                "region": { "startLine": problem.position.line, "startColumn": problem.position.column },
                "contextRegion": {
                    "startLine": problem.position.line,
                    "endLine": problem.position.line,
                    "snippet": { "text": problem.excerpt.text },
                },
            },
            "logicalLocations": [{ "fullyQualifiedName": format!("{}: {}", problem.object, problem.path), "kind": "member" }],
        }],
        "partialFingerprints": {
            "primaryLocationLineHash": format!("{}:1", fingerprint.get(..16).unwrap_or(&fingerprint)),
            "keystileFingerprint/v1": fingerprint,
        },
        "properties": {
            "action": super::json::action(problem),
            "outcome": super::json::outcome(problem),
            "effectiveKey": problem.effective_key,
            "grants": problem.grants,
        },
    });
    match problem.weight() {
        Weight::Violation => result["level"] = json!("error"),
        Weight::Warning | Weight::Note => result["level"] = json!("warning"),
        // 3.27.9: a result that a person must decide; its level is then `none`.
        Weight::Undecided => {
            result["kind"] = json!("review");
            result["level"] = json!("none");
        }
    }
    result
}

fn invocation(report: &CheckReport) -> Value {
    let gaps = report.gaps.iter().map(|gap| {
        let text = format!("Not read: {}: {}", printable(&place_of(gap)), printable(&gap_message(gap)));
        json!({ "descriptor": { "id": gap.kind }, "level": "error", "message": { "text": message(&text) } })
    });
    let undecided = report.of_weight(Weight::Undecided).map(|problem| {
        let text = format!("Not decided: {}:{}: {}", problem.file, problem.position, problem.sentence());
        json!({ "descriptor": { "id": problem.rule.id }, "level": "error", "message": { "text": message(&printable(&text)) } })
    });
    let mut notifications: Vec<Value> = gaps.chain(undecided).collect();
    if report.covered.objects() == 0 {
        let text = "Nothing was checked: this is not the same as nothing found.";
        notifications.push(
            json!({ "descriptor": { "id": "nothing_checked" }, "level": "warning", "message": { "text": text } }),
        );
    }
    json!({
        "executionSuccessful": is_complete(report),
        "exitCode": report.exit().code(),
        "exitCodeDescription": report.verdict().as_str(),
        "startTimeUtc": utc(report.started),
        "endTimeUtc": utc(report.finished),
        "toolExecutionNotifications": notifications,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::sample;
    use crate::cli::check::CheckFormat;

    #[test]
    fn results_have_levels_and_what_is_undecided_none() {
        let log: Value = serde_json::from_str(&sample::render(&sample::report(), CheckFormat::Sarif)).unwrap();
        let run = &log["runs"][0];
        let levels: Vec<_> =
            run["results"].as_array().unwrap().iter().map(|result| result["level"].as_str().unwrap()).collect();
        assert_eq!(levels, ["error", "warning", "none"]);
        assert_eq!(run["invocations"][0]["executionSuccessful"], false);
        let first = &run["results"][0];
        let index = first["ruleIndex"].as_u64().unwrap() as usize;
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], first["ruleId"]);
        let nothing: Value = serde_json::from_str(&sample::render(&sample::empty(), CheckFormat::Sarif)).unwrap();
        let notification = &nothing["runs"][0]["invocations"][0]["toolExecutionNotifications"][0];
        assert_eq!(notification["descriptor"]["id"], "nothing_checked");
    }
}
