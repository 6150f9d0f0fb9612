//! What is done with one piece of content, whatever source it comes from: scanned as it is, and, if
//! it is an archive, entry by entry.

use std::sync::Arc;

use bstr::{BStr, BString};
use keystile_scan::{ContentScan, DeltaOp, Match, Place, Scanner, Scratch, Verdict};

use crate::coverage::{Coverage, SkipReason};

/// What to leave out and what to open.
#[derive(Debug, Clone, Default)]
pub struct InspectOptions {
    /// Leave binary content out.
    pub skip_binary: bool,
    /// Leave larger content out.
    pub max_bytes: Option<u64>,
    /// How far archives are opened.
    pub archives: keystile_archive::Limits,
}

/// Scans content; shared by all threads.
#[derive(Debug)]
pub struct Inspector {
    /// The rules, ready to run.
    pub scanner: Scanner,
    /// What to leave out and what to open.
    pub options: InspectOptions,
}

/// What one piece of content gave.
#[derive(Debug, Clone, Default)]
pub struct Inspection {
    /// The scan of the content itself: what content derived from it builds upon.
    pub scan: ContentScan,
    /// Matches in the entries of an archive, by the path inside of it; entries without any are left out.
    pub entries: Vec<(BString, Vec<Arc<Match>>)>,
    /// Entries scanned.
    pub entries_scanned: u64,
    /// Matches in entries that comments excused.
    pub entries_allowed_inline: u32,
    /// Rules that could not be compiled when an entry needed them.
    pub entries_failed_rules: Vec<usize>,
    /// Why the content, or parts of it, was left out: reason, path inside, bytes.
    pub skipped: Vec<(SkipReason, BString, u64)>,
}

impl Inspection {
    /// Whether there is any match.
    #[must_use]
    pub fn has_matches(&self) -> bool {
        !self.scan.matches.is_empty() || !self.entries.is_empty()
    }

    /// Whether the content itself was left out (too large, binary, or at a path that excuses everything).
    #[must_use]
    pub fn is_left_out(&self) -> bool {
        // Entries of an archive can be left out too; those have a path inside.
        self.skipped.iter().any(|(reason, inner, _)| {
            inner.is_empty() && matches!(reason, SkipReason::Binary | SkipReason::Size | SkipReason::AllowlistedPath)
        })
    }

    /// What was found, without what only content derived from this one needs.
    #[must_use]
    pub fn found(&self) -> Self {
        Self {
            scan: self.scan.found(),
            entries: self.entries.clone(),
            entries_scanned: self.entries_scanned,
            entries_allowed_inline: self.entries_allowed_inline,
            entries_failed_rules: self.entries_failed_rules.clone(),
            skipped: self.skipped.clone(),
        }
    }

    /// Matches that comments excused.
    #[must_use]
    pub fn allowed_inline(&self) -> u32 {
        self.scan.allowed_inline.saturating_add(self.entries_allowed_inline)
    }

    /// Counts what was left out; `what` names the content.
    pub fn count(&self, what: &str, coverage: &mut Coverage) {
        coverage.archive_entries_scanned += self.entries_scanned;
        coverage.allowed_inline += u64::from(self.allowed_inline());
        coverage.failed_rules.extend(self.scan.failed_rules.iter().chain(&self.entries_failed_rules));
        for (reason, inner, bytes) in &self.skipped {
            let name = if inner.is_empty() { what.to_owned() } else { format!("{what}!{inner}") };
            coverage.skip(*reason, name, *bytes);
        }
    }
}

/// A match that is a finding at some place, with its path (that inside an archive included).
pub type Located = (BString, Arc<Match>);

/// What there is of a content at a place.
#[derive(Debug, Default)]
pub struct Judged {
    /// The findings.
    pub found: Vec<Located>,
    /// Matches that an allowlist excuses there, without those at a path where everything is excused.
    pub allowlisted: u64,
    /// Paths of an archive's entries that have matches and where everything is excused.
    pub left_out: Vec<BString>,
}

impl Judged {
    /// Counts what was excused and gives the findings.
    pub fn count(self, coverage: &mut Coverage) -> Vec<Located> {
        coverage.allowlisted += self.allowlisted;
        for path in self.left_out {
            coverage.skip(SkipReason::AllowlistedPath, path.to_string(), 0);
        }
        self.found
    }
}

impl Inspector {
    /// Scans `content`.
    pub fn inspect(&self, scratch: &mut Scratch, content: &[u8]) -> Inspection {
        self.inspect_with(content, scratch, |scratch| self.scanner.scan(scratch, content))
    }

    /// Scans `content` that was made from a base which was scanned before.
    pub fn inspect_delta(
        &self,
        scratch: &mut Scratch,
        content: &[u8],
        base: &Inspection,
        ops: &[DeltaOp],
    ) -> Inspection {
        if base.is_left_out() {
            return self.inspect(scratch, content);
        }
        self.inspect_with(content, scratch, |scratch| self.scanner.scan_delta(scratch, content, &base.scan, ops))
    }

