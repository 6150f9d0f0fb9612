//! Who a namespace is: its environment and team.
//!
//! A binding comes from Namespace objects and the policy alone, never from the judged object and
//! never from a part of a name. A cluster-scoped object reaches many namespaces at once; then a part
//! may be [`Part::Any`], and only what holds for every value passes.

use std::fmt;

/// One part of a binding.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// This value: a DNS label (RFC 1123).
    Is(Box<str>),
    /// Every value that there is or will be.
    Any,
}

impl Part {
    /// The value, where there is just one.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        match self {
            Self::Is(value) => Some(value),
            Self::Any => None,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.value().unwrap_or("*"))
    }
}

/// The environment and team that a namespace is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Binding {
    /// The environment, `prod` for example.
    pub env: Part,
    /// The team, `team-a` for example.
    pub team: Part,
}

impl Binding {
    /// The binding to one environment and team.
    #[must_use]
    pub fn new(env: &str, team: &str) -> Self {
        Self { env: Part::Is(env.into()), team: Part::Is(team.into()) }
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "env={} team={}", self.env, self.team)
    }
}
