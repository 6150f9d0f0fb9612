//! One access key of a run: switched off by a role of one's own, and proven off by IAM's list.
//!
//! Each call that changes something is harmless when made twice, so a run that was killed is resumed by looking
//! again: what the list says is what was done.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use keystile_inventory::{CallError, CallErrorKind, SecretArn, VersionId};

use super::apply::{ItemResult, Run, Work};
use super::limits::Patience;
use crate::access_key::planner::{IN_USE, delete, is_user_name, undo, used};
use crate::access_key::{AccessKeyId, AccessKeys, HeldKey, KeyStatus, KeyUser, LONGEST_SESSION};
use crate::backend::{Accepted, BackendKind};
use crate::journal::{Call, Event};
use crate::outcome::{Meaning, Outcome};
use crate::plan::{Action, PlanItem};
use crate::token::{Purpose, Token};

/// Tries of a call without a usable answer.
const MOST_TRIES: u32 = 6;

/// Calls that switch the key off in one run: IAM may take a while to say that the first has worked.
const MOST_CALLS: u32 = 3;

/// Looks at an accepted change that does not show before it is asked for again.
const LOOKS: u32 = 3;

/// Temporary credentials that are made this long after the key was switched off are refused too: what IAM is told
/// takes some seconds to be true everywhere.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);

/// One access key under way.
pub(super) struct KeyRun<'r, 'a> {
    run: &'r Run<'a>,
    item: &'r PlanItem,
    key: &'r HeldKey,
    deadline: Timestamp,
    patience: Patience,
    tries: u32,
    /// Calls that switched it off, and looks since the last.
    calls: u32,
    looks: u32,
    /// Whether a change of this run was accepted, or may have been.
    begun: bool,
    counted: bool,
    proof: Vec<String>,
}

/// What a call that changes something means: it was accepted, or the next look tells; or it ends here.
type Flow<T = ()> = Result<T, Box<ItemResult>>;

impl<'r, 'a> KeyRun<'r, 'a> {
    pub(super) fn new(run: &'r Run<'a>, item: &'r PlanItem, key: &'r HeldKey) -> Self {
        let deadline = run.clock.now().checked_add(run.limits.wait).unwrap_or(Timestamp::MAX);
        Self {
            run,
            item,
            key,
            deadline,
            patience: Patience::new(),
            tries: 0,
            calls: 0,
            looks: 0,
            begun: false,
            counted: false,
            proof: Vec::new(),
        }
    }

    /// `before` are the results of the items before it.
    pub(super) fn run(mut self, work: Work, before: &[ItemResult]) -> ItemResult {
        match self.carry_out(work, before) {
            Ok(never) => match never {},
            Err(result) => *result,
        }
    }

    fn carry_out(&mut self, work: Work, before: &[ItemResult]) -> Flow<std::convert::Infallible> {
        match self.item.action {
            Action::Deactivate | Action::Nothing(Outcome::Deactivated) => {}
            Action::Nothing(outcome) => {
                let why = self.item.guidance.first().map_or("nothing was to be done by the plan", String::as_str);
                return Err(self.end(outcome, why));
            }
            Action::Rotate(_) | Action::Generate | Action::Wait => {
                return Err(self.end(Outcome::Stale, "the plan has no such action for an access key; plan again"));
            }
        }
        let Some(user) = &self.key.user else {
            return Err(self.end(Outcome::Stale, "the plan does not name the key's user; plan again"));
        };
        // It becomes part of commands that people paste, and a plan may be somebody else's.
        if !is_user_name(&user.name) {
            return Err(self.end(Outcome::Stale, "the plan names a user that IAM can't have; plan again"));
        }
        if let Some(why) = self.run.why_stopped() {
            return Err(self.stopped(&why));
        }
        if work == Work::Apply {
            self.wait_for_others(before)?;
        }
        let iam = self.iam()?;
        loop {
            let Some(status) = self.look(iam, user)? else { continue };
            if status.is_off() {
                if self.sessions(iam, user, work)? {
                    return Err(self.off(user, &status));
                }
            } else if self.item.action != Action::Deactivate {
                return Err(
                    self.end(Outcome::Regressed, "it was off when the plan was made, and is on again; plan again")
                );
            } else if work == Work::Abort {
                return Err(self.end(Outcome::FailedLeakActive, "it is active; nothing of ours is half done"));
            } else {
                self.deactivate(iam, user)?;
            }
        }
    }

