//! Reading leaks again from the places that a report of a scan names. The report itself has no values, and those
//! that it might have (`--reveal`, gitleaks' own) are not looked at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use bstr::{BStr, BString, ByteSlice as _};
use keystile_git::{ContentPlace, Error, Inspector, Repository, content_at};
use keystile_rotate::plan::Source;
use keystile_rotate::{Place, PlaceKind};
use keystile_scan::{Match, SecretBytes};
use serde::Deserialize;

use super::leaks::Leaks;
use crate::cli::rotate::PlanArgs;
use crate::exit::UsageError;
use crate::find::{config_files, load_inspector};
use crate::scan_request::{ScanRequest, Target};

/// A report of ours, as far as it is needed.
#[derive(Deserialize)]
struct Report {
    schema_version: u32,
    findings: Vec<ReportFinding>,
    coverage: Option<ReportCoverage>,
}

#[derive(Deserialize)]
struct ReportFinding {
    fingerprint: String,
    rule_id: String,
    occurrences: Vec<ReportOccurrence>,
}

#[derive(Deserialize)]
struct ReportOccurrence {
    kind: PlaceKind,
    path: Option<String>,
    /// Percent-encoded, where the path is not UTF-8.
    path_encoded: Option<String>,
    start_line: Option<u64>,
    start_column: Option<u64>,
    commit: Option<ReportCommit>,
    tag: Option<String>,
    object: Option<String>,
    in_head: Option<bool>,
}

#[derive(Deserialize)]
struct ReportCommit {
    id: String,
    author_date: Option<String>,
}

#[derive(Deserialize)]
struct ReportCoverage {
    #[serde(default)]
    gaps: Vec<ReportGap>,
}

#[derive(Deserialize)]
struct ReportGap {
    what: String,
    detail: String,
}

/// A finding of gitleaks' JSON.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Gitleaks {
    #[serde(rename = "RuleID")]
    rule_id: String,
    file: String,
    start_line: u64,
    start_column: u64,
    #[serde(default)]
    commit: String,
    #[serde(default)]
    date: String,
}

/// What to look for at the places of one finding.
enum Wanted {
    /// The value with this fingerprint.
    Fingerprint(String),
    /// What the rule finds in this line: gitleaks' reports have no more.
    Line(u64),
}

/// One finding of a report.
struct Entry {
    rule: String,
    wanted: Wanted,
    places: Vec<(Place, BString)>,
}

/// The leaks that a report names.
///
/// # Errors
/// The report or the configuration can't be read. A finding that is at none of its places any more is a gap.
pub(super) fn reread(args: &PlanArgs, report: &Path) -> anyhow::Result<Leaks> {
    let (entries, mut gaps) = read_report(report)?;
    let request = ScanRequest::for_rotation(args)?;
    let inspector = load_inspector(&request, &config_files(&request)?)?;
    let mut reader = Reader { inspector: &inspector, target: &request.target, known: BTreeMap::new() };
    let mut found = Vec::new();
    for entry in &entries {
        let (values, faults) = reader.values(entry);
        if values.is_empty() {
            gaps.push(gone(entry, &faults));
        }
        let places: Vec<Place> = entry.places.iter().map(|(place, _)| place.clone()).collect();
        found.extend(values.into_iter().map(|value| (entry.rule.clone(), value, places.clone())));
    }
    let what = format!("{} ({})", args.path.as_deref().unwrap_or(Path::new(".")).display(), report.display());
    Ok(Leaks::of(found, Source { what, gaps, ..Source::default() }))
}

fn gone(entry: &Entry, faults: &[String]) -> String {
    let place = entry.places.first().map(|(place, _)| place.to_string()).unwrap_or_default();
    let why = match faults.first() {
        Some(fault) => fault.clone(),
        None => "the rule does not find it there with this configuration".to_owned(),
    };
    format!("{} at {place}: can't be read again: {why}; scan again, or give the configuration of that scan", entry.rule)
}

fn read_report(path: &Path) -> anyhow::Result<(Vec<Entry>, Vec<String>)> {
    let text = std::fs::read(path).with_context(|| format!("while reading the report {}", path.display()))?;
    let wrong = |what: &str| {
        UsageError(format!(
            "{} is not a report that can be planned from: {what}; make one with `keystile scan --format json --output {0}`",
            path.display()
        ))
    };
    // A message of the parser can quote a value of gitleaks' report: only its place is told.
    let place = |error: &serde_json::Error| format!("line {}, column {}", error.line(), error.column());
    if text.trim_start().starts_with(b"[") {
        let findings: Vec<Gitleaks> = serde_json::from_slice(&text)
            .map_err(|error| wrong(&format!("no findings of gitleaks at {}", place(&error))))?;
        return Ok((findings.into_iter().map(of_gitleaks).collect(), Vec::new()));
    }
    let report: Report =
        serde_json::from_slice(&text).map_err(|error| wrong(&format!("no report of a scan at {}", place(&error))))?;
    if report.schema_version != 1 {
        return Err(wrong(&format!("its schema_version is {}", report.schema_version)).into());
    }
    let gaps = report.coverage.map(|coverage| coverage.gaps).unwrap_or_default();
    let gaps = gaps.iter().map(|gap| format!("{}: {}", gap.what, gap.detail)).collect();
    Ok((report.findings.into_iter().map(of_ours).collect(), gaps))
}

