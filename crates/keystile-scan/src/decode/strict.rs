//! What gitleaks 8.30 finds in one pass (its `detect/codec`): from left to right, at each place the first of
//! percent, unicode, hexadecimal and base64 that fits, each as long as it goes; of two that touch, the later
//! kind is left for the next pass, whether the earlier kind decodes or not.

use super::hex::{MIN_DIGITS, byte_at, digit};
use super::percent::escape_at;
use super::runs::next_run;
use super::text::is_ascii_text;
use super::unicode::is_white_space;
use super::{Encoding, Form, Segments, base64, hex};
use crate::position::Span;

/// Something that looks encoded.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    span: Span,
    encoding: Encoding,
}

/// Adds the segments that touch `range` (and a few more).
pub(super) fn find(text: &[u8], range: Span, out: &mut Segments) {
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut at = search_start(text, range.start);
    let mut percents = Next::default();
    let mut unicodes = Next::default();
    let mut runs = Next::default();
    // One more than asked for: it decides about the one before.
    while candidates.last().is_none_or(|last| last.span.start <= range.end) {
        let next = [
            percents.from(at, |at| percent_from(text, at)),
            unicodes.from(at, |at| unicode_from(text, at)),
            runs.from(at, |at| run_from(text, at)),
        ];
        let Some(next) = next.into_iter().flatten().min_by_key(|next| (next.span.start, next.encoding)) else { break };
        at = next.span.end;
        candidates.push(next);
    }
    for (index, candidate) in candidates.iter().enumerate() {
        let gives_way = |other: Option<&Candidate>| {
            other.is_some_and(|other| {
                other.encoding < candidate.encoding
                    && other.span.start <= candidate.span.end
                    && candidate.span.start <= other.span.end
            })
        };
        let before = index.checked_sub(1).and_then(|before| candidates.get(before));
        if !gives_way(before) && !gives_way(candidates.get(index + 1)) {
            decode(text, *candidate, out);
        }
    }
}

/// The next candidate of one kind; asked for again only when the search has gone past it.
#[derive(Debug, Default)]
struct Next {
    known: Option<Option<Candidate>>,
}

impl Next {
    fn from(&mut self, at: usize, search: impl FnOnce(usize) -> Option<Candidate>) -> Option<Candidate> {
        match self.known {
            Some(None) => None,
            Some(Some(candidate)) if candidate.span.start >= at => Some(candidate),
            _ => *self.known.insert(search(at)),
        }
    }
}

/// The start of the line, since nothing but `U+XXXX` reaches over a line's end; of an earlier one if that does.
fn search_start(text: &[u8], at: usize) -> usize {
    let mut start = at;
    loop {
        start = memchr::memrchr(b'\n', &text[..start]).map_or(0, |line_break| line_break + 1);
        let reaches_over = start >= 7 && code_point_at(text, start - 7) == Some(start);
        if !reaches_over {
            return start;
        }
        start -= 1;
    }
}

/// From the first escape in a line to the last one.
fn percent_from(text: &[u8], from: usize) -> Option<Candidate> {
    let start =
        memchr::memchr_iter(b'%', &text[from..]).map(|at| from + at).find(|at| escape_at(text, *at).is_some())?;
    let line_end = memchr::memchr(b'\n', &text[start..]).map_or(text.len(), |length| start + length);
    let last = memchr::memrchr_iter(b'%', &text[start..line_end])
        .map(|at| start + at)
        .find(|at| escape_at(text, *at).is_some())
        .unwrap_or(start);
    Some(Candidate { span: Span::new(start, last + 3), encoding: Encoding::Percent })
}

/// A sequence of `U+XXXX`, white space included, or of `\uXXXX`.
fn unicode_from(text: &[u8], from: usize) -> Option<Candidate> {
    let mut at = from;
    loop {
        at += memchr::memchr2(b'\\', b'U', &text[at..])?;
        let next = if text[at] == b'U' { code_point_at } else { unit_at };
        let mut end = at;
        while let Some(behind) = next(text, end) {
            end = behind;
        }
        if end > at {
            return Some(Candidate { span: Span::new(at, end), encoding: Encoding::Unicode });
        }
        at += 1;
    }
}

