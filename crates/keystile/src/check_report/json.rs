//! The `json` format, everything as one document, and `jsonl`, one document per line: each problem,
//! each gap, then the summary. docs/check.md lists the fields.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{fingerprint, weight_str};
use crate::check::{CheckReport, GapShown, Problem};
use crate::report::view::utc;

pub(super) fn write(report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
    let mut document = summary(report);
    document["violations"] = report.problems.iter().map(problem).collect();
    document["gaps"] = report.gaps.iter().map(gap).collect();
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

pub(super) fn write_lines(report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
    let tagged = |name: &str, value: Value| json!({ "type": name, name: value });
    let problems = report.problems.iter().map(|found| tagged("violation", problem(found)));
    let gaps = report.gaps.iter().map(|found| tagged("gap", gap(found)));
    for line in problems.chain(gaps).chain(std::iter::once(tagged("summary", summary(report)))) {
        serde_json::to_writer(&mut *out, &line)?;
        writeln!(out)?;
    }
    Ok(())
}

fn summary(report: &CheckReport) -> Value {
    let skipped: serde_json::Map<String, Value> =
        report.covered.skipped.iter().map(|(why, number)| (why.as_str().to_owned(), json!(number))).collect();
    json!({
        "schema_version": 1,
        "tool": { "name": "keystile", "version": env!("CARGO_PKG_VERSION") },
        "verdict": report.verdict().as_str(),
        "exit_code": report.exit().code(),
        "policy": { "name": report.policy.name, "file": report.policy.file },
        "coverage": {
            "files": report.covered.files,
            "objects": report.covered.objects(),
            "objects_by_kind": report.covered.judged,
            "objects_of_other_kinds": report.covered.foreign,
            "files_skipped": skipped,
            "world_files": report.covered.world_files,
            "objects_without_live_state": report.covered.live_state_not_evaluated,
        },
        "warnings": report.warnings,
        "started": utc(report.started),
        "finished": utc(report.finished),
    })
}

fn problem(problem: &Problem) -> Value {
    json!({
        "fingerprint": fingerprint(problem),
        "rule_id": problem.rule.id,
        "weight": weight_str(problem.weight()),
        "action": action(problem),
        "outcome": outcome(problem),
        "excused_by": problem.excused_by,
        "file": problem.file,
        "line": problem.position.line,
        "column": problem.position.column,
        "path": problem.path,
        "object": {
            "api_version": problem.object.api_version,
            "kind": problem.object.kind,
            "namespace": problem.object.namespace,
            "name": problem.object.name,
        },
        "message": problem.message,
        "cure": problem.cure,
        "effective_key": problem.effective_key,
        "grants": problem.grants,
        "excerpt": problem.excerpt.text,
    })
}

fn gap(gap: &GapShown) -> Value {
    json!({
        "kind": gap.kind,
        "file": gap.file,
        "line": gap.position.map(|position| position.line),
        "column": gap.position.map(|position| position.column),
        "first_line": gap.also.map(|position| position.line),
        "message": gap.message,
        "excerpt": gap.excerpt.as_ref().map(|excerpt| excerpt.text.clone()),
    })
}

/// The policy's word for what a broken rule does.
pub(super) fn action(problem: &Problem) -> &'static str {
    match problem.action {
        keystile_policy::Action::Allow => "allow",
        keystile_policy::Action::Audit => "audit",
        keystile_policy::Action::Warn => "warn",
        keystile_policy::Action::Deny => "deny",
    }
}

/// Whether the rule is broken or could not be answered.
pub(super) fn outcome(problem: &Problem) -> &'static str {
    match problem.outcome {
        keystile_policy::Outcome::Failed => "fail",
        keystile_policy::Outcome::NotEvaluated => "not_evaluated",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::sample;
    use crate::cli::check::CheckFormat;

    #[test]
    fn one_document_says_everything() {
        let document: Value = serde_json::from_str(&sample::render(&sample::report(), CheckFormat::Json)).unwrap();
        assert_eq!((&document["verdict"], &document["exit_code"]), (&"violations".into(), &1.into()));
        let first = &document["violations"][0];
        assert_eq!((&first["line"], &first["column"], &first["outcome"]), (&9.into(), &18.into(), &"fail".into()));
        assert_eq!(document["coverage"]["objects_by_kind"]["ExternalSecret"], 2);
        assert_eq!(document["gaps"][0]["kind"], "template");
    }

    #[test]
    fn lines_hold_the_same_and_end_with_the_summary() {
        let text = sample::render(&sample::report(), CheckFormat::Jsonl);
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let types: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["violation", "violation", "violation", "gap", "summary"]);
        let document: Value = serde_json::from_str(&sample::render(&sample::report(), CheckFormat::Json)).unwrap();
        assert_eq!(lines[0]["violation"], document["violations"][0]);
    }
}
