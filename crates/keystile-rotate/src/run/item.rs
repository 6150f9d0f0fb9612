//! One item of a run, from its first description to its outcome.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use keystile_inventory::{CallError, CallErrorKind, SecretRecord, Stage, VersionId};
use keystile_scan::SecretBytes;

use super::apply::{ItemResult, Run, Work};
use super::decide::{Attempt, By, Facts, Step, decide, is_another, is_overdue, staged};
use super::generate;
use super::limits::Patience;
use super::making::{moved, still_for, stuck, unfinished};
use super::verify::{Proof, Question, verify};
use crate::backend::{Accepted, SecretBackend};
use crate::journal::{Call, Event};
use crate::outcome::{Meaning, Outcome};
use crate::plan::{Action, Held, PlanItem, Strategy};
use crate::token::{Purpose, Token};

/// Looks at a secret without our version in it before it is asked for again.
const LOOKS: u32 = 3;
/// Calls for one version in one run.
const MOST_CALLS: u32 = 3;
/// Tries of a call that changes nothing, or that was refused for being one too many.
const MOST_TRIES: u32 = 6;

/// One item under way.
pub(super) struct ItemRun<'r, 'a> {
    run: &'r Run<'a>,
    backend: &'a dyn SecretBackend,
    item: &'r PlanItem,
    held: &'r Held,
    deadline: Timestamp,
    patience: Patience,
    /// The attempt that was asked for, in this run or, without an answer, in an earlier one.
    asked: Option<Asked>,
    /// What the manager said it makes.
    made: Option<VersionId>,
    /// The leaked version's value, for managers that keep no old ones.
    kept: Option<SecretBytes>,
    current: Option<VersionId>,
    /// Since when, where it was verified.
    since: Option<Timestamp>,
    /// When a version of ours was first seen in the making by this run.
    seen_in_the_making: Option<Timestamp>,
    /// Stuck versions that were, or may have been, taken out of the way.
    cleared: BTreeSet<VersionId>,
    counted: bool,
    refusals: u32,
    tries: u32,
}

/// An attempt that was asked for.
struct Asked {
    token: Token,
    /// When it was asked for last in this run.
    at: Option<Timestamp>,
    calls: u32,
    /// Whether the manager said yes.
    accepted: bool,
    /// Looks since, without a trace of it.
    looks: u32,
    /// Whether its version was seen.
    seen: bool,
}

impl Asked {
    fn new(attempt: &Attempt) -> Self {
        Self { token: attempt.token.clone(), at: None, calls: 0, accepted: false, looks: 0, seen: false }
    }
}

/// Goes on, or ends.
type Flow = Result<(), Box<ItemResult>>;

impl<'r, 'a> ItemRun<'r, 'a> {
    pub(super) fn new(run: &'r Run<'a>, backend: &'a dyn SecretBackend, item: &'r PlanItem, held: &'r Held) -> Self {
        let deadline = later(run.clock.now(), run.limits.wait);
        Self {
            run,
            backend,
            item,
            held,
            deadline,
            patience: Patience::new(),
            asked: None,
            made: None,
            kept: None,
            current: None,
            since: None,
            seen_in_the_making: None,
            cleared: run.history.cleared(&held.arn, &held.version),
            counted: false,
            refusals: 0,
            tries: 0,
        }
    }

    pub(super) fn run(mut self, work: Work) -> ItemResult {
        loop {
            let flow = match work {
                Work::Apply => self.step(),
                Work::Abort => self.abort_step(),
            };
            if let Err(result) = flow {
                return *result;
            }
        }
    }

