//! Baselines: the findings that are known already, so that only new ones are reported.
//!
//! Ours (`.keystile/baseline.json`) holds fingerprints and, for people, where each finding was first
//! seen; no secrets, sorted, one finding per line, so that its diffs can be read. A finding whose
//! fingerprint is in it is known wherever it stands.
//!
//! gitleaks' baseline is its JSON report. gitleaks compares records field by field (`detect/baseline.go`,
//! `IsNew`), and so do we, occurrence by occurrence; in a redacted one (`REDACTED`, `…...`) `Match`
//! and `Secret` say nothing and are left out. Unless `--compat=strict` asks for the comparison as it
//! is, what keystile is meant to give differently does not count: descriptions (ours are our own),
//! columns after the first line (gitleaks counts one too many), and the details of a commit that
//! its id says already.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bstr::ByteSlice as _;
use keystile_scan::{Finding, Fingerprint, Occurrence, OccurrencePlace, RuleSet};
use serde::Deserialize;

use crate::atomic_file;
use crate::ignore_file::Applied;
use crate::mask::{MASK, Masker, Redaction};
use crate::report::UnusedEntry;
use crate::report::gitleaks::{Compared, compared};

/// Why a baseline can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// Neither ours nor gitleaks'.
    #[error("{file}: not a baseline: {why}; make one with --update-baseline, or give a JSON report of gitleaks")]
    Format {
        /// The file as it was named.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// Made by a later version.
    #[error("{file}: a baseline of version {version}, this keystile knows version {VERSION}; use a newer keystile")]
    Version {
        /// The file as it was named.
        file: String,
        /// Its version.
        version: u64,
    },
    /// The file to replace is gitleaks'.
    #[error(
        "{path}: a report of gitleaks, which gitleaks could not read any more if it was updated; give another file to --update-baseline"
    )]
    WouldReplaceGitleaks {
        /// The file.
        path: PathBuf,
    },
    /// It could not be written.
    #[error("{path}: the baseline could not be written")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Version of our format.
const VERSION: u64 = 1;

/// Known findings.
#[derive(Debug, Default)]
pub struct Baseline {
    file: String,
    known: Known,
}

#[derive(Debug)]
enum Known {
    Keystile(HashMap<Fingerprint, (KnownFinding, bool)>),
    Gitleaks(Vec<(GitleaksRecord, bool)>),
}

impl Default for Known {
    fn default() -> Self {
        Self::Keystile(HashMap::new())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    keystile_baseline: u64,
    findings: Vec<KnownFinding>,
}

/// A finding of our baseline. All but the fingerprint is for people.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields)]
struct KnownFinding {
    rule_id: String,
    path: String,
    line: u32,
    commit: Option<String>,
    fingerprint: String,
}

/// A record of gitleaks' report, as far as it is compared. Field names: `report/finding.go`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct GitleaksRecord {
    #[serde(rename = "RuleID")]
    rule_id: String,
    description: String,
    start_line: u32,
    end_line: u32,
    start_column: u32,
    end_column: u32,
    r#match: String,
    secret: String,
    file: String,
    commit: String,
    author: String,
    email: String,
    date: String,
    message: String,
    entropy: f32,
}

impl Baseline {
    /// Reads a baseline of either kind, called `file` in messages.
    ///
    /// # Errors
    /// If it is neither, or ours but broken.
    pub fn parse(file: &str, text: &[u8]) -> Result<Self, BaselineError> {
        let format = |why: String| BaselineError::Format { file: file.to_owned(), why };
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let known = if text.trim_ascii_start().starts_with(b"[") {
            let records: Vec<GitleaksRecord> =
                serde_json::from_slice(text).map_err(|error| format(error.to_string()))?;
            if let Some(index) = records.iter().position(|record| record.rule_id.is_empty()) {
                return Err(format(format!("record {} has no RuleID", index + 1)));
            }
            Known::Gitleaks(records.into_iter().map(|record| (record, false)).collect())
        } else {
            // A later version may have other fields: look at the version first.
            #[derive(Deserialize)]
            struct Version {
                keystile_baseline: Option<u64>,
            }
            let version: Version = serde_json::from_slice(text).map_err(|error| format(error.to_string()))?;
            match version.keystile_baseline {
                Some(VERSION) => {}
                Some(version) => return Err(BaselineError::Version { file: file.to_owned(), version }),
                None => return Err(format("it has no `keystile_baseline`".to_owned())),
            }
            let document: Document = serde_json::from_slice(text).map_err(|error| format(error.to_string()))?;
            debug_assert_eq!(document.keystile_baseline, VERSION);
            let mut known = HashMap::new();
            for finding in document.findings {
                let fingerprint = finding
                    .fingerprint
                    .parse()
                    .map_err(|error| format(format!("`{}`: {error}", finding.fingerprint)))?;
                known.insert(fingerprint, (finding, false));
            }
            Known::Keystile(known)
        };
        Ok(Self { file: file.to_owned(), known })
    }

