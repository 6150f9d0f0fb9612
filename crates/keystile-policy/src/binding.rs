//! Who a namespace is: its environment and team.
//!
//! A binding comes from Namespace objects and the policy alone, never from the judged object and
//! never from a part of a name. A cluster-scoped object reaches many namespaces at once; then a part
//! may be [`Part::Any`], and only what holds for every value passes.

use std::collections::BTreeMap;
use std::fmt;

use crate::policy::document::syntax::is_dns_label;
use crate::policy::{BindingRule, EnvRule};
use crate::shown::Shown;

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

/// Why the labels of a Namespace bind it to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unbound<'n> {
    /// The label.
    pub label: &'n str,
    /// Its value; `None` = it is not there.
    pub value: Option<&'n str>,
    /// What is wrong with the value.
    pub fault: UnboundFault,
}

/// What is wrong with the value of a binding label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnboundFault {
    /// There is none.
    Missing,
    /// It is no DNS label.
    Malformed,
    /// The policy reserves it.
    Reserved,
    /// It is none of the policy's environments.
    UnknownEnv,
}

impl fmt::Display for Unbound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = Shown(self.value.unwrap_or(""));
        let label = self.label;
        match self.fault {
            UnboundFault::Missing => write!(f, "has no label {label}"),
            UnboundFault::Malformed => write!(f, "has the label {label} with {value}, which is no DNS label"),
            UnboundFault::Reserved => write!(f, "has the label {label} with {value}, which is reserved"),
            UnboundFault::UnknownEnv => write!(f, "has the label {label} with {value}, which is no environment"),
        }
    }
}

impl BindingRule {
    /// Whom the labels of a Namespace bind it to. A value counts as a whole or not at all.
    ///
    /// # Errors
    ///
    /// Which label does not bind, and why.
    pub fn bind<'n>(&'n self, labels: &'n BTreeMap<String, String>) -> Result<Binding, Unbound<'n>> {
        let value = |label: &'n str, fault: &dyn Fn(&str) -> Option<UnboundFault>| {
            let value = labels.get(label).map(String::as_str);
            let fault = match value {
                None => Some(UnboundFault::Missing),
                Some(value) if !is_dns_label(value) => Some(UnboundFault::Malformed),
                Some(value) => fault(value),
            };
            match (value, fault) {
                (Some(value), None) => Ok(value),
                (value, fault) => Err(Unbound { label, value, fault: fault.unwrap_or(UnboundFault::Missing) }),
            }
        };
        let is_in = |list: &[String], value: &str| list.iter().any(|item| item == value);
        let team =
            value(&self.team_label, &|team| is_in(&self.reserved_teams, team).then_some(UnboundFault::Reserved))?;
        let env = match &self.env {
            EnvRule::Value(value) => value,
            EnvRule::Label { label, values } => {
                value(label, &|env| (!values.is_empty() && !is_in(values, env)).then_some(UnboundFault::UnknownEnv))?
            }
        };
        Ok(Binding::new(env, team))
    }

    /// The labels that bind.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        let env = match &self.env {
            EnvRule::Label { label, .. } => Some(label.as_str()),
            EnvRule::Value(_) => None,
        };
        std::iter::once(self.team_label.as_str()).chain(env)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_bind_as_a_whole_or_not_at_all() {
        let rule = BindingRule {
            team_label: "team".to_owned(),
            reserved_teams: vec!["shared".to_owned()],
            env: EnvRule::Label { label: "env".to_owned(), values: vec!["dev".to_owned(), "prod".to_owned()] },
        };
        let bound = |labels: &[(&str, &str)]| -> String {
            let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            match rule.bind(&labels) {
                Ok(binding) => binding.to_string(),
                Err(unbound) => unbound.to_string(),
            }
        };
        for (labels, expected) in [
            (&[("team", "a"), ("env", "prod")] as &[_], "env=prod team=a"),
            (&[("env", "prod")], "has no label team"),
            (&[("team", "a")], "has no label env"),
            (&[("team", "A"), ("env", "prod")], "has the label team with \"A\", which is no DNS label"),
            (&[("team", ""), ("env", "prod")], "has the label team with \"\", which is no DNS label"),
            (&[("team", "a_b"), ("env", "prod")], "has the label team with \"a_b\", which is no DNS label"),
            (&[("team", "shared"), ("env", "prod")], "has the label team with \"shared\", which is reserved"),
            (&[("team", "a"), ("env", "prod2")], "has the label env with \"prod2\", which is no environment"),
        ] {
            assert_eq!(bound(labels), expected, "{labels:?}");
        }
    }
}
