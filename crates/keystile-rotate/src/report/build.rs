//! From a plan and what is known of its execution to an [`Incident`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use keystile_scan::text::count;

use super::exposure;
use super::incident::{
    Comparison, FORMAT, Incident, ItemReport, KeyReport, Moment, PlanRef, Stand, Status, Times, ToDo,
};
use super::limits::{is_incomplete, limits};
use super::mask::mask;
use super::past::{ItemPast, Past};
use super::steps::steps;
use super::words;
use crate::access_key::{HeldKey, KeyStatus};
use crate::journal::Journal;
use crate::leak::Place;
use crate::outcome::{Outcome, exit_status};
use crate::plan::{Action, PlanItem, RotationPlan, Source};
use crate::run::{ItemResult, RunReport};

/// What a report is made of.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The plan.
    pub plan: &'a RotationPlan,
    /// What its runs wrote down; runs of other plans in it are left out.
    pub journal: Option<&'a Journal>,
    /// How the last run ended; where it knows an item, it has the last word.
    pub run: Option<&'a RunReport>,
    /// Now.
    pub now: Timestamp,
    /// The plan's file, for the command to go on with.
    pub plan_file: Option<&'a str>,
    /// Whether accounts, callers and ARNs are replaced by names that mean something inside of the report alone, so
    /// that it can be shown to others. Names of secrets and places stay.
    pub mask_names: bool,
}

impl<'a> Input<'a> {
    /// A report of `plan` alone, made at `now`.
    #[must_use]
    pub const fn new(plan: &'a RotationPlan, now: Timestamp) -> Self {
        Self { plan, journal: None, run: None, now, plan_file: None, mask_names: false }
    }
}

impl Incident {
    /// Makes the report.
    #[must_use]
    pub fn new(input: Input<'_>) -> Self {
        let plan = input.plan;
        let digest = plan.digest();
        let past = input.journal.map(|journal| Past::of(journal, &digest)).unwrap_or_default();
        let carried_out = input.run.is_some() || !past.runs.is_empty();
        let nothing = ItemPast::default();
        let items: Vec<ItemReport> = plan
            .items
            .iter()
            .map(|item| {
                let result = input.run.and_then(|run| run.results.iter().find(|result| result.item == item.number));
                item_report(item, past.items.get(&item.number).unwrap_or(&nothing), result, input.now)
            })
            .collect();
        let exposure = exposure::sorted(items.iter().flat_map(exposure::of_item).collect());
        let limits = limits(plan, &items, input.journal, &past);
        let mut incident = Self {
            format: FORMAT.to_owned(),
            keystile: env!("CARGO_PKG_VERSION").to_owned(),
            made_at: input.now,
            carried_out,
            verdict: verdict(&items, carried_out, &plan.source),
            exit_status: 0,
            exposure,
            timeline: timeline(plan, &items, &past),
            next_steps: steps(&items, carried_out, input.now),
            next_command: None,
            plan: PlanRef {
                digest,
                made_at: plan.made_at,
                file: input.plan_file.map(ToOwned::to_owned),
                source: plan.source.clone(),
            },
            identities: plan.identities.clone(),
            searched: plan.searched.clone(),
            runs: past.runs,
            limits,
            masked: false,
            items,
        };
        incident.exit_status = incident.status(input.run);
        incident.next_command = incident.command();
        if input.mask_names { mask(&incident) } else { incident }
    }

    /// The exit status: of a run that of what it was asked for, else that of every item. Of a plan alone, what is to
    /// be done is a leak that stands, and what was not read keeps it from being an all-clear.
    fn status(&self, run: Option<&RunReport>) -> u8 {
        let left_undone = if self.carried_out { Outcome::NotStarted } else { Outcome::FailedLeakActive };
        let outcomes: Vec<Outcome> = match run {
            Some(run) => run.results.iter().map(|result| result.outcome).collect(),
            None => self.items.iter().map(|item| item.status.outcome.unwrap_or(left_undone)).collect(),
        };
        match exit_status(&outcomes) {
            0 if !self.carried_out && is_incomplete(self) => 3,
            status => status,
        }
    }

    /// How the worst of the leaks stands; `None` = there is none.
    pub(super) fn worst(&self) -> Option<Stand> {
        self.items.iter().map(|item| item.status.stand).min()
    }

