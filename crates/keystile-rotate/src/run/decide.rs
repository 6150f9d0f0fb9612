//! What to do next about one item: a function of the plan and of what the manager says now, and of nothing else.
//!
//! A run that was killed needs no memory to go on: the token is derived, and whether its version is absent, in
//! the making, current or dead says what was done.

use std::collections::BTreeSet;

use jiff::Timestamp;
use keystile_inventory::{RotationMeans, SecretRecord, Stage, VersionId};

use crate::journal::History;
use crate::outcome::Outcome;
use crate::plan::{Action, Held, Strategy, state_digest};
use crate::token::{MOST_GENERATIONS, Purpose, Token};

/// Tag that allows writing a value, with the value [`GENERATE_VALUE`].
pub const GENERATE_TAG: &str = "keystile.io/rotation";
/// See [`GENERATE_TAG`].
pub const GENERATE_VALUE: &str = "generate";

/// What is known about a secret now.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The secret, freshly described.
    pub record: &'a SecretRecord,
    /// Versions without labels that exist, and those whose label was taken off because they were stuck.
    pub unlabelled: &'a BTreeSet<VersionId>,
    /// The version that the manager said it makes for us, where it does not take tokens.
    pub made: Option<&'a VersionId>,
    /// What earlier runs asked for.
    pub history: &'a History,
    /// Whether this run, or what an earlier one took out of the way, has changed its labels already.
    pub begun: bool,
}

/// An attempt: the version to be made, and which attempt it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The version.
    pub token: Token,
    /// Its number, from 0.
    pub generation: u32,
}

/// What a rotation away from the leaked version is due to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// This plan, in this run or an earlier one.
    Us,
    /// Someone else, since the plan was made.
    Other,
    /// Someone, before the plan was made.
    Before,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Ask for a rotation.
    Rotate(Attempt),
    /// Store a new value.
    Stage(Attempt),
    /// Make the stored value current.
    Promote(Attempt),
    /// Take our stored value's label off: someone else was faster.
    Unstage(Attempt),
    /// Our version is in the making.
    Wait(Attempt),
    /// Another version is in the making.
    WaitForOther(VersionId),
    /// The leaked version is no longer current: compare the values.
    Verify {
        /// The version that is.
        current: VersionId,
        /// Due to whom.
        by: By,
        /// Whether the leaked value was replaced before: if it is the current one, it came back.
        replaced: bool,
    },
    /// The item has ended.
    Done(Outcome, String),
}

/// The next step for an item that holds `held`.
#[must_use]
pub fn decide(held: &Held, action: Action, facts: &Facts<'_>) -> Step {
    let record = facts.record;
    if let Some(why) = is_another(held, record) {
        return Step::Done(Outcome::Stale, why);
    }
    if record.deleted.is_some() {
        return done(Outcome::ScheduledForDeletion, "it is scheduled for deletion; restore it, then plan again");
    }
    if let (Some(primary), Some(region)) = (&record.primary_region, &held.region)
        && primary != region
    {
        return Step::Done(Outcome::Replica, format!("it is a copy; rotate the primary in {primary}"));
    }
    let Some(current) = record.version_at(&Stage::Current) else {
        return done(Outcome::Unverified, "no version is current");
    };
    let seen = Seen { held, facts, current };
    match action {
        Action::Rotate(purpose) => seen.rotate(purpose),
        Action::Generate => seen.generate(),
        Action::Wait => seen.wait(),
        Action::Nothing(_) if seen.leaked_is(&Stage::Current) => {
            done(Outcome::Regressed, "the leaked version is current again; plan again")
        }
        // Whoever has done it, this plan saw it done.
        Action::Nothing(_) => match seen.verify(current, Purpose::First) {
            Step::Verify { current, replaced, .. } => Step::Verify { current, by: By::Before, replaced },
            step => step,
        },
        Action::Deactivate => done(Outcome::NotStarted, "access keys are not switched off by this part of the run"),
    }
}

