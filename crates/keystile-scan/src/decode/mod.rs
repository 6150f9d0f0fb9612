//! Decoders: text inside of text.
//!
//! [`find`] looks for encoded text in bytes; [`Layer`] is a text with the encoded segments replaced by
//! what they decode to, and leads positions back. Decoded text may hold encoded text again: the next
//! layer is made from the text of the one before, looking around what that one decoded
//! ([`Layer::decoded_spans`]) and nowhere else.
//!
//! ```
//! use keystile_scan::Span;
//! use keystile_scan::decode::{self, Layer, Options, Segments};
//!
//! let content = b"data: aGVsbG8sIHdvcmxkIG9mIHN0aWxlcw==";
//! let whole = Span::new(0, content.len());
//! let mut segments = Segments::default();
//! decode::find(content, &[whole], Options::default(), &mut segments);
//! let layer = Layer::new(content, whole, &segments);
//! assert_eq!(layer.text(), b"data: hello, world of stiles");
//! assert_eq!(decode::original_span(content, &[layer], Span::new(6, 11)), Span::new(6, 13));
//! ```
//!
//! # What a segment depends on
//!
//! A segment is defined by the bytes around it only: by the maximal run of its alphabet (for wrapped
//! base64: the block of lines), and the escapes that touch the run. So the segments that touch a range
//! can be found without looking at the rest, and text derived by a delta needs a search around the
//! inserts alone. With `all` for the segments of the whole text, [`find`] for some ranges gives exactly
//! the segments of `all` that overlap or touch one of them.
//!
//! # Strict mode
//!
//! [`Options::strict`] finds what gitleaks 8.30 finds, with its positions (a match inside of a segment
//! lies where the whole segment lies). The default mode finds more and maps exactly; the differences are
//! listed in `docs/gitleaks-compatibility.md`.

pub(crate) mod barrier;
mod base64;
mod blocks;
mod hex;
mod layer;
mod percent;
mod runs;
mod strict;
mod text;
mod unicode;
mod utf16;

pub use layer::{Layer, encodings, original_span};

use std::fmt;

use zeroize::Zeroizing;

use crate::position::Span;

/// How text is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Whether to find exactly what gitleaks 8.30 finds, with its positions.
    pub strict: bool,
}

/// A way to write text with other bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoding {
    /// `%XX` (RFC 3986, section 2.1).
    Percent,
    /// `\uXXXX` and `U+XXXX`.
    Unicode,
    /// Two hexadecimal digits a byte.
    Hex,
    /// RFC 4648, sections 4 and 5, padded or not.
    Base64,
    /// UTF-16, little or big endian.
    Utf16,
}

impl Encoding {
    /// Whether it stands for single characters, in the middle of other text.
    const fn is_escape(self) -> bool {
        matches!(self, Self::Percent | Self::Unicode)
    }

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Percent => "percent",
            Self::Unicode => "unicode",
            Self::Hex => "hex",
            Self::Base64 => "base64",
            Self::Utf16 => "utf-16",
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How positions in a decoded segment lead back to its encoded form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Any part of it came from the whole of it (strict mode).
    Whole,
    /// Base64 in lines of `width` characters, `gap` bytes between two of them. One line: `usize::MAX`, 0.
    Base64 {
        /// Characters in a line.
        width: usize,
        /// Bytes from the end of a line to the start of the next one.
        gap: usize,
    },
    /// So many bytes for each decoded byte.
    Bytes {
        /// Bytes.
        width: usize,
    },
    /// [`unicode::characters`].
    Unicode,
    /// [`utf16::characters`].
    Utf16 {
        /// Byte order.
        big_endian: bool,
    },
}

/// Encoded text that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    /// Where it lies in the text that was searched.
    encoded: Span,
    /// Where its decoded form lies: in [`Segments::bytes`], or in a layer's text.
    decoded: Span,
    encoding: Encoding,
    form: Form,
}

/// Segments that [`find`] found, by position and not overlapping. Made to be used again and again: the
/// buffers stay, and are wiped at the end.
#[derive(Clone, Default)]
pub struct Segments {
    list: Vec<Segment>,
    bytes: Zeroizing<Vec<u8>>,
    strict: bool,
}

impl Segments {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Each segment's place in the text searched, its encoding, and what it decodes to.
    pub fn iter(&self) -> impl Iterator<Item = (Span, Encoding, &[u8])> + '_ {
        self.list.iter().map(|segment| (segment.encoded, segment.encoding, &self.bytes[segment.decoded.range()]))
    }

    /// Drops the segments that neither overlap nor touch one of `spans` (sorted, not overlapping).
    pub(crate) fn retain_touching(&mut self, spans: &[Span]) {
        self.list.retain(|segment| {
            let near = spans.partition_point(|span| span.end < segment.encoded.start);
            spans.get(near).is_some_and(|span| touches(segment.encoded, *span))
        });
    }

    fn clear(&mut self, strict: bool) {
        self.list.clear();
        self.bytes.clear();
        self.strict = strict;
    }

    /// Adds the segment that decodes to what was put into `bytes` from offset `start` on.
    fn push(&mut self, encoded: Span, start: usize, encoding: Encoding, form: Form) {
        let form = if self.strict { Form::Whole } else { form };
        self.list.push(Segment { encoded, decoded: Span::new(start, self.bytes.len()), encoding, form });
    }
}

