//! What a journal says of one plan: its runs, and of each item the calls and the outcomes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use keystile_inventory::VersionId;

use super::incident::{CallRecord, RunRecord};
use crate::journal::{Event, Journal};
use crate::outcome::{Meaning, Outcome};

/// What happened.
#[derive(Debug, Default)]
pub(super) struct Past {
    pub(super) runs: Vec<RunRecord>,
    pub(super) items: BTreeMap<u32, ItemPast>,
    /// Whether lines belong to runs of other plans, which are left out.
    pub(super) has_others: bool,
}

/// What happened to one item.
#[derive(Debug, Default)]
pub(super) struct ItemPast {
    pub(super) calls: Vec<CallRecord>,
    pub(super) ends: Vec<End>,
}

/// An outcome as it was written down.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub(super) at: Timestamp,
    pub(super) outcome: Outcome,
    pub(super) current: Option<VersionId>,
    pub(super) since: Option<Timestamp>,
    pub(super) proof: Vec<String>,
}

impl Past {
    /// Of the runs that carried out the plan with the digest `plan`.
    pub(super) fn of(journal: &Journal, plan: &str) -> Self {
        let mut past = Self::default();
        let mut ours: BTreeSet<&str> = BTreeSet::new();
        for entry in &journal.entries {
            let run = entry.run.as_str();
            if let Event::Begin { plan: of, items, .. } = &entry.event {
                if of != plan {
                    past.has_others = true;
                    ours.remove(run);
                    continue;
                }
                ours.insert(run);
                past.runs.push(RunRecord {
                    run: entry.run.clone(),
                    began: entry.at,
                    ended: None,
                    items: items.clone(),
                    stopped: None,
                });
            }
            if !ours.contains(run) {
                continue;
            }
            match &entry.event {
                Event::Begin { .. } => {}
                Event::Intent { item, call, token, generation, .. } => {
                    past.items.entry(*item).or_default().calls.push(CallRecord {
                        at: entry.at,
                        run: entry.run.clone(),
                        call: *call,
                        version: token.clone(),
                        generation: *generation,
                        answered: None,
                        request_id: None,
                        error: None,
                    });
                }
                Event::Answer { item, call, request_id, error } => {
                    let calls = &mut past.items.entry(*item).or_default().calls;
                    let open = calls
                        .iter_mut()
                        .rev()
                        .find(|known| known.run == entry.run && known.call == *call && known.answered.is_none());
                    if let Some(open) = open {
                        open.answered = Some(entry.at);
                        open.request_id.clone_from(request_id);
                        open.error.clone_from(error);
                    }
                }
                Event::Ended { item, outcome, current, since, proof } => {
                    past.items.entry(*item).or_default().ends.push(End {
                        at: entry.at,
                        outcome: *outcome,
                        current: current.clone(),
                        since: *since,
                        proof: proof.clone(),
                    });
                }
                Event::End { stopped } => {
                    if let Some(record) = past.runs.iter_mut().rev().find(|record| record.run == entry.run) {
                        record.ended = Some(entry.at);
                        record.stopped.clone_from(stopped);
                    }
                }
            }
        }
        past
    }
}

impl ItemPast {
    /// When the leak was first proved over, unless a later line takes that back.
    pub(super) fn proved(&self) -> Option<Timestamp> {
        let over = |end: &&End| end.outcome.meaning() == Meaning::Over;
        self.ends.iter().rev().take_while(over).last().map(|end| end.at)
    }
}
