//! `keystile check`.

use jiff::Timestamp;
use keystile_manifest::files::{self, Walk};

use crate::check::basis::{load_policy, read_around};
use crate::check::judge::{Judgements, judge};
use crate::check::{CheckReport, PolicyName, Verdict};
use crate::check_report::{self, Options};
use crate::cli::check::{CheckArgs, CheckFormat};
use crate::commands::scan::{check_destinations, hand_over, wants_color};
use crate::exit::{Exit, UsageError};
use crate::report::text::printable;
use crate::scan_request::Destination;
use crate::terminal;

/// Judges what `args` asks for.
///
/// # Errors
/// If the policy can't be used, a path is not there, or a report can't be written.
pub fn run(args: CheckArgs) -> anyhow::Result<Exit> {
    if args.paths.is_empty() {
        return Err(UsageError("say what to check, for example `keystile check .`".to_owned()).into());
    }
    let started = Timestamp::now();
    let reports = destinations(&args);
    check_destinations(&reports)?;
    for path in args.paths.iter().filter(|path| path.as_os_str() != "-") {
        if !path.exists() {
            return Err(UsageError(format!("{}: there is no such file or folder", path.display())).into());
        }
    }
    let now = args.basis.at.unwrap_or(started);
    let loaded = load_policy(args.basis.policy.as_deref(), now)?;
    let policy = PolicyName { name: loaded.policy.name.clone(), file: loaded.file.clone() };
    if args.report.verbose {
        terminal::note(&format!("policy: {} ({})", policy.name, policy.file));
    }
    let around = read_around(&args.basis)?;
    let files = files::read_paths(&args.paths, Walk { honour_ignore_files: !args.no_ignore });
    let Judgements { problems, gaps, covered } =
        judge(loaded.policy, files, &around, args.basis.namespace.as_deref(), now);
    let report = CheckReport {
        problems,
        gaps,
        covered,
        policy,
        warnings: Vec::new(),
        violations_code: args.report.exit_code,
        started,
        finished: Timestamp::now(),
    };
    write_reports(&args, &reports, &report)?;
    Ok(report.exit())
}

fn destinations(args: &CheckArgs) -> Vec<(CheckFormat, Destination)> {
    let first = match &args.report.output {
        Some(path) => Destination::File(path.clone()),
        None => Destination::StandardOutput,
    };
    let others = args.report.report.iter().map(|(format, path)| (*format, Destination::File(path.clone())));
    std::iter::once((args.report.format, first)).chain(others).collect()
}

fn write_reports(args: &CheckArgs, reports: &[(CheckFormat, Destination)], report: &CheckReport) -> anyhow::Result<()> {
    let is_silent = args.report.quiet && report.verdict() == Verdict::Clean && report.covered.objects() > 0;
    for (format, destination) in reports {
        let to_terminal = *destination == Destination::StandardOutput;
        if is_silent && to_terminal && *format == CheckFormat::Human {
            continue;
        }
        let options = Options { color: to_terminal && wants_color(args.report.color), verbose: args.report.verbose };
        let mut text = Vec::new();
        check_report::write(report, *format, &mut text, options)?;
        hand_over(&text, destination)?;
    }
    if !reports.iter().any(|(_, destination)| *destination == Destination::StandardOutput) {
        for gap in &report.gaps {
            terminal::warning(&format!("not read: {}: {}", printable(&gap.file), printable(&gap.message)));
        }
    }
    Ok(())
}
