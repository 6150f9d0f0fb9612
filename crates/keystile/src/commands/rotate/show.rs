//! Showing plans and what became of them.

use std::fmt::Write as _;
use std::path::Path;

use keystile_rotate::journal::Journal;
use keystile_rotate::run::RunReport;
use keystile_rotate::{PlanItem, RotationPlan};

use crate::cli::rotate::{RotateFormat, RotateReportArgs, ShowArgs};
use crate::commands::scan::{self, hand_over};
use crate::scan_request::Destination;

/// One line about an item.
pub(super) fn line(item: &PlanItem) -> String {
    let mut text = format!("{}  {}", item.number, item.rule);
    if let Some(held) = &item.secret {
        let _ = write!(text, "  {} version {}", held.name, held.version);
    }
    if let Some(place) = item.places.first() {
        let _ = write!(text, "  {place}");
    }
    text
}

/// Shows a plan.
pub(super) fn plan(plan: &RotationPlan, file: &Path, _args: &ShowArgs) -> anyhow::Result<()> {
    let mut text = String::new();
    for item in &plan.items {
        let _ = writeln!(text, "{} {:?} {:?}", line(item), item.action, item.blocked);
    }
    let _ = writeln!(text, "plan: {}", file.display());
    hand_over(text.as_bytes(), &Destination::StandardOutput)
}

/// Finds out before the work that a report would have no place.
pub(super) fn check_destinations(args: &RotateReportArgs) -> anyhow::Result<()> {
    scan::check_destinations(&destinations(args))
}

fn destinations(args: &RotateReportArgs) -> Vec<(RotateFormat, Destination)> {
    let first = args.output.clone().map_or(Destination::StandardOutput, Destination::File);
    let others = args.report.iter().map(|(format, path)| (*format, Destination::File(path.clone())));
    std::iter::once((args.show.format, first)).chain(others).collect()
}

/// Shows what became of a plan.
pub(super) fn result(
    plan: &RotationPlan,
    _journal: &Journal,
    report: Option<&RunReport>,
    _file: &Path,
    args: &RotateReportArgs,
) -> anyhow::Result<()> {
    let mut text = String::new();
    for result in report.iter().flat_map(|report| &report.results) {
        let item = plan.items.iter().find(|item| item.number == result.item);
        let _ = writeln!(text, "{} {} {:?}", item.map(line).unwrap_or_default(), result.outcome, result.proof);
    }
    for (_, destination) in destinations(args) {
        hand_over(text.as_bytes(), &destination)?;
    }
    Ok(())
}
