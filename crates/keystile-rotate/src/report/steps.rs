//! What to do next, in the order of an incident: end it, find out what it did, mend what let it happen, learn.
//!
//! The order is that of the platform team's answer to a committed secret: rotate and revoke at once, do not take
//! the deletion of a commit for a cure, find the blast radius, read the audit logs, search the rest of the history,
//! close the gap, talk about it without blame.

use std::collections::BTreeMap;

use jiff::Timestamp;
use keystile_inventory::RotationMeans;
use serde::{Deserialize, Serialize};

use super::consumers::{duration, names};
use super::exposure::ended;
use super::incident::{ItemReport, Stand};
use super::words::enumerate;
use crate::backend::BackendKind;
use crate::outcome::Outcome;

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextStep {
    /// When.
    pub phase: Phase,
    /// Whether it is done, as far as keystile can tell.
    pub done: bool,
    /// The items that it is about; empty = all.
    pub items: Vec<u32>,
    /// What, as a sentence.
    pub text: String,
}

/// When something is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// At once.
    End,
    /// Within hours.
    Investigate,
    /// Within days.
    Mend,
    /// Afterwards.
    Learn,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Self; 4] = [Self::End, Self::Investigate, Self::Mend, Self::Learn];

    /// Its heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::End => "At once",
            Self::Investigate => "Within hours",
            Self::Mend => "Within days",
            Self::Learn => "Afterwards",
        }
    }
}

/// The steps of an incident with these items. None where there is no leak.
pub(super) fn steps(items: &[ItemReport], carried_out: bool, now: Timestamp) -> Vec<NextStep> {
    if items.is_empty() {
        return Vec::new();
    }
    let mut steps: Vec<NextStep> = Vec::new();
    let mut known: BTreeMap<(Phase, bool, String), usize> = BTreeMap::new();
    let mut add = |phase, done, items: Vec<u32>, text: String| {
        let next = steps.len();
        let at = *known.entry((phase, done, text.clone())).or_insert(next);
        match steps.get_mut(at) {
            Some(same) => {
                same.items.extend(items);
                same.items.dedup();
            }
            None => steps.push(NextStep { phase, done, items, text }),
        }
    };
    for item in items {
        end(item, carried_out, &mut |done, text| add(Phase::End, done, vec![item.number], text));
    }
    let in_head = numbers(items, |item| item.in_head == Some(true));
    if !in_head.is_empty() {
        let text = "Take the value out of the files that HEAD has, and keep it where secrets belong.".to_owned();
        add(Phase::End, false, or_all(in_head, items), text);
    }
    add(
        Phase::End,
        false,
        Vec::new(),
        "Do not take deleting the commit, or rewriting the history, for a cure: clones, forks and caches keep the value. \
         What counts is that it opens nothing any more."
            .to_owned(),
    );
    for item in items {
        add(Phase::Investigate, false, vec![item.number], blast_radius(item));
        add(Phase::Investigate, false, vec![item.number], audit(item, now));
    }
    add(
        Phase::Investigate,
        false,
        Vec::new(),
        "Find out how the value came into the repository: was the hook missing or skipped, was the check not required, \
         was there no other way to get at the value?"
            .to_owned(),
    );
    for text in [
        "Search the whole history of this repository and of its siblings: keystile scan.",
        "Make the check required for every pull request, and the hook the default for everyone: keystile init writes both.",
    ] {
        add(Phase::Mend, false, Vec::new(), text.to_owned());
    }
    let nobodys = |item: &ItemReport| {
        item.secret.as_ref().is_none_or(|held| held.rotation == RotationMeans::Nobody) && item.access_key.is_none()
    };
    for (text, which) in [
        (
            "Rotate what hangs together with it: the superuser or master secret, other users of the same target, the same \
             value elsewhere.",
            numbers(items, |item| item.secret.is_some()),
        ),
        ("Put what nobody rotates into a secret manager, with a rotation.", numbers(items, nobodys)),
        (
            "Give what used the access key a role instead: its credentials expire by themselves.",
            numbers(items, |item| item.access_key.is_some()),
        ),
    ] {
        if !which.is_empty() {
            add(Phase::Mend, false, or_all(which, items), text.to_owned());
        }
    }
    for text in [
        "Hold a post-mortem without blame: which gap of the process let it happen, not who.",
        "Let new colleagues hear of it: how secrets are had, and what to do when one slips out.",
        "Let nobody need the value on their machine: workloads get it from the secret manager, people get one that expires.",
    ] {
        add(Phase::Learn, false, Vec::new(), text.to_owned());
    }
    steps
}

