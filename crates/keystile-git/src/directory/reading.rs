//! Reading a file or a stream of any length, in bounded memory.
//!
//! Up to [`WHOLE`] bytes are read whole. Of what is longer, windows of [`WINDOW`] bytes are scanned one after the other,
//! each with [`OVERLAP`] bytes of the next and [`CONTEXT`] bytes of the one before. So a match is found
//! where it begins, with what is around it, unless it is longer than the overlap; archives of that length
//! are scanned as they are, and not opened.

use std::io::{self, Read};
use std::sync::Arc;

use bstr::{BString, ByteSlice as _};
use keystile_scan::{ContentScan, Match, Scratch};

use crate::coverage::SkipReason;
use crate::inspect::{Inspection, Inspector, is_binary};

/// Sizes in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    whole: usize,
    window: usize,
    overlap: usize,
    context: usize,
}

/// What is longer is scanned in windows. With one such file on each thread, memory is this times the number of threads.
pub(crate) const WHOLE: usize = 256 << 20;
const WINDOW: usize = 32 << 20;
const OVERLAP: usize = 1 << 20;
const CONTEXT: usize = 64 << 10;

const SIZES: Sizes = Sizes { whole: WHOLE, window: WINDOW, overlap: OVERLAP, context: CONTEXT };

/// Scans all that `input` gives; `expected` is how much that probably is. Answers with how much it was.
///
/// # Errors
///
/// Those of reading.
pub(crate) fn inspect_stream(
    inspector: &Inspector,
    scratch: &mut Scratch,
    input: &mut dyn Read,
    expected: u64,
) -> io::Result<(u64, Inspection)> {
    inspect_sized(inspector, scratch, input, expected, SIZES)
}

fn inspect_sized(
    inspector: &Inspector,
    scratch: &mut Scratch,
    input: &mut dyn Read,
    expected: u64,
    sizes: Sizes,
) -> io::Result<(u64, Inspection)> {
    let capacity = usize::try_from(expected).unwrap_or(usize::MAX).min(sizes.whole);
    let mut buffer = Vec::with_capacity(capacity.saturating_add(1));
    read_up_to(input, &mut buffer, sizes.whole + 1)?;
    if buffer.len() <= sizes.whole {
        return Ok((buffer.len() as u64, inspector.inspect(scratch, &buffer)));
    }
    let mut inspection = Inspection::default();
    let options = &inspector.options;
    let is_archive = options.archives.depth > 0 && keystile_archive::detect(&buffer).is_some();
    let reason = if options.max_bytes.is_some_and(|limit| buffer.len() as u64 > limit) {
        Some(SkipReason::Size)
    } else if options.skip_binary && !is_archive && is_binary(&buffer) {
        Some(SkipReason::Binary)
    } else {
        None
    };
    if let Some(reason) = reason {
        let bytes = buffer.len() as u64 + io::copy(input, &mut io::sink())?;
        inspection.skipped.push((reason, BString::default(), bytes));
        return Ok((bytes, inspection));
    }
    let (bytes, scan) = scan_windows(inspector, scratch, buffer, input, sizes)?;
    inspection.scan = scan;
    if is_archive {
        inspection.skipped.push((SkipReason::ArchiveLimit, BString::default(), bytes));
    }
    Ok((bytes, inspection))
}

/// Where a window begins in the whole.
#[derive(Debug, Clone, Copy, Default)]
struct Origin {
    bytes: usize,
    /// Ends of lines before it.
    lines: u32,
    /// Characters before it in its first line.
    columns: u32,
}

impl Origin {
    /// The place behind `passed`.
    fn after(self, passed: &[u8]) -> Self {
        let lines = memchr::memchr_iter(b'\n', passed).count();
        let (columns, last) = match passed.rfind_byte(b'\n') {
            Some(end) => (0, &passed[end + 1..]),
            None => (self.columns, passed),
        };
        Self {
            bytes: self.bytes + passed.len(),
            lines: self.lines.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX)),
            columns: columns.saturating_add(u32::try_from(last.chars().count()).unwrap_or(u32::MAX)),
        }
    }

    /// Moves a match from its place in the window to its place in the whole.
    fn shift(self, found: &mut Match) {
        found.span.start += self.bytes;
        found.span.end += self.bytes;
        for position in [&mut found.start, &mut found.end] {
            if position.line == 1 {
                position.column = position.column.saturating_add(self.columns);
            }
            position.line = position.line.saturating_add(self.lines);
        }
        for required in &mut found.required {
            self.shift(required);
        }
    }
}

