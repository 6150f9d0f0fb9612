//! Time, as an argument: tests have one that does not wait.

use std::time::Duration;

use jiff::Timestamp;

/// What time it is, and waiting.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
    /// Waits. Returns early when the run is asked to stop.
    fn sleep(&self, duration: Duration);
}
