//! How each item of a plan ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The end, or the present state, of one item. The ids are published and stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The version that this plan asked for is current, and its value is not the leaked one.
    Rotated,
    /// Another version became current meanwhile, and its value is not the leaked one.
    RotatedByOther,
    /// The leaked value was no longer current when the plan was made or carried out; nothing was done.
    AlreadyRotated,
    /// The IAM access key is inactive now.
    Deactivated,
    /// The leaked value is not in any managed secret that was looked at; guidance only.
    Unmanaged,
    /// The new version is current, but the leaked login still works: two users take turns. A second rotation
    /// ends it.
    LoginStillValid,
    /// The new version is current and holds the leaked value: whoever rotates did nothing.
    SameValue,
    /// The rotation failed: its version was given up before it became current. The leaked value is still current.
    FailedLeakActive,
    /// A version is in the making, holds no value, and nothing moves: whoever rotates does nothing, fails at the
    /// first step or hangs there. The leaked value is still current.
    NoNewValue,
    /// A new value is stored and not current, and nothing moves: setting it where it is used, or trying it there,
    /// fails or hangs. The leaked value is still current.
    NewValueNotCurrent,
    /// A new value is stored and not current: whoever rotates says that it could not be set where it is used. The leaked
    /// value is still current.
    SetFailed,
    /// A new value is stored and not current: whoever rotates says that trying it where it is used failed, after it was
    /// set there. The leaked value is still current.
    TestFailed,
    /// The manager refuses to rotate the secret as it is. The leaked value is still current.
    Refused,
    /// A version is in the making and nothing moves; the leaked value is still current.
    Stuck,
    /// The leaked value was replaced, and then came back: something else writes it.
    Regressed,
    /// Nobody rotates this secret, and the plan had no leave to write a value.
    NoRotationFunction,
    /// A guard of the policy or of the command line refuses it.
    Blocked,
    /// It is a copy in another region: rotate the primary.
    Replica,
    /// It is scheduled for deletion.
    ScheduledForDeletion,
    /// It belongs to an account that this run may not act in.
    ForeignAccount,
    /// The secret is not as the plan saw it; nothing was done for it. Plan again.
    Stale,
    /// The caller lacks a permission.
    Denied,
    /// The time limit passed while the rotation was still going on.
    Pending,
    /// The labels moved, but the values could not be compared.
    Unverified,
    /// A copy in another region has not followed yet.
    ReplicaLags,
    /// The manager kept refusing for too many calls; nothing was done for it.
    Throttled,
    /// The manager could not be reached.
    Unreachable,
    /// The rotation was asked for and no answer came, nor did its version.
    NoAnswer,
    /// There are no credentials.
    NoCredentials,
    /// Left out because the run was stopped before (circuit breaker, signal, journal not writable).
    NotStarted,
}