    /// Takes a staged value's label off.
    fn abort_step(&mut self) -> Flow {
        let record = match self.backend.describe(&self.held.arn) {
            Ok(record) => record,
            Err(error) => return self.try_again(&error),
        };
        self.tries = 0;
        if let Some(why) = is_another(self.held, &record) {
            return Err(self.end(Outcome::Stale, vec![why]));
        }
        self.current = record.version_at(&Stage::Current).cloned();
        let staged = (self.item.action == Action::Generate).then(|| staged(self.held, &record)).flatten();
        if let Some(attempt) = staged {
            return self
                .change(Call::Unstage, &attempt, |backend, held| backend.unstage(&held.arn, &attempt.token.version()));
        }
        let leaked = &self.held.version;
        if record.is_at(leaked, &Stage::Current) {
            let why = format!("nothing of ours is staged; {leaked} is still current");
            return Err(self.end(Outcome::FailedLeakActive, vec![why]));
        }
        // Nothing to take back: how it stands is proved as ever, so that an earlier proof is not written over.
        match self.decide(&record, &BTreeSet::new()) {
            Step::Verify { current, by, replaced } => self.verify(&record, &current, by, replaced),
            Step::Done(outcome, why) => Err(self.end(outcome, vec![why])),
            _ => {
                let why = format!("nothing of ours is staged, and {leaked} is not current; look with `rotate status`");
                Err(self.end(Outcome::Unverified, vec![why]))
            }
        }
    }

    fn end(&self, outcome: Outcome, proof: Vec<String>) -> Box<ItemResult> {
        Box::new(ItemResult {
            item: self.item.number,
            outcome,
            current: self.current.clone(),
            since: self.since,
            proof,
        })
    }

    /// Looks once and does what is due.
    fn step(&mut self) -> Flow {
        let mut record = match self.backend.describe(&self.held.arn) {
            Ok(record) => record,
            Err(error) => return self.try_again(&error),
        };
        self.current = record.version_at(&Stage::Current).cloned();
        let mut unlabelled = BTreeSet::new();
        let mut step = self.decide(&record, &unlabelled);
        if matches!(step, Step::Rotate(_) | Step::Stage(_)) {
            // An attempt that died may have left a version without labels, which a description leaves out.
            match self.backend.all_versions(&self.held.arn) {
                Ok(versions) => unlabelled.extend(versions),
                Err(error) if matches!(error.kind, CallErrorKind::Denied | CallErrorKind::Unsupported) => {}
                Err(error) => return self.try_again(&error),
            }
            unlabelled.extend(self.cleared.iter().cloned());
            unlabelled.retain(|version| !record.versions.contains_key(version));
            if !unlabelled.is_empty() {
                // Another run may have asked between the description and the list: its version is alive, though the
                // description lacks it. The label comes with the version, so a later description tells.
                record = match self.backend.describe(&self.held.arn) {
                    Ok(record) => record,
                    Err(error) => return self.try_again(&error),
                };
                unlabelled.retain(|version| !record.versions.contains_key(version));
            }
            step = self.decide(&record, &unlabelled);
        }
        self.tries = 0;
        self.current = record.version_at(&Stage::Current).cloned();
        match step {
            Step::Done(outcome, why) => Err(self.end(outcome, vec![why])),
            Step::Verify { current, by, replaced } => self.verify(&record, &current, by, replaced),
            Step::Rotate(attempt) => self.rotate(&record, &attempt),
            Step::Stage(attempt) => self.stage(&record, &attempt),
            Step::Promote(attempt) => self.change(Call::Promote, &attempt, |backend, held| {
                backend.promote(&held.arn, &held.version, &attempt.token)
            }),
            Step::Unstage(attempt) => self
                .change(Call::Unstage, &attempt, |backend, held| backend.unstage(&held.arn, &attempt.token.version())),
            Step::Wait(attempt) => self.in_the_making(&record, &attempt),
            Step::WaitForOther(version) => self.other_in_the_making(&record, &version),
        }
    }

    /// Our version is in the making: waits, and says at the end what is missing.
    fn in_the_making(&mut self, record: &SecretRecord, attempt: &Attempt) -> Flow {
        if let Some(asked) = self.asked.as_mut().filter(|asked| asked.token == attempt.token) {
            asked.seen = true;
        }
        let version = attempt.token.version();
        let (now, limits) = (self.run.clock.now(), self.run.limits);
        let asked_at = self.asked.as_ref().and_then(|asked| asked.at);
        let seen = *self.seen_in_the_making.get_or_insert(now);
        let still = still_for(moved(self.run.history, record, &version).max(asked_at), Some(seen), now);
        if is_overdue(self.run.history, &attempt.token, now, limits.stuck_after) {
            if limits.clear_stuck && still > limits.stuck_after {
                return self.clear(&version);
            }
            return Err(self.end(Outcome::Stuck, vec![stuck(&version)]));
        }
        if now < self.deadline && !self.run.is_interrupted() {
            return self.wait(Outcome::Pending, &format!("version {version} is in the making"));
        }
        let asked = self.run.history.first_asked(&attempt.token).or(asked_at).unwrap_or(seen);
        let (outcome, why) = unfinished(self.backend, self.held, &version, asked, still, limits.step);
        let why = if self.run.is_interrupted() { format!("interrupted: {why}") } else { why };
        Err(self.end(outcome, vec![why]))
    }

