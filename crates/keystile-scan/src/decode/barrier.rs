//! Places in a text that nothing encoded goes across, and no decision about it either: what stands before one
//! says nothing about the segments behind it, and the other way round.
//!
//! A segment depends on more than itself: a line of wrapped base64 on the other lines of its block, base64 on the
//! escapes that touch it, a character on the escapes before it. All of that is made of a few kinds of bytes (base64's
//! alphabet, escapes, line breaks and indentation, NULs), so the next byte of another kind ends it. In most texts
//! that is a few bytes away.

use std::cell::OnceCell;

use super::runs::in_alphabet;
use crate::position::Span;

/// So many bytes on either side tell that a byte is a barrier.
pub(crate) const EVIDENCE: usize = 16;

/// Stretches without a barrier that are longer than this are remembered.
const LONG: usize = 128;

/// What a byte says about the encoded text around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Can be part of encoded text.
    Part,
    /// Ends a line of base64 unless it is its indentation, and can stand between two `U+XXXX`.
    Blank,
    /// No part of encoded text, except of UTF-16.
    Foreign,
}

const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Foreign; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b' ' | b'\t' => Kind::Blank,
            0 | b'\n' | b'\r' | 0x0c | b'%' | b'\\' | b'=' => Kind::Part,
            other if in_alphabet(other) => Kind::Part,
            _ => Kind::Foreign,
        };
        byte += 1;
    }
    kinds
};

/// Whether the byte at `at` is a barrier.
fn is_barrier(text: &[u8], at: usize) -> bool {
    let is_candidate = match KINDS[usize::from(text[at])] {
        Kind::Part => false,
        Kind::Foreign => true,
        // What follows must be known, since it may go on a sequence of `U+XXXX`.
        Kind::Blank => {
            let is_behind_text = at.checked_sub(1).is_some_and(|before| !matches!(text[before], b' ' | b'\t' | b'\n'));
            is_behind_text && text.get(at + 1..at + 3).is_some_and(|next| next != b"U+")
        }
    };
    // UTF-16 is a chain of NULs that are less than so far from each other.
    let around = &text[at.saturating_sub(EVIDENCE - 1)..text.len().min(at + EVIDENCE)];
    is_candidate && memchr::memchr(0, around).is_none()
}

/// The first barrier in `from..to` of `text`.
pub(crate) fn next(text: &[u8], from: usize, to: usize) -> Option<usize> {
    (from..to.min(text.len())).find(|at| is_barrier(text, *at))
}

/// The last barrier in `from..to` of `text`.
pub(crate) fn last(text: &[u8], from: usize, to: usize) -> Option<usize> {
    (from..to.min(text.len())).rev().find(|at| is_barrier(text, *at))
}

/// Makes `spans` (sorted, not overlapping) of `text` wider, up to the barriers around and what tells that they are
/// barriers. What is between two barriers is looked through once. The results are sorted, and may overlap.
pub(crate) fn widen(text: &[u8], spans: &[Span]) -> Vec<Span> {
    // From one barrier to the next, without evidence.
    let mut stretches: Vec<Span> = Vec::new();
    for &span in spans {
        let known = stretches.last().copied();
        if known.is_some_and(|known| span.end <= known.end) {
            continue;
        }
        let end = next(text, span.end, text.len()).unwrap_or(text.len());
        match stretches.last_mut() {
            Some(known) if span.start <= known.end => known.end = end,
            _ => {
                let nearest = known.map_or(0, |known| known.end);
                stretches.push(Span::new(last(text, nearest, span.start).unwrap_or(nearest), end));
            }
        }
    }
    stretches
        .into_iter()
        .map(|Span { start, end }| {
            Span::new(start.saturating_sub(EVIDENCE - 1), text.len().min(end.saturating_add(EVIDENCE)))
        })
        .collect()
}

/// The barriers around any part of one text. Long stretches without one are looked through once, however many
/// parts are asked for.
#[derive(Debug, Default)]
pub(crate) struct Barriers {
    /// From behind a barrier (or the text's start) to the next one (or its end), sorted.
    long: OnceCell<Vec<Span>>,
}

impl Barriers {
    /// `span` of `text` with what the segments that touch it depend on. `text` is the same at each call.
    pub(crate) fn around(&self, text: &[u8], span: Span) -> Span {
        let near = span.start.saturating_sub(LONG);
        let before = last(text, near, span.start).or_else(|| {
            if near == 0 {
                return None;
            }
            self.stretch(text, span.start).and_then(|stretch| stretch.start.checked_sub(1))
        });
        let near = text.len().min(span.end + LONG);
        let behind = next(text, span.end, near).or_else(|| {
            if near == text.len() {
                return None;
            }
            self.stretch(text, span.end).map(|stretch| stretch.end).filter(|end| *end < text.len())
        });
        Span::new(
            before.map_or(0, |at| at.saturating_sub(EVIDENCE - 1)),
            behind.map_or(text.len(), |at| text.len().min(at + EVIDENCE)),
        )
    }

