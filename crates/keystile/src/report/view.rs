//! What formats render: findings in a fixed order, every text from the repository masked.
//!
//! Nothing in here holds a secret unless the user asked to see it ([`crate::mask::Redaction`]), so a
//! format can't leak one by accident. Text is masked but not yet made safe for a terminal, XML or
//! Markdown: that is each format's business.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use bstr::{BString, ByteSlice as _};
use jiff::Timestamp;
use keystile_git::Coverage;
use keystile_scan::rule::Severity;
use keystile_scan::{CommitInfo, Fingerprint, Match, Occurrence, OccurrencePlace, Position, RuleSet};
use keystile_verify::{Reason, Verdict};

use super::{Options, Outcome, Report, Suppressed, Target, UnusedEntry};
use crate::link::{self, Remote};
use crate::managed::{Holder, Holders};
use crate::mask::{Masker, Redaction};
use crate::verify::Verification;

/// A report without secrets.
#[derive(Debug)]
pub struct View<'a> {
    /// keystile's version.
    pub tool_version: &'a str,
    /// The rules of the run.
    pub rules: &'a RuleSet,
    /// Worst first; among equals those in HEAD, then by rule and place.
    pub findings: Vec<FindingView>,
    /// With masked texts.
    pub coverage: Coverage,
    /// How the run ends.
    pub outcome: Outcome,
    /// The exit status that says so.
    pub exit_code: u8,
    /// What was scanned.
    pub target: Target,
    /// What is not reported.
    pub suppressed: Suppressed,
    /// What the issuers said, if they were asked.
    pub verification: Option<&'a Verification>,
    /// Exceptions that excuse nothing.
    pub unused: Vec<UnusedEntry>,
    /// One sentence each.
    pub warnings: Vec<String>,
    /// The repository's page.
    pub remote_url: Option<&'a str>,
    /// When the scan began.
    pub started: Timestamp,
    /// When the scan was done.
    pub finished: Timestamp,
    /// How much of a secret is shown.
    pub redaction: Redaction,
}

/// A finding.
#[derive(Debug)]
pub struct FindingView {
    /// Its rule's id.
    pub rule_id: String,
    /// Its rule's sentence for people.
    pub description: String,
    /// How bad.
    pub severity: Severity,
    /// Its rule's tags.
    pub tags: Vec<String>,
    /// What its rule says to do.
    pub remedy: Option<String>,
    /// Pages to read on.
    pub references: Vec<String>,
    /// Stable name.
    pub fingerprint: Fingerprint,
    /// The mask, or with `--reveal` the secret.
    pub secret: String,
    /// The same, byte for byte.
    pub secret_bytes: BString,
    /// Bits per character.
    pub entropy: f64,
    /// Whether it is still in HEAD; `None`: no HEAD to ask.
    pub in_head: Option<bool>,
    /// What its issuer said, if it was asked.
    pub verdict: Option<Verdict>,
    /// The managed secrets that hold it; `None`: not looked up.
    pub managed: Option<Vec<Holder>>,
    /// Oldest introduction first.
    pub occurrences: Vec<OccurrenceView>,
}

/// A place of a finding.
#[derive(Debug)]
pub struct OccurrenceView {
    /// Which kind of place.
    pub kind: PlaceKind,
    /// The commit, if the place has one.
    pub commit: Option<Rc<CommitView>>,
    /// Name of the annotated tag whose message it is.
    pub tag: Option<String>,
    /// Id of an object that no reference leads to.
    pub object: Option<String>,
    /// Masked bytes of the path.
    pub path: BString,
    /// Symbolic link that led there.
    pub symlink: Option<BString>,
    /// First character; line 0: the match has no position (a rule that looks at the path alone).
    pub start: Position,
    /// Last character.
    pub end: Position,
    /// What was matched.
    pub text: Rc<TextView>,
    /// Whether HEAD has the secret at this path.
    pub in_head: Option<bool>,
    /// The line on the hosting site, or the commit for its message.
    pub link: Option<String>,
    /// gitleaks' fingerprint: `commit:path:rule:line`, or `path:rule:line` outside of history.
    pub positional: BString,
}

