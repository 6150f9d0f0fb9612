//! Occurrences of literals → windows → matches.

use std::collections::HashMap;
use std::sync::Arc;

use regex_automata::Input;

use super::confirm::{Outcome, Run, Source};
use super::delta::{Derived, Reuse};
use super::program::Gate;
use super::search::{LONGEST_CONTENT, Sight};
use super::{ContentScan, Match, Scanner, Scratch};
use crate::position::{Lines, Span};
use crate::rule::Required;

/// A part of a text in which matches of a rule can lie; all of them lie in such parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Window {
    pub(super) rule: usize,
    pub(super) span: Span,
}

/// What was found in one text.
#[derive(Default)]
pub(super) struct Found {
    pub(super) matches: Vec<Match>,
    pub(super) allowed_inline: u32,
    pub(super) failed_rules: Vec<usize>,
    /// Windows whose matches are none in any other surroundings either.
    pub(super) clean: Vec<Window>,
}

/// Finds all matches in `content`, which may be derived from content that was scanned.
pub(super) fn scan(
    scanner: &Scanner,
    scratch: &mut Scratch,
    content: &[u8],
    derived: Option<Derived<'_>>,
) -> ContentScan {
    if content.len() > LONGEST_CONTENT {
        let failed_rules = (0..scanner.rules.rules.len()).collect();
        return ContentScan { failed_rules, ..ContentScan::default() };
    }
    let programs = &scanner.programs;
    match derived {
        Some(derived) => derived.find(&programs.literals, content, &mut scratch.fresh, &mut scratch.hits),
        None => {
            scratch.hits.clear();
            programs.literals.find(content, 0, content.len(), &mut scratch.hits);
        }
    }
    scratch.keywords.fill(false);
    open_windows(scanner, scratch, content);
    let mut source = Source { content, text: content, lines: Lines::new(content) };
    let mut found = search_windows(scanner, scratch, &mut source, derived);
    found.clean.sort_unstable();
    ContentScan {
        matches: found.matches.into_iter().map(Arc::new).collect(),
        allowed_inline: found.allowed_inline,
        failed_rules: found.failed_rules,
        reuse: Reuse {
            len: content.len(),
            hits: scratch.hits.as_slice().into(),
            clean: found.clean.into_boxed_slice(),
        },
    }
}

/// Looks at the neighbourhood of every hit that is not known yet: fills `scratch.windows` (sorted and merged), marks the
/// keywords that occur.
fn open_windows(scanner: &Scanner, scratch: &mut Scratch, text: &[u8]) {
    let programs = &scanner.programs;
    scratch.runs.clear();
    scratch.windows.clear();
    for hit in &mut scratch.hits {
        let literal = hit.literal();
        let meaning = &programs.meanings[literal];
        if let Some(keyword) = meaning.keyword {
            scratch.keywords[keyword] = true;
        }
        if hit.sight().is_rejected() {
            continue;
        }
        let span = Span::new(hit.end() - programs.literals.len(literal), hit.end());
        let mut accepted = false;
        let mut seen = 0;
        for anchored in &meaning.anchors {
            let (window, before, after) = anchored.window(text, span, &mut scratch.runs);
            seen = seen.max(before).max(after);
            if let Some(span) = window {
                accepted = true;
                scratch.windows.push(Window { rule: anchored.rule, span });
            }
        }
        *hit = hit.with_sight(Sight::new(accepted, seen));
    }
    merge(&mut scratch.windows);
}

/// Sorts windows and unites those of a rule that overlap.
fn merge(windows: &mut Vec<Window>) {
    windows.sort_unstable();
    windows.dedup_by(|next, window| {
        let joins = next.rule == window.rule && next.span.start <= window.span.end;
        if joins {
            window.span.end = window.span.end.max(next.span.end);
        }
        joins
    });
}

