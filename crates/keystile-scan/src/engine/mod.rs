//! Finding secrets in bytes.

use std::sync::Arc;

use bstr::BStr;

use crate::fingerprint::{Fingerprint, Salt};
use crate::position::{Position, Span};
use crate::rule::{Rule, RuleSet};
use crate::secret::SecretBytes;

/// What a scan is asked to do beyond its rules.
#[derive(Debug, Clone)]
pub struct ScanOptions {
    /// How often decoded text is decoded again; 0: no decoding.
    pub decode_depth: u32,
    /// Whether `gitleaks:allow` and `keystile:allow` on a match's line excuse it.
    pub inline_allow: bool,
    /// Whether gitleaks 8.30's faults are kept too (`--compat=strict`); see
    /// `docs/gitleaks-compatibility.md`.
    pub strict: bool,
    /// Key of the fingerprints.
    pub salt: Salt,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self { decode_depth: 2, inline_allow: true, strict: false, salt: Salt::default() }
    }
}

/// A secret found in some content, whatever path the content lies at.
#[derive(Debug, Clone)]
pub struct Match {
    /// Index of the rule in [`RuleSet::rules`].
    pub rule: usize,
    /// Name of (rule, secret).
    pub fingerprint: Fingerprint,
    /// The secret: a capture group or the whole match.
    pub secret: SecretBytes,
    /// The whole match of the regular expression, new lines at both ends cut.
    pub matched: SecretBytes,
    /// The line or lines of the original content that the match stands in, without the last line's end.
    pub line: SecretBytes,
    /// Where the match lies in the original content (of decoded text: where its encoded form lies).
    pub span: Span,
    /// First character of the match.
    pub start: Position,
    /// Last character of the match (inclusive).
    pub end: Position,
    /// Of the secret, in bits per character.
    pub entropy: f64,
    /// How the match was encoded, outermost first: `base64`, `hex`, `percent`, `unicode`, `utf-16`.
    pub encodings: Vec<&'static str>,
    /// Matches of the rules that a composite rule requires.
    pub required: Vec<Match>,
    /// Allowlists whose conditions on the content hold and whose conditions on the place are open.
    pub(crate) open_allowlists: Vec<AllowlistRef>,
}

impl Match {
    /// A match of the rule at `rule` in [`RuleSet::rules`] whose text, line and secret are all
    /// `secret`, at the start of the content. Whoever makes matches by hand (tests of reports, say)
    /// sets the other fields afterwards.
    #[must_use]
    pub fn new(rule: usize, fingerprint: Fingerprint, secret: SecretBytes) -> Self {
        let start = Position { line: 1, column: 1 };
        Self {
            rule,
            fingerprint,
            matched: secret.clone(),
            line: secret.clone(),
            span: Span::new(0, secret.len()),
            start,
            end: start,
            entropy: 0.0,
            encodings: Vec::new(),
            required: Vec::new(),
            open_allowlists: Vec::new(),
            secret,
        }
    }
}

/// An allowlist by its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AllowlistRef {
    /// In [`RuleSet::allowlists`].
    Global(usize),
    /// In the allowlists of the match's rule.
    Rule(usize),
}

/// What a scan of one content gave: its matches, and what a scan of content derived from it can reuse.
#[derive(Debug, Clone, Default)]
pub struct ContentScan {
    /// In the order of rules, then of positions.
    pub matches: Vec<Arc<Match>>,
    /// Matches that an inline `keystile:allow` or `gitleaks:allow` excused.
    pub allowed_inline: u32,
}

/// A step in making content from its base (git's delta instructions).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeltaOp {
    /// Bytes of the base.
    Copy {
        /// Offset in the base.
        from: usize,
        /// How many bytes.
        len: usize,
    },
    /// New bytes; they stand in the content.
    Insert {
        /// How many bytes.
        len: usize,
    },
}

/// Where content lies, as far as rules and allowlists ask.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place<'a> {
    /// Path with `/`, empty if there is none.
    pub path: &'a BStr,
    /// Hexadecimal commit id, empty outside of history.
    pub commit: &'a str,
}

/// What holds for a match at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is a finding.
    Finding,
    /// The rule does not look at such paths.
    PathNotCovered,
    /// An allowlist excuses it.
    Allowed,
    /// A more specific rule reports the same secret.
    Superseded,
}

/// Per-thread buffers and caches of a [`Scanner`].
#[derive(Debug, Default)]
pub struct Scratch {}

/// Rules made ready to run. Cheap to make, shared by all threads.
#[derive(Debug)]
pub struct Scanner {
    rules: RuleSet,
    #[allow(dead_code, reason = "skeleton")]
    options: ScanOptions,
}

impl Scanner {
    /// Makes `rules` ready.
    #[must_use]
    pub fn new(rules: RuleSet, options: ScanOptions) -> Self {
        Self { rules, options }
    }

    /// The rules it runs.
    #[must_use]
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// The rule of a match.
    #[must_use]
    pub fn rule(&self, found: &Match) -> &Rule {
        &self.rules.rules[found.rule]
    }

    /// Buffers for one thread.
    #[must_use]
    pub fn scratch(&self) -> Scratch {
        Scratch::default()
    }

    /// Finds all matches in `content`.
    pub fn scan(&self, _scratch: &mut Scratch, _content: &[u8]) -> ContentScan {
        ContentScan::default()
    }

    /// The same as [`Scanner::scan`], exactly, for content made from a base that was scanned:
    /// only what the delta inserts is searched again.
    pub fn scan_delta(
        &self,
        scratch: &mut Scratch,
        content: &[u8],
        _base: &ContentScan,
        _ops: &[DeltaOp],
    ) -> ContentScan {
        self.scan(scratch, content)
    }

    /// Which of the `matches` of one content are findings at `place`: one verdict each.
    #[must_use]
    pub fn judge(&self, matches: &[Arc<Match>], _place: Place<'_>) -> Vec<Verdict> {
        vec![Verdict::Finding; matches.len()]
    }

    /// The rules that look at paths alone and report `place.path`, as matches without a position
    /// (gitleaks: `file detected: PATH`).
    #[must_use]
    pub fn judge_path(&self, _place: Place<'_>) -> Vec<Match> {
        Vec::new()
    }

    /// Whether some rule looks at paths alone.
    #[must_use]
    pub fn has_path_rules(&self) -> bool {
        self.rules.rules.iter().any(|rule| rule.regex.is_none() && rule.path.is_some())
    }
}
