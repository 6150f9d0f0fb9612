//! The `junit` format: the XML that CI systems show as test results (as written by Ant's task and
//! read by Jenkins and GitLab; there is no standard). Each finding is a failed test case, each gap in
//! the coverage one with an error, so that neither an incomplete nor an empty scan shows as passed.

use std::io::{self, Write};

use super::advice::{sentence, state, title};
use super::coverage::gap_kind;
use super::human::covered;
use super::text::{is_unsafe, printable};
use super::view::{FindingView, View, utc};

/// Places of a finding that are listed.
const PLACES: usize = 20;

pub(super) fn write(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let gaps = &view.coverage.gaps;
    let failures = view.findings.len();
    let is_empty = !view.scanned_anything();
    // The scan itself is a test too: it passes if there is nothing to say against it.
    let tests = failures + gaps.len() + 1;
    let skipped = usize::from(is_empty);
    let milliseconds = (view.finished.as_millisecond() - view.started.as_millisecond()).max(0);
    let time = format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000);
    let counts =
        format!(r#"tests="{tests}" failures="{failures}" errors="{}" skipped="{skipped}" time="{time}""#, gaps.len());
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(out, r#"<testsuites name="keystile" {counts}>"#)?;
    let timestamp = utc(view.started);
    writeln!(
        out,
        r#"  <testsuite name="keystile {}" {counts} timestamp="{}">"#,
        view.target.kind.as_str(),
        timestamp.trim_end_matches('Z')
    )?;
    for finding in &view.findings {
        write_finding(out, finding)?;
    }
    for gap in gaps {
        let (id, name) = gap_kind(gap.kind);
        writeln!(out, r#"    <testcase classname="coverage.{id}" name="{}" time="0">"#, attribute(&gap.what))?;
        let message = format!("not scanned: {name}: {}", gap.detail);
        writeln!(out, r#"      <error type="{id}" message="{}"/>"#, attribute(&message))?;
        writeln!(out, "    </testcase>")?;
    }
    writeln!(out, r#"    <testcase classname="coverage" name="scan" time="{time}">"#)?;
    if is_empty {
        writeln!(out, r#"      <skipped message="nothing was scanned"/>"#)?;
    }
    writeln!(out, "      <system-out>{}</system-out>", content(&covered(&view.coverage).join("\n")))?;
    writeln!(out, "    </testcase>")?;
    writeln!(out, "  </testsuite>\n</testsuites>")
}

fn write_finding(out: &mut dyn Write, finding: &FindingView) -> io::Result<()> {
    let Some(best) = finding.best_place() else { return Ok(()) };
    let place = match best.start.line {
        0 => best.place_name(),
        line => format!("{}:{line}", best.place_name()),
    };
    let line = if best.start.line > 0 { format!(r#" line="{}""#, best.start.line) } else { String::new() };
    writeln!(
        out,
        r#"    <testcase classname="{}" name="{}" file="{}"{line} time="0">"#,
        attribute(&finding.rule_id),
        attribute(&format!("{place} ({})", &finding.fingerprint.to_string()[..8])),
        attribute(&best.path_lossy())
    )?;
    let state = state(finding);
    let message = if state.is_empty() { title(finding).to_owned() } else { format!("{} ({state})", title(finding)) };
    writeln!(out, r#"      <failure type="{}" message="{}">"#, finding.severity_str(), attribute(&message))?;
    let mut text = String::new();
    if let Some(verdict) = finding.verdict_text() {
        text.push_str(&format!("verified: {}\n", printable(&verdict)));
    }
    if let Some(managed) = finding.managed_text() {
        text.push_str(&format!("managed: {}\n", printable(&managed)));
    }
    for place in finding.occurrences.iter().take(PLACES) {
        let name = printable(&place.place_name()).into_owned();
        text.push_str(&name);
        if place.start.line > 0 {
            text.push_str(&format!(":{}:{}", place.start.line, place.start.column));
        }
        if let Some(commit) = &place.commit {
            text.push_str(&format!(" in commit {} of {}", commit.id, commit.day()));
        }
        text.push('\n');
    }
    if finding.occurrences.len() > PLACES {
        text.push_str(&format!("and {} more places\n", finding.occurrences.len() - PLACES));
    }
    text.push_str(&format!("{}\n", printable(&best.text.line)));
    text.push_str(&format!("fingerprint {}\n{}\n", finding.fingerprint, sentence(finding)));
    write!(out, "{}", content(&text))?;
    writeln!(out, "</failure>\n    </testcase>")
}

/// Text in an attribute: in one line, escaped.
pub(crate) fn attribute(text: &str) -> String {
    content(&printable(text))
}

/// Text in an element. Characters that XML 1.0 does not have, or that hide text, are spelled out.
pub(crate) fn content(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\n' | '\t' => escaped.push(character),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ if is_unsafe(character) => escaped.push_str(&printable(character.encode_utf8(&mut [0; 4]))),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use keystile_git::Coverage;

    use super::super::{Format, Report, sample};
    use super::*;

    #[test]
    fn sample_report() {
        let rules = sample::rules();
        insta::assert_snapshot!(sample::snapshot(&sample::report(&rules), Format::Junit), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="keystile" tests="5" failures="3" errors="1" skipped="0" time="2.500">
          <testsuite name="keystile history" tests="5" failures="3" errors="1" skipped="0" time="2.500" timestamp="2026-01-02T03:04:05">
            <testcase classname="github-pat" name="docs/�guide.md:12 (<print 2>)" file="docs/�guide.md" line="12" time="0">
              <failure type="critical" message="A GitHub personal access token (in HEAD)">
        src/a b#c.rs:12:14 in commit 1111111111111111111111111111111111111111 of 2026-01-01
        docs/�guide.md:12:14 in commit 2222222222222222222222222222222222222222 of 2026-01-01
        commit message:12:14 in commit 1111111111111111111111111111111111111111 of 2026-01-01
        =cmd|&apos; /C calc&apos;!A0:12:14
        let token = &quot;REDACTED&quot;; // REDACTED
        fingerprint <fingerprint 2>
        Revoke or rotate it first, then take it out of the file: whoever has a clone can read it in the history. Delete it in the account&apos;s settings.
        </failure>
            </testcase>
            <testcase classname="private-key" name="keys/id.pem:1 (<print 1>)" file="keys/id.pem" line="1" time="0">
              <failure type="high" message="A private key (in history only)">
        keys/id.pem:1:1 in commit 3333333333333333333333333333333333333333 of 2026-01-01
        REDACTED
        fingerprint <fingerprint 1>
        Revoke or rotate it: HEAD no longer has it, but whoever has a clone can read it.
        </failure>
            </testcase>
            <testcase classname="generic-api-key" name="deploy/secret.yaml:3 (<print 0>)" file="deploy/secret.yaml" line="3" time="0">
              <failure type="medium" message="A value that looks like an API key (not in HEAD)">
        deploy/secret.yaml:3:7
        old.zip!inner/secret.yaml:3:7
        data: REDACTED # x
        fingerprint <fingerprint 0>
        Revoke or rotate it, and take it out of what is to be committed: whoever has a clone can read it in the history.
        </failure>
            </testcase>
            <testcase classname="coverage.missing_object" name="ffffffffffffffffffffffffffffffffffffffff" time="0">
              <error type="missing_object" message="not scanned: missing object: the blob is not there: fetch it again"/>
            </testcase>
            <testcase classname="coverage" name="scan" time="2.500">
              <system-out>1,234 commits, 5,676 of 5,678 blobs (1.50 GB)
        12 of 12 files (34.6 kB)
        1,237 messages
        1 entry of archives</system-out>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }

    #[test]
    fn a_clean_scan_passes_and_an_empty_one_is_skipped() {
        let rules = sample::rules();
        let clean = sample::render(&sample::empty(&rules), Format::Junit);
        assert!(clean.contains(r#"tests="1" failures="0" errors="0" skipped="0""#), "{clean}");
        assert!(!clean.contains("<skipped"), "{clean}");
        let nothing = Report { coverage: Coverage::default(), ..sample::empty(&rules) };
        let nothing = sample::render(&nothing, Format::Junit);
        assert!(nothing.contains(r#"<skipped message="nothing was scanned"/>"#), "{nothing}");
        assert!(nothing.contains(r#"skipped="1""#), "{nothing}");
    }

    #[test]
    fn text_is_escaped_and_legal() {
        assert_eq!(content("<a b='c' d=\"e\">&\n"), "&lt;a b=&apos;c&apos; d=&quot;e&quot;&gt;&amp;\n");
        assert_eq!(content("]]>\u{0}\u{1b}\u{ffff}"), "]]&gt;\\x00\\x1b\u{fffd}");
        assert_eq!(attribute("a\nb\u{202e}"), "a\\nb\\u{202e}");
    }
}
