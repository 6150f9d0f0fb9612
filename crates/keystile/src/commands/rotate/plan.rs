//! `keystile rotate plan`.

use std::io::{IsTerminal as _, Read as _};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use keystile_rotate::guard::Guards;
use keystile_rotate::index::IndexKey;
use keystile_rotate::plan::Action;
use keystile_rotate::search::{Pace, Progress, Scope, Search, search};
use keystile_rotate::{Outcome, RotationPlan, outcome, planner};

use super::clock::SystemClock;
use super::leaks::{self, Leaks};
use super::managers::{Managers, failed};
use super::{plan_file, reread, show};
use crate::cli::rotate::{GuardArgs, PlanArgs};
use crate::commands::scan::check_destinations;
use crate::exit::{Exit, UsageError};
use crate::scan_request::Destination;
use crate::terminal;

/// Makes a plan, writes it down and shows it.
///
/// # Errors
/// Arguments that can't be used, no credentials, no place for the plan.
pub(super) fn run(args: &PlanArgs) -> anyhow::Result<Exit> {
    check_destinations(&[((), Destination::File(args.output.clone()))])?;
    let guards = guards(&args.guards, &args.prefix, args.generate)?;
    let Leaks { leaks, source } = match &args.report {
        Some(report) => reread::reread(args, report)?,
        None => leaks::scan(args)?,
    };
    // Nothing is asked, and no value read, where nothing leaked.
    let searches = if leaks.is_empty() { Vec::new() } else { look_through(args)? };
    let guards = own_accounts(guards, &searches);
    let plan = planner::plan(&leaks, &source, &searches, &guards, Timestamp::now());
    plan_file::write(&args.output, &plan)?;
    show::plan(&plan, &args.output, &args.show)?;
    Ok(exit(&plan))
}

/// What is allowed.
///
/// # Errors
/// A prefix that is open at its end.
fn guards(args: &GuardArgs, prefixes: &[String], may_generate: bool) -> anyhow::Result<Guards> {
    let guards = Guards {
        accounts: args.allow_account.clone(),
        prefixes: if args.allow_prefix.is_empty() { prefixes.to_vec() } else { args.allow_prefix.clone() },
        needs_tag: !args.allow_untagged,
        may_reenable: args.allow_reenable,
        may_generate,
        ignores_writers: args.force,
    };
    guards.check().map_err(|error| UsageError(error.to_string()))?;
    Ok(guards)
}

/// Where no account was named, the caller's own is meant.
fn own_accounts(mut guards: Guards, searches: &[Search]) -> Guards {
    if guards.accounts.is_empty() {
        guards.accounts = searches.iter().map(|search| search.identity.account.clone()).collect();
    }
    guards
}

/// Reads the managed secrets of the prefixes.
fn look_through(args: &PlanArgs) -> anyhow::Result<Vec<Search>> {
    let stop = terminal::stop_gracefully();
    let managers = Managers::for_plan(&args.managers)?;
    let scope = Scope {
        prefixes: args.prefix.clone(),
        all_versions: args.all_versions,
        pace: Pace(f64::from(args.reads_per_second)),
    };
    let clock = SystemClock(stop);
    let mut searches = Vec::new();
    for (identity, backend) in managers.backends() {
        let bar = progress_bar(!args.show.no_progress);
        let mut show = |progress: Progress| {
            bar.set_length(progress.of as u64);
            bar.set_position(progress.read as u64);
            if let Some(status) = terminal::signal_status() {
                std::process::exit(status.into());
            }
        };
        let found = search(backend, &scope, IndexKey::new(random()?), &clock, &mut show);
        bar.finish_and_clear();
        let found = found.map_err(|error| failed(&error))?;
        if found.secrets.is_empty() {
            terminal::warning(&format!(
                "account {}{} has no secret whose name begins with {}",
                identity.account,
                identity.region.as_ref().map(|region| format!(", {region}")).unwrap_or_default(),
                args.prefix.join(", ")
            ));
        }
        searches.push(found);
    }
    Ok(searches)
}

fn progress_bar(wanted: bool) -> ProgressBar {
    if !wanted || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("reading managed secrets [{bar:30}] {human_pos}/{human_len} {eta}");
    let style = style.expect("a constant template").progress_chars("=> ");
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
}

/// A key for the index, from the operating system.
fn random() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("while asking the operating system for random bytes (/dev/urandom)")?;
    Ok(bytes)
}

/// 1 where there is something to do or a leak that can't be rotated from here, 2 where a guard refuses everything, 3
/// where nothing was found but not everything could be read.
fn exit(plan: &RotationPlan) -> Exit {
    let outcomes: Vec<Outcome> = plan.items.iter().map(expected).collect();
    match outcome::exit_status(&outcomes) {
        0 if !plan.source.gaps.is_empty() || !plan.searched.unread.is_empty() => Exit::Incomplete,
        status => Exit::of_status(status),
    }
}

/// The outcome of an item if nothing is done.
fn expected(item: &keystile_rotate::PlanItem) -> Outcome {
    match (&item.blocked[..], item.action) {
        ([block, ..], _) => block.outcome,
        ([], Action::Nothing(outcome)) => outcome,
        ([], _) => Outcome::FailedLeakActive,
    }
}
