//! The policy in force: one engine, swapped whole, and what is said of the newest document.
//!
//! A document comes from a file ([`mod@file`]) or is a custom resource ([`resource`], [`definition`]). It takes the place of the one before only when all of it
//! is valid; otherwise the last good one stays in force, and log, metric and `/readyz` say so.

pub mod definition;
pub mod file;
pub mod resource;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use keystile_policy::policy::document::{self, Problem};
use keystile_policy::{Engine, Policy, inline};
use keystile_scan::Scanner;
use keystile_scan::config::Loader;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use crate::health::Remarked;
use crate::metrics::PolicyMetrics;

/// The policy in force, if there is one.
pub struct PolicyInForce {
    /// Looks for credentials in the objects' own texts, whatever the policy.
    scanner: Option<Arc<Scanner>>,
    engine: ArcSwapOption<Engine>,
    /// Why the newest document is not in force; shown at `/readyz`, so without its text.
    trouble: Mutex<Option<String>>,
    metrics: PolicyMetrics,
    generation: watch::Sender<u64>,
    /// Digests of the document that was looked at last, and of the one in force.
    digests: Mutex<Digests>,
}

/// A document's SHA-256.
pub type Digest = [u8; 32];

/// The digest of a document's text.
#[must_use]
pub fn digest(text: &[u8]) -> Digest {
    Sha256::digest(text).into()
}

#[derive(Debug, Default)]
struct Digests {
    seen: Option<Digest>,
    in_force: Option<Digest>,
}

impl PolicyInForce {
    /// None yet.
    #[must_use]
    pub fn new(metrics: PolicyMetrics) -> Arc<Self> {
        Self::make(metrics, None)
    }

    /// None yet; every engine looks for credentials in the objects' own texts with the built-in rules.
    ///
    /// # Panics
    ///
    /// Never: the built-in rules are tested to load.
    #[must_use]
    pub fn with_scanner(metrics: PolicyMetrics) -> Arc<Self> {
        let loader = Loader {
            builtin: keystile_rules::BUILTIN,
            read: &|_| Err("there is no file".to_owned()),
            skip_bad_rules: false,
            strict: false,
        };
        let loaded = loader.load("built-in rules", keystile_rules::BUILTIN).expect("the built-in rules load");
        Self::make(metrics, Some(Arc::new(inline::scanner(loaded.rules))))
    }

    fn make(metrics: PolicyMetrics, scanner: Option<Arc<Scanner>>) -> Arc<Self> {
        Arc::new(Self {
            scanner,
            engine: ArcSwapOption::empty(),
            trouble: Mutex::new(Some("no policy is loaded yet".into())),
            metrics,
            generation: watch::channel(0).0,
            digests: Mutex::default(),
        })
    }

    /// Whether a document is another than the one that was looked at last, and than the one in force.
    /// The one in force, put back, ends the trouble with what was there meanwhile.
    pub fn is_other(&self, digest: Digest) -> bool {
        let mut digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        if digests.seen.replace(digest) == Some(digest) {
            return false;
        }
        if digests.in_force != Some(digest) {
            return true;
        }
        drop(digests);
        self.set_trouble(None);
        self.metrics.current.set(1);
        false
    }

    /// There is no document to look at; whether there was one at the last look, or never any.
    pub fn is_lost(&self) -> bool {
        let mut digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        digests.seen.take().is_some() || digests.in_force.is_none()
    }

    /// Reads a document. An exception that has expired is an error in one that somebody has just written,
    /// and none in the first, which may have been in force before this process began.
    ///
    /// # Errors
    ///
    /// Its problems, where one of them is an error.
    pub fn read(&self, document: &Value, now: Timestamp) -> Result<(Policy, Vec<Problem>), Vec<Problem>> {
        if self.engine.load().is_none() {
            document::read_in_force(document, now)
        } else {
            document::read(document, now)
        }
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
    pub fn replace(&self, policy: Policy, digest: Digest) {
        self.digests.lock().unwrap_or_else(PoisonError::into_inner).in_force = Some(digest);
        let engine = Engine::new(policy);
        let engine = match &self.scanner {
            Some(scanner) => engine.with_scanner(Arc::clone(scanner)),
            None => engine,
        };
        self.engine.store(Some(Arc::new(engine)));
        self.set_trouble(None);
        self.metrics.loaded(crate::tls::unix_now());
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// Leaves what is in force, since the newest document can't be: `why`, in words without its text.
    pub fn keep(&self, why: &str) {
        self.set_trouble(Some(why.to_owned()));
        self.metrics.kept();
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

impl std::fmt::Debug for PolicyInForce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyInForce").field("generation", &*self.generation.borrow()).finish_non_exhaustive()
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
        policy.replace(Policy::default(), [1; 32]);
        assert!(policy.is_other([2; 32]) && !policy.is_other([2; 32]));
        assert_eq!(policy.readiness(), Ok(None));
        assert_eq!(*generations.borrow_and_update(), 1);
        policy.keep("it has errors");
        assert_eq!(policy.readiness(), Ok(Some("an older policy is in force: it has errors".into())));
        assert!(policy.engine().is_some());
        assert_eq!((metrics.generation.get(), metrics.current.get()), (1, 0));
        assert!(!policy.is_other([1; 32]), "put back");
        assert_eq!((policy.readiness(), metrics.current.get()), (Ok(None), 1));
    }
}
