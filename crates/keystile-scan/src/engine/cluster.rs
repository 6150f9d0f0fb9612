//! The neighbourhood of some encoded segments, decoded once, twice …, and what its decoded forms depend on.
//!
//! A neighbourhood is cut out of its content. What is decoded first is known from the whole content; what is decoded
//! next is found in the text that was cut out, where a block of lines may be cut in two. So from the second layer on
//! a text is taken to be right only between the outermost [barriers](crate::decode::barrier) of the one before.

use super::decoded::{LOOK_AROUND, MARGIN};
use super::delta::unite;
use super::windows::NEAR;
use crate::decode::barrier::{self, Barriers};
use crate::decode::{self, Layer, Options, Segments, original_span};
use crate::position::Span;

/// The neighbourhood of some encoded segments.
pub(super) struct Cluster {
    /// In the content.
    pub(super) window: Span,
    /// At least one.
    pub(super) layers: Vec<Layer>,
    /// Where each layer's text is that of the whole content, decoded.
    pub(super) exact: Vec<Span>,
    /// Of each layer's text.
    barriers: Vec<Barriers>,
    /// Where the segments that are decoded second, third … lie in the content.
    pub(super) deep: Vec<Span>,
}

/// How a neighbourhood is decoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decoding {
    /// How many times at most; not 0.
    pub(super) depth: usize,
    pub(super) options: Options,
    /// Length of the longest literal.
    pub(super) longest: usize,
}

impl Cluster {
    /// Decodes `window` of `content` with its `segments`. `None`: for the segments from the start to the end of
    /// `asked`, the window is too narrow.
    pub(super) fn new(
        content: &[u8],
        window: Span,
        segments: &Segments,
        asked: Option<Span>,
        decoding: Decoding,
    ) -> Option<Self> {
        let first = Layer::new(content, window, segments);
        let exact = vec![Span::new(0, first.text().len())];
        let mut cluster =
            Self { window, layers: vec![first], exact, barriers: vec![Barriers::default()], deep: Vec::new() };
        let mut asked = asked;
        let mut deeper = Segments::default();
        let mut deep = Vec::new();
        loop {
            if !cluster.is_wide_enough(content, asked, decoding.longest) {
                return None;
            }
            if cluster.layers.len() >= decoding.depth {
                break;
            }
            let Some(exact) = cluster.between_barriers(content) else {
                if asked.is_some() {
                    return None;
                }
                break;
            };
            if let Some(asked) = asked {
                let (before, behind) = cluster.places_around(content, exact);
                if asked.start < before || behind < asked.end {
                    return None;
                }
            }
            let last = cluster.last();
            find_deeper(last, decoding.options, &mut deeper);
            if deeper.is_empty() {
                break;
            }
            for (place, _, _) in deeper.iter() {
                let place = original_span(content, &cluster.layers, place);
                asked = asked.map(|asked| {
                    let touches = place.start <= asked.end && asked.start <= place.end;
                    if touches { Span::new(asked.start.min(place.start), asked.end.max(place.end)) } else { asked }
                });
                deep.push(place);
            }
            let next = Layer::new(last.text(), Span::new(0, last.text().len()), &deeper);
            let start = if cluster.is_cut_before() { next.text_at(exact.start) } else { 0 };
            let end = if cluster.is_cut_after(content) { next.text_at(exact.end) } else { next.text().len() };
            cluster.exact.push(Span::new(start, end.max(start)));
            cluster.layers.push(next);
            cluster.barriers.push(Barriers::default());
        }
        // What stands near those that were decoded later is looked at too.
        let is_wide_enough = asked.is_none_or(|asked| {
            (!cluster.is_cut_before() || window.start + NEAR <= asked.start)
                && (!cluster.is_cut_after(content) || asked.end + NEAR <= window.end)
        });
        is_wide_enough.then_some(Self { deep, ..cluster })
    }

    pub(super) fn is_cut_before(&self) -> bool {
        self.window.start > 0
    }

    pub(super) fn is_cut_after(&self, content: &[u8]) -> bool {
        self.window.end < content.len()
    }

    fn last(&self) -> &Layer {
        self.layers.last().expect("a cluster is decoded at least once")
    }

