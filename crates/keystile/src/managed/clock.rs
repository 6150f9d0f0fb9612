//! The machine's time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use keystile_rotate::clock::Clock;

/// So long at most until a signal ends a wait.
const SLICE: Duration = Duration::from_millis(100);

/// The machine's clock, whose waits a flag ends.
#[derive(Debug)]
pub struct SystemClock(&'static AtomicBool);

impl SystemClock {
    /// Waits end when `stop` is set.
    #[must_use]
    pub const fn new(stop: &'static AtomicBool) -> Self {
        Self(stop)
    }

    /// Waits end when they are over.
    #[must_use]
    pub const fn without_signals() -> Self {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Self(&NEVER)
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) {
        let end = Instant::now() + duration;
        while !self.0.load(Ordering::SeqCst) {
            let rest = end.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return;
            }
            std::thread::sleep(rest.min(SLICE));
        }
    }
}
