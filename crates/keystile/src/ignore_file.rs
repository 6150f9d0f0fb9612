//! Exceptions by name: `.keystile/ignore`, and gitleaks' `.gitleaksignore`.
//!
//! `.keystile/ignore` has one exception per line, and each says why:
//!
//! ```text
//! # A line that begins with "#" is a comment.
//! 0123456789abcdef0123456789abcdef       # reason: the vendor's documented test key
//! src/login_test.rs:generic-api-key:12   # reason: a made-up value
//! COMMIT:src/old.rs:github-pat:3         # reason: revoked on 2026-01-02
//! ```
//!
//! The first form is a finding's fingerprint and excuses the secret wherever it stands; the others
//! are gitleaks' fingerprints (`path:rule:line` in any commit, `COMMIT:path:rule:line` in one, with
//! the whole commit id) and excuse one place. An entry without a reason is an error: an exception
//! that nobody can explain can't be reviewed.
//!
//! `.gitleaksignore` is read as gitleaks 8.30 does (`detect/detect.go`, `AddGitleaksIgnore`): no
//! reasons, `\` in paths is `/`, a line of another shape is a warning.
//!
//! Entries that excuse nothing are reported ([`IgnoreList::unused`]), so that the file can't rot.

use std::collections::HashMap;

use bstr::{BString, ByteSlice as _};
use keystile_scan::{Finding, Fingerprint, Occurrence, OccurrencePlace};

use crate::report::UnusedEntry;
use crate::report::view::positional;

/// The exceptions of all ignore files of a run.
#[derive(Debug, Default)]
pub struct IgnoreList {
    entries: Vec<Entry>,
    by_fingerprint: HashMap<Fingerprint, usize>,
    by_position: HashMap<BString, usize>,
}

#[derive(Debug)]
struct Entry {
    file: String,
    line: u32,
    text: String,
    is_used: bool,
}

/// A line of an ignore file that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct IgnoreError {
    /// The file as it was named.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// What is wrong and what cures it.
    pub message: String,
}

/// All lines of a file that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct IgnoreErrors(pub Vec<IgnoreError>);

/// Findings told apart by an exception.
#[derive(Debug, Default)]
pub struct Applied {
    /// To be reported, with the occurrences that are not excused.
    pub kept: Vec<Finding>,
    /// Excused: whole findings, and the excused occurrences of those that are kept.
    pub withheld: Vec<Finding>,
    /// How many findings are excused as a whole.
    pub excused: u64,
}

/// What an entry of our own format names.
enum Name {
    Fingerprint(Fingerprint),
    Position(BString),
}

impl IgnoreList {
    /// Adds the entries of a `.keystile/ignore` file, called `file` in messages.
    ///
    /// # Errors
    /// Every line that can't be read; then no entry of the file counts.
    pub fn add_keystile(&mut self, file: &str, text: &[u8]) -> Result<(), IgnoreErrors> {
        let mut errors = Vec::new();
        let mut names = Vec::new();
        let mut seen: HashMap<BString, u32> = HashMap::new();
        for (number, line) in lines(text) {
            match entry(line) {
                Ok((name, text)) => {
                    if let Some(first) = seen.insert(text.into(), number) {
                        let message = format!("this entry stands in line {first} already; remove one of the two");
                        errors.push(IgnoreError { file: file.to_owned(), line: number, message });
                    }
                    names.push((number, name, text));
                }
                Err(message) => errors.push(IgnoreError { file: file.to_owned(), line: number, message }),
            }
        }
        if !errors.is_empty() {
            return Err(IgnoreErrors(errors));
        }
        for (line, name, text) in names {
            self.insert(file, line, text, name);
        }
        Ok(())
    }

    /// Adds the entries of a `.gitleaksignore` file, called `file` in messages; the result is one
    /// warning for each line of another shape than gitleaks' fingerprints.
    pub fn add_gitleaks(&mut self, file: &str, text: &[u8]) -> Vec<String> {
        let mut warnings = Vec::new();
        for (number, line) in lines(text) {
            let mut parts: Vec<BString> = line.split_str(":").map(BString::from).collect();
            let path = match parts.len() {
                3 => Some(0),
                4 => Some(1),
                _ => {
                    warnings.push(format!(
                        "{file}:{number}: not a fingerprint (`path:rule:line` or `commit:path:rule:line`); the entry is not likely to match anything"
                    ));
                    None
                }
            };
            if let Some(path) = path {
                parts[path] = parts[path].replace("\\", "/").into();
            }
            let name = Name::Position(bstr::join(":", &parts).into());
            self.insert(file, number, line, name);
        }
        warnings
    }

    fn insert(&mut self, file: &str, line: u32, text: &[u8], name: Name) {
        let index = self.entries.len();
        let text = text.to_str_lossy().into_owned();
        self.entries.push(Entry { file: file.to_owned(), line, text, is_used: false });
        match name {
            Name::Fingerprint(fingerprint) => self.by_fingerprint.entry(fingerprint).or_insert(index),
            Name::Position(position) => self.by_position.entry(position).or_insert(index),
        };
    }

