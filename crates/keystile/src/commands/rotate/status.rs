//! `keystile rotate status`.

use std::time::Duration;

use keystile_rotate::run::{Limits, look_again};

use super::{chosen, plan_file, show};
use crate::cli::rotate::StatusArgs;
use crate::exit::Exit;
use crate::managed::{Managers, SystemClock};

/// Says how the secrets of a plan stand now, or, offline, what its journal tells.
///
/// # Errors
/// A plan or a journal that can't be used; no credentials; offline, a plan that was never carried out.
pub(super) fn run(args: &StatusArgs) -> anyhow::Result<Exit> {
    let plan = plan_file::read(&args.plan)?;
    let journal_path = plan_file::journal_path(&args.plan, args.journal.as_deref());
    show::check_destinations(&args.reports, &args.plan, &journal_path)?;
    let journal = plan_file::journal(&journal_path)?;
    if args.offline {
        plan_file::expect_run(&journal, &journal_path, &plan)?;
        return show::result(&plan, &journal, None, &args.plan, &args.reports);
    }
    // A plan that was carried out elsewhere, with a journal that stayed there, can be looked at as well.
    let chosen = chosen::items(&args.item, &plan)?;
    let managers = Managers::of_plan(&plan, &chosen, args.profile.as_deref())?;
    let limits = Limits { step: Duration::from_secs(args.step), ..Limits::default() };
    let clock = SystemClock::without_signals();
    let report = look_again(&managers.connected(), &clock, limits, &journal.history(), &plan, &chosen);
    show::result(&plan, &journal, Some(&report), &args.plan, &args.reports)
}
