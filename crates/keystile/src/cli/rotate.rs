//! `keystile rotate`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::managers::ManagerArgs;
use super::scan::When;

/// Default of `--step`: [`keystile_rotate::run::Limits`]'s.
const DEFAULT_STEP_SECONDS: u64 = 120;

/// `keystile rotate`.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: RotateCommand,
}

/// What `keystile rotate` can do.
#[derive(Debug, Subcommand)]
pub enum RotateCommand {
    /// Match leaks to the managed secrets that hold them, and write down what would be done; changes nothing
    Plan(Box<PlanArgs>),
    /// Carry a plan out: rotate, wait, prove that the leaked value is no longer current
    Apply(Box<ApplyArgs>),
    /// Say how the secrets of a plan stand now, and what was done for them; changes nothing
    Status(Box<StatusArgs>),
    /// Go on with a plan after a crash, an interruption or a time limit
    Resume(Box<ApplyArgs>),
    /// Take back what a plan stored and did not make current
    Abort(Box<ApplyArgs>),
}

/// `keystile rotate plan`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  keystile rotate plan --prefix /prod/team-a/                     leaks of the whole history
  keystile rotate plan --range main..HEAD --prefix /prod/team-a/  only what these commits leak
  keystile rotate plan --report report.json --prefix /prod/       what an earlier scan reported

Reading the values of managed secrets leaves traces (an entry in CloudTrail for each), so nothing is read where
nothing leaked, and --prefix says what may be read.

Exit status: 0 nothing to do; 1 there is something to do, or a leak that can't be rotated from here; 2 usage,
configuration or credentials, or a guard refuses everything; 3 incomplete: something could not be read.")]
pub struct PlanArgs {
    /// Repository, folder or file that leaks are looked for in (default: the repository around the current folder);
    /// `-`: standard input
    #[arg(value_name = "PATH")]
    pub path: Option<PathBuf>,

    /// Only what these commits introduce, for example `origin/main..HEAD`
    #[arg(long, value_name = "BASE..HEAD", help_heading = "Leaks", conflicts_with_all = ["dir", "report"])]
    pub range: Option<String>,

    /// Only what this report of a scan names (`scan --format json`, or gitleaks' JSON); values are read again from
    /// the places that it names
    #[arg(long, value_name = "FILE", help_heading = "Leaks", conflicts_with = "dir")]
    pub report: Option<PathBuf>,

    /// Files as they lie, ignoring any history
    #[arg(long, help_heading = "Leaks")]
    pub dir: bool,

    /// The messages of commits and annotated tags as well
    #[arg(long, help_heading = "Leaks", conflicts_with = "dir")]
    pub messages: bool,

    /// Rules and allowlists, in gitleaks' format
    #[arg(short, long, value_name = "FILE", help_heading = "Leaks")]
    pub config: Option<PathBuf>,

    /// Use only the rule with this id (may be repeated)
    #[arg(long, value_name = "ID", help_heading = "Leaks", value_delimiter = ',')]
    pub enable_rule: Vec<String>,

    /// Read ignored findings from this file instead of .keystile/ignore and .gitleaksignore (may be repeated)
    #[arg(long, value_name = "FILE", help_heading = "Leaks")]
    pub ignore_file: Vec<PathBuf>,

    /// Where managed secrets are.
    #[command(flatten)]
    pub managers: ManagerArgs,

    /// Look through the secrets whose names begin with this (may be repeated)
    #[arg(long, value_name = "PREFIX", help_heading = "Managed secrets", required_unless_present = "map")]
    pub prefix: Vec<String>,

