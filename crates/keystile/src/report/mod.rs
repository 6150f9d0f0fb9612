//! Reports: what a scan found and what it covered, in the formats that people's tools read.
//!
//! The command line fills in a [`Report`] and calls [`write()`]. Formats never see a secret: they
//! render the [`view`], which is made once and in which every text from the repository went through
//! the [`crate::mask`]. One file per format; each says where its rules come from.

pub mod view;

mod advice;
mod coverage;
pub(crate) mod csv;
pub mod fields;
mod gitlab;
pub(crate) mod gitleaks;
pub(crate) mod human;
mod json;
mod jsonl;
pub(crate) mod junit;
pub(crate) mod markdown;
pub(crate) mod sarif;

#[cfg(test)]
mod checked;
#[cfg(test)]
mod prop;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod verdicts;

use std::io::{self, Write};

use jiff::Timestamp;
use keystile_git::Coverage;
pub use keystile_scan::text;
use keystile_scan::{Finding, RuleSet};

use crate::link::Remote;
use crate::managed::Holders;
use crate::mask::Redaction;
use crate::verify::Verification;
use view::View;

/// Everything that a report tells.
#[derive(Debug)]
pub struct Report<'a> {
    /// The rules of the run; every finding's rule is among them.
    pub rules: &'a RuleSet,
    /// What was found, in any order.
    pub findings: Vec<Finding>,
    /// Findings that are not reported (ignored, in the baseline): their secrets are masked as well
    /// where they stand in the lines of others.
    pub withheld: Vec<Finding>,
    /// What was read.
    pub coverage: Coverage,
    /// How the run ends.
    pub outcome: Outcome,
    /// The exit status that says so.
    pub exit_code: u8,
    /// keystile's own version.
    pub tool_version: String,
    /// What was scanned.
    pub target: Target,
    /// How many findings are not reported, and why.
    pub suppressed: Suppressed,
    /// What the issuers said, if they were asked.
    pub verification: Option<Verification>,
    /// Which findings a managed secret holds, if that was looked up.
    pub managed: Option<Holders>,
    /// Entries of ignore files and baselines that match nothing any more.
    pub unused: Vec<UnusedEntry>,
    /// Anything else that deserves attention, one sentence each.
    pub warnings: Vec<String>,
    /// The site that hosts the repository.
    pub remote: Option<Remote>,
    /// When the scan began.
    pub started: Timestamp,
    /// When the scan was done.
    pub finished: Timestamp,
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything in scope was read, and nothing was found.
    Clean,
    /// Something was found (whether or not everything was read).
    Findings,
    /// Nothing was found in what was read, but not everything could be read.
    Incomplete,
}

impl Outcome {
    /// The outcome of a run with so many reported findings. With `allow_incomplete` gaps are named
    /// but do not count.
    #[must_use]
    pub fn of(findings: usize, coverage: &Coverage, allow_incomplete: bool) -> Self {
        match findings {
            0 if coverage.is_complete() || allow_incomplete => Self::Clean,
            0 => Self::Incomplete,
            _ => Self::Findings,
        }
    }

    /// The exit status, unless the user asked for another: 0, 1 or 3.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Findings => 1,
            Self::Incomplete => 3,
        }
    }

    /// Its name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Findings => "findings",
            Self::Incomplete => "incomplete",
        }
    }
}

/// What was scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// As the user named it; `-` for standard input.
    pub path: String,
    /// Which way it was read.
    pub kind: TargetKind,
    /// `BASE..HEAD` of a range as the user wrote it.
    pub range: Option<String>,
}

/// The ways to read a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// A repository's whole history, its index and its work tree.
    History,
    /// A repository's whole history alone. The same name as [`Self::History`] in reports.
    HistoryOnly,
    /// What a range of commits introduces.
    Range,
    /// The staged change.
    Staged,
    /// Files as they lie.
    Directory,
    /// Standard input.
    StandardInput,
}

impl TargetKind {
    /// Its name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::History | Self::HistoryOnly => "history",
            Self::Range => "range",
            Self::Staged => "staged",
            Self::Directory => "directory",
            Self::StandardInput => "standard_input",
        }
    }
}

/// How many findings are not reported, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Suppressed {
    /// By an entry of an ignore file.
    pub ignored: u64,
    /// In the baseline.
    pub baseline: u64,
    /// By `keystile:allow` or `gitleaks:allow` in their line (matches, not findings).
    pub inline: u64,
    /// By an allowlist, for their place (matches, not findings).
    pub allowlisted: u64,
}

/// An exception that excuses nothing any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusedEntry {
    /// The file it stands in.
    pub file: String,
    /// Its line, from 1; `None` where lines mean nothing (a baseline).
    pub line: Option<u32>,
    /// The entry itself.
    pub entry: String,
}

/// The formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people, grouped by finding.
    #[default]
    Human,
    /// Everything, as one JSON document (docs/schema/report.schema.json).
    Json,
    /// One JSON document per line: each finding, then the coverage.
    Jsonl,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// One line per occurrence, for spreadsheets.
    Csv,
    /// `JUnit` XML, for test reports.
    Junit,
    /// GitLab's secret detection report.
    Gitlab,
    /// A comment on a pull request.
    Markdown,
    /// gitleaks' JSON report, field for field.
    Gitleaks,
    /// gitleaks' CSV report, column for column.
    GitleaksCsv,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Human,
        Self::Json,
        Self::Jsonl,
        Self::Sarif,
        Self::Csv,
        Self::Junit,
        Self::Gitlab,
        Self::Markdown,
        Self::Gitleaks,
        Self::GitleaksCsv,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Sarif => "sarif",
            Self::Csv => "csv",
            Self::Junit => "junit",
            Self::Gitlab => "gitlab",
            Self::Markdown => "markdown",
            Self::Gitleaks => "gitleaks",
            Self::GitleaksCsv => "gitleaks-csv",
        }
    }
}

/// How a report is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How much of a secret is shown.
    pub redaction: Redaction,
    /// Whether the human format uses colours.
    pub color: bool,
    /// Columns of the terminal; `None`: not a terminal, nothing is cut to its width.
    pub width: Option<usize>,
    /// Whether the human format lists every occurrence (and every gap) of a long list.
    pub verbose: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { redaction: Redaction::Full, color: false, width: None, verbose: false }
    }
}

/// Writes `report` to `out`.
///
/// # Errors
/// Whatever writing to `out` gives; a closed pipe is [`io::ErrorKind::BrokenPipe`].
pub fn write(report: &Report<'_>, format: Format, out: &mut dyn Write, options: &Options) -> io::Result<()> {
    let view = View::new(report, options);
    // Formats write in small pieces.
    let mut buffered = io::BufWriter::new(out);
    write_view(&view, format, &mut buffered, options)?;
    buffered.flush()
}

fn write_view(view: &View<'_>, format: Format, out: &mut dyn Write, options: &Options) -> io::Result<()> {
    match format {
        Format::Human => human::write(view, out, options),
        Format::Json => json::write(view, out),
        Format::Jsonl => jsonl::write(view, out),
        Format::Sarif => sarif::write(view, out),
        Format::Csv => csv::write(view, out),
        Format::Junit => junit::write(view, out),
        Format::Gitlab => gitlab::write(view, out),
        Format::Markdown => markdown::write(view, out),
        Format::Gitleaks => gitleaks::write(view, out),
        Format::GitleaksCsv => gitleaks::write_csv(view, out),
    }
}
