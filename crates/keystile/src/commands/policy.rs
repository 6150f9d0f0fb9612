//! `keystile policy`: look at the policy, and ask it.

mod explain;
mod export;
mod init;
mod show;
mod snapshot;
mod test;

use crate::cli::policy::{PolicyArgs, PolicyCommand};
use crate::exit::Exit;

/// Does what `args` asks for.
///
/// # Errors
/// As the command that is asked for.
pub fn run(args: PolicyArgs) -> anyhow::Result<Exit> {
    match args.command {
        PolicyCommand::Explain(args) => explain::run(&args),
        PolicyCommand::Export(args) => export::run(&args),
        PolicyCommand::Init(args) => init::run(&args),
        PolicyCommand::Show(args) => show::run(&args),
        PolicyCommand::Test(args) => test::run(&args),
        PolicyCommand::Snapshot(args) => snapshot::run(&args),
    }
}