/// What an outcome means for the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meaning {
    /// The leak is over: 0.
    Over,
    /// Not known yet: 3.
    Unclear,
    /// The leaked value still opens something, or may: 1.
    Active,
    /// Nothing could be done at all: 2 when it is so for every item, else 1.
    Unable,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 30] = [
        Self::Rotated,
        Self::RotatedByOther,
        Self::AlreadyRotated,
        Self::Deactivated,
        Self::Unmanaged,
        Self::LoginStillValid,
        Self::SameValue,
        Self::FailedLeakActive,
        Self::NoNewValue,
        Self::NewValueNotCurrent,
        Self::SetFailed,
        Self::TestFailed,
        Self::Refused,
        Self::Stuck,
        Self::Regressed,
        Self::NoRotationFunction,
        Self::Blocked,
        Self::Replica,
        Self::ScheduledForDeletion,
        Self::ForeignAccount,
        Self::Stale,
        Self::Denied,
        Self::Pending,
        Self::Unverified,
        Self::ReplicaLags,
        Self::Throttled,
        Self::Unreachable,
        Self::NoAnswer,
        Self::NoCredentials,
        Self::NotStarted,
    ];

    /// What it means.
    #[must_use]
    pub const fn meaning(self) -> Meaning {
        match self {
            Self::Rotated | Self::RotatedByOther | Self::AlreadyRotated | Self::Deactivated => Meaning::Over,
            Self::Pending
            | Self::Unverified
            | Self::ReplicaLags
            | Self::Throttled
            | Self::Unreachable
            | Self::NoAnswer
            | Self::NotStarted => Meaning::Unclear,
            Self::Unmanaged
            | Self::LoginStillValid
            | Self::SameValue
            | Self::FailedLeakActive
            | Self::NoNewValue
            | Self::NewValueNotCurrent
            | Self::SetFailed
            | Self::TestFailed
            | Self::Refused
            | Self::Stuck
            | Self::Regressed
            | Self::NoRotationFunction
            | Self::Replica
            | Self::ScheduledForDeletion
            | Self::Stale
            | Self::Denied => Meaning::Active,
            Self::Blocked | Self::ForeignAccount | Self::NoCredentials => Meaning::Unable,
        }
    }

    /// Whether something is wrong with what was asked: two in a row, and nothing more is asked for.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(
            self,
            Self::FailedLeakActive
                | Self::NoNewValue
                | Self::NewValueNotCurrent
                | Self::SetFailed
                | Self::TestFailed
                | Self::Refused
                | Self::SameValue
                | Self::Stuck
                | Self::Regressed
                | Self::Unreachable
                | Self::NoAnswer
        )
    }

    /// Whether it may be another one later though nobody plans again: `rotate status` looks, `rotate resume` goes on.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(
            self,
            Self::FailedLeakActive
                | Self::NoNewValue
                | Self::NewValueNotCurrent
                | Self::SetFailed
                | Self::TestFailed
                | Self::Stuck
                | Self::Pending
                | Self::Unverified
                | Self::ReplicaLags
                | Self::Throttled
                | Self::Unreachable
                | Self::NoAnswer
                | Self::NoCredentials
                | Self::Denied
                | Self::NotStarted
        )
    }
}

/// The exit status of a run: 0 every leak is over, or there was none; 1 a leak is still active, be it one; 2
/// nothing could be done for any of them; 3 none is known to be active, but not all are known to be over.
#[must_use]
pub fn exit_status(outcomes: &[Outcome]) -> u8 {
    let any = |meaning| outcomes.iter().any(|outcome| outcome.meaning() == meaning);
    if !outcomes.is_empty() && outcomes.iter().all(|outcome| outcome.meaning() == Meaning::Unable) {
        2
    } else if any(Meaning::Active) || any(Meaning::Unable) {
        1
    } else if any(Meaning::Unclear) {
        3
    } else {
        0
    }
}

/// The published id.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_are_distinct_and_read_back() {
        let ids: BTreeSet<String> = Outcome::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(ids.len(), Outcome::ALL.len());
        assert!(ids.contains("failed-leak-active"), "{ids:?}");
        for outcome in Outcome::ALL {
            let json = format!("\"{outcome}\"");
            assert_eq!(serde_json::from_str::<Outcome>(&json).expect("reads back"), outcome);
        }
    }

    #[test]
    fn one_active_leak_decides_the_status() {
        use Outcome::{AlreadyRotated, Blocked, FailedLeakActive, NoCredentials, Pending, Rotated};
        for (outcomes, status) in [
            (&[][..], 0),
            (&[Rotated, AlreadyRotated], 0),
            (&[Rotated, Pending], 3),
            (&[Rotated, Pending, FailedLeakActive], 1),
            (&[Blocked, Blocked], 2),
            (&[NoCredentials], 2),
            (&[Blocked, Rotated], 1),
            (&[Blocked, Pending], 1),
        ] {
            assert_eq!(exit_status(outcomes), status, "{outcomes:?}");
        }
    }
}
