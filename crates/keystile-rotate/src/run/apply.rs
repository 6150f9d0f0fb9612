//! The engine: goes through a plan's items, several secrets at a time, those of one secret in their order.
//!
//! Before each call that changes something the intent is in the journal, after it the answer. An answer that
//! stays away is no answer: the secret is described again, and asked again only with the same token, which
//! makes no second version. What the threads share (the journal, what was changed, why nothing more is started) is
//! behind one lock, which nobody holds during a call or a wait.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use keystile_inventory::{SecretArn, VersionId};

use super::access_key::KeyRun;
use super::item::ItemRun;
use super::limits::Limits;
use crate::access_key::AccessKeys;
use crate::backend::{Identity, SecretBackend};
use crate::clock::Clock;
use crate::journal::{Call, Event, FORMAT, History, JournalError, Sink};
use crate::outcome::{Meaning, Outcome};
use crate::plan::{Action, Held, PlanItem, RotationPlan};
use crate::token::Token;

/// How one item ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemResult {
    /// Its number in the plan.
    pub item: u32,
    /// The outcome.
    pub outcome: Outcome,
    /// The version that is current, where it is known.
    pub current: Option<VersionId>,
    /// Since when it is, at the latest, where a rotation since the plan is the cause: from then on the leaked value
    /// (of two users that take turns: the leaked login, if that has ended) opens nothing.
    pub since: Option<Timestamp>,
    /// What proves it, or why, as sentences without values.
    pub proof: Vec<String>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunReport {
    /// One for each item of the plan, in its order.
    pub results: Vec<ItemResult>,
    /// Why not everything was started or finished.
    pub stopped: Option<String>,
}

/// What is done with the items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Carry them out.
    Apply,
    /// Take back what is half done.
    Abort,
}

/// A manager that the run has a connection to.
#[derive(Clone)]
pub struct Connected<'a> {
    /// Who asks, and whom.
    pub identity: Identity,
    /// The manager.
    pub backend: &'a dyn SecretBackend,
    /// The access keys of the same account, where it is one of AWS's and they may be asked about.
    pub access_keys: Option<&'a dyn AccessKeys>,
}

impl std::fmt::Debug for Connected<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connected").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// A run over a plan.
pub struct Run<'a> {
    pub(super) managers: &'a [Connected<'a>],
    pub(super) clock: &'a dyn Clock,
    pub(super) limits: Limits,
    pub(super) history: &'a History,
    stop: &'a AtomicBool,
    state: Mutex<State<'a>>,
}

/// What the threads of a run share.
struct State<'a> {
    journal: &'a mut dyn Sink,
    /// Why nothing more is started.
    stopped: Option<String>,
    changed: u32,
    /// What failed in a row: ARNs of secrets, ids of keys. Several leaks of one secret fail together, and are one failure.
    failed: BTreeSet<String>,
    /// When the next call that changes something may be made.
    next_call: Timestamp,
    /// How many times the pace the time between two calls is.
    slowed: u32,
}

/// As slow as the calls get, in times of the pace.
const SLOWEST: u32 = 16;

