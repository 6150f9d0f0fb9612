//! The `markdown` format: a comment on a pull request (GitHub flavoured, but any Markdown shows it).
//!
//! Text from the repository stands in `<code>` elements, with every character that Markdown or HTML
//! could read as syntax written as a character reference: no pipe ends a cell, no backtick, link,
//! image or mention gets through. Lists are cut, since a comment has a limit (GitHub: 65,536
//! characters).

use std::fmt::Write as _;
use std::io::{self, Write};

use keystile_git::SkipReason;

use super::Outcome;
use super::advice::{sentence, state, title};
use super::coverage::gap_kind;
use super::human::{covered, verdict};
use super::text::{printable, window};
use super::view::{FindingView, OccurrenceView, View};

/// So many findings are listed.
const FINDINGS: usize = 25;
/// No finding is begun behind so many bytes.
const BYTES: usize = 40_000;
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
        let mut shown = 0;
        for finding in view.findings.iter().take(FINDINGS) {
            if page.len() > BYTES {
                break;
            }
            row(&mut page, finding);
            shown += 1;
        }
        if view.findings.len() > shown {
            let _ = writeln!(page, "\n… and {} more findings.", view.findings.len() - shown);
        }
        page.push_str("\n<details><summary>What to do</summary>\n\n");
        let mut advices: Vec<String> = Vec::new();
        for finding in view.findings.iter().take(shown) {
            let advice = format!("- {}: {}", text(title(finding)), text(&sentence(finding)));
            if !advices.contains(&advice) {
                advices.push(advice);
            }
        }
        page.push_str(&advices.join("\n"));
        page.push_str(
            "\n- No secret? Put its fingerprint and a reason into <code>.keystile/ignore</code>, or <code>keystile:allow</code> into its line.\n",
        );
        for finding in view.findings.iter().take(shown) {
            let _ = writeln!(page, "- <code>{}</code> {}", finding.fingerprint, text(title(finding)));
        }
        page.push_str("\n</details>\n");
    }
    let allowed_paths = view.coverage.skipped.get(&SkipReason::AllowlistedPath).map_or(0, |skipped| skipped.count);
    let suppressed = [
        (view.suppressed.ignored, "by an ignore file"),
        (view.suppressed.baseline, "in the baseline"),
        (view.suppressed.inline, "by an allow comment in the line"),
        (view.suppressed.allowlisted, "by an allowlist, for its path or commit"),
        (allowed_paths, "at a path that the configuration allows, whatever it holds"),
    ];
    let suppressed = suppressed.iter().filter(|(number, _)| *number > 0);
    list(&mut page, "Not shown", suppressed.map(|(number, why)| format!("{number} {why}")).collect());
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
    let mut state = if state.is_empty() { String::new() } else { format!("<br>{state}") };
    if let Some(verdict) = finding.verdict_text() {
        let _ = write!(state, "<br>{}", text(&verdict));
    }
    if let Some(managed) = finding.managed_text() {
        let _ = write!(state, "<br>managed: {}", text(&managed));
    }
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
    let mut shown = 0;
    for entry in entries.iter().take(ENTRIES) {
        // Whole entries only: one cut inside of an element would spill over into the next.
        if page.len() + entry.len() > BYTES + 15_000 {
            break;
        }
        let _ = writeln!(page, "- {entry}");
        shown += 1;
    }
    if entries.len() > shown {
        let _ = writeln!(page, "- … and {} more", entries.len() - shown);
    }
}

/// Text in a `<code>` element; empty text gives nothing.
pub(crate) fn code(source: &str) -> String {
    if source.is_empty() { String::new() } else { format!("<code>{}</code>", text(source)) }
}