/// Runs the rules on their windows.
fn search_windows(
    scanner: &Scanner,
    scratch: &mut Scratch,
    source: &mut Source<'_>,
    derived: Option<Derived<'_>>,
) -> Found {
    let mut found = Found::default();
    let mut rules: Vec<usize> = scratch.windows.iter().map(|window| window.rule).collect();
    rules.dedup();
    rules.extend(&scanner.programs.unanchored);
    rules.sort_unstable();
    let mut served: HashMap<usize, Vec<Match>> = HashMap::new();
    for rule in rules {
        let Some(program) = &scanner.programs.rules[rule] else { continue };
        if !program.reports || !is_open(&program.gate, &scratch.keywords) {
            continue;
        }
        let mut matches = search_rule(scanner, scratch, source, rule, derived, &mut found);
        if !program.required.is_empty() && !matches.is_empty() {
            for &other in &program.required {
                if !served.contains_key(&other) {
                    // What excuses a match that only serves is not counted.
                    let allowed_inline = found.allowed_inline;
                    let others = search_rule(scanner, scratch, source, other, derived, &mut found);
                    found.allowed_inline = allowed_inline;
                    served.insert(other, others);
                }
            }
            matches.retain_mut(|primary| add_required(scanner, primary, &served));
        }
        found.matches.append(&mut matches);
    }
    found
}

fn is_open(gate: &Gate, keywords: &[bool]) -> bool {
    match gate {
        Gate::Open => true,
        Gate::Keywords(numbers) => numbers.iter().any(|&number| keywords[number]),
    }
}

/// All matches of a rule in its windows.
fn search_rule(
    scanner: &Scanner,
    scratch: &mut Scratch,
    source: &mut Source<'_>,
    rule: usize,
    derived: Option<Derived<'_>>,
    found: &mut Found,
) -> Vec<Match> {
    let mut matches = Vec::new();
    let Some(program) = &scanner.programs.rules[rule] else { return matches };
    let whole = [Window { rule, span: Span::new(0, source.text.len()) }];
    let windows = if program.anchored { of_rule(&scratch.windows, rule) } else { &whole };
    for &window in windows {
        if derived.is_some_and(|derived| derived.is_clean(window)) {
            found.clean.push(window);
            continue;
        }
        let Ok(regex) = program.regex.get() else {
            found.fail(rule);
            return matches;
        };
        let run = Run { rule, program, regex };
        let mut is_clean = true;
        let mut at = window.span.start;
        while at <= window.span.end {
            let input = Input::new(source.text).span(at..window.span.end);
            let Some(raw) = regex.search_with(scratch.caches.get(rule, regex), &input) else { break };
            at = raw.end() + usize::from(raw.is_empty());
            let span = Span::new(raw.start(), raw.end());
            let outcome = scanner.confirm(run, &mut scratch.caches, source, span, window.span.end);
            is_clean &= matches!(outcome, Outcome::Nothing);
            match outcome {
                Outcome::Match(confirmed) => matches.push(*confirmed),
                Outcome::AllowedInline => found.allowed_inline += 1,
                Outcome::Failed => found.fail(rule),
                Outcome::Nothing | Outcome::AllowedByLine => {}
            }
        }
        if is_clean {
            found.clean.push(window);
        }
    }
    matches
}

/// The windows of a rule.
fn of_rule(windows: &[Window], rule: usize) -> &[Window] {
    let from = windows.partition_point(|window| window.rule < rule);
    let len = windows[from..].partition_point(|window| window.rule == rule);
    &windows[from..from + len]
}

impl Found {
    fn fail(&mut self, rule: usize) {
        if !self.failed_rules.contains(&rule) {
            self.failed_rules.push(rule);
        }
    }
}

/// Gives `primary` the matches near it that its rule requires; false: one is missing.
fn add_required(scanner: &Scanner, primary: &mut Match, served: &HashMap<usize, Vec<Match>>) -> bool {
    for required in &scanner.rules.rules[primary.rule].required {
        let others = served
            .values()
            .find(|others| others.first().is_some_and(|other| scanner.rules.rules[other.rule].id == required.id));
        let mut near: Vec<Match> =
            others.into_iter().flatten().filter(|other| is_near(primary, other, required)).cloned().collect();
        if near.is_empty() {
            return false;
        }
        primary.required.append(&mut near);
    }
    true
}

fn is_near(primary: &Match, other: &Match, required: &Required) -> bool {
    required.within_lines.is_none_or(|most| primary.start.line.abs_diff(other.start.line) <= most)
        && required.within_columns.is_none_or(|most| primary.start.column.abs_diff(other.start.column) <= most)
}
