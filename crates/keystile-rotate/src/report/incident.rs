//! The model of a report: what every format renders.

use jiff::Timestamp;
use keystile_inventory::VersionId;
use serde::{Deserialize, Serialize};

use super::exposure::Exposure;
use super::steps::NextStep;
use crate::access_key::KeyUse;
use crate::backend::Identity;
use crate::consumers::Consumers;
use crate::journal::Call;
use crate::leak::Place;
use crate::outcome::{Meaning, Outcome};
use crate::plan::{Action, Block, Held, Searched, Source};
use crate::token::{Purpose, Token};

/// Version of the report's format. A field that changes its meaning or goes away makes it `v2`; new fields do not.
pub const FORMAT: &str = "keystile.dev/rotation-report/v1";

/// What was leaked, what was done about it, what proves it, and what is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// [`FORMAT`].
    pub format: String,
    /// Version of the keystile that made the report.
    pub keystile: String,
    /// When the report was made.
    pub made_at: Timestamp,
    /// Whether anything was carried out; if not, this is the report of a plan.
    pub carried_out: bool,
    /// Everything in one sentence, without a full stop.
    pub verdict: String,
    /// The exit status: of a run that of the items it was for, else that of all; 128 and the signal's number where one
    /// ended the run.
    pub exit_status: u8,
    /// What is still open, the worst first, then what stays although the leak is over.
    pub exposure: Vec<Exposure>,
    /// One for each item of the plan, in its order.
    pub items: Vec<ItemReport>,
    /// What happened, in the order of time.
    pub timeline: Vec<Moment>,
    /// What to do next, and what was done of it.
    pub next_steps: Vec<NextStep>,
    /// The command to go on with, where there is one.
    pub next_command: Option<String>,
    /// The plan.
    pub plan: PlanRef,
    /// Who asked which managers.
    pub identities: Vec<Identity>,
    /// What was looked through for the leaked values.
    pub searched: Searched,
    /// Runs of the plan, in the order of time.
    pub runs: Vec<RunRecord>,
    /// What the report can't tell, each as a sentence.
    pub limits: Vec<String>,
    /// Whether names of accounts, callers and ARNs were replaced.
    pub masked: bool,
}

/// The plan that a report is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRef {
    /// Its digest, by which the journal names it.
    pub digest: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// Its file, where it is known.
    pub file: Option<String>,
    /// What was scanned for leaks.
    pub source: Source,
}

/// One leaked value in one secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemReport {
    /// Its number in the plan, from 1.
    pub number: u32,
    /// The rule that found the leak.
    pub rule: String,
    /// Where it was found.
    pub places: Vec<Place>,
    /// Whether HEAD still has it at one of them; `None` = not known.
    pub in_head: Option<bool>,
    /// The secret that holds it; `None` = unmanaged.
    pub secret: Option<Held>,
    /// The IAM access key that it is, or is the secret half of.
    pub access_key: Option<KeyReport>,
    /// What is, or was, to be done.
    pub action: ToDo,
    /// How it stands.
    pub status: Status,
    /// The version that is current now, where it is known.
    pub current: Option<VersionId>,
    /// The leaked version beside the current one, where their values were compared.
    pub comparison: Option<Comparison>,
    /// What proves the outcome, or explains it, as sentences.
    pub proof: Vec<String>,
    /// When what happened.
    pub times: Times,
    /// The calls that change something, in the order of time.
    pub calls: Vec<CallRecord>,
    /// What forbids it, each with the cure.
    pub blocked: Vec<Block>,
    /// What whoever confirms should know.
    pub warnings: Vec<String>,
    /// What to do by hand.
    pub guidance: Vec<String>,
    /// Who consumes the secret in the cluster, as far as it was looked at.
    pub consumers: Option<Consumers>,
}

/// An IAM access key that leaked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyReport {
    /// Its id.
    pub id: String,
    /// The account it belongs to, where that is known.
    pub account: Option<String>,
    /// The user it belongs to, where that is known.
    pub user: Option<String>,
    /// Its status when the plan was made, as IAM calls it.
    pub status: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it was last used before the plan, as far as AWS has written down.
    pub last_used: Option<KeyUse>,
    /// The user's other keys that work.
    pub other_active: Vec<String>,
    /// Policies with which AWS has put the user into quarantine.
    pub quarantine: Vec<String>,
    /// Whether temporary credentials made with it are refused as well.
    pub revoke_sessions: bool,
    /// Items that have to end well before it is switched off.
    pub after: Vec<u32>,
}

