//! The `csv` format: RFC 4180, one line per occurrence, a header line, lines end with CR LF.
//!
//! Spreadsheets run what begins like a formula. A cell that does gets a `'` before it, which is what
//! OWASP ("CSV Injection") advises: a path can be called `=cmd|…`.

use std::io::{self, Write};

use super::text::printable;
use super::view::{CommitView, FindingView, OccurrenceView, View};

/// The columns, in order. Names are those of the `json` format.
pub(super) const COLUMNS: [&str; 23] = [
    "fingerprint",
    "rule_id",
    "description",
    "severity",
    "in_head",
    "kind",
    "path",
    "start_line",
    "start_column",
    "end_line",
    "end_column",
    "commit",
    "author_name",
    "author_email",
    "author_date",
    "secret",
    "match",
    "line",
    "entropy",
    "encodings",
    "tags",
    "link",
    "positional_fingerprint",
];

pub(super) fn write(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    row(out, &COLUMNS.map(str::to_owned))?;
    for (finding, place) in view.occurrences() {
        row(out, &cells(finding, place))?;
    }
    Ok(())
}

fn cells(finding: &FindingView, place: &OccurrenceView) -> [String; COLUMNS.len()] {
    let commit = |get: fn(&CommitView) -> String| place.commit.as_deref().map(get).unwrap_or_default();
    let number = |number: u32| if number > 0 { number.to_string() } else { String::new() };
    [
        finding.fingerprint.to_string(),
        finding.rule_id.clone(),
        finding.description.clone(),
        finding.severity_str().to_owned(),
        place.in_head.map(|in_head| in_head.to_string()).unwrap_or_default(),
        place.kind.as_str().to_owned(),
        place.path_lossy(),
        number(place.start.line),
        number(place.start.column),
        number(place.end.line),
        number(place.end.column),
        commit(|commit| commit.id.clone()),
        commit(|commit| commit.author_name.clone()),
        commit(|commit| commit.author_email.clone()),
        commit(CommitView::date),
        finding.secret.clone(),
        super::text::window(&place.text.matched, 0..0, super::view::LINE_LIMIT).into_owned(),
        place.text.line.clone(),
        format!("{:.3}", finding.entropy),
        place.text.encodings.join(" "),
        finding.tags.join(" "),
        place.link.clone().unwrap_or_default(),
        String::from_utf8_lossy(&place.positional).into_owned(),
    ]
}

fn row(out: &mut dyn Write, cells: &[String]) -> io::Result<()> {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        out.write_all(quote(cell).as_bytes())?;
    }
    out.write_all(b"\r\n")
}

/// A cell that is text to every reader.
fn quote(cell: &str) -> String {
    let cell = &spelled_out(cell);
    // The full-width signs are read as the plain ones by some programs; white space before them is skipped.
    let is_formula = cell.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '|', '%'])
        || cell.starts_with(['\t', '\r', '\n']);
    let guard = if is_formula { "'" } else { "" };
    if is_formula || cell.contains([',', '"', '\r', '\n', ';', '\t', '\'']) || cell.trim() != cell {
        format!("\"{guard}{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

/// Control characters other than tabs and new lines, and what hides text, spelled out: such files are
/// looked at in terminals too.
fn spelled_out(cell: &str) -> String {
    let is_space = |character: char| matches!(character, '\n' | '\r' | '\t');
    cell.split_inclusive(is_space)
        .map(|part| match part.strip_suffix(is_space) {
            Some(text) => format!("{}{}", printable(text), &part[text.len()..]),
            None => printable(part).into_owned(),
        })
        .collect()
}