    fn inspect_with(
        &self,
        content: &[u8],
        scratch: &mut Scratch,
        scan: impl FnOnce(&mut Scratch) -> ContentScan,
    ) -> Inspection {
        let mut inspection = Inspection::default();
        let size = content.len() as u64;
        if self.options.max_bytes.is_some_and(|limit| size > limit) {
            inspection.skipped.push((SkipReason::Size, BString::default(), size));
            return inspection;
        }
        let archive = if self.options.archives.depth > 0 { keystile_archive::detect(content) } else { None };
        if self.options.skip_binary && archive.is_none() && is_binary(content) {
            inspection.skipped.push((SkipReason::Binary, BString::default(), size));
            return inspection;
        }
        inspection.scan = scan(scratch);
        if is_git_pack(content) {
            inspection.skipped.push((SkipReason::ArchiveUnsupported, BString::default(), size));
        }
        if archive.is_some() {
            let skipped = keystile_archive::expand(content, &self.options.archives, &mut |path, bytes| {
                if self.options.skip_binary && is_binary(bytes) && keystile_archive::detect(bytes).is_none() {
                    inspection.skipped.push((SkipReason::Binary, path.to_owned(), bytes.len() as u64));
                    return;
                }
                inspection.entries_scanned += 1;
                let scan = self.scanner.scan(scratch, bytes);
                inspection.entries_allowed_inline =
                    inspection.entries_allowed_inline.saturating_add(scan.allowed_inline);
                inspection.entries_failed_rules.extend(&scan.failed_rules);
                if !scan.matches.is_empty() {
                    inspection.entries.push((path.to_owned(), scan.matches));
                }
            });
            for left_out in skipped {
                inspection.skipped.push((archive_reason(&left_out.reason), left_out.path, 0));
            }
        }
        inspection
    }

    /// The findings of `inspection` at a path in a commit (empty id: outside of history).
    pub fn findings_at(&self, inspection: &Inspection, path: &BStr, commit: &str) -> Vec<Located> {
        self.judge_at(inspection, path, commit).found
    }

    /// As [`Inspector::findings_at`], with what is excused there.
    pub fn judge_at(&self, inspection: &Inspection, path: &BStr, commit: &str) -> Judged {
        let mut judged = Judged::default();
        self.judge(&inspection.scan.matches, path, commit, &mut judged);
        // An archive at such a path is left out with all that is in it.
        let is_excused = !inspection.entries.is_empty() && self.scanner.excuses_path(path);
        for (inner, matches) in inspection.entries.iter().filter(|_| !is_excused) {
            let mut full = path.to_owned();
            full.push(b'!');
            full.extend_from_slice(inner);
            if self.judge(matches, full.as_ref(), commit, &mut judged) {
                judged.left_out.push(full);
            }
        }
        for found_path in self.scanner.judge_path(Place { path, commit }) {
            judged.found.push((path.to_owned(), Arc::new(found_path)));
        }
        judged
    }

    /// Whether the path excuses them all.
    fn judge(&self, matches: &[Arc<Match>], path: &BStr, commit: &str, judged: &mut Judged) -> bool {
        let mut is_path_allowed = false;
        for (found, verdict) in matches.iter().zip(self.scanner.judge(matches, Place { path, commit })) {
            match verdict {
                Verdict::Finding => judged.found.push((path.to_owned(), found.clone())),
                Verdict::Allowed => judged.allowlisted += 1,
                Verdict::PathAllowed => is_path_allowed = true,
                Verdict::PathNotCovered | Verdict::Superseded => {}
            }
        }
        is_path_allowed
    }
}

/// git's own test: a NUL byte among the first 8000 bytes (`buffer_is_binary` in git's `xdiff-interface.c`).
/// UTF-16 text with a byte order mark is text.
#[must_use]
pub fn is_binary(content: &[u8]) -> bool {
    let head = &content[..content.len().min(8000)];
    !head.starts_with(&[0xff, 0xfe]) && !head.starts_with(&[0xfe, 0xff]) && memchr::memchr(0, head).is_some()
}

/// A git bundle (`gitformat-bundle(5)`) or a pack (`gitformat-pack(5)`) that lies around as a file: its objects
/// are compressed, so that scanning its bytes says nothing about them.
fn is_git_pack(content: &[u8]) -> bool {
    [&b"# v2 git bundle\n"[..], b"# v3 git bundle\n", b"PACK\0\0\0\x02", b"PACK\0\0\0\x03"]
        .iter()
        .any(|magic| content.starts_with(magic))
}

fn archive_reason(reason: &keystile_archive::SkipReason) -> SkipReason {
    use keystile_archive::SkipReason as Archive;
    match reason {
        Archive::Encrypted => SkipReason::ArchiveEncrypted,
        Archive::Unsupported => SkipReason::ArchiveUnsupported,
        Archive::Limit => SkipReason::ArchiveLimit,
        Archive::TooDeep => SkipReason::ArchiveDepth,
        Archive::Corrupt => SkipReason::ArchiveCorrupt,
    }
}