/// What ends the leak of one item.
fn end(item: &ItemReport, carried_out: bool, add: &mut dyn FnMut(bool, String)) {
    // Where several are unmanaged, what is the same for all of them is said once.
    let is_unmanaged = item.secret.is_none() && item.access_key.is_none();
    let name = if is_unmanaged { "unmanaged".to_owned() } else { item.name() };
    match item.status.outcome {
        Some(Outcome::AlreadyRotated) => {
            add(true, format!("Rotate {name}: it was rotated before."));
            add(false, item.status.what_to_do.clone());
        }
        Some(Outcome::Deactivated) => {
            add(true, format!("Switch {name} off."));
            add(false, item.status.what_to_do.clone());
        }
        Some(outcome) if item.status.stand == Stand::Over => {
            let by = if outcome == Outcome::RotatedByOther { "; someone else did" } else { "" };
            add(true, format!("Rotate {name}{by}: the leaked value is not current any more."));
        }
        Some(_) => add(false, format!("{name}: {}", item.status.what_to_do)),
        None if carried_out => add(false, format!("{name} was not part of the run: apply the plan for it too.")),
        None => add(false, format!("{name}: {}", item.status.what_to_do)),
    }
    if let Some(consumers) = &item.consumers {
        let late = consumers.late().count();
        if late > 0 {
            let who = names(consumers.late(), CONSUMERS);
            add(false, format!("Have the new value of {name} taken by {who}; the commands are at the item."));
        }
    }
    for guidance in &item.guidance {
        // As it stands: it may end in a command.
        add(false, format!("{name}: {guidance}"));
    }
}

/// So many consumers are named in one sentence.
const CONSUMERS: usize = 5;

/// Whom to ask about what the leak reached.
fn blast_radius(item: &ItemReport) -> String {
    if item.access_key.is_some() {
        return format!("Find out what {} may do: the policies of its user and of that user's groups.", item.name());
    }
    let Some(held) = &item.secret else {
        return format!("Find out whose the value is that the rule {} found, and what it opens.", item.rule);
    };
    let who = match &item.consumers {
        Some(consumers) if !consumers.consumers.is_empty() => {
            format!(" Who uses it: {}.", names(consumers.consumers.iter(), CONSUMERS))
        }
        _ => String::new(),
    };
    format!("Find out what {} opens: which database, interface or account, with which rights.{who}", held.name)
}

/// Which logs to read, for which time.
fn audit(item: &ItemReport, now: Timestamp) -> String {
    let until = ended(item).unwrap_or(now);
    let window = match item.times.committed {
        Some(from) => format!("between {} and {}", utc(from), utc(until)),
        None => format!("until {}, from the day on which the value was written down", utc(until)),
    };
    if item.access_key.is_some() {
        return format!("Read CloudTrail of every region for calls with {} {window}.", item.name());
    }
    let Some(held) = &item.secret else {
        return "Read the issuer's audit log for uses of the value since it was written down; the items have the dates."
            .to_owned();
    };
    let manager = match held.backend {
        BackendKind::AwsSecretsManager => "CloudTrail (GetSecretValue, BatchGetSecretValue)",
        BackendKind::VaultKv | BackendKind::VaultDatabase => "Vault's audit log",
        BackendKind::GcpSecretManager => "Cloud Audit Logs (AccessSecretVersion)",
    };
    format!(
        "Read the target's own log for logins with {} {window}; who read the secret itself is in {manager}.",
        held.name
    )
}

fn numbers(items: &[ItemReport], of: impl Fn(&ItemReport) -> bool) -> Vec<u32> {
    items.iter().filter(|item| of(item)).map(|item| item.number).collect()
}

/// The items that a step is about: none are named where it is about all of several.
fn or_all(which: Vec<u32>, items: &[ItemReport]) -> Vec<u32> {
    if which.len() == items.len() && which.len() > 1 { Vec::new() } else { which }
}

/// `2026-11-26 03:12:05 UTC`.
pub(super) fn utc(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The time between two moments, for people.
pub(super) fn span(from: Timestamp, to: Timestamp) -> String {
    duration(u64::try_from(to.duration_since(from).as_secs()).unwrap_or_default())
}

/// `item 1`, `items 1 and 3`, `items 1–4 and 7`, or nothing for all.
pub(super) fn about(items: &[u32]) -> String {
    match items {
        [] => String::new(),
        [one] => format!("item {one}"),
        many => format!("items {}", enumerate(&ranges(many))),
    }
}

/// Numbers in ascending order as `1–4`, `7`.
pub(super) fn ranges(items: &[u32]) -> Vec<String> {
    items
        .chunk_by(|one, next| one.checked_add(1) == Some(*next))
        .flat_map(|run| match run {
            [first, _, .., last] => vec![format!("{first}–{last}")],
            few => few.iter().map(ToString::to_string).collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_a_row_are_told_as_ranges() {
        for (items, expected) in [
            (&[][..], ""),
            (&[3], "item 3"),
            (&[1, 2], "items 1 and 2"),
            (&[1, 2, 3, 4, 7], "items 1–4 and 7"),
            (&[1, 3, 4, 6, 7, 8], "items 1, 3, 4 and 6–8"),
        ] {
            assert_eq!(about(items), expected);
        }
    }
}