fn scan_windows(
    inspector: &Inspector,
    scratch: &mut Scratch,
    mut buffer: Vec<u8>,
    input: &mut dyn Read,
    sizes: Sizes,
) -> io::Result<(u64, ContentScan)> {
    let mut all = ContentScan::default();
    let mut origin = Origin::default();
    // Matches that begin before this, in the window, were found in the window before.
    let mut from = 0;
    loop {
        // The first window can come with more than it needs.
        let wanted = from + sizes.window + sizes.overlap;
        if buffer.len() < wanted {
            let more = wanted - buffer.len();
            read_up_to(input, &mut buffer, more)?;
        }
        let is_last = buffer.len() < wanted;
        let window = &buffer[..buffer.len().min(wanted)];
        let until = if is_last { window.len() } else { from + sizes.window };
        let scan = inspector.scanner.scan(scratch, window);
        for mut found in scan.matches {
            let is_here = (from..until).contains(&found.span.start) || (is_last && found.span.start == until);
            if is_here {
                origin.shift(Arc::make_mut(&mut found));
                all.matches.push(found);
            }
        }
        all.allowed_inline = all.allowed_inline.saturating_add(scan.allowed_inline);
        all.failed_rules.extend(scan.failed_rules);
        if is_last {
            break;
        }
        let passed = until.saturating_sub(sizes.context);
        // At the start of a line, if one is near: there, less depends on what was before.
        let near = passed.saturating_sub(sizes.context);
        let passed = buffer[near..passed].rfind_byte(b'\n').map_or(passed, |end| near + end + 1);
        // And never inside of a character, which columns count.
        let inside = buffer[near..=passed].iter().rev().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
        let passed = passed - inside;
        origin = origin.after(&buffer[..passed]);
        buffer.drain(..passed);
        from = until - passed;
    }
    all.failed_rules.sort_unstable();
    all.failed_rules.dedup();
    all.matches.sort_by_key(|found| (found.rule, found.span.start, found.span.end));
    Ok(((origin.bytes + buffer.len()) as u64, all))
}

/// Reads until `buffer` has `more` bytes more, or to the end.
fn read_up_to(input: &mut dyn Read, buffer: &mut Vec<u8>, more: usize) -> io::Result<()> {
    let _ = input.take(more as u64).read_to_end(buffer)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use keystile_scan::re2;
    use keystile_scan::rule::{Rule, RuleId, RuleSet, Severity};
    use keystile_scan::{ScanOptions, Scanner};
    use proptest::prelude::*;

    use super::*;
    use crate::InspectOptions;

    fn inspector() -> Inspector {
        let rule = Rule {
            id: RuleId::new("kst-token"),
            description: String::new(),
            regex: Some(re2::parse("kst_[a-z]{4,6}").expect("valid")),
            path: None,
            secret_group: 0,
            entropy: 0.0,
            keywords: vec!["kst_".to_owned()],
            tags: Vec::new(),
            allowlists: Vec::new(),
            required: Vec::new(),
            skip_report: false,
            severity: Severity::High,
            remedy: None,
            references: Vec::new(),
            verification: None,
        };
        let rules = RuleSet { rules: vec![rule], allowlists: Vec::new() };
        // Decoded text is a matter of the engine; windows cut encoded runs of any length.
        let options = ScanOptions { decode_depth: 0, ..ScanOptions::default() };
        Inspector { scanner: Scanner::new(rules, options), options: InspectOptions::default() }
    }

    fn places(inspection: &Inspection) -> Vec<(usize, usize, u32, u32, u32)> {
        let place = |found: &Arc<Match>| {
            (found.span.start, found.span.end, found.start.line, found.start.column, found.end.column)
        };
        inspection.scan.matches.iter().map(place).collect()
    }

    proptest! {
        #[test]
        fn windows_find_what_the_whole_has(
            parts in proptest::collection::vec(
                prop_oneof![
                    // Matches that touch, a long row of them, would depend on where the first one begins.
                    Just("kst_abcd ".to_owned()),
                    Just("kst_abcdef.".to_owned()),
                    Just("\n".to_owned()),
                    Just("ä".to_owned()),
                    "[ a-z]{0,9}",
                ],
                0..60,
            ),
            window in 12_usize..40,
        ) {
            let content = parts.concat().into_bytes();
            let inspector = inspector();
            let mut scratch = inspector.scanner.scratch();
            let whole = inspector.inspect(&mut scratch, &content);
            let sizes = Sizes { whole: 10, window, overlap: 11, context: 11 };
            let (bytes, windows) =
                inspect_sized(&inspector, &mut scratch, &mut content.as_slice(), 0, sizes).expect("reads");
            prop_assert_eq!(bytes, content.len() as u64);
            prop_assert_eq!(places(&windows), places(&whole));
        }
    }
}
