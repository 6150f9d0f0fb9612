//! `keystile rotate status`.

use super::{plan_file, show};
use crate::cli::rotate::StatusArgs;
use crate::exit::{Exit, UsageError};

/// Says what became of a plan.
///
/// # Errors
/// A plan or a journal that can't be used.
pub(super) fn run(args: &StatusArgs) -> anyhow::Result<Exit> {
    let plan = plan_file::read(&args.plan)?;
    show::check_destinations(&args.reports)?;
    let journal_path = plan_file::journal_path(&args.plan, args.journal.as_deref());
    let journal = plan_file::journal(&journal_path, &plan)?;
    if journal.entries.is_empty() {
        let text = format!("nothing was done yet: the journal {} is empty or not there", journal_path.display());
        return Err(UsageError(text).into());
    }
    show::result(&plan, &journal, None, &args.plan, &args.reports)
}