/// Text that is nothing but text: what is no letter, digit, space or harmless sign becomes a
/// character reference, which Markdown never reads as syntax (`CommonMark` 0.31, section 2.5).
pub(crate) fn text(source: &str) -> String {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keystile_git::Coverage;
    use keystile_scan::OccurrencePlace;

    use super::super::{Format, Report, sample};
    use super::*;

    #[test]
    fn sample_report() {
        let rules = sample::rules();
        insta::assert_snapshot!(sample::snapshot(&sample::report(&rules), Format::Markdown), @r#"
        ### ❌ keystile: 3 secrets found in 7 places, 1 of them in HEAD, and not everything could be read

        | | What | Where | Line |
        |---|---|---|---|
        | critical | A GitHub personal access token<br><code>github-pat</code><br>in HEAD | <a href="https://github.com/keystile/sample/blob/2222222222222222222222222222222222222222/docs/%FFguide.md?plain=1#L12"><code>docs/�guide&#46;md&#58;12</code></a> in <code>222222222222</code><br><a href="https://github.com/keystile/sample/blob/1111111111111111111111111111111111111111/src/a%20b%23c.rs#L12"><code>src/a b&#35;c&#46;rs&#58;12</code></a> in <code>111111111111</code><br><a href="https://github.com/keystile/sample/commit/1111111111111111111111111111111111111111"><code>commit message&#58;12</code></a> in <code>111111111111</code><br>… and 1 more | <code>let token &#61; &#34;REDACTED&#34;; // REDACTED</code> |
        | high | A private key<br><code>private-key</code><br>in history only | <a href="https://github.com/keystile/sample/blob/3333333333333333333333333333333333333333/keys/id.pem#L1-L4"><code>keys/id&#46;pem&#58;1</code></a> in <code>333333333333</code> | <code>REDACTED</code> |
        | medium | A value that looks like an API key<br><code>generic-api-key</code><br>not in HEAD | <code>deploy/secret&#46;yaml&#58;3</code><br><code>old&#46;zip&#33;inner/secret&#46;yaml&#58;3</code> | <code>data&#58; REDACTED &#35; x</code> |

        <details><summary>What to do</summary>

        - A GitHub personal access token: Revoke or rotate it first, then take it out of the file&#58; whoever has a clone can read it in the history&#46; Delete it in the account's settings&#46;
        - A private key: Revoke or rotate it&#58; HEAD no longer has it, but whoever has a clone can read it&#46;
        - A value that looks like an API key: Revoke or rotate it, and take it out of what is to be committed&#58; whoever has a clone can read it in the history&#46;
        - No secret? Put its fingerprint and a reason into <code>.keystile/ignore</code>, or <code>keystile:allow</code> into its line.
        - <code><fingerprint 2></code> A GitHub personal access token
        - <code><fingerprint 1></code> A private key
        - <code><fingerprint 0></code> A value that looks like an API key

        </details>

        **Not shown**

        - 1 by an ignore file
        - 2 in the baseline

        **Not scanned**

        - missing object: <code>ffffffffffffffffffffffffffffffffffffffff</code>: the blob is not there&#58; fetch it again

        **Unused exceptions**

        - <code>&#46;keystile/ignore&#58;7</code> <code>src/old&#46;rs&#58;github-pat&#58;3</code> matches nothing any more

        **Warnings**

        - rules&#46;toml&#58;3&#58;1&#58; unknown key

        <sub>Scanned: 1,234 commits, 5,676 of 5,678 blobs (1.50 GB); 12 of 12 files (34.6 kB); 1,237 messages; 1 entry of archives. keystile 0&#46;0&#46;0</sub>
        "#);
    }

    #[test]
    fn nothing_scanned_is_no_tick() {
        let rules = sample::rules();
        let clean = sample::render(&sample::empty(&rules), Format::Markdown);
        assert!(clean.starts_with("### ✅ keystile: No secrets found\n"), "{clean}");
        let nothing = Report { coverage: Coverage::default(), ..sample::empty(&rules) };
        let nothing = sample::render(&nothing, Format::Markdown);
        assert!(nothing.starts_with("### ⚠️ keystile: Nothing was scanned"), "{nothing}");
        let mut left_out = Report { coverage: Coverage { files: 1, ..Coverage::default() }, ..sample::empty(&rules) };
        left_out.coverage.skip(SkipReason::AllowlistedPath, "a", 5);
        let left_out = sample::render(&left_out, Format::Markdown);
        assert!(left_out.starts_with("### ⚠️ keystile: Nothing was scanned: everything in scope"), "{left_out}");
        assert!(left_out.contains("\n- 1 at a path that the configuration allows"), "{left_out}");
    }

    #[test]
    fn text_is_never_syntax() {
        let hostile = "|`<img src=x onerror=y>`|[a](b)![c](d)@someone *b* _i_ ~s~ # h\nhttp://x www.x &lt; \\|\u{202e}";
        let text = text(hostile);
        assert_eq!(text.matches('&').count(), text.matches("&#").count(), "{text}");
        for sign in ['|', '`', '<', '>', '[', ']', '!', '@', '*', '_', '~', '\\', '\n', '.', '\u{202e}'] {
            assert!(!text.contains(sign), "{sign:?} in {text}");
        }
    }

    #[test]
    fn a_comment_has_a_limit() {
        let rules = sample::rules();
        let commit = sample::commit('1', "m");
        let findings = (0..500).map(|number| {
            let secret = format!("{}-{number}", sample::token());
            let line = format!("{secret}{}", "`|<>".repeat(1000));
            let found = Arc::new(sample::found(0, "github-pat", &secret, &line, (1, 1)));
            let places = (0..50).map(|file| {
                let path = format!("{}{file}", "a|b/".repeat(30));
                sample::occurrence(OccurrencePlace::Commit(commit.clone()), path.as_bytes(), &found, Some(true))
            });
            sample::finding("github-pat", &found, places.collect())
        });
        let report = Report { findings: findings.collect(), ..sample::report(&rules) };
        let text = sample::render(&report, Format::Markdown);
        assert!(text.len() < 65_536, "{}", text.len());
        assert!(text.contains(" more findings."), "says what is left out");
        assert!(text.contains("… and 47 more |"), "says what is left out");
    }
}
