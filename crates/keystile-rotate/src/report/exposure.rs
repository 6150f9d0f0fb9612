//! What is still open, or stays, although something was done: the part of a report that is read first.
//!
//! Each fact comes from the outcome and from what the plan knows of the secret; what nobody looked at is said to
//! be unknown, never left out.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use keystile_inventory::{RotationMeans, Stage};
use serde::{Deserialize, Serialize};

use super::consumers::names;
use super::incident::{ItemReport, Stand, ToDo};
use super::steps::utc;
use super::words::enumerate;
use crate::backend::BackendKind;
use crate::consumers::Writes;
use crate::leak::{Place, PlaceKind};
use crate::outcome::Outcome;
use crate::plan::{Held, Strategy};

/// So many consumers are named in one sentence.
const CONSUMERS: usize = 5;

/// One thing that is open, or stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    /// Of which items.
    pub items: Vec<u32>,
    /// How bad.
    pub weight: Weight,
    /// What.
    pub kind: ExposureKind,
    /// A sentence.
    pub text: String,
    /// Since when it is so, or until when at the latest it was, where that is known.
    pub since: Option<Timestamp>,
}

/// How bad an exposure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// Whoever has the leaked value can use it.
    Open,
    /// They may; it is not known.
    Unknown,
    /// The leak is over; this stays and has to be known.
    Remains,
}

/// Kinds of exposure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExposureKind {
    /// The leaked value is what readers of the secret get.
    LeakCurrent,
    /// The login that leaked works until the rotation after.
    LoginValid,
    /// The access key is active.
    KeyActive,
    /// No managed secret holds it: nobody here can end it.
    Unmanaged,
    /// What became of it is not known yet.
    NotKnown,
    /// A copy in another region may still hand it out.
    Replica,
    /// Whether its issuer still takes it was not asked.
    Issuer,
    /// Something may bring the leaked value back.
    WrittenBack,
    /// HEAD still has it.
    InHead,
    /// The old version can still be read in the secret manager.
    OldVersion,
    /// The login that leaked is refused, since when.
    LoginEnded,
    /// Something copies the value to a place that no rotation reaches.
    Copies,
    /// Consumers do not get the new value by themselves.
    LateConsumers,
    /// Sessions opened with it go on.
    Sessions,
    /// The history of the repository keeps it.
    History,
}

/// Everything about one item.
pub(super) fn of_item(item: &ItemReport) -> Vec<Exposure> {
    let mut found = Vec::new();
    let mut add = |weight, kind, text: String, since| {
        found.push(Exposure { items: vec![item.number], weight, kind, text, since });
    };
    leak(item, &mut add);
    if item.status.stand == Stand::Over {
        what_stays(item, &mut add);
    }
    consumers(item, &mut add);
    places(item, &mut add);
    found
}

/// Worst first, items in their order; what is so for several items is said once.
pub(super) fn sorted(found: Vec<Exposure>) -> Vec<Exposure> {
    let mut exposure: Vec<Exposure> = Vec::new();
    let mut known: BTreeMap<(ExposureKind, String, Option<Timestamp>), usize> = BTreeMap::new();
    for one in found {
        let next = exposure.len();
        let at = *known.entry((one.kind, one.text.clone(), one.since)).or_insert(next);
        match exposure.get_mut(at) {
            Some(same) => same.items.extend(&one.items),
            None => exposure.push(one),
        }
    }
    exposure.sort_by(|a, b| (a.weight, a.kind, &a.items).cmp(&(b.weight, b.kind, &b.items)));
    exposure
}

type Add<'a> = dyn FnMut(Weight, ExposureKind, String, Option<Timestamp>) + 'a;

