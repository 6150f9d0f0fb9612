//! What a scan of content can take over from the scan of the content it derives from.
//!
//! Two things are taken over. *Occurrences of literals* inside of what was copied are shifted, not
//! searched; with the knowledge of how far their neighbourhood was looked at, so that one that no
//! rule can match at is not looked at again as long as that neighbourhood was copied with it.
//! *Windows without a match* are not searched again when they were copied together with the bytes
//! that look-around sees. Everything else is done anew, with the same code as for new content, so
//! the result is the same.

use super::DeltaOp;
use super::search::{Hit, Literals, Sight};
use super::windows::{self, Window};
use crate::position::Span;

/// Bytes on each side of a window that its answer depends on: look-around looks at one character.
const LOOK_AROUND: usize = 4;

/// What is kept of a scan.
#[derive(Debug, Clone, Default)]
pub(super) struct Reuse {
    /// Length of the content.
    pub(super) len: usize,
    /// Every occurrence of a literal, by its end.
    pub(super) hits: Box<[Hit]>,
    /// Rules with a common byte that ran, since one of their keywords occurs in the content itself.
    pub(super) common: Box<[usize]>,
    /// Where matches can lie, sorted.
    pub(super) windows: Box<[Window]>,
    /// For each window, whether no match in it is a secret, whatever stands around it.
    pub(super) is_clean: Box<[bool]>,
    /// Of the decoded forms.
    pub(super) decoded: KeptDecoded,
}

/// What is kept of the scan of decoded forms.
#[derive(Debug, Clone)]
pub(super) struct KeptDecoded {
    /// Encoded segments of the content, by position.
    pub(super) segments: Box<[Span]>,
    /// No decoded form holds anything, and that depends on so many bytes around each segment at
    /// most. `None`: something was found, or was not looked at.
    pub(super) reach: Option<usize>,
}

impl Default for KeptDecoded {
    fn default() -> Self {
        Self { segments: Box::default(), reach: Some(0) }
    }
}

/// A part of the content that was copied from the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    /// Where it lies in the content.
    pub(super) at: usize,
    /// Where it lies in the base.
    pub(super) from: usize,
    pub(super) len: usize,
}

impl Region {
    fn end(self) -> usize {
        self.at + self.len
    }
}

/// Content that derives from scanned content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Derived<'a> {
    pub(super) base: &'a Reuse,
    /// By position, none empty.
    pub(super) regions: &'a [Region],
    /// Length of the content.
    pub(super) len: usize,
}

/// The copied parts; neighbours that are neighbours in the base too are one. `None`: the steps do not
/// make content of `len` bytes from a base of `base_len` bytes.
pub(super) fn regions(ops: &[DeltaOp], base_len: usize, len: usize) -> Option<Vec<Region>> {
    let mut regions: Vec<Region> = Vec::with_capacity(ops.len());
    let mut at = 0_usize;
    for op in ops {
        match *op {
            DeltaOp::Copy { from, len } => {
                if from.checked_add(len)? > base_len {
                    return None;
                }
                match regions.last_mut() {
                    Some(last) if last.end() == at && last.from + last.len == from => last.len += len,
                    _ if len > 0 => regions.push(Region { at, from, len }),
                    _ => {}
                }
                at = at.checked_add(len)?;
            }
            DeltaOp::Insert { len } => at = at.checked_add(len)?,
        }
    }
    (at == len).then_some(regions)
}

