//! One item of a run, from its first description to its outcome.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use keystile_inventory::{CallError, CallErrorKind, SecretRecord, Stage, VersionId};
use keystile_scan::SecretBytes;

use super::apply::{ItemResult, Run, Work};
use super::decide::{Attempt, By, Facts, Step, decide, is_overdue, staged};
use super::generate;
use super::limits::Patience;
use super::verify::{Proof, verify};
use crate::backend::{Accepted, SecretBackend};
use crate::journal::{Call, Event};
use crate::outcome::Outcome;
use crate::plan::{Action, Held, PlanItem};
use crate::token::Token;

/// Looks at a secret without our version in it before it is asked for again.
const LOOKS: u32 = 3;
/// Calls for one version in one run.
const MOST_CALLS: u32 = 3;
/// Tries of a call that changes nothing, or that was refused for being one too many.
const MOST_TRIES: u32 = 6;

/// One item under way.
pub(super) struct ItemRun<'r, 'a> {
    run: &'r mut Run<'a>,
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
    counted: bool,
    refusals: u32,
    tries: u32,
}

/// An attempt that was asked for.
struct Asked {
    token: Token,
    calls: u32,
    /// Whether the manager said yes.
    accepted: bool,
    /// Looks since, without a trace of it.
    looks: u32,
    /// Whether its version was seen.
    seen: bool,
}

/// Goes on, or ends.
type Flow = Result<(), Box<ItemResult>>;

impl<'r, 'a> ItemRun<'r, 'a> {
    pub(super) fn new(
        run: &'r mut Run<'a>,
        backend: &'a dyn SecretBackend,
        item: &'r PlanItem,
        held: &'r Held,
    ) -> Self {
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
        self.current = record.version_at(&Stage::Current).cloned();
        let staged = (self.item.action == Action::Generate).then(|| staged(self.held, &record)).flatten();
        if let Some(attempt) = staged {
            return self
                .change(Call::Unstage, &attempt, |backend, held| backend.unstage(&held.arn, &attempt.token.version()));
        }
        let leaked = &self.held.version;
        Err(if record.is_at(leaked, &Stage::Current) {
            self.end(Outcome::FailedLeakActive, vec![format!("nothing of ours is staged; {leaked} is still current")])
        } else {
            let why = format!("nothing of ours is staged; {leaked} is not current: apply the plan again for the proof");
            self.end(Outcome::Unverified, vec![why])
        })
    }

    fn end(&self, outcome: Outcome, proof: Vec<String>) -> Box<ItemResult> {
        Box::new(ItemResult { item: self.item.number, outcome, current: self.current.clone(), since: None, proof })
    }

    /// Looks once and does what is due.
    fn step(&mut self) -> Flow {
        let record = match self.backend.describe(&self.held.arn) {
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
            unlabelled.retain(|version| !record.versions.contains_key(version));
            step = self.decide(&record, &unlabelled);
        }
        self.tries = 0;
        match step {
            Step::Done(outcome, why) => Err(self.end(outcome, vec![why])),
            Step::Verify { current, by } => self.verify(&record, &current, by),
            Step::Rotate(attempt) => self.rotate(&record, &attempt),
            Step::Stage(attempt) => self.stage(&record, &attempt),
            Step::Promote(attempt) => self.change(Call::Promote, &attempt, |backend, held| {
                backend.promote(&held.arn, &held.version, &attempt.token)
            }),
            Step::Unstage(attempt) => self
                .change(Call::Unstage, &attempt, |backend, held| backend.unstage(&held.arn, &attempt.token.version())),
            Step::Wait(attempt) => {
                if let Some(asked) = self.asked.as_mut().filter(|asked| asked.token == attempt.token) {
                    asked.seen = true;
                }
                let version = attempt.token.version();
                if is_overdue(self.run.history, &attempt.token, self.run.clock.now(), self.run.limits.stuck_after) {
                    return Err(self.end(Outcome::Stuck, vec![stuck(&version)]));
                }
                self.wait(Outcome::Pending, &format!("version {version} is still in the making"))
            }
            Step::WaitForOther(version) => {
                let outcome = if self.run.limits.wait.is_zero() || version == self.held.version {
                    Outcome::Pending
                } else {
                    Outcome::Stuck
                };
                self.wait(outcome, &stuck(&version))
            }
        }
    }

