//! `keystile check`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::scan::When;

/// `keystile check`.
#[derive(Debug, Args)]
#[command(
    override_usage = "keystile check [OPTIONS] PATH...",
    after_long_help = "\
Examples:
  keystile check deploy/                               every manifest below a folder
  kustomize build overlays/prod | keystile check -     what a cluster would get
  keystile check --world world/ deploy/                with a cluster's namespaces and stores beside it

What a rule can't know offline (a store that is not among the files, a template that is not rendered) is named and
ends with 3. The files of one run see each other.

Exit status: 0 complete and clean; 1 violations; 2 usage or policy error, nothing done; 3 incomplete: something in
scope could not be read or decided, and the report says what. Violations beside gaps end with 1."
)]
pub struct CheckArgs {
    /// Manifests and folders of them; `-`: standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// What to judge by.
    #[command(flatten)]
    pub basis: BasisArgs,

    /// Check files that ignore files name as well
    #[arg(long, help_heading = "Source")]
    pub no_ignore: bool,

    /// How to report.
    #[command(flatten)]
    pub report: CheckReportArgs,
}

/// What manifests are judged by: a policy and what lies around them.
#[derive(Debug, Clone, Args)]
pub struct BasisArgs {
    /// The policy (default: .keystile/policy.yaml here or in a folder above, up to the repository's top)
    #[arg(short, long, value_name = "FILE", help_heading = "Policy")]
    pub policy: Option<PathBuf>,

    /// Manifests of all that lies around: namespaces, stores, generators, as `keystile policy snapshot` writes them
    #[arg(long, value_name = "DIR", help_heading = "Policy")]
    pub world: Vec<PathBuf>,

    /// What `aws secretsmanager list-secrets` prints (may be repeated)
    #[arg(long, value_name = "FILE", help_heading = "Policy")]
    pub inventory: Vec<PathBuf>,

    /// The namespace of objects that name none
    #[arg(short, long, value_name = "NAME", help_heading = "Policy")]
    pub namespace: Option<String>,

    /// Judge as of this time (RFC 3339) instead of now: exceptions expire
    #[arg(long, value_name = "TIME", help_heading = "Policy", value_parser = time)]
    pub at: Option<jiff::Timestamp>,
}

/// How `check` reports.
#[derive(Debug, Args)]
pub struct CheckReportArgs {
    /// How to report
    #[arg(short, long, value_name = "FORMAT", help_heading = "Report", default_value = "human")]
    pub format: CheckFormat,

    /// Write the report to this file instead of standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Report")]
    pub output: Option<PathBuf>,

    /// Write another report beside the first, for example `sarif=keystile.sarif` (may be repeated)
    #[arg(long, value_name = "FORMAT=FILE", help_heading = "Report", value_parser = extra_report)]
    pub report: Vec<(CheckFormat, PathBuf)>,

    /// Exit status when there are violations
    #[arg(long, value_name = "N", help_heading = "Report", default_value_t = 1)]
    pub exit_code: u8,

    /// Colour in the human report
    #[arg(long, value_name = "WHEN", help_heading = "Report", default_value = "auto")]
    pub color: When,

    /// Print nothing where there is nothing to report
    #[arg(short, long, help_heading = "Report", conflicts_with = "verbose")]
    pub quiet: bool,

    /// Say more: the policy's file, what is only audited, every gap
    #[arg(short, long, help_heading = "Report")]
    pub verbose: bool,
}

/// The formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum CheckFormat {
    /// For people, with the line that each violation is about.
    #[default]
    Human,
    /// Everything, as one JSON document.
    Json,
    /// One JSON document per line: each violation, each gap, then the summary.
    Jsonl,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// One line per violation, for spreadsheets.
    Csv,
    /// `JUnit` XML, for test reports.
    Junit,
    /// GitLab's code quality report.
    Gitlab,
    /// A comment on a pull request.
    Markdown,
}

/// A time, as `--at` takes it.
pub(super) fn time(text: &str) -> Result<jiff::Timestamp, String> {
    text.parse().map_err(|_| "write it as date, time and zone (RFC 3339), for example 2026-01-31T12:00:00Z".to_owned())
}

/// `FORMAT=FILE`.
fn extra_report(text: &str) -> Result<(CheckFormat, PathBuf), String> {
    let (format, file) = text.split_once('=').ok_or("write it as FORMAT=FILE, for example sarif=keystile.sarif")?;
    if file.is_empty() {
        return Err("the file's name is missing behind the `=`".to_owned());
    }
    Ok((CheckFormat::from_str(format, true)?, file.into()))
}
