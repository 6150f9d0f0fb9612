//! The `markdown` format: a comment on a pull request. Text from the repository stands in `<code>` elements
//! with every sign of Markdown escaped, as in scan's report, and lists are cut: a comment has a limit.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::{covered, gap_message, place_of, sign, verdict, weight_str};
use crate::check::{CheckReport, Weight};
use crate::report::markdown::{code, text};

/// So many problems are listed.
const PROBLEMS: usize = 50;
/// No problem is begun behind so many bytes (GitHub's limit is 65,536 characters).
const BYTES: usize = 50_000;
/// So many gaps.
const GAPS: usize = 10;

pub(super) fn write(report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
    let mut page = String::new();
    let _ = writeln!(page, "### {} keystile check: {}\n", sign(report), verdict(report));
    let shown: Vec<_> = report.problems.iter().filter(|problem| problem.weight() > Weight::Note).collect();
    if !shown.is_empty() {
        page.push_str("| | What | Where |\n|---|---|---|\n");
        let mut listed = 0;
        for problem in shown.iter().take(PROBLEMS) {
            if page.len() > BYTES {
                break;
            }
            let _ = writeln!(
                page,
                "| {} | {}<br>{} | {}<br>{} in {} |",
                weight_str(problem.weight()),
                text(&problem.sentence()),
                code(problem.rule.id),
                code(&format!("{}:{}", problem.file, problem.position.line)),
                code(&problem.path),
                text(&problem.object.to_string()),
            );
            listed += 1;
        }
        if shown.len() > listed {
            let _ = writeln!(page, "\n… and {} more.", shown.len() - listed);
        }
    }
    if !report.gaps.is_empty() {
        page.push_str("\n**Not read**\n\n");
        for gap in report.gaps.iter().take(GAPS) {
            let _ = writeln!(page, "- {} {}", code(&place_of(gap)), text(&gap_message(gap)));
        }
        if report.gaps.len() > GAPS {
            let _ = writeln!(page, "- … and {} more", report.gaps.len() - GAPS);
        }
    }
    let _ = writeln!(
        page,
        "\n<sub>Checked: {}. Policy {}. keystile {}</sub>",
        text(&covered(&report.covered).join("; ")),
        text(&report.policy.name),
        env!("CARGO_PKG_VERSION")
    );
    out.write_all(page.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use crate::cli::check::CheckFormat;

    #[test]
    fn a_table_of_problems_and_a_list_of_gaps() {
        let text = sample::render(&sample::report(), CheckFormat::Markdown);
        assert!(text.starts_with("### ❌ keystile check: 1 violation, 1 warning, "), "{text}");
        assert!(text.contains("<code>key-outside-grant</code>"), "{text}");
        assert!(text.contains("**Not read**"), "{text}");
        assert!(
            sample::render(&sample::empty(), CheckFormat::Markdown)
                .starts_with("### ⚠️ keystile check: nothing was checked")
        );
    }
}
