//! Liveness and readiness. Liveness says that the process answers; readiness says that certificate,
//! policy and caches are loaded and fresh, and that the process is not on its way out.
//!
//! Each part adds a check under its name; `/readyz` prints all of them in the form that Kubernetes'
//! own components use (`[+]policy ok`, `[-]policy failed: …`).

use std::fmt::Write as _;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// A check's answer: ready, or why not. The reason is shown to whoever asks, so it holds no secret.
pub type Readiness = Result<(), String>;

/// A check's answer that may be ready with a remark. It is shown too, so it holds no secret either.
pub type Remarked = Result<Option<String>, String>;

type Check = Box<dyn Fn() -> Remarked + Send + Sync>;

/// The checks of all parts. Cheap to ask: nothing is loaded or called for an answer.
#[derive(Default)]
pub struct Health {
    checks: RwLock<Vec<(&'static str, Check)>>,
    draining: AtomicBool,
}

impl Health {
    /// Adds a check. It runs whenever readiness is asked, and must not block.
    pub fn add(&self, name: &'static str, check: impl Fn() -> Readiness + Send + Sync + 'static) {
        self.add_remarked(name, move || check().map(|()| None));
    }

    /// Adds a check that may have something to say while it is ready.
    pub fn add_remarked(&self, name: &'static str, check: impl Fn() -> Remarked + Send + Sync + 'static) {
        self.checks.write().unwrap_or_else(std::sync::PoisonError::into_inner).push((name, Box::new(check)));
    }

    /// From now on not ready: the process is about to end.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether [`Self::start_draining`] was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Whether everything is ready, and the text that says so.
    #[must_use]
    pub fn ready(&self) -> (bool, String) {
        let mut ready = true;
        let mut text = String::new();
        let mut line = |name: &str, state: Remarked| {
            // Writing to a String cannot fail.
            let _ = match state {
                Ok(None) => writeln!(text, "[+]{name} ok"),
                Ok(Some(remark)) => writeln!(text, "[+]{name} ok: {remark}"),
                Err(reason) => {
                    ready = false;
                    writeln!(text, "[-]{name} failed: {reason}")
                }
            };
        };
        for (name, check) in self.checks.read().unwrap_or_else(std::sync::PoisonError::into_inner).iter() {
            line(name, check());
        }
        line("shutdown", if self.is_draining() { Err("the process is shutting down".into()) } else { Ok(None) });
        (ready, text)
    }
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health").field("draining", &self.is_draining()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failing_check_makes_the_whole_not_ready_and_is_named() {
        let health = Health::default();
        health.add("certificate", || Ok(()));
        health.add("policy", || Err("not loaded yet".into()));
        let (ready, text) = health.ready();
        assert!(!ready);
        assert_eq!(text, "[+]certificate ok\n[-]policy failed: not loaded yet\n[+]shutdown ok\n");
    }

    #[test]
    fn a_remark_leaves_ready() {
        let health = Health::default();
        health.add_remarked("policy", || Ok(Some("an older one".into())));
        assert_eq!(health.ready(), (true, "[+]policy ok: an older one\n[+]shutdown ok\n".into()));
    }

    #[test]
    fn draining_makes_not_ready() {
        let health = Health::default();
        assert_eq!(health.ready(), (true, "[+]shutdown ok\n".into()));
        health.start_draining();
        assert_eq!(health.ready(), (false, "[-]shutdown failed: the process is shutting down\n".into()));
    }
}
