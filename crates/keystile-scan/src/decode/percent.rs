//! Percent-encoding (RFC 3986, section 2.1).

use super::hex::byte_at;
use super::text::Utf8Check;
use super::{Encoding, Form, Segments};
use crate::position::Span;

/// Length of an escape.
const ESCAPE: usize = 3;

/// The byte that an escape at `at` stands for.
pub(super) fn escape_at(text: &[u8], at: usize) -> Option<u8> {
    if text.get(at) == Some(&b'%') { byte_at(text, at + 1) } else { None }
}

/// Adds the escapes that touch `range` (and a few more): a segment is a sequence of escapes that decode to
/// text; others stay as they are.
pub(super) fn find(text: &[u8], range: Span, out: &mut Segments) {
    let mut at = range.start.saturating_sub(ESCAPE);
    while at < range.start && escape_at(text, at).is_none() {
        at += 1;
    }
    while let Some(before) = at.checked_sub(ESCAPE).filter(|before| escape_at(text, *before).is_some()) {
        at = before;
    }
    let limit = text.len().min(range.end + 1);
    while at < limit
        && let Some(found) = memchr::memchr(b'%', &text[at..limit])
    {
        let start = at + found;
        at = decode_run(text, start, out).max(start + 1);
    }
}

/// Adds the segments of a sequence of escapes; returns where it ends.
fn decode_run(text: &[u8], start: usize, out: &mut Segments) -> usize {
    let mut at = start;
    let mut segment = Span::new(start, start);
    let mut bytes = out.bytes.len();
    while let Some((length, character)) = character_at(text, at) {
        if let Some(character) = character {
            out.bytes.extend_from_slice(&character[..length]);
            segment.end = at + length * ESCAPE;
        } else {
            push(segment, bytes, out);
            segment = Span::new(at + ESCAPE, at + ESCAPE);
            bytes = out.bytes.len();
        }
        at += length * ESCAPE;
    }
    push(segment, bytes, out);
    at
}

fn push(segment: Span, bytes: usize, out: &mut Segments) {
    if !segment.is_empty() {
        out.push(segment, bytes, Encoding::Percent, Form::Bytes { width: ESCAPE });
    }
}

/// The escape, or the escapes of one UTF-8 character, at `at`: how many, and their bytes unless they are no
/// text.
fn character_at(text: &[u8], at: usize) -> Option<(usize, Option<[u8; 4]>)> {
    let mut character = [0; 4];
    let mut check = Utf8Check::default();
    for length in 1..=4 {
        let byte = escape_at(text, at + (length - 1) * ESCAPE);
        match byte {
            Some(byte) if check.push(byte) => character[length - 1] = byte,
            Some(_) => return Some((1, None)),
            None if length == 1 => return None,
            None => return Some((1, None)),
        }
        if check.is_complete() {
            return Some((length, Some(character)));
        }
    }
    Some((1, None))
}
