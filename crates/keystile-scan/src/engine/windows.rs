//! Windows: the parts of a text in which matches of a rule can lie.

use super::delta::Derived;
use super::program::Programs;
use super::search::{Hit, Sight};
use super::steps::Runs;
use crate::position::Span;

/// A part of a text in which matches of a rule can lie; all of them lie in such parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Window {
    pub(super) rule: usize,
    pub(super) span: Span,
}

/// How far most rules look: a name, an operator and a value.
pub(super) const NEAR: usize = 256;

/// Opens windows.
pub(super) struct Opener<'s> {
    pub(super) programs: &'s Programs,
    pub(super) runs: &'s mut Runs,
    /// Those that occur: a rule that looks for a common byte does so only at one of its keywords.
    pub(super) keywords: &'s [bool],
}

impl Opener<'_> {
    /// Looks at the neighbourhood of every hit in `text` that is not known from the base of `derived`, and
    /// notes in the hit what it saw. Gives the windows, sorted and united. Those that are taken over from the
    /// base may be wider than they need to be.
    ///
    /// `looked` is told of each look, also of those that were in vain: the bytes that its answer depends on;
    /// they may go beyond the text's ends, when the answer depends on the end being there.
    pub(super) fn open(
        self,
        text: &[u8],
        hits: &mut [Hit],
        derived: Option<Derived<'_>>,
        windows: &mut Vec<Window>,
        mut looked: impl FnMut(Look),
    ) {
        let Self { programs, runs, keywords } = self;
        runs.clear();
        windows.clear();
        for hit in hits {
            let literal = Span::new(hit.end() - programs.literals.len(hit.literal()), hit.end());
            let sight = hit.sight();
            if sight.is_known() {
                let distance = 1 << sight.log_distance;
                looked(Look { literal, before: distance, after: distance, is_new: false });
                if let Some(derived) = derived.filter(|_| sight.accepted) {
                    let rules = programs.meanings[hit.literal()].anchors.iter().map(|anchored| anchored.rule);
                    windows.extend(rules.filter_map(|rule| derived.window_at(rule, literal)));
                }
                continue;
            }
            let mut accepted = false;
            let mut seen = 0;
            for anchored in &programs.meanings[hit.literal()].anchors {
                let (window, before, after) = anchored.window(text, literal, runs);
                seen = seen.max(before).max(after);
                if let Some(span) = window {
                    accepted = true;
                    windows.push(Window { rule: anchored.rule, span });
                }
                looked(Look { literal, before, after, is_new: true });
            }
            *hit = hit.with_sight(Sight::new(accepted, seen));
        }
        for common in &programs.common {
            let rule = common.anchored.rule;
            if !programs.is_open(rule, keywords) {
                continue;
            }
            let base = derived.filter(|derived| derived.base.common.contains(&rule));
            for at in memchr::memchr_iter(common.byte, text) {
                let literal = Span::new(at, at + 1);
                let (window, before, after) = common.anchored.window(text, literal, runs);
                windows.extend(window.map(|span| Window { rule, span }));
                let is_known = base.is_some_and(|derived| derived.is_copied(literal, before, after));
                looked(Look { literal, before, after, is_new: !is_known });
            }
        }
        windows.sort_unstable();
        windows.dedup_by(|next, window| {
            let joins = next.rule == window.rule && next.span.start <= window.span.end;
            if joins {
                window.span.end = window.span.end.max(next.span.end);
            }
            joins
        });
    }
}

/// A look at the neighbourhood of a literal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) literal: Span,
    /// Bytes before the literal that the answer depends on.
    pub(super) before: usize,
    /// Bytes behind the literal that the answer depends on.
    pub(super) after: usize,
    /// The base of derived content gave no answer.
    pub(super) is_new: bool,
}

impl Look {
    /// Whether it goes far beyond the literal.
    pub(super) fn is_far(self) -> bool {
        self.before.max(self.after) + self.literal.len() > NEAR
    }

    /// The part of a text of `len` bytes that the answer depends on.
    pub(super) fn span(self, len: usize) -> Span {
        let start = self.literal.start.saturating_sub(self.before);
        Span::new(start, self.literal.end.saturating_add(self.after).min(len))
    }
}

/// Marks the keywords that occur.
pub(super) fn mark_keywords(programs: &Programs, hits: &[Hit], keywords: &mut [bool]) {
    for hit in hits {
        if let Some(keyword) = programs.meanings[hit.literal()].keyword {
            keywords[keyword] = true;
        }
    }
}

/// The windows of a rule.
pub(super) fn of_rule(windows: &[Window], rule: usize) -> &[Window] {
    let from = windows.partition_point(|window| window.rule < rule);
    let len = windows[from..].partition_point(|window| window.rule == rule);
    &windows[from..from + len]
}
