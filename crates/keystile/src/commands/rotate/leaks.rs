//! The leaks that a plan is for, with their values, from a scan or from what a report names.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use keystile_git::Coverage;
use keystile_rotate::plan::Source;
use keystile_rotate::{Leak, Place, PlaceKind};
use keystile_scan::{Finding, Occurrence, OccurrencePlace, SecretBytes};

use crate::cli::rotate::PlanArgs;
use crate::find::{Found, find};
use crate::report::text::printable;
use crate::scan_request::ScanRequest;
use crate::terminal;

/// What there is to plan for.
#[derive(Debug)]
pub(super) struct Leaks {
    /// Each value once.
    pub(super) leaks: Vec<Leak>,
    /// What they were found in.
    pub(super) source: Source,
}

impl Leaks {
    /// Leaks of `findings`, each value once: two rules that find the same value are one leak.
    pub(super) fn of(findings: impl IntoIterator<Item = (String, SecretBytes, Vec<Place>)>, source: Source) -> Self {
        let mut by_value: BTreeMap<SecretBytes, Leak> = BTreeMap::new();
        let mut order = Vec::new();
        for (rule, value, places) in findings {
            let leak = by_value.entry(value.clone()).or_insert_with(|| {
                order.push(value.clone());
                Leak { rule, value, places: Vec::new() }
            });
            leak.places.extend(places);
        }
        for leak in by_value.values_mut() {
            leak.places.sort();
            leak.places.dedup();
        }
        let leaks = order.iter().filter_map(|value| by_value.remove(value)).collect();
        Self { leaks, source }
    }
}

/// The leaks that a scan finds now.
///
/// # Errors
/// As for a scan.
pub(super) fn scan(args: &PlanArgs) -> anyhow::Result<Leaks> {
    let request = ScanRequest::for_rotation(args)?;
    let Found { sorted, coverage, .. } = find(&request)?;
    let mut what = args.path.as_deref().unwrap_or(Path::new(".")).display().to_string();
    if let Some(range) = &args.range {
        what = format!("{what} ({range})");
    }
    let is_empty = coverage.blobs_scanned + coverage.files_scanned + coverage.messages_scanned == 0;
    if is_empty {
        terminal::warning("nothing was scanned, so no leak can have been found");
    }
    let source = Source { what, gaps: gaps(&coverage), is_empty };
    Ok(Leaks::of(sorted.reported.iter().map(parts), source))
}

/// What could not be read, as sentences.
pub(super) fn gaps(coverage: &Coverage) -> Vec<String> {
    coverage.gaps.iter().map(|gap| format!("{}: {}", printable(&gap.what), printable(&gap.detail))).collect()
}

fn parts(finding: &Finding) -> (String, SecretBytes, Vec<Place>) {
    let places = finding.occurrences.iter().map(place).collect();
    (finding.rule.to_string(), finding.secret.clone(), places)
}

/// Where an occurrence is, as plans have it.
fn place(occurrence: &Occurrence) -> Place {
    let path = occurrence.path.to_string();
    let (kind, commit, path) = match &occurrence.place {
        OccurrencePlace::Commit(commit) => (PlaceKind::Commit, Some(commit), path),
        OccurrencePlace::CommitMessage(commit) => (PlaceKind::CommitMessage, Some(commit), path),
        OccurrencePlace::TagMessage(name) => (PlaceKind::TagMessage, None, name.to_string()),
        OccurrencePlace::Index => (PlaceKind::Index, None, path),
        OccurrencePlace::WorkTree => (PlaceKind::WorkTree, None, path),
        OccurrencePlace::Unreachable(id) => (PlaceKind::Unreachable, None, id.clone()),
        OccurrencePlace::File => (PlaceKind::File, None, path),
        OccurrencePlace::StandardInput => (PlaceKind::StandardInput, None, path),
    };
    let date = commit.and_then(|commit| Timestamp::from_second(commit.author_seconds).ok());
    Place {
        kind,
        commit: commit.map(|commit| commit.id.clone()),
        path,
        line: occurrence.found.start.line.into(),
        column: occurrence.found.start.column.into(),
        date: date.map(|date| date.to_string()),
        in_head: occurrence.in_head,
    }
}
