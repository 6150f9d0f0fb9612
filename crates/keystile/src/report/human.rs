//! The `human` format: for a person at a terminal, or reading the log of a job.
//!
//! Every text that is not ours goes through [`printable`], so that a file name or a commit message
//! can neither move the cursor nor hide what it says. Colours are ours alone.

use std::fmt::Write as _;
use std::io::{self, Write};

use keystile_git::Coverage;
use keystile_scan::rule::Severity;
use keystile_verify::State;

use super::advice;
use super::coverage::{gap_kind, skip_reason};
use super::text::{bytes, columns, count, printable, printable_bytes, printable_code, subject, thousands};
use super::view::{FindingView, OccurrenceView, PlaceKind, View, utc};
use super::{Options, Outcome, TargetKind};
use crate::mask::{MASK, Redaction};
use crate::verify::Verification;

/// So many places of a finding are listed without `--verbose`.
const PLACES: usize = 5;
/// So many gaps, unused entries and warnings.
const ENTRIES: usize = 10;
/// So many lines of a match that has several.
const LINES: usize = 3;

pub(super) fn write(view: &View<'_>, out: &mut dyn Write, options: &Options) -> io::Result<()> {
    let mut page = Page { text: String::new(), style: Style { on: options.color }, options };
    for finding in &view.findings {
        page.finding(finding);
        // One finding at a time, so that a long report shows up as it is made.
        out.write_all(page.text.as_bytes())?;
        page.text.clear();
    }
    page.summary(view);
    out.write_all(page.text.as_bytes())
}

struct Page<'a> {
    text: String,
    style: Style,
    options: &'a Options,
}