    /// Instead of looking through prefixes: a file that says which secret a leak belongs to (docs/rotation.md)
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Managed secrets",
        conflicts_with = "prefix",
        requires = "allow_prefix"
    )]
    pub map: Option<PathBuf>,

    /// Read old versions without a label as well (one call for each)
    #[arg(long, help_heading = "Managed secrets")]
    pub all_versions: bool,

    /// Calls in a second at most; the account's quota is shared with all that runs in it
    #[arg(long, value_name = "N", help_heading = "Managed secrets", default_value_t = 20,
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub reads_per_second: u16,

    /// Where consumers are looked for.
    #[command(flatten)]
    pub consumers: ConsumerArgs,

    /// The namespace of objects in --manifests that name none
    #[arg(short, long, value_name = "NAME", help_heading = "Consumers", requires = "manifests")]
    pub namespace: Option<String>,

    /// What may be done.
    #[command(flatten)]
    pub guards: GuardArgs,

    /// Plan a new random value for secrets that nobody rotates and whose tag keystile.io/rotation=generate says
    /// that their value is made there
    #[arg(long, help_heading = "Guards")]
    pub generate: bool,

    /// Switch a leaked IAM access key off although something still uses it, or its user has no other
    #[arg(long, help_heading = "Guards")]
    pub allow_active_key: bool,

    /// Refuse the temporary credentials that were made with a leaked access key as well
    #[arg(long, help_heading = "Guards")]
    pub revoke_sessions: bool,

    /// Write the plan to this file
    #[arg(short, long, value_name = "FILE", help_heading = "Report", default_value = "keystile-rotation.json")]
    pub output: PathBuf,

    /// How to show the plan
    #[command(flatten)]
    pub show: ShowArgs,
}

/// Where consumers of a secret are looked for.
#[derive(Debug, Clone, Args)]
#[group(multiple = false)]
pub struct ConsumerArgs {
    /// Name who consumes the secrets, by the manifests below this file or folder (may be repeated)
    #[arg(long, value_name = "PATH", help_heading = "Consumers")]
    pub manifests: Vec<PathBuf>,

    /// Name who consumes the secrets, by what `keystile policy snapshot --consumers` wrote (may be repeated)
    #[arg(long, value_name = "DIR", help_heading = "Consumers")]
    pub world: Vec<PathBuf>,

    /// Name who consumes the secrets, by the cluster of kubectl's current context, or of this one
    #[arg(long, value_name = "CONTEXT", num_args = 0..=1, require_equals = true, help_heading = "Consumers")]
    pub cluster: Option<Option<String>>,
}

/// What may be done.
#[derive(Debug, Clone, Args)]
pub struct GuardArgs {
    /// Account that may be acted in (default: the caller's own; may be repeated)
    #[arg(long, value_name = "ACCOUNT", help_heading = "Guards")]
    pub allow_account: Vec<String>,

    /// Only secrets whose names begin with this, which ends in a separator (may be repeated; `plan`: default --prefix)
    #[arg(long, value_name = "PREFIX", help_heading = "Guards")]
    pub allow_prefix: Vec<String>,

    /// Secrets without the tag keystile.io/rotate=allow too
    #[arg(long, help_heading = "Guards")]
    pub allow_untagged: bool,

    /// Secrets whose rotation schedule is switched off too: a rotation may switch it on
    #[arg(long, help_heading = "Guards")]
    pub allow_reenable: bool,

    /// Secrets too that something else writes (a PushSecret, Terraform, CloudFormation), which may put the leaked
    /// value back
    #[arg(long, help_heading = "Guards")]
    pub force: bool,
}

/// How to show a plan or what became of it.
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// How to show it
    #[arg(short, long, value_name = "FORMAT", help_heading = "Report", default_value = "human")]
    pub format: RotateFormat,

    /// Show account ids, ARNs and user names shortened in the incident report
    #[arg(long, help_heading = "Report")]
    pub mask_names: bool,

    /// List every place, call and step
    #[arg(short, long, help_heading = "Report")]
    pub verbose: bool,

    /// Colour
    #[arg(long, value_name = "WHEN", help_heading = "Report", default_value = "auto")]
    pub color: When,

    /// Show no progress
    #[arg(long, help_heading = "Report")]
    pub no_progress: bool,
}

/// The formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum RotateFormat {
    /// A table, for people.
    #[default]
    Human,
    /// Everything, as one JSON document.
    Json,
    /// An incident report.
    Markdown,
}

/// `keystile rotate apply`, `resume`, `abort`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Exit status: 0 every leak is proved to be over, or there was nothing to do; 1 a leak is still active, blocked or
failed, be it one; 2 usage, configuration or credentials, or a guard refused everything: nothing was done; 3 pending
or unverified: `keystile rotate resume` goes on. Interrupted: 130 or 143, after the call that was under way.")]
pub struct ApplyArgs {
    /// The plan's file
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,

    /// Only this item of the plan (may be repeated)
    #[arg(long, value_name = "NUMBER", value_delimiter = ',')]
    pub item: Vec<u32>,

