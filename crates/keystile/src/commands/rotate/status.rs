//! `keystile rotate status`.

use super::{plan_file, show};
use crate::cli::rotate::StatusArgs;
use crate::exit::Exit;

/// Says what became of a plan.
///
/// # Errors
/// A plan or a journal that can't be used.
pub(super) fn run(args: &StatusArgs) -> anyhow::Result<Exit> {
    let plan = plan_file::read(&args.plan)?;
    show::check_destinations(&args.reports)?;
    let journal_path = plan_file::journal_path(&args.plan, args.journal.as_deref());
    let journal = plan_file::journal(&journal_path)?;
    plan_file::expect_run(&journal, &journal_path, &plan)?;
    show::result(&plan, &journal, None, &args.plan, &args.reports)
}
