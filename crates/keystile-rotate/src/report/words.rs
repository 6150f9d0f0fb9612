//! What outcomes and actions are called in sentences. The ids are in [`crate::outcome`]; both are published in
//! `docs/rotation-outcomes.md`, which a test keeps true.

use super::incident::ToDo;
use crate::journal::Call;
use crate::outcome::{Meaning, Outcome};

impl Outcome {
    /// What it means, as a sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Rotated => "The version that this plan asked for is current, and its value is not the leaked one.",
            Self::RotatedByOther => {
                "Someone else made another version current since the plan, and its value is not the leaked one."
            }
            Self::AlreadyRotated => "The leaked value was no longer current before anything was done.",
            Self::Deactivated => "The access key is inactive: requests signed with it are refused.",
            Self::Unmanaged => {
                "No managed secret that was looked at holds the leaked value; it is valid until its issuer revokes it."
            }
            Self::LoginStillValid => {
                "The new version is current, but two users take turns: the leaked login works until the next rotation."
            }
            Self::SameValue => {
                "A new version is current and still holds the leaked value: the rotation changed nothing."
            }
            Self::FailedLeakActive => "The change failed or was given up, and the leaked value still works.",
            Self::NoNewValue => {
                "A version is in the making, holds no value, and nothing moves; the leaked value is still current."
            }
            Self::NewValueNotCurrent => {
                "A new value is stored and does not become current: setting or trying it fails or hangs; the leaked value is \
                 still current."
            }
            Self::SetFailed => {
                "A new value is stored, and setting it where it is used failed, as the rotation function's log says; the leaked \
                 value is still current."
            }
            Self::TestFailed => {
                "A new value is stored and was set, and trying it failed, as the rotation function's log says; the leaked value \
                 is still current."
            }
            Self::Refused => "The manager refuses to rotate the secret as it is; the leaked value is still current.",
            Self::Stuck => "A version is in the making and nothing moves; the leaked value is still current.",
            Self::Regressed => "The leaked value was replaced and is current again: something else writes it.",
            Self::NoRotationFunction => "Nobody rotates this secret, and the plan had no leave to write a value.",
            Self::Blocked => "A guard refuses it; nothing was done.",
            Self::Replica => "It is a copy in another region; only its primary can be rotated.",
            Self::ScheduledForDeletion => "The secret is scheduled for deletion and can't be rotated.",
            Self::ForeignAccount => "It belongs to an account that this run may not act in; nothing was done.",
            Self::Stale => "The secret is no longer as the plan saw it; nothing was done.",
            Self::Denied => "The caller lacks a permission.",
            Self::Pending => "The rotation was still going on when the time limit passed.",
            Self::Unverified => "Another version is current, but the values could not be compared.",
            Self::ReplicaLags => {
                "The new version is current and differs; a copy in another region has not followed yet."
            }
            Self::Throttled => "The manager kept refusing because of too many calls; nothing was done.",
            Self::Unreachable => "The manager could not be reached.",
            Self::NoAnswer => "The rotation was asked for, no answer came, and its version has not shown.",
            Self::NoCredentials => "There are no credentials for the manager; nothing was done.",
            Self::NotStarted => "It was left out because the run was stopped before.",
        }
    }

    /// What to do about it, as a sentence.
    #[must_use]
    pub const fn what_to_do(self) -> &'static str {
        match self {
            Self::Rotated | Self::RotatedByOther => {
                "See that every consumer has the new value, then go on with the investigation."
            }
            Self::AlreadyRotated => "Make sure at its issuer that the leaked value is refused.",
            Self::Deactivated => "Watch who breaks, end the sessions that it opened, then delete the key.",
            Self::Unmanaged => "Revoke it at its issuer at once, then put the new one into a secret manager.",
            Self::LoginStillValid => {
                "When every consumer has refreshed, rotate a second time: make a new plan and apply it with --second-rotation."
            }
            Self::SameValue => "Mend the rotation function so that it makes a new value, then plan again.",
            Self::FailedLeakActive => "Read what failed (the rotation function's log), mend it, then resume.",
            Self::NoNewValue => {
                "Look whether the rotation function is called at all and what it logs at its first step, then resume."
            }
            Self::NewValueNotCurrent => {
                "Read the rotation function's log for setSecret and testSecret: the target may have either password by now. \
                 Mend it, then resume."
            }
            Self::SetFailed => {
                "Read the log of setSecret (no login, no network, no rights?), mend it, then resume. The target most likely still \
                 takes the leaked value."
            }
            Self::TestFailed => {
                "Read the log of testSecret, mend it, then resume soon: the target may already refuse the value that readers get."
            }
            Self::Refused => "Lift what the manager names, then plan again.",
            Self::Stuck => {
                "Mend the rotation function, then resume with --clear-stuck, which takes the label AWSPENDING off the version \
                 that hangs."
            }
            Self::Regressed => {
                "Find what writes the old value (PushSecret, Terraform, a pipeline), stop it, then plan again."
            }
            Self::NoRotationFunction => {
                "Attach a rotation function, or replace the value at its issuer and store the new one."
            }
            Self::Blocked => "Lift what the guard names, or have it rotated by whoever may.",
            Self::Replica => "Plan again in the region of the primary.",
            Self::ScheduledForDeletion => {
                "Revoke the value at its issuer; restore the secret first if something still needs it."
            }
            Self::ForeignAccount => "Have the account's owner rotate it, or allow the account and plan again.",
            Self::Stale => "Plan again.",
            Self::Denied => "Grant the permission that the message names, then resume.",
            Self::Pending => "Ask again in a few minutes: keystile rotate status, then resume.",
            Self::Unverified => "Let the caller read both versions, then resume for the proof.",
            Self::ReplicaLags => "Look at the copy's replication status, then resume for the proof.",
            Self::Throttled => "Wait a minute, then resume.",
            Self::Unreachable => "Check the network and the endpoint, then resume.",
            Self::NoAnswer => "Resume: it looks first, and asks again for the same version only.",
            Self::NoCredentials => "Log in, or give the job its role, then resume.",
            Self::NotStarted => "Look at why the run was stopped, then resume.",
        }
    }
}

