//! gitleaks' commands, carried out by keystile.
//!
//! Defaults are gitleaks': reports hold secrets unless `--redact` is given, decoding goes 5 deep, archives stay
//! closed, and without `--verbose` or a report only a summary is printed. What stays keystile's: an incomplete
//! scan ends with 3, a wrong flag or configuration with 2 (gitleaks: 126 and 1), and what `--verbose` prints is
//! masked unless `--redact=0` is given, since it ends up in the logs of CI systems.

use std::path::{Path, PathBuf};

use clap::ValueEnum as _;
use keystile_git::Error;

use crate::cli::gitleaks::{DetectArgs, DirArgs, GitArgs, GlobalArgs, ProtectArgs, StdinArgs};
use crate::cli::scan::{Compat, When};
use crate::commands::scan;
use crate::config_files::{GITLEAKS_CONFIG, GITLEAKS_IGNORE, OWN_BASELINE, OWN_CONFIG, OWN_IGNORE};
use crate::exit::{Exit, UsageError};
use crate::report::Format;
use crate::scan_request::{Destination, Part, ScanRequest, Target, open_repository, threads};
use crate::terminal;

/// `git`.
///
/// # Errors
/// As [`scan::carry_out`], and for flags that are not supported.
pub fn git(args: GitArgs) -> anyhow::Result<Exit> {
    let part = match (args.pre_commit, args.staged) {
        (_, true) => Part::Staged,
        (true, false) => Part::Unstaged,
        (false, false) => of_log_options(args.log_opts.as_deref())?,
    };
    let target = repository(args.repo.as_deref(), part)?;
    scan::carry_out(request(target, args.global)?)
}

/// `dir`.
///
/// # Errors
/// As [`git`].
pub fn dir(args: DirArgs) -> anyhow::Result<Exit> {
    let path = args.path.unwrap_or_else(|| PathBuf::from("."));
    scan::carry_out(request(directory(path, args.follow_symlinks)?, args.global)?)
}

/// `stdin`.
///
/// # Errors
/// As [`git`].
pub fn stdin(args: StdinArgs) -> anyhow::Result<Exit> {
    scan::carry_out(request(Target::StandardInput, args.global)?)
}

/// `detect`.
///
/// # Errors
/// As [`git`].
pub fn detect(args: DetectArgs) -> anyhow::Result<Exit> {
    let target = if args.no_git {
        directory(args.source, args.follow_symlinks)?
    } else if args.pipe {
        Target::StandardInput
    } else {
        repository(Some(&args.source), of_log_options(args.log_opts.as_deref())?)?
    };
    scan::carry_out(request(target, args.global)?)
}

/// `protect`.
///
/// # Errors
/// As [`git`].
pub fn protect(args: ProtectArgs) -> anyhow::Result<Exit> {
    let part = if args.staged { Part::Staged } else { Part::Unstaged };
    scan::carry_out(request(repository(Some(&args.source), part)?, args.global)?)
}

fn repository(path: Option<&Path>, part: Part) -> Result<Target, Error> {
    let path = path.unwrap_or(Path::new("."));
    // `.` is what gitleaks has where nothing is given, as in a hook.
    let repository = open_repository(path, path == Path::new("."))?;
    Ok(Target::Repository { repository: Box::new(repository), path: path.to_owned(), part })
}

fn directory(path: PathBuf, follow_symlinks: bool) -> anyhow::Result<Target> {
    if path.symlink_metadata().is_err() {
        return Err(UsageError(format!("{}: there is no such file or folder", path.display())).into());
    }
    // gitleaks does not know git's ignore files, and its paths begin with what was named.
    Ok(Target::Directory { paths: vec![path], honour_ignore_files: false, follow_symlinks, paths_as_named: true })
}

/// `--log-opts` is given to `git log` by gitleaks. keystile runs no git: a range and the options that change
/// nothing about what is scanned are understood, whatever else would silently scan something else is refused.
/// That is so for a range beside `--all` as well, which git takes as "every reference, without what BASE has".
fn of_log_options(options: Option<&str>) -> anyhow::Result<Part> {
    let mut range = None;
    let mut all = false;
    for word in options.unwrap_or_default().split_whitespace() {
        let word = word.trim_matches(['"', '\'']);
        match word {
            "--all" => all = true,
            "--full-history" | "--no-merges" | "-p" | "-U0" | "--no-color" => {}
            // Three dots are both sides' commits to `git log`, here they are what two are.
            _ if !word.starts_with('-') && word.contains("..") && !word.contains("...") && range.is_none() => {
                range = Some(word.to_owned())
            }
            _ => {
                return Err(UsageError(format!(
                    "--log-opts: \"{word}\" is not understood; give one range (BASE..HEAD), or --all for the whole history"
                ))
                .into());
            }
        }
    }
    match range {
        Some(range) if all => Err(UsageError(format!(
            "--log-opts: --all beside {range} means every reference without what the range's base has, which is not supported; give the range alone, or --all alone"
        ))
        .into()),
        Some(range) => Ok(Part::Range(range)),
        None => Ok(Part::History),
    }
}

