//! The `gitleaks` format: gitleaks 8.30's JSON report, field for field, one record per occurrence.
//!
//! The fields are those of gitleaks' `report/finding.go`; the text is what Go's `encoding/json` makes
//! of them (indented by one space, `<`, `>`, `&` and invalid UTF-8 escaped). gitleaks gives its
//! records in the order in which its goroutines finish; ours are sorted: newest commit first.
//! What gitleaks never looks at (messages, with `--messages`) has an empty `File`.
//! Redacted, more is masked than by `gitleaks --redact`, which leaves secrets in commit messages and
//! the secrets of other findings.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::io::{self, Write};

use bstr::ByteSlice as _;
use keystile_scan::Occurrence;
use keystile_scan::rule::Rule;

use super::text::columns;
use super::view::{CommitView, FindingView, OccurrenceView, PlaceKind, View, utc};

pub(super) fn write(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let places = sorted(view);
    if places.is_empty() {
        return out.write_all(b"[]\n");
    }
    out.write_all(b"[\n")?;
    for (index, (finding, place)) in places.iter().enumerate() {
        if index > 0 {
            out.write_all(b",\n")?;
        }
        out.write_all(record(finding, place).as_bytes())?;
    }
    out.write_all(b"\n]\n")
}

/// gitleaks' CSV report (`report/csv.go`): nothing at all without findings, no link where the first record has
/// none. Cells that a spreadsheet would run are guarded, as in `csv`.
pub(super) fn write_csv(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let places = sorted(view);
    let Some((_, first)) = places.first() else { return Ok(()) };
    let has_link = first.link.is_some();
    let header = CSV_COLUMNS.iter().copied().chain(has_link.then_some("Link"));
    super::csv::row(out, &header.map(str::to_owned).collect::<Vec<_>>(), "\n")?;
    for (finding, place) in places {
        let mut cells = csv_cells(finding, place);
        if has_link {
            cells.push(place.link.clone().unwrap_or_default());
        }
        super::csv::row(out, &cells, "\n")?;
    }
    Ok(())
}

const CSV_COLUMNS: [&str; 16] = [
    "RuleID",
    "Commit",
    "File",
    "SymlinkFile",
    "Secret",
    "Match",
    "StartLine",
    "EndLine",
    "StartColumn",
    "EndColumn",
    "Author",
    "Message",
    "Date",
    "Email",
    "Fingerprint",
    "Tags",
];

fn csv_cells(finding: &FindingView, place: &OccurrenceView) -> Vec<String> {
    let commit = place.commit.as_deref();
    let of_commit = |get: fn(&CommitView) -> String| commit.map(get).unwrap_or_default();
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    vec![
        finding.rule_id.clone(),
        of_commit(|commit| commit.id.clone()),
        lossy(&place.path),
        place.symlink.as_ref().map(|symlink| lossy(symlink)).unwrap_or_default(),
        lossy(finding.secret_bytes.as_ref()),
        lossy(place.text.matched_bytes.as_ref()),
        place.start.line.to_string(),
        place.end.line.to_string(),
        place.start.column.to_string(),
        place.end.column.to_string(),
        of_commit(|commit| commit.author_name.clone()),
        of_commit(|commit| message(&commit.message)),
        date(place),
        of_commit(|commit| commit.author_email.clone()),
        lossy(&place.positional),
        tags(finding, place).join(" "),
    ]
}

/// All places in the order of the report.
fn sorted<'v>(view: &'v View<'_>) -> Vec<(&'v FindingView, &'v OccurrenceView)> {
    let mut places: Vec<_> = view.occurrences().collect();
    places.sort_by(|one, two| order(one.1).cmp(&order(two.1)));
    places
}

fn order(place: &OccurrenceView) -> impl Ord + '_ {
    (
        place.commit.is_some(),
        place.commit.as_deref().map(|commit| (Reverse(commit.time), &commit.id)),
        &place.path,
        place.start,
        place.end,
    )
}

