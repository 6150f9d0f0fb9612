//! Base64 (RFC 4648): standard and URL-safe alphabet, with and without padding, and hexadecimal digits,
//! which stand in the same runs of characters.

use super::hex::MIN_DIGITS;
use super::runs::{Block, MIN_RUN, in_alphabet};
use super::text::{TextCheck, is_ascii_text};
use super::{Encoding, Form, Segments, hex};
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

/// Adds what decodes to text in the maximal run of alphabet characters at `run`: the whole run or parts of
/// it, since `/`, `-`, `_` and `+` also separate (a path, a name with a suffix).
pub(super) fn decode_run(text: &[u8], run: Span, out: &mut Segments) {
    if decode_part(text, run, out) {
        return;
    }
    // `\n` in front of it, in a string literal: the `n` is not part of it. Nor is the `0x` of a number.
    let is_escaped = run.start > 0 && text[run.start - 1] == b'\\';
    let glued = match &text[run.range()] {
        [b'n' | b'r' | b't' | b'b' | b'f' | b'0', ..] if is_escaped => 1,
        [b'0', b'x' | b'X', ..] => 2,
        _ => 0,
    };
    if glued > 0 && decode_part(text, Span::new(run.start + glued, run.end), out) {
        return;
    }
    decode_between_separators(text, run, out);
}

/// Adds what decodes to text behind one of the first few separators in `run`, or else between two.
fn decode_between_separators(text: &[u8], run: Span, out: &mut Segments) {
    // Behind a later one is too little.
    let last = run.end.saturating_sub(MIN_RUN);
    let early = (run.start..last).filter(|at| is_separator(text[*at]));
    for separator in early.take(MAX_SUFFIXES) {
        if decode_part(text, Span::new(separator + 1, run.end), out) {
            return;
        }
    }
    let mut start = run.start;
    while start + MIN_RUN <= run.end {
        // Backwards: behind the last separator of the next few characters is where a long part may start.
        let window = start..start + MIN_RUN;
        if let Some(separator) = window.rev().find(|at| is_separator(text[*at])) {
            start = separator + 1;
            continue;
        }
        let length = text[start..run.end].iter().take_while(|byte| !is_separator(**byte)).count();
        let part = Span::new(start, start + length);
        if part != run {
            decode_part(text, part, out);
        }
        start = part.end + 1;
    }
}

/// The characters with the values 62 and 63.
#[inline]
const fn is_separator(byte: u8) -> bool {
    VALUES[byte as usize] >= 62
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
    if characters.len() < MIN_RUN {
        return false;
    }
    if characters.len() >= MIN_DIGITS && hex::decode(text, part, out) {
        return true;
    }
    if characters.len() % 4 == 1 || !starts_like_text(characters) {
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

/// Whether the first four characters can start a text. Most runs are words of a program, which end here.
#[inline]
fn starts_like_text(characters: &[u8]) -> bool {
    let Some(quad) = characters.first_chunk::<4>() else { return true };
    let [_, first, second, third] = decode_quad(*quad);
    let can_start = |byte: u8| is_ascii_text(byte) || byte >= 0xc2;
    let can_follow = |byte: u8| is_ascii_text(byte) || byte >= 0x80;
    can_start(first) && can_follow(second) && can_follow(third) || first == 0 || second == 0
}

fn decode_quad(quad: [u8; 4]) -> [u8; 4] {
    let bits = quad.iter().fold(0_u32, |bits, character| bits << 6 | u32::from(VALUES[usize::from(*character)]));
    bits.to_be_bytes()
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
    for characters in characters.chunks(4) {
        let mut quad = [b'A'; 4];
        quad[..characters.len()].copy_from_slice(characters);
        let bytes = decode_quad(quad);
        let bytes = &bytes[1..characters.len()];
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
