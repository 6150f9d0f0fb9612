//! Plans and journals as files.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use keystile_rotate::RotationPlan;
use keystile_rotate::journal::Journal;
use keystile_rotate::plan::FORMAT;
use serde_json::Value;

use crate::exit::UsageError;

/// Reads a plan.
///
/// # Errors
/// It is not there, or is none of ours.
pub(super) fn read(path: &Path) -> anyhow::Result<RotationPlan> {
    let text = std::fs::read(path).map_err(|error| {
        let cure = "make one with `keystile rotate plan`";
        UsageError(format!("the plan {} can't be read: {error}; {cure}", path.display()))
    })?;
    let wrong = |what: String| UsageError(format!("{} is not a plan: {what}; plan again", path.display()));
    let value: Value = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    match value.get("format").and_then(Value::as_str) {
        Some(FORMAT) => {}
        Some(other) => {
            let what = format!("its format is {other}, and this keystile takes {FORMAT}");
            return Err(wrong(what).into());
        }
        None => return Err(wrong("it has no format".to_owned()).into()),
    }
    let plan = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    Ok(plan)
}

/// Writes a plan.
///
/// # Errors
/// As the file system says.
pub(super) fn write(path: &Path, plan: &RotationPlan) -> anyhow::Result<()> {
    let mut text = serde_json::to_vec_pretty(plan).expect("names, numbers and times are JSON");
    text.push(b'\n');
    crate::atomic_file::replace(path, &text).with_context(|| format!("while writing the plan to {}", path.display()))
}

/// Where the journal of a plan is.
pub(super) fn journal_path(plan: &Path, named: Option<&Path>) -> PathBuf {
    match named {
        Some(path) => path.to_owned(),
        None => plan.with_extension("journal.jsonl"),
    }
}

/// Reads the journal of a plan.
///
/// # Errors
/// It can't be read, or is of other plans.
pub(super) fn journal(path: &Path, plan: &RotationPlan) -> anyhow::Result<Journal> {
    let journal = Journal::read(path).map_err(|error| UsageError(error.to_string()))?;
    let plans = journal.plans();
    if !plans.is_empty() && !plans.contains(plan.digest().as_str()) {
        let cure = "name the journal of this plan, or another file for a new one";
        return Err(UsageError(format!("the journal {} belongs to another plan; {cure}", path.display())).into());
    }
    Ok(journal)
}
