//! How far a run may go, and how patiently.

use std::time::Duration;

/// Limits of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most secrets for which something is changed.
    pub most: u32,
    /// How long to wait for one item; zero = ask, look once, and leave the rest to a later run.
    pub wait: Duration,
    /// How long to wait for the copies in other regions.
    pub replicas: Duration,
    /// A version in the making that was asked for longer ago is called stuck.
    pub stuck_after: Duration,
    /// Time between two calls that change something.
    pub pace: Duration,
    /// Failures in a row after which nothing more is started.
    pub failures: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            most: 5,
            wait: Duration::from_secs(300),
            replicas: Duration::from_secs(60),
            stuck_after: Duration::from_secs(6 * 60 * 60),
            // Far below the 50 a second that an account's RotateSecret calls share (Secrets Manager quotas).
            pace: Duration::from_millis(500),
            failures: 2,
        }
    }
}

/// Time between two looks at a secret: 2 s, doubled up to 15 s.
#[derive(Debug)]
pub(super) struct Patience(Duration);

impl Patience {
    const FIRST: Duration = Duration::from_secs(2);
    const MOST: Duration = Duration::from_secs(15);

    pub(super) const fn new() -> Self {
        Self(Self::FIRST)
    }

    /// How long to wait now.
    pub(super) fn next(&mut self) -> Duration {
        let now = self.0;
        self.0 = (now * 2).min(Self::MOST);
        now
    }
}