/// Where `U+XXXX` and the one white space (or the end) behind it end.
fn code_point_at(text: &[u8], at: usize) -> Option<usize> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"U+")?;
    let end = at + 6;
    let space = match text.get(end) {
        Some(byte) if is_white_space(*byte) => 1,
        Some(_) => return None,
        None => 0,
    };
    digits.iter().all(|byte| digit(*byte).is_some()).then_some(end + space)
}

/// Where `\uXXXX` or `\\uXXXX` ends.
fn unit_at(text: &[u8], at: usize) -> Option<usize> {
    let backslashes = text.get(at..)?.iter().take(2).take_while(|byte| **byte == b'\\').count();
    let end = at + backslashes + 5;
    let escape = text.get(at + backslashes..end)?;
    let is_escape = backslashes > 0
        && escape[0].eq_ignore_ascii_case(&b'u')
        && escape[1..].iter().all(|byte| digit(*byte).is_some());
    is_escape.then_some(end)
}

/// Enough hexadecimal digits, or characters of base64. A run may have been cut at `from`.
fn run_from(text: &[u8], from: usize) -> Option<Candidate> {
    let run = next_run(text, from)?;
    let count = |at: usize| text[at..run.end].iter().take_while(|byte| digit(**byte).is_some()).count();
    let digits = count(run.start);
    if digits >= MIN_DIGITS {
        return Some(Candidate { span: Span::new(run.start, run.start + digits), encoding: Encoding::Hex });
    }
    let padding = text[run.end..].iter().take(2).take_while(|byte| **byte == b'=').count();
    Some(Candidate { span: Span::new(run.start, run.end + padding), encoding: Encoding::Base64 })
}

fn decode(text: &[u8], candidate: Candidate, out: &mut Segments) {
    let span = candidate.span;
    match candidate.encoding {
        Encoding::Percent => decode_percent(text, span, out),
        Encoding::Unicode => decode_unicode(text, span, out),
        Encoding::Hex if text[span.range()].iter().any(u8::is_ascii_digit) => {
            hex::decode(text, span, out);
        }
        Encoding::Hex | Encoding::Utf16 => {}
        Encoding::Base64 => {
            let padding = text[span.range()].iter().rev().take_while(|byte| **byte == b'=').count();
            base64::decode_strict(text, Span::new(span.start, span.end - padding), out);
        }
    }
}

/// Everything between the escapes stays; one escape that is no text spoils it all.
fn decode_percent(text: &[u8], span: Span, out: &mut Segments) {
    let start = out.bytes.len();
    let mut at = span.start;
    while at < span.end {
        match escape_at(&text[..span.end], at) {
            Some(byte) if is_ascii_text(byte) => {
                out.bytes.push(byte);
                at += 3;
            }
            Some(_) => {
                out.bytes.truncate(start);
                return;
            }
            None => {
                out.bytes.push(text[at]);
                at += 1;
            }
        }
    }
    out.push(span, start, Encoding::Percent, Form::Whole);
}

/// Whatever the code points are; surrogates, even in pairs, are U+FFFD.
fn decode_unicode(text: &[u8], span: Span, out: &mut Segments) {
    let start = out.bytes.len();
    let text = &text[..span.end];
    let mut at = span.start;
    while let Some(end) = code_point_at(text, at).or_else(|| unit_at(text, at)) {
        let digits = text[at..end].trim_ascii_end();
        let digits = &digits[digits.len() - 4..];
        let value = [byte_at(digits, 0), byte_at(digits, 2)]
            .into_iter()
            .flatten()
            .fold(0, |value, byte| value << 8 | u32::from(byte));
        let character = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
        out.bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        at = end;
    }
    out.push(span, start, Encoding::Unicode, Form::Whole);
}