fn request(target: Target, args: GlobalArgs) -> anyhow::Result<ScanRequest> {
    if args.report_template.is_some() {
        return Err(UsageError(
            "--report-template is not supported: use --report-format json and a template tool of your own".to_owned(),
        )
        .into());
    }
    if args.diagnostics.is_some() || args.diagnostics_dir.is_some() {
        terminal::warning("--diagnostics has no effect here");
    }
    let config_folder = config_folder(&target);
    let mut reports = Vec::new();
    if let Some(path) = &args.report_path {
        let destination =
            if path.as_os_str() == "-" { Destination::StandardOutput } else { Destination::File(path.clone()) };
        reports.push((report_format(args.report_format.as_deref(), path)?, destination));
    }
    // gitleaks prints the findings beside a report in a file.
    if args.verbose && !reports.iter().any(|(_, destination)| *destination == Destination::StandardOutput) {
        reports.push((Format::Human, Destination::StandardOutput));
    }
    if args.timeout > 0 {
        terminal::exit_after(std::time::Duration::from_secs(args.timeout));
    }
    Ok(ScanRequest {
        target,
        messages: false,
        unreachable: false,
        config: args.config,
        config_folder,
        skip_bad_rules: false,
        enable_rule: args.enable_rule,
        config_from: None,
        strict: args.compat == Compat::Strict,
        decode_depth: args.max_decode_depth,
        archive_depth: args.max_archive_depth,
        skip_binary: args.compat == Compat::Strict,
        max_bytes: args.max_target_megabytes.filter(|&megabytes| megabytes > 0).map(|megabytes| megabytes * 1_000_000),
        inline_allow: !args.ignore_gitleaks_allow,
        ignore_files: Vec::new(),
        gitleaks_ignore_files: ignore_files(&args.gitleaks_ignore_path)?,
        ignore_files_around: true,
        baseline: args.baseline_path,
        with_baseline: true,
        update_baseline: false,
        reports,
        redact_percent: args.redact.unwrap_or(0),
        redact_human_percent: args.redact.unwrap_or(100),
        exit_code: args.exit_code,
        allow_incomplete: false,
        color: if args.no_color { When::Never } else { When::Auto },
        progress: false,
        quiet: matches!(args.log_level.as_str(), "warn" | "error" | "fatal"),
        verbose: args.verbose,
        threads: threads(None),
        delta: true,
        verify_objects: false,
        verify: None,
        managed: None,
    })
}

/// gitleaks looks for its files in the folder that was named, keystile at the top of the work tree: the former
/// counts where there are any.
fn config_folder(target: &Target) -> Option<PathBuf> {
    let Target::Repository { path, .. } = target else { return None };
    let files = [OWN_CONFIG, GITLEAKS_CONFIG, OWN_IGNORE, GITLEAKS_IGNORE, OWN_BASELINE];
    files.iter().any(|file| path.join(file).exists()).then(|| path.clone())
}

/// The file, or the one in the folder if it holds one; those beside what is scanned are read as well. gitleaks
/// takes no notice of a file that is not there, but for the name of its own a mistyped one is an error here.
fn ignore_files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let file = if path.is_dir() { path.join(GITLEAKS_IGNORE) } else { path.to_owned() };
    if file.exists() {
        return Ok(vec![file]);
    }
    if file.file_name().is_some_and(|name| name == GITLEAKS_IGNORE) {
        return Ok(Vec::new());
    }
    Err(UsageError(format!("--gitleaks-ignore-path {}: there is no such file or folder", path.display())).into())
}

/// gitleaks takes the format from the flag, else from the file's name.
fn report_format(flag: Option<&str>, path: &Path) -> anyhow::Result<Format> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    let name = flag.map(str::to_lowercase).or(extension).unwrap_or_else(|| "json".to_owned());
    match name.as_str() {
        "json" | "" => Ok(Format::Gitleaks),
        "csv" => Ok(Format::GitleaksCsv),
        "junit" | "sarif" => Format::from_str(&name, true).map_err(|error| UsageError(error).into()),
        "xml" => Format::from_str("junit", true).map_err(|error| UsageError(error).into()),
        other => Err(UsageError(format!("report format \"{other}\" is not known: json, csv, junit or sarif")).into()),
    }
}
