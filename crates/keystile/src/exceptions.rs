//! What is excused by name: ignore files and the baseline, together.

use std::path::{Path, PathBuf};

use keystile_scan::{Finding, RuleSet};

use crate::baseline::{self, Baseline};
use crate::config_files::{ConfigFiles, GITLEAKS_IGNORE, NamedText, OWN_BASELINE, OWN_IGNORE};
use crate::exit::UsageError;
use crate::ignore_file::IgnoreList;
use crate::report::{Suppressed, UnusedEntry};
use crate::scan_request::{Part, ScanRequest, Target};
use crate::terminal;

/// The exceptions of one run.
#[derive(Debug)]
pub struct Exceptions {
    ignored: IgnoreList,
    baseline: Option<Baseline>,
    baseline_path: Option<PathBuf>,
    /// Entries that an updated baseline has no more.
    dropped: Vec<UnusedEntry>,
    strict: bool,
    /// Whether everything that an entry can be about was in scope, so that an unused entry is worth a word.
    sees_everything: bool,
}

/// Findings, sorted by what becomes of them.
#[derive(Debug, Default)]
pub struct Sorted {
    /// To report.
    pub reported: Vec<Finding>,
    /// Not to report.
    pub withheld: Vec<Finding>,
    /// How many were not reported, and why.
    pub suppressed: Suppressed,
    /// Entries that excuse nothing any more.
    pub unused: Vec<UnusedEntry>,
}

impl Exceptions {
    /// Reads what `request` names, else what lies around.
    ///
    /// # Errors
    /// If a named file is not there, or one can't be read; ignore files name every wrong line.
    pub fn read(request: &ScanRequest, files: &ConfigFiles<'_>) -> anyhow::Result<Self> {
        let mut ignored = IgnoreList::default();
        for path in &request.ignore_files {
            add(&mut ignored, &files.read_named(path)?, is_gitleaks(path))?;
        }
        for path in &request.gitleaks_ignore_files {
            add(&mut ignored, &files.read_named(path)?, true)?;
        }
        if request.ignore_files_around {
            for (name, is_gitleaks) in [(OWN_IGNORE, false), (GITLEAKS_IGNORE, true)] {
                if let Some(file) = files.read(name)?
                    && !request.gitleaks_ignore_files.iter().any(|path| is_same(path, &file.name))
                {
                    add(&mut ignored, &file, is_gitleaks)?;
                }
            }
        }
        let (baseline, baseline_path) =
            if request.with_baseline { read_baseline(request, files)? } else { (None, None) };
        if request.update_baseline && baseline_path.is_none() {
            return Err(no_place().into());
        }
        let sees_everything = match &request.target {
            Target::Repository { part, .. } => matches!(part, Part::Everything { .. }),
            Target::Directory { paths, .. } => matches!(paths.as_slice(), [one] if one.is_dir()),
            Target::StandardInput => false,
        } && request.enable_rule.is_empty()
            && !request.skip_bad_rules;
        Ok(Self { ignored, baseline, baseline_path, dropped: Vec::new(), strict: request.strict, sees_everything })
    }

    /// Takes note of what could not be read: an entry may be about that.
    pub fn after_reading(&mut self, is_complete: bool) {
        self.sees_everything &= is_complete;
    }

    /// Writes the baseline: all of `findings`, but for those that an ignore file excuses with a reason. What a
    /// scan of a part did not see stays in it.
    ///
    /// # Errors
    /// If there is no place for it, or it can't be written.
    pub fn update_baseline(&mut self, findings: &[Finding], rules: &RuleSet) -> anyhow::Result<()> {
        let path = self.baseline_path.as_ref().ok_or_else(no_place)?;
        let known = self.ignored.apply(findings.to_vec()).kept;
        let mut old = self.baseline.take().unwrap_or_default();
        // Which entries are still true is known only once they were held against the findings.
        let _ = old.apply(known.clone(), rules, self.strict);
        if self.sees_everything {
            self.dropped = old.obsolete();
        }
        let text = old.updated(&known, !self.sees_everything);
        baseline::write(path, &text)?;
        self.baseline = Some(Baseline::parse(&path.display().to_string(), text.as_bytes())?);
        Ok(())
    }

    /// Sorts the findings of a run.
    #[must_use]
    pub fn apply(&mut self, findings: Vec<Finding>, rules: &RuleSet) -> Sorted {
        let ignored = self.ignored.apply(findings);
        let mut sorted = Sorted { reported: ignored.kept, withheld: ignored.withheld, ..Sorted::default() };
        sorted.suppressed.ignored = ignored.excused;
        if let Some(baseline) = &mut self.baseline {
            let known = baseline.apply(sorted.reported, rules, self.strict);
            sorted.reported = known.kept;
            sorted.withheld.extend(known.withheld);
            sorted.suppressed.baseline = known.excused;
        }
        if self.sees_everything {
            sorted.unused = self.ignored.unused();
            sorted.unused.extend(self.baseline.iter().flat_map(Baseline::obsolete));
            sorted.unused.append(&mut self.dropped);
        }
        sorted
    }
}

fn no_place() -> UsageError {
    UsageError(
        "--update-baseline: there is no folder for .keystile/baseline.json here; name a file with --baseline"
            .to_owned(),
    )
}

/// Whether both are the same file on disk.
fn is_same(path: &Path, name: &str) -> bool {
    path.canonicalize().is_ok_and(|path| Path::new(name).canonicalize().is_ok_and(|name| name == path))
}

fn is_gitleaks(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == GITLEAKS_IGNORE)
}

fn add(ignored: &mut IgnoreList, file: &NamedText, is_gitleaks: bool) -> anyhow::Result<()> {
    if is_gitleaks {
        for warning in ignored.add_gitleaks(&file.name, file.text.as_bytes()) {
            terminal::warning(&warning);
        }
        return Ok(());
    }
    ignored.add_keystile(&file.name, file.text.as_bytes()).map_err(|errors| UsageError(errors.to_string()).into())
}

/// The baseline and the file that `--update-baseline` writes.
fn read_baseline(
    request: &ScanRequest,
    files: &ConfigFiles<'_>,
) -> anyhow::Result<(Option<Baseline>, Option<PathBuf>)> {
    let (file, path) = match &request.baseline {
        // One that is about to be made need not exist.
        Some(path) if request.update_baseline && !path.exists() => (None, Some(path.clone())),
        Some(path) => (Some(files.read_named(path)?), Some(path.clone())),
        None => {
            let path = match files {
                ConfigFiles::Folder(folder) => Some(folder.join(OWN_BASELINE)),
                ConfigFiles::Commit { .. } | ConfigFiles::Nowhere => None,
            };
            (files.read(OWN_BASELINE)?, path)
        }
    };
    let baseline = file.map(|file| Baseline::parse(&file.name, file.text.as_bytes())).transpose()?;
    Ok((baseline, path))
}
