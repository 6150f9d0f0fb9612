//! `keystile scan`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::managers::ManagerArgs;
use crate::report::Format;

/// `keystile scan`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Sources:
  keystile scan                        the repository around the current folder: whole history, index, work tree
  keystile scan --range main..HEAD     only what these commits introduce (pull requests)
  keystile scan --staged               only what the commit about to be made adds (pre-commit)
  keystile scan --dir PATH             files as they lie, without history
  some-command | keystile scan -       standard input

Configuration is looked for in this order: --config, KEYSTILE_CONFIG, GITLEAKS_CONFIG, .keystile/scan.toml,
.gitleaks.toml, the built-in rules.

Exit status: 0 complete and clean; 1 findings; 2 usage or configuration error, nothing done; 3 incomplete:
something in scope could not be read, and the report says what. Findings beside gaps end with 1.")]
pub struct ScanArgs {
    /// Repository or folder to scan (default: the current one); `-`: standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Scan only what the commit about to be made adds
    #[arg(long, help_heading = "Source", conflicts_with_all = ["range", "dir", "messages", "unreachable"])]
    pub staged: bool,

    /// Scan only what these commits introduce, for example `origin/main..HEAD`
    #[arg(long, value_name = "BASE..HEAD", help_heading = "Source", conflicts_with_all = ["dir", "unreachable"])]
    pub range: Option<String>,

    /// Scan files as they lie, ignoring any history
    #[arg(long, help_heading = "Source")]
    pub dir: bool,

    /// Scan the history alone, without index and work tree
    #[arg(long, help_heading = "Source", conflicts_with_all = ["staged", "range", "dir"])]
    pub history_only: bool,

    /// Scan the messages of commits and annotated tags as well
    #[arg(long, help_heading = "Source", conflicts_with = "dir")]
    pub messages: bool,

    /// Scan objects that no reference leads to as well
    #[arg(long, help_heading = "Source", conflicts_with = "dir")]
    pub unreachable: bool,

    /// Scan files that ignore files name as well
    #[arg(long, help_heading = "Source")]
    pub no_ignore: bool,

    /// With --dir: follow symbolic links
    #[arg(long, help_heading = "Source", requires = "dir")]
    pub follow_symlinks: bool,

    /// Leave binary content out (otherwise rules look into it too)
    #[arg(long, help_heading = "Content")]
    pub skip_binary: bool,

    /// Leave content larger than this many megabytes (1,000,000 bytes) out
    #[arg(long, value_name = "N", help_heading = "Content")]
    pub max_target_megabytes: Option<u64>,

    /// How deep encoded text (base64, hex, percent, \uXXXX, UTF-16) is decoded; 0: not at all
    #[arg(long, value_name = "N", help_heading = "Content")]
    pub max_decode_depth: Option<u32>,

    /// How deep archives (zip, tar, gz, xz, zst) are opened; 0: not at all
    #[arg(long, value_name = "N", help_heading = "Content")]
    pub max_archive_depth: Option<u32>,

    /// Rules and allowlists, in gitleaks' format
    #[arg(short, long, value_name = "FILE", help_heading = "Rules")]
    pub config: Option<PathBuf>,

    /// Use only the rule with this id (may be repeated)
    #[arg(long, value_name = "ID", help_heading = "Rules", value_delimiter = ',')]
    pub enable_rule: Vec<String>,

    /// Go on without the rules that can't be read, and list them
    #[arg(long, help_heading = "Rules")]
    pub skip_bad_rules: bool,

    /// `strict`: keep gitleaks 8.30's faults and defaults too
    #[arg(long, value_name = "MODE", help_heading = "Rules", default_value = "default")]
    pub compat: Compat,

    /// Ask the issuer of each finding whether it is live (docs/verify.md says who is asked what)
    #[arg(long, help_heading = "Verification")]
    pub verify: bool,

    /// Report live credentials alone; the others are counted
    #[arg(long, help_heading = "Verification", requires = "verify", conflicts_with = "update_baseline")]
    pub only_verified: bool,