    /// The exit status in words.
    pub(super) fn exit_meaning(&self) -> &'static str {
        match (self.exit_status, self.worst()) {
            (0, Some(stand)) if stand != Stand::Over => "every leak that the run was for is over; others are not",
            (status, _) => words::exit_status(status, self.carried_out),
        }
    }

    /// What to type next: nothing where everything is over, or where only people can go on.
    fn command(&self) -> Option<String> {
        let mut outcomes = self.items.iter().map(|item| item.status.outcome);
        let word = if !self.carried_out {
            outcomes.any(|outcome| outcome.is_none()).then_some("apply")?
        } else if outcomes.clone().flatten().any(Outcome::is_open) {
            "resume"
        } else if outcomes.any(|outcome| outcome.is_none()) {
            "apply"
        } else {
            return None;
        };
        Some(format!("keystile rotate {word} {}", shell_word(self.plan.file.as_deref().unwrap_or("PLAN"))))
    }
}

fn item_report(item: &PlanItem, past: &ItemPast, result: Option<&ItemResult>, now: Timestamp) -> ItemReport {
    let last = past.ends.last();
    let planned = item.blocked.first().map(|block| block.outcome).or(match item.action {
        Action::Nothing(outcome) => Some(outcome),
        _ => None,
    });
    let (outcome, current, since, proof, ended) = match (result, last) {
        (Some(result), last) => {
            // The run's own journal says when, if it could still be written.
            let at = last.filter(|end| end.outcome == result.outcome).map_or(now, |end| end.at);
            (Some(result.outcome), result.current.clone(), result.since, result.proof.clone(), Some(at))
        }
        (None, Some(end)) => (Some(end.outcome), end.current.clone(), end.since, end.proof.clone(), Some(end.at)),
        (None, None) => (planned, None, None, Vec::new(), None),
    };
    let done = ended.is_some();
    let is_over = outcome.is_some_and(|outcome| Stand::from(outcome.meaning()) == Stand::Over);
    let proved = past.proved().or(ended).filter(|_| is_over && done);
    let comparison = item.secret.as_ref().zip(outcome.filter(|_| done)).zip(current.as_ref()).and_then(
        |((held, outcome), current)| {
            Some(Comparison { leaked: held.version.clone(), current: current.clone(), differ: differ(outcome)? })
        },
    );
    // A block is told as such.
    let proof = proof.into_iter().filter(|why| !item.blocked.iter().any(|block| block.why == *why)).collect();
    let status = status(item.action.into(), outcome);
    ItemReport {
        number: item.number,
        rule: item.rule.clone(),
        in_head: in_head(&item.places),
        // What to do is told once.
        guidance: item.guidance.iter().filter(|text| !is_same(text, &status.what_to_do)).cloned().collect(),
        status,
        comparison,
        current,
        proof,
        times: Times {
            committed: committed(&item.places),
            asked: past.calls.first().map(|call| call.at),
            accepted: past.calls.iter().find(|call| call.error.is_none()).and_then(|call| call.answered),
            since,
            ended,
            proved,
        },
        calls: past.calls.clone(),
        places: item.places.clone(),
        secret: item.secret.clone(),
        access_key: item.access_key.as_ref().map(key_report),
        action: item.action.into(),
        blocked: item.blocked.clone(),
        warnings: item.warnings.clone(),
        consumers: item.consumers.clone(),
    }
}

fn key_report(key: &HeldKey) -> KeyReport {
    let user = key.user.as_ref();
    KeyReport {
        id: key.id.to_string(),
        account: key.account.clone(),
        user: user.map(|user| user.name.clone()),
        status: user.map(|user| match &user.status {
            KeyStatus::Active => "Active".to_owned(),
            KeyStatus::Inactive => "Inactive".to_owned(),
            KeyStatus::Expired => "Expired".to_owned(),
            KeyStatus::Other(other) => other.clone(),
        }),
        created: user.and_then(|user| user.created),
        last_used: user.and_then(|user| user.last_used.clone()),
        other_active: user.map(|user| user.other_active.iter().map(ToString::to_string).collect()).unwrap_or_default(),
        quarantine: user.map(|user| user.quarantine.clone()).unwrap_or_default(),
        revoke_sessions: key.revoke_sessions,
        after: key.after.clone(),
    }
}

/// What comparing the values gave, for outcomes that come from it.
const fn differ(outcome: Outcome) -> Option<bool> {
    match outcome {
        Outcome::Rotated
        | Outcome::RotatedByOther
        | Outcome::AlreadyRotated
        | Outcome::LoginStillValid
        | Outcome::ReplicaLags => Some(true),
        Outcome::SameValue => Some(false),
        _ => None,
    }
}

fn status(action: ToDo, outcome: Option<Outcome>) -> Status {
    match outcome {
        Some(outcome) => Status {
            outcome: Some(outcome),
            stand: outcome.meaning().into(),
            meaning: outcome.sentence().to_owned(),
            what_to_do: outcome.what_to_do().to_owned(),
        },
        None => Status {
            outcome: None,
            stand: if action == ToDo::Wait { Stand::Unclear } else { Stand::Active },
            meaning: format!("Planned: {}.", action.clause()),
            what_to_do: "Read the plan, then apply it.".to_owned(),
        },
    }
}

