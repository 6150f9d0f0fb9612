//! The `junit` format: each judged object is a test case of its kind; a violation is a failure, what could
//! not be decided or read an error, and a check of nothing is skipped.

use std::io::{self, Write};

use super::{covered, gap_message, place_of};
use crate::check::{CheckReport, Weight};
use crate::report::junit::{attribute, content};
use crate::report::view::utc;

pub(super) fn write(report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
    let shown: Vec<_> = report.problems.iter().filter(|problem| problem.weight() > Weight::Warning).collect();
    let failures = report.of_weight(Weight::Violation).count();
    let errors = shown.len() - failures + report.gaps.len();
    let is_empty = report.covered.objects() == 0;
    let milliseconds = (report.finished.as_millisecond() - report.started.as_millisecond()).max(0);
    let time = format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000);
    let counts = format!(
        r#"tests="{}" failures="{failures}" errors="{errors}" skipped="{}" time="{time}""#,
        shown.len() + report.gaps.len() + 1,
        usize::from(is_empty)
    );
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(out, r#"<testsuites name="keystile" {counts}>"#)?;
    let timestamp = utc(report.started);
    writeln!(out, r#"  <testsuite name="keystile check" {counts} timestamp="{}">"#, timestamp.trim_end_matches('Z'))?;
    for problem in shown {
        writeln!(
            out,
            r#"    <testcase classname="{}" name="{}" file="{}" line="{}" time="0">"#,
            problem.rule.id,
            attribute(&format!("{} {}", problem.object, problem.path)),
            attribute(&problem.file),
            problem.position.line
        )?;
        let element = if problem.weight() == Weight::Violation { "failure" } else { "error" };
        let text = format!("{}:{}\n{}\n", problem.file, problem.position, problem.excerpt.text);
        writeln!(
            out,
            r#"      <{element} type="{}" message="{}">{}</{element}>"#,
            problem.rule.id,
            attribute(&problem.sentence()),
            content(&text)
        )?;
        writeln!(out, "    </testcase>")?;
    }
    for gap in &report.gaps {
        writeln!(
            out,
            r#"    <testcase classname="coverage.{}" name="{}" time="0">"#,
            gap.kind,
            attribute(&place_of(gap))
        )?;
        let message = format!("not read: {}", gap_message(gap));
        writeln!(out, r#"      <error type="{}" message="{}"/>"#, gap.kind, attribute(&message))?;
        writeln!(out, "    </testcase>")?;
    }
    writeln!(out, r#"    <testcase classname="coverage" name="check" time="{time}">"#)?;
    if is_empty {
        writeln!(out, r#"      <skipped message="nothing was checked"/>"#)?;
    }
    writeln!(out, "      <system-out>{}</system-out>", content(&covered(&report.covered).join("\n")))?;
    writeln!(out, "    </testcase>\n  </testsuite>\n</testsuites>")
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use crate::cli::check::CheckFormat;

    #[test]
    fn violations_fail_gaps_are_errors_and_nothing_is_skipped() {
        let text = sample::render(&sample::report(), CheckFormat::Junit);
        assert!(text.contains(r#"tests="4" failures="1" errors="2" skipped="0""#), "{text}");
        assert!(text.contains(r#"<failure type="key-outside-grant""#), "{text}");
        assert!(text.contains(r#"<error type="template""#), "{text}");
        let nothing = sample::render(&sample::empty(), CheckFormat::Junit);
        assert!(nothing.contains(r#"<skipped message="nothing was checked"/>"#), "{nothing}");
    }
}