/// The texts of a match.
#[derive(Debug)]
pub struct TextView {
    /// The line or lines it stands in, cut to [`LINE_LIMIT`] characters around the mask.
    pub line: String,
    /// What the expression matched.
    pub matched: String,
    /// The same, byte for byte.
    pub matched_bytes: BString,
    /// Of the secret, in bits per character.
    pub entropy: f64,
    /// How it was encoded, outermost first.
    pub encodings: Vec<&'static str>,
    /// The other matches that a composite rule needed.
    pub required: Vec<RequiredView>,
}

/// A match that a composite rule needed.
#[derive(Debug)]
pub struct RequiredView {
    /// Its rule's id.
    pub rule_id: String,
    /// First character.
    pub start: Position,
    /// Last character.
    pub end: Position,
    /// The mask, or the secret.
    pub secret: String,
}

/// A commit.
#[derive(Debug)]
pub struct CommitView {
    /// Hexadecimal id.
    pub id: String,
    /// Author's name.
    pub author_name: String,
    /// Author's address.
    pub author_email: String,
    /// Author date.
    pub time: Timestamp,
    /// Offset of the author's clock in minutes.
    pub offset_minutes: i32,
    /// The whole message.
    pub message: String,
}

/// Kinds of places, by their names in reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceKind {
    /// A commit introduces it.
    Commit,
    /// A commit's message.
    CommitMessage,
    /// An annotated tag's message.
    TagMessage,
    /// The index.
    Index,
    /// The work tree.
    WorkTree,
    /// An object that no reference leads to.
    Unreachable,
    /// A file outside of history.
    File,
    /// Standard input.
    StandardInput,
}

impl PlaceKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Commit,
        Self::CommitMessage,
        Self::TagMessage,
        Self::Index,
        Self::WorkTree,
        Self::Unreachable,
        Self::File,
        Self::StandardInput,
    ];

    /// Its name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::CommitMessage => "commit_message",
            Self::TagMessage => "tag_message",
            Self::Index => "index",
            Self::WorkTree => "work_tree",
            Self::Unreachable => "unreachable",
            Self::File => "file",
            Self::StandardInput => "standard_input",
        }
    }
}

/// Longest line that is shown, in characters; a minified file has one of megabytes.
pub const LINE_LIMIT: usize = 400;

impl<'a> View<'a> {
    /// The view of `report`.
    #[must_use]
    pub fn new(report: &'a Report<'_>, options: &Options) -> Self {
        let masker = Masker::new(report.findings.iter().chain(&report.withheld), options.redaction);
        let mut maker = Maker {
            masker: &masker,
            rules: report.rules,
            remote: report.remote.as_ref(),
            verification: report.verification.as_ref(),
            managed: report.managed.as_ref(),
            commits: HashMap::new(),
            texts: HashMap::new(),
        };
        let mut findings: Vec<_> = report.findings.iter().map(|finding| maker.finding(finding)).collect();
        findings.sort_by(|one, two| one.order().cmp(&two.order()));
        let unused = report
            .unused
            .iter()
            .map(|unused| UnusedEntry { entry: masker.str(&unused.entry), ..unused.clone() })
            .collect();
        Self {
            tool_version: &report.tool_version,
            rules: report.rules,
            findings,
            coverage: masked_coverage(&report.coverage, &masker),
            outcome: report.outcome,
            exit_code: report.exit_code,
            target: Target { path: masker.str(&report.target.path), ..report.target.clone() },
            suppressed: report.suppressed,
            verification: report.verification.as_ref(),
            unused,
            warnings: report.warnings.iter().map(|warning| masker.str(warning)).collect(),
            remote_url: report.remote.as_ref().map(Remote::url),
            started: report.started,
            finished: report.finished,
            redaction: options.redaction,
        }
    }

    /// Whether anything at all was scanned: a pipe whose other end failed gives a file without a byte.
    #[must_use]
    pub fn scanned_anything(&self) -> bool {
        let coverage = &self.coverage;
        let bytes = coverage.blob_bytes_scanned + coverage.file_bytes_scanned;
        // A rule can find a path, whatever the file holds.
        bytes + coverage.messages_scanned + coverage.archive_entries_scanned > 0 || !self.findings.is_empty()
    }

