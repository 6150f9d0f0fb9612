//! `keystile scan`.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use keystile_git::Repository;

use crate::cli::scan::{ScanArgs, When};
use crate::exit::{Exit, UsageError};
use crate::find::{Found, find};
use crate::link::Remote;
use crate::managed::Holders;
use crate::mask::Redaction;
use crate::report::text::printable;
use crate::report::{self, Format, Options, Outcome, Report, TargetKind, human};
use crate::scan_request::{Destination, Part, ScanRequest, Target};
use crate::terminal;
use crate::verify::Verification;

/// Scans what `args` asks for.
///
/// # Errors
/// As [`carry_out`], and for arguments that contradict each other.
pub fn run(args: ScanArgs) -> anyhow::Result<Exit> {
    carry_out(ScanRequest::from_args(args)?)
}

/// Scans, reports, and says how the process should end.
///
/// # Errors
/// If the configuration can't be used, the source can't be read at all, or a report can't be written.
pub fn carry_out(request: ScanRequest) -> anyhow::Result<Exit> {
    let started = Timestamp::now();
    check_destinations(&request.reports)?;
    let Found { inspector, mut sorted, coverage } = find(&request)?;
    let rules = inspector.scanner.rules();
    let mut verification = None;
    let mut is_open = false;
    if let Some(wanted) = &request.verify {
        let mut asked = Verification::ask(wanted, rules, &sorted.reported, &sorted.withheld, request.progress)?;
        if wanted.only_live {
            sorted.withheld.extend(asked.keep_live(&mut sorted.reported));
            // What could not be asked may be live: that is not "nothing found".
            is_open = asked.is_open() && !request.allow_incomplete;
        }
        verification = Some(asked);
    }
    let mut warnings = Vec::new();
    let managed = request.managed.as_ref().and_then(|wanted| {
        match Holders::find(wanted, &sorted.reported, request.progress) {
            Ok(holders) => {
                let unread = holders.unread.iter();
                warnings.extend(unread.map(|secret| format!("a managed secret could not be looked into: {secret}")));
                Some(holders)
            }
            // What was found is reported all the same.
            Err(error) => {
                warnings.push(format!("whether a managed secret holds what was found is not known: {error:#}"));
                None
            }
        }
    });
    let outcome = match Outcome::of(sorted.reported.len(), &coverage, request.allow_incomplete) {
        Outcome::Clean if is_open => Outcome::Incomplete,
        outcome => outcome,
    };
    let exit = match outcome {
        Outcome::Clean => Exit::Clean,
        Outcome::Findings => Exit::Findings(request.exit_code),
        Outcome::Incomplete => Exit::Incomplete,
    };
    let mut suppressed = sorted.suppressed;
    suppressed.inline = coverage.allowed_inline;
    suppressed.allowlisted = coverage.allowlisted;
    let report = Report {
        rules,
        findings: sorted.reported,
        withheld: sorted.withheld,
        coverage,
        outcome,
        exit_code: exit.code(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        target: report_target(&request.target),
        suppressed,
        verification,
        unused: sorted.unused,
        managed,
        warnings,
        remote: remote(&request.target),
        started,
        finished: Timestamp::now(),
    };
    write_reports(&request, &report)?;
    if !request.reports.iter().any(|(format, _)| shows_coverage(*format)) {
        let prints = request.reports.iter().any(|(_, destination)| *destination == Destination::StandardOutput);
        summarize(&report, request.quiet, !prints);
    }
    Ok(exit)
}

/// Finds out before the work, as far as that can be told, that a report would have no place at its end.
pub(crate) fn check_destinations<F>(reports: &[(F, Destination)]) -> anyhow::Result<()> {
    let mut seen: Vec<&Path> = Vec::new();
    for path in reports.iter().filter_map(|(_, destination)| destination.file()) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let why = if !folder.is_dir() {
            "its folder does not exist"
        } else if path.is_dir() {
            "that is a folder"
        } else if seen.contains(&path) {
            "two reports would go there"
        } else {
            seen.push(path);
            continue;
        };
        return Err(UsageError(format!("the report can't be written to {}: {why}", path.display())).into());
    }
    Ok(())
}

