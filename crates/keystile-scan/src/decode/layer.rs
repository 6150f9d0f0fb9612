//! Text with its encoded segments replaced by what they decode to, and the way back.

use std::fmt;

use zeroize::Zeroizing;

use super::{Encoding, Form, Segment, Segments, unicode, utf16};
use crate::engine::DeltaOp;
use crate::position::Span;

/// Characters from one [`Mark`] to the next.
const MARK_DISTANCE: usize = 64;

/// A text, or a window of it, with the encoded segments replaced. The text it was made from is called its
/// parent: the content itself for the first layer, the text of the layer before for the others.
#[derive(Clone)]
pub struct Layer {
    text: Zeroizing<Vec<u8>>,
    /// Their `decoded` are places in `text`.
    segments: Vec<Segment>,
    /// Inside of long segments whose characters differ in length, sorted.
    marks: Vec<Mark>,
    /// The part of the parent that `text` stands for.
    window: Span,
    strict: bool,
}

/// A place between two characters of a segment. Without such places, each position in a file that is UTF-16
/// as a whole would be counted from the file's start.
#[derive(Clone, Copy)]
struct Mark {
    /// In [`Layer::text`].
    decoded: usize,
    /// In the parent.
    encoded: usize,
}

impl Layer {
    /// The part `window` of `parent` with `segments` (found in `parent`) replaced; those that are not
    /// wholly inside of the window stay as they are.
    ///
    /// # Panics
    ///
    /// If the window is not inside of `parent`.
    #[must_use]
    pub fn new(parent: &[u8], window: Span, segments: &Segments) -> Self {
        let first = segments.list.partition_point(|segment| segment.encoded.start < window.start);
        let inside = segments.list[first..].iter().take_while(|segment| segment.encoded.end <= window.end);
        let mut text = Zeroizing::new(Vec::with_capacity(window.len()));
        let mut placed = Vec::with_capacity(inside.clone().count());
        let mut marks = Vec::new();
        let mut copied = window.start;
        for segment in inside {
            text.extend_from_slice(&parent[copied..segment.encoded.start]);
            let start = text.len();
            text.extend_from_slice(&segments.bytes[segment.decoded.range()]);
            let segment = Segment { decoded: Span::new(start, text.len()), ..*segment };
            segment.mark(parent, &mut marks);
            placed.push(segment);
            copied = segment.encoded.end;
        }
        text.extend_from_slice(&parent[copied..window.end]);
        Self { text, segments: placed, marks, window, strict: segments.strict }
    }

