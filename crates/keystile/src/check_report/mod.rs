//! What a check found, in the formats that people's tools read. One file per format.

mod csv;
mod gitlab;
mod human;
mod json;
mod junit;
mod markdown;
mod sarif;

#[cfg(test)]
pub(crate) mod sample;

use std::io::{self, Write};

use crate::check::{CheckReport, Covered, GapShown, Verdict, Weight};
use crate::cli::check::CheckFormat;
use crate::report::text::count;

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Whether the human format uses colours.
    pub color: bool,
    /// Whether it lists what is only audited, and every gap.
    pub verbose: bool,
}

/// Writes `report` to `out`.
///
/// # Errors
/// Whatever writing to `out` gives.
pub fn write(report: &CheckReport, format: CheckFormat, out: &mut dyn Write, options: Options) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    match format {
        CheckFormat::Human => human::write(report, &mut out, options)?,
        CheckFormat::Json => json::write(report, &mut out)?,
        CheckFormat::Jsonl => json::write_lines(report, &mut out)?,
        CheckFormat::Sarif => sarif::write(report, &mut out)?,
        CheckFormat::Csv => csv::write(report, &mut out)?,
        CheckFormat::Junit => junit::write(report, &mut out)?,
        CheckFormat::Gitlab => gitlab::write(report, &mut out)?,
        CheckFormat::Markdown => markdown::write(report, &mut out)?,
    }
    out.flush()
}

/// The end in one sentence, without a full stop.
fn verdict(report: &CheckReport) -> String {
    let number = |weight: Weight| report.of_weight(weight).count() as u64;
    let mut parts = Vec::new();
    for (found, one, many) in [
        (number(Weight::Violation), "violation", "violations"),
        (number(Weight::Warning), "warning", "warnings"),
        (number(Weight::Undecided), "thing that could not be decided", "things that could not be decided"),
        (report.gaps.len() as u64, "place that could not be read", "places that could not be read"),
    ] {
        if found > 0 {
            parts.push(count(found, one, many));
        }
    }
    match (report.verdict(), parts.is_empty()) {
        (_, false) => parts.join(", "),
        (_, true) if report.covered.objects() == 0 => {
            "nothing was checked: the policy speaks about no object of these files".to_owned()
        }
        (_, true) => "no violations".to_owned(),
    }
}

/// What was looked at, one line a subject.
fn covered(covered: &Covered) -> Vec<String> {
    let kinds: Vec<String> = covered.judged.iter().map(|(kind, number)| format!("{number} {kind}")).collect();
    let mut lines = vec![format!(
        "{} in {}",
        match covered.objects() {
            0 => "no object that the policy speaks about".to_owned(),
            objects => format!("{} ({})", count(objects as u64, "object", "objects"), kinds.join(", ")),
        },
        count(covered.files as u64, "file", "files")
    )];
    if covered.foreign > 0 {
        lines.push(format!("{} of other kinds", count(covered.foreign as u64, "object", "objects")));
    }
    let skipped: Vec<String> =
        covered.skipped.iter().map(|(why, number)| format!("{number} {}", why.reason())).collect();
    if !skipped.is_empty() {
        lines.push(format!("left out: {}", skipped.join(", ")));
    }
    if covered.live_state_not_evaluated > 0 {
        lines.push("live state (KMS key, rotation, age) not evaluated: no --inventory".to_owned());
    }
    lines
}

/// `file:line:column` of a gap, as far as it is known.
fn place_of(gap: &GapShown) -> String {
    match gap.position {
        Some(position) => format!("{}:{position}", gap.file),
        None => gap.file.clone(),
    }
}

/// What is wrong with a gap, and the other place that belongs to it.
fn gap_message(gap: &GapShown) -> String {
    match gap.also {
        Some(also) => format!("{} (first at {also})", gap.message),
        None => gap.message.clone(),
    }
}

/// The weight in a word, for formats that have one.
fn weight_str(weight: Weight) -> &'static str {
    match weight {
        Weight::Violation => "violation",
        Weight::Warning => "warning",
        Weight::Undecided => "undecided",
        Weight::Note => "note",
    }
}

/// Whether everything in scope was decided.
fn is_complete(report: &CheckReport) -> bool {
    report.gaps.is_empty() && report.of_weight(Weight::Undecided).next().is_none()
}

/// A digest of what a problem is: the same while its rule, object and subject are, wherever it stands.
fn fingerprint(problem: &crate::check::Problem) -> String {
    let name = format!(
        "{}\0{}\0{}\0{}\0{}\0{}",
        problem.file, problem.object.kind, problem.object.namespace, problem.object.name, problem.path, problem.message
    );
    let salt = keystile_scan::Salt::new(b"keystile check report");
    keystile_scan::Fingerprint::new(&salt, problem.rule.id, name.as_bytes()).to_string()
}

/// The verdict's sign in formats that have pictures.
fn sign(report: &CheckReport) -> &'static str {
    match report.verdict() {
        Verdict::Violations => "❌",
        Verdict::Clean if report.covered.objects() > 0 => "✅",
        Verdict::Clean | Verdict::Incomplete => "⚠️",
    }
}