    /// Someone else's version is in the making, or the leaked one is.
    fn other_in_the_making(&mut self, record: &SecretRecord, version: &VersionId) -> Flow {
        let (now, limits) = (self.run.clock.now(), self.run.limits);
        let still = still_for(moved(self.run.history, record, version), None, now);
        if *version == self.held.version {
            let why = format!("the leaked value is in version {version}, which is in the making; look again");
            return self.wait(Outcome::Pending, &why);
        }
        if limits.clear_stuck && still > limits.stuck_after {
            return self.clear(version);
        }
        // Where it is not known when something moved, having waited in vain has to do.
        let moves = if record.last_changed.is_some() { still <= limits.step } else { limits.wait.is_zero() };
        if moves {
            let why = format!("version {version}, which someone else asked for, is in the making; apply again");
            return self.wait(Outcome::Pending, &why);
        }
        self.wait(Outcome::Stuck, &stuck(version))
    }

    /// Takes the label off a version that is stuck, so that another can be made.
    fn clear(&mut self, version: &VersionId) -> Flow {
        let attempt = Attempt { token: Token::naming(version), generation: 0 };
        self.cleared.insert(version.clone());
        (self.asked, self.seen_in_the_making) = (None, None);
        self.change(Call::ClearStuck, &attempt, |backend, held| backend.unstage(&held.arn, version))
    }

    fn decide(&self, record: &SecretRecord, unlabelled: &BTreeSet<VersionId>) -> Step {
        let facts = Facts {
            record,
            unlabelled,
            made: self.made.as_ref(),
            history: self.run.history,
            begun: self.asked.is_some() || !self.cleared.is_empty(),
        };
        decide(self.held, self.item.action, &facts)
    }

    /// Asks for a rotation, unless it was asked for already.
    fn rotate(&mut self, record: &SecretRecord, attempt: &Attempt) -> Flow {
        self.may_ask(attempt)?;
        if self.item.action == Action::Rotate(Purpose::Second) && self.wait_for_consumers(record)? {
            return Ok(());
        }
        if self.wait_for_trace(attempt)? {
            return Ok(());
        }
        if self.kept.is_none() {
            self.kept = self.backend.read_version(&self.held.arn, &self.held.version).ok().map(|found| found.value);
        }
        // Of two users that take turns the leaked one is the previous; the version to replace is the current.
        let from = record.version_at(&Stage::Current).cloned().unwrap_or_else(|| self.held.version.clone());
        self.change(Call::Rotate, attempt, |backend, held| backend.rotate(&held.arn, &from, &attempt.token))
    }

    /// Stores a new value, unless that was done already.
    fn stage(&mut self, record: &SecretRecord, attempt: &Attempt) -> Flow {
        self.may_ask(attempt)?;
        if self.wait_for_trace(attempt)? {
            return Ok(());
        }
        let old = match self.backend.read_version(&self.held.arn, &self.held.version) {
            Ok(found) => found.value,
            Err(error) => return self.try_again(&error),
        };
        let exclude = record.tags.get(generate::EXCLUDE_TAG).map_or("", String::as_str);
        let new = match generate::new_value(self.backend, self.held, &old, exclude) {
            Ok(new) => new,
            Err(error) if error.kind == CallErrorKind::Unsupported => {
                return Err(self.end(Outcome::NoRotationFunction, vec![error.to_string()]));
            }
            Err(error) => return self.try_again(&error),
        };
        self.kept = Some(old);
        self.change(Call::Stage, attempt, |backend, held| backend.stage(&held.arn, &held.version, &attempt.token, &new))
    }