    /// The part of the last layer's text in which the segments are those of the whole content.
    fn between_barriers(&self, content: &[u8]) -> Option<Span> {
        let text = self.last().text();
        let exact = *self.exact.last().expect("as many as layers");
        // The byte before a barrier and the two behind it say that it is one.
        let start = if self.is_cut_before() { barrier::next(text, exact.start + 1, exact.end)? } else { 0 };
        let end = if self.is_cut_after(content) {
            barrier::last(text, start, exact.end.saturating_sub(2))? + 1
        } else {
            text.len()
        };
        Some(Span::new(start, end))
    }

    /// The places in the content up to which and from which on what lies at the ends of `exact` says something of
    /// the last layer's text.
    fn places_around(&self, content: &[u8], exact: Span) -> (usize, usize) {
        let place = |at: usize| original_span(content, &self.layers, Span::new(at, at + 1));
        let before = if self.is_cut_before() { place(exact.start).end } else { 0 };
        let behind = if self.is_cut_after(content) { place(exact.end - 1).start } else { content.len() };
        (before, behind)
    }

    /// Whether literals that reach into what is asked for lie in the last layer's text.
    fn is_wide_enough(&self, content: &[u8], asked: Option<Span>, longest: usize) -> bool {
        let Some(asked) = asked else { return true };
        let exact = *self.exact.last().expect("as many as layers");
        let len = self.last().text().len();
        let margin = longest + LOOK_AROUND;
        let inner = Span::new(exact.start + margin, exact.end.saturating_sub(margin));
        if (self.is_cut_before() && inner.start >= len) || (self.is_cut_after(content) && inner.end == 0) {
            return false;
        }
        let place = |at: usize| original_span(content, &self.layers, Span::new(at, at + 1));
        (!self.is_cut_before() || place(inner.start).start <= asked.start)
            && (!self.is_cut_after(content) || place(inner.end - 1).end >= asked.end)
    }

    /// The part of the content that `span` of the text that was decoded `depth` times depends on, as far as
    /// the content's own segments stay the same.
    pub(super) fn depends_on(&self, content: &[u8], depth: usize, span: Span) -> Span {
        let mut span = span;
        for depth in (0..depth).rev() {
            let parent = if depth == 0 { content } else { self.layers[depth - 1].text() };
            span = self.layers[depth].parent_span(parent, span);
            if depth > 0 {
                // Segments that end in it, and those that might.
                span = self.barriers[depth - 1].around(parent, span);
            }
        }
        span
    }

    /// The parts of the content on which it depends what is decoded next, at every depth before `most`.
    pub(super) fn depends_deeper(&self, content: &[u8], most: usize) -> Vec<Span> {
        let mut all = Vec::new();
        for (depth, layer) in (1..most).zip(&self.layers) {
            let decoded: Vec<Span> = layer.decoded_spans().collect();
            for span in barrier::widen(layer.text(), &decoded) {
                all.push(self.depends_on(content, depth, span));
            }
        }
        all
    }
}

/// Finds what can be decoded next in the text of `layer`. What does not touch decoded text and could be decoded was
/// decoded before.
fn find_deeper(layer: &Layer, options: Options, deeper: &mut Segments) {
    let decoded: Vec<Span> = layer.decoded_spans().collect();
    // With a margin, so that they are few where much was decoded.
    let wide = decoded
        .iter()
        .map(|span| Span::new(span.start.saturating_sub(MARGIN), (span.end + MARGIN).min(layer.text().len())));
    decode::find(layer.text(), &unite(wide.collect()), options, deeper);
    deeper.retain_touching(&decoded);
}

/// How far a change in `span` of the content can be from the nearest of the segments that `span` touches, each of
/// which has to be looked at again then. `segments` are sorted.
pub(super) fn distance(segments: &[Span], span: Span) -> usize {
    let first = segments.partition_point(|segment| segment.end < span.start);
    let behind = segments.partition_point(|segment| segment.start <= span.end);
    match segments.get(first..behind) {
        Some([first, .., last] | [first @ last]) => {
            span.end.saturating_sub(first.end).max(last.start.saturating_sub(span.start))
        }
        _ => span.len(),
    }
}
