//! Rules and allowlists in their resolved form: merged, checked, patterns translated.
//!
//! [`crate::config`] makes them from TOML; [`crate::engine`] runs them.

use std::fmt;
use std::sync::Arc;

use crate::verification::Verification;

/// A rule's id, such as `github-pat`: kebab-case for ours, anything for a user's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(Arc<str>);

impl RuleId {
    /// The id `id`.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A regular expression that was translated and parsed, and is compiled when first needed.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// As written in the configuration (Go RE2 syntax).
    pub source: Arc<str>,
    /// In the syntax of the `regex` crate, to be compiled with [`crate::re2::syntax_config`], with
    /// `utf8_empty(false)` and with room for [`crate::re2::NFA_SIZE_LIMIT`]. What must count
    /// characters carries its own `(?u:…)`.
    pub translated: Arc<str>,
    /// The number of capture groups, the whole match not counted.
    pub groups: usize,
}

/// What a rule looks for and where.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name in reports, ignore files and `disabledRules`.
    pub id: RuleId,
    /// One sentence for people.
    pub description: String,
    /// What the content must match. Without it, `path` alone is the rule.
    pub regex: Option<Pattern>,
    /// What the path must match.
    pub path: Option<Pattern>,
    /// The capture group that is the secret; 0: the first one that is not empty, or the whole match.
    pub secret_group: usize,
    /// A secret whose entropy is not above this many bits per character is no secret; 0: not asked.
    pub entropy: f64,
    /// Lower case; the content must hold one of them, anywhere and in any case. Empty: not asked.
    pub keywords: Vec<String>,
    /// Free words for reports.
    pub tags: Vec<String>,
    /// Its own exceptions.
    pub allowlists: Vec<Allowlist>,
    /// The other rules that must match nearby (composite rules).
    pub required: Vec<Required>,
    /// It reports nothing itself, it only serves others as `required`.
    pub skip_report: bool,
    /// How bad a leak is. Ours only: key `severity`, one of `low`, `medium`, `high`, `critical`.
    pub severity: Severity,
    /// What to do about a leak, in one or two sentences for people; `None`: the report's general
    /// advice. Ours only: key `remedy`.
    pub remedy: Option<String>,
    /// Pages that say what the credential is, the most helpful one first (SARIF's `helpUri`). Ours
    /// only: key `references`.
    pub references: Vec<String>,
    /// How its secrets are verified with their issuer, where someone asks for that. Ours only: table `verify`.
    pub verification: Option<Verification>,
}

/// How bad a leak of this kind is, for reports that want to be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Severity {
    /// Weak evidence, or little harm.
    Low,
    /// A value that looks like a credential.
    Medium,
    /// A credential of a known kind. What a rule has that says nothing else.
    #[default]
    High,
    /// A credential of a known kind that opens an account or signs for someone.
    Critical,
}

/// Another rule that must match near a composite rule's match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Required {
    /// The other rule.
    pub id: RuleId,
    /// The start lines are at most so many lines apart.
    pub within_lines: Option<u32>,
    /// The start columns are at most so many columns apart.
    pub within_columns: Option<u32>,
}

/// Whether one condition of an allowlist is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Condition {
    /// One is enough.
    #[default]
    Or,
    /// All that are given must hold.
    And,
}

/// What the regular expressions of an allowlist are held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RegexTarget {
    /// The secret.
    #[default]
    Secret,
    /// The whole match.
    Match,
    /// The line (or lines) the match stands in.
    Line,
}

/// An exception: what it covers is no finding.
#[derive(Debug, Clone, Default)]
pub struct Allowlist {
    /// Why, for people.
    pub description: String,
    /// One or all.
    pub condition: Condition,
    /// Commit ids, lower case, whole.
    pub commits: Vec<String>,
    /// Expressions on the path.
    pub paths: Vec<Pattern>,
    /// Expressions on `regex_target`.
    pub regexes: Vec<Pattern>,
    /// What `regexes` look at.
    pub regex_target: RegexTarget,
    /// Lower case; the secret must contain one, in any case.
    pub stopwords: Vec<String>,
}

/// All that a scan goes by: rules in the order of their definition, and the exceptions for all of them.
///
/// Global `[[allowlists]]` with `targetRules` are already attached to their rules.
#[derive(Debug, Clone, Default)]
pub struct RuleSet {
    /// Unique ids.
    pub rules: Vec<Rule>,
    /// Exceptions for every rule.
    pub allowlists: Vec<Allowlist>,
}

impl RuleSet {
    /// The rule with that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id.as_str() == id)
    }
}
