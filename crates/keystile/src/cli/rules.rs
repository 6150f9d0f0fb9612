//! `keystile rules`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `keystile rules`.
#[derive(Debug, Args)]
pub struct RulesArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub command: RulesCommand,

    /// Rules and allowlists, in gitleaks' format (otherwise looked for as `scan` does)
    #[arg(short, long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// Go on without the rules that can't be read, and list them
    #[arg(long, global = true)]
    pub skip_bad_rules: bool,
}

/// What to do with the rules.
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// List the rules in force
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one rule in full
    Show {
        /// The rule's id
        id: String,
    },
    /// Compile every rule and say which ones match a text
    Test {
        /// A file with the text; `-`: standard input; without it the rules are only compiled
        file: Option<PathBuf>,
        /// Try this rule alone
        #[arg(long, value_name = "ID")]
        rule: Option<String>,
    },
}