    /// Whether all that was read is empty.
    #[must_use]
    pub fn read_only_empty(&self) -> bool {
        !self.scanned_anything() && self.coverage.blobs_scanned + self.coverage.files_scanned > 0
    }

    /// Whether there was something in scope that was left out on purpose.
    #[must_use]
    pub fn left_out_everything(&self) -> bool {
        self.coverage.blobs + self.coverage.files > 0 && !self.coverage.skipped.is_empty()
    }

    /// All occurrences, with their findings.
    pub fn occurrences(&self) -> impl Iterator<Item = (&FindingView, &OccurrenceView)> {
        self.findings.iter().flat_map(|finding| finding.occurrences.iter().map(move |occurrence| (finding, occurrence)))
    }
}

impl FindingView {
    fn order(&self) -> impl Ord + '_ {
        let first = self.occurrences.first();
        (
            Reverse(self.severity),
            Reverse(self.in_head == Some(true)),
            &self.rule_id,
            first.map(|occurrence| (&occurrence.path, occurrence.start)),
            self.fingerprint,
        )
    }

    /// The occurrence that a report with one place should show: one in HEAD if there is one.
    #[must_use]
    pub fn best_place(&self) -> Option<&OccurrenceView> {
        self.occurrences.iter().find(|occurrence| occurrence.in_head == Some(true)).or(self.occurrences.first())
    }

    /// What its issuer said, for people: `live (api.example.com)`.
    #[must_use]
    pub fn verdict_text(&self) -> Option<String> {
        let verdict = self.verdict.as_ref()?;
        let host = verdict.host.as_ref().map(|host| format!(" at {host}")).unwrap_or_default();
        Some(match verdict.reason {
            Reason::Answered => format!("{}{host}", verdict.state.as_str()),
            reason => format!("{}{host}: {}", verdict.state.as_str(), reason.sentence()),
        })
    }

    /// The managed secrets that hold it, for people; `None`: not looked up.
    #[must_use]
    pub fn managed_text(&self) -> Option<String> {
        let holders = self.managed.as_ref()?;
        if holders.is_empty() {
            return Some("by none of the secrets that were read".to_owned());
        }
        let texts = holders.iter().map(|holder| {
            let stages = if holder.stages.is_empty() { "an old version".to_owned() } else { holder.stages.join(", ") };
            let place = if holder.pointer.is_empty() { String::new() } else { format!(", at {}", holder.pointer) };
            format!("{} ({stages}{place})", holder.name)
        });
        Some(texts.collect::<Vec<_>>().join("; "))
    }

    /// `critical`, `high`, `medium`, `low`.
    #[must_use]
    pub fn severity_str(&self) -> &'static str {
        severity_str(self.severity)
    }
}

/// The name of a severity in reports.
#[must_use]
pub fn severity_str(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "high",
        Severity::Medium => "medium",
        Severity::Low => "low",
    }
}

impl OccurrenceView {
    /// The path for people; bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn path_lossy(&self) -> String {
        self.path.to_str_lossy().into_owned()
    }

    /// The path percent-encoded, when it can't be given as text without loss.
    #[must_use]
    pub fn path_encoded(&self) -> Option<String> {
        self.path.to_str().is_err().then(|| link::encode(&self.path, true))
    }

    /// The path, or what stands in its place.
    #[must_use]
    pub fn place_name(&self) -> String {
        match self.kind {
            PlaceKind::StandardInput => "standard input".to_owned(),
            PlaceKind::CommitMessage => "commit message".to_owned(),
            PlaceKind::TagMessage => format!("message of tag {}", self.tag.as_deref().unwrap_or_default()),
            _ if self.path.is_empty() => "(no path)".to_owned(),
            _ => self.path_lossy(),
        }
    }
}

impl CommitView {
    /// The date by the author's clock, as RFC 3339 writes it.
    #[must_use]
    pub fn date(&self) -> String {
        let seconds = self.offset_minutes.clamp(-24 * 60 + 1, 24 * 60 - 1) * 60;
        match jiff::tz::Offset::from_seconds(seconds) {
            Ok(offset) => {
                let (sign, minutes) = if seconds < 0 { ('-', -seconds / 60) } else { ('+', seconds / 60) };
                format!("{}{sign}{:02}:{:02}", offset.to_datetime(self.time), minutes / 60, minutes % 60)
            }
            Err(_) => self.date_utc(),
        }
    }