    /// Takes the excused findings and occurrences out of `findings`, and remembers which entries
    /// did it.
    pub fn apply(&mut self, findings: Vec<Finding>) -> Applied {
        let mut applied = Applied::default();
        for finding in findings {
            let whole = self.by_fingerprint.get(&finding.fingerprint).copied();
            if let Some(index) = whole {
                self.entries[index].is_used = true;
            }
            // A finding that is excused as a whole still uses the entries for its places.
            applied.split(finding, |finding, occurrence| self.covers(finding, occurrence) || whole.is_some());
        }
        applied
    }

    fn covers(&mut self, finding: &Finding, occurrence: &Occurrence) -> bool {
        let rule = finding.rule.as_str();
        let line = occurrence.found.start.line;
        let anywhere = positional(None, &occurrence.path, rule, line);
        let commit = match &occurrence.place {
            OccurrencePlace::Commit(commit) | OccurrencePlace::CommitMessage(commit) => {
                Some(positional(Some(&commit.id), &occurrence.path, rule, line))
            }
            _ => None,
        };
        let mut is_covered = false;
        for name in commit.into_iter().chain([anywhere]) {
            if let Some(&index) = self.by_position.get(&name) {
                self.entries[index].is_used = true;
                is_covered = true;
            }
        }
        is_covered
    }

