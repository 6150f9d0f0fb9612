//! `keystile rotate plan`.

use std::path::Path;

use jiff::Timestamp;
use keystile_rotate::access_key::{KeyOptions, plan_access_keys};
use keystile_rotate::guard::Guards;
use keystile_rotate::search::{Pace, Scope, Search};
use keystile_rotate::{Leak, RotationPlan, planner};

use super::leaks::{self, Leaks};
use super::{consumers, map, plan_file, reread, show};
use crate::cli::rotate::{GuardArgs, PlanArgs};
use crate::commands::scan::check_destinations;
use crate::exit::{Exit, UsageError};
use crate::managed::{Managers, look_through};
use crate::scan_request::Destination;
use crate::terminal;

/// Makes a plan, writes it down and shows it.
///
/// # Errors
/// Arguments that can't be used, no credentials, no place for the plan.
pub(super) fn run(args: &PlanArgs) -> anyhow::Result<Exit> {
    check_destinations(&[((), Destination::File(args.output.clone()))])?;
    let history = plan_file::journal(&plan_file::journal_path(&args.output, None))?.history();
    let guards = Guards { history, ..guards(&args.guards, &args.prefix, args.generate)? };
    let world = consumers::world(&args.consumers, args.namespace.as_deref())?;
    let Leaks { leaks, source } = match &args.report {
        Some(report) => reread::reread(args, report)?,
        None => leaks::scan(args)?,
    };
    let now = Timestamp::now();
    // Nothing is asked, and no value read, where nothing leaked.
    let plan = if leaks.is_empty() {
        planner::plan(&leaks, &source, &[], &guards, now)
    } else {
        let managers = Managers::for_plan(&args.managers)?;
        let searches = look_through(&managers, &scope(args, &leaks)?, !args.show.no_progress)?;
        let guards = own_accounts(guards, &searches);
        let mut plan = planner::plan(&leaks, &source, &searches, &guards, now);
        let options = KeyOptions {
            accounts: guards.accounts.clone(),
            allow_active: args.allow_active_key,
            revoke_sessions: args.revoke_sessions,
        };
        if let Some(world) = &world {
            keystile_rotate::consumers::attach(&mut plan, &searches, world);
        }
        plan_access_keys(&mut plan, &leaks, &managers.access_keys(), &options, now);
        plan
    };
    warn_of_replacement(&args.output, &plan);
    plan_file::write(&args.output, &plan)?;
    show::plan(&plan, &args.output, &args.show)
}

/// Says so where a plan that was carried out makes room for another: it can't be resumed any more.
fn warn_of_replacement(output: &Path, plan: &RotationPlan) {
    let Ok(before) = plan_file::read(output) else { return };
    let Ok(journal) = plan_file::journal(&plan_file::journal_path(output, None)) else { return };
    if before.digest() != plan.digest() && journal.plans().contains(before.digest().as_str()) {
        terminal::warning(&format!(
            "{} was a plan that was carried out, and is replaced; `rotate resume` and `abort` go by this one from now on \
             (--output names another file)",
            output.display()
        ));
    }
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
        ..Guards::default()
    };
    guards.check().map_err(|error| UsageError(error.to_string()))?;
    Ok(guards)
}

/// What is read.
fn scope(args: &PlanArgs, leaks: &[Leak]) -> anyhow::Result<Scope> {
    Ok(Scope {
        prefixes: args.prefix.clone(),
        names: match &args.map {
            Some(path) => {
                let names = map::names(path, leaks)?;
                if names.is_empty() {
                    terminal::warning(&format!(
                        "no entry of {} is for one of these leaks: nothing was read",
                        path.display()
                    ));
                }
                names
            }
            None => Vec::new(),
        },
        all_versions: args.all_versions,
        pace: Pace(f64::from(args.reads_per_second)),
    })
}

/// Where no account was named, the caller's own is meant.
fn own_accounts(mut guards: Guards, searches: &[Search]) -> Guards {
    if guards.accounts.is_empty() {
        guards.accounts = searches.iter().map(|search| search.identity.account.clone()).collect();
    }
    guards
}