    /// Whether an attempt may be made: not after the one of this run has died, which a later run sees to.
    fn may_ask(&self, attempt: &Attempt) -> Flow {
        match &self.asked {
            Some(asked) if asked.token != attempt.token || asked.seen => Err(self.end(
                Outcome::FailedLeakActive,
                vec![format!(
                    "the rotation failed: version {} was in the making and died; {} is still current. The manager may \
                     try again by itself; look again, or apply again for another attempt",
                    asked.token, self.held.version
                )],
            )),
            _ => Ok(()),
        }
    }

    /// Whether to look again before asking (again): a call without an answer may show late.
    fn wait_for_trace(&mut self, attempt: &Attempt) -> Result<bool, Box<ItemResult>> {
        if self.asked.is_none() && self.run.history.is_open(&attempt.token) {
            // An earlier run was killed, or had no answer.
            self.asked = Some(Asked::new(attempt));
        }
        let Some(asked) = &mut self.asked else { return Ok(false) };
        asked.looks += 1;
        let may_call = asked.calls < MOST_CALLS && (asked.calls == 0 || self.run.clock.now() < self.deadline);
        if !asked.accepted && asked.looks > LOOKS && may_call {
            asked.looks = 0;
            return Ok(false);
        }
        if !asked.accepted && asked.looks <= LOOKS {
            self.pause();
            return Ok(true);
        }
        let (outcome, why) = if asked.accepted {
            (Outcome::FailedLeakActive, format!("the call was accepted, and version {} did not appear", asked.token))
        } else {
            let why =
                format!("the call had no answer ({} times), and version {} did not appear", asked.calls, asked.token);
            (Outcome::NoAnswer, why)
        };
        let outcome = if asked.accepted && self.run.limits.wait.is_zero() { Outcome::Pending } else { outcome };
        self.wait(outcome, &why)?;
        Ok(true)
    }

    /// A second rotation ends the login of whoever has not read the secret since the first: whether to look again
    /// before it is asked for.
    fn wait_for_consumers(&mut self, record: &SecretRecord) -> Result<bool, Box<ItemResult>> {
        let leaked = &self.held.version;
        let valid = |this: &Self, why: String| {
            this.end(
                Outcome::LoginStillValid,
                vec![format!("the login of {leaked} works until a second rotation"), why],
            )
        };
        let Some(least) = self.run.limits.second_rotation else {
            let why = "it cuts off who has not read the secret since the first; give --second-rotation".to_owned();
            return Err(valid(self, why));
        };
        let known = self.item.consumers.as_ref().and_then(|consumers| consumers.wait_seconds);
        let refresh = least.max(Duration::from_secs(known.unwrap_or_default()));
        let first = record.last_rotated.max(self.run.history.last_rotation(&self.held.arn)).or(record.last_changed);
        let Some(first) = first else {
            let why = "when the first was is not known, so that nobody knows who has the new login".to_owned();
            return Err(valid(self, why));
        };
        let (now, due) = (self.run.clock.now(), later(first, refresh));
        if now >= due {
            return Ok(false);
        }
        if due > self.deadline || self.run.is_interrupted() {
            let why = format!(
                "the first was at {first}, and consumers may take {} s to read the secret again: apply again after {due}",
                refresh.as_secs()
            );
            return Err(valid(self, why));
        }
        self.run.clock.sleep(Duration::try_from(due.duration_since(now)).unwrap_or_default());
        Ok(true)
    }