    /// The text with the segments replaced.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether nothing was replaced.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// How [`Layer::text`] is made from the parent.
    pub fn ops(&self) -> impl Iterator<Item = DeltaOp> + '_ {
        let mut parent_at = self.window.start;
        let replaced = self.segments.iter().flat_map(move |segment| {
            let copy = DeltaOp::Copy { from: parent_at, len: segment.encoded.start - parent_at };
            parent_at = segment.encoded.end;
            [copy, DeltaOp::Insert { len: segment.decoded.len() }]
        });
        let rest = self.segments.last().map_or(self.window.start, |segment| segment.encoded.end);
        replaced.chain([DeltaOp::Copy { from: rest, len: self.window.end - rest }])
    }

    /// Where decoded text lies in [`Layer::text`], sorted.
    pub fn decoded_spans(&self) -> impl Iterator<Item = Span> + '_ {
        self.segments.iter().map(|segment| segment.decoded)
    }

    /// Where what stands at `at` of the parent went, which lies in no segment.
    pub(crate) fn text_at(&self, at: usize) -> usize {
        let behind = self.segments.partition_point(|segment| segment.encoded.end <= at);
        let at = match behind.checked_sub(1).map(|index| &self.segments[index]) {
            Some(segment) => segment.decoded.end + (at - segment.encoded.end),
            None => at - self.window.start,
        };
        at.min(self.text.len())
    }

    /// Whether `span` of [`Layer::text`] overlaps or touches decoded text. A match that does not is a match
    /// in the parent as well. One that only touches may be new (its neighbour decoded into a word boundary),
    /// or may have been found in the parent, at the place that [`Layer::parent_span`] gives.
    #[must_use]
    pub fn touches_decoded(&self, span: Span) -> bool {
        !self.touching(span).is_empty()
    }

    /// The segments whose decoded form overlaps or touches `span`.
    fn touching(&self, span: Span) -> &[Segment] {
        let first = self.segments.partition_point(|segment| segment.decoded.end < span.start);
        let len = self.segments[first..].partition_point(|segment| segment.decoded.start <= span.end);
        &self.segments[first..first + len]
    }

    /// The part of the parent that `span` of [`Layer::text`] came from.
    ///
    /// # Panics
    ///
    /// If the span is not inside of [`Layer::text`].
    #[must_use]
    pub fn parent_span(&self, parent: &[u8], span: Span) -> Span {
        assert!(span.end <= self.text.len(), "{span:?} lies in a text of {} bytes", self.text.len());
        if self.strict
            && let Some(parent_span) = self.strict_parent_span(span)
        {
            return Span::new(parent_span.start, parent_span.end.min(parent.len()));
        }
        let start = self.parent_start(parent, span.start);
        let end = if span.is_empty() { start } else { self.parent_end(parent, span.end) };
        Span::new(start, end.max(start))
    }

    /// As gitleaks maps a match: to the whole of the segment that it lies in; a match that reaches over the
    /// ends of segments is as much longer than their encoded forms as it is longer than the decoded ones.
    fn strict_parent_span(&self, span: Span) -> Option<Span> {
        let mut union: Option<Span> = None;
        for segment in self.touching(span) {
            let Segment { encoded, decoded, .. } = *segment;
            if decoded.start <= span.start && span.end <= decoded.end {
                return Some(encoded);
            }
            let before = decoded.start.saturating_sub(span.start);
            let after = span.end.saturating_sub(decoded.end);
            let reach = Span::new(encoded.start.saturating_sub(before), encoded.end + after);
            union = Some(match union {
                Some(so_far) => Span::new(so_far.start.min(reach.start), so_far.end.max(reach.end)),
                None => reach,
            });
        }
        union
    }

    /// Where the byte at `at` came from: the offset of the first byte that took part.
    fn parent_start(&self, parent: &[u8], at: usize) -> usize {
        let behind = self.segments.partition_point(|segment| segment.decoded.start <= at);
        match behind.checked_sub(1).map(|index| &self.segments[index]) {
            Some(segment) if at < segment.decoded.end => {
                let from = self.mark_before(segment, at);
                from.encoded + segment.form.first(&parent[from.encoded..segment.encoded.end], at - from.decoded)
            }
            Some(segment) => segment.encoded.end + (at - segment.decoded.end),
            None => self.window.start + at,
        }
    }

    /// Where the byte before `at` came from: the offset behind the last byte that took part.
    fn parent_end(&self, parent: &[u8], at: usize) -> usize {
        let behind = self.segments.partition_point(|segment| segment.decoded.start < at);
        match behind.checked_sub(1).map(|index| &self.segments[index]) {
            Some(segment) if at <= segment.decoded.end => {
                let from = self.mark_before(segment, at - 1);
                from.encoded + segment.form.last(&parent[from.encoded..segment.encoded.end], at - 1 - from.decoded)
            }
            Some(segment) => segment.encoded.end + (at - segment.decoded.end),
            None => self.window.start + at,
        }
    }

    /// The last mark in `segment` that is not behind `at`, or the segment's start.
    fn mark_before(&self, segment: &Segment, at: usize) -> Mark {
        let behind = self.marks.partition_point(|mark| mark.decoded <= at);
        let mark = behind.checked_sub(1).map(|index| self.marks[index]);
        let start = Mark { decoded: segment.decoded.start, encoded: segment.encoded.start };
        mark.filter(|mark| mark.decoded > start.decoded).unwrap_or(start)
    }

    /// The line or lines of [`Layer::text`] around the segments that `span` touches: what an allowlist with
    /// `regexTarget = "line"` looks at. In strict mode it starts with the line break before, as in gitleaks.
    #[must_use]
    pub fn line_around(&self, span: Span) -> &[u8] {
        let (from, to) = match self.touching(span) {
            [] => (span.start, span.end),
            [first, .., last] | [first @ last] if self.strict => (first.decoded.start, last.decoded.end),
            [first, .., last] | [first @ last] => (span.start.min(first.decoded.start), span.end.max(last.decoded.end)),
        };
        // gitleaks looks at the first decoded character too.
        let before = &self.text[..if self.strict { self.text.len().min(from + 1) } else { from }];
        let start = match memchr::memrchr(b'\n', before) {
            Some(at) if self.strict => at,
            Some(at) => at + 1,
            None => 0,
        };
        let end = memchr::memchr(b'\n', &self.text[to..]).map_or(self.text.len(), |at| to + at);
        &self.text[start..end]
    }
}

