//! The `json` format: everything that a report knows, as one document.
//!
//! Names are stable once released and described in [`super::fields`], from which the schema
//! (`docs/schema/report.schema.json`) and the table of fields are generated. `null` says "not known"
//! or "does not apply"; no field is left out, so that readers need not guess.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use keystile_git::Coverage;
use keystile_verify::State;

use super::coverage::{gap_kind, skip_reason};
use super::view::{CommitView, FindingView, OccurrenceView, View, utc};
use crate::managed::Holder;
use crate::mask::Redaction;
use crate::verify::Verification;

/// Version of the document; a field that changes its meaning or goes away makes it 2.
pub(super) const SCHEMA_VERSION: u32 = 1;

pub(super) fn write(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &document(view))?;
    writeln!(out)
}

/// The whole document.
pub(super) fn document(view: &View<'_>) -> Value {
    let mut document = head(view);
    document.insert("findings".into(), view.findings.iter().map(finding).collect());
    document.insert("coverage".into(), coverage(&view.coverage, view.scanned_anything()));
    tail(view, &mut document);
    Value::Object(document)
}

/// What stands before the findings.
pub(super) fn head(view: &View<'_>) -> Map<String, Value> {
    let occurrences: usize = view.findings.iter().map(|finding| finding.occurrences.len()).sum();
    let in_head = view.findings.iter().filter(|finding| finding.in_head == Some(true)).count();
    let history_only = view.findings.iter().filter(|finding| finding.in_head == Some(false)).count();
    let Value::Object(head) = json!({
        "schema_version": SCHEMA_VERSION,
        "tool": { "name": "keystile", "version": view.tool_version },
        "started_at": utc(view.started),
        "finished_at": utc(view.finished),
        "target": {
            "path": view.target.path,
            "kind": view.target.kind.as_str(),
            "range": view.target.range,
            "remote_url": view.remote_url,
        },
        "outcome": view.outcome.as_str(),
        "exit_code": view.exit_code,
        "redaction": match view.redaction {
            Redaction::Full => "full",
            Redaction::Part(_) => "part",
            Redaction::Off => "none",
        },
        "summary": {
            "findings": view.findings.len(),
            "occurrences": occurrences,
            "in_head": in_head,
            "history_only": history_only,
            "ignored": view.suppressed.ignored,
            "in_baseline": view.suppressed.baseline,
            "allowed_inline": view.suppressed.inline,
            "allowlisted": view.suppressed.allowlisted,
        },
        "verification": view.verification.map(verification),
    }) else {
        unreachable!("the macro was given an object")
    };
    head
}

fn verification(verification: &Verification) -> Value {
    let reasons = verification.unknown_reasons();
    json!({
        "live": verification.count(State::Live),
        "dead": verification.count(State::Dead),
        "unknown": verification.count(State::Unknown),
        "not_reported": verification.not_reported.values().sum::<u64>(),
        "unknown_reasons": reasons.iter().map(|(reason, count)| json!({
            "reason": reason.as_str(),
            "count": count,
        })).collect::<Vec<_>>(),
    })
}

/// What stands behind the coverage.
pub(super) fn tail(view: &View<'_>, document: &mut Map<String, Value>) {
    let unused =
        view.unused.iter().map(|unused| json!({ "file": unused.file, "line": unused.line, "entry": unused.entry }));
    document.insert("unused_entries".into(), unused.collect());
    document.insert("warnings".into(), view.warnings.clone().into());
}

pub(super) fn finding(finding: &FindingView) -> Value {
    json!({
        "fingerprint": finding.fingerprint.to_string(),
        "rule_id": finding.rule_id,
        "description": finding.description,
        "severity": finding.severity_str(),
        "tags": finding.tags,
        "remedy": finding.remedy,
        "references": finding.references,
        "secret": finding.secret,
        "entropy": round(finding.entropy),
        "in_head": finding.in_head,
        "verification": finding.verdict.as_ref().map(|verdict| json!({
            "state": verdict.state.as_str(),
            "reason": verdict.reason.as_str(),
            "host": verdict.host,
        })),
        "managed": finding.managed.as_ref().map(|holders| holders.iter().map(holder).collect::<Vec<_>>()),
        "occurrences": finding.occurrences.iter().map(occurrence).collect::<Vec<_>>(),
    })
}

pub(super) fn holder(holder: &Holder) -> Value {
    json!({
        "name": holder.name,
        "arn": holder.arn,
        "version": holder.version,
        "stages": holder.stages,
        "pointer": holder.pointer,
    })
}

fn occurrence(occurrence: &OccurrenceView) -> Value {
    let text = &occurrence.text;
    json!({
        "kind": occurrence.kind.as_str(),
        "path": (!occurrence.path.is_empty()).then(|| occurrence.path_lossy()),
        "path_encoded": occurrence.path_encoded(),
        "symlink": occurrence.symlink.as_ref().map(|symlink| String::from_utf8_lossy(symlink).into_owned()),
        "start_line": positive(occurrence.start.line),
        "start_column": positive(occurrence.start.column),
        "end_line": positive(occurrence.end.line),
        "end_column": positive(occurrence.end.column),
        "line": text.line,
        "match": super::text::window(&text.matched, 0..0, super::view::LINE_LIMIT),
        "encodings": text.encodings,
        "required": text.required.iter().map(|required| json!({
            "rule_id": required.rule_id,
            "start_line": positive(required.start.line),
            "start_column": positive(required.start.column),
            "secret": required.secret,
        })).collect::<Vec<_>>(),
        "commit": occurrence.commit.as_deref().map(commit),
        "tag": occurrence.tag,
        "object": occurrence.object,
        "in_head": occurrence.in_head,
        "link": occurrence.link,
        "positional_fingerprint": String::from_utf8_lossy(&occurrence.positional),
    })
}

fn commit(commit: &CommitView) -> Value {
    json!({
        "id": commit.id,
        "author_name": commit.author_name,
        "author_email": commit.author_email,
        "author_date": commit.date(),
        "message": commit.message,
    })
}

pub(super) fn coverage(coverage: &Coverage, scanned_anything: bool) -> Value {
    json!({
        "complete": coverage.is_complete(),
        "scanned_anything": scanned_anything,
        "commits": coverage.commits,
        "trees": coverage.trees,
        "tags": coverage.tags,
        "blobs": coverage.blobs,
        "blobs_scanned": coverage.blobs_scanned,
        "blob_bytes_scanned": coverage.blob_bytes_scanned,
        "files": coverage.files,
        "files_scanned": coverage.files_scanned,
        "file_bytes_scanned": coverage.file_bytes_scanned,
        "messages_scanned": coverage.messages_scanned,
        "archive_entries_scanned": coverage.archive_entries_scanned,
        "skipped": coverage.skipped.iter().map(|(reason, skipped)| json!({
            "reason": skip_reason(*reason).0,
            "count": skipped.count,
            "bytes": skipped.bytes,
            "examples": skipped.examples,
        })).collect::<Vec<_>>(),
        "gaps": coverage.gaps.iter().map(|gap| json!({
            "kind": gap_kind(gap.kind).0,
            "what": gap.what,
            "detail": gap.detail,
        })).collect::<Vec<_>>(),
        "notes": coverage.notes,
    })
}

fn positive(number: u32) -> Option<u32> {
    (number > 0).then_some(number)
}

/// Three decimals tell entropies apart; more would be noise that differs between machines.
fn round(entropy: f64) -> f64 {
    (entropy * 1000.0).round() / 1000.0
}
