//! The `human` format: for a person at a terminal, or reading the log of a job.

use std::io::{self, Write};

use super::{Options, covered, gap_message, place_of, verdict};
use crate::check::excerpt::Excerpt;
use crate::check::{CheckReport, Problem, Verdict, Weight};
use crate::report::text::{columns, printable};

/// So many gaps are listed without `--verbose`.
const GAPS: usize = 10;

pub(super) fn write(report: &CheckReport, out: &mut dyn Write, options: Options) -> io::Result<()> {
    let style = Style { on: options.color };
    for problem in &report.problems {
        if problem.weight() == Weight::Note && !options.verbose {
            continue;
        }
        write_problem(out, problem, style)?;
    }
    let shown = if options.verbose { report.gaps.len() } else { GAPS };
    for gap in report.gaps.iter().take(shown) {
        let (yellow, bold, reset) = (style.code("33"), style.code("1"), style.code("0"));
        let place = place_of(gap);
        writeln!(out, "{bold}{}{reset}: {yellow}not read{reset}: {}", printable(&place), printable(&gap_message(gap)))?;
        if let Some(excerpt) = &gap.excerpt {
            write_excerpt(out, excerpt, style)?;
        }
        writeln!(out)?;
    }
    if report.gaps.len() > shown {
        writeln!(
            out,
            "… and {} more places that could not be read (--verbose lists them)\n",
            report.gaps.len() - shown
        )?;
    }
    for warning in &report.warnings {
        writeln!(out, "{}warning{}: {}\n", style.code("33"), style.code("0"), printable(warning))?;
    }
    let code = match report.verdict() {
        Verdict::Violations => "1;31",
        Verdict::Incomplete => "1;33",
        Verdict::Clean if report.covered.objects() == 0 => "1;33",
        Verdict::Clean => "1;32",
    };
    writeln!(out, "{}{}.{}", style.code(code), verdict(report), style.code("0"))?;
    let dim = style.code("2");
    let reset = style.code("0");
    for line in covered(&report.covered) {
        writeln!(out, "  {dim}{line}{reset}")?;
    }
    writeln!(out, "  {dim}policy {} ({}){reset}", printable(&report.policy.name), printable(&report.policy.file))
}

fn write_problem(out: &mut dyn Write, problem: &Problem, style: Style) -> io::Result<()> {
    let (code, word) = match problem.weight() {
        Weight::Violation => ("31", "error"),
        Weight::Warning => ("33", "warning"),
        Weight::Undecided => ("35", "undecided"),
        Weight::Note => ("34", "note"),
    };
    let (bold, color, dim, reset) = (style.code("1"), style.code(code), style.code("2"), style.code("0"));
    let place = format!("{}:{}", problem.file, problem.position);
    let path = if problem.path.is_empty() { String::new() } else { format!("{}: ", printable(&problem.path)) };
    writeln!(
        out,
        "{bold}{}{reset}: {color}{word}{reset}: {path}{} {dim}({}){reset}",
        printable(&place),
        printable(&problem.sentence()),
        problem.rule.id
    )?;
    write_excerpt(out, &problem.excerpt, style)?;
    writeln!(out, "       {dim}= in {}{reset}", printable(&problem.object.to_string()))?;
    if let Some(reason) = &problem.excused_by {
        writeln!(out, "       {dim}= excused: {}{reset}", printable(reason))?;
    }
    writeln!(out)
}

fn write_excerpt(out: &mut dyn Write, excerpt: &Excerpt, style: Style) -> io::Result<()> {
    if excerpt.line == 0 || excerpt.text.trim().is_empty() {
        return Ok(());
    }
    let (dim, red, reset) = (style.code("2"), style.code("31"), style.code("0"));
    writeln!(out, "{dim}{:>6} |{reset} {}", excerpt.line, excerpt.text)?;
    let width = |range: std::ops::Range<usize>| -> usize {
        excerpt.text.chars().skip(range.start).take(range.len()).map(columns).sum()
    };
    let marks = width(excerpt.marked.clone()).max(1);
    writeln!(
        out,
        "       {dim}|{reset} {}{red}{}{reset}",
        " ".repeat(width(0..excerpt.marked.start)),
        "^".repeat(marks)
    )
}

#[derive(Clone, Copy)]
struct Style {
    on: bool,
}

impl Style {
    fn code(self, code: &str) -> String {
        if self.on { format!("\u{1b}[{code}m") } else { String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use crate::cli::check::CheckFormat;

    #[test]
    fn sample_report() {
        insta::assert_snapshot!(sample::render(&sample::report(), CheckFormat::Human), @r#"
        deploy/db.yaml:9:18: error: spec.data[0].remoteRef.key: "/prod/team-b/db9" is outside of what is granted; env=prod team=team-a may read /prod/team-a/** (key-outside-grant)
             9 |     remoteRef: {key: /prod/team-b/db}
               |                      ^^^^^^^^^^^^^^^
               = in ExternalSecret a/db

        deploy/db.yaml:12:18: warning: spec.data[0].remoteRef.key: "/prod/team-b/db12" is outside of what is granted; env=prod team=team-a may read /prod/team-a/** (key-outside-grant)
            12 |     remoteRef: {key: /prod/team-b/db}
               |                      ^^^^^^^^^^^^^^^
               = in ExternalSecret a/db

        deploy/db.yaml:15:18: undecided: spec.data[0].remoteRef.key: "/prod/team-b/db15" is outside of what is granted; env=prod team=team-a may read /prod/team-a/** (key-unresolved)
            15 |     remoteRef: {key: /prod/team-b/db}
               |                      ^^^^^^^^^^^^^^^
               = in ExternalSecret a/db

        chart/es.yaml:3:8: not read: a template ({{ … }}) that is not rendered; check what it renders to
             3 |   name: {{ .x }}
               |         ^^

        1 violation, 1 warning, 1 thing that could not be decided, 1 place that could not be read.
          3 objects (2 ExternalSecret, 1 SecretStore) in 3 files
          4 objects of other kinds
          left out: 7 not a manifest by its name
          live state (KMS key, rotation, age) not evaluated: no --inventory
          policy default (.keystile/policy.yaml)
        "#);
    }

    #[test]
    fn nothing_checked_is_not_no_violations() {
        let text = sample::render(&sample::empty(), CheckFormat::Human);
        assert!(text.contains("nothing was checked"), "{text}");
        assert!(!text.contains("no violations"), "{text}");
    }
}