impl std::fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl<'a> Run<'a> {
    /// A run that has done nothing yet. `history` is what the journal says of earlier runs; `stop` is set by a
    /// signal: the calls that are under way are finished, and nothing more is started.
    #[must_use]
    pub const fn new(
        managers: &'a [Connected<'a>],
        clock: &'a dyn Clock,
        limits: Limits,
        history: &'a History,
        stop: &'a AtomicBool,
        journal: &'a mut dyn Sink,
    ) -> Self {
        let state =
            State { journal, stopped: None, changed: 0, failed: BTreeSet::new(), next_call: Timestamp::MIN, slowed: 1 };
        Self { managers, clock, limits, history, stop, state: Mutex::new(state) }
    }

    /// Carries the plan out; `chosen` are the numbers of the items that may be acted on, the others are left
    /// out of the results.
    ///
    /// # Errors
    /// The journal can't be written before anything was done.
    pub fn apply(self, plan: &RotationPlan, chosen: &[u32]) -> Result<RunReport, JournalError> {
        self.each(plan, chosen, Work::Apply)
    }

    /// Takes back what earlier runs stored and did not make current ([`Action::Generate`]): the label of the new
    /// version is removed, the current value is not touched. What a rotation function makes is left to it.
    ///
    /// # Errors
    /// The journal can't be written before anything was done.
    pub fn abort(self, plan: &RotationPlan, chosen: &[u32]) -> Result<RunReport, JournalError> {
        self.each(plan, chosen, Work::Abort)
    }

    fn each(self, plan: &RotationPlan, chosen: &[u32], work: Work) -> Result<RunReport, JournalError> {
        let begin = Event::Begin { format: FORMAT.to_owned(), plan: plan.digest(), items: chosen.to_vec() };
        self.state().journal.append(self.clock.now(), begin)?;
        let items: Vec<&PlanItem> = plan.items.iter().filter(|item| chosen.contains(&item.number)).collect();
        let (keys, secrets): (Vec<&PlanItem>, Vec<&PlanItem>) =
            items.iter().partition(|item| item.access_key.is_some());
        let mut results = self.secrets(&by_secret(&secrets), work);
        // A key is switched off after what uses it was given another: after everything else.
        for item in keys {
            let result = self.item(item, work, &results);
            self.ended(item, &result);
            results.push(result);
        }
        results.sort_by_key(|result| items.iter().position(|item| item.number == result.item));
        let stopped = self.why_stopped();
        self.note(Event::End { stopped });
        Ok(RunReport { results, stopped: self.why_stopped() })
    }

    /// Sees to the secrets, each with its items in their order.
    fn secrets(&self, secrets: &[Vec<&PlanItem>], work: Work) -> Vec<ItemResult> {
        let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let see_to_some = || {
            while let Some(items) = secrets.get(next.fetch_add(1, Ordering::Relaxed)) {
                for item in items {
                    let result = self.item(item, work, &[]);
                    self.ended(item, &result);
                    results.lock().expect("no thread dies while it adds a result").push(result);
                }
            }
        };
        let threads = usize::try_from(self.limits.parallel).unwrap_or(usize::MAX).clamp(1, secrets.len().max(1));
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(see_to_some);
            }
            see_to_some();
        });
        results.into_inner().expect("a thread that dies ends the run")
    }

    /// Writes an item's outcome down, and counts it.
    fn ended(&self, item: &PlanItem, result: &ItemResult) {
        self.count(item, result);
        self.note(Event::Ended {
            item: result.item,
            outcome: result.outcome,
            current: result.current.clone(),
            since: result.since,
            proof: result.proof.clone(),
        });
    }

    /// `before` are the results of the items before it.
    fn item(&self, item: &PlanItem, work: Work, before: &[ItemResult]) -> ItemResult {
        if let Some(result) = without_a_call(item) {
            return result;
        }
        if let Some(key) = &item.access_key {
            return KeyRun::new(self, item, key).run(work, before);
        }
        let Some(held) = &item.secret else { return unmanaged(item) };
        if let Some(why) = self.why_stopped() {
            return ended(item, Outcome::NotStarted, format!("the run was stopped before: {why}"));
        }
        match manager(self.managers, held) {
            Ok(backend) => ItemRun::new(self, backend, item, held).run(work),
            Err(why) => ended(item, Outcome::ForeignAccount, why),
        }
    }

    /// The circuit breaker.
    fn count(&self, item: &PlanItem, result: &ItemResult) {
        match result.outcome {
            Outcome::NoCredentials => self.halt("there are no credentials"),
            outcome if outcome.is_failure() && item.blocked.is_empty() => {
                let secret = item.secret.as_ref().map(|held| held.arn.to_string());
                let failed = secret.or_else(|| item.access_key.as_ref().map(|key| key.id.to_string()));
                let mut state = self.state();
                state.failed.insert(failed.unwrap_or_default());
                let is_enough =
                    u32::try_from(state.failed.len()).is_ok_and(|failures| failures >= self.limits.failures);
                drop(state);
                if is_enough {
                    self.halt("circuit breaker: failures in a row");
                }
            }
            outcome if outcome.meaning() == Meaning::Over => self.state().failed.clear(),
            _ => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().expect("a thread that dies ends the run")
    }

    /// Starts nothing more.
    pub(super) fn halt(&self, why: &str) {
        self.state().stopped.get_or_insert_with(|| why.to_owned());
    }

    /// Why nothing more may be started, if that is so.
    pub(super) fn why_stopped(&self) -> Option<String> {
        if self.is_interrupted() {
            self.halt("interrupted");
        }
        self.state().stopped.clone()
    }

    /// Whether a signal came.
    pub(super) fn is_interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Takes one of the changes that the run may make.
    pub(super) fn take_one(&self) -> bool {
        let mut state = self.state();
        let may = state.changed < self.limits.most;
        state.changed += u32::from(may);
        may
    }

    /// The manager said that there are too many calls: the next ones come half as often.
    pub(super) fn slow_down(&self) {
        let mut state = self.state();
        state.slowed = (state.slowed * 2).min(SLOWEST);
    }

    /// Writes down what can't be taken back any more. If that fails, nothing more is started.
    pub(super) fn note(&self, event: Event) {
        let written = self.state().journal.append(self.clock.now(), event);
        if let Err(error) = written {
            self.halt(&error.to_string());
        }
    }

    /// Waits for the turn of a call that changes something; why none may be made, if the run was stopped meanwhile.
    pub(super) fn take_turn(&self) -> Option<String> {
        let rest = {
            let (now, mut state) = (self.clock.now(), self.state());
            let turn = state.next_call.max(now);
            state.next_call = turn.checked_add(self.limits.pace * state.slowed).unwrap_or(Timestamp::MAX);
            Duration::try_from(turn.duration_since(now)).unwrap_or_default()
        };
        if !rest.is_zero() {
            self.clock.sleep(rest);
        }
        self.why_stopped()
    }

    /// Writes an intent down: the call is made only if that worked.
    pub(super) fn intend(
        &self,
        item: u32,
        arn: &SecretArn,
        leaked: &VersionId,
        call: Call,
        token: &Token,
        generation: u32,
    ) -> Result<(), JournalError> {
        let intent =
            Event::Intent { item, arn: arn.clone(), leaked: leaked.clone(), call, token: token.clone(), generation };
        let written = self.state().journal.append(self.clock.now(), intent);
        if let Err(error) = &written {
            self.halt(&error.to_string());
        }
        written
    }
}

