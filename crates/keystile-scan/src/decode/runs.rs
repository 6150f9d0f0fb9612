//! Runs of characters that base64 and hexadecimal digits are made of.
//!
//! This looks at every byte of a history, so it is built for the compiler's vector instructions: a run of
//! [`MIN_RUN`] bytes or more covers at least one whole word of eight bytes of any grid, and only around such
//! a word is anything looked at one by one.

use super::base64;
use super::{Options, Segments};
use crate::position::Span;

/// gitleaks 8.30 takes shorter runs for words, and so do we.
pub(super) const MIN_RUN: usize = 16;

/// Lines wider than this are not wrapped text. (64 and 76 are usual: RFC 7468, RFC 2045.)
const MAX_WIDTH: usize = 1024;
/// Lines narrower than this are lists of words, say.
const MIN_WIDTH: usize = 40;
/// Deepest indentation of wrapped text.
const MAX_INDENT: usize = 256;

/// Characters of both base64 alphabets, without padding. Written without branches, to be vectorized.
#[inline(always)]
pub(super) const fn in_alphabet(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let from_plus_to_nine = byte.wrapping_sub(b'+') <= b'9' - b'+';
    letter | (from_plus_to_nine & (byte != b',') & (byte != b'.')) | (byte == b'_')
}

/// Adds the segments in the runs that touch `range` (and a few more).
pub(super) fn find(text: &[u8], range: Span, options: Options, out: &mut Segments) {
    let mut at = search_start(text, range.start, options);
    let mut tried_block = Span::new(0, 0);
    while let Some(run) = next_run(text, at, range.end) {
        at = run.end;
        if !options.strict && run.start >= tried_block.end {
            if let Some(block) = Block::around(text, run) {
                tried_block = block.span;
                if base64::decode_block(text, &block, out) {
                    at = block.span.end;
                    continue;
                }
            }
        }
        base64::decode_run(text, run, options, out);
    }
}

/// Where to start so that all segments that touch `at` are seen: at the start of a run, and of the line
/// before, since wrapped text is recognized by a full line.
fn search_start(text: &[u8], at: usize, options: Options) -> usize {
    let mut start = at;
    while start > 0 && at - start < 2 && text[start - 1] == b'=' {
        start -= 1;
    }
    start = run_start(text, start);
    if !options.strict {
        let nearest = start.saturating_sub(2 * (MAX_WIDTH + MAX_INDENT + 2));
        let line = memchr::memrchr(b'\n', &text[nearest..start]).unwrap_or(0);
        let line_before = memchr::memrchr(b'\n', &text[nearest..nearest + line]).unwrap_or(0);
        start = run_start(text, nearest + line_before);
    }
    start
}

/// The next run of at least [`MIN_RUN`] characters from `from` on (which is not inside of a run) that starts
/// at `last` at the latest.
pub(super) fn next_run(text: &[u8], from: usize, last: usize) -> Option<Span> {
    // A run that starts at `last` shows in the first words behind.
    let limit = text.len().min(last.saturating_add(MIN_RUN));
    let mut at = from;
    loop {
        let word = next_full_word(text, at, limit)?;
        let start = word - text[at..word].iter().rev().take_while(|byte| in_alphabet(**byte)).count();
        if start > last {
            return None;
        }
        let end = run_end(text, word + 8);
        if end - start >= MIN_RUN {
            return Some(Span::new(start, end));
        }
        at = end;
    }
}

/// The next offset from `from` on, in steps of eight, where eight characters of the alphabet stand.
fn next_full_word(text: &[u8], from: usize, limit: usize) -> Option<usize> {
    const FULL: u64 = 0x0101_0101_0101_0101;
    let mut at = from;
    while let Some(block) = text.get(at..at + 64).filter(|_| at < limit) {
        let mut classes = [0_u8; 64];
        for (class, byte) in classes.iter_mut().zip(block) {
            *class = u8::from(in_alphabet(*byte));
        }
        let (words, _) = classes.as_chunks::<8>();
        if let Some(index) = words.iter().position(|word| u64::from_ne_bytes(*word) == FULL) {
            return Some(at + index * 8).filter(|found| *found < limit);
        }
        at += 64;
    }
    while at < limit {
        let word = text.get(at..at + 8)?;
        if word.iter().all(|byte| in_alphabet(*byte)) {
            return Some(at);
        }
        at += 8;
    }
    None
}

