//! Base64 (RFC 4648): standard and URL-safe alphabet, with and without padding, and hexadecimal digits,
//! which stand in the same runs of characters.

use super::runs::{Block, MIN_RUN, in_alphabet};
use super::text::{TextCheck, is_ascii_text};
use super::{Encoding, Form, Options, Segments, hex};
use crate::position::Span;

/// The value of each character, of both alphabets.
const VALUES: [u8; 256] = {
    let mut table = [0; 256];
    let mut value = 0;
    while value < 26 {
        table[b'A' as usize + value] = value as u8;
        table[b'a' as usize + value] = value as u8 + 26;
        value += 1;
    }
    value = 0;
    while value < 10 {
        table[b'0' as usize + value] = value as u8 + 52;
        value += 1;
    }
    table[b'+' as usize] = 62;
    table[b'-' as usize] = 62;
    table[b'/' as usize] = 63;
    table[b'_' as usize] = 63;
    table
};

/// How many separators are tried as the end of something else that is glued to the front.
const MAX_SUFFIXES: usize = 8;

/// Adds what decodes to text in the maximal run of alphabet characters at `run`: the whole run or, except
/// in strict mode, parts of it, since `/`, `-`, `_` and `+` also separate (a path, a name with a suffix).
pub(super) fn decode_run(text: &[u8], run: Span, options: Options, out: &mut Segments) {
    if hex::decode(text, run, options, out) || decode_part(text, run, out) {
        return;
    }
    // `\n` in front of it, in a string literal: the `n` is not part of it.
    if text[..run.start].ends_with(b"\\") && matches!(text[run.start], b'n' | b'r' | b't' | b'b' | b'f' | b'0') {
        let behind = Span::new(run.start + 1, run.end);
        if hex::decode(text, behind, options, out) || decode_part(text, behind, out) {
            return;
        }
    }
    if text[run.range()].starts_with(b"0x") && hex::decode(text, Span::new(run.start + 2, run.end), options, out) {
        return;
    }
    let separators = || run.range().filter(|at| matches!(text[*at], b'/' | b'-' | b'_' | b'+'));
    for separator in separators().take(MAX_SUFFIXES) {
        if decode_part(text, Span::new(separator + 1, run.end), out) {
            return;
        }
    }
    let mut start = run.start;
    for end in separators().chain([run.end]) {
        let part = Span::new(start, end);
        if part != run && !hex::decode(text, part, options, out) {
            decode_part(text, part, out);
        }
        start = end + 1;
    }
}

/// Decodes the lines of `block` as one, if they are text.
pub(super) fn decode_block(text: &[u8], block: &Block, out: &mut Segments) -> bool {
    let Block { span, width, gap } = *block;
    let start = out.bytes.len();
    let mut check = TextCheck::new(false);
    let lines = || (span.start..span.end).step_by(width + gap).map(|line| &text[line..span.end.min(line + width)]);
    let length: usize = lines().map(<[u8]>::len).sum();
    let mut alphabets = Alphabets::default();
    let is_text = length % 4 != 1
        && lines().all(|line| {
            alphabets.see(line);
            decode(line, &mut check, &mut out.bytes)
        })
        && check.finish()
        && !alphabets.are_mixed();
    if is_text {
        let end = span.end + padding(text, span.end, length);
        out.push(Span::new(span.start, end), start, Encoding::Base64, Form::Base64 { width, gap });
    } else {
        out.bytes.truncate(start);
    }
    is_text
}

/// What gitleaks decodes: the standard alphabet with its padding, the URL-safe one without; something in it
/// that is no letter.
pub(super) fn decode_strict(text: &[u8], run: Span, out: &mut Segments) {
    let characters = &text[run.range()];
    let equals = text[run.end..].iter().take(2).take_while(|byte| **byte == b'=').count();
    let is_standard =
        memchr::memchr2(b'-', b'_', characters).is_none() && (characters.len() + equals).is_multiple_of(4);
    let is_url_safe = memchr::memchr2(b'+', b'/', characters).is_none() && equals == 0 && characters.len() % 4 != 1;
    if !(is_standard || is_url_safe) || characters.iter().all(u8::is_ascii_alphabetic) {
        return;
    }
    let start = out.bytes.len();
    if decode(characters, &mut TextCheck::new(true), &mut out.bytes) {
        out.push(Span::new(run.start, run.end + equals), start, Encoding::Base64, Form::Whole);
    } else {
        out.bytes.truncate(start);
    }
}

/// Adds `part` if it is long enough and decodes to text.
fn decode_part(text: &[u8], part: Span, out: &mut Segments) -> bool {
    let characters = &text[part.range()];
    if characters.len() < MIN_RUN || characters.len() % 4 == 1 {
        return false;
    }
    let start = out.bytes.len();
    let mut check = TextCheck::new(false);
    let mut alphabets = Alphabets::default();
    let is_text = decode(characters, &mut check, &mut out.bytes) && check.finish() && {
        alphabets.see(characters);
        !alphabets.are_mixed()
    };
    if is_text {
        let end = part.end + padding(text, part.end, characters.len());
        let form = Form::Base64 { width: usize::MAX, gap: 0 };
        out.push(Span::new(part.start, end), start, Encoding::Base64, form);
    } else {
        out.bytes.truncate(start);
    }
    is_text
}

/// How many `=` at `at` belong to `length` characters before: as many as RFC 4648 wants, or none. (One too
/// few is an assignment.)
fn padding(text: &[u8], at: usize, length: usize) -> usize {
    let wanted = (4 - length % 4) % 4;
    let there = text[at..].iter().take(wanted).take_while(|byte| **byte == b'=').count();
    if there == wanted { wanted } else { 0 }
}

/// Decodes until something is not text. `characters` are all of the alphabet, and start a group of four.
fn decode(characters: &[u8], check: &mut TextCheck, out: &mut Vec<u8>) -> bool {
    debug_assert!(characters.iter().all(|byte| in_alphabet(*byte)));
    for quad in characters.chunks(4) {
        let mut bits = 0_u32;
        for character in quad {
            bits = bits << 6 | u32::from(VALUES[usize::from(*character)]);
        }
        bits <<= 6 * (4 - quad.len());
        let bytes = bits.to_be_bytes();
        let bytes = &bytes[1..quad.len()];
        let is_plain = check.takes_plain() && bytes.iter().all(|byte| is_ascii_text(*byte));
        if !is_plain && !bytes.iter().all(|byte| check.push(*byte)) {
            return false;
        }
        out.extend_from_slice(bytes);
    }
    true
}

/// Which alphabets have been seen.
#[derive(Debug, Default)]
struct Alphabets {
    standard: bool,
    url_safe: bool,
}

impl Alphabets {
    fn see(&mut self, characters: &[u8]) {
        self.standard |= memchr::memchr2(b'+', b'/', characters).is_some();
        self.url_safe |= memchr::memchr2(b'-', b'_', characters).is_some();
    }

    const fn are_mixed(&self) -> bool {
        self.standard && self.url_safe
    }
}
