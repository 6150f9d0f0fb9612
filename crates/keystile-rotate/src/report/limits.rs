//! What a report can't tell. Said in every report, so that nobody takes silence for an all-clear.

use keystile_scan::text::count;

use super::incident::{Incident, ItemReport};
use super::past::Past;
use super::steps::about;
use super::words::enumerate;
use crate::journal::Journal;
use crate::plan::RotationPlan;

/// So many secrets that could not be read are named; the others are counted.
const UNREAD: usize = 10;

/// The limits of a plan's analysis, and of its proof if there is one.
pub(super) fn limits(plan: &RotationPlan, items: &[ItemReport], journal: Option<&Journal>, past: &Past) -> Vec<String> {
    let mut limits = Vec::new();
    let searched = &plan.searched;
    let places: Vec<String> = plan
        .identities
        .iter()
        .map(|identity| match &identity.region {
            Some(region) => format!("{} in {region}", identity.account),
            None => identity.account.clone(),
        })
        .collect();
    let prefixes = match &searched.prefixes[..] {
        [] => "no prefix".to_owned(),
        prefixes => format!("names that begin with {}", enumerate(prefixes)),
    };
    limits.push(format!(
        "Looked through: {prefixes} ({}, {}, {}), asked of {}. A value that is kept elsewhere counts as unmanaged here{}.",
        count(searched.secrets, "secret", "secrets"),
        count(searched.versions, "version", "versions"),
        count(searched.values, "value", "values"),
        if places.is_empty() { "no manager".to_owned() } else { enumerate(&places) },
        if searched.all_versions {
            ""
        } else {
            ", and so does one that was replaced before the last rotation: versions without a label are read with \
             --all-versions only"
        },
    ));
    let too_weak: u64 = searched.too_weak.values().sum();
    if too_weak > 0 {
        let reasons: Vec<String> =
            searched.too_weak.iter().map(|(reason, number)| format!("{reason} ({number})")).collect();
        limits.push(format!(
            "{} too weak to be told from others, and {} not compared: {}.",
            count(too_weak, "part of a secret is", "parts of secrets are"),
            if too_weak == 1 { "was" } else { "were" },
            enumerate(&reasons)
        ));
    }
    if !searched.unread.is_empty() {
        let mut names: Vec<String> =
            searched.unread.iter().take(UNREAD).map(|unread| format!("{} ({})", unread.arn, unread.why)).collect();
        if searched.unread.len() > UNREAD {
            names.push(format!("{} more", searched.unread.len() - UNREAD));
        }
        limits.push(format!(
            "{} could not be read, and may hold a leaked value: {}.",
            count(searched.unread.len() as u64, "secret", "secrets"),
            enumerate(&names)
        ));
    }
    for gap in &plan.source.gaps {
        limits.push(
            format!("Not scanned, so that a leak may be there that nobody knows of: {}", gap.trim_end_matches('.'))
                + ".",
        );
    }
    if items.iter().any(|item| item.comparison.is_some()) {
        limits.push(
            "Proved is that the manager's current value differs from the leaked one and does not contain it. That the \
             target refuses the leaked value was not tried with it."
                .to_owned(),
        );
    }
    let unasked: Vec<u32> =
        items.iter().filter(|item| item.secret.is_some() && item.consumers.is_none()).map(|item| item.number).collect();
    if !unasked.is_empty() {
        limits.push(format!("Who consumes the secret was not looked at for {}.", about(&unasked)));
    }
    for item in items {
        let Some(consumers) = &item.consumers else { continue };
        for gap in &consumers.looked_at.gaps {
            limits.push(format!("Consumers of item {}: not read: {}.", item.number, gap.trim_end_matches('.')));
        }
        for undecided in &consumers.undecided {
            limits.push(format!(
                "Consumers of item {}: {} may be one ({}): {}.",
                item.number,
                undecided.object,
                undecided.place,
                undecided.why.trim_end_matches('.')
            ));
        }
    }
    if items.iter().any(|item| item.times.committed.is_some()) {
        limits.push("Dates of commits are what the author's machine said.".to_owned());
    }
    if journal.is_some_and(|journal| journal.torn) {
        limits.push(
            "The journal's last line was cut off by a crash: the call that it would have announced was not made."
                .to_owned(),
        );
    }
    if past.has_others {
        limits.push("The journal has runs of other plans, which are not told here.".to_owned());
    }
    limits
}

/// Whether something that was in scope of the plan could not be read.
pub(super) fn is_incomplete(incident: &Incident) -> bool {
    !incident.searched.unread.is_empty() || !incident.plan.source.gaps.is_empty()
}
