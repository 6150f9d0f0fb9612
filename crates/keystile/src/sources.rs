//! Which source of `keystile-git` a request means.

use keystile_git::directory::{self, DirectoryOptions};
use keystile_git::history::{self, HistoryOptions};
use keystile_git::range::{self, RangeOptions, RangeSpec};
use keystile_git::walk::Check;
use keystile_git::work_tree::{self, WorkTreeOptions};
use keystile_git::{GapKind, Inspector, Progress, Repository, SourceReport, patch, staged, standard_input};

use crate::scan_request::{Part, ScanRequest, Target};

/// Reads what `request` asks for.
///
/// # Errors
/// If the source can't be read at all; what can't be read in part is a gap in the coverage.
pub fn read(request: &ScanRequest, inspector: &Inspector, progress: &Progress) -> anyhow::Result<SourceReport> {
    let mut report = match &request.target {
        Target::Repository { repository, part, .. } => of_repository(request, repository, part, inspector, progress)?,
        Target::Directory { paths, honour_ignore_files, follow_symlinks, paths_as_named } => {
            let options = DirectoryOptions {
                no_ignore: !honour_ignore_files,
                follow_symlinks: *follow_symlinks,
                paths_as_named: *paths_as_named,
            };
            directory::scan(inspector, paths, &options, progress)?
        }
        Target::StandardInput => standard_input::scan(inspector, &mut std::io::stdin().lock())?,
    };
    for rule in std::mem::take(&mut report.coverage.failed_rules) {
        let id = inspector.scanner.rules().rules[rule].id.to_string();
        let detail =
            "its expression is too large to be compiled, so the rule was not applied; `keystile rules test` says why";
        report.coverage.gap(GapKind::Unsupported, format!("rule {id}"), detail);
    }
    Ok(report)
}

fn of_repository(
    request: &ScanRequest,
    repository: &Repository,
    part: &Part,
    inspector: &Inspector,
    progress: &Progress,
) -> anyhow::Result<SourceReport> {
    Ok(match part {
        Part::Staged => staged::scan(repository, inspector, progress)?,
        Part::Range(range) if request.strict => patch::scan_range(repository, inspector, range, progress)?,
        Part::Range(text) => {
            let options = RangeOptions { messages: request.messages };
            range::scan(repository, inspector, &RangeSpec::parse(text)?, &options, progress)?
        }
        Part::History => of_history(request, repository, inspector, progress)?,
        Part::Everything { honour_ignore_files } => {
            let mut report = of_history(request, repository, inspector, progress)?;
            let options = WorkTreeOptions { no_ignore: !honour_ignore_files };
            report.merge(work_tree::scan(repository, inspector, &options, progress)?);
            report
        }
        Part::Unstaged => work_tree::scan_unstaged(repository, inspector, progress)?,
    })
}

fn of_history(
    request: &ScanRequest,
    repository: &Repository,
    inspector: &Inspector,
    progress: &Progress,
) -> anyhow::Result<SourceReport> {
    if request.strict {
        return Ok(patch::scan_history(repository, inspector, progress)?);
    }
    let store = repository.open_objects()?;
    let options = HistoryOptions {
        messages: request.messages,
        unreachable: request.unreachable,
        threads: request.threads,
        delta: request.delta,
        check: if request.verify_objects { Check::Id } else { Check::default() },
    };
    Ok(history::scan(repository, &store, inspector, &options, progress)?)
}
