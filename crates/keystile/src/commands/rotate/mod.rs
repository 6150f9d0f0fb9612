//! `keystile rotate`: from leaks to a plan, and from a plan to a proven rotation.

mod apply;
mod chosen;
mod confirm;
mod consumers;
mod leaks;
mod map;
mod plan;
mod plan_file;
mod recheck;
mod reread;
mod show;
mod status;

use crate::cli::rotate::{RotateArgs, RotateCommand};
use crate::exit::Exit;

/// Carries a subcommand out.
///
/// # Errors
/// What can't be used: arguments, a plan, a journal, credentials. Nothing was done then.
pub fn run(args: RotateArgs) -> anyhow::Result<Exit> {
    match args.command {
        RotateCommand::Plan(args) => plan::run(&args),
        RotateCommand::Apply(args) => apply::run(&args, apply::Kind::Apply),
        RotateCommand::Resume(args) => apply::run(&args, apply::Kind::Resume),
        RotateCommand::Abort(args) => apply::run(&args, apply::Kind::Abort),
        RotateCommand::Status(args) => status::run(&args),
    }
}