fn of_ours(finding: ReportFinding) -> Entry {
    let places = finding.occurrences.into_iter().map(|occurrence| {
        let named = match occurrence.kind {
            PlaceKind::TagMessage => occurrence.tag,
            PlaceKind::Unreachable => occurrence.object,
            _ => occurrence.path,
        }
        .unwrap_or_default();
        let bytes = match &occurrence.path_encoded {
            Some(encoded) => percent_encoding::percent_decode_str(encoded).collect::<Vec<u8>>().into(),
            None => BString::from(named.clone()),
        };
        let place = Place {
            kind: occurrence.kind,
            date: occurrence.commit.as_ref().and_then(|commit| commit.author_date.clone()),
            commit: occurrence.commit.map(|commit| commit.id),
            path: named,
            line: occurrence.start_line.unwrap_or_default(),
            column: occurrence.start_column.unwrap_or_default(),
            in_head: occurrence.in_head,
        };
        (place, bytes)
    });
    Entry { rule: finding.rule_id, wanted: Wanted::Fingerprint(finding.fingerprint), places: places.collect() }
}

fn of_gitleaks(finding: Gitleaks) -> Entry {
    let place = Place {
        kind: if finding.commit.is_empty() { PlaceKind::File } else { PlaceKind::Commit },
        commit: Some(finding.commit).filter(|commit| !commit.is_empty()),
        path: finding.file.clone(),
        line: finding.start_line,
        column: finding.start_column,
        date: Some(finding.date).filter(|date| !date.is_empty()),
        in_head: None,
    };
    Entry {
        rule: finding.rule_id,
        wanted: Wanted::Line(finding.start_line),
        places: vec![(place, finding.file.into())],
    }
}

/// What a rule found at a place, or why nothing could be read.
type Contents = Result<Arc<Vec<Arc<Match>>>, String>;

/// Reads contents, each once.
struct Reader<'a> {
    inspector: &'a Inspector,
    target: &'a Target,
    known: BTreeMap<(PlaceKind, Option<String>, BString), Contents>,
}

impl Reader<'_> {
    /// The values of a finding, and what went wrong on the way. Of a fingerprint there is one value.
    fn values(&mut self, entry: &Entry) -> (Vec<SecretBytes>, Vec<String>) {
        let mut faults = Vec::new();
        for (place, path) in &entry.places {
            let matches = match self.matches(place, path.as_ref()) {
                Ok(matches) => matches,
                Err(fault) => {
                    faults.push(fault);
                    continue;
                }
            };
            let rules = self.inspector.scanner.rules();
            let of_rule = matches.iter().filter(|found| rules.rules[found.rule].id.as_str() == entry.rule);
            let values: Vec<SecretBytes> = of_rule
                .filter(|found| match &entry.wanted {
                    Wanted::Fingerprint(fingerprint) => found.fingerprint.to_string() == *fingerprint,
                    Wanted::Line(line) => u64::from(found.start.line) == *line,
                })
                .map(|found| found.secret.clone())
                .collect();
            if !values.is_empty() {
                return (values, faults);
            }
        }
        (Vec::new(), faults)
    }

    fn matches(&mut self, place: &Place, path: &BStr) -> Contents {
        // An archive is read whole; the path inside of it is only told.
        let outer: &BStr = path.split_str("!").next().unwrap_or(path).into();
        let key = (place.kind, place.commit.clone(), outer.to_owned());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let contents = self.read(place, path).and_then(|content| match content {
            Some(content) => Ok(content),
            // A file whose own name has an exclamation mark is no archive.
            None => self.read(place, outer)?.ok_or_else(|| "there is nothing at that place any more".to_owned()),
        });
        let contents = contents.map(|content| {
            let mut scratch = self.inspector.scanner.scratch();
            let inspection = self.inspector.inspect(&mut scratch, &content);
            let inner = inspection.entries.into_iter().flat_map(|(_, matches)| matches);
            Arc::new(inspection.scan.matches.into_iter().chain(inner).collect())
        });
        self.known.insert(key, contents.clone());
        contents
    }

    fn read(&self, place: &Place, path: &BStr) -> Result<Option<Vec<u8>>, String> {
        let commit = place.commit.as_deref().unwrap_or_default();
        let at = match place.kind {
            PlaceKind::Commit => ContentPlace::Committed { commit, path },
            PlaceKind::CommitMessage => ContentPlace::Object(commit),
            PlaceKind::Unreachable => ContentPlace::Object(&place.path),
            PlaceKind::TagMessage => ContentPlace::Tag(path),
            PlaceKind::Index => ContentPlace::Index(path),
            PlaceKind::WorkTree | PlaceKind::File => return self.read_file(path),
            PlaceKind::StandardInput => return Err("standard input can't be read a second time".to_owned()),
        };
        content_at(self.repository()?, at).map_err(|error: Error| error.to_string())
    }

    fn repository(&self) -> Result<&Repository, String> {
        match self.target {
            Target::Repository { repository, .. } => Ok(repository),
            _ => Err("it is in a commit, and this is no repository; name the repository".to_owned()),
        }
    }

    fn read_file(&self, path: &BStr) -> Result<Option<Vec<u8>>, String> {
        let path = path.to_path_lossy();
        let bases: Vec<PathBuf> = match self.target {
            Target::Repository { repository, .. } => repository.work_tree().map(Path::to_owned).into_iter().collect(),
            Target::Directory { paths, .. } => paths.clone(),
            Target::StandardInput => Vec::new(),
        };
        let roots: Vec<PathBuf> = bases.iter().filter_map(|base| std::fs::canonicalize(base).ok()).collect();
        for base in bases.iter().map(|base| base.join(&path)).chain([path.to_path_buf()]) {
            // A report may be anybody's: it does not decide which other files of this machine are looked into.
            if let Ok(whole) = std::fs::canonicalize(&base)
                && !roots.iter().any(|root| whole.starts_with(root))
            {
                return Err("it is outside of what is looked through; name its folder as PATH".to_owned());
            }
            match std::fs::read(&base) {
                Ok(content) => return Ok(Some(content)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(format!("{}: {error}", base.display())),
            }
        }
        Ok(None)
    }
}