fn record(finding: &FindingView, place: &OccurrenceView) -> String {
    let mut json = String::from(" {\n");
    let mut first = true;
    let mut field = |name: &str, value: &str| {
        if !std::mem::take(&mut first) {
            json.push_str(",\n");
        }
        let _ = write!(json, "  \"{name}\": {value}");
    };
    let commit = place.commit.as_deref();
    let of_commit = |get: fn(&CommitView) -> String| go_string(commit.map(get).unwrap_or_default().as_bytes());
    field("RuleID", &go_string(finding.rule_id.as_bytes()));
    field("Description", &go_string(finding.description.as_bytes()));
    field("StartLine", &place.start.line.to_string());
    field("EndLine", &place.end.line.to_string());
    field("StartColumn", &place.start.column.to_string());
    field("EndColumn", &place.end.column.to_string());
    field("Match", &go_string(place.text.matched_bytes.as_ref()));
    field("Secret", &go_string(finding.secret_bytes.as_ref()));
    field("File", &go_string(&place.path));
    field("SymlinkFile", &go_string(place.symlink.as_ref().map_or(&b""[..], |symlink| symlink)));
    field("Commit", &of_commit(|commit| commit.id.clone()));
    if let Some(link) = &place.link {
        field("Link", &go_string(link.as_bytes()));
    }
    field("Entropy", &go_float(place.text.entropy));
    field("Author", &of_commit(|commit| commit.author_name.clone()));
    field("Email", &of_commit(|commit| commit.author_email.clone()));
    field("Date", &go_string(date(place).as_bytes()));
    field("Message", &of_commit(|commit| message(&commit.message)));
    field("Tags", &go_strings(&tags(finding, place)));
    field("Fingerprint", &go_string(&place.positional));
    json.push_str("\n }");
    json
}

/// What gitleaks compares with the records of a baseline: its values for an occurrence, unredacted.
#[derive(Debug, PartialEq)]
pub(crate) struct Compared {
    pub(crate) description: String,
    pub(crate) author: String,
    pub(crate) email: String,
    pub(crate) date: String,
    pub(crate) message: String,
    pub(crate) entropy: f32,
}

/// The values of an occurrence as gitleaks has them. They hold secrets and go nowhere but into a
/// comparison.
pub(crate) fn compared(rule: Option<&Rule>, occurrence: &Occurrence) -> Compared {
    use keystile_scan::OccurrencePlace as Place;
    let commit = match &occurrence.place {
        Place::Commit(commit) | Place::CommitMessage(commit) => Some(commit),
        _ => None,
    };
    let is_change = matches!(occurrence.place, Place::Index | Place::WorkTree);
    Compared {
        description: rule.map(|rule| rule.description.clone()).unwrap_or_default(),
        author: commit.map(|commit| commit.author_name.clone()).unwrap_or_default(),
        email: commit.map(|commit| commit.author_email.clone()).unwrap_or_default(),
        date: commit
            .and_then(|commit| jiff::Timestamp::from_second(commit.author_seconds).ok())
            .map(utc)
            .unwrap_or_else(|| date_without_commit(is_change).to_owned()),
        message: commit.map(|commit| message(&commit.message)).unwrap_or_default(),
        entropy: occurrence.found.entropy as f32,
    }
}

fn date(place: &OccurrenceView) -> String {
    let is_change = matches!(place.kind, PlaceKind::Index | PlaceKind::WorkTree);
    let of_commit = place.commit.as_deref().map(CommitView::date_utc);
    of_commit.unwrap_or_else(|| date_without_commit(is_change).to_owned())
}

fn tags(finding: &FindingView, place: &OccurrenceView) -> Vec<String> {
    finding.tags.iter().cloned().chain(decoding_tags(&place.text.encodings)).collect()
}

/// The date where there is no commit. A change that is not committed yet reaches gitleaks as a diff whose
/// date is Go's zero time (`sources/git.go`, `AuthorDate`); files have none.
fn date_without_commit(is_change: bool) -> &'static str {
    if is_change { "0001-01-01T00:00:00Z" } else { "" }
}

/// The tags that gitleaks' decoder adds (`detect/codec/segment.go`), in its order of kinds.
fn decoding_tags(encodings: &[&'static str]) -> Vec<String> {
    if encodings.is_empty() {
        return Vec::new();
    }
    let mut tags: Vec<_> = ["percent", "unicode", "hex", "base64"]
        .into_iter()
        .filter(|kind| encodings.contains(kind))
        .map(|kind| format!("decoded:{kind}"))
        .collect();
    // UTF-16 is no decoding to gitleaks, which does not read it.
    let depth = encodings.iter().filter(|kind| **kind != "utf-16").count();
    if depth > 0 {
        tags.push(format!("decode-depth:{depth}"));
    }
    tags
}

/// A commit's message as gitleaks has it: `git log` expands tabs, then its parser of patches joins
/// the lines of the title, cuts white space and reduces empty lines to one. It takes git's indentation of the
/// title for that of every line: where a title begins with white space, the lines below keep git's.
fn message(message: &str) -> String {
    const GITS_INDENTATION: &str = "    ";
    let mut lines = message.lines().map(expand_tabs).skip_while(|line| line.trim().is_empty()).peekable();
    let of_title =
        lines.peek().map(|title| title[..title.len() - title.trim_start().len()].to_owned()).unwrap_or_default();
    let mut text = String::new();
    for line in lines.by_ref().take_while(|line| !line.trim().is_empty()) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(line.trim());
    }
    let mut body = String::new();
    let mut gap = false;
    for line in lines {
        let line = line.trim_end();
        if line.is_empty() {
            gap = true;
            continue;
        }
        if !body.is_empty() {
            body.push_str(if gap { "\n\n" } else { "\n" });
        }
        gap = false;
        match line.strip_prefix(of_title.as_str()) {
            Some(line) => body.push_str(line),
            None => body.extend([GITS_INDENTATION, line]),
        }
    }
    if !body.is_empty() {
        text.push_str("\n\n");
        text.push_str(&body);
    }
    text
}