    /// Takes what is known out of `findings`. `strict`: gitleaks' comparison as it is.
    pub fn apply(&mut self, findings: Vec<Finding>, rules: &RuleSet, strict: bool) -> Applied {
        let mut applied = Applied::default();
        for finding in findings {
            match &mut self.known {
                Known::Keystile(known) => {
                    let is_known = known.get_mut(&finding.fingerprint).map(|(_, is_used)| *is_used = true).is_some();
                    applied.split(finding, |_, _| is_known);
                }
                Known::Gitleaks(records) => {
                    let rule = rules.get(finding.rule.as_str());
                    applied.split(finding, |finding, occurrence| {
                        let values = compared(rule, occurrence);
                        let mut is_known = false;
                        for (record, is_used) in records.iter_mut() {
                            if record.is(finding, occurrence, &values, strict) {
                                *is_used = true;
                                is_known = true;
                            }
                        }
                        is_known
                    });
                }
            }
        }
        applied
    }

    /// What was not found again. Of interest after a scan of everything only.
    #[must_use]
    pub fn obsolete(&self) -> Vec<UnusedEntry> {
        let entry = |entry: String| UnusedEntry { file: self.file.clone(), line: None, entry };
        match &self.known {
            Known::Keystile(known) => {
                let mut obsolete: Vec<_> =
                    known.values().filter(|(_, is_used)| !is_used).map(|(finding, _)| finding).collect();
                obsolete.sort();
                obsolete
                    .into_iter()
                    .map(|known| {
                        entry(format!("{} ({}:{}:{})", known.fingerprint, known.path, known.rule_id, known.line))
                    })
                    .collect()
            }
            Known::Gitleaks(records) => records
                .iter()
                .filter(|(_, is_used)| !is_used)
                .map(|(record, _)| {
                    let commit = if record.commit.is_empty() { String::new() } else { format!("{}:", record.commit) };
                    entry(format!("{commit}{}:{}:{}", record.file, record.rule_id, record.start_line))
                })
                .collect(),
        }
    }

    /// The text of a baseline of `findings`: everything that was found, whether it was known before or
    /// not. With `keep_unseen` (after a scan of a range or of the staged change) the entries of
    /// `self` that were not found stay; otherwise they are dropped.
    #[must_use]
    pub fn updated(&self, findings: &[Finding], keep_unseen: bool) -> String {
        let masker = Masker::new(findings, Redaction::Full);
        // Several findings can have one fingerprint (the reported and the withheld part of one).
        let mut entries: HashMap<String, KnownFinding> = HashMap::new();
        let mut add = |known: KnownFinding| {
            let entry = entries.entry(known.fingerprint.clone()).or_insert_with(|| known.clone());
            if known < *entry {
                *entry = known;
            }
        };
        for finding in findings {
            add(known_finding(finding, &masker));
        }
        if let (Known::Keystile(known), true) = (&self.known, keep_unseen) {
            known.values().filter(|(_, is_used)| !is_used).for_each(|(finding, _)| add(finding.clone()));
        }
        let mut entries: Vec<_> = entries.into_values().collect();
        entries.sort();
        let mut text = format!("{{\n  \"keystile_baseline\": {VERSION},\n  \"findings\": [");
        for (index, entry) in entries.iter().enumerate() {
            text.push_str(if index == 0 { "\n" } else { ",\n" });
            let string = |text: &str| serde_json::Value::from(text).to_string();
            let commit = entry.commit.as_deref().map_or_else(|| "null".to_owned(), string);
            let _ = write!(
                text,
                "    {{ \"rule_id\": {}, \"path\": {}, \"line\": {}, \"commit\": {commit}, \"fingerprint\": {} }}",
                string(&entry.rule_id),
                string(&entry.path),
                entry.line,
                string(&entry.fingerprint)
            );
        }
        text.push_str(if entries.is_empty() { "]\n}\n" } else { "\n  ]\n}\n" });
        text
    }

