//! One broken rule at one place of an object.

use std::fmt;

use crate::field_path::FieldPath;
use crate::rules::Rule;

/// Whether the rule was found broken, or could not be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// The object breaks the rule.
    Failed,
    /// A fact was missing: a store that is not in the snapshot, a template that is not rendered.
    /// At admission this refuses as [`Outcome::Failed`] does; offline it is exit status 3.
    NotEvaluated,
}

/// One broken rule. The texts hold what the tenant wrote only through [`crate::shown::Shown`].
#[derive(Clone, Debug)]
pub struct Violation {
    /// The rule that is broken.
    pub rule: &'static Rule,
    /// Where.
    pub path: FieldPath,
    /// Broken, or not answered.
    pub outcome: Outcome,
    /// What is wrong: one clause without a full stop.
    pub message: String,
    /// What the author changes; one clause. Empty where the message says it.
    pub cure: String,
    /// What the violation is about: the effective key, or the value. Two violations of a rule that
    /// are about the same are the same, wherever they stand in the object.
    pub about: String,
    /// Where the name that it is about is looked up (see [`crate::provider::place`]); empty where it is about no
    /// name, or about one that says so itself. The same name in another place is another secret.
    pub place: String,
    /// What the provider would be asked for, where the rule is about a reference.
    pub effective_key: Option<String>,
    /// The grants that were looked at and did not allow it, as the policy writes them.
    pub grants: Vec<String>,
}

impl Violation {
    /// A violation at `path`; `about` tells it from others of the rule.
    pub fn new(
        rule: &'static Rule,
        path: impl Into<FieldPath>,
        about: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            rule,
            path: path.into(),
            outcome: Outcome::Failed,
            message: message.into(),
            cure: String::new(),
            about: about.into(),
            place: String::new(),
            effective_key: None,
            grants: Vec::new(),
        }
    }

    /// With what the author changes.
    #[must_use]
    pub fn cure(mut self, cure: impl Into<String>) -> Self {
        self.cure = cure.into();
        self
    }

    /// With where the name that it is about is looked up.
    #[must_use]
    pub fn place(mut self, place: String) -> Self {
        self.place = place;
        self
    }

    /// With what the provider would be asked for.
    #[must_use]
    pub fn effective_key(mut self, key: impl Into<String>) -> Self {
        self.effective_key = Some(key.into());
        self
    }

    /// With the grants that were looked at.
    #[must_use]
    pub fn grants(mut self, grants: Vec<String>) -> Self {
        self.grants = grants;
        self
    }

    /// As one that could not be answered.
    #[must_use]
    pub fn not_evaluated(mut self) -> Self {
        self.outcome = Outcome::NotEvaluated;
        self
    }

    /// What two violations that are the same share: the rule, what it is about, and where that is looked up.
    #[must_use]
    pub fn identity(&self) -> (&'static str, &str, &str) {
        (self.rule.id, &self.about, &self.place)
    }

    /// Whether `other` is the same violation: the same rule about the same thing.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(self.rule, other.rule) && self.about == other.about && self.place == other.place
    }
}

/// `spec.data[0].remoteRef.key: what is wrong; what to change (rule-id)`.
impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.to_string();
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        f.write_str(&self.message)?;
        if !self.cure.is_empty() {
            write!(f, "; {}", self.cure)?;
        }
        write!(f, " ({})", self.rule.id)
    }
}
