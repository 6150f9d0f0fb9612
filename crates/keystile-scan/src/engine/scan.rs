//! Occurrences of literals → windows → matches.

use std::sync::Arc;

use super::confirm::{Candidate, Outcome, Run, Source};
use super::decoded::{self, Near};
use super::delta::{Derived, KeptDecoded, Reuse};
use super::memo::Memo;
use super::program::Caches;
use super::search::LONGEST_CONTENT;
use super::windows::{self, Look, Opener, Window};
use super::{ContentScan, Match, Scanner, Scratch};
use crate::decode::Layer;
use crate::position::{Lines, Span};
use crate::rule::Required;

/// A text to search: the content, or a part of it in a decoded form.
pub(super) struct Part<'t> {
    pub(super) text: &'t [u8],
    /// How it was decoded, see [`crate::decode::original_span`]; empty: it is the content.
    pub(super) layers: &'t [Layer],
    /// Where matches can lie, sorted.
    pub(super) windows: Vec<Window>,
}

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) matches: Vec<Match>,
    pub(super) allowed_inline: u32,
    pub(super) failed_rules: Vec<usize>,
    /// Windows whose matches are none in any other surroundings either.
    pub(super) clean: Vec<Window>,
    /// Some window is not clean.
    pub(super) is_dirty: bool,
    /// A rule has windows, and none of its keywords occurs.
    pub(super) is_blocked: bool,
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
    windows::mark_keywords(programs, &scratch.hits, &mut scratch.keywords);
    let mut part = Part { text: content, layers: &[], windows: std::mem::take(&mut scratch.windows) };
    let near = derived
        .filter(|_| scanner.options.decode_depth > 0)
        .and_then(|derived| Near::new(derived, content, programs.literals.longest()));
    let mut is_far = false;
    let mut far_looks = Vec::new();
    let looked = |look: Look| {
        if look.is_far() {
            far_looks.push(look.span(content.len()));
        }
        if let Some(near) = &near {
            is_far |= look.is_new && near.touches_kept(look.span(content.len()));
        }
    };
    let Scratch { runs, hits, keywords, .. } = &mut *scratch;
    Opener { programs, runs, keywords }.open(content, hits, derived, &mut part.windows, looked);
    let common = programs.open_common(keywords);
    let near = near.filter(|near| common.iter().all(|&rule| near.knows_common(rule)));
    let hits: Box<[_]> = scratch.hits.as_slice().into();

    let mut lines = Lines::new(content);
    let mut search = Search {
        scanner,
        caches: &mut scratch.caches,
        memo: &mut scratch.memo,
        keywords: &scratch.keywords,
        content,
        derived,
    };
    let parts = [part];
    let mut found = search.run(&parts, &mut lines);
    let [part] = parts;
    found.clean.sort_unstable();
    let is_clean = part.windows.iter().map(|window| found.clean.binary_search(window).is_ok()).collect();
    let windows: Box<[_]> = part.windows.as_slice().into();
    scratch.windows = part.windows;

    let decoded = match scanner.options.decode_depth {
        0 => KeptDecoded::default(),
        _ => decoded::scan(scanner, scratch, content, near.filter(|_| !is_far), &far_looks, &mut lines, &mut found),
    };
    ContentScan {
        matches: found.matches.into_iter().map(Arc::new).collect(),
        allowed_inline: found.allowed_inline,
        failed_rules: found.failed_rules,
        reuse: Reuse { len: content.len(), hits, common: common.into(), windows, is_clean, decoded },
    }
}

/// Runs rules on windows.
pub(super) struct Search<'s> {
    pub(super) scanner: &'s Scanner,
    pub(super) caches: &'s mut Caches,
    pub(super) memo: &'s mut Memo,
    /// Which keywords occur.
    pub(super) keywords: &'s [bool],
    pub(super) content: &'s [u8],
    /// How the content was made; asked for parts that are the content itself only.
    pub(super) derived: Option<Derived<'s>>,
}