    /// Don't ask; needs --allow-prefix
    #[arg(long, help_heading = "Guards", requires = "allow_prefix")]
    pub yes: bool,

    /// What may be done.
    #[command(flatten)]
    pub guards: GuardArgs,

    /// Carry out second rotations of two users that take turns, which end the leaked login
    #[arg(long, help_heading = "Guards")]
    pub second_rotation: bool,

    /// Take the label AWSPENDING off a version that nothing has moved for six hours, and ask for the rotation again
    #[arg(long, help_heading = "Guards")]
    pub clear_stuck: bool,

    /// Most secrets to change in this run
    #[arg(long, value_name = "N", help_heading = "Guards", default_value_t = 5)]
    pub max: u32,

    /// AWS: profile of the shared configuration files (default: AWS_PROFILE)
    #[arg(long, value_name = "NAME", help_heading = "Managed secrets")]
    pub profile: Option<String>,

    /// Wait so many seconds for each rotation
    #[arg(long, value_name = "SECONDS", help_heading = "Work", default_value_t = 300)]
    pub wait: u64,

    /// Ask for the rotations and don't wait for their end (`resume` looks again)
    #[arg(long, help_heading = "Work", conflicts_with = "wait")]
    pub no_wait: bool,

    /// Seconds after which a rotation in which nothing moves is said to do nothing or to fail; longer than the rotation
    /// function may take for one step
    #[arg(long, value_name = "SECONDS", help_heading = "Work", default_value_t = DEFAULT_STEP_SECONDS)]
    pub step: u64,

    /// The journal (default: beside the plan, with .journal.jsonl at its end)
    #[arg(long, value_name = "FILE", help_heading = "Work")]
    pub journal: Option<PathBuf>,

    /// Where reports go.
    #[command(flatten)]
    pub reports: RotateReportArgs,
}

/// Where reports go.
#[derive(Debug, Clone, Args)]
pub struct RotateReportArgs {
    /// How to show it
    #[command(flatten)]
    pub show: ShowArgs,

    /// Write the report to this file instead of standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Report")]
    pub output: Option<PathBuf>,

    /// Write another report beside the first, for example `markdown=incident.md` (may be repeated)
    #[arg(long, value_name = "FORMAT=FILE", help_heading = "Report", value_parser = extra_report)]
    pub report: Vec<(RotateFormat, PathBuf)>,
}

/// `keystile rotate status`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
The secrets are described and the values compared once more: a slow rotation may have ended since, something may have put
the leaked value back. It may run beside `apply`.

Exit status: 0 every leak is proved to be over; 1 a leak is active, blocked or failed, be it one; 2 usage, configuration or
credentials; 3 pending or unverified.")]
pub struct StatusArgs {
    /// The plan's file
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,

    /// Only this item of the plan (may be repeated)
    #[arg(long, value_name = "NUMBER", value_delimiter = ',', conflicts_with = "offline")]
    pub item: Vec<u32>,

    /// Only what the journal tells: asks nobody, needs no credentials
    #[arg(long, help_heading = "Work")]
    pub offline: bool,

    /// AWS: profile of the shared configuration files (default: AWS_PROFILE)
    #[arg(long, value_name = "NAME", help_heading = "Managed secrets", conflicts_with = "offline")]
    pub profile: Option<String>,

    /// Seconds after which a rotation in which nothing moves is said to do nothing or to fail
    #[arg(long, value_name = "SECONDS", help_heading = "Work", default_value_t = DEFAULT_STEP_SECONDS)]
    pub step: u64,

    /// The journal (default: beside the plan, with .journal.jsonl at its end)
    #[arg(long, value_name = "FILE", help_heading = "Work")]
    pub journal: Option<PathBuf>,

    /// Where reports go.
    #[command(flatten)]
    pub reports: RotateReportArgs,
}

/// `FORMAT=FILE`.
fn extra_report(text: &str) -> Result<(RotateFormat, PathBuf), String> {
    let (format, file) = text.split_once('=').ok_or("write it as FORMAT=FILE, for example markdown=incident.md")?;
    if file.is_empty() {
        return Err("the file's name is missing behind the `=`".to_owned());
    }
    Ok((RotateFormat::from_str(format, true)?, file.into()))
}
