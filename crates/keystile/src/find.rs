//! From a request to findings: configuration, exceptions, and what was read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keystile_git::{CommittedFiles, Coverage, InspectOptions, Inspector, Progress, SourceReport};
use keystile_scan::{ScanOptions, Scanner};

use crate::assemble::assemble;
use crate::config_files::{self, ConfigChoice, ConfigFiles, LoadedConfig};
use crate::exceptions::{Exceptions, Sorted};
use crate::exit::UsageError;
use crate::progress_display::ProgressDisplay;
use crate::scan_request::{ScanRequest, Target};
use crate::sources;
use crate::terminal;

/// What a scan found, with the values, in memory only.
#[derive(Debug)]
pub struct Found {
    /// The rules, and how content was looked at.
    pub inspector: Inspector,
    /// The findings, sorted by what becomes of them.
    pub sorted: Sorted,
    /// What was read, and what could not be.
    pub coverage: Coverage,
}

/// Reads what `request` asks for, and writes the baseline where it says so.
///
/// # Errors
/// If the configuration or the exceptions can't be used, or the source can't be read at all.
pub fn find(request: &ScanRequest) -> anyhow::Result<Found> {
    let files = config_files(request)?;
    let inspector = load_inspector(request, &files)?;
    let mut exceptions = Exceptions::read(request, &files)?;
    let source = read_source(request, &inspector)?;
    let rules = inspector.scanner.rules();
    let findings = assemble(rules, source.occurrences);
    exceptions.after_reading(source.coverage.is_complete());
    if request.update_baseline {
        exceptions.update_baseline(&findings, rules)?;
    }
    let sorted = exceptions.apply(findings, rules);
    Ok(Found { inspector, sorted, coverage: source.coverage })
}

/// The rules of a request, ready to look at content.
///
/// # Errors
/// If the configuration can't be used.
pub fn load_inspector(request: &ScanRequest, files: &ConfigFiles<'_>) -> anyhow::Result<Inspector> {
    let LoadedConfig { config, origin } = config_files::load(
        &ConfigChoice {
            flag: request.config.as_deref(),
            skip_bad_rules: request.skip_bad_rules,
            enable_rule: &request.enable_rule,
            strict: request.strict,
        },
        files,
    )?;
    if request.verbose {
        terminal::note(&format!("configuration: {origin}; rules: {}", config.rules.rules.len()));
    }
    Ok(inspector(request, config))
}

/// Where configuration and exceptions come from.
///
/// # Errors
/// If a commit is named that is not there.
pub fn config_files(request: &ScanRequest) -> anyhow::Result<ConfigFiles<'_>> {
    let target = &request.target;
    if let Some(revision) = &request.config_from {
        let Target::Repository { repository, .. } = target else {
            return Err(UsageError("--config-from names a commit, so it needs a repository".to_owned()).into());
        };
        let files = Box::new(CommittedFiles::open(repository, revision)?);
        return Ok(ConfigFiles::Commit { files, work_tree: repository.work_tree().map(Path::to_owned) });
    }
    if let Some(folder) = &request.config_folder {
        return Ok(ConfigFiles::Folder(folder.clone()));
    }
    Ok(match target {
        Target::Repository { repository, .. } => match repository.work_tree() {
            Some(top) => ConfigFiles::Folder(top.to_owned()),
            None => ConfigFiles::Nowhere,
        },
        Target::Directory { paths, .. } => ConfigFiles::Folder(folder_of(paths)),
        Target::StandardInput => ConfigFiles::Folder(PathBuf::from(".")),
    })
}

/// The folder that is scanned; for single files the current one, as in gitleaks.
fn folder_of(paths: &[PathBuf]) -> PathBuf {
    match paths {
        [one] if one.is_dir() => one.clone(),
        _ => PathBuf::from("."),
    }
}

fn inspector(request: &ScanRequest, config: keystile_scan::config::Config) -> Inspector {
    let salt = config.salt.as_deref().map(|salt| keystile_scan::Salt::new(salt.as_bytes())).unwrap_or_default();
    let options = ScanOptions {
        decode_depth: request.decode_depth,
        inline_allow: request.inline_allow,
        strict: request.strict,
        salt,
        ..ScanOptions::default()
    };
    let archives = keystile_archive::Limits { depth: request.archive_depth, ..keystile_archive::Limits::default() };
    Inspector {
        scanner: Scanner::new(config.rules, options),
        options: InspectOptions { skip_binary: request.skip_binary, max_bytes: request.max_bytes, archives },
    }
}

fn read_source(request: &ScanRequest, inspector: &Inspector) -> anyhow::Result<SourceReport> {
    let progress = Arc::new(Progress::default());
    let _display = ProgressDisplay::start(&progress, request.progress);
    sources::read(request, inspector, &progress)
}