    /// The entries that excused nothing so far. They are of interest after a scan of everything; one
    /// of a range or of the staged change does not see what most entries are about.
    #[must_use]
    pub fn unused(&self) -> Vec<UnusedEntry> {
        let unused = self.entries.iter().filter(|entry| !entry.is_used);
        unused
            .map(|entry| UnusedEntry { file: entry.file.clone(), line: Some(entry.line), entry: entry.text.clone() })
            .collect()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Applied {
    /// Sorts the occurrences of `finding` by whether they are excused.
    pub(crate) fn split(&mut self, finding: Finding, mut is_excused: impl FnMut(&Finding, &Occurrence) -> bool) {
        let excused: Vec<bool> =
            finding.occurrences.iter().map(|occurrence| is_excused(&finding, occurrence)).collect();
        if !excused.contains(&true) {
            self.kept.push(finding);
            return;
        }
        let mut kept = Vec::new();
        let mut withheld = Vec::new();
        let shell = Finding { occurrences: Vec::new(), ..finding.clone() };
        for (occurrence, is_excused) in finding.occurrences.into_iter().zip(excused) {
            if is_excused { withheld.push(occurrence) } else { kept.push(occurrence) }
        }
        self.withheld.push(Finding { occurrences: withheld, ..shell.clone() });
        if kept.is_empty() {
            self.excused += 1;
        } else {
            self.kept.push(Finding { occurrences: kept, ..shell });
        }
    }
}

/// The lines that are entries, trimmed, with their numbers.
fn lines(text: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    (1..).zip(text.split(|&byte| byte == b'\n')).filter_map(|(number, line)| {
        let line = line.trim_ascii();
        (!line.is_empty() && !line.starts_with(b"#")).then_some((number, line))
    })
}

/// Reads `NAME # reason: TEXT`.
fn entry(line: &[u8]) -> Result<(Name, &[u8]), String> {
    const CURE: &str = "write why after it: `… # reason: TEXT`";
    let comment = line.windows(2).position(|pair| pair[0].is_ascii_whitespace() && pair[1] == b'#');
    let Some(comment) = comment else {
        return Err(format!("the entry has no reason; {CURE}"));
    };
    let name = line[..comment].trim_ascii();
    let Some(reason) = line[comment + 2..].trim_ascii_start().strip_prefix(b"reason:") else {
        return Err(format!("the entry has a comment but no reason; {CURE}"));
    };
    if reason.trim_ascii().is_empty() {
        return Err(format!("the reason is empty; {CURE}"));
    }
    if !name.contains(&b':') {
        let fingerprint = name.to_str().ok().and_then(|name| name.parse().ok());
        return fingerprint.map(|fingerprint| (Name::Fingerprint(fingerprint), name)).ok_or_else(|| {
            "not a fingerprint (32 hexadecimal digits, as reports show it) nor a place (`path:rule:line`)".to_owned()
        });
    }
    position(name).map(|position| (Name::Position(position), name))
}

/// Reads `[COMMIT:]path:rule:line`; a path may have a `:` in it.
fn position(name: &[u8]) -> Result<BString, String> {
    let mut parts = name.rsplitn(3, |&byte| byte == b':');
    let (Some(line), Some(rule), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("a place has three parts (`path:rule:line`) or four (`commit:path:rule:line`)".to_owned());
    };
    if line.is_empty() || !line.iter().all(u8::is_ascii_digit) {
        let line = line.as_bstr();
        return Err(format!("`{line}` is not a line number; a place is `path:rule:line`"));
    }
    if rule.is_empty() {
        return Err("the rule is missing; a place is `path:rule:line`".to_owned());
    }
    if let Some(colon) = path.find_byte(b':') {
        let commit = &path[..colon];
        let is_hex = commit.len() >= 7 && commit.iter().all(u8::is_ascii_hexdigit);
        if is_hex && !matches!(commit.len(), 40 | 64) {
            let digits = commit.len();
            return Err(format!("a commit id is written whole (40 or 64 digits); this one has {digits}"));
        }
        if is_hex {
            // Reports write ids in lower case.
            let mut lower = BString::from(commit.to_ascii_lowercase());
            lower.extend_from_slice(&name[colon..]);
            return Ok(lower);
        }
    }
    Ok(name.into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::report::sample::{commit, finding, found, occurrence};

    fn sample() -> Finding {
        let found = Arc::new(found(0, "rule", "value-of-it", "x = value-of-it", (3, 5)));
        finding(
            "rule",
            &found,
            vec![
                occurrence(OccurrencePlace::Commit(commit('a', "m")), b"src/a:b.rs", &found, None),
                occurrence(OccurrencePlace::WorkTree, b"dir/b c.rs", &found, None),
            ],
        )
    }

    fn paths(findings: &[Finding]) -> Vec<String> {
        let occurrences = findings.iter().flat_map(|finding| &finding.occurrences);
        occurrences.map(|occurrence| occurrence.path.to_string()).collect()
    }

    #[test]
    fn what_each_form_excuses() {
        let fingerprint = sample().fingerprint;
        let commit = "a".repeat(40);
        let (first, second) = ("src/a:b.rs", "dir/b c.rs");
        let cases: [(String, &[&str]); 7] = [
            (fingerprint.to_string(), &[]),
            (fingerprint.to_string().to_uppercase(), &[]),
            (format!("{first}:rule:3"), &[second]),
            (format!("{commit}:{first}:rule:3"), &[second]),
            (format!("{}:{first}:rule:3", commit.to_uppercase()), &[second]),
            (format!("{second}:rule:3"), &[first]),
            (format!("{second}:rule:4"), &[first, second]),
        ];
        for (name, left) in cases {
            let mut list = IgnoreList::default();
            list.add_keystile("f", format!("# comment\n\n  {name}   # reason: because\r\n").as_bytes()).expect(&name);
            let applied = list.apply(vec![sample()]);
            assert_eq!(paths(&applied.kept), left, "{name}");
            assert_eq!(applied.withheld.iter().map(|finding| finding.occurrences.len()).sum::<usize>(), 2 - left.len());
            assert_eq!(applied.excused, u64::from(left.is_empty()), "{name}");
            let unused = list.unused();
            assert_eq!(unused.len(), usize::from(left.len() == 2), "{name}");
            if let Some(unused) = unused.first() {
                assert_eq!((unused.file.as_str(), unused.line, unused.entry.as_str()), ("f", Some(3), name.as_str()));
            }
        }
    }

    #[test]
    fn errors_name_the_line_and_the_cure() {
        let hex = "0".repeat(32);
        let cases = [
            (hex.clone(), "no reason"),
            (format!("{hex} # because"), "comment but no reason"),
            (format!("{hex} # reason:  "), "reason is empty"),
            (format!("{hex}0 # reason: x"), "not a fingerprint"),
            ("a:b # reason: x".to_owned(), "three parts"),
            ("a:rule:x # reason: x".to_owned(), "not a line number"),
            ("a::1 # reason: x".to_owned(), "the rule is missing"),
            ("0123abc:a:rule:1 # reason: x".to_owned(), "written whole"),
            (format!("{hex} # reason: x\n{hex} # reason: y"), "stands in line 2 already"),
        ];
        for (text, expected) in cases {
            let error = IgnoreList::default().add_keystile("f", format!("\n{text}").as_bytes()).expect_err(&text);
            assert_eq!(error.0.len(), 1, "{text}");
            let message = error.to_string();
            assert!(message.contains(expected), "{text}: {message}");
            assert!(message.starts_with("f:2: ") || message.starts_with("f:3: "), "{text}: {message}");
        }
        let all = IgnoreList::default().add_keystile("f", b"a\nb\nc").expect_err("three");
        assert_eq!(all.0.iter().map(|error| error.line).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn a_file_with_an_error_counts_for_nothing() {
        let mut list = IgnoreList::default();
        let text = format!("{} # reason: x\nbroken", sample().fingerprint);
        list.add_keystile("f", text.as_bytes()).expect_err("broken");
        assert!(list.is_empty());
    }

    #[test]
    fn gitleaks_file_as_gitleaks_reads_it() {
        let commit = "a".repeat(40);
        let mut list = IgnoreList::default();
        let text = format!("# c\n\n dir\\b c.rs:rule:3 \nnonsense\n{commit}:other\\x:rule:3\n");
        let warnings = list.add_gitleaks("g", text.as_bytes());
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].starts_with("g:4: "), "{warnings:?}");
        // A path with a colon is no fingerprint to gitleaks, but it does match.
        list.add_gitleaks("g", format!("{commit}:src/a:b.rs:rule:3").as_bytes());
        let applied = list.apply(vec![sample()]);
        assert_eq!(paths(&applied.kept), Vec::<String>::new());
        let unused: Vec<_> = list.unused().into_iter().filter_map(|unused| unused.line).collect();
        assert_eq!(unused, [4, 5]);
    }
}
