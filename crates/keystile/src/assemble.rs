//! From occurrences, as sources hand them out, to findings, as reports show them.

use std::collections::HashMap;

use keystile_scan::{Finding, Occurrence, OccurrencePlace, RuleSet};

/// Groups occurrences by rule and secret. The findings come in the order of their rules, then by their
/// first place; the occurrences of each with the oldest introduction first. The order is the same for
/// the same content, whatever the threads did.
#[must_use]
pub fn assemble(rules: &RuleSet, occurrences: Vec<Occurrence>) -> Vec<Finding> {
    let mut by_secret = HashMap::<_, (usize, Finding)>::new();
    for occurrence in occurrences {
        let found = &occurrence.found;
        let (_, finding) = by_secret.entry((found.rule, found.fingerprint)).or_insert_with(|| {
            let finding = Finding {
                rule: rules.rules[found.rule].id.clone(),
                fingerprint: found.fingerprint,
                secret: found.secret.clone(),
                occurrences: Vec::new(),
            };
            (found.rule, finding)
        });
        finding.occurrences.push(occurrence);
    }
    let mut findings: Vec<_> = by_secret.into_values().collect();
    for (_, finding) in &mut findings {
        finding.occurrences.sort_by(|a, b| order(a).cmp(&order(b)));
        finding.occurrences.dedup_by(|a, b| order(a) == order(b));
    }
    findings.sort_by(|(rule_a, a), (rule_b, b)| {
        (rule_a, order(&a.occurrences[0]), a.fingerprint).cmp(&(rule_b, order(&b.occurrences[0]), b.fingerprint))
    });
    findings.into_iter().map(|(_, finding)| finding).collect()
}

/// History before the present, old before new, then by place. In strict mode a match can stand at one place
/// twice: as it is, and beside something decoded.
fn order(occurrence: &Occurrence) -> (u8, i64, &str, &[u8], u32, u32, usize, usize) {
    let (kind, seconds, id) = match &occurrence.place {
        OccurrencePlace::Commit(commit) => (0, commit.author_seconds, commit.id.as_str()),
        OccurrencePlace::CommitMessage(commit) => (1, commit.author_seconds, commit.id.as_str()),
        OccurrencePlace::TagMessage(_) => (2, 0, ""),
        OccurrencePlace::Index => (3, 0, ""),
        OccurrencePlace::WorkTree => (4, 0, ""),
        OccurrencePlace::Unreachable(id) => (5, 0, id.as_str()),
        OccurrencePlace::File => (6, 0, ""),
        OccurrencePlace::StandardInput => (7, 0, ""),
    };
    let found = &occurrence.found;
    (kind, seconds, id, &occurrence.path, found.start.line, found.start.column, found.span.start, found.encodings.len())
}
