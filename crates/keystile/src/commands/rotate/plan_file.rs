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

/// Reads a journal. Runs of other plans may be in it: a plan that is made anew goes on in the journal of the one
/// before.
///
/// # Errors
/// It can't be read.
pub(super) fn journal(path: &Path) -> anyhow::Result<Journal> {
    Journal::read(path).map_err(|error| UsageError(error.to_string()).into())
}

/// Fails where no run of the plan is in the journal.
///
/// # Errors
/// That.
pub(super) fn expect_run(journal: &Journal, path: &Path, plan: &RotationPlan) -> anyhow::Result<()> {
    if journal.plans().contains(plan.digest().as_str()) {
        return Ok(());
    }
    let what = if journal.entries.is_empty() { "is empty or not there" } else { "has runs of other plans alone" };
    let cure = "`keystile rotate apply` begins; --journal names another file";
    Err(UsageError(format!("nothing was done yet: the journal {} {what}; {cure}", path.display())).into())
}
