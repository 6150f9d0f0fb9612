//! The `csv` format: RFC 4180, one line per occurrence, a header line, lines end with CR LF.
//!
//! Spreadsheets run what begins like a formula. A cell that does gets a `'` before it, which is what
//! OWASP ("CSV Injection") advises: a path can be called `=cmd|…`.

use std::io::{self, Write};

use super::text::printable;
use super::view::{CommitView, FindingView, OccurrenceView, View};

/// The columns, in order. Names are those of the `json` format.
pub(super) const COLUMNS: [&str; 25] = [
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
    "verification",
    "managed",
];

pub(super) fn write(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    row(out, &COLUMNS.map(str::to_owned), "\r\n")?;
    for (finding, place) in view.occurrences() {
        row(out, &cells(finding, place), "\r\n")?;
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
        finding.verdict.as_ref().map(|verdict| verdict.state.as_str().to_owned()).unwrap_or_default(),
        finding.managed.iter().flatten().map(|holder| holder.name.as_str()).collect::<Vec<_>>().join(" "),
    ]
}

/// One line, which ends with `end`.
pub(crate) fn row(out: &mut dyn Write, cells: &[String], end: &str) -> io::Result<()> {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        out.write_all(quote(cell).as_bytes())?;
    }
    out.write_all(end.as_bytes())
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

#[cfg(test)]
mod tests {
    use super::super::{Format, sample};
    use super::*;

    #[test]
    fn sample_report() {
        let rules = sample::rules();
        let text = sample::snapshot(&sample::report(&rules), Format::Csv);
        assert_eq!(text.matches("\r\n").count(), text.matches('\n').count(), "lines end with CR LF");
        insta::assert_snapshot!(text.replace("\r\n", "\n"), @r#"
        fingerprint,rule_id,description,severity,in_head,kind,path,start_line,start_column,end_line,end_column,commit,author_name,author_email,author_date,secret,match,line,entropy,encodings,tags,link,positional_fingerprint,verification,managed
        <fingerprint 2>,github-pat,A GitHub personal access token.,critical,false,commit,src/a b#c.rs,12,14,12,53,1111111111111111111111111111111111111111,Ann Example,ann@example.org,2026-01-01T23:34:05-03:30,REDACTED,REDACTED,"let token = ""REDACTED""; // REDACTED",3.625,,sample,https://github.com/keystile/sample/blob/1111111111111111111111111111111111111111/src/a%20b%23c.rs#L12,1111111111111111111111111111111111111111:src/a b#c.rs:github-pat:12,,
        <fingerprint 2>,github-pat,A GitHub personal access token.,critical,true,commit,docs/�guide.md,12,14,12,53,2222222222222222222222222222222222222222,Ann Example,ann@example.org,2026-01-01T23:34:05-03:30,REDACTED,REDACTED,"let token = ""REDACTED""; // REDACTED",3.625,,sample,https://github.com/keystile/sample/blob/2222222222222222222222222222222222222222/docs/%FFguide.md?plain=1#L12,2222222222222222222222222222222222222222:docs/�guide.md:github-pat:12,,
        <fingerprint 2>,github-pat,A GitHub personal access token.,critical,,commit_message,,12,14,12,53,1111111111111111111111111111111111111111,Ann Example,ann@example.org,2026-01-01T23:34:05-03:30,REDACTED,REDACTED,"let token = ""REDACTED""; // REDACTED",3.625,,sample,https://github.com/keystile/sample/commit/1111111111111111111111111111111111111111,1111111111111111111111111111111111111111::github-pat:12,,
        <fingerprint 2>,github-pat,A GitHub personal access token.,critical,false,work_tree,"'=cmd|' /C calc'!A0",12,14,12,53,,,,,REDACTED,REDACTED,"let token = ""REDACTED""; // REDACTED",3.625,,sample,,"'=cmd|' /C calc'!A0:github-pat:12",,
        <fingerprint 1>,private-key,A private key.,high,false,commit,keys/id.pem,1,1,4,25,3333333333333333333333333333333333333333,Ann Example,ann@example.org,2026-01-01T23:34:05-03:30,REDACTED,REDACTED,REDACTED,3.625,,sample,https://github.com/keystile/sample/blob/3333333333333333333333333333333333333333/keys/id.pem#L1-L4,3333333333333333333333333333333333333333:keys/id.pem:private-key:1,,
        <fingerprint 0>,generic-api-key,A value that looks like an API key.,medium,false,index,deploy/secret.yaml,3,7,3,21,,,,,REDACTED,REDACTED,data: REDACTED # x,3.625,base64,sample,,deploy/secret.yaml:generic-api-key:3,,
        <fingerprint 0>,generic-api-key,A value that looks like an API key.,medium,false,unreachable,old.zip!inner/secret.yaml,3,7,3,21,,,,,REDACTED,REDACTED,data: REDACTED # x,3.625,base64,sample,,old.zip!inner/secret.yaml:generic-api-key:3,,
        "#);
        let empty = sample::render(&sample::empty(&rules), Format::Csv);
        assert_eq!(empty, COLUMNS.join(",") + "\r\n", "no findings: the header alone");
    }

    #[test]
    fn no_cell_is_a_formula() {
        let cases = [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "\"'=1+1\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@x", "\"'@x\""),
            ("  =x", "\"'  =x\""),
            ("\t=x", "\"'\t=x\""),
            ("＝x", "\"'＝x\""),
            ("|x", "\"'|x\""),
            ("a=b", "a=b"),
            ("\u{1b}[0m", "\\x1b[0m"),
            ("a\u{202e}b\nc\u{7}", "\"a\\u{202e}b\nc\\x07\""),
        ];
        for (cell, expected) in cases {
            assert_eq!(quote(cell), expected, "{cell:?}");
        }
    }
}
