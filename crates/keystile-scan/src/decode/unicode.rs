//! Characters written as code points: `\uXXXX` (with one or two backslashes, as in JSON inside of a string),
//! `\UXXXXXXXX` (C, Go, Python), and `U+XXXX`.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::hex::digit;
use super::{Encoding, Form, Segments};
use crate::position::Span;

/// How a character is written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notation {
    /// `\uXXXX`: a UTF-16 unit.
    Unit,
    /// `\UXXXXXXXX`: a code point. Four digits, as gitleaks reads it, where eight are none.
    Long,
    /// `U+XXXX` to `U+XXXXXX`: a code point, white space or the end behind.
    Plus,
}

/// What each notation's escapes have in them.
static MARKERS: LazyLock<[(Notation, Finder<'static>); 3]> = LazyLock::new(|| {
    [(Notation::Unit, Finder::new(r"\u")), (Notation::Long, Finder::new(r"\U")), (Notation::Plus, Finder::new("U+"))]
});

/// Bytes of the shortest and the longest escape: `\uXXXX` and `\\UXXXXXXXX`.
const MIN_ESCAPE: usize = 6;
const MAX_ESCAPE: usize = 11;

/// One code point or UTF-16 unit, written out.
#[derive(Debug, Clone, Copy)]
struct Escape {
    /// Bytes it takes, white space between two of `U+XXXX` included.
    len: usize,
    value: u32,
}

/// Adds the escapes that touch `range` (and a few more): a segment is a sequence of escapes of one notation.
pub(super) fn find(text: &[u8], range: Span, out: &mut Segments) {
    // An escape that starts at the very end of the range has its marker one byte further, with two backslashes.
    let limit = text.len().min(range.end + 3);
    for (notation, marker) in MARKERS.iter() {
        let mut at = sequence_start(text, range.start, *notation);
        while at < limit
            && let Some(found) = marker.find(&text[at..limit])
        {
            let marker_at = at + found;
            let is_double = *notation != Notation::Plus && marker_at > at && text[marker_at - 1] == b'\\';
            let start = marker_at - usize::from(is_double);
            at = decode_sequence(text, start, *notation, out).max(marker_at + 2);
        }
    }
}

/// The start of the sequence of escapes that touches `at`, or `at`.
fn sequence_start(text: &[u8], at: usize, notation: Notation) -> usize {
    let touching = (at.saturating_sub(MAX_ESCAPE)..at)
        .find(|start| escape_at(text, *start, notation).is_some_and(|escape| start + escape.len >= at));
    // The second of two backslashes starts an escape too, and the marker is looked for from the first.
    let mut start = touching.unwrap_or(at);
    if touching.is_none() && notation != Notation::Plus && at > 0 && text[at - 1] == b'\\' {
        start -= 1;
    }
    while let Some(before) = (MIN_ESCAPE..=MAX_ESCAPE)
        .rev()
        .filter_map(|len| Some((start.checked_sub(len)?, len)))
        .find(|(before, len)| escape_at(text, *before, notation).is_some_and(|escape| escape.len == *len))
    {
        start = before.0;
    }
    start
}

/// Adds the sequence of escapes at `start`, if there is one; returns where it ends.
fn decode_sequence(text: &[u8], start: usize, notation: Notation, out: &mut Segments) -> usize {
    let mut end = start;
    while let Some(escape) = escape_at(text, end, notation) {
        end += escape.len;
    }
    if end > start {
        let bytes = out.bytes.len();
        for (_, character) in characters(&text[start..end]) {
            out.bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        out.push(Span::new(start, end), bytes, Encoding::Unicode, Form::Unicode);
    }
    end
}

/// The characters of a sequence of escapes, each with the offset where its escape ends. Halves of surrogate
/// pairs are U+FFFD.
pub(super) fn characters(sequence: &[u8]) -> impl Iterator<Item = (usize, char)> + '_ {
    let notation = match sequence {
        [b'U', ..] => Notation::Plus,
        [b'\\', b'U', ..] | [b'\\', b'\\', b'U', ..] => Notation::Long,
        _ => Notation::Unit,
    };
    let mut at = 0;
    std::iter::from_fn(move || {
        let escape = escape_at(sequence, at, notation)?;
        at += escape.len;
        let mut value = escape.value;
        if (0xd800..0xdc00).contains(&value)
            && let Some(low) = escape_at(sequence, at, notation)
            && (0xdc00..0xe000).contains(&low.value)
        {
            at += low.len;
            value = 0x1_0000 + ((value - 0xd800) << 10 | (low.value - 0xdc00));
        }
        Some((at, char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER)))
    })
}

fn escape_at(text: &[u8], at: usize, notation: Notation) -> Option<Escape> {
    if notation == Notation::Plus {
        let escape = code_point_at(text, at)?;
        let is_followed = text.get(at + escape.len).is_some_and(|byte| is_white_space(*byte))
            && code_point_at(text, at + escape.len + 1).is_some();
        return Some(Escape { len: escape.len + usize::from(is_followed), ..escape });
    }
    let rest = text.get(at..)?.strip_prefix(b"\\")?;
    let rest = rest.strip_prefix(b"\\").unwrap_or(rest);
    let marker = if notation == Notation::Long { b'U' } else { b'u' };
    let rest = rest.strip_prefix(&[marker])?;
    let digits_at = text.len() - rest.len();
    if notation == Notation::Long
        && let Some(value) = digits(text, digits_at, 8).filter(|value| *value <= 0x10_ffff)
    {
        return Some(Escape { len: digits_at + 8 - at, value });
    }
    digits(text, digits_at, 4).map(|value| Escape { len: digits_at + 4 - at, value })
}

/// `U+XXXX` with white space or the end behind, which is not counted.
fn code_point_at(text: &[u8], at: usize) -> Option<Escape> {
    let rest = text.get(at..)?.strip_prefix(b"U+")?;
    let count = rest.iter().take(7).take_while(|byte| digit(**byte).is_some()).count();
    let is_complete = rest.get(count).is_none_or(|byte| is_white_space(*byte));
    if !(4..=6).contains(&count) || !is_complete {
        return None;
    }
    digits(rest, 0, count).map(|value| Escape { len: 2 + count, value })
}

fn digits(text: &[u8], at: usize, count: usize) -> Option<u32> {
    text.get(at..at + count)?.iter().try_fold(0_u32, |value, byte| Some(value << 4 | u32::from(digit(*byte)?)))
}

/// Go's `\s`.
pub(super) const fn is_white_space(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | 0x0c | b'\r' | b' ')
}
