//! How far a run may go, and how patiently.

use std::time::Duration;

/// Limits of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most secrets for which something is changed.
    pub most: u32,
    /// How long to wait for one item until it is asked for, and as long again until it has ended; zero = ask, look
    /// once, and leave the rest to a later run.
    pub wait: Duration,
    /// How long to wait for the copies in other regions.
    pub replicas: Duration,
    /// A version in the making that was asked for longer ago is called stuck.
    pub stuck_after: Duration,
    /// How long one step of a rotation may take without anything moving before it is said to do nothing or to fail.
    /// Whoever waits goes on waiting all the same.
    pub step: Duration,
    /// Whether the label of a version that is stuck is taken off, and the rotation asked for again.
    pub clear_stuck: bool,
    /// Leave for second rotations of two users that take turns, and the least time that must have passed since the
    /// first; longer where the plan names consumers that read the secret again later. `None` = no leave.
    pub second_rotation: Option<Duration>,
    /// Secrets that are seen to at the same time.
    pub parallel: u32,
    /// Time between two calls that change something; doubled each time the manager says that there are too many.
    pub pace: Duration,
    /// Secrets and keys that fail in a row, in the order of their ends, after which nothing more is started.
    pub failures: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            most: 5,
            wait: Duration::from_secs(300),
            replicas: Duration::from_secs(60),
            stuck_after: Duration::from_secs(6 * 60 * 60),
            // AWS's templates of rotation functions may run half a minute a step; no Lambda longer than 15 minutes.
            step: Duration::from_secs(120),
            clear_stuck: false,
            second_rotation: None,
            parallel: 4,
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