impl Meaning {
    /// The exit status of a run in which every item means this.
    #[must_use]
    pub const fn alone(self) -> u8 {
        match self {
            Self::Over => 0,
            Self::Active => 1,
            Self::Unable => 2,
            Self::Unclear => 3,
        }
    }
}

impl ToDo {
    /// As a clause.
    #[must_use]
    pub const fn clause(self) -> &'static str {
        match self {
            Self::Rotate => "ask whoever rotates it for a new version",
            Self::RotateAgain => "ask for a second rotation: it ends the login that the first one left valid",
            Self::Generate => "write a new random value: this secret is where the value is made",
            Self::Wait => "wait for the rotation that is going on, then look again",
            Self::Deactivate => "switch the access key off",
            Self::Nothing => "nothing",
        }
    }

    /// In a word or two, for the place where the outcome will stand.
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Rotate => "rotate",
            Self::RotateAgain => "rotate again",
            Self::Generate => "generate",
            Self::Wait => "wait",
            Self::Deactivate => "deactivate",
            Self::Nothing => "nothing",
        }
    }
}

/// A call, as it is told afterwards.
pub(super) const fn call(call: Call) -> &'static str {
    match call {
        Call::Rotate => "asked for a rotation",
        Call::Stage => "asked to store a new value",
        Call::Promote => "asked to make the new value current",
        Call::ClearStuck => "asked to take the label of a stuck version off",
        Call::Unstage => "asked to take the label of the unfinished version off",
        Call::Deactivate => "asked to switch the access key off",
        Call::DenySessions => "asked to refuse the temporary credentials of the access key",
    }
}

/// An exit status of `keystile rotate`, as a clause.
pub(super) const fn exit_status(status: u8, carried_out: bool) -> &'static str {
    match (status, carried_out) {
        (0, true) => "every leak is over",
        (0, false) => "there is nothing to do",
        (1, true) => "a leak is still active",
        (1, false) => "there is something to do, or a leak that this plan can't end",
        (2, _) => "nothing could be done",
        (128.., _) => "interrupted, after the call that was under way",
        (_, true) => "not everything is known yet",
        (_, false) => "not everything could be looked at, so this is not an all-clear",
    }
}

/// `A`, `A and B`, `A, B and C`.
pub(super) fn enumerate(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_a_sentence_and_says_what_to_do() {
        for outcome in Outcome::ALL {
            for text in [outcome.sentence(), outcome.what_to_do()] {
                assert!(text.ends_with('.') && text.starts_with(char::is_uppercase), "{outcome}: {text}");
            }
            assert_eq!(
                crate::outcome::exit_status(&[outcome]),
                outcome.meaning().alone(),
                "the published status of {outcome}"
            );
        }
    }

    #[test]
    fn lists_read_as_people_write_them() {
        let list = |parts: &[&str]| enumerate(&parts.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(
            [list(&[]), list(&["a"]), list(&["a", "b"]), list(&["a", "b", "c"])],
            ["", "a", "a and b", "a, b and c"]
        );
    }
}