    fn decide(&self, record: &SecretRecord, unlabelled: &BTreeSet<VersionId>) -> Step {
        let facts = Facts {
            record,
            unlabelled,
            made: self.made.as_ref(),
            history: self.run.history,
            asked: self.asked.is_some(),
        };
        decide(self.held, self.item.action, &facts)
    }

    /// Asks for a rotation, unless it was asked for already.
    fn rotate(&mut self, record: &SecretRecord, attempt: &Attempt) -> Flow {
        self.may_ask(attempt)?;
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
            self.asked = Some(Asked { token: attempt.token.clone(), calls: 0, accepted: false, looks: 0, seen: false });
        }
        let Some(asked) = &mut self.asked else { return Ok(false) };
        asked.looks += 1;
        if !asked.accepted && asked.looks > LOOKS && asked.calls < MOST_CALLS {
            asked.looks = 0;
            return Ok(false);
        }
        let why = if asked.accepted {
            format!("the manager accepted the call, and version {} did not appear", asked.token)
        } else {
            format!("{} calls had no answer, and version {} did not appear", asked.calls, asked.token)
        };
        let outcome = if self.run.limits.wait.is_zero() { Outcome::Pending } else { Outcome::FailedLeakActive };
        self.wait(outcome, &why)?;
        Ok(true)
    }

    /// Makes a call that changes something, between its two lines of the journal.
    fn change(
        &mut self,
        call: Call,
        attempt: &Attempt,
        send: impl FnOnce(&dyn SecretBackend, &Held) -> Result<Accepted, CallError>,
    ) -> Flow {
        if self.run.is_stopped() {
            let why = self.run.stopped.clone().unwrap_or_default();
            let outcome = if self.asked.is_some() { Outcome::Pending } else { Outcome::NotStarted };
            return Err(self.end(outcome, vec![format!("the run was stopped before: {why}")]));
        }
        if !self.counted && !self.run.take_one() {
            let most = self.run.limits.most;
            return Err(self.end(Outcome::NotStarted, vec![format!("this run may change {most} secrets; apply again")]));
        }
        self.counted = true;
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
        let asked = self.asked.get_or_insert_with(|| Asked {
            token: attempt.token.clone(),
            calls: 0,
            accepted: false,
            looks: 0,
            seen: false,
        });
        asked.calls += 1;
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
                    return Err(self.end(Outcome::Unreachable, vec![error.to_string()]));
                }
                self.wait(Outcome::Pending, &error.to_string())
            }
            // The state decides, never the message: look, and take no for an answer the second time.
            CallErrorKind::Refused => {
                self.refusals += 1;
                if self.refusals > 1 {
                    return Err(self.end(Outcome::FailedLeakActive, vec![error.to_string()]));
                }
                self.wait(Outcome::FailedLeakActive, &error.to_string())
            }
            _ => self.try_again(error),
        }
    }

    /// What a failed call that changed nothing means.
    fn try_again(&mut self, error: &CallError) -> Flow {
        self.tries += 1;
        let why = error.to_string();
        let begun = self.asked.is_some();
        let last = match error.kind {
            CallErrorKind::Denied => return Err(self.end(Outcome::Denied, vec![why])),
            CallErrorKind::NoCredentials | CallErrorKind::Misconfigured => {
                return Err(self.end(Outcome::NoCredentials, vec![why]));
            }
            CallErrorKind::NotFound => return Err(self.end(Outcome::Stale, vec![format!("{why}; plan again")])),
            CallErrorKind::Unsupported => return Err(self.end(Outcome::NoRotationFunction, vec![why])),
            CallErrorKind::Throttled if begun => Outcome::Pending,
            CallErrorKind::Throttled => Outcome::Throttled,
            _ => Outcome::Unreachable,
        };
        if self.tries >= MOST_TRIES {
            return Err(self.end(last, vec![why]));
        }
        self.wait(last, &why)
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
    fn verify(&mut self, record: &SecretRecord, current: &VersionId, by: By) -> Flow {
        let proof = match verify(self.backend, self.held, current, by, self.kept.as_ref()) {
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
        let proof = self.replicas(record, current, proof);
        Err(self.end(proof.outcome, proof.sentences))
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

fn stuck(version: &VersionId) -> String {
    format!(
        "version {version} is in the making and nothing moves; mend the rotation function, or take the label AWSPENDING \
         off that version, then apply again"
    )
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}