/// Places only: the text may hold secrets.
impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer")
            .field("len", &self.text.len())
            .field("window", &self.window)
            .field("segments", &self.segments)
            .finish_non_exhaustive()
    }
}

/// The part of `content` that `span` of the last layer's text came from. Each layer's parent is the text of
/// the one before; the first one's is `content`.
#[must_use]
pub fn original_span(content: &[u8], layers: &[Layer], span: Span) -> Span {
    let mut span = span;
    for (depth, layer) in layers.iter().enumerate().rev() {
        let parent = if depth == 0 { content } else { layers[depth - 1].text() };
        span = layer.parent_span(parent, span);
    }
    span
}

/// The encodings that `span` of the last layer's text was in, outermost first.
#[must_use]
pub fn encodings(content: &[u8], layers: &[Layer], span: Span) -> Vec<Encoding> {
    let mut found = Vec::new();
    let mut span = span;
    for (depth, layer) in layers.iter().enumerate().rev() {
        let mut here: Vec<Encoding> = layer.touching(span).iter().map(|segment| segment.encoding).collect();
        here.sort_unstable();
        here.dedup();
        here.reverse();
        found.extend(here);
        let parent = if depth == 0 { content } else { layers[depth - 1].text() };
        span = layer.parent_span(parent, span);
    }
    found.reverse();
    found
}

impl Segment {
    /// Appends the marks of a segment of `parent`; `decoded` is its place in a layer's text.
    fn mark(&self, parent: &[u8], marks: &mut Vec<Mark>) {
        let encoded = &parent[self.encoded.range()];
        match self.form {
            _ if self.decoded.len() <= MARK_DISTANCE => {}
            Form::Whole | Form::Bytes { .. } | Form::Base64 { .. } => {}
            Form::Unicode => self.mark_characters(unicode::characters(encoded), marks),
            Form::Utf16 { big_endian } => self.mark_characters(utf16::characters(encoded, big_endian), marks),
        }
    }

    fn mark_characters(&self, characters: impl Iterator<Item = (usize, char)>, marks: &mut Vec<Mark>) {
        let mut decoded = self.decoded.start;
        for (count, (end, character)) in (1..).zip(characters) {
            decoded += character.len_utf8();
            if count % MARK_DISTANCE == 0 && decoded < self.decoded.end {
                marks.push(Mark { decoded, encoded: self.encoded.start + end });
            }
        }
    }
}

impl Form {
    /// Offset in the encoded form of the first byte that the decoded byte at `at` came from.
    fn first(self, encoded: &[u8], at: usize) -> usize {
        match self {
            Self::Whole => 0,
            Self::Bytes { width } => at * width,
            Self::Base64 { width, gap } => {
                let character = at * 4 / 3;
                character + character / width * gap
            }
            Self::Unicode => character_around(unicode::characters(encoded), at, encoded.len()).0,
            Self::Utf16 { big_endian } => character_around(utf16::characters(encoded, big_endian), at, encoded.len()).0,
        }
    }

    /// Offset in the encoded form behind the last byte that the decoded byte at `at` came from.
    fn last(self, encoded: &[u8], at: usize) -> usize {
        match self {
            Self::Whole => encoded.len(),
            Self::Bytes { width } => (at + 1) * width,
            Self::Base64 { width, gap } => {
                let character = at * 4 / 3 + 1;
                character + character / width * gap + 1
            }
            Self::Unicode => character_around(unicode::characters(encoded), at, encoded.len()).1,
            Self::Utf16 { big_endian } => character_around(utf16::characters(encoded, big_endian), at, encoded.len()).1,
        }
    }
}

/// Start and end of the encoded form of the character that the byte at `at` of all characters' UTF-8 is in.
fn character_around(characters: impl Iterator<Item = (usize, char)>, at: usize, len: usize) -> (usize, usize) {
    let mut decoded = 0;
    let mut start = 0;
    for (end, character) in characters {
        decoded += character.len_utf8();
        if at < decoded {
            return (start, end);
        }
        start = end;
    }
    (start, len)
}