impl Search<'_> {
    /// Runs all rules. The parts are of one depth of decoding: a composite rule finds what it requires
    /// in any of them.
    pub(super) fn run(&mut self, parts: &[Part<'_>], lines: &mut Lines<'_>) -> Found {
        let programs = &self.scanner.programs;
        let mut found = Found::default();
        let mut rules: Vec<usize> = Vec::new();
        for part in parts {
            let of_part = part.windows.chunk_by(|one, other| one.rule == other.rule);
            rules.extend(of_part.map(|windows| windows[0].rule));
        }
        rules.extend(&programs.unanchored);
        rules.sort_unstable();
        rules.dedup();
        let mut served: Vec<Vec<Match>> = Vec::new();
        for rule in rules {
            let Some(program) = programs.rules[rule].as_ref().filter(|program| program.reports) else { continue };
            if !program.gate.is_open(self.keywords) {
                found.is_blocked |= program.anchored;
                continue;
            }
            let mut matches = self.rule(rule, parts, lines, &mut found);
            if !program.required.is_empty() && !matches.is_empty() {
                for &other in &program.required {
                    if !served.iter().flatten().any(|served| served.rule == other) {
                        // What excuses a match that only serves is not counted.
                        let allowed_inline = found.allowed_inline;
                        served.push(self.rule(other, parts, lines, &mut found));
                        found.allowed_inline = allowed_inline;
                    }
                }
                matches.retain_mut(|primary| self.add_required(primary, &served));
            }
            found.matches.append(&mut matches);
        }
        found
    }

    /// All matches of a rule in its windows.
    fn rule(&mut self, rule: usize, parts: &[Part<'_>], lines: &mut Lines<'_>, found: &mut Found) -> Vec<Match> {
        let mut matches = Vec::new();
        let Some(program) = &self.scanner.programs.rules[rule] else { return matches };
        for part in parts {
            let whole = [Window { rule, span: Span::new(0, part.text.len()) }];
            let windows = if program.anchored { windows::of_rule(&part.windows, rule) } else { &whole };
            let derived = self.derived.filter(|_| part.layers.is_empty());
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
                let candidates = self.candidates(run, part.text, window);
                let mut source = Source { content: self.content, layers: part.layers, lines };
                let mut is_clean = true;
                for candidate in candidates.iter() {
                    let outcome = self.scanner.confirm(run, &mut source, candidate, window.span.start);
                    is_clean &= matches!(outcome, Outcome::Nothing);
                    match outcome {
                        Outcome::Match(confirmed) => matches.push(*confirmed),
                        Outcome::AllowedInline => found.allowed_inline += 1,
                        Outcome::Unsure(confirmed) => {
                            found.fail(rule);
                            matches.push(*confirmed);
                        }
                        Outcome::Nothing | Outcome::AllowedByLine => {}
                    }
                }
                found.is_dirty |= !is_clean;
                if is_clean && part.layers.is_empty() {
                    found.clean.push(window);
                }
            }
        }
        matches
    }

    /// What a rule finds in a window, the places around it left aside.
    fn candidates(&mut self, run: Run<'_>, text: &[u8], window: Window) -> Arc<[Candidate]> {
        let question = self.memo.question(text, window);
        if let Some(candidates) = question.and_then(|question| self.memo.answer(question)) {
            return candidates;
        }
        let candidates = self.scanner.candidates(run, self.caches, text, window.span);
        match question {
            Some(question) => self.memo.keep(question, candidates),
            None => candidates.into(),
        }
    }

    /// Gives `primary` the matches near it that its rule requires; false: one is missing.
    fn add_required(&self, primary: &mut Match, served: &[Vec<Match>]) -> bool {
        let rules = &self.scanner.rules.rules;
        for required in &rules[primary.rule].required {
            let others = served.iter().flatten().filter(|other| rules[other.rule].id == required.id);
            let mut near: Vec<Match> = others.filter(|other| is_near(primary, other, required)).cloned().collect();
            if near.is_empty() {
                return false;
            }
            primary.required.append(&mut near);
        }
        true
    }
}

fn is_near(primary: &Match, other: &Match, required: &Required) -> bool {
    required.within_lines.is_none_or(|most| primary.start.line.abs_diff(other.start.line) <= most)
        && required.within_columns.is_none_or(|most| primary.start.column.abs_diff(other.start.column) <= most)
}

impl Found {
    fn fail(&mut self, rule: usize) {
        self.is_dirty = true;
        if !self.failed_rules.contains(&rule) {
            self.failed_rules.push(rule);
        }
    }

    /// Adds what was found in decoded forms.
    pub(super) fn add(&mut self, other: Self) {
        self.allowed_inline += other.allowed_inline;
        other.failed_rules.into_iter().for_each(|rule| self.fail(rule));
        self.matches.extend(other.matches);
    }
}
