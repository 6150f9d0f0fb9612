//! UTF-16 text in bytes, at even or odd offsets, little or big endian, with or without byte order mark.
//!
//! Text that rules can match is mostly Latin, and every second byte of Latin text in UTF-16 is zero. So a
//! segment is built on a chain of NULs two bytes apart with text between them, in which a few other
//! characters may stand ([`MAX_GAP`]). The byte order follows from which side of the NULs the text is on; a
//! byte order mark in front decides where both would do.

use super::text::{MIN_UTF16_UNITS, is_latin, is_plausible};
use super::{Encoding, Form, Segments, blocks};
use crate::position::Span;

/// How many characters that are not Latin may stand between two that are. (Fewer than
/// [`MIN_UTF16_UNITS`]: so no segment can hide in another one's gap.)
const MAX_GAP: usize = 6;

/// Farthest distance of two NULs of a chain.
const MAX_STEP: usize = 2 + 2 * MAX_GAP;

/// NULs of a chain that follow each other without a gap, somewhere in it: what a search looks for.
const MIN_CORE: usize = 4;

/// NULs of one chain.
#[derive(Debug, Clone, Copy)]
struct Chain {
    first: usize,
    last: usize,
}

/// Adds the UTF-16 text that touches `range` (and maybe some more).
pub(super) fn find(text: &[u8], range: Span, out: &mut Segments) {
    let mut found = Vec::new();
    collect(text, range, &mut found);
    if found.is_empty() {
        return;
    }
    // Texts that overlap (only their ends can) exclude each other, so those are needed too.
    let wide =
        found.iter().fold(range, |hull, text| Span::new(hull.start.min(text.span.start), hull.end.max(text.span.end)));
    found.clear();
    collect(text, wide, &mut found);
    // The farthest end of the texts up to each: where the search back for those that overlap can stop.
    let mut ends: Vec<usize> = found.iter().map(|text| text.span.end).collect();
    for index in 1..ends.len() {
        ends[index] = ends[index].max(ends[index - 1]);
    }
    for (index, one) in found.iter().enumerate() {
        let before = (0..index).rev().take_while(|other| ends[*other] > one.span.start);
        let behind = (index + 1..found.len()).take_while(|other| found[*other].span.start < one.span.end);
        let is_beaten = before.chain(behind).any(|other_index| {
            let other = found[other_index];
            let overlaps = one.span.start < other.span.end && other.span.start < one.span.end;
            overlaps && (other.span.len(), index) > (one.span.len(), other_index)
        });
        if is_beaten {
            continue;
        }
        let start = out.bytes.len();
        for (_, character) in characters(&text[one.span.range()], one.big_endian) {
            out.bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        out.push(one.span, start, Encoding::Utf16, Form::Utf16 { big_endian: one.big_endian });
    }
}

/// UTF-16 text that was found.
#[derive(Debug, Clone, Copy)]
struct Found {
    span: Span,
    big_endian: bool,
}

/// The text on chains that touch `range`, sorted.
fn collect(text: &[u8], range: Span, found: &mut Vec<Found>) {
    // Ends of the chains last seen, for NULs at even and at odd offsets.
    let mut known = [None::<usize>; 2];
    let mut visit = |nul: usize, found: &mut Vec<Found>| {
        if known[nul % 2].is_some_and(|end| nul <= end) {
            return;
        }
        let chain = Chain::around(text, nul);
        known[nul % 2] = Some(chain.last);
        found.extend(chain.read(text));
    };
    // At the ends of the range, every NUL may belong to a chain whose core lies outside.
    let start = range.start.saturating_sub(MAX_STEP);
    let end = text.len().min(range.end + MAX_STEP);
    let inner = Span::new(end.min(range.start + MAX_STEP), range.end.saturating_sub(MAX_STEP).max(start));
    let mut visit_all = |from: usize, to: usize, found: &mut Vec<Found>| {
        (from..to).filter(|at| text[*at] == 0).for_each(|nul| visit(nul, found));
    };
    visit_all(start, inner.start, found);
    each_core(text, inner.start, inner.end, |nul| {
        if is_core(text, nul) {
            visit_all(nul, nul + 1, found);
        }
    });
    visit_all(inner.end.max(inner.start), end, found);
    found.sort_unstable_by_key(|text| text.span);
}

/// Calls `visit` with each NUL of `from..end` that a core may begin with: with three more, every second byte.
fn each_core(text: &[u8], from: usize, end: usize, mut visit: impl FnMut(usize)) {
    let mut at = from;
    while let Some(gap) = text.get(at..end).and_then(|rest| memchr::memchr(0, rest)) {
        at += gap;
        let mut nuls = nuls_at(text, at);
        // Block by block while there are NULs: machine code and padding are full of them.
        while nuls != 0 && at < end {
            let next = nuls_at(text, at + blocks::LEN);
            let ahead = |by: usize| nuls >> by | next << (blocks::LEN - by);
            let mut cores = (1..MIN_CORE).fold(nuls, |cores, step| cores & ahead(2 * step) & !ahead(2 * step - 1));
            while cores != 0 {
                let core = at + cores.trailing_zeros() as usize;
                if core >= end {
                    return;
                }
                visit(core);
                cores &= cores - 1;
            }
            (at, nuls) = (at + blocks::LEN, next);
        }
    }
}

fn nuls_at(text: &[u8], at: usize) -> u64 {
    blocks::mask(text, at, |byte| byte == 0)
}

/// Whether the NUL at `nul` and the next ones follow each other with text between.
fn is_core(text: &[u8], nul: usize) -> bool {
    text.get(nul..nul + 2 * MIN_CORE - 1).is_some_and(|core| {
        core.iter().enumerate().all(|(index, byte)| if index % 2 == 0 { *byte == 0 } else { is_latin(*byte) })
    })
}

impl Chain {
    /// The whole chain that the NUL at `nul` belongs to.
    fn around(text: &[u8], nul: usize) -> Self {
        let mut chain = Self { first: nul, last: nul };
        while let Some(before) =
            (2..=MAX_STEP).step_by(2).filter_map(|step| chain.first.checked_sub(step)).find(|before| text[*before] == 0)
            && is_link(text, before, chain.first)
        {
            chain.first = before;
        }
        while let Some(behind) = (2..=MAX_STEP)
            .step_by(2)
            .map(|step| chain.last + step)
            .find(|behind| text.get(*behind).is_none_or(|byte| *byte == 0))
            && behind < text.len()
            && is_link(text, chain.last, behind)
        {
            chain.last = behind;
        }
        chain
    }

    /// The text on the chain, if it is long enough.
    fn read(self, text: &[u8]) -> Option<Found> {
        let Self { first, last } = self;
        let nuls = || (first..=last).step_by(2).filter(|at| text[*at] == 0);
        if (last - first) / 2 + 2 < MIN_UTF16_UNITS || !nuls().any(|nul| is_core(text, nul)) {
            return None;
        }
        let is_text_at = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(|byte| is_latin(*byte));
        let little = nuls().filter(|nul| is_text_at(nul.checked_sub(1))).count();
        let big = nuls().filter(|nul| is_text_at(nul.checked_add(1))).count();
        let big_endian = if text[..first].ends_with(&[0xfe, 0xff]) {
            true
        } else if text[..first.saturating_sub(1)].ends_with(&[0xff, 0xfe]) {
            false
        } else {
            big > little
        };
        if if big_endian { big } else { little } < MIN_UTF16_UNITS {
            return None;
        }
        let span = match (big_endian, is_text_at(first.checked_sub(1)), is_text_at(last.checked_add(1))) {
            (true, _, true) => Span::new(first, last + 2),
            (true, _, false) => Span::new(first, last),
            (false, true, _) => Span::new(first - 1, last + 1),
            (false, false, _) => Span::new(first + 1, last + 1),
        };
        Some(Found { span, big_endian })
    }
}

/// Whether the text between two NULs is UTF-16 in one of the byte orders: a gap, if there is one, lies between
/// two Latin characters.
fn is_link(text: &[u8], nul: usize, next: usize) -> bool {
    let between = &text[nul + 1..next];
    let (little, last) = between.split_at(between.len() - 1);
    let (first, big) = between.split_at(1);
    let all = |bytes: &[u8], order: fn([u8; 2]) -> u16| {
        bytes.as_chunks::<2>().0.iter().all(|unit| is_plausible(order(*unit)))
    };
    let is_text_at = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(|byte| is_latin(*byte));
    let is_little =
        is_latin(last[0]) && (little.is_empty() || is_text_at(nul.checked_sub(1)) && all(little, u16::from_le_bytes));
    let is_big =
        is_latin(first[0]) && (big.is_empty() || is_text_at(next.checked_add(1)) && all(big, u16::from_be_bytes));
    is_little || is_big
}

/// The characters, each with the offset where it ends. Halves of surrogate pairs are U+FFFD.
pub(super) fn characters(encoded: &[u8], big_endian: bool) -> impl Iterator<Item = (usize, char)> + '_ {
    let units = encoded
        .as_chunks::<2>()
        .0
        .iter()
        .map(move |unit| if big_endian { u16::from_be_bytes(*unit) } else { u16::from_le_bytes(*unit) });
    let mut end = 0;
    char::decode_utf16(units).map(move |character| {
        let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
        // A half that became U+FFFD is one unit, as U+FFFD is.
        end += 2 * character.len_utf16();
        (end, character)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_core_is_visited(
            text in proptest::collection::vec(prop_oneof![Just(0_u8), Just(b'a'), any::<u8>()], 0..300),
            from in 0_usize..300,
            end in 0_usize..300,
        ) {
            let end = end.min(text.len());
            let mut cores = Vec::new();
            each_core(&text, from, end, |nul| cores.extend(is_core(&text, nul).then_some(nul)));
            let expected: Vec<usize> = (from..end).filter(|nul| is_core(&text, *nul)).collect();
            prop_assert_eq!(cores, expected);
        }
    }
}
