//! The `markdown` format: a comment on a pull request (GitHub flavoured, but any Markdown shows it).
//!
//! Text from the repository stands in `<code>` elements, with every character that Markdown or HTML
//! could read as syntax written as a character reference: no pipe ends a cell, no backtick, link,
//! image or mention gets through. Lists are cut, since a comment has a limit (GitHub: 65,536
//! characters).

use std::fmt::Write as _;
use std::io::{self, Write};

use super::Outcome;
use super::advice::{sentence, state, title};
use super::coverage::gap_kind;
use super::human::{covered, verdict};
use super::text::{printable, window};
use super::view::{FindingView, OccurrenceView, View};

/// So many findings are listed.
const FINDINGS: usize = 25;
/// So many places of each.
const PLACES: usize = 3;
/// So many gaps, unused entries and warnings.
const ENTRIES: usize = 10;

pub(super) fn write(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut page = String::new();
    let sign = match view.outcome {
        Outcome::Findings => "❌",
        Outcome::Clean if view.scanned_anything() && view.coverage.is_complete() => "✅",
        Outcome::Clean | Outcome::Incomplete => "⚠️",
    };
    let _ = writeln!(page, "### {sign} keystile: {}\n", verdict(view).trim_end_matches('.'));
    if !view.findings.is_empty() {
        page.push_str("| | What | Where | Line |\n|---|---|---|---|\n");
        for finding in view.findings.iter().take(FINDINGS) {
            row(&mut page, finding);
        }
        if view.findings.len() > FINDINGS {
            let _ = writeln!(page, "\n… and {} more findings.", view.findings.len() - FINDINGS);
        }
        page.push_str("\n<details><summary>What to do</summary>\n\n");
        let mut advices: Vec<String> = Vec::new();
        for finding in view.findings.iter().take(FINDINGS) {
            let advice = format!("- {}: {}", text(title(finding)), text(&sentence(finding)));
            if !advices.contains(&advice) {
                advices.push(advice);
            }
        }
        page.push_str(&advices.join("\n"));
        page.push_str(
            "\n- No secret? Put its fingerprint and a reason into <code>.keystile/ignore</code>, or <code>keystile:allow</code> into its line.\n",
        );
        for finding in view.findings.iter().take(FINDINGS) {
            let _ = writeln!(page, "- <code>{}</code> {}", finding.fingerprint, text(title(finding)));
        }
        page.push_str("\n</details>\n");
    }
    let gaps = view
        .coverage
        .gaps
        .iter()
        .map(|gap| format!("{}: {}: {}", gap_kind(gap.kind).1, code(&gap.what), text(&gap.detail)));
    list(&mut page, "Not scanned", gaps.collect());
    let unused = view.unused.iter().map(|unused| {
        let line = unused.line.map(|line| format!(":{line}")).unwrap_or_default();
        format!("{} {} matches nothing any more", code(&format!("{}{line}", unused.file)), code(&unused.entry))
    });
    list(&mut page, "Unused exceptions", unused.collect());
    list(&mut page, "Warnings", view.warnings.iter().map(|warning| text(warning)).collect());
    let _ = writeln!(
        page,
        "\n<sub>Scanned: {}. keystile {}</sub>",
        covered(&view.coverage).join("; "),
        text(view.tool_version)
    );
    out.write_all(page.as_bytes())
}

fn row(page: &mut String, finding: &FindingView) {
    let best = finding.best_place();
    let mut places: Vec<String> = best.into_iter().map(place).collect();
    let others = finding.occurrences.iter().filter(|other| best.is_none_or(|best| !std::ptr::eq(*other, best)));
    places.extend(others.take(PLACES - 1).map(place));
    if finding.occurrences.len() > PLACES {
        places.push(format!("… and {} more", finding.occurrences.len() - PLACES));
    }
    let state = state(finding);
    let state = if state.is_empty() { String::new() } else { format!("<br>{state}") };
    let line =
        best.map(|best| window(best.text.line.lines().next().unwrap_or_default().trim(), 0..0, 120).into_owned());
    let _ = writeln!(
        page,
        "| {} | {}<br>{}{state} | {} | {} |",
        finding.severity_str(),
        text(title(finding)),
        code(&finding.rule_id),
        places.join("<br>"),
        code(&line.unwrap_or_default())
    );
}

fn place(place: &OccurrenceView) -> String {
    let mut name = place.place_name();
    if place.start.line > 0 {
        let _ = write!(name, ":{}", place.start.line);
    }
    let name = code(&name);
    let mut shown = match &place.link {
        // Links are percent-encoded; what HTML could read in them is escaped all the same.
        Some(link) => format!("<a href=\"{}\">{name}</a>", link.replace('&', "&amp;").replace('"', "&quot;")),
        None => name,
    };
    if let Some(commit) = &place.commit {
        let _ = write!(shown, " in {}", code(commit.short_id()));
    }
    shown
}

fn list(page: &mut String, title: &str, entries: Vec<String>) {
    if entries.is_empty() {
        return;
    }
    let _ = writeln!(page, "\n**{title}**\n");
    for entry in entries.iter().take(ENTRIES) {
        let _ = writeln!(page, "- {entry}");
    }
    if entries.len() > ENTRIES {
        let _ = writeln!(page, "- … and {} more", entries.len() - ENTRIES);
    }
}

/// Text in a `<code>` element; empty text gives nothing.
fn code(source: &str) -> String {
    if source.is_empty() { String::new() } else { format!("<code>{}</code>", text(source)) }
}

/// Text that is nothing but text: what is no letter, digit, space or harmless sign becomes a
/// character reference, which Markdown never reads as syntax (`CommonMark` 0.31, section 2.5).
fn text(source: &str) -> String {
    let mut escaped = String::with_capacity(source.len() * 2);
    for character in printable(source).chars() {
        if !character.is_ascii() || character.is_ascii_alphanumeric() || " -/,;()'".contains(character) {
            escaped.push(character);
        } else {
            let _ = write!(escaped, "&#{};", u32::from(character));
        }
    }
    escaped
}