    /// A host that checks of the configuration may name (may be repeated); keystile's own checks need none
    #[arg(long, value_name = "HOST", help_heading = "Verification", requires = "verify",
          value_parser = crate::verify::host)]
    pub verify_host: Vec<String>,

    /// Where to ask instead of the issuer's public site, for example
    /// `github=https://github.example.com/api/v3` (may be repeated)
    #[arg(long, value_name = "ISSUER=URL", help_heading = "Verification", requires = "verify",
          value_parser = endpoint)]
    pub verify_endpoint: Vec<keystile_verify::Endpoint>,

    /// Ask at private addresses too, and without TLS on this machine
    #[arg(long, help_heading = "Verification", requires = "verify")]
    pub verify_allow_private: bool,

    /// Wait so many seconds for an answer
    #[arg(long, value_name = "SECONDS", help_heading = "Verification", requires = "verify", default_value_t = 10,
          value_parser = clap::value_parser!(u16).range(1..=300))]
    pub verify_timeout: u16,

    /// Say which findings a managed secret holds; reads the values of those that --managed-prefix names
    #[arg(long, help_heading = "Managed secrets", requires = "managed_prefix")]
    pub managed: bool,

    /// Look through the managed secrets whose names begin with this (may be repeated)
    #[arg(long, value_name = "PREFIX", help_heading = "Managed secrets", requires = "managed")]
    pub managed_prefix: Vec<String>,

    /// Where managed secrets are.
    #[command(flatten)]
    pub managers: ManagerArgs,

    /// Report what `keystile:allow` and `gitleaks:allow` comments excuse as well
    #[arg(long, help_heading = "Exceptions", alias = "ignore-gitleaks-allow")]
    pub no_inline_allow: bool,

    /// Read ignored findings from this file instead of .keystile/ignore and .gitleaksignore (may be repeated)
    #[arg(long, value_name = "FILE", help_heading = "Exceptions")]
    pub ignore_file: Vec<PathBuf>,

    /// Leave out findings that this report has (ours, or gitleaks' JSON)
    #[arg(long, value_name = "FILE", help_heading = "Exceptions")]
    pub baseline: Option<PathBuf>,

    /// Write all findings of this run to the baseline (--baseline, or .keystile/baseline.json)
    #[arg(long, help_heading = "Exceptions", conflicts_with_all = ["staged", "range"])]
    pub update_baseline: bool,

    /// Take configuration and exceptions from this commit instead of the files in the work tree
    #[arg(long, value_name = "REV", help_heading = "Exceptions", conflicts_with_all = ["dir", "update_baseline"])]
    pub config_from: Option<String>,

    /// How to report
    #[arg(short, long, value_name = "FORMAT", help_heading = "Report", default_value = "human")]
    pub format: Format,

    /// Write the report to this file instead of standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Report")]
    pub output: Option<PathBuf>,

    /// Write another report beside the first, for example `sarif=keystile.sarif` (may be repeated)
    #[arg(long, value_name = "FORMAT=FILE", help_heading = "Report", value_parser = extra_report)]
    pub report: Vec<(Format, PathBuf)>,

    /// Show only this part of each secret: 100 (the default) shows none of it
    #[arg(long, value_name = "PERCENT", num_args = 0..=1, require_equals = true, default_missing_value = "100",
          value_parser = clap::value_parser!(u8).range(0..=100), help_heading = "Report", conflicts_with = "reveal")]
    pub redact: Option<u8>,

    /// Show secrets in the report
    #[arg(long, help_heading = "Report")]
    pub reveal: bool,

    /// Exit status when there are findings
    #[arg(long, value_name = "N", help_heading = "Report", default_value_t = 1)]
    pub exit_code: u8,

    /// End with 0 or 1 where an incomplete scan would end with 3
    #[arg(long, help_heading = "Report")]
    pub allow_incomplete: bool,

    /// Colour in the human report
    #[arg(long, value_name = "WHEN", help_heading = "Report", default_value = "auto")]
    pub color: When,

    /// Show no progress
    #[arg(long, help_heading = "Report")]
    pub no_progress: bool,

    /// Print nothing where there is nothing to report
    #[arg(short, long, help_heading = "Report", conflicts_with = "verbose")]
    pub quiet: bool,

    /// Say more: where configuration came from, every skipped file's reason
    #[arg(short, long, help_heading = "Report")]
    pub verbose: bool,

    /// Threads that decode and scan (default: one for each core)
    #[arg(long, value_name = "N", help_heading = "Work")]
    pub threads: Option<std::num::NonZeroUsize>,

    /// Scan every version of a file whole, instead of only what differs from the version it is stored against
    #[arg(long, help_heading = "Work")]
    pub no_delta: bool,

    /// Check the id of every packed object as well (doubles the time to decode)
    #[arg(long, help_heading = "Work")]
    pub verify_objects: bool,
}

/// `ISSUER=URL`.
fn endpoint(text: &str) -> Result<keystile_verify::Endpoint, keystile_verify::EndpointError> {
    text.parse()
}

/// `FORMAT=FILE`.
fn extra_report(text: &str) -> Result<(Format, PathBuf), String> {
    let (format, file) = text.split_once('=').ok_or("write it as FORMAT=FILE, for example sarif=keystile.sarif")?;
    if file.is_empty() {
        return Err("the file's name is missing behind the `=`".to_owned());
    }
    Ok((Format::from_str(format, true)?, file.into()))
}

/// How close to gitleaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compat {
    /// gitleaks' semantics without its faults.
    Default,
    /// gitleaks 8.30 as it is.
    Strict,
}

/// When to do something that depends on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}