    /// The date in UTC: `2026-01-02T03:04:05Z`.
    #[must_use]
    pub fn date_utc(&self) -> String {
        utc(self.time)
    }

    /// The day by the author's clock.
    #[must_use]
    pub fn day(&self) -> String {
        self.date().chars().take(10).collect()
    }

    /// The beginning of the id.
    #[must_use]
    pub fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }
}

/// A time in UTC, to the second.
#[must_use]
pub fn utc(time: Timestamp) -> String {
    let seconds = Timestamp::from_second(time.as_second()).unwrap_or(time);
    seconds.to_string()
}

struct Maker<'a> {
    masker: &'a Masker,
    rules: &'a RuleSet,
    remote: Option<&'a Remote>,
    verification: Option<&'a Verification>,
    managed: Option<&'a Holders>,
    commits: HashMap<*const CommitInfo, Rc<CommitView>>,
    texts: HashMap<*const Match, Rc<TextView>>,
}

impl Maker<'_> {
    fn finding(&mut self, finding: &keystile_scan::Finding) -> FindingView {
        let rule = self.rules.get(finding.rule.as_str());
        FindingView {
            rule_id: finding.rule.as_str().to_owned(),
            description: rule.map(|rule| rule.description.clone()).unwrap_or_default(),
            severity: rule.map(|rule| rule.severity).unwrap_or_default(),
            tags: rule.map(|rule| rule.tags.clone()).unwrap_or_default(),
            remedy: rule.and_then(|rule| rule.remedy.clone()),
            references: rule.map(|rule| rule.references.clone()).unwrap_or_default(),
            fingerprint: finding.fingerprint,
            secret: self.masker.secret(&finding.secret).to_str_lossy().into_owned(),
            secret_bytes: self.masker.secret(&finding.secret),
            entropy: finding.occurrences.first().map_or(0.0, |occurrence| occurrence.found.entropy),
            in_head: finding.in_head(),
            verdict: self
                .verification
                .and_then(|verification| verification.verdicts.get(&finding.fingerprint))
                .cloned(),
            managed: self.managed.map(|holders| holders.of.get(&finding.fingerprint).cloned().unwrap_or_default()),
            occurrences: finding.occurrences.iter().map(|occurrence| self.occurrence(finding, occurrence)).collect(),
        }
    }

    fn occurrence(&mut self, finding: &keystile_scan::Finding, occurrence: &Occurrence) -> OccurrenceView {
        let found = &occurrence.found;
        let (kind, commit, tag, object) = match &occurrence.place {
            OccurrencePlace::Commit(commit) => (PlaceKind::Commit, Some(commit), None, None),
            OccurrencePlace::CommitMessage(commit) => (PlaceKind::CommitMessage, Some(commit), None, None),
            OccurrencePlace::TagMessage(tag) => (PlaceKind::TagMessage, None, Some(tag), None),
            OccurrencePlace::Index => (PlaceKind::Index, None, None, None),
            OccurrencePlace::WorkTree => (PlaceKind::WorkTree, None, None, None),
            OccurrencePlace::Unreachable(id) => (PlaceKind::Unreachable, None, None, Some(id.clone())),
            OccurrencePlace::File => (PlaceKind::File, None, None, None),
            OccurrencePlace::StandardInput => (PlaceKind::StandardInput, None, None, None),
        };
        let link = self.remote.zip(commit).and_then(|(remote, commit)| match kind {
            PlaceKind::CommitMessage => Some(remote.commit(&commit.id)),
            // A masked path leads nowhere, and the path itself holds a secret.
            _ if self.masker.would_mask(&occurrence.path) => None,
            _ => Some(remote.lines(&commit.id, occurrence.path.as_ref(), found.start.line, found.end.line)),
        });
        let path = self.masker.text(&occurrence.path);
        let positional =
            positional(commit.map(|commit| commit.id.as_str()), &path, finding.rule.as_str(), found.start.line);
        OccurrenceView {
            kind,
            commit: commit.map(|commit| self.commit(commit)),
            tag: tag.map(|tag| self.masker.text(tag).to_str_lossy().into_owned()),
            object,
            path,
            symlink: occurrence.symlink.as_ref().map(|symlink| self.masker.text(symlink)),
            start: found.start,
            end: found.end,
            text: self.text(found),
            in_head: occurrence.in_head,
            link,
            positional,
        }
    }

    fn commit(&mut self, commit: &Arc<CommitInfo>) -> Rc<CommitView> {
        let masker = self.masker;
        let view = self.commits.entry(Arc::as_ptr(commit)).or_insert_with(|| {
            Rc::new(CommitView {
                id: commit.id.clone(),
                author_name: masker.str(&commit.author_name),
                author_email: masker.str(&commit.author_email),
                // Commits can claim any time; what no calendar holds becomes the start of time.
                time: Timestamp::from_second(commit.author_seconds).unwrap_or(Timestamp::UNIX_EPOCH),
                offset_minutes: commit.author_offset_minutes,
                message: masker.str(&commit.message),
            })
        });
        view.clone()
    }

    fn text(&mut self, found: &Arc<Match>) -> Rc<TextView> {
        if let Some(text) = self.texts.get(&Arc::as_ptr(found)) {
            return text.clone();
        }
        let line = self.masker.line(found);
        let focus = line.masks.first().cloned().unwrap_or(0..0);
        let matched = self.masker.matched(found).text;
        let text = Rc::new(TextView {
            line: cut(line.text.as_ref(), focus),
            matched: matched.to_str_lossy().into_owned(),
            matched_bytes: matched,
            entropy: found.entropy,
            encodings: found.encodings.clone(),
            required: found.required.iter().map(|required| self.required(required)).collect(),
        });
        self.texts.insert(Arc::as_ptr(found), text.clone());
        text
    }

    fn required(&self, required: &Match) -> RequiredView {
        RequiredView {
            rule_id: self.rules.rules.get(required.rule).map(|rule| rule.id.to_string()).unwrap_or_default(),
            start: required.start,
            end: required.end,
            secret: self.masker.secret(&required.secret).to_str_lossy().into_owned(),
        }
    }
}