fn run_start(text: &[u8], at: usize) -> usize {
    let mut start = at;
    while let Some(block) = start.checked_sub(32).and_then(|from| text.get(from..start)) {
        if !all_in_alphabet(block) {
            break;
        }
        start -= 32;
    }
    start - text[..start].iter().rev().take_while(|byte| in_alphabet(**byte)).count()
}

fn run_end(text: &[u8], at: usize) -> usize {
    let mut end = at;
    while let Some(block) = text.get(end..end + 32) {
        if !all_in_alphabet(block) {
            break;
        }
        end += 32;
    }
    end + text[end..].iter().take_while(|byte| in_alphabet(**byte)).count()
}

#[inline]
fn all_in_alphabet(block: &[u8]) -> bool {
    block.iter().fold(true, |all, byte| all & in_alphabet(*byte))
}

/// Base64 over several lines of one width, with the same indentation and line break, the last one possibly
/// shorter.
#[derive(Debug)]
pub(super) struct Block {
    /// From the first character to the last, without padding.
    pub(super) span: Span,
    /// Characters in a line.
    pub(super) width: usize,
    /// Line break and indentation.
    pub(super) gap: usize,
}

impl Block {
    /// The block that `run` is a line of. The same for each of its lines but a shorter last one, which
    /// whoever goes through a text sees after the others.
    fn around(text: &[u8], run: Span) -> Option<Self> {
        let width = run.len();
        if !is_width(width) {
            return None;
        }
        let line_break = line_break_at(text, run.end).or_else(|| (run.end == text.len()).then_some(b"\n" as &[u8]))?;
        let indent = text[..run.start].iter().rev().take(MAX_INDENT).take_while(|byte| is_blank(**byte)).count();
        if !is_line_start(text, run.start - indent) {
            return None;
        }
        let margin = &text[run.start - indent..run.start];
        let gap = line_break.len() + indent;

        let mut start = run.start;
        while let Some(before) = line_before(text, start, margin)
            && before.len() == width
            && text[before.end..].starts_with(line_break)
        {
            start = before.start;
        }
        // A line behind a wider one is the end of that one's block.
        if line_before(text, start, margin).is_some_and(|before| before.len() > width) {
            start += width + gap;
            if start > run.start {
                return None;
            }
        }

        let mut end = run.end;
        while text[end..].starts_with(line_break) && text[end + line_break.len()..].starts_with(margin) {
            let next = end + gap;
            let length = text[next..].iter().take(width + 1).take_while(|byte| in_alphabet(**byte)).count();
            let padding =
                if length < width { text[next + length..].iter().take_while(|byte| **byte == b'=').count() } else { 0 };
            let behind = next + length + padding;
            let is_line = if length == width {
                text[behind..].starts_with(line_break) || behind == text.len()
            } else {
                length > 0 && length < width && (line_break_at(text, behind).is_some() || behind == text.len())
            };
            if !is_line {
                break;
            }
            end = next + length;
            if length < width {
                break;
            }
        }
        (end - start > width).then_some(Self { span: Span::new(start, end), width, gap })
    }
}

/// The characters of the line before the one whose characters start at `at`, if it consists of `margin` and
/// them alone, in a usual width.
fn line_before(text: &[u8], at: usize, margin: &[u8]) -> Option<Span> {
    let end = text[..at].strip_suffix(margin)?.strip_suffix(b"\n")?;
    let end = end.strip_suffix(b"\r").unwrap_or(end).len();
    let nearest = end.saturating_sub(MAX_WIDTH + 1);
    let start = end - text[nearest..end].iter().rev().take_while(|byte| in_alphabet(**byte)).count();
    let line = text[..start].strip_suffix(margin)?.len();
    (is_width(end - start) && is_line_start(text, line)).then_some(Span::new(start, end))
}

const fn is_width(width: usize) -> bool {
    MIN_WIDTH <= width && width <= MAX_WIDTH && width.is_multiple_of(4)
}

fn is_line_start(text: &[u8], at: usize) -> bool {
    at == 0 || text[at - 1] == b'\n'
}

fn line_break_at(text: &[u8], at: usize) -> Option<&'static [u8]> {
    match &text[at..] {
        [b'\n', ..] => Some(b"\n"),
        [b'\r', b'\n', ..] => Some(b"\r\n"),
        _ => None,
    }
}

const fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}