/// Why the secret that the manager describes is not the one that the plan shows. What may be touched is decided by the
/// plan's name and account, so a plan in which somebody has put another ARN beside them must not get through.
pub(super) fn is_another(held: &Held, record: &SecretRecord) -> Option<String> {
    let account = record.arn.0.starts_with("arn:").then(|| record.arn.0.split(':').nth(4)).flatten();
    let differs = if record.arn != held.arn {
        format!("the manager describes {} for {}", record.arn, held.arn)
    } else if record.name != held.name {
        format!("{} is the secret {}, and the plan calls it {}", record.arn, record.name, held.name)
    } else if account.is_some_and(|account| account != held.account) {
        format!("{} is not of account {}, as the plan says", record.arn, held.account)
    } else {
        return None;
    };
    Some(format!("{differs}; nothing was done, plan again"))
}

/// Whether nothing has moved for longer than `limit` since the version was first asked for.
#[must_use]
pub fn is_overdue(history: &History, token: &Token, now: Timestamp, limit: std::time::Duration) -> bool {
    history
        .first_asked(token)
        .is_some_and(|first| std::time::Duration::try_from(now.duration_since(first)).is_ok_and(|age| age > limit))
}

/// The attempt whose value is stored and not current.
pub(super) fn staged(held: &Held, record: &SecretRecord) -> Option<Attempt> {
    (0..MOST_GENERATIONS)
        .map(|generation| Attempt {
            token: Token::derive(&held.arn, &held.version, Purpose::First, generation),
            generation,
        })
        .find(|attempt| {
            let version = attempt.token.version();
            record.is_at(&version, &Stage::Pending) && !record.is_at(&version, &Stage::Current)
        })
}

struct Seen<'a> {
    held: &'a Held,
    facts: &'a Facts<'a>,
    current: &'a VersionId,
}