    /// Makes a call that changes something, between its two lines of the journal.
    fn change(
        &mut self,
        call: Call,
        attempt: &Attempt,
        send: impl FnOnce(&dyn SecretBackend, &Held) -> Result<Accepted, CallError>,
    ) -> Flow {
        let stopped = |this: &Self, why: &str| {
            let outcome = if this.asked.is_some() { Outcome::Pending } else { Outcome::NotStarted };
            this.end(outcome, vec![format!("the run was stopped before: {why}")])
        };
        if let Some(why) = self.run.why_stopped() {
            return Err(stopped(self, &why));
        }
        if !self.counted && !self.run.take_one() {
            let most = self.run.limits.most;
            return Err(self.end(Outcome::NotStarted, vec![format!("this run may change {most} secrets; apply again")]));
        }
        self.counted = true;
        if let Some(why) = self.run.take_turn() {
            return Err(stopped(self, &why));
        }
        let number = self.item.number;
        let (token, generation) = (&attempt.token, attempt.generation);
        if let Err(error) = self.run.intend(number, &self.held.arn, &self.held.version, call, token, generation) {
            return Err(self.end(Outcome::NotStarted, vec![format!("the call was not made: {error}")]));
        }
        let answer = send(self.backend, self.held);
        let (request_id, error) = match &answer {
            Ok(accepted) => (accepted.request_id.clone(), None),
            Err(error) => (error.request_id.clone(), Some(error.to_string())),
        };
        self.run.note(Event::Answer { item: number, call, request_id, error });
        match answer {
            Ok(accepted) => {
                if matches!(call, Call::Rotate | Call::Stage) {
                    self.ask(attempt).accepted = true;
                }
                // A manager that numbers its versions knows the number when it is written: with the promotion.
                if accepted.version.is_some() {
                    self.made = accepted.version;
                }
                Ok(())
            }
            Err(error) => self.refused(call, attempt, &error),
        }
    }

    fn ask(&mut self, attempt: &Attempt) -> &mut Asked {
        let now = self.run.clock.now();
        if self.asked.as_ref().is_none_or(|asked| asked.calls == 0) {
            // What came before, a look at what an earlier run did or a wait for consumers, is not the rotation's time.
            self.deadline = later(now, self.run.limits.wait);
        }
        let asked = self.asked.get_or_insert_with(|| Asked::new(attempt));
        asked.calls += 1;
        asked.at = Some(now);
        asked
    }

    /// What a failed call that changes something means.
    fn refused(&mut self, call: Call, attempt: &Attempt, error: &CallError) -> Flow {
        match error.kind {
            // It may have been carried out: the next look tells.
            CallErrorKind::Ambiguous | CallErrorKind::Garbled => {
                if matches!(call, Call::Rotate | Call::Stage) {
                    self.ask(attempt);
                } else {
                    self.refusals += 1;
                }
                if self.refusals > MOST_CALLS {
                    return Err(self.end(Outcome::NoAnswer, vec![error.to_string()]));
                }
                self.pause();
                Ok(())
            }
            // The state decides, never the message: look, and take no for an answer the second time.
            CallErrorKind::Refused => {
                self.refusals += 1;
                if self.refusals > 1 {
                    return Err(self.end(Outcome::Refused, vec![error.to_string()]));
                }
                self.pause();
                Ok(())
            }
            _ => self.try_again(error),
        }
    }

    /// What a failed call that changed nothing means.
    fn try_again(&mut self, error: &CallError) -> Flow {
        self.tries += 1;
        let why = error.to_string();
        if error.kind == CallErrorKind::Throttled {
            self.run.slow_down();
        }
        let (outcome, is_final) = of_error(error.kind, self.asked.is_some());
        if is_final || self.tries >= MOST_TRIES {
            let why = if outcome == Outcome::Stale { format!("{why}; plan again") } else { why };
            return Err(self.end(outcome, vec![why]));
        }
        self.wait(outcome, &why)
    }

    /// Waits a moment, whatever the time limit says: before a look that tells what a call has done.
    fn pause(&mut self) {
        self.run.clock.sleep(self.patience.next());
    }

    /// Waits until the next look; ends with `outcome` when there is none.
    fn wait(&mut self, outcome: Outcome, why: &str) -> Flow {
        let now = self.run.clock.now();
        if now >= self.deadline {
            return Err(self.end(outcome, vec![why.to_owned()]));
        }
        if self.run.is_interrupted() {
            let outcome = if self.asked.is_some() { Outcome::Pending } else { Outcome::NotStarted };
            return Err(self.end(outcome, vec![format!("interrupted: {why}")]));
        }
        let rest = Duration::try_from(self.deadline.duration_since(now)).unwrap_or_default();
        self.run.clock.sleep(self.patience.next().min(rest));
        Ok(())
    }

