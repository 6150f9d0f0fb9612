//! The answer: what was found, and what each finding does to the request.

use crate::violation::{Outcome, Violation};
use crate::world::Query;

/// What a broken rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Nothing.
    Allow,
    /// It is written down: an audit annotation, a line of the audit report.
    Audit,
    /// The author is warned.
    Warn,
    /// The request is refused.
    Deny,
}

/// A violation, and what it does.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The violation.
    pub violation: Violation,
    /// What it does, after the policy's rules for its environment and its exceptions.
    pub action: Action,
    /// The reason of the exception that excuses it, if one does; the action is then [`Action::Audit`].
    pub excused_by: Option<String>,
    /// That exception's place in the policy's `exceptions`, from 0.
    pub exception: Option<usize>,
}

/// The answer to one request.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// Every violation, strictest first, then in the object's order. Those that the old object had
    /// already are left out.
    pub violations: Vec<Judged>,
    /// What the world could not answer. Who can ask further (a live GET) does and judges again.
    pub unanswered: Vec<Query>,
}

impl Judgement {
    /// Whether the request is refused: one violation denies.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.violations.iter().any(|judged| judged.action == Action::Deny)
    }

    /// The violations with this action.
    pub fn with(&self, action: Action) -> impl Iterator<Item = &Violation> {
        self.violations.iter().filter(move |judged| judged.action == action).map(|judged| &judged.violation)
    }

    /// The exceptions that excused something, by their place in the policy. A run over all objects tells
    /// by them which exceptions excuse nothing any more.
    pub fn exceptions_used(&self) -> impl Iterator<Item = usize> {
        self.violations.iter().filter_map(|judged| judged.exception)
    }

    /// Whether a rule that warns or denies could not be answered.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.violations
            .iter()
            .any(|judged| judged.action >= Action::Warn && judged.violation.outcome == Outcome::NotEvaluated)
    }
}