impl Page<'_> {
    fn finding(&mut self, finding: &FindingView) {
        let style = self.style;
        let (code, name) = match finding.severity {
            Severity::Critical => (style.magenta(), "CRITICAL"),
            Severity::High => (style.red(), "HIGH"),
            Severity::Medium => (style.yellow(), "MEDIUM"),
            Severity::Low => (style.blue(), "LOW"),
        };
        let (bold, dim, reset) = (style.bold(), style.dim(), style.reset());
        let title = printable(advice::title(finding));
        let rule = printable(&finding.rule_id);
        self.line(&format!("{bold}{code}{name}{reset}  {bold}{title}{reset}  {dim}[{rule}]{reset}"));
        if let Some(first) = finding.best_place() {
            self.place(first, finding.occurrences.len() == 1);
            self.snippet(first);
            self.more_places(finding, first);
        }
        if self.options.redaction != Redaction::Full {
            // Asked for: the line above may show a part only, for want of room.
            self.line(&format!("  {dim}secret{reset}       {}", printable(&finding.secret)));
        }
        if let Some(verdict) = finding.verdict_text() {
            self.line(&format!("  {dim}verified{reset}     {}", printable(&verdict)));
        }
        if let Some(managed) = finding.managed_text() {
            self.line(&format!("  {dim}managed{reset}      {}", printable(&managed)));
        }
        self.line(&format!("  {dim}fingerprint{reset}  {}", finding.fingerprint));
        self.line(&format!("  {dim}what to do{reset}   {}", advice::what_to_do(finding)));
        if let Some(remedy) = &finding.remedy {
            self.line(&format!("               {}", printable(remedy)));
        }
        self.text.push('\n');
    }

    fn place(&mut self, place: &OccurrenceView, is_only: bool) {
        let style = self.style;
        let (cyan, dim, reset) = (style.cyan(), style.dim(), style.reset());
        let mut line = format!("  {cyan}{}{reset}", location(place));
        match place.in_head {
            Some(true) => line.push_str("  in HEAD"),
            Some(false) if is_only && place.kind == PlaceKind::Commit => line.push_str("  in history only"),
            Some(false) | None => {}
        }
        match place.kind {
            PlaceKind::Index => line.push_str("  staged"),
            PlaceKind::WorkTree => line.push_str("  in the work tree, not committed"),
            PlaceKind::Unreachable => {
                let object = printable(place.object.as_deref().unwrap_or_default()).into_owned();
                let _ = write!(line, "  in object {object}, which no reference leads to");
            }
            _ => {}
        }
        self.line(&line);
        if let Some(commit) = &place.commit {
            let by = format!(
                "{}  {}  {}: {}",
                printable(commit.short_id()),
                commit.day(),
                printable(&commit.author_name),
                printable(&subject(&commit.message, 72))
            );
            let by = self.fit(&by, 15);
            self.line(&format!("  {dim}commit{reset}       {by}"));
        }
        if let Some(symlink) = &place.symlink {
            let symlink = symlink.to_string();
            self.line(&format!("  {dim}by link{reset}      {}", printable(&symlink)));
        }
        if !place.text.encodings.is_empty() {
            self.line(&format!("  {dim}encoded{reset}      {}", place.text.encodings.join(", ")));
        }
        for required in &place.text.required {
            let line = format!("{} at line {}", printable(&required.rule_id), required.start.line);
            self.line(&format!("  {dim}together with{reset} {line}"));
        }
        if let Some(link) = &place.link {
            self.line(&format!("  {dim}link{reset}         {}", printable(link)));
        }
    }

    fn snippet(&mut self, place: &OccurrenceView) {
        if place.start.line == 0 {
            return;
        }
        let style = self.style;
        let (dim, reset) = (style.dim(), style.reset());
        let lines: Vec<&str> = place.text.line.lines().collect();
        for (index, line) in lines.iter().take(LINES).enumerate() {
            let number = place.start.line as usize + index;
            let gutter = format!("{number:>6} | ");
            let code = self.fit(&printable_code(line), gutter.chars().count() + 2);
            let code = style.highlight(&code);
            self.line(&format!("  {dim}{gutter}{reset}{code}"));
        }
        if lines.len() > LINES {
            self.line(&format!("  {dim}{:>6} | … {} more{reset}", "", lines.len() - LINES));
        }
    }

    fn more_places(&mut self, finding: &FindingView, shown: &OccurrenceView) {
        let (dim, reset) = (self.style.dim(), self.style.reset());
        let limit = if self.options.verbose { usize::MAX } else { PLACES };
        let others = finding.occurrences.iter().filter(|other| !std::ptr::eq(*other, shown));
        for other in others.clone().take(limit) {
            let mut line = format!("  {dim}also at{reset}      {}", location(other));
            if let Some(commit) = &other.commit {
                let _ = write!(line, "  {}  {}", printable(commit.short_id()), commit.day());
            }
            match (other.in_head, other.kind) {
                (Some(true), _) => line.push_str("  in HEAD"),
                (_, PlaceKind::Index) => line.push_str("  staged"),
                (_, PlaceKind::WorkTree) => line.push_str("  in the work tree"),
                _ => {}
            }
            self.line(&line);
        }
        let left_out = others.count().saturating_sub(limit);
        if left_out > 0 {
            let left_out = count(left_out as u64, "more place", "more places");
            self.line(&format!("  {dim}             … {left_out} (--verbose lists all){reset}"));
        }
    }

    fn summary(&mut self, view: &View<'_>) {
        let style = self.style;
        let (bold, dim, reset) = (style.bold(), style.dim(), style.reset());
        self.line(&format!("{bold}{}{}{reset}", verdict_color(style, view), verdict(view)));
        let target = printable(&view.target.path).into_owned();
        let range = view.target.range.as_deref().map(|range| format!(" {}", printable(range))).unwrap_or_default();
        let what = match view.target.kind {
            TargetKind::History => "history, index and work tree of",
            TargetKind::HistoryOnly => "history of",
            TargetKind::Range => "range of",
            TargetKind::Staged => "staged change of",
            TargetKind::Directory => "files under",
            TargetKind::StandardInput => "standard input",
        };
        let what = if view.target.kind == TargetKind::StandardInput {
            what.to_owned()
        } else {
            format!("{what} {target}{range}")
        };
        self.line(&format!("  {dim}target{reset}       {what}"));
        for line in covered(&view.coverage) {
            self.line(&format!("  {dim}scanned{reset}      {line}"));
        }
        for (reason, skipped) in &view.coverage.skipped {
            let mut line = format!("{}: {}", thousands(skipped.count), skip_reason(*reason).1);
            if skipped.bytes > 0 {
                let _ = write!(line, ", {}", bytes(skipped.bytes));
            }
            if let Some(example) = skipped.examples.first() {
                let _ = write!(line, " ({}{})", printable(example), if skipped.count > 1 { ", …" } else { "" });
            }
            self.line(&format!("  {dim}left out{reset}     {line}"));
        }
        let suppressed = view.suppressed;
        for (number, why) in [
            (suppressed.ignored, "by an ignore file"),
            (suppressed.baseline, "in the baseline"),
            (suppressed.inline, "by an allow comment in the line"),
            (suppressed.allowlisted, "by an allowlist, for its path or commit"),
        ] {
            if number > 0 {
                self.line(&format!("  {dim}not shown{reset}    {} {why}", count(number, "finding", "findings")));
            }
        }
        if let Some(verification) = view.verification {
            self.line(&format!("  {dim}verified{reset}     {}", verified(verification)));
            for (reason, number) in verification.unknown_reasons() {
                self.line(&format!("  {dim}unknown{reset}      {}: {}", thousands(number), reason.sentence()));
            }
            for (state, &number) in &verification.not_reported {
                let number = count(number, "finding", "findings");
                self.line(&format!("  {dim}not shown{reset}    {number} {} (--only-verified)", state.as_str()));
            }
        }
        for note in &view.coverage.notes {
            self.line(&format!("  {dim}note{reset}         {}", printable(note)));
        }
        self.gaps(&view.coverage);
        self.unused(view);
        self.capped("warning", &view.warnings, |warning| printable(warning).into_owned());
        if !view.findings.is_empty() {
            self.line(&format!(
                "  {dim}no secret?{reset}   put its fingerprint and a reason into .keystile/ignore, or keystile:allow into its line"
            ));
        }
        let meaning = match (view.exit_code, view.outcome) {
            (code, Outcome::Clean) if view.coverage.is_complete() && !view.scanned_anything() => {
                format!("{code}: nothing was scanned, nothing found")
            }
            (code, Outcome::Clean) => format!(
                "{code}: {}",
                if view.coverage.is_complete() {
                    "complete and clean"
                } else {
                    "clean as far as it could be read (--allow-incomplete)"
                }
            ),
            (code, Outcome::Findings) => format!("{code}: findings"),
            (code, Outcome::Incomplete) => format!("{code}: incomplete, so not clean"),
        };
        let seconds = (view.finished.as_millisecond() - view.started.as_millisecond()).max(0) as f64 / 1000.0;
        self.line(&format!(
            "  {dim}exit status{reset}  {meaning}  {dim}({seconds:.1} s, {}){reset}",
            utc(view.finished)
        ));
    }

    fn gaps(&mut self, coverage: &Coverage) {
        if coverage.gaps.is_empty() {
            return;
        }
        let style = self.style;
        let (yellow, reset) = (style.yellow(), style.reset());
        let number = count(coverage.gaps.len() as u64, "part", "parts");
        self.line(&format!("  {yellow}not scanned{reset}  {number} of what is in scope could not be read:"));
        self.capped("", &coverage.gaps, |gap| {
            format!("{}: {}: {}", gap_kind(gap.kind).1, printable(&gap.what), printable(&gap.detail))
        });
    }

    fn unused(&mut self, view: &View<'_>) {
        self.capped("unused", &view.unused, |unused| {
            let line = unused.line.map(|line| format!(":{line}")).unwrap_or_default();
            format!("{}{line}: {} matches nothing any more", printable(&unused.file), printable(&unused.entry))
        });
    }

    fn capped<T>(&mut self, label: &str, entries: &[T], render: impl Fn(&T) -> String) {
        let (yellow, dim, reset) = (self.style.yellow(), self.style.dim(), self.style.reset());
        let limit = if self.options.verbose { usize::MAX } else { ENTRIES };
        for entry in entries.iter().take(limit) {
            let entry = render(entry);
            self.line(&format!("  {yellow}{label:<11}{reset}  {entry}"));
        }
        if entries.len() > limit {
            let more = thousands((entries.len() - limit) as u64);
            self.line(&format!("  {dim}             … {more} more (--verbose lists all){reset}"));
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// Cuts what stands behind `indent` columns to the terminal's width.
    fn fit(&self, text: &str, indent: usize) -> String {
        let Some(width) = self.options.width else { return text.to_owned() };
        let room = width.saturating_sub(indent).max(20);
        let mut used = 0;
        let mut end = 0;
        for (at, character) in text.char_indices() {
            let columns = columns(character);
            if used + columns > room {
                return format!("{}…", text[..end].trim_end());
            }
            used += columns;
            // Room for the `…`.
            if used < room {
                end = at + character.len_utf8();
            }
        }
        text.to_owned()
    }
}

fn location(place: &OccurrenceView) -> String {
    let name = match place.path_encoded() {
        // `\xff` says more than U+FFFD.
        Some(_) => printable_bytes(&place.path),
        None => printable(&place.place_name()).into_owned(),
    };
    match place.start.line {
        0 => name,
        line => format!("{name}:{line}:{}", place.start.column),
    }
}

/// `verified 3: 1 live, 1 dead, 1 unknown`, without the first word.
pub(crate) fn verified(verification: &Verification) -> String {
    let [live, dead, unknown] = [State::Live, State::Dead, State::Unknown].map(|state| verification.count(state));
    let all = count(live + dead + unknown, "finding", "findings");
    format!("{all}: {} live, {} dead, {} unknown", thousands(live), thousands(dead), thousands(unknown))
}

/// The one line to read.
pub(super) fn verdict(view: &View<'_>) -> String {
    let incomplete = if view.coverage.is_complete() { "" } else { ", and not everything could be read" };
    match view.findings.len() as u64 {
        0 if view.outcome == Outcome::Incomplete && !view.scanned_anything() => {
            "Nothing was scanned, because what is in scope could not be read.".to_owned()
        }
        0 if view.read_only_empty() => "Nothing was scanned: what was read is empty.".to_owned(),
        0 if !view.scanned_anything() && view.left_out_everything() => {
            "Nothing was scanned: everything in scope was left out.".to_owned()
        }
        0 if !view.scanned_anything() => "Nothing was scanned: there is nothing in scope.".to_owned(),
        0 if view.verification.is_some_and(|verification| !verification.not_reported.is_empty()) => {
            let open = if view.outcome == Outcome::Incomplete { "; of some it is not known" } else { "" };
            format!("No live secrets found{open}{incomplete}.")
        }
        0 if incomplete.is_empty() => "No secrets found.".to_owned(),
        0 => "No secrets found in what could be read; the rest is not known.".to_owned(),
        number => {
            let places: usize = view.findings.iter().map(|finding| finding.occurrences.len()).sum();
            let in_head = view.findings.iter().filter(|finding| finding.in_head == Some(true)).count();
            let mut line = format!("{} found", count(number, "secret", "secrets"));
            let _ = write!(line, " in {}", count(places as u64, "place", "places"));
            if view.findings.iter().any(|finding| finding.in_head.is_some()) {
                let _ = write!(line, ", {} of them in HEAD", thousands(in_head as u64));
            }
            format!("{line}{incomplete}.")
        }
    }
}

fn verdict_color(style: Style, view: &View<'_>) -> &'static str {
    match view.outcome {
        Outcome::Findings => style.red(),
        Outcome::Clean if view.scanned_anything() && view.coverage.is_complete() => style.green(),
        Outcome::Clean | Outcome::Incomplete => style.yellow(),
    }
}

/// What was read, one line for each kind that is in scope.
pub(super) fn covered(coverage: &Coverage) -> Vec<String> {
    let mut lines = Vec::new();
    if coverage.commits > 0 || coverage.blobs > 0 {
        lines.push(format!(
            "{}, {} of {} ({})",
            count(coverage.commits, "commit", "commits"),
            thousands(coverage.blobs_scanned),
            count(coverage.blobs, "blob", "blobs"),
            bytes(coverage.blob_bytes_scanned)
        ));
    }
    if coverage.files > 0 || coverage.files_scanned > 0 {
        lines.push(format!(
            "{} of {} ({})",
            thousands(coverage.files_scanned),
            count(coverage.files, "file", "files"),
            bytes(coverage.file_bytes_scanned)
        ));
    }
    if coverage.messages_scanned > 0 {
        lines.push(count(coverage.messages_scanned, "message", "messages"));
    }
    if coverage.archive_entries_scanned > 0 {
        lines.push(count(coverage.archive_entries_scanned, "entry of archives", "entries of archives"));
    }
    if lines.is_empty() {
        lines.push("nothing".to_owned());
    }
    lines
}

/// SGR sequences (ECMA-48), or nothing.
#[derive(Clone, Copy)]
struct Style {
    on: bool,
}

macro_rules! sgr {
    ($($name:ident $code:literal),*) => {
        impl Style {
            $(fn $name(self) -> &'static str { if self.on { concat!("\x1b[", $code, "m") } else { "" } })*
        }
    };
}

sgr!(bold "1", dim "2", red "31", green "32", yellow "33", blue "34", magenta "35", cyan "36", reset "0");

impl Style {
    fn highlight(self, code: &str) -> String {
        if !self.on {
            return code.to_owned();
        }
        code.replace(MASK, &format!("{}{}{MASK}{}", self.bold(), self.red(), self.reset()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keystile_git::Coverage;
    use keystile_scan::OccurrencePlace;

    use super::super::sample::{self, commit, finding, found, occurrence};
    use super::super::text::{columns, is_unsafe};
    use super::super::{Format, Options, Outcome, Report};

    #[test]
    fn sample_report() {
        let rules = sample::rules();
        insta::assert_snapshot!(sample::snapshot(&sample::report(&rules), Format::Human), @r#"
        CRITICAL  A GitHub personal access token  [github-pat]
          docs/\xffguide.md:12:14  in HEAD
          commit       222222222222  2026-01-01  Ann Example: add docs | `x` <b>
          link         https://github.com/keystile/sample/blob/2222222222222222222222222222222222222222/docs/%FFguide.md?plain=1#L12
              12 | let token = "REDACTED"; // REDACTED
          also at      src/a b#c.rs:12:14  111111111111  2026-01-01
          also at      commit message:12:14  111111111111  2026-01-01
          also at      =cmd|' /C calc'!A0:12:14  in the work tree
          fingerprint  <fingerprint 2>
          what to do   revoke or rotate it first, then take it out of the file: whoever has a clone can read it in the history
                       Delete it in the account's settings.

        HIGH  A private key  [private-key]
          keys/id.pem:1:1  in history only
          commit       333333333333  2026-01-01  Ann Example: keys
          link         https://github.com/keystile/sample/blob/3333333333333333333333333333333333333333/keys/id.pem#L1-L4
               1 | REDACTED
          fingerprint  <fingerprint 1>
          what to do   revoke or rotate it: HEAD no longer has it, but whoever has a clone can read it

        MEDIUM  A value that looks like an API key  [generic-api-key]
          deploy/secret.yaml:3:7  staged
          encoded      base64
               3 | data: REDACTED # x
          also at      old.zip!inner/secret.yaml:3:7
          fingerprint  <fingerprint 0>
          what to do   revoke or rotate it, and take it out of what is to be committed: whoever has a clone can read it in the history

        3 secrets found in 7 places, 1 of them in HEAD, and not everything could be read.
          target       history, index and work tree of repo
          scanned      1,234 commits, 5,676 of 5,678 blobs (1.50 GB)
          scanned      12 of 12 files (34.6 kB)
          scanned      1,237 messages
          scanned      1 entry of archives
          left out     1: larger than the limit, 50.0 MB (big.bin)
          left out     2: a symbolic link (link, …)
          not shown    1 finding by an ignore file
          not shown    2 findings in the baseline
          note         2 replace refs are not followed
          not scanned  1 part of what is in scope could not be read:
                       missing object: ffffffffffffffffffffffffffffffffffffffff: the blob is not there: fetch it again
          unused       .keystile/ignore:7: src/old.rs:github-pat:3 matches nothing any more
          warning      rules.toml:3:1: unknown key
          no secret?   put its fingerprint and a reason into .keystile/ignore, or keystile:allow into its line
          exit status  1: findings  (2.5 s, 2026-01-02T03:04:07Z)
        "#);
    }

    #[test]
    fn nothing_found() {
        let rules = sample::rules();
        insta::assert_snapshot!(sample::snapshot(&sample::empty(&rules), Format::Human), @r#"
        No secrets found.
          target       files under .
          scanned      1 of 1 file (10 B)
          exit status  0: complete and clean  (2.5 s, 2026-01-02T03:04:07Z)
        "#);
    }

    #[test]
    fn nothing_scanned_is_not_nothing_found() {
        let rules = sample::rules();
        let nothing = Report { coverage: Coverage::default(), ..sample::empty(&rules) };
        let text = sample::render(&nothing, Format::Human);
        assert!(text.starts_with("Nothing was scanned: there is nothing in scope.\n"), "{text}");
        assert!(!text.contains("No secrets found"), "{text}");

        let mut left_out = Report { coverage: Coverage { files: 2, ..Coverage::default() }, ..sample::empty(&rules) };
        for name in ["a", "b"] {
            left_out.coverage.skip(keystile_git::SkipReason::AllowlistedPath, name, 5);
        }
        let text = sample::render(&left_out, Format::Human);
        assert!(text.starts_with("Nothing was scanned: everything in scope was left out.\n"), "{text}");
        assert!(text.contains("left out     2: at a path that the configuration allows, 10 B (a, …)\n"), "{text}");
        assert!(text.contains("exit status  0: nothing was scanned, nothing found"), "{text}");

        let mut unread = Report { outcome: Outcome::Incomplete, exit_code: 3, ..nothing };
        unread.coverage.gap(keystile_git::GapKind::CorruptPack, "pack-1", "cut short");
        let text = sample::render(&unread, Format::Human);
        assert!(text.starts_with("Nothing was scanned, because what is in scope could not be read.\n"), "{text}");
        assert!(text.contains("exit status  3: incomplete, so not clean"), "{text}");

        let allowed = Report { outcome: Outcome::Clean, exit_code: 0, ..unread };
        let text = sample::render(&allowed, Format::Human);
        assert!(text.contains("exit status  0: clean as far as it could be read (--allow-incomplete)"), "{text}");
    }

    #[test]
    fn the_terminal_obeys_nothing_but_our_colours() {
        let rules = sample::rules();
        let report = sample::report(&rules);
        let plain = sample::render(&report, Format::Human);
        let odd = plain.chars().filter(|character| *character != '\n').find(|character| is_unsafe(*character));
        assert_eq!(odd, None);

        let options = Options { color: true, ..Options::default() };
        let mut colored = sample::render_with(&report, Format::Human, &options);
        for code in [0, 1, 2, 31, 32, 33, 34, 35, 36] {
            colored = colored.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(colored, plain);
    }

    #[test]
    fn code_and_commits_are_cut_to_the_terminal() {
        let rules = sample::rules();
        let secret = sample::token();
        let line = format!("漢字 = \"{secret}\" {}", "漢字x".repeat(200));
        let found = Arc::new(found(0, "github-pat", &secret, &line, (7, 7)));
        let place = OccurrencePlace::Commit(commit('1', &"long story ".repeat(20)));
        let findings = vec![finding("github-pat", &found, vec![occurrence(place, b"a", &found, Some(true))])];
        let report = Report { findings, ..sample::report(&rules) };
        for width in [40, 60, 81, 120] {
            let options = Options { width: Some(width), ..Options::default() };
            let text = sample::render_with(&report, Format::Human, &options);
            let cut: Vec<&str> =
                text.lines().filter(|line| line.contains(" | ") || line.contains("commit  ")).collect();
            assert_eq!(cut.len(), 2, "{text}");
            for line in cut {
                let used: usize = line.chars().map(columns).sum();
                assert!(used <= width && used + 4 > width, "{width}: {used}: {line}");
            }
        }
    }

    #[test]
    fn long_lists_are_cut_and_say_so() {
        let rules = sample::rules();
        let secret = sample::token();
        let found = Arc::new(found(0, "github-pat", &secret, &secret, (1, 1)));
        let places =
            (0..300).map(|number| occurrence(OccurrencePlace::File, format!("file-{number}").as_bytes(), &found, None));
        let report =
            Report { findings: vec![finding("github-pat", &found, places.collect())], ..sample::report(&rules) };
        let text = sample::render(&report, Format::Human);
        assert_eq!(text.matches("file-").count(), 6, "{text}");
        assert!(text.contains("… 294 more places (--verbose lists all)"), "{text}");
        let options = Options { verbose: true, ..Options::default() };
        assert_eq!(sample::render_with(&report, Format::Human, &options).matches("file-").count(), 300);
    }
}