    /// Proves what came of it.
    fn verify(&mut self, record: &SecretRecord, current: &VersionId, by: By, replaced: bool) -> Flow {
        let question = Question::new(self.held, record, current, by, replaced);
        let proof = match verify(self.backend, &question, self.kept.as_ref()) {
            Ok(proof) => proof,
            Err(error) => {
                self.tries += 1;
                if self.tries >= MOST_TRIES || error.kind == CallErrorKind::NoCredentials {
                    return Err(self.end(
                        Outcome::Unverified,
                        vec![format!("version {current} is current, but the values can't be read: {error}")],
                    ));
                }
                return self.wait(Outcome::Unverified, &error.to_string());
            }
        };
        self.since = self.changed_at(record, current, by);
        let mut proof = self.replicas(record, current, proof);
        if let Some(since) = self.since {
            let leaked = &self.held.version;
            proof.sentences.push(match (proof.outcome.meaning(), self.held.strategy) {
                (Meaning::Over, Strategy::AlternatingUsers) => {
                    format!("the login of {leaked} is refused since {since} at the latest")
                }
                _ => format!("{current} is current since {since} at the latest"),
            });
        }
        Err(self.end(proof.outcome, proof.sentences))
    }

    /// Since when the version is current, at the latest.
    fn changed_at(&self, record: &SecretRecord, current: &VersionId, by: By) -> Option<Timestamp> {
        let asked = match by {
            By::Before => return None,
            By::Other => None,
            By::Us => self
                .asked
                .as_ref()
                .filter(|asked| asked.token.version() == *current || self.made.as_ref() == Some(current))
                .and_then(|asked| asked.at)
                .or_else(|| self.run.history.first_asked(&Token::naming(current))),
        };
        let Some(asked) = asked else { return record.last_rotated };
        // A manager's times may be whole seconds; what changed later than the rotation is later, but no lie.
        let shown = |time: &Timestamp| later(*time, Duration::from_secs(1)) > asked && *time <= self.run.clock.now();
        [record.last_rotated, record.last_changed]
            .into_iter()
            .flatten()
            .filter(shown)
            .min()
            .map(|time| time.max(asked))
            .or_else(|| Some(self.run.clock.now()))
    }

    /// Waits until the copies in other regions have followed.
    fn replicas(&self, record: &SecretRecord, current: &VersionId, mut proof: Proof) -> Proof {
        if !matches!(proof.outcome, Outcome::Rotated | Outcome::RotatedByOther | Outcome::AlreadyRotated) {
            return proof;
        }
        let deadline = later(self.run.clock.now(), self.run.limits.replicas);
        for replica in &record.replicas {
            let region = &replica.region;
            let mut patience = Patience::new();
            let lag = loop {
                let lag = match self.backend.current_in(&self.held.arn, region) {
                    Ok(version) if version == *current => break None,
                    Ok(version) => format!("the copy in {region} still has version {version}"),
                    Err(error) if error.kind == CallErrorKind::Denied => {
                        break Some(format!("the copy in {region} can't be looked at: {error}"));
                    }
                    Err(error) => format!("the copy in {region} can't be looked at: {error}"),
                };
                if self.run.clock.now() >= deadline || self.run.is_interrupted() {
                    break Some(lag);
                }
                self.run.clock.sleep(patience.next());
            };
            match lag {
                None => proof.sentences.push(format!("the copy in {region} has version {current} too")),
                Some(why) => {
                    proof.outcome = Outcome::ReplicaLags;
                    proof.sentences.push(why);
                }
            }
        }
        proof
    }
}

/// The outcome of an item whose call failed so and changed nothing, and whether another try can't help.
pub(super) const fn of_error(kind: CallErrorKind, begun: bool) -> (Outcome, bool) {
    match kind {
        CallErrorKind::Denied => (Outcome::Denied, true),
        CallErrorKind::NoCredentials | CallErrorKind::Misconfigured => (Outcome::NoCredentials, true),
        CallErrorKind::NotFound => (Outcome::Stale, true),
        CallErrorKind::Unsupported => (Outcome::NoRotationFunction, true),
        CallErrorKind::Throttled if begun => (Outcome::Pending, false),
        CallErrorKind::Throttled => (Outcome::Throttled, false),
        _ => (Outcome::Unreachable, false),
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}
