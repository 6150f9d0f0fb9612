//! Hexadecimal digits, two a byte.

use super::text::TextCheck;
use super::{Encoding, Form, Segments};
use crate::position::Span;

/// Fewest digits that are looked at: gitleaks' bound. (A shorter secret is hardly written so.)
pub(super) const MIN_DIGITS: usize = 32;

/// The value of a digit.
pub(super) const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// The byte that two digits at `at` stand for.
pub(super) fn byte_at(text: &[u8], at: usize) -> Option<u8> {
    Some(digit(*text.get(at)?)? << 4 | digit(*text.get(at + 1)?)?)
}

/// Adds the digits at `run` if that is all there is, and they are text.
pub(super) fn decode(text: &[u8], run: Span, out: &mut Segments) -> bool {
    if run.len() < MIN_DIGITS || !run.len().is_multiple_of(2) {
        return false;
    }
    let start = out.bytes.len();
    let mut check = TextCheck::new(out.strict);
    let is_text = text[run.range()].chunks_exact(2).all(|pair| {
        let byte = byte_at(pair, 0);
        byte.is_some_and(|byte| check.push(byte)) && {
            out.bytes.extend(byte);
            true
        }
    }) && check.finish();
    if is_text {
        out.push(run, start, Encoding::Hex, Form::Bytes { width: 2 });
    } else {
        out.bytes.truncate(start);
    }
    is_text
}
