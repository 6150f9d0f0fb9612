//! `keystile policy`: look at the policy, and ask it.

mod explain;
mod snapshot;

use crate::cli::policy::{PolicyArgs, PolicyCommand};
use crate::exit::Exit;

/// Does what `args` asks for.
///
/// # Errors
/// As the command that is asked for.
pub fn run(args: PolicyArgs) -> anyhow::Result<Exit> {
    match args.command {
        PolicyCommand::Explain(args) => explain::run(&args),
        PolicyCommand::Snapshot(args) => snapshot::run(&args),
    }
}