    /// The long stretch that `at` lies in.
    fn stretch(&self, text: &[u8], at: usize) -> Option<Span> {
        let long = self.long.get_or_init(|| {
            let mut long = Vec::new();
            let mut start = 0;
            while start <= text.len() {
                let end = next(text, start, text.len()).unwrap_or(text.len());
                if end - start >= LONG {
                    long.push(Span::new(start, end));
                }
                start = end + 1;
            }
            long
        });
        let index = long.partition_point(|stretch| stretch.start <= at).checked_sub(1)?;
        (at <= long[index].end).then_some(long[index])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode::{self, Options, Segments};

    fn encoded() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            3 => "[A-Za-z0-9+/_-]{16,90}={0,3}".prop_map(String::into_bytes),
            3 => (40_usize..44, 1_usize..4, "\r?\n[ \t]{0,2}").prop_map(|(width, lines, gap)| {
                // Any multiple of four is a width.
                let line = &b"YWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJj"[..width / 4 * 4];
                vec![line; lines].join(gap.as_bytes())
            }),
            2 => "[ab\u{0}]{0,40}".prop_map(String::into_bytes),
            2 => "([ab \n]\u{0}){4,20}".prop_map(String::into_bytes),
            2 => r"(%[0-9A-F]{2}|\\{0,3}[uU][0-9a-f]{3,5}|U\+00[67][0-9a-f][ \n\t]?){1,4}".prop_map(String::into_bytes),
            4 => "[ ,;\t\r\n\u{c}\"=%]{1,3}".prop_map(String::into_bytes),
            1 => "[ ,x]{14,20}".prop_map(String::into_bytes),
            1 => prop::collection::vec(any::<u8>(), 0..6),
        ];
        prop::collection::vec(piece, 0..7).prop_map(|pieces| pieces.concat())
    }

    fn segments(text: &[u8]) -> Vec<(Span, Vec<u8>)> {
        let mut found = Segments::default();
        decode::find(text, &[Span::new(0, text.len())], Options::default(), &mut found);
        found.iter().map(|(span, encoding, bytes)| (span, [encoding.name().as_bytes(), bytes].concat())).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_stands_before_a_barrier_says_nothing_about_what_is_behind(
            before in encoded(), behind in encoded(), other in encoded(),
        ) {
            let text = [before.as_slice(), &behind].concat();
            let Some(barrier) = next(&text, before.len() + 1, text.len()) else { return Ok(()) };
            let shift = |text: &[u8], barrier: usize| -> Vec<(usize, usize, Vec<u8>)> {
                let all = segments(text).into_iter();
                all.filter(|(span, _)| span.end > barrier)
                    .map(|(span, bytes)| (span.start.wrapping_sub(barrier), span.end - barrier, bytes))
                    .collect()
            };
            let changed = [other.as_slice(), &behind].concat();
            let there = barrier - before.len() + other.len();
            // The barrier's own evidence may reach into what was changed.
            if barrier >= before.len() + EVIDENCE {
                prop_assert!(is_barrier(&changed, there));
            }
            prop_assert_eq!(shift(&text, barrier), shift(&changed, there));
        }

        #[test]
        fn what_stands_behind_a_barrier_says_nothing_about_what_is_before(
            before in encoded(), behind in encoded(), other in encoded(),
        ) {
            let text = [before.as_slice(), &behind].concat();
            let Some(barrier) = last(&before, 0, before.len()) else { return Ok(()) };
            let until = |text: &[u8]| -> Vec<(Span, Vec<u8>)> {
                segments(text).into_iter().filter(|(span, _)| span.start < barrier).collect()
            };
            let changed = [before.as_slice(), &other].concat();
            prop_assert_eq!(until(&text), until(&changed));
            prop_assert_eq!(until(&text), until(&before));
        }

        #[test]
        fn barriers_are_the_nearest(text in "[ab,\u{0}\n ]{0,12}a{0,200}[ab,\n ]{0,12}a{0,300}[ab,]{0,5}", a in 0_usize..500, b in 0_usize..500) {
            let text = text.as_bytes();
            let (start, end) = (a.min(b).min(text.len()), a.max(b).min(text.len()));
            let span = Span::new(start, end);
            let barriers = Barriers::default();
            let expected = Span::new(
                last(text, 0, start).map_or(0, |at| at.saturating_sub(EVIDENCE - 1)),
                next(text, end, text.len()).map_or(text.len(), |at| text.len().min(at + EVIDENCE)),
            );
            prop_assert_eq!(barriers.around(text, span), expected);
            prop_assert_eq!(barriers.around(text, span), expected);
            prop_assert_eq!(widen(text, &[span]), [expected]);
            let middle = start + (end - start) / 2;
            let halves = [Span::new(start, middle.min(start + 1)), Span::new(middle.max(end.saturating_sub(1)), end)];
            let wide = widen(text, &halves);
            for half in halves {
                let around = barriers.around(text, half);
                prop_assert!(wide.iter().any(|span| span.start <= around.start && around.end <= span.end));
            }
        }
    }
}
