//! Which source of `keystile-git` a request means.

use keystile_git::{Inspector, Progress, SourceReport, patch, range, staged};

use crate::scan_request::{Part, ScanRequest, Target};

/// Reads what `request` asks for.
///
/// # Errors
/// If the source can't be read at all; what can't be read in part is a gap in the coverage.
pub fn read(request: &ScanRequest, inspector: &Inspector, progress: &Progress) -> anyhow::Result<SourceReport> {
    let Target::Repository { repository, part, .. } = &request.target else { anyhow::bail!("wip") };
    let report = match part {
        Part::Staged => staged::scan(repository, inspector, progress)?,
        Part::Range(range) if request.strict => patch::scan_range(repository, inspector, range, progress)?,
        Part::Range(text) => {
            let options = range::RangeOptions { messages: request.messages };
            range::scan(repository, inspector, &range::RangeSpec::parse(text)?, &options, progress)?
        }
        _ => anyhow::bail!("wip"),
    };
    Ok(report)
}