impl Seen<'_> {
    fn leaked_is(&self, stage: &Stage) -> bool {
        self.facts.record.is_at(&self.held.version, stage)
    }

    /// The attempts, in order.
    fn attempts(&self, purpose: Purpose) -> impl Iterator<Item = Attempt> {
        (0..MOST_GENERATIONS).map(move |generation| Attempt {
            token: Token::derive(&self.held.arn, &self.held.version, purpose, generation),
            generation,
        })
    }

    /// The attempt whose version has the label.
    fn ours_at(&self, purpose: Purpose, stage: &Stage) -> Option<Attempt> {
        self.attempts(purpose).find(|attempt| self.facts.record.is_at(&attempt.token.version(), stage))
    }

    /// A version in the making other than the leaked one. The label may stay on a version that is current
    /// (API reference of `RotateSecret`).
    fn other_pending(&self) -> Option<&VersionId> {
        self.facts
            .record
            .versions
            .iter()
            .find(|(version, stages)| {
                stages.contains(&Stage::Pending) && !stages.contains(&Stage::Current) && **version != self.held.version
            })
            .map(|(version, _)| version)
    }

    /// The first attempt that may still be made: its version does not exist, and no later one was asked for.
    fn next(&self, purpose: Purpose) -> Option<Attempt> {
        let attempts: Vec<Attempt> = self.attempts(purpose).collect();
        let used = |attempt: &Attempt| {
            let version = attempt.token.version();
            self.facts.record.versions.contains_key(&version) || self.facts.unlabelled.contains(&version)
        };
        let asked = |attempt: &Attempt| self.facts.history.first_asked(&attempt.token).is_some();
        let from = attempts
            .iter()
            .rposition(used)
            .map(|index| index + 1)
            .max(attempts.iter().rposition(asked))
            .unwrap_or_default();
        attempts.into_iter().nth(from)
    }

    /// Whether an earlier run saw another value current.
    fn was_replaced(&self) -> bool {
        self.facts.history.was_replaced(&self.held.arn, &self.held.version)
    }

    /// That the leaked version, which is current, was replaced before.
    fn regressed(&self, purpose: Purpose) -> Option<Step> {
        let came_back = self.was_replaced() || self.ours_at(purpose, &Stage::Previous).is_some();
        came_back.then(|| {
            done(Outcome::Regressed, "the leaked version was replaced and is current again: something moves it")
        })
    }

    fn verify(&self, current: &VersionId, purpose: Purpose) -> Step {
        let ours = self.facts.made == Some(current)
            || self.ours_at(purpose, &Stage::Current).is_some()
            || self.ours_at(purpose, &Stage::Previous).is_some();
        let leaked_when = |stage| self.held.stages.contains(&stage);
        let replaced = self.facts.made != Some(current)
            && self.ours_at(purpose, &Stage::Current).is_none()
            && (self.ours_at(purpose, &Stage::Previous).is_some() || self.was_replaced());
        let by = if ours {
            By::Us
        } else if leaked_when(Stage::Current) || (purpose == Purpose::Second && leaked_when(Stage::Previous)) {
            By::Other
        } else {
            By::Before
        };
        Step::Verify { current: current.clone(), by, replaced }
    }

    fn rotate(&self, purpose: Purpose) -> Step {
        let current = self.leaked_is(&Stage::Current);
        let exposed = match purpose {
            Purpose::First => current,
            Purpose::Second => self.leaked_is(&Stage::Previous),
        };
        if purpose == Purpose::Second && current {
            return done(Outcome::Stale, "the leaked version is current, so that a first rotation is due; plan again");
        }
        if !exposed {
            return self.verify(self.current, purpose);
        }
        if current && let Some(step) = self.regressed(purpose) {
            return step;
        }
        // The labels are being moved.
        if let Some(attempt) = self.ours_at(purpose, &Stage::Pending).or(self.ours_at(purpose, &Stage::Current)) {
            return Step::Wait(attempt);
        }
        if let Some(version) = self.other_pending() {
            return Step::WaitForOther(version.clone());
        }
        if self.facts.record.rotation == RotationMeans::Nobody && self.held.rotation == RotationMeans::Nobody {
            return done(Outcome::NoRotationFunction, "nobody rotates this secret; nothing was done");
        }
        self.attempt(purpose).map_or_else(|step| step, Step::Rotate)
    }

    fn generate(&self) -> Step {
        const FIRST: Purpose = Purpose::First;
        let staged = staged(self.held, self.facts.record);
        if !self.leaked_is(&Stage::Current) {
            return staged.map_or_else(|| self.verify(self.current, FIRST), Step::Unstage);
        }
        if let Some(step) = self.regressed(FIRST) {
            return step;
        }
        if self.facts.record.tags.get(GENERATE_TAG).map(String::as_str) != Some(GENERATE_VALUE) {
            return Step::Done(
                Outcome::Stale,
                format!("the tag {GENERATE_TAG}={GENERATE_VALUE} is gone; nothing was written"),
            );
        }
        if let Some(attempt) = staged {
            return Step::Promote(attempt);
        }
        if let Some(version) = self.other_pending() {
            return Step::WaitForOther(version.clone());
        }
        self.attempt(FIRST).map_or_else(|step| step, Step::Stage)
    }

    /// Waiting for a rotation that was going on when the plan was made.
    fn wait(&self) -> Step {
        if self.leaked_is(&Stage::Current) {
            return self.other_pending().map_or_else(
                || {
                    done(
                        Outcome::Stale,
                        "nothing is in the making any more and the leaked version is current; plan again",
                    )
                },
                |version| Step::WaitForOther(version.clone()),
            );
        }
        if self.leaked_is(&Stage::Pending) {
            return Step::WaitForOther(self.held.version.clone());
        }
        self.verify(self.current, Purpose::First)
    }

    /// The attempt to make now, or why there is none.
    fn attempt(&self, purpose: Purpose) -> Result<Attempt, Step> {
        let record = self.facts.record;
        let generate = record.rotation == RotationMeans::Nobody && self.held.rotation == RotationMeans::Nobody;
        let known = |attempt: Attempt| {
            self.facts.unlabelled.contains(&attempt.token.version())
                || self.facts.history.first_asked(&attempt.token).is_some()
        };
        // After an attempt of ours the labels may differ; who rotates may not.
        let begun = self.facts.begun || self.attempts(purpose).any(known);
        let drifted =
            if begun { record.rotation != self.held.rotation } else { state_digest(record) != self.held.state };
        if drifted {
            return Err(done(
                Outcome::Stale,
                "its labels or rotation settings are not as the plan saw them; nothing was done, plan again",
            ));
        }
        if generate && self.held.strategy == Strategy::AlternatingUsers {
            return Err(done(
                Outcome::NoRotationFunction,
                "its users live in a database, where only a function can change them",
            ));
        }
        self.next(purpose).ok_or_else(|| {
            Step::Done(
                Outcome::Stuck,
                format!("{MOST_GENERATIONS} attempts died without becoming current; mend the rotation function, then plan again"),
            )
        })
    }
}

fn done(outcome: Outcome, why: &str) -> Step {
    Step::Done(outcome, why.to_owned())
}
