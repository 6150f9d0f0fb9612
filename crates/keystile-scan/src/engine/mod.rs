//! Finding secrets in bytes.
//!
//! | module | what it does |
//! |---|---|
//! | `anchors` | reads off a rule's expression which literals a match must contain |
//! | `steps` | what must stand beside such a literal, and how far a match can reach |
//! | `program` | a rule set made ready: literals, gates, expressions that compile when needed |
//! | `search` | one search for all literals of all rules |
//! | `windows` | the parts of a text in which matches of a rule can lie |
//! | `scan` | occurrences of literals → windows → matches |
//! | `cluster` | the neighbourhood of encoded segments, decoded |
//! | `decoded` | the same for what is encoded in the content |
//! | `delta` | what a scan of derived content takes over from its base |
//! | `confirm` | from a match of the expression to a [`Match`]: secret, entropy, exceptions, place |
//! | `memo` | what was found in windows with the same bytes |
//! | `allowlist` | exceptions, split into what depends on the match and what on its place |
//! | `judge` | which matches are findings at a path in a commit |

mod allowlist;
mod anchors;
mod cluster;
mod confirm;
mod decoded;
mod delta;
mod judge;
mod memo;
mod program;
mod scan;
mod search;
mod steps;
#[cfg(test)]
mod tests;
mod windows;

use std::sync::Arc;

use bstr::BStr;

use self::delta::{Derived, Reuse};
use self::memo::Memo;
use self::program::{Caches, Programs};
use self::search::Hit;
use self::steps::Runs;
use self::windows::Window;
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
    /// Search derived content as a whole ([`Scanner::scan_delta`] does what [`Scanner::scan`] does):
    /// to compare, the result is the same.
    pub no_delta: bool,
    /// Key of the fingerprints.
    pub salt: Salt,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self { decode_depth: 2, inline_allow: true, strict: false, no_delta: false, salt: Salt::default() }
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
    /// Of a longer line: 16 KiB on either side of the match.
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
    /// Rules (by index) that should have looked at this content and could not, since an expression
    /// can't be compiled: the content was not fully scanned. Also those whose matches an allowlist might
    /// have excused, for the same reason. [`Scanner::check_all`] says why.
    pub failed_rules: Vec<usize>,
    reuse: Reuse,
}

impl ContentScan {
    /// What was found, without what only a scan of derived content needs: that can be large, and what was
    /// found is kept to the end of a run.
    #[must_use]
    pub fn found(&self) -> Self {
        Self {
            matches: self.matches.clone(),
            allowed_inline: self.allowed_inline,
            failed_rules: self.failed_rules.clone(),
            reuse: delta::Reuse::default(),
        }
    }
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
    /// A global allowlist excuses everything at its path ([`Scanner::excuses_path`]).
    PathAllowed,
    /// A more specific rule reports the same secret.
    Superseded,
}

/// Per-thread buffers and caches of a [`Scanner`].
#[derive(Debug, Default)]
pub struct Scratch {
    caches: Caches,
    memo: Memo,
    runs: Runs,
    hits: Vec<Hit>,
    fresh: Vec<Hit>,
    windows: Vec<Window>,
    keywords: Vec<bool>,
}

/// A rule that can't run, see [`Scanner::check_all`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule {rule}: {message}")]
pub struct RuleFailure {
    /// Id of the rule, or `(global allowlists)`.
    pub rule: String,
    /// Why its expression, or one of its allowlists', can't be compiled.
    pub message: String,
}

/// Rules made ready to run. Cheap to make, shared by all threads.
#[derive(Debug)]
pub struct Scanner {
    rules: RuleSet,
    options: ScanOptions,
    programs: Programs,
}

impl Scanner {
    /// Makes `rules` ready: reads their anchors and builds the literal search. No expression is
    /// compiled yet.
    #[must_use]
    pub fn new(rules: RuleSet, options: ScanOptions) -> Self {
        let programs = Programs::new(&rules, options.strict);
        Self { rules, options, programs }
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
        Scratch {
            runs: Runs::new(self.programs.runs),
            keywords: vec![false; self.programs.keywords],
            ..Scratch::default()
        }
    }

    /// Compiles every expression of every rule and allowlist, which scans do only when they need
    /// one. Takes seconds for a large rule set: for `rules test` and for tests.
    ///
    /// # Errors
    /// All rules that can't be compiled.
    pub fn check_all(&self) -> Result<(), Vec<RuleFailure>> {
        let failures = self.programs.check_all(&self.rules);
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }

    /// How many literals occur in `content`: the first part of a scan alone, to be measured.
    pub fn count_literals(&self, scratch: &mut Scratch, content: &[u8]) -> usize {
        scratch.hits.clear();
        self.programs.literals.find(content, 0, content.len(), &mut scratch.hits);
        scratch.hits.len()
    }

    /// Finds all matches in `content`.
    pub fn scan(&self, scratch: &mut Scratch, content: &[u8]) -> ContentScan {
        scan::scan(self, scratch, content, None)
    }

    /// The same as [`Scanner::scan`], exactly, for content made from a base that was scanned:
    /// only what the delta inserts is searched again.
    pub fn scan_delta(
        &self,
        scratch: &mut Scratch,
        content: &[u8],
        base: &ContentScan,
        ops: &[DeltaOp],
    ) -> ContentScan {
        let base = &base.reuse;
        let regions = (!self.options.no_delta).then(|| delta::regions(ops, base.len, content.len())).flatten();
        let derived = regions.as_ref().map(|regions| Derived { base, regions, len: content.len() });
        scan::scan(self, scratch, content, derived)
    }

    /// Which of the `matches` of one content are findings at `place`: one verdict each.
    #[must_use]
    pub fn judge(&self, matches: &[Arc<Match>], place: Place<'_>) -> Vec<Verdict> {
        judge::judge(self, matches, place)
    }

    /// The rules that look at paths alone and report `place.path`, as matches without a position
    /// (gitleaks: `file detected: PATH`).
    #[must_use]
    pub fn judge_path(&self, place: Place<'_>) -> Vec<Match> {
        judge::judge_path(self, place)
    }

    /// Whether a global allowlist excuses everything at `path`, whatever the rule, the match and the commit.
    #[must_use]
    pub fn excuses_path(&self, path: &BStr) -> bool {
        judge::excuses_path(self, path)
    }

    /// Whether there is a global allowlist that can: else [`Scanner::excuses_path`] need not be asked.
    #[must_use]
    pub fn has_path_allowlists(&self) -> bool {
        self.programs.global.rule_on_paths()
    }

    /// Whether some rule looks at paths alone.
    #[must_use]
    pub fn has_path_rules(&self) -> bool {
        self.rules.rules.iter().any(|rule| rule.regex.is_none() && rule.path.is_some())
    }
}
