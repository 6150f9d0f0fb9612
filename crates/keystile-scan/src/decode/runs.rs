//! Runs of characters that base64 and hexadecimal digits are made of.
//!
//! This looks at every byte of a history, so [`next_run`] is built for the compiler's vector instructions:
//! 64 bytes become the 64 bits of a word, in which a long run shows after four shifts.

use super::{Segments, base64, blocks};
use crate::position::Span;

/// gitleaks 8.30 takes shorter runs for words, and so do we.
pub(super) const MIN_RUN: usize = 16;

/// Characters `=` behind base64.
const MAX_PADDING: usize = 2;

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
    let comma_or_full_stop = byte & !0x02 == b',';
    letter | (from_plus_to_nine & !comma_or_full_stop) | (byte == b'_')
}

/// Adds the segments in the runs that touch `range` (and a few more).
pub(super) fn find(text: &[u8], range: Span, out: &mut Segments) {
    let mut runs = Runs::new(text, search_start(text, range.start));
    let mut tried_block = Span::new(0, 0);
    while let Some(run) = runs.next_run().filter(|run| run.start <= range.end) {
        if run.len() >= MIN_WIDTH
            && run.start >= tried_block.end
            && let Some(block) = Block::around(text, run)
        {
            tried_block = block.span;
            if base64::decode_block(text, &block, out) {
                runs = Runs::new(text, block.span.end);
                continue;
            }
        }
        // What ends before the range, padding included, was of interest as a line of wrapped text alone.
        if run.end + MAX_PADDING >= range.start {
            base64::decode_run(text, run, out);
        }
    }
}

/// The range `ranges[first]` with those behind it that lie in the same run of alphabet characters, so that a
/// long run is decoded once however many ranges lie in it; and the index of the next range.
pub(super) fn unite_in_runs(text: &[u8], ranges: &[Span], first: usize) -> (Span, usize) {
    let mut united = ranges[first];
    let mut run = run_end(text, united.end);
    let mut next = first + 1;
    while let Some(range) = ranges.get(next).filter(|range| range.start <= run) {
        if range.end > run {
            run = run_end(text, range.end);
        }
        united.end = range.end;
        next += 1;
    }
    (united, next)
}

/// Where to start so that all segments that touch `at` are seen: at the start of a run, and of the line
/// before, since wrapped text is recognized by a full line. A line too long to be one of wrapped text is
/// not gone back over.
fn search_start(text: &[u8], at: usize) -> usize {
    const LONGEST_LINE: usize = MAX_WIDTH + MAX_INDENT + 2;
    let mut start = at;
    while start > 0 && at - start < 2 && text[start - 1] == b'=' {
        start -= 1;
    }
    start = run_start(text, start);
    let line_feed_before = |end: usize| {
        let nearest = end.saturating_sub(LONGEST_LINE);
        memchr::memrchr(b'\n', &text[nearest..end]).map(|offset| nearest + offset)
    };
    let Some(line) = line_feed_before(start) else { return start };
    match line_feed_before(line) {
        Some(line_before) => line_before + 1,
        None if line <= LONGEST_LINE => 0,
        None => line + 1,
    }
}

/// The next run of at least [`MIN_RUN`] characters from `from` on (which is not inside of a run).
pub(super) fn next_run(text: &[u8], from: usize) -> Option<Span> {
    Runs::new(text, from).next_run()
}

/// Goes through the runs of at least [`MIN_RUN`] characters.
struct Runs<'a> {
    text: &'a [u8],
    /// Where the block of 64 bytes starts that is looked at.
    block: usize,
    /// Which of its bytes are in the alphabet, except what was gone through.
    mask: u64,
    /// Characters of the alphabet before the block that may start a run.
    carried: usize,
}

impl<'a> Runs<'a> {
    /// From `at` on, which is not inside of a run.
    fn new(text: &'a [u8], at: usize) -> Self {
        Self { text, block: at, mask: blocks::mask(text, at, in_alphabet), carried: 0 }
    }

    fn next_run(&mut self) -> Option<Span> {
        loop {
            let head = self.mask.trailing_ones() as usize;
            if self.carried + head >= MIN_RUN {
                return Some(self.take(self.block - self.carried, 0));
            }
            // The lowest of MIN_RUN set bits in a row, of each such row.
            let pairs = self.mask & self.mask >> 1;
            let fours = pairs & pairs >> 2;
            let eights = fours & fours >> 4;
            let rows = eights & eights >> 8;
            if rows != 0 {
                let bit = rows.trailing_zeros() as usize;
                return Some(self.take(self.block + bit, bit));
            }
            self.carried = self.mask.leading_ones() as usize;
            self.block += 64;
            if self.block >= self.text.len() {
                return None;
            }
            self.mask = blocks::mask(self.text, self.block, in_alphabet);
        }
    }

    /// The run that starts at `start` and has bit `bit` of the block.
    fn take(&mut self, start: usize, bit: usize) -> Span {
        let end_bit = bit + (self.mask >> bit).trailing_ones() as usize;
        if end_bit < 64 {
            self.mask &= u64::MAX << end_bit;
            self.carried = 0;
            Span::new(start, self.block + end_bit)
        } else {
            let end = run_end(self.text, self.block + 64);
            *self = Self::new(self.text, end);
            Span::new(start, end)
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_is_that_of_base64() {
        for byte in 0..=255_u8 {
            let expected = byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte);
            assert_eq!(in_alphabet(byte), expected, "{byte:#04x}");
        }
    }

    #[test]
    fn runs_are_found_at_every_offset_and_length() {
        for offset in 0..150 {
            for length in [15, 16, 17, 63, 64, 65, 130] {
                let text = [vec![b'.'; offset], vec![b'a'; length], b". abc".to_vec()].concat();
                let expected = (length >= MIN_RUN).then(|| Span::new(offset, offset + length));
                let mut runs = Runs::new(&text, 0);
                assert_eq!(runs.next_run(), expected, "{length} at {offset}");
                assert_eq!(runs.next_run(), None, "behind {length} at {offset}");
            }
        }
    }
}
