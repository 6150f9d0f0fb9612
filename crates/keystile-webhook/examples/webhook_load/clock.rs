//! A schedule that is kept to some tens of microseconds. Tokio's timers count milliseconds, too coarse
//! here; a thread that sleeps until each moment is not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// Lets `count` requests go, one each `1 / rate` seconds from `start` on: a permit each. The schedule
/// does not wait for anybody.
pub fn run(start: Instant, rate: f64, count: usize) -> (Arc<Semaphore>, std::thread::JoinHandle<()>) {
    let due = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&due);
    let thread = std::thread::spawn(move || {
        let mut let_go = 0;
        while let_go < count {
            let now = Instant::now();
            let due_by_now = due_at(start, now, rate).min(count);
            if due_by_now > let_go {
                gate.add_permits(due_by_now - let_go);
                let_go = due_by_now;
            } else {
                std::thread::sleep(moment(start, rate, let_go).saturating_duration_since(now));
            }
        }
    });
    (due, thread)
}

/// When request number `nth` is due.
pub fn moment(start: Instant, rate: f64, nth: usize) -> Instant {
    #[expect(clippy::cast_precision_loss, reason = "fewer requests than 2^52")]
    let seconds = nth as f64 / rate;
    start + Duration::from_secs_f64(seconds)
}

/// How many are due at `now`.
fn due_at(start: Instant, now: Instant, rate: f64) -> usize {
    let Some(since) = now.checked_duration_since(start) else { return 0 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
    let due = (since.as_secs_f64() * rate).floor() as usize;
    // Rounding must not let a request go before its moment.
    if moment(start, rate, due) <= now { due + 1 } else { due }
}
