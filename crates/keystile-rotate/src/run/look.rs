//! A second look at what became of a plan: hours later, when a slow rotation has ended, or something has put the
//! leaked value back. Nothing is changed and nothing waited for, so it may run beside another run.

use std::collections::BTreeSet;

use jiff::Timestamp;
use keystile_inventory::{CallError, SecretRecord, Stage};

use super::apply::{Connected, ItemResult, RunReport, ended, manager, unmanaged, without_a_call};
use super::decide::{Facts, Step, decide};
use super::item::of_error;
use super::limits::Limits;
use super::making::{moved, still_for, stuck, unfinished};
use super::verify::{Question, verify};
use crate::access_key::HeldKey;
use crate::backend::{BackendKind, SecretBackend};
use crate::clock::Clock;
use crate::journal::History;
use crate::outcome::Outcome;
use crate::plan::{Action, Held, PlanItem, RotationPlan};
use crate::token::Purpose;

/// The outcome of each of the plan's `chosen` items as it is now. `history` is what its journal says.
#[must_use]
pub fn look_again(
    managers: &[Connected<'_>],
    clock: &dyn Clock,
    limits: Limits,
    history: &History,
    plan: &RotationPlan,
    chosen: &[u32],
) -> RunReport {
    let items = plan.items.iter().filter(|item| chosen.contains(&item.number));
    let look = |item: &PlanItem| {
        if let Some(result) = without_a_call(item) {
            return result;
        }
        if let Some(key) = &item.access_key {
            return look_at_key(managers, item, key);
        }
        let Some(held) = &item.secret else { return unmanaged(item) };
        match manager(managers, held) {
            Ok(backend) => Look { backend, limits, history, item, held, now: clock.now() }.look(),
            Err(why) => ended(item, Outcome::ForeignAccount, why),
        }
    };
    RunReport { results: items.map(look).collect(), stopped: None }
}

/// One secret that is looked at.
struct Look<'a> {
    backend: &'a dyn SecretBackend,
    limits: Limits,
    history: &'a History,
    item: &'a PlanItem,
    held: &'a Held,
    now: Timestamp,
}

impl Look<'_> {
    fn look(&self) -> ItemResult {
        let record = match self.backend.describe(&self.held.arn) {
            Ok(record) => record,
            Err(error) => return self.failed(&error),
        };
        let mut result = self.result(&record);
        result.current = record.version_at(&Stage::Current).cloned();
        result
    }

    fn result(&self, record: &SecretRecord) -> ItemResult {
        let (held, item) = (self.held, self.item);
        let leaked = &held.version;
        let unlabelled = BTreeSet::new();
        let facts = Facts { record, unlabelled: &unlabelled, made: None, history: self.history, begun: true };
        match decide(held, item.action, &facts) {
            Step::Done(outcome, why) => ended(item, outcome, why),
            Step::Verify { current, by, replaced } => {
                let question = Question::new(held, record, &current, by, replaced);
                match verify(self.backend, &question, None) {
                    Ok(proof) => {
                        // Seen from now, the time of the change is the manager's, where it has one.
                        let since = record.last_rotated.filter(|_| proof.outcome != Outcome::AlreadyRotated);
                        let mut result = ended(item, proof.outcome, String::new());
                        (result.proof, result.since) = (proof.sentences, since);
                        result
                    }
                    Err(error) => {
                        let why = format!("version {current} is current, but the values can't be read: {error}");
                        ended(item, Outcome::Unverified, why)
                    }
                }
            }
            Step::Rotate(attempt) | Step::Stage(attempt) => {
                let current =
                    format!("{leaked} is still {}", if is_second(item) { "the one before" } else { "current" });
                match self.history.first_asked(&attempt.token) {
                    Some(at) if self.history.is_open(&attempt.token) => {
                        ended(item, Outcome::NoAnswer, format!("asked for at {at}, without an answer; {current}"))
                    }
                    Some(at) => {
                        let why =
                            format!("version {}, asked for at {at}, is gone: it failed; {current}", attempt.token);
                        ended(item, Outcome::FailedLeakActive, why)
                    }
                    None if is_second(item) => {
                        let why =
                            format!("the login of {leaked} works until a second rotation, which was not asked for");
                        ended(item, Outcome::LoginStillValid, why)
                    }
                    None => ended(item, Outcome::NotStarted, format!("nothing was asked for yet; {current}")),
                }
            }
            Step::Promote(attempt) => {
                let why = format!("version {} is stored and not current; `rotate resume` goes on", attempt.token);
                ended(item, Outcome::Pending, why)
            }
            Step::Unstage(attempt) => {
                let why = format!(
                    "someone else was faster, and version {} is stored all the same; `rotate resume` takes it back",
                    attempt.token
                );
                ended(item, Outcome::Pending, why)
            }
            Step::Wait(attempt) => {
                let version = attempt.token.version();
                let still = still_for(moved(self.history, record, &version), None, self.now);
                if still > self.limits.stuck_after {
                    return ended(item, Outcome::Stuck, stuck(&version));
                }
                let moved = moved(self.history, record, &version).unwrap_or(self.now);
                let asked = self.history.first_asked(&attempt.token).unwrap_or(moved);
                let (outcome, why) = unfinished(self.backend, held, &version, asked, still, self.limits.step);
                ended(item, outcome, why)
            }
            Step::WaitForOther(version) => {
                let still = still_for(moved(self.history, record, &version), None, self.now);
                if version != *leaked && still > self.limits.step {
                    ended(item, Outcome::Stuck, stuck(&version))
                } else {
                    ended(item, Outcome::Pending, format!("version {version} is in the making"))
                }
            }
        }
    }

    fn failed(&self, error: &CallError) -> ItemResult {
        ended(self.item, of_error(error.kind, false).0, error.to_string())
    }
}

fn is_second(item: &PlanItem) -> bool {
    item.action == Action::Rotate(Purpose::Second)
}

/// Whether a key is off.
fn look_at_key(managers: &[Connected<'_>], item: &PlanItem, key: &HeldKey) -> ItemResult {
    if let Action::Nothing(outcome) = item.action
        && outcome != Outcome::Deactivated
    {
        let why = item.guidance.first().map_or("nothing was to be done by the plan", String::as_str);
        return ended(item, outcome, why.to_owned());
    }
    let Some(user) = &key.user else {
        return ended(item, Outcome::Stale, "the plan does not name the key's user; plan again".to_owned());
    };
    let is_asked = |manager: &&Connected<'_>| {
        manager.identity.backend == BackendKind::AwsSecretsManager
            && key.account.as_deref() == Some(manager.identity.account.as_str())
    };
    let Some(iam) = managers.iter().filter(is_asked).find_map(|manager| manager.access_keys) else {
        return ended(item, Outcome::ForeignAccount, "IAM of the key's account can't be asked from here".to_owned());
    };
    let (id, name) = (&key.id, &user.name);
    match iam.keys_of(name) {
        Ok(keys) => match keys.iter().find(|listed| listed.id == *id) {
            Some(listed) if listed.status.is_off() => {
                ended(item, Outcome::Deactivated, format!("key {id} of user {name} is off"))
            }
            Some(_) => ended(item, Outcome::FailedLeakActive, format!("key {id} of user {name} is active")),
            None => ended(item, Outcome::Stale, format!("user {name} has no key {id} any more; plan again")),
        },
        Err(error) => ended(item, of_error(error.kind, false).0, error.to_string()),
    }
}
