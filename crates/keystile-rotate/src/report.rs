//! Reports of rotations: what was planned, what was done, what proves it, and what is still open.
//!
//! An [`Incident`] is made of a plan and of what the journal and the last run say, by a pure function; the formats
//! render it and nothing else: [`table`](table()) for a terminal, [`json`] for programs, [`markdown`](markdown()) as
//! the incident's written record, [`summary`](summary()) for the log of a job. None of what goes in holds a value or
//! a digest of one, so none can come out.
//!
//! Texts that are not ours (names, paths, a manager's messages) go through [`keystile_scan::text`] before a terminal
//! sees them, and are written as text that Markdown reads nothing into.

mod build;
mod consumers;
mod exposure;
mod incident;
mod limits;
mod markdown;
mod mask;
mod past;
mod steps;
mod summary;
mod table;
mod words;

pub use build::Input;
pub use exposure::{Exposure, ExposureKind, Weight};
pub use incident::{
    CallRecord, Comparison, FORMAT, Incident, ItemReport, KeyReport, Moment, PlanRef, RunRecord, Stand, Status, Times,
    ToDo,
};
pub use markdown::markdown;
pub use steps::{NextStep, Phase};
pub use summary::summary;
pub use table::{TableOptions, table};

/// The report as JSON, indented, with a line feed at its end.
#[must_use]
pub fn json(incident: &Incident) -> String {
    let mut text = serde_json::to_string_pretty(incident).expect("names, numbers and times are JSON");
    text.push('\n');
    text
}
