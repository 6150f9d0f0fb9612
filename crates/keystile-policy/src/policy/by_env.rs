//! A value that is written once, or by environment.

use std::collections::BTreeMap;

/// A value for all environments, or one for each with a default.
///
/// An environment that the map leaves out and that no default covers is unsaid: `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByEnv<T> {
    default: Option<T>,
    by_env: BTreeMap<String, T>,
}

impl<T> Default for ByEnv<T> {
    fn default() -> Self {
        Self { default: None, by_env: BTreeMap::new() }
    }
}

impl<T> ByEnv<T> {
    /// One value for all environments.
    pub fn all(value: T) -> Self {
        Self { default: Some(value), by_env: BTreeMap::new() }
    }

    /// A value for each environment, and one for the others.
    pub fn new(by_env: BTreeMap<String, T>, default: Option<T>) -> Self {
        Self { default, by_env }
    }

    /// The value in one environment.
    pub fn get(&self, env: &str) -> Option<&T> {
        self.by_env.get(env).or(self.default.as_ref())
    }

    /// The value in `env`; without one (a cluster-scoped object that reaches every environment) the
    /// strictest of all. `stricter` chooses between two.
    pub fn strictest<'v>(&'v self, env: Option<&str>, stricter: impl Fn(&'v T, &'v T) -> &'v T) -> Option<&'v T> {
        match env {
            Some(env) => self.get(env),
            None => self.by_env.values().chain(&self.default).reduce(stricter),
        }
    }

    /// Whether the value in `env` is as `is_it` asks; without an environment, whether every value is.
    /// What is unsaid never is. (A document that was read has no gaps where a list is allowed: what it
    /// leaves out is filled from the profile.)
    pub fn holds(&self, env: Option<&str>, is_it: impl Fn(&T) -> bool) -> bool {
        match env {
            Some(env) => self.get(env).is_some_and(is_it),
            None => !self.is_unsaid() && self.values().all(is_it),
        }
    }

    /// The same with each value made another.
    #[must_use]
    pub fn map<U>(&self, mut make: impl FnMut(&T) -> U) -> ByEnv<U> {
        ByEnv {
            default: self.default.as_ref().map(&mut make),
            by_env: self.by_env.iter().map(|(env, value)| (env.clone(), make(value))).collect(),
        }
    }

    /// Every value that is written.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.by_env.values().chain(&self.default)
    }

    /// The environments that are named.
    pub fn envs(&self) -> impl Iterator<Item = &str> {
        self.by_env.keys().map(String::as_str)
    }

    /// Whether nothing is written.
    pub fn is_unsaid(&self) -> bool {
        self.default.is_none() && self.by_env.is_empty()
    }
}

impl<T> ByEnv<Vec<T>> {
    /// Whether the list of `env` has an item as `is_it` asks; without an environment, whether the list
    /// of every environment has one.
    pub fn allows(&self, env: Option<&str>, is_it: impl Fn(&T) -> bool) -> bool {
        self.holds(env, |list| list.iter().any(&is_it))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_environment_only_what_every_environment_allows_is_allowed() {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<String>>();
        let regions = ByEnv::new(BTreeMap::from([("prod".to_owned(), list(&["eu", "us"]))]), Some(list(&["eu"])));
        let allows = |env: Option<&str>, region: &str| regions.allows(env, |item| item == region);
        assert!(allows(Some("prod"), "us"));
        assert!(!allows(Some("dev"), "us"));
        assert!(allows(None, "eu"));
        assert!(!allows(None, "us"));
        assert!(!ByEnv::<Vec<String>>::default().allows(None, |_| true), "unsaid allows nothing");
    }
}
