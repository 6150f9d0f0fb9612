//! Plans and journals as files.

use std::collections::BTreeSet;
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
    let unreadable = |error: String| {
        let cure = "make one with `keystile rotate plan`";
        UsageError(format!("the plan {} can't be read: {error}; {cure}", path.display()))
    };
    // A device or a pipe might not end, and has no journal beside it.
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        return Err(unreadable("it is no file".to_owned()).into());
    }
    let text = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
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
    let plan: RotationPlan = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    let mut numbers = BTreeSet::new();
    if let Some(twice) = plan.items.iter().map(|item| item.number).find(|number| !numbers.insert(*number)) {
        return Err(wrong(format!("item {twice} is in it twice")).into());
    }
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

/// Whether two paths name one file, which need not be there.
pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| {
        std::fs::canonicalize(path).ok().or_else(|| {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Some(std::fs::canonicalize(folder).ok()?.join(path.file_name()?))
        })
    };
    whole(one).is_some_and(|path| whole(other) == Some(path))
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
