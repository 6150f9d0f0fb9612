//! The engine: goes through a plan's items one after the other.
//!
//! Before each call that changes something the intent is in the journal, after it the answer. An answer that
//! stays away is no answer: the secret is described again, and asked again only with the same token, which
//! makes no second version.

use std::sync::atomic::{AtomicBool, Ordering};

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
    journal: &'a mut dyn Sink,
    /// Why nothing more is started.
    pub(super) stopped: Option<String>,
    changed: u32,
    failures: u32,
    last_call: Option<Timestamp>,
}

impl std::fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("limits", &self.limits).field("stopped", &self.stopped).finish_non_exhaustive()
    }
}

impl<'a> Run<'a> {
    /// A run that has done nothing yet. `history` is what the journal says of earlier runs; `stop` is set by a
    /// signal: the call that is under way is finished, and nothing more is started.
    #[must_use]
    pub const fn new(
        managers: &'a [Connected<'a>],
        clock: &'a dyn Clock,
        limits: Limits,
        history: &'a History,
        stop: &'a AtomicBool,
        journal: &'a mut dyn Sink,
    ) -> Self {
        Self {
            managers,
            clock,
            limits,
            history,
            stop,
            journal,
            stopped: None,
            changed: 0,
            failures: 0,
            last_call: None,
        }
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

    fn each(mut self, plan: &RotationPlan, chosen: &[u32], work: Work) -> Result<RunReport, JournalError> {
        let begin = Event::Begin { format: FORMAT.to_owned(), plan: plan.digest(), items: chosen.to_vec() };
        self.journal.append(self.clock.now(), begin)?;
        let mut results = Vec::new();
        for item in plan.items.iter().filter(|item| chosen.contains(&item.number)) {
            let result = self.item(item, work, &results);
            self.count(item, &result);
            self.note(Event::Ended {
                item: result.item,
                outcome: result.outcome,
                current: result.current.clone(),
                since: result.since,
                proof: result.proof.clone(),
            });
            results.push(result);
        }
        self.note(Event::End { stopped: self.stopped.clone() });
        Ok(RunReport { results, stopped: self.stopped })
    }

    /// `before` are the results of the items before it.
    fn item(&mut self, item: &PlanItem, work: Work, before: &[ItemResult]) -> ItemResult {
        let end = |outcome, why: &str| ItemResult {
            item: item.number,
            outcome,
            current: None,
            since: None,
            proof: if why.is_empty() { Vec::new() } else { vec![why.to_owned()] },
        };
        if let Some(block) = item.blocked.first() {
            return end(block.outcome, &block.why);
        }
        if let Some(key) = &item.access_key {
            return KeyRun::new(self, item, key).run(work, before);
        }
        let Some(held) = &item.secret else {
            return end(Outcome::Unmanaged, "no managed secret that was looked at holds it");
        };
        if let Action::Nothing(outcome) = item.action
            && outcome.meaning() != Meaning::Over
        {
            return end(outcome, "nothing was to be done by the plan");
        }
        if self.is_stopped() {
            let why = self.stopped.clone().unwrap_or_default();
            return end(Outcome::NotStarted, &format!("the run was stopped before: {why}"));
        }
        match self.manager(held) {
            Ok(backend) => ItemRun::new(self, backend, item, held).run(work),
            Err(why) => end(Outcome::ForeignAccount, &why),
        }
    }

    fn manager(&self, held: &Held) -> Result<&'a dyn SecretBackend, String> {
        let same_place = |identity: &Identity| identity.backend == held.backend && identity.region == held.region;
        self.managers
            .iter()
            .find(|manager| same_place(&manager.identity) && manager.identity.account == held.account)
            .map(|manager| manager.backend)
            .ok_or_else(|| format!("this run has no connection to the account {} it belongs to", held.account))
    }

    /// The circuit breaker.
    fn count(&mut self, item: &PlanItem, result: &ItemResult) {
        match result.outcome {
            Outcome::NoCredentials => self.halt("there are no credentials"),
            Outcome::FailedLeakActive | Outcome::SameValue | Outcome::Stuck | Outcome::Unreachable
                if item.blocked.is_empty() =>
            {
                self.failures += 1;
                if self.failures >= self.limits.failures {
                    self.halt("circuit breaker: failures in a row");
                }
            }
            outcome if outcome.meaning() == Meaning::Over => self.failures = 0,
            _ => {}
        }
    }

    /// Starts nothing more.
    pub(super) fn halt(&mut self, why: &str) {
        self.stopped.get_or_insert_with(|| why.to_owned());
    }

    /// Whether nothing more may be started.
    pub(super) fn is_stopped(&mut self) -> bool {
        if self.stop.load(Ordering::Relaxed) {
            self.halt("interrupted");
        }
        self.stopped.is_some()
    }

    /// Whether a signal came.
    pub(super) fn is_interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Takes one of the changes that the run may make.
    pub(super) const fn take_one(&mut self) -> bool {
        if self.changed >= self.limits.most {
            return false;
        }
        self.changed += 1;
        true
    }

    /// Writes down what can't be taken back any more. If that fails, nothing more is started.
    pub(super) fn note(&mut self, event: Event) {
        if let Err(error) = self.journal.append(self.clock.now(), event) {
            self.halt(&error.to_string());
        }
    }

    /// Writes an intent down, waits its turn, and lets the call be made only if that worked.
    pub(super) fn intend(
        &mut self,
        item: u32,
        arn: &SecretArn,
        leaked: &VersionId,
        call: Call,
        token: &Token,
        generation: u32,
    ) -> Result<(), JournalError> {
        if let Some(last) = self.last_call {
            let since = std::time::Duration::try_from(self.clock.now().duration_since(last)).unwrap_or_default();
            if let Some(rest) = self.limits.pace.checked_sub(since).filter(|rest| !rest.is_zero()) {
                self.clock.sleep(rest);
            }
        }
        let intent =
            Event::Intent { item, arn: arn.clone(), leaked: leaked.clone(), call, token: token.clone(), generation };
        let written = self.journal.append(self.clock.now(), intent);
        if let Err(error) = &written {
            self.halt(&error.to_string());
        }
        self.last_call = Some(self.clock.now());
        written
    }
}
