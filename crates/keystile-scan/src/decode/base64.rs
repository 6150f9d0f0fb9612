//! Base64 (RFC 4648): standard and URL-safe alphabet, with and without padding.

use super::text::is_ascii_text;
use super::{Encoding, Form, Options, Segments};
use crate::position::Span;

const NONE: u8 = 0xff;

/// The value of each character, of both alphabets; [`NONE`] for all others.
const VALUES: [u8; 256] = {
    let mut table = [NONE; 256];
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

/// Adds the run of alphabet characters at `run` if it decodes to text.
pub(super) fn decode_run(text: &[u8], run: Span, _options: Options, out: &mut Segments) {
    let characters = &text[run.range()];
    let missing = (4 - characters.len() % 4) % 4;
    if missing == 3 {
        return;
    }
    let padding = text[run.end..].iter().take(missing).take_while(|byte| **byte == b'=').count();
    let start = out.bytes.len();
    if decode(characters, &mut out.bytes) && !mixes_alphabets(characters) {
        let end = if padding == missing { run.end + padding } else { run.end };
        out.push(Span::new(run.start, end), start, Encoding::Base64, Form::Base64 { width: usize::MAX, gap: 0 });
    } else {
        out.bytes.truncate(start);
    }
}

fn mixes_alphabets(characters: &[u8]) -> bool {
    memchr::memchr2(b'+', b'/', characters).is_some() && memchr::memchr2(b'-', b'_', characters).is_some()
}

/// Decodes until something is not text.
fn decode(characters: &[u8], out: &mut Vec<u8>) -> bool {
    for quad in characters.chunks(4) {
        let mut bits = 0_u32;
        for character in quad {
            bits = bits << 6 | u32::from(VALUES[usize::from(*character)]);
        }
        bits <<= 6 * (4 - quad.len());
        let bytes = &bits.to_be_bytes()[1..quad.len()];
        if !bytes.iter().all(|byte| is_ascii_text(*byte)) {
            return false;
        }
        out.extend_from_slice(bytes);
    }
    true
}