    /// Whether it is gitleaks'.
    #[must_use]
    pub fn is_gitleaks(&self) -> bool {
        matches!(self.known, Known::Gitleaks(_))
    }

    /// How many entries it has.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.known {
            Known::Keystile(known) => known.len(),
            Known::Gitleaks(records) => records.len(),
        }
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Writes `text` to `path` so that there is the old file or the new one at any time: to a file beside
/// it, which then takes its place. Permissions of the old file stay, a symbolic link stays one, a
/// missing folder is made.
///
/// # Errors
/// If a report of gitleaks would be replaced, or writing fails; then the old file is untouched.
pub fn write(path: &Path, text: &str) -> Result<(), BaselineError> {
    let error = |source| BaselineError::Write { path: path.to_owned(), source };
    match fs::read(path) {
        Ok(old) if old.trim_ascii_start().starts_with(b"[") => {
            return Err(BaselineError::WouldReplaceGitleaks { path: path.to_owned() });
        }
        Ok(_) => {}
        Err(source) if source.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(error(source)),
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(error)?;
    }
    atomic_file::replace(path, text.as_bytes()).map_err(error)
}

fn known_finding(finding: &Finding, masker: &Masker) -> KnownFinding {
    let first = finding.occurrences.first();
    KnownFinding {
        rule_id: finding.rule.as_str().to_owned(),
        path: first.map(|first| masker.text(&first.path).to_str_lossy().into_owned()).unwrap_or_default(),
        line: first.map_or(0, |first| first.found.start.line),
        commit: first.and_then(commit_id).map(ToOwned::to_owned),
        fingerprint: finding.fingerprint.to_string(),
    }
}

fn commit_id(occurrence: &Occurrence) -> Option<&str> {
    match &occurrence.place {
        OccurrencePlace::Commit(commit) | OccurrencePlace::CommitMessage(commit) => Some(&commit.id),
        _ => None,
    }
}