/// To the next multiple of eight columns, as `git log --expand-tabs` does by default.
fn expand_tabs(line: &str) -> String {
    let mut expanded = String::with_capacity(line.len());
    let mut column = 0;
    for character in line.chars() {
        if character == '\t' {
            let spaces = 8 - column % 8;
            expanded.extend(std::iter::repeat_n(' ', spaces));
            column += spaces;
        } else {
            expanded.push(character);
            column += columns(character);
        }
    }
    expanded
}

/// A string as Go's `encoding/json` writes it (`appendString` with `escapeHTML`).
fn go_string(text: &[u8]) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for (start, end, character) in text.char_indices() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            '\u{0}'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(json, "\\u{:04x}", u32::from(character));
            }
            // A byte that is not UTF-8; a real U+FFFD stands as it is.
            '\u{fffd}' if &text[start..end] != "\u{fffd}".as_bytes() => {
                for _ in start..end {
                    json.push_str("\\ufffd");
                }
            }
            _ => json.push(character),
        }
    }
    json.push('"');
    json
}

/// A slice of strings with `SetIndent("", " ")`, at the depth of a field.
fn go_strings(strings: &[String]) -> String {
    if strings.is_empty() {
        return "[]".to_owned();
    }
    let items: Vec<_> = strings.iter().map(|item| format!("   {}", go_string(item.as_bytes()))).collect();
    format!("[\n{}\n  ]", items.join(",\n"))
}

/// A `float32`: the fewest digits that tell it from its neighbours.
fn go_float(number: f64) -> String {
    let number = number as f32;
    if number != 0.0 && number.abs() < 1e-6 { format!("{number:e}") } else { format!("{number}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected values are what Go 1.24's `encoding/json` wrote in reports of gitleaks 8.30.1.
    #[test]
    fn strings_as_go_writes_them() {
        let cases: [(&[u8], &str); 7] = [
            (b"plain", r#""plain""#),
            (b"n\xffame", r#""n\ufffdame""#),
            (b"\xe2\x82", r#""\ufffd\ufffd""#),
            ("sub <j> & \u{2028}x".as_bytes(), r#""sub \u003cj\u003e \u0026 \u2028x""#),
            (b"a\"b\\c\n\r\t\x08\x0c\x00\x1b", r#""a\"b\\c\n\r\t\b\f\u0000\u001b""#),
            ("\u{fffd}\u{7f}ä".as_bytes(), "\"\u{fffd}\u{7f}ä\""),
            (b"", r#""""#),
        ];
        for (text, expected) in cases {
            assert_eq!(go_string(text), expected);
        }
    }

    #[test]
    fn entropy_is_a_float32() {
        let cases = [(4.503_056_049_346_924, "4.503056"), (4.884_183_883_666_992, "4.884184"), (4.0, "4"), (0.0, "0")];
        for (number, expected) in cases {
            assert_eq!(go_float(number), expected);
        }
    }

    #[test]
    fn messages_as_gitleaks_has_them() {
        let cases = [
            ("one\n", "one"),
            ("one\ntwo \n\nthree\n\n\n\nfour  \n five\n\n", "one two\n\nthree\n\nfour\n five"),
            ("\n\n  one\n", "one"),
            (" one\n\ntwo\n three\n", "one\n\n    two\nthree"),
            ("a\tb\n\näc\td", "a       b\n\näc      d"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(message(text), expected, "{text:?}");
        }
    }

    #[test]
    fn tags_of_decoding() {
        assert_eq!(decoding_tags(&[]), Vec::<String>::new());
        assert_eq!(decoding_tags(&["base64"]), ["decoded:base64", "decode-depth:1"]);
        assert_eq!(decoding_tags(&["base64", "hex"]), ["decoded:hex", "decoded:base64", "decode-depth:2"]);
        assert_eq!(decoding_tags(&["utf-16"]), Vec::<String>::new());
    }
}
