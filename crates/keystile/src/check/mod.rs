//! The policy over files: what `keystile check` finds, before it is written down.
//!
//! [`basis`] reads the policy and what lies around, [`judge`] asks the engine about each object,
//! [`excerpt`] shows a line of a file without the secrets in it. [`crate::check_report`] renders a
//! [`CheckReport`]; nothing in one repeats a literal credential.

pub mod basis;
pub mod excerpt;
pub mod judge;
mod kustomize;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use keystile_manifest::Position;
use keystile_policy::{Action, Engine, Outcome, Policy, inline};

use excerpt::Excerpt;

/// The engine for a policy, which looks for credentials in the objects' own texts too, as the webhook does.
#[must_use]
pub fn engine(policy: Policy) -> Engine {
    let engine = Engine::new(policy);
    match crate::scrub::builtin_rules() {
        Some(rules) => engine.with_scanner(Arc::new(inline::scanner(rules))),
        None => engine,
    }
}

/// What a check found.
#[derive(Debug)]
pub struct CheckReport {
    /// Broken rules and those that could not be answered: by file, then place.
    pub problems: Vec<Problem>,
    /// What could not be read.
    pub gaps: Vec<GapShown>,
    /// What was looked at.
    pub covered: Covered,
    /// The policy's name and file.
    pub policy: PolicyName,
    /// Anything else that deserves attention, one sentence each.
    pub warnings: Vec<String>,
    /// The exit status when there are violations.
    pub violations_code: u8,
    /// When the check began.
    pub started: Timestamp,
    /// When it was done.
    pub finished: Timestamp,
}

/// Which policy judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyName {
    /// `metadata.name`.
    pub name: String,
    /// The file.
    pub file: String,
}

/// What was looked at, and what was left out on purpose.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Covered {
    /// Files that were read.
    pub files: usize,
    /// Objects that the policy judged, by kind.
    pub judged: BTreeMap<String, usize>,
    /// Objects that it doesn't speak about.
    pub foreign: usize,
    /// Files that were left out, by reason.
    pub skipped: BTreeMap<keystile_manifest::Skipped, usize>,
    /// Files of `--world`.
    pub world_files: usize,
    /// Objects whose secrets' live state the policy has rules about, and nobody handed an inventory in.
    pub live_state_not_evaluated: usize,
}

impl Covered {
    /// How many objects were judged.
    #[must_use]
    pub fn objects(&self) -> usize {
        self.judged.values().sum()
    }
}

/// The object that a problem is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// As it is written.
    pub api_version: String,
    /// As it is written.
    pub kind: String,
    /// The namespace that it was judged in; empty for cluster-scoped objects.
    pub namespace: String,
    /// Empty where it has none.
    pub name: String,
}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.kind)?;
        match (self.namespace.as_str(), self.name.as_str()) {
            ("", "") => Ok(()),
            ("", name) => write!(f, " {name}"),
            (namespace, name) => write!(f, " {namespace}/{name}"),
        }
    }
}

/// A rule that is broken, or could not be answered, at one place.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The rule's id.
    pub rule: &'static keystile_policy::Rule,
    /// Broken, or not answered.
    pub outcome: Outcome,
    /// What the policy makes of it.
    pub action: Action,
    /// The reason of the exception that excuses it.
    pub excused_by: Option<String>,
    /// The file.
    pub file: String,
    /// Where in it.
    pub position: Position,
    /// The field path within its document, `items[3].spec…` in a `List`.
    pub path: String,
    /// The object.
    pub object: ObjectName,
    /// What is wrong.
    pub message: String,
    /// What to change; may be empty.
    pub cure: String,
    /// What the provider would be asked for.
    pub effective_key: Option<String>,
    /// The grants that were looked at.
    pub grants: Vec<String>,
    /// The line, masked.
    pub excerpt: Excerpt,
}

/// How much a problem weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Written down only.
    Note,
    /// The author should know.
    Warning,
    /// It could not be decided.
    Undecided,
    /// The cluster would refuse it.
    Violation,
}

impl Problem {
    /// How much it weighs.
    #[must_use]
    pub fn weight(&self) -> Weight {
        match (self.action, self.outcome) {
            (Action::Allow | Action::Audit, _) => Weight::Note,
            (_, Outcome::NotEvaluated) => Weight::Undecided,
            (Action::Warn, Outcome::Failed) => Weight::Warning,
            (Action::Deny, Outcome::Failed) => Weight::Violation,
        }
    }

    /// What is wrong and what to change, as the webhook says it.
    #[must_use]
    pub fn sentence(&self) -> String {
        if self.cure.is_empty() { self.message.clone() } else { format!("{}; {}", self.message, self.cure) }
    }
}

/// Something that could not be read, as a report shows it.
#[derive(Debug, Clone)]
pub struct GapShown {
    /// The file.
    pub file: String,
    /// Where in it.
    pub position: Option<Position>,
    /// Another place that belongs to it.
    pub also: Option<Position>,
    /// In a word.
    pub kind: &'static str,
    /// What is wrong, and the cure.
    pub message: String,
    /// The line, masked.
    pub excerpt: Option<Excerpt>,
}

/// How a check ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything in scope was decided, and nothing is refused.
    Clean,
    /// Something would be refused.
    Violations,
    /// Nothing is refused in what was decided, but not everything was.
    Incomplete,
}

impl Verdict {
    /// Its name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Violations => "violations",
            Self::Incomplete => "incomplete",
        }
    }
}

impl CheckReport {
    /// Problems of one weight.
    pub fn of_weight(&self, weight: Weight) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(move |problem| problem.weight() == weight)
    }

    /// How it ends.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.of_weight(Weight::Violation).next().is_some() {
            Verdict::Violations
        } else if !self.gaps.is_empty() || self.of_weight(Weight::Undecided).next().is_some() {
            Verdict::Incomplete
        } else {
            Verdict::Clean
        }
    }

    /// The exit status.
    #[must_use]
    pub fn exit(&self) -> crate::exit::Exit {
        match self.verdict() {
            Verdict::Clean => crate::exit::Exit::Clean,
            Verdict::Violations => crate::exit::Exit::Findings(self.violations_code),
            Verdict::Incomplete => crate::exit::Exit::Incomplete,
        }
    }
}
