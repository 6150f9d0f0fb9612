//! Rules for made-up tokens, and reports as lines that tests compare.

use keystile_git::{InspectOptions, Inspector, SourceReport};
use keystile_scan::rule::{Allowlist, Pattern, Severity};
use keystile_scan::{OccurrencePlace, Rule, RuleId, RuleSet, ScanOptions, Scanner};

fn pattern(source: &str) -> Pattern {
    keystile_scan::re2::parse(source).expect("the test's pattern is valid")
}

fn rule(id: &str) -> Rule {
    Rule {
        id: RuleId::new(id),
        description: "made up".to_owned(),
        regex: None,
        path: None,
        secret_group: 0,
        entropy: 0.0,
        keywords: Vec::new(),
        tags: Vec::new(),
        allowlists: Vec::new(),
        required: Vec::new(),
        skip_report: false,
        severity: Severity::High,
        remedy: None,
        references: Vec::new(),
        verification: None,
    }
}

/// `kst-token`: `kst_` and sixteen lower-case letters, except below `allowed/`; and with `path_rule`,
/// `kst-file`: every file that ends with `.kstkey`.
pub(crate) fn inspector_with(options: InspectOptions, path_rule: bool) -> Inspector {
    let allowlist = Allowlist { paths: vec![pattern("^allowed/")], ..Allowlist::default() };
    let mut rules = vec![Rule {
        regex: Some(pattern("kst_[a-z]{16}")),
        keywords: vec!["kst_".to_owned()],
        allowlists: vec![allowlist],
        ..rule("kst-token")
    }];
    if path_rule {
        rules.push(Rule { path: Some(pattern(r"\.kstkey$")), ..rule("kst-file") });
    }
    let rules = RuleSet { rules, allowlists: Vec::new() };
    Inspector { scanner: Scanner::new(rules, ScanOptions::default()), options }
}

/// The token rule alone, nothing left out.
pub(crate) fn inspector() -> Inspector {
    inspector_with(InspectOptions::default(), false)
}

/// Every occurrence as `PATH:LINE RULE PLACE [still in HEAD]`, sorted.
pub(crate) fn found(inspector: &Inspector, report: &SourceReport) -> Vec<String> {
    let mut lines: Vec<String> = report
        .occurrences
        .iter()
        .map(|occurrence| {
            let place = match &occurrence.place {
                OccurrencePlace::Commit(info) => format!("commit {}", info.id),
                OccurrencePlace::CommitMessage(info) => format!("message {}", info.id),
                OccurrencePlace::TagMessage(name) => format!("tag {name}"),
                OccurrencePlace::Index => "index".to_owned(),
                OccurrencePlace::WorkTree => "work tree".to_owned(),
                OccurrencePlace::Unreachable(id) => format!("unreachable {id}"),
                OccurrencePlace::File => "file".to_owned(),
                OccurrencePlace::StandardInput => "standard input".to_owned(),
            };
            let rule = &inspector.scanner.rule(&occurrence.found).id;
            let still = match occurrence.in_head {
                Some(true) => " in HEAD",
                Some(false) => "",
                None => " no HEAD",
            };
            format!("{}:{} {rule} {place}{still}", occurrence.path, occurrence.found.start.line)
        })
        .collect();
    lines.sort();
    lines
}
