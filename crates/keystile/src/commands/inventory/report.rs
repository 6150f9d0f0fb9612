//! What an inventory is, before it is written down.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use keystile_inventory::aws::RegionRead;
use keystile_inventory::{CallError, InventoryFinding, SecretRecord, findings};
use keystile_policy::provider::arn::Arn;

use super::referrers::{Named, Referrer, Referrers};
use crate::cli::inventory::InventoryArgs;
use crate::report::text::count;

/// So many secrets that could not be described are named; the others are counted.
const MOST_NAMED: usize = 10;

/// An inventory.
#[derive(Debug)]
pub(super) struct InventoryReport {
    /// The regions, in the order of the flags.
    pub(super) regions: Vec<Region>,
    /// Prefixes that were asked for; none: all names.
    pub(super) prefixes: Vec<String>,
    /// Whether each secret was asked about by itself.
    pub(super) is_described: bool,
    /// Who refers to what; `None` where nobody asked.
    pub(super) referrers: Option<Referrers>,
    /// When it began: what is overdue is overdue as of this time.
    pub(super) started: Timestamp,
    /// When it was done.
    pub(super) finished: Timestamp,
}

/// A region.
#[derive(Debug)]
pub(super) struct Region {
    pub(super) name: String,
    pub(super) read_at: Timestamp,
    pub(super) items: Vec<Item>,
    /// Why the list is not whole.
    pub(super) list_error: Option<CallError>,
    /// Names of secrets that could not be described, and why.
    pub(super) undescribed: Vec<(String, CallError)>,
}

/// A secret.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) record: SecretRecord,
    pub(super) findings: Vec<InventoryFinding>,
    /// Objects that refer to it; `None` where nobody asked.
    pub(super) referrers: Option<Vec<Referrer>>,
}

/// How an inventory ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Clean,
    Findings,
    Incomplete,
}

impl Verdict {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Findings => "findings",
            Self::Incomplete => "incomplete",
        }
    }
}

impl InventoryReport {
    pub(super) fn new(
        regions: Vec<RegionRead>,
        args: &InventoryArgs,
        referrers: Option<Referrers>,
        started: Timestamp,
        finished: Timestamp,
    ) -> Self {
        let regions = regions.into_iter().map(|region| Region::new(region, referrers.as_ref(), started)).collect();
        Self { regions, prefixes: args.prefix.clone(), is_described: args.describe, referrers, started, finished }
    }

    pub(super) fn items(&self) -> impl Iterator<Item = &Item> {
        self.regions.iter().flat_map(|region| &region.items)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items().next().is_none()
    }

    /// Whether all that was asked for could be read and told.
    pub(super) fn is_whole(&self) -> bool {
        self.gaps().is_empty()
    }

    pub(super) fn verdict(&self) -> Verdict {
        if self.items().any(|item| !item.findings.is_empty()) {
            Verdict::Findings
        } else if self.is_whole() {
            Verdict::Clean
        } else {
            Verdict::Incomplete
        }
    }

    /// How many secrets have each kind of finding.
    pub(super) fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for finding in self.items().flat_map(|item| &item.findings) {
            *counts.entry(kind(finding)).or_default() += 1;
        }
        counts
    }

    /// What could not be read, one sentence each.
    pub(super) fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        for region in &self.regions {
            if let Some(error) = &region.list_error {
                let rest = match region.items.len() {
                    0 => "nothing is listed".to_owned(),
                    some => format!("the list breaks off after {}", count(some as u64, "secret", "secrets")),
                };
                gaps.push(format!("{}: {rest}: {error}", region.name));
            }
            for (name, error) in region.undescribed.iter().take(MOST_NAMED) {
                gaps.push(format!("{}: {name} is shown as it was listed: {error}", region.name));
            }
            if region.undescribed.len() > MOST_NAMED {
                let more = count((region.undescribed.len() - MOST_NAMED) as u64, "secret", "secrets");
                gaps.push(format!("{}: {more} more could not be described", region.name));
            }
        }
        gaps.extend(self.referrers.iter().flat_map(|referrers| referrers.gaps.iter().cloned()));
        gaps
    }

    /// References to secrets that would have been listed, and were not.
    pub(super) fn unlisted(&self) -> Vec<&Named> {
        let Some(referrers) = &self.referrers else { return Vec::new() };
        let mut unlisted = Vec::new();
        for region in self.regions.iter().filter(|region| region.list_error.is_none()) {
            let listed: BTreeSet<&str> = region.items.iter().map(|item| item.record.name.as_str()).collect();
            let is_in_scope =
                |name: &str| self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| name.starts_with(prefix));
            let is_here = |named: &&Named| {
                let account = named.account.as_deref();
                named.region == region.name
                    && account.is_none_or(|account| region.account().is_none_or(|own| own == account))
                    && is_in_scope(&named.name)
            };
            let is_listed = |named: &Named| {
                let other = named.other_name.as_deref();
                listed.contains(named.name.as_str()) || other.is_some_and(|name| listed.contains(name))
            };
            unlisted.extend(referrers.named().filter(|named| !named.is_other && !is_listed(named)).filter(is_here));
        }
        unlisted
    }

    /// What an empty inventory means: that there is nothing, or that nothing could be listed.
    pub(super) fn nothing_listed(&self) -> String {
        if self.regions.iter().any(|region| region.list_error.is_some()) {
            return "nothing was listed, and not all could be asked".to_owned();
        }
        let regions: Vec<&str> = self.regions.iter().map(|region| region.name.as_str()).collect();
        let prefixes = match self.prefixes.is_empty() {
            true => String::new(),
            false => format!(" whose name begins with {}", self.prefixes.join(" or ")),
        };
        format!(
            "no secret{prefixes} is listed in {}, so nothing was looked at; check the region, the account and the prefix",
            regions.join(", ")
        )
    }
}

impl Region {
    fn new(read: RegionRead, referrers: Option<&Referrers>, now: Timestamp) -> Self {
        let name_of = |arn: &str| {
            let known = read.secrets.iter().find(|record| record.arn.0 == arn);
            known.map_or_else(|| arn.to_owned(), |record| record.name.clone())
        };
        let undescribed = read.undescribed.iter().map(|(arn, error)| (name_of(&arn.0), error.clone())).collect();
        let items = read.secrets.into_iter().map(|record| Item {
            findings: findings(&record, now),
            referrers: referrers.map(|referrers| referrers.of(&record, &read.region)),
            record,
        });
        Self {
            items: items.collect(),
            name: read.region.clone(),
            read_at: read.read_at,
            list_error: read.list_error,
            undescribed,
        }
    }

    /// The account, which the ARNs tell.
    pub(super) fn account(&self) -> Option<&str> {
        let first = self.items.first()?;
        Some(Arn::parse(&first.record.arn.0).ok()?.account).filter(|account| !account.is_empty())
    }
}

/// A finding's name in reports.
pub(super) const fn kind(finding: &InventoryFinding) -> &'static str {
    match finding {
        InventoryFinding::OverdueRotation { .. } => "overdue-rotation",
        InventoryFinding::FailingRotation { .. } => "failing-rotation",
        InventoryFinding::AwsManagedKey => "aws-managed-key",
        InventoryFinding::PendingDeletion { .. } => "pending-deletion",
        InventoryFinding::FailedReplica { .. } => "failed-replica",
    }
}
