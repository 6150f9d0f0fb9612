//! Runs of characters that base64 and hexadecimal digits are made of.

use super::{Options, Segments, base64};
use crate::position::Span;

/// gitleaks 8.30 takes shorter runs for words, and so do we.
const MIN_RUN: usize = 16;

/// Characters of both base64 alphabets, without padding.
const fn in_alphabet(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// Adds the segments in the runs that touch `range`; returns where the search ended.
pub(super) fn find(text: &[u8], range: Span, options: Options, out: &mut Segments) -> usize {
    let mut at = range.start;
    while at > 0 && in_alphabet(text[at - 1]) {
        at -= 1;
    }
    loop {
        while at < text.len() && !in_alphabet(text[at]) {
            at += 1;
        }
        if at >= text.len() || at > range.end {
            return at;
        }
        let start = at;
        while at < text.len() && in_alphabet(text[at]) {
            at += 1;
        }
        if at - start >= MIN_RUN {
            base64::decode_run(text, Span::new(start, at), options, out);
        }
    }
}
