//! What the tests of managers over HTTP share: from a leaked value to a plan, and runs over it.

#![expect(clippy::unwrap_used, reason = "tests")]

pub(crate) mod http;

use std::sync::atomic::AtomicBool;

use jiff::{SignedDuration, Timestamp};
use keystile_rotate::guard::Guards;
use keystile_rotate::index::IndexKey;
use keystile_rotate::journal::{Entry, Journal};
use keystile_rotate::plan::Source;
use keystile_rotate::run::{Connected, ItemResult, Limits, Run};
use keystile_rotate::search::{Pace, Scope, Search, search};
use keystile_rotate::{Leak, RotationPlan, SecretBackend, planner};
use keystile_scan::SecretBytes;

use crate::fake::{Lines, Still};

/// Looks through everything below the prefix.
#[track_caller]
pub(crate) fn look(backend: &dyn SecretBackend, prefix: &str) -> Search {
    let scope =
        Scope { prefixes: vec![prefix.to_owned()], names: Vec::new(), all_versions: true, pace: Pace(f64::INFINITY) };
    search(backend, &scope, IndexKey::new([7; 32]), &Still::new(), &mut |_| {}).unwrap()
}

/// A plan for the leaked value, made five hours later: a secret that was just made counts as rotated then.
#[track_caller]
pub(crate) fn plan(backend: &dyn SecretBackend, prefix: &str, leaked: &str, needs_tag: bool) -> RotationPlan {
    let search = look(backend, prefix);
    let guards = Guards {
        accounts: vec![search.identity.account.clone()],
        prefixes: vec![prefix.to_owned()],
        needs_tag,
        may_generate: true,
        ..Guards::default()
    };
    let leak = Leak { rule: "rule".to_owned(), value: SecretBytes::new(leaked.as_bytes()), places: Vec::new() };
    let now = Timestamp::now() + SignedDuration::from_hours(5);
    planner::plan(&[leak], &Source::default(), &[search], &guards, now)
}

/// Carries it out; `lines` is the journal of this and earlier runs.
#[track_caller]
pub(crate) fn apply_with(backend: &dyn SecretBackend, plan: &RotationPlan, lines: &mut Lines) -> ItemResult {
    let entries = lines.entries.iter().map(|(at, event)| Entry { at: *at, run: "r".to_owned(), event: event.clone() });
    let history = Journal { entries: entries.collect(), torn: false }.history();
    let managers = [Connected { identity: plan.identities[0].clone(), backend, access_keys: None }];
    let (clock, stop) = (Still::new(), AtomicBool::new(false));
    let run = Run::new(&managers, &clock, Limits::default(), &history, &stop, lines);
    run.apply(plan, &[1]).unwrap().results.remove(0)
}

/// Carries it out with a journal of its own.
#[track_caller]
pub(crate) fn apply(backend: &dyn SecretBackend, plan: &RotationPlan) -> ItemResult {
    apply_with(backend, plan, &mut Lines::default())
}