    /// The items that give its consumers another key come first.
    fn wait_for_others(&self, before: &[ItemResult]) -> Flow {
        for number in &self.key.after {
            let why = match before.iter().find(|result| result.item == *number) {
                Some(result) if result.outcome.meaning() == Meaning::Over => continue,
                Some(result) => {
                    format!("item {number} ended with {}, and what uses the key has no other", result.outcome)
                }
                None => format!("item {number} comes first, which gives what uses the key another: apply both"),
            };
            return Err(self.end(Outcome::NotStarted, &why));
        }
        Ok(())
    }

    fn iam(&self) -> Flow<&'a dyn AccessKeys> {
        let is_asked = |account: &str| Some(account) == self.key.account.as_deref();
        let found = self.run.managers.iter().filter(|manager| {
            manager.identity.backend == BackendKind::AwsSecretsManager && is_asked(&manager.identity.account)
        });
        found.filter_map(|manager| manager.access_keys).next().ok_or_else(|| {
            let account = self.key.account.as_deref().unwrap_or("that is not known");
            self.end(Outcome::ForeignAccount, &format!("this run can't ask IAM of the account {account}"))
        })
    }

    /// The key's status now; `None` = look again.
    fn look(&mut self, iam: &dyn AccessKeys, user: &KeyUser) -> Flow<Option<KeyStatus>> {
        let name = &user.name;
        let keys = match iam.keys_of(name) {
            Ok(keys) => keys,
            Err(error) if error.kind == CallErrorKind::NotFound => Vec::new(),
            Err(error) => return self.try_again(&error).map(|()| None),
        };
        let Some(key) = keys.iter().find(|key| key.id == self.key.id) else {
            return self.look_for_missing(iam, name).map(|()| None);
        };
        self.tries = 0;
        let others = keys.iter().filter(|key| key.id != self.key.id && !key.status.is_off()).count();
        let is_due = self.item.action == Action::Deactivate && !self.begun;
        if !key.status.is_off() && is_due && !self.key.allow_active {
            self.drifted(iam, user, others)?;
        }
        Ok(Some(key.status.clone()))
    }

    /// The user's list lacks the key. It was deleted (a rotation function may do that), or the user was renamed.
    fn look_for_missing(&mut self, iam: &dyn AccessKeys, name: &str) -> Flow {
        let id = &self.key.id;
        match iam.last_used(id) {
            Ok(found) => {
                let user = found.user.map_or_else(|| "no user".to_owned(), |user| format!("user {user}"));
                Err(self.end(Outcome::Stale, &format!("it belongs to {user} now, not to {name}; plan again")))
            }
            Err(error) if error.kind == CallErrorKind::NotFound => {
                let why =
                    format!("user {name} has no key {id} any more, and IAM knows none of that id: it was deleted");
                Err(self.end(Outcome::Deactivated, &why))
            }
            Err(error) if error.kind == CallErrorKind::Denied => {
                let why =
                    format!("user {name} has no key {id} any more; whether it was deleted, IAM does not say: {error}");
                Err(self.end(Outcome::Unverified, &why))
            }
            Err(error) => self.try_again(&error),
        }
    }

    /// Whether something came to need the key since the plan.
    fn drifted(&mut self, iam: &dyn AccessKeys, user: &KeyUser, others: usize) -> Flow {
        if others == 0 {
            let why = format!("it is the only active key of {} now; plan again", user.name);
            return Err(self.end(Outcome::Stale, &why));
        }
        match iam.last_used(&self.key.id) {
            Ok(now) => match now.last.filter(|last| self.run.clock.now().duration_since(last.at) < IN_USE) {
                Some(last) => {
                    let why = format!("it was used {} since the plan was made; plan again", used(&last));
                    Err(self.end(Outcome::Stale, &why))
                }
                None => Ok(()),
            },
            Err(error) if error.kind == CallErrorKind::NotFound => {
                Err(self.end(Outcome::Stale, &format!("{error}; plan again")))
            }
            Err(error) if self.tries + 1 >= MOST_TRIES || is_final(error.kind) => Err(self.failed(&error)),
            Err(error) => {
                self.tries += 1;
                self.wait(Outcome::Unreachable, &error.to_string())?;
                self.drifted(iam, user, others)
            }
        }
    }

    fn deactivate(&mut self, iam: &dyn AccessKeys, user: &KeyUser) -> Flow {
        if self.calls > 0 {
            self.looks += 1;
            if self.looks <= LOOKS || self.calls >= MOST_CALLS {
                let outcome = if self.begun { Outcome::Pending } else { Outcome::FailedLeakActive };
                return self.wait(outcome, "IAM still lists it as active");
            }
        }
        self.calls += 1;
        self.looks = 0;
        let id = &self.key.id;
        if let Some(request) = self.change(Call::Deactivate, || iam.deactivate(&user.name, id))? {
            self.proof.push(format!("UpdateAccessKey was accepted at {}{request}", self.now()));
        }
        Ok(())
    }

    /// Refuses temporary credentials, where that is asked for; whether there is nothing more to do.
    fn sessions(&mut self, iam: &dyn AccessKeys, user: &KeyUser, work: Work) -> Flow<bool> {
        if !self.key.revoke_sessions || self.item.action != Action::Deactivate || work == Work::Abort {
            return Ok(true);
        }
        let policy = policy_name(&self.key.id);
        let policies = match iam.inline_policies_of(&user.name) {
            Ok(policies) => policies,
            Err(error) => return self.sessions_failed(&error).map(|()| false),
        };
        // A key that this run switched off had a life since the policy that is there.
        let is_denied = self.proof.iter().any(|line| line.contains(&policy));
        if is_denied || policies.contains(&policy) && self.calls == 0 {
            if !is_denied {
                self.proof.push(removal(&policy, &user.name, None));
            }
            return Ok(true);
        }
        let until = self.now().checked_add(MARGIN).unwrap_or(Timestamp::MAX);
        match self.change(Call::DenySessions, || iam.deny_sessions(&user.name, &policy, until)) {
            Ok(Some(_)) => {
                self.proof.push(removal(&policy, &user.name, Some(until)));
                Ok(false)
            }
            Ok(None) => Ok(false),
            Err(result) if result.outcome == Outcome::NotStarted => Err(result),
            Err(result) => Err(self.half(&result.proof.join("; "))),
        }
    }

    fn sessions_failed(&mut self, error: &CallError) -> Flow {
        self.try_again(error).map_err(|_| self.half(&error.to_string()))
    }

    /// The key is off, its temporary credentials may not be.
    fn half(&self, why: &str) -> Box<ItemResult> {
        let mut proof = self.proof.clone();
        proof.push(format!("the key is off, but temporary credentials that were made with it are not refused: {why}"));
        Box::new(ItemResult { item: self.item.number, outcome: Outcome::Unverified, current: None, since: None, proof })
    }

    /// The key is off.
    fn off(&self, user: &KeyUser, status: &KeyStatus) -> Box<ItemResult> {
        let (id, name) = (&self.key.id, &user.name);
        let status = if *status == KeyStatus::Expired { "expired" } else { "inactive" };
        let mut proof = vec![format!("ListAccessKeys says at {}: key {id} of user {name} is {status}", self.now())];
        proof.extend(self.proof.iter().cloned());
        proof.push(format!("undo: {}; when nothing misses it: {}", undo(id, name), delete(id, name)));
        Box::new(ItemResult {
            item: self.item.number,
            outcome: Outcome::Deactivated,
            current: None,
            since: None,
            proof,
        })
    }

    /// Makes a call that changes something, between its two lines of the journal. What of its request is to be told,
    /// if it was accepted; `None` = look, and decide then.
    fn change(&mut self, call: Call, send: impl FnOnce() -> Result<Accepted, CallError>) -> Flow<Option<String>> {
        if let Some(why) = self.run.why_stopped() {
            return Err(self.stopped(&why));
        }
        if !self.counted && !self.run.take_one() {
            let most = self.run.limits.most;
            return Err(self.end(Outcome::NotStarted, &format!("this run may change {most} secrets; apply again")));
        }
        self.counted = true;
        if let Some(why) = self.run.take_turn() {
            return Err(self.stopped(&why));
        }
        let number = self.item.number;
        let account = self.key.account.as_deref().unwrap_or_default();
        let name = SecretArn(format!("iam:{account}:access-key/{}", self.key.id));
        let leaked = VersionId(self.key.id.to_string());
        let token = Token::derive(&name, &leaked, Purpose::First, 0);
        if let Err(error) = self.run.intend(number, &name, &leaked, call, &token, 0) {
            return Err(self.end(Outcome::NotStarted, &format!("the call was not made: {error}")));
        }
        let answer = send();
        let (request_id, error) = match &answer {
            Ok(accepted) => (accepted.request_id.clone(), None),
            Err(error) => (error.request_id.clone(), Some(error.to_string())),
        };
        self.run.note(Event::Answer { item: number, call, request_id: request_id.clone(), error });
        match answer {
            Ok(_) => {
                self.begun = true;
                self.tries = 0;
                Ok(Some(request_id.map(|id| format!(" (request {id})")).unwrap_or_default()))
            }
            Err(error) if matches!(error.kind, CallErrorKind::Ambiguous | CallErrorKind::Garbled) => {
                self.begun = true;
                self.try_again(&error).map(|()| None)
            }
            // Nothing was done, so it is not counted as done.
            Err(error) => {
                self.calls = self.calls.saturating_sub(u32::from(call == Call::Deactivate));
                self.try_again(&error).map(|()| None)
            }
        }
    }

    /// What a failed call means.
    fn try_again(&mut self, error: &CallError) -> Flow {
        self.tries += 1;
        if self.tries >= MOST_TRIES || is_final(error.kind) {
            return Err(self.failed(error));
        }
        let outcome = self.failed(error).outcome;
        self.wait(outcome, &error.to_string())
    }

    fn failed(&self, error: &CallError) -> Box<ItemResult> {
        let outcome = match error.kind {
            CallErrorKind::Denied => Outcome::Denied,
            CallErrorKind::NoCredentials | CallErrorKind::Misconfigured => Outcome::NoCredentials,
            CallErrorKind::NotFound => Outcome::Stale,
            CallErrorKind::Refused | CallErrorKind::Unsupported => Outcome::FailedLeakActive,
            _ if self.begun => Outcome::Pending,
            CallErrorKind::Throttled => Outcome::Throttled,
            _ => Outcome::Unreachable,
        };
        self.end(outcome, &error.to_string())
    }

    /// Waits until the next look; ends with `outcome` when there is none.
    fn wait(&mut self, outcome: Outcome, why: &str) -> Flow {
        let now = self.run.clock.now();
        if now >= self.deadline {
            return Err(self.end(outcome, why));
        }
        if self.run.is_interrupted() {
            let outcome = if self.begun { Outcome::Pending } else { Outcome::NotStarted };
            return Err(self.end(outcome, &format!("interrupted: {why}")));
        }
        let rest = Duration::try_from(self.deadline.duration_since(now)).unwrap_or_default();
        self.run.clock.sleep(self.patience.next().min(rest));
        Ok(())
    }

    /// Now, in whole seconds: as people read it, and as IAM's conditions take it.
    fn now(&self) -> Timestamp {
        let now = self.run.clock.now();
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    fn stopped(&self, why: &str) -> Box<ItemResult> {
        let outcome = if self.begun { Outcome::Pending } else { Outcome::NotStarted };
        self.end(outcome, &format!("the run was stopped before: {why}"))
    }

    fn end(&self, outcome: Outcome, why: &str) -> Box<ItemResult> {
        let mut proof = vec![why.to_owned()];
        proof.extend(self.proof.iter().cloned());
        Box::new(ItemResult { item: self.item.number, outcome, current: None, since: None, proof })
    }
}

/// Whether another try can't help.
const fn is_final(kind: CallErrorKind) -> bool {
    matches!(
        kind,
        CallErrorKind::Denied
            | CallErrorKind::NotFound
            | CallErrorKind::NoCredentials
            | CallErrorKind::Misconfigured
            | CallErrorKind::Refused
            | CallErrorKind::Unsupported
    )
}

/// The inline policy that refuses temporary credentials made with a key; the same in each run.
fn policy_name(id: &AccessKeyId) -> String {
    format!("keystile-revoked-sessions-{id}")
}

/// What to tell of the policy, and when it has done its work.
fn removal(policy: &str, user: &str, until: Option<Timestamp>) -> String {
    let command = format!("aws iam delete-user-policy --user-name {user} --policy-name {policy}");
    let longest = LONGEST_SESSION.as_hours();
    match until {
        Some(until) => {
            let end = until.checked_add(LONGEST_SESSION).unwrap_or(Timestamp::MAX);
            format!("temporary credentials of the user from before {until} are refused; from {end} on: {command}")
        }
        None => format!(
            "temporary credentials of the user are refused since an earlier run; {longest} hours after it: {command}"
        ),
    }
}
