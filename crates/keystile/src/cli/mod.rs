//! What can be typed: commands and flags as clap sees them, without meaning.
//!
//! [`crate::scan_request`] gives them meaning.

use clap::{Parser, Subcommand};

pub mod check;
pub mod demo;
pub mod gitleaks;
pub mod init;
pub mod inventory;
pub mod managers;
pub mod policy;
pub mod rotate;
pub mod rules;
pub mod scan;

/// Finds leaked credentials in git, judges what points at secrets, and says what it covered.
#[derive(Debug, Parser)]
#[command(
    name = "keystile",
    version,
    about = "Finds leaked credentials in git, and refuses manifests that point at secrets of others",
    after_help = "Exit status: 0 complete and clean; 1 findings or violations; 2 usage or configuration error, nothing done; \
                  3 incomplete: something in scope could not be read or decided, and the report says what.",
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Find leaked credentials
    Scan(Box<scan::ScanArgs>),
    /// Judge manifests by the policy, as the cluster would
    Check(Box<check::CheckArgs>),
    /// Look at the policy, and ask it about an object
    Policy(Box<policy::PolicyArgs>),
    /// List managed secrets with what is wrong with them, and who refers to them
    Inventory(Box<inventory::InventoryArgs>),
    /// Rotate the managed secrets that leaks belong to, and prove it
    Rotate(Box<rotate::RotateArgs>),
    /// Show the whole story with made-up credentials: a leak, its finding, a rotation, its proof
    Demo(demo::DemoArgs),
    /// Look at the rules and try them
    Rules(rules::RulesArgs),
    /// Write a starting configuration, the git hook and a CI snippet
    Init(init::InitArgs),
    /// Print completions for a shell
    Completions(CompletionsArgs),
    /// gitleaks' command: scan git repositories
    #[command(hide = true)]
    Git(Box<gitleaks::GitArgs>),
    /// gitleaks' command: scan directories or files
    #[command(hide = true, aliases = ["file", "directory"])]
    Dir(Box<gitleaks::DirArgs>),
    /// gitleaks' command: scan standard input
    #[command(hide = true)]
    Stdin(Box<gitleaks::StdinArgs>),
    /// gitleaks' old command: scan a repository, a directory or standard input
    #[command(hide = true)]
    Detect(Box<gitleaks::DetectArgs>),
    /// gitleaks' old command: scan uncommitted changes
    #[command(hide = true)]
    Protect(Box<gitleaks::ProtectArgs>),
}

/// `keystile completions`.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell to print completions for
    pub shell: clap_complete::Shell,
}
