//! Standard input, or any other stream.

use std::io::Read;

use bstr::BStr;
use keystile_scan::{Occurrence, OccurrencePlace};

use crate::SourceReport;
use crate::coverage::Coverage;
use crate::directory::inspect_stream;
use crate::error::Error;
use crate::inspect::Inspector;

/// Scans all that `input` gives, in bounded memory; it counts as one file without a path.
///
/// # Errors
///
/// [`Error::Read`] if reading fails: what was read until then is not the whole.
pub fn scan(inspector: &Inspector, input: &mut dyn Read) -> Result<SourceReport, Error> {
    let mut scratch = inspector.scanner.scratch();
    let (bytes, inspection) = inspect_stream(inspector, &mut scratch, input, 0)
        .map_err(|source| Error::Read { what: "standard input".to_owned(), source })?;
    let mut coverage = Coverage { files: 1, ..Coverage::default() };
    if !inspection.is_left_out() {
        coverage.files_scanned = 1;
        coverage.file_bytes_scanned = bytes;
    }
    inspection.count("standard input", &mut coverage);
    let occurrences = inspector
        .judge_at(&inspection, BStr::new(""), "")
        .count(&mut coverage)
        .into_iter()
        .map(|(path, found)| Occurrence {
            place: OccurrencePlace::StandardInput,
            path,
            symlink: None,
            found,
            in_head: None,
        })
        .collect();
    Ok(SourceReport { occurrences, coverage })
}
