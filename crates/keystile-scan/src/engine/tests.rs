//! Tests of the engine as a whole.

mod equivalence;
mod nested;
mod semantics;

use std::sync::Arc;

use super::{Match, ScanOptions, Scanner};
use crate::rule::{Allowlist, Pattern, Rule, RuleId, RuleSet, Severity};

/// A pattern in the syntax that the engine takes.
fn pattern(translated: &str) -> Pattern {
    let groups = regex_automata::meta::Regex::new(translated).map_or(0, |regex| regex.captures_len() - 1);
    Pattern { source: translated.into(), translated: translated.into(), groups }
}

fn rule(id: &str, regex: &str) -> Rule {
    Rule {
        id: RuleId::new(id),
        description: String::new(),
        regex: Some(pattern(regex)),
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

fn set(rules: Vec<Rule>, allowlists: Vec<Allowlist>) -> RuleSet {
    RuleSet { rules, allowlists }
}

fn scanner(rules: Vec<Rule>) -> Scanner {
    Scanner::new(set(rules, Vec::new()), ScanOptions { decode_depth: 0, ..ScanOptions::default() })
}

fn matches(scanner: &Scanner, content: &[u8]) -> Vec<Arc<Match>> {
    scanner.scan(&mut scanner.scratch(), content).matches
}

fn secrets(scanner: &Scanner, content: &[u8]) -> Vec<String> {
    let found = matches(scanner, content);
    found.iter().map(|found| String::from_utf8_lossy(found.secret.reveal()).into_owned()).collect()
}