/// The outcome of an item for which nobody is asked.
pub(super) fn without_a_call(item: &PlanItem) -> Option<ItemResult> {
    if let Some(block) = item.blocked.first() {
        return Some(ended(item, block.outcome, block.why.clone()));
    }
    match item.action {
        // An access key's guidance says why.
        Action::Nothing(outcome) if outcome.meaning() != Meaning::Over && item.access_key.is_none() => {
            let why = if outcome == Outcome::Unmanaged {
                "no managed secret that was looked at holds it"
            } else {
                "nothing was to be done by the plan"
            };
            Some(ended(item, outcome, why.to_owned()))
        }
        _ => None,
    }
}

/// Of an item that names neither a secret nor a key.
pub(super) fn unmanaged(item: &PlanItem) -> ItemResult {
    ended(item, Outcome::Unmanaged, "no managed secret that was looked at holds it".to_owned())
}

/// The end of an item, with one sentence.
pub(super) fn ended(item: &PlanItem, outcome: Outcome, why: String) -> ItemResult {
    ItemResult { item: item.number, outcome, current: None, since: None, proof: vec![why] }
}

/// The items of each secret, in the order of the first.
fn by_secret<'p>(items: &[&'p PlanItem]) -> Vec<Vec<&'p PlanItem>> {
    let mut groups: Vec<Vec<&PlanItem>> = Vec::new();
    for item in items {
        let same = |group: &&mut Vec<&PlanItem>| match (&group[0].secret, &item.secret) {
            (Some(one), Some(other)) => one.arn == other.arn,
            _ => false,
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(item),
            None => groups.push(vec![item]),
        }
    }
    groups
}

/// The connection to where a secret is.
pub(super) fn manager<'a>(managers: &'a [Connected<'a>], held: &Held) -> Result<&'a dyn SecretBackend, String> {
    let same_place = |identity: &Identity| identity.backend == held.backend && identity.region == held.region;
    managers
        .iter()
        .find(|manager| same_place(&manager.identity) && manager.identity.account == held.account)
        .map(|manager| manager.backend)
        .ok_or_else(|| format!("this run has no connection to the account {} it belongs to", held.account))
}
