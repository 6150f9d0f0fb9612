//! Showing plans and what became of them.

use std::io::IsTerminal as _;
use std::path::Path;

use jiff::Timestamp;
use keystile_rotate::journal::Journal;
use keystile_rotate::report::{self, Incident, Input, TableOptions};
use keystile_rotate::run::RunReport;
use keystile_rotate::{PlanItem, RotationPlan};

use super::plan_file;
use crate::cli::rotate::{RotateFormat, RotateReportArgs, ShowArgs};
use crate::commands::scan::{self, hand_over, wants_color};
use crate::exit::{Exit, IncompleteError, UsageError};
use crate::report::text::printable;
use crate::scan_request::Destination;
use crate::terminal;

/// One line about an item, for whoever is asked.
pub(super) fn line(item: &PlanItem) -> String {
    let what = match (&item.secret, &item.access_key) {
        (Some(held), _) => format!("{} (version {})", held.name, held.version),
        (None, Some(key)) => format!("access key {}", key.id.as_str()),
        (None, None) => "no managed secret".to_owned(),
    };
    let place = item.places.first().map(|place| format!(", leaked at {place}")).unwrap_or_default();
    let line = format!("{}. {what}{place}", item.number);
    printable(&line).into_owned()
}

/// Shows a plan on standard output, and says how it ends.
pub(super) fn plan(plan: &RotationPlan, file: &Path, args: &ShowArgs) -> anyhow::Result<Exit> {
    let input = Input { plan_file: file.to_str(), mask_names: args.mask_names, ..Input::new(plan, Timestamp::now()) };
    let incident = Incident::new(input);
    let text = render(&incident, args.format, args, true);
    hand_over(text.as_bytes(), &Destination::StandardOutput)?;
    Ok(Exit::of_status(incident.exit_status))
}

/// Finds out before the work that a report would have no place, or would take that of the plan or the journal.
pub(super) fn check_destinations(args: &RotateReportArgs, plan: &Path, journal: &Path) -> anyhow::Result<()> {
    let destinations = destinations(args);
    for file in destinations.iter().filter_map(|(_, destination)| destination.file()) {
        for (path, what) in [(plan, "the plan"), (journal, "the journal")] {
            if plan_file::is_same(file, path) {
                let text = format!("the report can't be written to {}: {what} is there", file.display());
                return Err(UsageError(text).into());
            }
        }
    }
    scan::check_destinations(&destinations)
}

fn destinations(args: &RotateReportArgs) -> Vec<(RotateFormat, Destination)> {
    let first = args.output.clone().map_or(Destination::StandardOutput, Destination::File);
    let others = args.report.iter().map(|(format, path)| (*format, Destination::File(path.clone())));
    std::iter::once((args.show.format, first)).chain(others).collect()
}

/// Shows what became of a plan, and says how that ends.
pub(super) fn result(
    plan: &RotationPlan,
    journal: &Journal,
    run: Option<&RunReport>,
    file: &Path,
    args: &RotateReportArgs,
) -> anyhow::Result<Exit> {
    let mut incident = Incident::new(Input {
        journal: Some(journal),
        run,
        plan_file: file.to_str(),
        mask_names: args.show.mask_names,
        ..Input::new(plan, Timestamp::now())
    });
    if let Some(status) = terminal::signal_status() {
        incident.exit_status = status;
    }
    let destinations = destinations(args);
    for (format, destination) in &destinations {
        let to_terminal = *destination == Destination::StandardOutput;
        let text = render(&incident, *format, &args.show, to_terminal);
        hand_over(text.as_bytes(), destination).map_err(|error| {
            // What was to be done was done all the same.
            let cure = format!("`keystile rotate status {}` tells it", file.display());
            IncompleteError(format!("{error:#}; the verdict is: {}; {cure}", incident.verdict))
        })?;
    }
    let prints =
        |destination: &(RotateFormat, Destination)| *destination == (RotateFormat::Human, Destination::StandardOutput);
    if !destinations.iter().any(prints) {
        for line in report::summary(&incident) {
            terminal::note(&line);
        }
    }
    Ok(terminal::signal_status().map_or(Exit::of_status(incident.exit_status), Exit::Interrupted))
}

fn render(incident: &Incident, format: RotateFormat, args: &ShowArgs, to_terminal: bool) -> String {
    match format {
        RotateFormat::Human => {
            let width = (to_terminal && std::io::stdout().is_terminal()).then(terminal::width).flatten();
            let color = to_terminal && wants_color(args.color);
            report::table(incident, TableOptions { width, color, verbose: args.verbose })
        }
        RotateFormat::Json => report::json(incident),
        RotateFormat::Markdown => report::markdown(incident),
    }
}
