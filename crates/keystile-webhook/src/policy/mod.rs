//! The policy in force: one engine, swapped whole, and what is said of the newest document.
//!
//! A document comes from a file ([`file`]). It takes the place of the one before only when all of it
//! is valid; otherwise the last good one stays in force, and log, metric and `/readyz` say so.

pub mod definition;
pub mod file;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use keystile_policy::{Engine, Policy};
use tokio::sync::watch;

use crate::health::Remarked;
use crate::metrics::PolicyMetrics;

/// The policy in force, if there is one.
#[derive(Debug)]
pub struct PolicyInForce {
    engine: ArcSwapOption<Engine>,
    /// Why the newest document is not in force; shown at `/readyz`, so without its text.
    trouble: Mutex<Option<String>>,
    metrics: PolicyMetrics,
    generation: watch::Sender<u64>,
}

impl PolicyInForce {
    /// None yet.
    #[must_use]
    pub fn new(metrics: PolicyMetrics) -> Arc<Self> {
        Arc::new(Self {
            engine: ArcSwapOption::empty(),
            trouble: Mutex::new(Some("no policy is loaded yet".into())),
            metrics,
            generation: watch::channel(0).0,
        })
    }

    /// The engine of the policy in force. One request is judged by one engine, whatever happens meanwhile.
    #[must_use]
    pub fn engine(&self) -> Option<Arc<Engine>> {
        self.engine.load_full()
    }

    /// Counts up with each policy that comes into force.
    #[must_use]
    pub fn generations(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Puts a policy into force.
    pub fn replace(&self, policy: Policy) {
        self.engine.store(Some(Arc::new(Engine::new(policy))));
        self.set_trouble(None);
        self.metrics.loaded(crate::tls::unix_now());
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// Leaves what is in force, since the newest document can't be: `why`, in words without its text.
    pub fn keep(&self, why: &str) {
        self.set_trouble(Some(why.to_owned()));
        self.metrics.kept();
    }

    /// Says that the newest document is the one in force again: it was put back.
    pub fn is_current(&self) {
        self.set_trouble(None);
        self.metrics.current.set(1);
    }

    /// Ready as long as any policy is in force.
    ///
    /// # Errors
    ///
    /// While there is none.
    pub fn readiness(&self) -> Remarked {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (self.engine.load().is_some(), trouble) {
            (true, trouble) => Ok(trouble.map(|why| format!("an older policy is in force: {why}"))),
            (false, trouble) => Err(trouble.unwrap_or_else(|| "no policy is loaded yet".into())),
        }
    }

    fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_needs_a_policy_and_not_the_newest() {
        let metrics = PolicyMetrics::default();
        let policy = PolicyInForce::new(metrics.clone());
        assert_eq!(policy.readiness(), Err("no policy is loaded yet".into()));
        policy.keep("the file can't be read");
        assert_eq!(policy.readiness(), Err("the file can't be read".into()));
        let mut generations = policy.generations();
        policy.replace(Policy::default());
        assert_eq!(policy.readiness(), Ok(None));
        assert_eq!(*generations.borrow_and_update(), 1);
        policy.keep("it has errors");
        assert_eq!(policy.readiness(), Ok(Some("an older policy is in force: it has errors".into())));
        assert!(policy.engine().is_some());
        assert_eq!((metrics.generation.get(), metrics.current.get()), (1, 0));
        policy.is_current();
        assert_eq!((policy.readiness(), metrics.current.get()), (Ok(None), 1));
    }
}
