//! How far a scan is, for whoever wants to show it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that a scan advances and a display reads. Costs one relaxed addition per step.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    total: AtomicU64,
    stage: Mutex<&'static str>,
}

impl Progress {
    /// Begins a stage (`reading history`, say) of `total` steps; 0: not known.
    pub fn begin(&self, stage: &'static str, total: u64) {
        *self.stage.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = stage;
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    /// `steps` more are done.
    pub fn advance(&self, steps: u64) {
        self.done.fetch_add(steps, Ordering::Relaxed);
    }

    /// Stage, steps done, steps in all.
    pub fn now(&self) -> (&'static str, u64, u64) {
        let stage = *self.stage.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        (stage, self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }
}
