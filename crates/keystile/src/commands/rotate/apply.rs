//! `keystile rotate apply`, `resume` and `abort`.

use std::time::Duration;

use jiff::Timestamp;
use keystile_rotate::PlanItem;
use keystile_rotate::journal::JournalWriter;
use keystile_rotate::plan::Action;
use keystile_rotate::run::{Limits, Run};
use keystile_rotate::token::Purpose;

use super::confirm::confirm;
use super::recheck::recheck;
use super::{chosen, plan_file, show};
use crate::cli::rotate::ApplyArgs;
use crate::exit::{Exit, UsageError};
use crate::managed::{Managers, SystemClock};
use crate::terminal;

/// What is done with the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Carry it out.
    Apply,
    /// Go on with it.
    Resume,
    /// Take back what is half done.
    Abort,
}

/// Carries a plan out.
///
/// # Errors
/// A plan or a journal that can't be used, no credentials, nobody to ask. Nothing was done then.
pub(super) fn run(args: &ApplyArgs, kind: Kind) -> anyhow::Result<Exit> {
    let plan = plan_file::read(&args.plan)?;
    let journal_path = plan_file::journal_path(&args.plan, args.journal.as_deref());
    show::check_destinations(&args.reports, &args.plan, &journal_path)?;
    let before = plan_file::journal(&journal_path)?;
    if kind != Kind::Apply {
        plan_file::expect_run(&before, &journal_path, &plan)?;
    }
    let chosen = chosen::items(&args.item, &plan)?;
    let acting: Vec<&PlanItem> = plan.items.iter().filter(|item| chosen.contains(&item.number) && acts(item)).collect();
    check_allowed(args, &acting)?;
    let stop = terminal::stop_gracefully();
    let managers = Managers::of_plan(&plan, &chosen, args.profile.as_deref())?;
    if kind != Kind::Abort {
        recheck(&args.guards, &managers, &acting, &before.history())?;
    }
    if !args.yes && !acting.is_empty() {
        let verb = match kind {
            Kind::Apply | Kind::Resume => "Change",
            Kind::Abort => "Take back what was stored in",
        };
        let what = format!("{verb} {} secret(s)?", acting.len());
        let lines: Vec<String> = acting.iter().map(|item| show::line(item)).collect();
        if !confirm(&what, &lines)? {
            terminal::note("nothing was changed");
            return Ok(Exit::Usage);
        }
    }
    let limits = Limits {
        most: args.max,
        wait: if args.no_wait { Duration::ZERO } else { Duration::from_secs(args.wait) },
        // The plan's consumers say how long to wait.
        second_rotation: args.second_rotation.then_some(Duration::ZERO),
        step: Duration::from_secs(args.step),
        clear_stuck: args.clear_stuck,
        ..Limits::default()
    };
    let clock = SystemClock::new(stop);
    let mut writer = JournalWriter::open(&journal_path, run_id()).map_err(|error| UsageError(error.to_string()))?;
    // Read again, now that nobody else writes.
    let before = plan_file::journal(&journal_path)?;
    let history = before.history();
    let connected = managers.connected();
    let run = Run::new(&connected, &clock, limits, &history, stop, &mut writer);
    let report = match kind {
        Kind::Apply | Kind::Resume => run.apply(&plan, &chosen),
        Kind::Abort => run.abort(&plan, &chosen),
    }
    .map_err(|error| UsageError(error.to_string()))?;
    drop(writer);
    let journal = plan_file::journal(&journal_path)?;
    show::result(&plan, &journal, Some(&report), &args.plan, &args.reports)
}

/// Whether something would be done for the item.
fn acts(item: &PlanItem) -> bool {
    item.blocked.is_empty() && !matches!(item.action, Action::Nothing(_))
}

/// Whoever applies says again what may be touched: the plan may be someone else's.
fn check_allowed(args: &ApplyArgs, acting: &[&PlanItem]) -> anyhow::Result<()> {
    for prefix in &args.guards.allow_prefix {
        if !prefix.ends_with(['/', '-', '_', '.']) {
            let text =
                format!("--allow-prefix {prefix} must end in /, -, _ or .: it would cover names that begin alike");
            return Err(UsageError(text).into());
        }
    }
    let second = acting.iter().find(|item| item.action == Action::Rotate(Purpose::Second));
    if let Some(item) = second.filter(|_| !args.second_rotation) {
        let text = format!(
            "item {}: a second rotation cuts off consumers that never refreshed since the first; give --second-rotation, \
             or leave the item out with --item",
            item.number
        );
        return Err(UsageError(text).into());
    }
    for item in acting {
        let accounts = &args.guards.allow_account;
        let key = item.access_key.as_ref();
        let account = item.secret.as_ref().map(|held| &held.account).or(key.and_then(|key| key.account.as_ref()));
        if let Some(account) = account.filter(|account| !accounts.is_empty() && !accounts.contains(account)) {
            let text = format!("item {}: account {account} is not allowed; give --allow-account", item.number);
            return Err(UsageError(text).into());
        }
        let Some(held) = &item.secret else { continue };
        let prefixes = &args.guards.allow_prefix;
        if !prefixes.is_empty() && !prefixes.iter().any(|prefix| held.name.starts_with(prefix)) {
            let text = format!(
                "item {}: {} has none of the allowed prefixes; leave the item out with --item, or give --allow-prefix",
                item.number, held.name
            );
            return Err(UsageError(text).into());
        }
    }
    Ok(())
}

/// A name for this run: its time and process.
fn run_id() -> String {
    format!("{}-{}", Timestamp::now().strftime("%Y%m%dT%H%M%SZ"), std::process::id())
}