/// Places only: what was decoded may be a secret.
impl fmt::Debug for Segments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.list).finish()
    }
}

/// Finds the segments of `text` that overlap or touch one of `ranges` (sorted, not overlapping), and puts
/// them into `out` instead of what was there.
///
/// # Panics
///
/// If a range lies outside of `text`.
pub fn find(text: &[u8], ranges: &[Span], options: Options, out: &mut Segments) {
    out.clear(options.strict);
    let mut next = 0;
    while next < ranges.len() {
        let first = next;
        let (range, behind) = runs::unite_in_runs(text, ranges, first);
        next = behind;
        let found = out.list.len();
        if options.strict {
            strict::find(text, range, out);
        } else {
            find_around(text, range, out);
            resolve(out, found);
        }
        let asked = &ranges[first..behind];
        retain_from(&mut out.list, found, |segment| {
            let near = asked.partition_point(|range| range.end < segment.encoded.start);
            asked.get(near).is_some_and(|range| touches(segment.encoded, *range))
        });
    }
    // What touches two ranges was found twice.
    out.list.sort_unstable_by_key(|segment| segment.encoded);
    out.list.dedup_by_key(|segment| segment.encoded);
}

/// Adds all that decodes around `range`: what touches it, and what stands in the way of that.
fn find_around(text: &[u8], range: Span, out: &mut Segments) {
    let found = out.list.len();
    runs::find(text, range, out);
    let reach = hull(range, &out.list[found..]);
    percent::find(text, reach, out);
    unicode::find(text, reach, out);
    utf16::find(text, hull(reach, &out.list[found..]), out);
}

/// Drops segments that are in the way of others: nothing else is looked for inside of UTF-16, and base64 and
/// hexadecimal digits that escapes belong to (`…c2Vj%3D`) wait for the next layer.
fn resolve(out: &mut Segments, from: usize) {
    let Segments { list, bytes, .. } = out;
    let stronger = |least: Encoding| {
        let mut list: Vec<Segment> = list[from..].iter().filter(|segment| segment.encoding >= least).copied().collect();
        list.sort_unstable_by_key(|segment| segment.encoded);
        list
    };
    let utf16 = stronger(Encoding::Utf16);
    let escapes: Vec<Segment> = {
        let mut list: Vec<Segment> =
            list[from..].iter().filter(|segment| segment.encoding.is_escape()).copied().collect();
        list.sort_unstable_by_key(|segment| segment.encoded);
        list.retain(|segment| !overlaps_any(segment.encoded, &utf16));
        list
    };
    let continues = |byte: &u8| runs::in_alphabet(*byte) || *byte == b'=';
    retain_from(list, from, |segment| match segment.encoding {
        Encoding::Utf16 => true,
        Encoding::Percent | Encoding::Unicode => !overlaps_any(segment.encoded, &utf16),
        Encoding::Base64 | Encoding::Hex => {
            let span = segment.encoded;
            !overlaps_any(span, &utf16)
                && !touching(span, &escapes).iter().any(|escape| {
                    let decoded = &bytes[escape.decoded.range()];
                    if escape.encoded.end == span.start {
                        decoded.last().is_some_and(continues)
                    } else if escape.encoded.start == span.end {
                        decoded.first().is_some_and(continues)
                    } else {
                        true
                    }
                })
        }
    });
}

fn hull(range: Span, segments: &[Segment]) -> Span {
    segments.iter().fold(range, |hull, segment| {
        Span::new(hull.start.min(segment.encoded.start), hull.end.max(segment.encoded.end))
    })
}

const fn touches(a: Span, b: Span) -> bool {
    a.start <= b.end && b.start <= a.end
}

/// Those of `segments`, which are sorted and do not overlap, that overlap or touch `span`.
fn touching(span: Span, segments: &[Segment]) -> &[Segment] {
    let first = segments.partition_point(|segment| segment.encoded.end < span.start);
    let len = segments[first..].partition_point(|segment| segment.encoded.start <= span.end);
    &segments[first..first + len]
}

fn overlaps_any(span: Span, segments: &[Segment]) -> bool {
    touching(span, segments).iter().any(|segment| segment.encoded.start < span.end && span.start < segment.encoded.end)
}

/// [`Vec::retain`] for what stands from index `from` on.
fn retain_from<T: Copy>(list: &mut Vec<T>, from: usize, mut keep: impl FnMut(&T) -> bool) {
    let mut kept = from;
    for index in from..list.len() {
        let item = list[index];
        if keep(&item) {
            list[kept] = item;
            kept += 1;
        }
    }
    list.truncate(kept);
}

#[cfg(test)]
mod tests;