impl GitleaksRecord {
    /// Whether the record is this occurrence.
    fn is(&self, finding: &Finding, occurrence: &Occurrence, values: &Compared, strict: bool) -> bool {
        let found = &occurrence.found;
        if self.rule_id != finding.rule.as_str()
            || self.start_line != found.start.line
            || self.end_line != found.end.line
            || self.commit != commit_id(occurrence).unwrap_or_default()
            || self.file != occurrence.path.to_str_lossy()
        {
            return false;
        }
        let is_redacted = self.secret == MASK || self.secret.ends_with("...");
        if !is_redacted
            && (self.secret != found.secret.reveal().to_str_lossy()
                || self.r#match != found.matched.reveal().to_str_lossy())
        {
            return false;
        }
        let one_off = |ours: u32, theirs: u32| ours == theirs || (!strict && self.start_line > 1 && theirs == ours + 1);
        if !one_off(found.start.column, self.start_column) || !one_off(found.end.column, self.end_column) {
            return false;
        }
        if strict {
            return self.description == values.description
                && self.author == values.author
                && self.email == values.email
                && self.date == values.date
                && self.message == values.message
                && self.entropy == values.entropy;
        }
        // In a redacted record the entropy is all that is left of the secret.
        (self.entropy - values.entropy).abs() < 1e-4
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;

    use super::*;
    use crate::report::sample::{self, commit, found, occurrence};

    /// One finding at two places.
    fn finding(secret: &str) -> Finding {
        let mut found = found(0, "github-pat", secret, &format!("x = {secret}"), (3, 5));
        found.matched = keystile_scan::SecretBytes::new(format!("x = {secret}").as_bytes());
        let found = Arc::new(found);
        sample::finding(
            "github-pat",
            &found,
            vec![
                occurrence(OccurrencePlace::Commit(commit('a', "title\n\nbody\n")), b"src/a.rs", &found, Some(false)),
                occurrence(OccurrencePlace::WorkTree, b"b.rs", &found, Some(false)),
            ],
        )
    }

    fn kept(baseline: &mut Baseline, findings: Vec<Finding>, strict: bool) -> Vec<String> {
        let applied = baseline.apply(findings, &sample::rules(), strict);
        let places = applied.kept.iter().flat_map(|finding| &finding.occurrences);
        places.map(|place| place.path.to_string()).collect()
    }

    #[test]
    fn what_was_written_is_known_and_holds_no_secret() {
        let secret = sample::token();
        let findings = [finding(&secret), finding("another-one")];
        let text = Baseline::default().updated(&findings, false);
        assert!(!text.contains(&secret) && !text.contains("another-one"), "{text}");
        let mut baseline = Baseline::parse("f", text.as_bytes()).expect("ours");
        assert_eq!(baseline.len(), 2);
        assert_eq!(
            kept(&mut baseline, vec![finding("another-one"), finding("third-one")], false),
            ["src/a.rs", "b.rs"]
        );
        let obsolete = baseline.obsolete();
        assert_eq!(obsolete.len(), 1);
        assert_eq!(obsolete[0].entry, format!("{} (src/a.rs:github-pat:3)", findings[0].fingerprint));
        assert_eq!((obsolete[0].file.as_str(), obsolete[0].line), ("f", None));
    }

    #[test]
    fn a_path_in_a_baseline_holds_no_secret_either() {
        let secret = sample::token();
        let mut finding = finding(&secret);
        finding.occurrences[0].path = format!("dir/{secret}.txt").into();
        let text = Baseline::default().updated(&[finding], false);
        assert!(!text.contains(&secret), "{text}");
        assert!(text.contains("dir/REDACTED.txt"), "{text}");
    }

    #[test]
    fn the_order_of_findings_does_not_matter() {
        let (one, two) = (finding("one-secret"), finding("two-secret"));
        let text = Baseline::default().updated(&[one.clone(), two.clone()], false);
        assert_eq!(text, Baseline::default().updated(&[two.clone(), one.clone(), two], false));
        assert_eq!(text.lines().count(), 7, "one line for each finding: {text}");
        assert_eq!(Baseline::default().updated(&[], false), "{\n  \"keystile_baseline\": 1,\n  \"findings\": []\n}\n");
    }

    #[test]
    fn an_update_drops_what_is_gone_unless_the_scan_was_partial() {
        let text = Baseline::default().updated(&[finding("one-secret"), finding("two-secret")], false);
        for (keep_unseen, expected) in [(false, 1), (true, 2)] {
            let mut baseline = Baseline::parse("f", text.as_bytes()).expect("ours");
            kept(&mut baseline, vec![finding("one-secret")], false);
            let updated = baseline.updated(&[finding("one-secret")], keep_unseen);
            assert_eq!(Baseline::parse("f", updated.as_bytes()).expect("ours").len(), expected, "{keep_unseen}");
        }
    }

    /// A report of gitleaks, made with the fields that `change` changes.
    fn gitleaks(finding: &Finding, options: Redaction, change: impl Fn(&mut serde_json::Value)) -> Baseline {
        let rules = sample::rules();
        let report = crate::report::Report { findings: vec![finding.clone()], ..sample::report(&rules) };
        let options = crate::report::Options { redaction: options, ..Default::default() };
        let text = sample::render_with(&report, crate::report::Format::Gitleaks, &options);
        let mut records: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        records.as_array_mut().expect("a list").iter_mut().for_each(change);
        Baseline::parse("f", records.to_string().as_bytes()).expect("gitleaks'")
    }

    #[test]
    fn gitleaks_records_are_compared_field_by_field() {
        type Change = (&'static str, serde_json::Value);
        let other = || serde_json::Value::from("other");
        // (field, value, known by default, known with --compat=strict)
        let cases: Vec<(Option<Change>, bool, bool)> = vec![
            (None, true, true),
            (Some(("RuleID", other())), false, false),
            (Some(("File", other())), false, false),
            (Some(("StartLine", 4.into())), false, false),
            (Some(("EndLine", 4.into())), false, false),
            (Some(("StartColumn", 6.into())), true, false),
            (Some(("StartColumn", 7.into())), false, false),
            (Some(("Secret", other())), false, false),
            (Some(("Match", other())), false, false),
            (Some(("Commit", other())), false, false),
            (Some(("Entropy", 1.into())), false, false),
            (Some(("Description", other())), true, false),
            (Some(("Author", other())), true, false),
            (Some(("Date", other())), true, false),
            (Some(("Message", other())), true, false),
            (Some(("Fingerprint", other())), true, true),
            (Some(("Tags", serde_json::json!(["other"]))), true, true),
        ];
        let finding = finding(&sample::token());
        for (change, lenient, strict) in cases {
            let make = || {
                gitleaks(&finding, Redaction::Off, |record| {
                    if let Some((field, value)) = &change {
                        record[*field] = value.clone();
                    }
                })
            };
            assert_eq!(kept(&mut make(), vec![finding.clone()], false).is_empty(), lenient, "{change:?}");
            assert_eq!(kept(&mut make(), vec![finding.clone()], true).is_empty(), strict, "{change:?}, strict");
        }
    }

    #[test]
    fn redacted_gitleaks_records_are_compared_by_place() {
        let one = finding(&sample::token());
        for redaction in [Redaction::Full, Redaction::Part(20)] {
            let mut baseline = gitleaks(&one, redaction, |_| {});
            assert!(kept(&mut baseline, vec![one.clone()], true).is_empty(), "{redaction:?}");
            let mut moved = one.clone();
            moved.occurrences[1].path = "elsewhere".into();
            assert_eq!(kept(&mut baseline, vec![moved], true), ["elsewhere"], "{redaction:?}");
        }
    }

    #[test]
    fn gitleaks_records_that_match_nothing_are_named() {
        let mut baseline = gitleaks(&finding(&sample::token()), Redaction::Full, |_| {});
        kept(&mut baseline, vec![], false);
        let entries: Vec<_> = baseline.obsolete().into_iter().map(|unused| unused.entry).collect();
        assert_eq!(entries, ["b.rs:github-pat:3".to_owned(), format!("{}:src/a.rs:github-pat:3", "a".repeat(40))]);
    }

    #[test]
    fn what_is_no_baseline_is_refused_with_the_cure() {
        let cases = [
            ("", "EOF"),
            ("{}", "no `keystile_baseline`"),
            ("{\"keystile_baseline\": 2, \"new\": 1}", "use a newer keystile"),
            ("{\"keystile_baseline\": 1}", "missing field `findings`"),
            ("{\"keystile_baseline\": 1, \"findings\": [], \"x\": 1}", "unknown field"),
            (
                "{\"keystile_baseline\": 1, \"findings\": [{\"rule_id\": \"r\", \"path\": \"p\", \"line\": 1, \"commit\": null, \"fingerprint\": \"x\"}]}",
                "32 hexadecimal digits",
            ),
            ("[{\"File\": \"a\"}]", "record 1 has no RuleID"),
            ("[1]", "invalid type"),
        ];
        for (text, expected) in cases {
            let message = Baseline::parse("f.json", text.as_bytes()).expect_err(text).to_string();
            assert!(message.contains(expected) && message.starts_with("f.json: "), "{text}: {message}");
        }
    }

    #[test]
    fn writing_replaces_the_file_whole() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("new/baseline.json");
        write(&path, "{\"one\"}").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("mode");
        let link = folder.path().join("link.json");
        std::os::unix::fs::symlink(&path, &link).expect("link");
        write(&link, "{\"two\"}").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("read"), "{\"two\"}");
        assert_eq!(fs::metadata(&path).expect("metadata").permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).expect("metadata").is_symlink());
        let left: Vec<_> = fs::read_dir(folder.path().join("new")).expect("read").collect();
        assert_eq!(left.len(), 1, "no temporary file stays: {left:?}");
    }

    #[test]
    fn a_report_of_gitleaks_is_not_replaced() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("gitleaks.json");
        fs::write(&path, " [\n]").expect("written");
        let error = write(&path, "{}").expect_err("refused").to_string();
        assert!(error.contains("report of gitleaks"), "{error}");
        assert_eq!(fs::read_to_string(&path).expect("read"), " [\n]");
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("is-a-folder");
        fs::create_dir(&path).expect("a folder");
        write(&path, "{}").expect_err("a folder can't be replaced");
        assert!(path.is_dir());
        assert_eq!(fs::read_dir(folder.path()).expect("read").count(), 1);
    }
}