/// Whether the leaked value opens something.
fn leak(item: &ItemReport, add: &mut Add<'_>) {
    let since = item.times.committed;
    let is_over = item.status.stand == Stand::Over;
    if let Some(key) = &item.access_key {
        if !is_over {
            let state = match key.status.as_deref() {
                Some("Active") | None => "works".to_owned(),
                Some(status) => format!("was {status} when the plan was made"),
            };
            let is_unclear = item.status.stand == Stand::Unclear;
            let weight = if is_unclear { Weight::Unknown } else { Weight::Open };
            add(weight, ExposureKind::KeyActive, format!("{} {state}", item.name()), since);
        }
        return;
    }
    let Some(held) = &item.secret else {
        if is_over {
            return;
        }
        let what = format!("what the rule {} found is in no managed secret that was looked at", item.rule);
        add(Weight::Open, ExposureKind::Unmanaged, format!("{what}: it works until its issuer revokes it"), None);
        return;
    };
    let name = &held.name;
    match (item.status.stand, item.status.outcome) {
        (Stand::Over, _) => {}
        (_, Some(Outcome::LoginStillValid)) => {
            let mut text = format!("the leaked login of {name} works until its next rotation; a second one ends it");
            if let Some(at) = refreshed(item) {
                text.push_str(&format!(", and loses no consumer that was found from {} on", utc(at)));
            }
            add(Weight::Open, ExposureKind::LoginValid, text, since);
        }
        (_, Some(Outcome::ReplicaLags)) => {
            let text = format!("a copy of {name} in {} may still hand the leaked value out", regions(held));
            add(Weight::Unknown, ExposureKind::Replica, text, item.times.ended);
        }
        (_, Some(Outcome::Unverified)) => {
            let text = format!("another version of {name} is current; whether it holds the leaked value is not known");
            add(Weight::Unknown, ExposureKind::NotKnown, text, item.times.ended);
        }
        _ if item.action == ToDo::RotateAgain => {
            let text = format!("the leaked login of {name} works until its next rotation");
            add(Weight::Open, ExposureKind::LoginValid, text, since);
        }
        _ if held.stages.contains(&Stage::Current) || reads_leak(item) => {
            let text = format!("the leaked value is the current one of {name}: it opens what {name} opens");
            add(Weight::Open, ExposureKind::LeakCurrent, text, since);
        }
        (stand, _) => {
            let weight = if stand == Stand::Unclear { Weight::Unknown } else { Weight::Open };
            let text = format!(
                "the leaked value was in {name} as {}; what has become of it since the plan is not known",
                stages(held)
            );
            add(weight, ExposureKind::NotKnown, text, since);
        }
    }
}

/// Outcomes which say that the current value is the leaked one, whatever the plan saw.
fn reads_leak(item: &ItemReport) -> bool {
    matches!(
        item.status.outcome,
        Some(
            Outcome::SameValue
                | Outcome::FailedLeakActive
                | Outcome::NoNewValue
                | Outcome::NewValueNotCurrent
                | Outcome::SetFailed
                | Outcome::TestFailed
                | Outcome::Regressed
        )
    )
}

/// What stays when the leak is over.
fn what_stays(item: &ItemReport, add: &mut Add<'_>) {
    if item.status.outcome == Some(Outcome::Deactivated) {
        let refused = item.access_key.as_ref().is_some_and(|key| key.revoke_sessions);
        if !refused {
            let text = format!(
                "temporary credentials that {} made before go on working, for up to 36 hours: refuse them by a policy \
                 on aws:TokenIssueTime",
                item.name()
            );
            add(Weight::Remains, ExposureKind::Sessions, text, ended(item));
        }
        return;
    }
    let Some(held) = &item.secret else { return };
    let name = &held.name;
    if item.action == ToDo::RotateAgain && item.times.proved.is_some() {
        let text = format!("the leaked login of {name} is refused: the second rotation changed its password");
        add(Weight::Remains, ExposureKind::LoginEnded, text, ended(item));
    } else if item.status.outcome == Some(Outcome::AlreadyRotated) {
        let text =
            format!("the leaked value was replaced in {name} before; whether its issuer still takes it was not asked");
        add(Weight::Unknown, ExposureKind::Issuer, text, None);
    } else if item.action == ToDo::Generate {
        let text = format!(
            "the new value of {name} was written here: whoever checks against a copy takes the leaked one until it refreshes"
        );
        add(Weight::Unknown, ExposureKind::Issuer, text, ended(item));
    }
    if let Some(text) = old_version(held) {
        add(Weight::Remains, ExposureKind::OldVersion, text, ended(item));
    }
    if item.comparison.is_some() && held.rotation != RotationMeans::Nobody {
        let text =
            format!("sessions that were opened with the leaked value of {name} before may go on: end them there");
        add(Weight::Remains, ExposureKind::Sessions, text, ended(item));
    }
}

