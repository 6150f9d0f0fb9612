//! gitleaks' commands and flags, so that a hook or a job written for it works with the name changed.
//!
//! Names, defaults and meanings as `gitleaks --help` of 8.30.1 gives them.

use std::path::PathBuf;

use clap::Args;

/// gitleaks' global flags.
#[derive(Debug, Args)]
pub struct GlobalArgs {
    /// Path to a baseline with issues that can be ignored
    #[arg(short, long, value_name = "FILE")]
    pub baseline_path: Option<PathBuf>,
    /// Configuration file
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Accepted and without effect: use a profiler
    #[arg(long, hide = true)]
    pub diagnostics: Option<String>,
    /// Accepted and without effect
    #[arg(long, hide = true)]
    pub diagnostics_dir: Option<PathBuf>,
    /// Use only these rules
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    pub enable_rule: Vec<String>,
    /// Exit status when leaks have been found
    #[arg(long, default_value_t = 1)]
    pub exit_code: u8,
    /// A .gitleaksignore file, or the folder that holds one
    #[arg(short = 'i', long, value_name = "PATH", default_value = ".")]
    pub gitleaks_ignore_path: PathBuf,
    /// Report what gitleaks:allow comments excuse as well
    #[arg(long)]
    pub ignore_gitleaks_allow: bool,
    /// trace, debug, info, warn, error, fatal
    #[arg(short, long, default_value = "info")]
    pub log_level: String,
    /// How deep archives are opened
    #[arg(long, default_value_t = 0)]
    pub max_archive_depth: u32,
    /// How deep encoded text is decoded
    #[arg(long, default_value_t = 5)]
    pub max_decode_depth: u32,
    /// Larger files are skipped
    #[arg(long)]
    pub max_target_megabytes: Option<u64>,
    /// Accepted: there is no banner
    #[arg(long)]
    pub no_banner: bool,
    /// No colour in verbose output
    #[arg(long)]
    pub no_color: bool,
    /// Redact secrets, or a percentage of each
    #[arg(long, value_name = "PERCENT", num_args = 0..=1, require_equals = true, default_missing_value = "100",
          value_parser = clap::value_parser!(u8).range(0..=100))]
    pub redact: Option<u8>,
    /// json, csv, junit, sarif (gitleaks' template format is not supported)
    #[arg(short = 'f', long, value_name = "FORMAT")]
    pub report_format: Option<String>,
    /// Report file; `-`: standard output
    #[arg(short, long, value_name = "FILE")]
    pub report_path: Option<PathBuf>,
    /// Not supported: refused with a reason
    #[arg(long, hide = true)]
    pub report_template: Option<PathBuf>,
    /// Give up after so many seconds; 0: never
    #[arg(long, default_value_t = 0)]
    pub timeout: u64,
    /// Show findings
    #[arg(short, long)]
    pub verbose: bool,
    /// `strict`: keep gitleaks 8.30's faults too (keystile's own flag)
    #[arg(long, value_name = "MODE", default_value = "default")]
    pub compat: super::scan::Compat,
}

/// `gitleaks git`.
#[derive(Debug, Args)]
pub struct GitArgs {
    /// Repository
    pub repo: Option<PathBuf>,
    /// Options for `git log`: a range, or --all
    #[arg(long, allow_hyphen_values = true)]
    pub log_opts: Option<String>,
    /// Platform for links
    #[arg(long)]
    pub platform: Option<String>,
    /// Scan uncommitted changes
    #[arg(long)]
    pub pre_commit: bool,
    /// With --pre-commit: scan staged changes
    #[arg(long)]
    pub staged: bool,
    /// The rest.
    #[command(flatten)]
    pub global: GlobalArgs,
}

/// `gitleaks dir`.
#[derive(Debug, Args)]
pub struct DirArgs {
    /// Directory or file
    pub path: Option<PathBuf>,
    /// Scan files that are symbolic links to other files
    #[arg(long)]
    pub follow_symlinks: bool,
    /// The rest.
    #[command(flatten)]
    pub global: GlobalArgs,
}

/// `gitleaks stdin`.
#[derive(Debug, Args)]
pub struct StdinArgs {
    /// The rest.
    #[command(flatten)]
    pub global: GlobalArgs,
}

/// `gitleaks detect`.
#[derive(Debug, Args)]
pub struct DetectArgs {
    /// Scan files that are symbolic links to other files
    #[arg(long)]
    pub follow_symlinks: bool,
    /// Options for `git log`: a range, or --all
    #[arg(long, allow_hyphen_values = true)]
    pub log_opts: Option<String>,
    /// Treat the repository as a directory
    #[arg(long)]
    pub no_git: bool,
    /// Scan standard input
    #[arg(long)]
    pub pipe: bool,
    /// Platform for links
    #[arg(long)]
    pub platform: Option<String>,
    /// What to scan
    #[arg(short, long, default_value = ".")]
    pub source: PathBuf,
    /// The rest.
    #[command(flatten)]
    pub global: GlobalArgs,
}

/// `gitleaks protect`.
#[derive(Debug, Args)]
pub struct ProtectArgs {
    /// Accepted and without effect, as in gitleaks
    #[arg(long, allow_hyphen_values = true)]
    pub log_opts: Option<String>,
    /// Repository
    #[arg(short, long, default_value = ".")]
    pub source: PathBuf,
    /// Scan staged changes
    #[arg(long)]
    pub staged: bool,
    /// The rest.
    #[command(flatten)]
    pub global: GlobalArgs,
}