impl Derived<'_> {
    /// The parts of the content that were not copied, and the seams between copies (empty spans). An
    /// end of the content is a seam when it was none in the base.
    pub(super) fn gaps(&self) -> impl Iterator<Item = Span> + '_ {
        let mut end = 0;
        let mut base_end = 0;
        let last = Region { at: self.len, from: self.base.len, len: 0 };
        self.regions.iter().copied().chain([last]).filter_map(move |region| {
            let gap = Span::new(end, region.at);
            let goes_on = gap.is_empty() && base_end == region.from;
            (end, base_end) = (region.end(), region.from + region.len);
            (!goes_on).then_some(gap)
        })
    }

    /// The gaps with `reach` bytes on both sides, united where they overlap.
    pub(super) fn wide_gaps(&self, reach: usize) -> Vec<Span> {
        let wide = self
            .gaps()
            .map(|gap| Span::new(gap.start.saturating_sub(reach), gap.end.saturating_add(reach).min(self.len)));
        unite(wide.collect())
    }

    /// The base's encoded segments that were copied with their surroundings, where they lie now, and
    /// what is left of the others.
    pub(super) fn segments(&self) -> (Vec<Span>, Vec<Span>) {
        let (mut whole, mut cut) = (Vec::new(), Vec::new());
        let segments = &self.base.decoded.segments;
        for region in self.regions {
            let first = segments.partition_point(|segment| segment.end < region.from);
            for segment in &segments[first..] {
                if segment.start > region.from + region.len {
                    break;
                }
                let start = segment.start.max(region.from) - region.from + region.at;
                let end = segment.end.min(region.from + region.len) - region.from + region.at;
                let is_whole =
                    segment.start >= region.from + LOOK_AROUND && segment.end + LOOK_AROUND <= region.from + region.len;
                if is_whole { &mut whole } else { &mut cut }.push(Span::new(start, end));
            }
        }
        (whole, cut)
    }

    /// The region that `span` lies in, if it lies in one.
    fn region_of(&self, span: Span) -> Option<Region> {
        let index = self.regions.partition_point(|region| region.at <= span.start).checked_sub(1)?;
        let region = self.regions[index];
        (span.end <= region.end()).then_some(region)
    }

    /// Whether `literal` was copied with so many bytes before and behind it, all of them inside of the content.
    pub(super) fn is_copied(&self, literal: Span, before: usize, after: usize) -> bool {
        let (Some(start), Some(end)) = (literal.start.checked_sub(before), literal.end.checked_add(after)) else {
            return false;
        };
        self.region_of(Span::new(start, end)).is_some()
    }

    /// Puts every occurrence of a literal in `content` into `hits`; `fresh` is a buffer.
    pub(super) fn find(&self, literals: &Literals, content: &[u8], fresh: &mut Vec<Hit>, hits: &mut Vec<Hit>) {
        fresh.clear();
        hits.clear();
        for span in self.wide_gaps(literals.longest().saturating_sub(1)) {
            literals.find(content, span.start, span.end, fresh);
        }
        fresh.retain(|hit| self.region_of(Span::new(hit.end() - literals.len(hit.literal()), hit.end())).is_none());
        let mut fresh = fresh.iter().copied().peekable();
        for region in self.regions {
            let base = &self.base.hits;
            let first = base.partition_point(|hit| hit.end() <= region.from);
            for hit in &base[first..] {
                if hit.end() > region.from + region.len {
                    break;
                }
                let start = hit.end() - literals.len(hit.literal());
                if start < region.from {
                    continue;
                }
                let sight = hit.sight();
                let settled = sight.is_settled(start - region.from, region.from + region.len - hit.end());
                let mut moved = hit.moved(region.from, region.at);
                if !settled {
                    moved = moved.with_sight(Sight::UNKNOWN);
                }
                while let Some(new) = fresh.next_if(|new| new.end() < moved.end()) {
                    hits.push(new);
                }
                hits.push(moved);
            }
        }
        hits.extend(fresh);
    }

    /// Whether the window was in the base, with what stands around it, and is clean there.
    pub(super) fn is_clean(&self, window: Window) -> bool {
        let span = window.span;
        let Some(region) = self.region_of(span) else { return false };
        let starts_both = region.at == 0 && region.from == 0;
        let ends_both = region.end() == self.len && region.from + region.len == self.base.len;
        if (span.start - region.at < LOOK_AROUND && !starts_both)
            || (region.end() - span.end < LOOK_AROUND && !ends_both)
        {
            return false;
        }
        let shifted = Span::new(span.start - region.at + region.from, span.end - region.at + region.from);
        let known = self.base.windows.binary_search(&Window { rule: window.rule, span: shifted });
        known.is_ok_and(|index| self.base.is_clean[index])
    }

    /// The window of `rule` that the base has at a literal which was copied with all that was looked at around
    /// it; as far as it was copied.
    pub(super) fn window_at(&self, rule: usize, literal: Span) -> Option<Window> {
        let region = self.region_of(literal)?;
        let at = literal.start - region.at + region.from;
        let of_rule = windows::of_rule(&self.base.windows, rule);
        let index = of_rule.partition_point(|window| window.span.start <= at).checked_sub(1)?;
        let span = of_rule[index].span;
        if span.end < at + literal.len() {
            return None;
        }
        let start = span.start.max(region.from) - region.from + region.at;
        let end = span.end.min(region.from + region.len) - region.from + region.at;
        Some(Window { rule, span: Span::new(start, end) })
    }
}

/// The spans in order, those that overlap or touch united.
pub(super) fn unite(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    spans.dedup_by(|next, span| {
        let joins = next.start <= span.end;
        if joins {
            span.end = span.end.max(next.end);
        }
        joins
    });
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_that_continue_each_other_are_one_region() {
        let ops = [
            DeltaOp::Copy { from: 0, len: 3 },
            DeltaOp::Copy { from: 3, len: 2 },
            DeltaOp::Insert { len: 4 },
            DeltaOp::Copy { from: 5, len: 1 },
            DeltaOp::Copy { from: 0, len: 1 },
        ];
        let expected =
            [Region { at: 0, from: 0, len: 5 }, Region { at: 9, from: 5, len: 1 }, Region { at: 10, from: 0, len: 1 }];
        let regions = regions(&ops, 6, 11).unwrap();
        assert_eq!(regions, expected);
        let base = Reuse { len: 6, ..Reuse::default() };
        let derived = Derived { base: &base, regions: &regions, len: 11 };
        let gaps: Vec<Span> = derived.gaps().collect();
        assert_eq!(gaps, [Span::new(5, 9), Span::new(10, 10), Span::new(11, 11)], "the base goes on at the end");
        assert_eq!(derived.wide_gaps(1), [Span::new(4, 11)]);
    }

    #[test]
    fn steps_that_do_not_fit_are_refused() {
        assert_eq!(regions(&[DeltaOp::Copy { from: 0, len: 7 }], 6, 7), None);
        assert_eq!(regions(&[DeltaOp::Copy { from: usize::MAX, len: 7 }], 6, 7), None);
        assert_eq!(regions(&[DeltaOp::Insert { len: 7 }], 6, 8), None);
    }
}