/// Who goes on with the old value, or brings it back.
fn consumers(item: &ItemReport, add: &mut Add<'_>) {
    let Some(consumers) = &item.consumers else { return };
    let name = item.name();
    let back: Vec<String> = consumers
        .writers
        .iter()
        .filter(|writer| writer.effect == Writes::Back)
        .map(|writer| writer.object.to_string())
        .collect();
    if !back.is_empty() {
        let text = format!("{} may write the leaked value back into {name}", enumerate(&back));
        add(Weight::Unknown, ExposureKind::WrittenBack, text, None);
    }
    let elsewhere: Vec<String> = consumers
        .writers
        .iter()
        .filter(|writer| writer.effect == Writes::Elsewhere)
        .map(|writer| writer.object.to_string())
        .collect();
    if !elsewhere.is_empty() {
        let text = format!("{} copies what {name} holds to another place", enumerate(&elsewhere));
        add(Weight::Remains, ExposureKind::Copies, text, None);
    }
    if consumers.late().next().is_some() {
        let late = names(consumers.late(), CONSUMERS);
        let text = format!("without the new value of {name} until somebody sees to it: {late}");
        add(Weight::Remains, ExposureKind::LateConsumers, text, None);
    }
}

/// From when on those consumers that refresh by themselves have done so, after a first rotation.
fn refreshed(item: &ItemReport) -> Option<Timestamp> {
    let seconds = i64::try_from(item.consumers.as_ref()?.wait_seconds?).ok()?;
    item.times.since.or(item.times.ended)?.checked_add(SignedDuration::from_secs(seconds)).ok()
}

/// Since when the leak is over, at the latest.
pub(super) fn ended(item: &ItemReport) -> Option<Timestamp> {
    item.times.proved.map(|proved| item.times.since.unwrap_or(proved))
}

/// What keeps the old value in the manager.
fn old_version(held: &Held) -> Option<String> {
    let (name, version) = (&held.name, &held.version);
    match held.backend {
        BackendKind::AwsSecretsManager => Some(format!(
            "whoever may read {name} can still read the leaked value there by its version {version} (AWSPREVIOUS after \
             one rotation) until AWS drops that version"
        )),
        BackendKind::VaultKv => {
            Some(format!("version {version} of {name} can still be read until it is destroyed (vault kv destroy)"))
        }
        BackendKind::GcpSecretManager => {
            Some(format!("version {version} of {name} can still be read until it is disabled or destroyed"))
        }
        BackendKind::VaultDatabase => None,
    }
}

/// Where the value still stands for everyone who has the repository.
fn places(item: &ItemReport, add: &mut Add<'_>) {
    let in_head: Vec<&Place> = item.places.iter().filter(|place| place.in_head == Some(true)).collect();
    if let [first, rest @ ..] = &in_head[..] {
        let more = if rest.is_empty() { String::new() } else { format!(" and at {} more places", rest.len()) };
        let text = format!("HEAD still has it at {}:{}{more}: take it out", first.path, first.line);
        add(Weight::Remains, ExposureKind::InHead, text, None);
    }
    let is_kept = |place: &&Place| {
        use PlaceKind::{Commit, CommitMessage, TagMessage, Unreachable};
        matches!(place.kind, Commit | CommitMessage | TagMessage | Unreachable)
    };
    let kept = item.places.iter().filter(is_kept).count();
    if kept > 0 {
        let text = format!(
            "the history keeps it ({kept} {}): taking it out of the files or rewriting the history reaches no clone, \
             fork or cache",
            if kept == 1 { "place" } else { "places" }
        );
        add(Weight::Remains, ExposureKind::History, text, item.times.committed);
    }
}

fn regions(held: &Held) -> String {
    if held.replicas.is_empty() { "another region".to_owned() } else { enumerate(&held.replicas) }
}

/// The labels a version had, or that it had none.
pub(super) fn stages(held: &Held) -> String {
    if held.stages.is_empty() {
        "a version without labels".to_owned()
    } else {
        enumerate(&held.stages.iter().map(|stage| label(held.backend, stage)).collect::<Vec<_>>())
    }
}

/// A label as its manager's users know it: only AWS has them by these names.
fn label(backend: BackendKind, stage: &Stage) -> String {
    match (backend, stage) {
        (BackendKind::AwsSecretsManager, _) | (_, Stage::Other(_)) => stage.to_string(),
        (_, Stage::Current) => "current".to_owned(),
        (_, Stage::Pending) => "in the making".to_owned(),
        (_, Stage::Previous) => "the one before".to_owned(),
    }
}

/// Whether two users take turns.
pub(super) fn alternates(held: &Held) -> bool {
    held.strategy == Strategy::AlternatingUsers
}
