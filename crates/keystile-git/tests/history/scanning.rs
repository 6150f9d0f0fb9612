//! Running the scan under test, and showing its answer in few words.

use std::collections::BTreeMap;
use std::path::Path;

use bstr::ByteSlice as _;
use keystile_git::history::{self, HistoryOptions};
use keystile_git::{InspectOptions, Inspector, Progress, Repository, SourceReport};
use keystile_scan::rule::{Pattern, Rule, Severity};
use keystile_scan::{Occurrence, OccurrencePlace, RuleId, RuleSet, ScanOptions, Scanner};

fn pattern(source: &str) -> Pattern {
    Pattern { source: source.into(), translated: source.into(), groups: 0 }
}

fn rule(id: &str) -> Rule {
    Rule {
        id: RuleId::new(id),
        description: String::new(),
        regex: None,
        path: None,
        secret_group: 0,
        entropy: 0.0,
        keywords: Vec::new(),
        tags: Vec::new(),
        allowlists: Vec::new(),
        required: Vec::new(),
        skip_report: false,
        severity: Severity::default(),
        remedy: None,
        references: Vec::new(),
        verification: None,
    }
}

/// One rule, for the tokens that [`crate::support::token`] makes.
pub(crate) fn token_rules() -> RuleSet {
    let mut token = rule("token");
    token.regex = Some(pattern("kst_[a-z]{16}"));
    token.keywords = vec!["kst_".to_owned()];
    RuleSet { rules: vec![token], allowlists: Vec::new() }
}

/// The same, and a rule on paths alone.
pub(crate) fn path_rules(path: &str) -> RuleSet {
    let mut rules = token_rules();
    let mut by_path = rule("path");
    by_path.path = Some(pattern(path));
    rules.rules.push(by_path);
    rules
}

pub(crate) fn inspector(rules: RuleSet) -> Inspector {
    Inspector { scanner: Scanner::new(rules, ScanOptions::default()), options: InspectOptions::default() }
}

pub(crate) fn scan(path: &Path) -> SourceReport {
    scan_with(path, token_rules(), &HistoryOptions::default())
}

pub(crate) fn scan_with(path: &Path, rules: RuleSet, options: &HistoryOptions) -> SourceReport {
    scan_by(path, &inspector(rules), options)
}

pub(crate) fn scan_by(path: &Path, inspector: &Inspector, options: &HistoryOptions) -> SourceReport {
    let repository = Repository::open(path).expect("a repository");
    let store = repository.open_objects().expect("its objects");
    history::scan(&repository, &store, inspector, options, &Progress::default()).expect("a report")
}

/// `commit path:line secret`, or another place instead of the commit; `*` where it is in HEAD. Ids of commits are
/// replaced by their names in `names`.
pub(crate) fn shown(report: &SourceReport, names: &BTreeMap<String, &str>) -> Vec<String> {
    report.occurrences.iter().map(|occurrence| show(occurrence, names)).collect()
}

fn show(occurrence: &Occurrence, names: &BTreeMap<String, &str>) -> String {
    let name = |id: &str| names.get(id).map_or_else(|| id.to_owned(), |name| (*name).to_owned());
    let place = match &occurrence.place {
        OccurrencePlace::Commit(commit) => name(&commit.id),
        OccurrencePlace::CommitMessage(commit) => format!("message of {}", name(&commit.id)),
        OccurrencePlace::TagMessage(tag) => format!("tag {tag}"),
        OccurrencePlace::Unreachable(id) => format!("unreachable {id}"),
        other => format!("{other:?}"),
    };
    let in_head = if occurrence.in_head == Some(true) { " *" } else { "" };
    let path = occurrence.path.as_bstr();
    let line = occurrence.found.start.line;
    format!("{place} {path:?}:{line} {}{in_head}", occurrence.found.secret.reveal().as_bstr())
}