/// The bytes around `focus` as text of at most [`LINE_LIMIT`] characters. The bytes are cut first,
/// so that a line of megabytes is not copied for each of its matches.
fn cut(line: &bstr::BStr, focus: Range<usize>) -> String {
    let from = focus.start.saturating_sub(LINE_LIMIT * 4).min(line.len());
    let to = focus.end.min(focus.start + LINE_LIMIT * 4).saturating_add(LINE_LIMIT * 4).min(line.len());
    let before = line[from..focus.start].to_str_lossy().into_owned();
    let mut text = before.clone();
    text.push_str(&line[focus.start..to].to_str_lossy());
    let end = before.len() + line[focus.start..focus.end.min(to)].to_str_lossy().len();
    let cut = super::text::window(&text, before.len()..end, LINE_LIMIT).into_owned();
    // What was cut off before the window was made.
    let lead = if from > 0 && !cut.starts_with('…') { "…" } else { "" };
    let tail = if to < line.len() && !cut.ends_with('…') { "…" } else { "" };
    format!("{lead}{cut}{tail}")
}

/// gitleaks' fingerprint (`detect/detect.go`, `AddFinding`).
#[must_use]
pub fn positional(commit: Option<&str>, path: &[u8], rule: &str, line: u32) -> BString {
    let mut fingerprint = BString::default();
    if let Some(commit) = commit {
        fingerprint.extend_from_slice(commit.as_bytes());
        fingerprint.push(b':');
    }
    fingerprint.extend_from_slice(path);
    fingerprint.extend_from_slice(format!(":{rule}:{line}").as_bytes());
    fingerprint
}

fn masked_coverage(coverage: &Coverage, masker: &Masker) -> Coverage {
    let mut coverage = coverage.clone();
    for skipped in coverage.skipped.values_mut() {
        for example in &mut skipped.examples {
            *example = masker.str(example);
        }
    }
    for gap in &mut coverage.gaps {
        gap.what = masker.str(&gap.what);
        gap.detail = masker.str(&gap.detail);
    }
    for note in &mut coverage.notes {
        *note = masker.str(note);
    }
    coverage
}