impl ItemReport {
    /// What people call it: the secret's name, the access key, or that nobody manages it.
    #[must_use]
    pub fn name(&self) -> String {
        match (&self.access_key, &self.secret) {
            (Some(key), _) => match &key.user {
                Some(user) => format!("access key {} of {user}", key.id),
                None => format!("access key {}", key.id),
            },
            (None, Some(held)) => held.name.clone(),
            (None, None) => match self.places.first() {
                Some(place) => format!("unmanaged value at {}:{}", place.path, place.line),
                None => "unmanaged value".to_owned(),
            },
        }
    }
}

/// How an item stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The outcome; `None` = planned, nothing was done.
    pub outcome: Option<Outcome>,
    /// What that means for the leak.
    pub stand: Stand,
    /// What it means, as a sentence.
    pub meaning: String,
    /// What to do about it, as a sentence.
    pub what_to_do: String,
}

/// What is to be done: a plan's [`Action`], by one word each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToDo {
    /// Ask whoever rotates the secret for a new version.
    Rotate,
    /// Ask for the second rotation of two users that take turns.
    RotateAgain,
    /// Write a new random value.
    Generate,
    /// Wait for a rotation that is going on.
    Wait,
    /// Switch the access key off.
    Deactivate,
    /// Nothing.
    Nothing,
}

impl From<Action> for ToDo {
    fn from(action: Action) -> Self {
        match action {
            Action::Rotate(Purpose::First) => Self::Rotate,
            Action::Rotate(Purpose::Second) => Self::RotateAgain,
            Action::Generate => Self::Generate,
            Action::Wait => Self::Wait,
            Action::Deactivate => Self::Deactivate,
            Action::Nothing(_) => Self::Nothing,
        }
    }
}

/// How a leak stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stand {
    /// The leaked value opens something, or may.
    Active,
    /// The same, and nothing could be done at all.
    Unable,
    /// Not known yet.
    Unclear,
    /// Over.
    Over,
}

impl From<Meaning> for Stand {
    fn from(meaning: Meaning) -> Self {
        match meaning {
            Meaning::Over => Self::Over,
            Meaning::Unclear => Self::Unclear,
            Meaning::Active => Self::Active,
            Meaning::Unable => Self::Unable,
        }
    }
}

/// Two versions whose values were compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// The version that holds the leaked value.
    pub leaked: VersionId,
    /// The one that is current.
    pub current: VersionId,
    /// Whether what leaked is absent from the current one.
    pub differ: bool,
}

/// When what happened to an item. `None` = it did not, or nobody wrote it down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// The earliest commit with it, by its author's clock.
    pub committed: Option<Timestamp>,
    /// When a change was asked for first.
    pub asked: Option<Timestamp>,
    /// When the manager first said yes.
    pub accepted: Option<Timestamp>,
    /// Since when another version is current, at the latest, where a rotation since the plan is the cause. From then
    /// on the leaked value opens nothing, unless the outcome says otherwise.
    pub since: Option<Timestamp>,
    /// When the present outcome was written down.
    pub ended: Option<Timestamp>,
    /// When it was first proved that the leaked value is not current any more.
    pub proved: Option<Timestamp>,
}

/// A call that changes something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// When it was announced.
    pub at: Timestamp,
    /// The run.
    pub run: String,
    /// The call.
    pub call: Call,
    /// The version to be made.
    pub version: Token,
    /// Which attempt, from 0.
    pub generation: u32,
    /// When the answer came; `None` = none was written down.
    pub answered: Option<Timestamp>,
    /// The manager's id of the request.
    pub request_id: Option<String>,
    /// The error, if it is one.
    pub error: Option<String>,
}

/// One `apply`, `resume` or `abort`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its id.
    pub run: String,
    /// When it began.
    pub began: Timestamp,
    /// When it ended; `None` = it was killed, or is still going on.
    pub ended: Option<Timestamp>,
    /// Items that it might act on.
    pub items: Vec<u32>,
    /// Why it was stopped, if not because all was done.
    pub stopped: Option<String>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// To which items; empty = to the plan as a whole.
    pub items: Vec<u32>,
    /// What, as a clause.
    pub what: String,
    /// The manager's id of the request.
    pub request_id: Option<String>,
}