/// Whether two sentences say the same, however they begin and end.
fn is_same(one: &str, other: &str) -> bool {
    let bare = |text: &str| text.trim_end_matches('.').to_lowercase();
    bare(one) == bare(other)
}

fn in_head(places: &[Place]) -> Option<bool> {
    let known: Vec<bool> = places.iter().filter_map(|place| place.in_head).collect();
    (!known.is_empty()).then(|| known.contains(&true))
}

/// The earliest commit's date. What is no date is none.
fn committed(places: &[Place]) -> Option<Timestamp> {
    places.iter().filter_map(|place| place.date.as_deref()?.parse().ok()).min()
}

/// The report in one sentence. `source`: where leaks were looked for.
fn verdict(items: &[ItemReport], carried_out: bool, source: &Source) -> String {
    let number = items.len() as u64;
    if number == 0 {
        let verdict = if carried_out {
            "The plan has no items: nothing was to be done"
        } else if !source.gaps.is_empty() {
            "No leak was found in what could be read, which is not everything"
        } else if source.is_empty {
            "Nothing was scanned, so no leak can have been found: there is nothing to do"
        } else {
            "No leak was found: there is nothing to do"
        };
        return verdict.to_owned();
    }
    let of = |stand| items.iter().filter(|item| item.status.stand == stand && item.status.outcome.is_some()).count();
    let planned = items.iter().filter(|item| item.status.outcome.is_none()).count();
    let mut parts = Vec::new();
    for (number, what) in [
        (of(Stand::Active), "still active"),
        (of(Stand::Unable), if carried_out { "not acted on" } else { "blocked" }),
        (of(Stand::Unclear), "not known yet"),
        (planned, if carried_out { "not carried out" } else { "to be done" }),
        (of(Stand::Over), "over"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    format!("{}: {}", count(number, "leak", "leaks"), parts.join(", "))
}

fn timeline(plan: &RotationPlan, items: &[ItemReport], past: &Past) -> Vec<Moment> {
    let mut moments: Vec<Moment> = Vec::new();
    let mut known: BTreeMap<(Timestamp, String), usize> = BTreeMap::new();
    let mut add = |at, item: Option<u32>, what: String, request_id: Option<String>| {
        // One commit may have leaked what several secrets hold.
        let next = moments.len();
        let place = if request_id.is_none() { *known.entry((at, what.clone())).or_insert(next) } else { next };
        match moments.get_mut(place) {
            Some(same) => same.items.extend(item),
            None => moments.push(Moment { at, items: item.into_iter().collect(), what, request_id }),
        }
    };
    for item in items {
        if let Some(at) = item.times.committed {
            let what = format!("committed, by the author's clock (rule {})", item.rule);
            add(at, Some(item.number), what, None);
        }
    }
    add(plan.made_at, None, "the plan was made".to_owned(), None);
    for run in &past.runs {
        add(run.began, None, format!("run {} began", run.run), None);
    }
    for item in items {
        for call in &item.calls {
            let again = if call.generation > 0 { format!(", attempt {}", call.generation + 1) } else { String::new() };
            let what = format!("{} (version {}{again})", words::call(call.call), call.version);
            match (call.answered, &call.error) {
                (None, _) => add(call.at, Some(item.number), format!("{what}; no answer was written down"), None),
                (Some(at), error) => {
                    add(call.at, Some(item.number), what, None);
                    let what = error.as_ref().map_or("accepted".to_owned(), |error| format!("not accepted: {error}"));
                    add(at, Some(item.number), what, call.request_id.clone());
                }
            }
        }
        for end in past.items.get(&item.number).map(|past| &past.ends[..]).unwrap_or_default() {
            let now = end.current.as_ref().map(|version| format!(", version {version} is current")).unwrap_or_default();
            add(end.at, Some(item.number), format!("{}{now}", end.outcome), None);
        }
    }
    for run in &past.runs {
        if let Some(at) = run.ended {
            let why = run.stopped.as_ref().map(|why| format!(", stopped: {why}")).unwrap_or_default();
            add(at, None, format!("run {} ended{why}", run.run), None);
        }
    }
    // Stable: of what is of one instant, a run's beginning stays first, and its end last.
    moments.sort_by_key(|moment| moment.at);
    moments
}

/// A file's name as a shell takes it.
fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_quoted_for_a_shell() {
        for (name, expected) in [("plan.json", "plan.json"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("", "''")] {
            assert_eq!(shell_word(name), expected);
        }
    }
}