/// Whether a report of this format says what could not be read.
fn shows_coverage(format: Format) -> bool {
    !matches!(format, Format::Gitleaks | Format::GitleaksCsv | Format::Csv)
}

/// What could not be read, on standard error, where no report says it; and, `with_count`, what was found.
fn summarize(report: &Report<'_>, quiet: bool, with_count: bool) {
    let coverage = &report.coverage;
    for gap in &coverage.gaps {
        terminal::warning(&format!("not scanned: {}: {}", printable(&gap.what), printable(&gap.detail)));
    }
    if !with_count {
        return;
    }
    let found = match report.findings.iter().map(|finding| finding.occurrences.len()).sum::<usize>() {
        0 if coverage.is_complete() && coverage.blobs_scanned + coverage.files_scanned == 0 => {
            "nothing was scanned, no leaks found".to_owned()
        }
        0 if coverage.is_complete() => "no leaks found".to_owned(),
        0 => "no leaks found in what could be read".to_owned(),
        places => format!("leaks found: {places}"),
    };
    let scanned = coverage.blobs_scanned + coverage.files_scanned;
    let verified = report.verification.as_ref().map(|verification| format!("; {}", human::verified(verification)));
    let covered = format!(
        "{} commits and {scanned} blobs and files were scanned{}",
        coverage.commits,
        verified.unwrap_or_default()
    );
    if report.outcome != Outcome::Clean {
        terminal::warning(&format!("{found}; {covered}"));
    } else if !quiet {
        terminal::note(&format!("{found}; {covered}"));
    }
}

fn report_target(target: &Target) -> report::Target {
    let shown = |path: &Path| path.display().to_string();
    match target {
        Target::Repository { path, part, .. } => {
            let (kind, range) = match part {
                Part::Everything { .. } => (TargetKind::History, None),
                Part::History => (TargetKind::HistoryOnly, None),
                Part::Range(range) => (TargetKind::Range, Some(range.clone())),
                Part::Staged | Part::Unstaged => (TargetKind::Staged, None),
            };
            report::Target { path: shown(path), kind, range }
        }
        Target::Directory { paths, .. } => {
            let path = paths.iter().map(|path| shown(path)).collect::<Vec<_>>().join(" ");
            report::Target { path, kind: TargetKind::Directory, range: None }
        }
        Target::StandardInput => report::Target { path: "-".to_owned(), kind: TargetKind::StandardInput, range: None },
    }
}

fn remote(target: &Target) -> Option<Remote> {
    let Target::Repository { repository, .. } = target else { return None };
    Remote::parse(Repository::origin_url(repository)?, None)
}

/// Writes every report; a file is replaced whole or not at all. That the reader of standard output went away
/// changes nothing about how the run ends.
fn write_reports(request: &ScanRequest, report: &Report<'_>) -> anyhow::Result<()> {
    for (format, destination) in &request.reports {
        let to_terminal = *destination == Destination::StandardOutput;
        let is_clean = report.outcome == Outcome::Clean && report.coverage.is_complete();
        if request.quiet && to_terminal && *format == Format::Human && is_clean {
            continue;
        }
        let percent = if *format == Format::Human { request.redact_human_percent } else { request.redact_percent };
        let options = Options {
            redaction: Redaction::from_percent(u32::from(percent)),
            color: to_terminal && wants_color(request.color),
            width: (to_terminal && std::io::stdout().is_terminal()).then(terminal::width).flatten(),
            verbose: request.verbose,
        };
        let mut text = Vec::new();
        report::write(report, *format, &mut text, &options)?;
        hand_over(&text, destination)?;
    }
    Ok(())
}

/// Writes a whole report to where it goes.
pub(crate) fn hand_over(text: &[u8], destination: &Destination) -> anyhow::Result<()> {
    match destination {
        Destination::StandardOutput => match std::io::stdout().write_all(text) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            written => written.context("while writing the report to standard output"),
        },
        Destination::File(path) => crate::atomic_file::replace(path, text)
            .with_context(|| format!("while writing the report to {}", path.display())),
    }
}

/// `auto`: on a terminal, unless `NO_COLOR` is set (<https://no-color.org>) or the terminal can't.
pub(crate) fn wants_color(when: When) -> bool {
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto => {
            std::io::stdout().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}
