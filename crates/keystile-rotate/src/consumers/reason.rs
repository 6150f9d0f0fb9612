//! Why a consumer does, or does not, pick up a new value by itself. The ids are published and stable.
//!
//! Sources: External Secrets 2.9.0, pkg/controllers/externalsecret/externalsecret_controller.go
//! (`shouldRefresh`, `isSecretValid`, `Reconcile`); the Secrets Store CSI driver's documentation, "Auto rotation
//! of mounted contents and synced Kubernetes Secrets"; the Vault Agent Injector's annotations; Kubernetes'
//! documentation of Secrets ("Using Secrets": volumes follow, variables and `subPath` mounts don't).

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing that decides how a consumer gets a new value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It names the leaked version itself.
    VersionPinned,
    /// It reads what was current before: the leaked version, once there is a new one.
    StagePrevious,
    /// It reads the version in the making.
    StagePending,
    /// It reads a label of the user's own that the leaked version has, and a rotation does not move.
    StageOther,
    /// It reads once only: its interval is 0.
    IntervalZero,
    /// It reads once only: `refreshPolicy: CreatedOnce`.
    CreatedOnce,
    /// It reads when it is changed itself: `refreshPolicy: OnChange`.
    OnChange,
    /// Its sync windows never let a periodic reading through.
    WindowsClosed,
    /// Its sync windows put readings off.
    WindowsDelay,
    /// The Secret that it made can't be changed.
    TargetImmutable,
    /// It writes no Secret: `creationPolicy: None`.
    TargetNotWritten,
    /// It writes into a Secret that is somebody else's, who may write the old value again.
    TargetMerged,
    /// It writes another kind of object than a Secret; who reads that is not looked at.
    TargetGeneric,
    /// The store does not let its namespace in.
    StoreRefuses,
    /// Its store is left to another controller than the usual one.
    StoreOtherController,
    /// Which account or server is meant is not said in a way that can be compared: it is taken to be the secret's.
    AccountAssumed,
    /// It is being deleted, and not looked after any more.
    BeingDeleted,
    /// Its last synchronisation failed.
    SyncFailing,
    /// The CSI driver does not poll for new values.
    RotationPollOff,
    /// Whether the CSI driver polls for new values is not known; it does not unless told so.
    RotationPollUnknown,
    /// The agent fetches secrets before the pod starts, and never again.
    AgentInitOnly,
    /// The agent writes the file again; the application may have kept the old value.
    AgentFile,
    /// What it gets the value from will not have a new one.
    SourceStale,
    /// It has the value in environment variables, which are set when a process starts.
    Environment,
    /// It mounts one file by `subPath`, which is not updated.
    SubPath,
    /// The mounted file is updated; the application may have kept the old value.
    MayCache,
    /// It is used when an image is pulled.
    ImagePull,
    /// It is handed to pods that are made from now on.
    NewPods,
    /// A controller watches the Secret and takes the new one.
    Watched,
    /// A Job runs once: what runs keeps what it has.
    RunsOnce,
    /// Each run begins with the value of that time; a run that is going on keeps what it has.
    NextRun,
    /// Nothing of it runs now.
    NothingRuns,
    /// It is a pod that nobody makes anew.
    BarePod,
    /// Its pods are replaced when somebody deletes them: `updateStrategy: OnDelete`.
    OnDelete,
    /// Its rollout is paused: it can't be restarted before it is resumed.
    RolloutPaused,
    /// It asks Reloader to restart it when the Secret changes.
    Reloader,
    /// Which keys of the Secret hold the value can't be told; every use of it is named.
    KeysUnknown,
    /// How it uses the Secret is not known.
    OtherUse,
}

/// What a reason means for the new value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing by itself: it should be known.
    Remark,
    /// The new value is there in time, and may not be taken.
    Cached,
    /// It comes when a process starts.
    AtStart,
    /// It does not come by itself.
    Never,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 38] = [
        Self::VersionPinned,
        Self::StagePrevious,
        Self::StagePending,
        Self::StageOther,
        Self::IntervalZero,
        Self::CreatedOnce,
        Self::OnChange,
        Self::WindowsClosed,
        Self::WindowsDelay,
        Self::TargetImmutable,
        Self::TargetNotWritten,
        Self::TargetMerged,
        Self::TargetGeneric,
        Self::StoreRefuses,
        Self::StoreOtherController,
        Self::AccountAssumed,
        Self::BeingDeleted,
        Self::SyncFailing,
        Self::RotationPollOff,
        Self::RotationPollUnknown,
        Self::AgentInitOnly,
        Self::AgentFile,
        Self::SourceStale,
        Self::Environment,
        Self::SubPath,
        Self::MayCache,
        Self::ImagePull,
        Self::NewPods,
        Self::Watched,
        Self::RunsOnce,
        Self::NextRun,
        Self::NothingRuns,
        Self::BarePod,
        Self::OnDelete,
        Self::RolloutPaused,
        Self::Reloader,
        Self::KeysUnknown,
        Self::OtherUse,
    ];

    /// What it means.
    #[must_use]
    pub const fn effect(self) -> Effect {
        match self {
            Self::VersionPinned
            | Self::StagePrevious
            | Self::StagePending
            | Self::StageOther
            | Self::IntervalZero
            | Self::CreatedOnce
            | Self::OnChange
            | Self::WindowsClosed
            | Self::TargetImmutable
            | Self::StoreRefuses
            | Self::BeingDeleted
            | Self::SyncFailing
            | Self::SourceStale
            | Self::RunsOnce => Effect::Never,
            Self::RotationPollOff
            | Self::RotationPollUnknown
            | Self::AgentInitOnly
            | Self::Environment
            | Self::SubPath => Effect::AtStart,
            Self::MayCache | Self::AgentFile => Effect::Cached,
            Self::WindowsDelay
            | Self::TargetNotWritten
            | Self::TargetMerged
            | Self::TargetGeneric
            | Self::StoreOtherController
            | Self::AccountAssumed
            | Self::ImagePull
            | Self::NewPods
            | Self::Watched
            | Self::NextRun
            | Self::NothingRuns
            | Self::BarePod
            | Self::OnDelete
            | Self::RolloutPaused
            | Self::Reloader
            | Self::KeysUnknown
            | Self::OtherUse => Effect::Remark,
        }
    }

    /// Whether the leaked value goes on being served after the rotation, for as long as the object stays as it
    /// is: not a late consumer, but one that must be changed.
    #[must_use]
    pub const fn keeps_leak(self) -> bool {
        matches!(self, Self::VersionPinned | Self::StagePrevious | Self::StageOther)
    }

    /// What is so, and what to do, in one sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::VersionPinned => {
                "it names the leaked version, and serves it until that is changed; leave `version` out"
            }
            Self::StagePrevious => {
                "it reads AWSPREVIOUS, which is the leaked version after the rotation; leave `version` out"
            }
            Self::StagePending => "it reads AWSPENDING, a value that may never become current; leave `version` out",
            Self::StageOther => {
                "it reads a label that the leaked version has and a rotation does not move; move the label"
            }
            Self::IntervalZero => {
                "it read once and never again (refreshInterval 0), and force-sync does not help; a Secret that it owns is made anew when it is deleted"
            }
            Self::CreatedOnce => {
                "it read once and never again (refreshPolicy CreatedOnce), and force-sync does not help; a Secret that it owns is made anew when it is deleted"
            }
            Self::OnChange => {
                "it reads only when it is changed itself (refreshPolicy OnChange); force-sync is such a change"
            }
            Self::WindowsClosed => "its sync windows never let a periodic reading through; force-sync passes them",
            Self::WindowsDelay => "its sync windows put readings off; force-sync passes them",
            Self::TargetImmutable => {
                "the Secret is immutable, so it is not written again; one that it owns is made anew when it is deleted"
            }
            Self::TargetNotWritten => "it writes no Secret (creationPolicy None)",
            Self::TargetMerged => {
                "it writes into a Secret that somebody else makes (creationPolicy Merge or CreateOrMerge); whoever that is may write the old value again"
            }
            Self::TargetGeneric => "it writes another kind of object than a Secret; look for who reads that",
            Self::StoreRefuses => "its store does not let this namespace in; the Secret keeps what it has",
            Self::StoreOtherController => {
                "its store is left to another controller (spec.controller); whether that runs is not known"
            }
            Self::AccountAssumed => {
                "which account or server this means can't be told from what is written; it is taken to be the secret's"
            }
            Self::BeingDeleted => {
                "it is being deleted and not read any more; the Secret keeps what it has until it goes too"
            }
            Self::SyncFailing => "its last synchronisation failed; it picks nothing up until that is mended",
            Self::RotationPollOff => {
                "the Secrets Store CSI driver does not poll for new values (enableSecretRotation is off); only new pods get them"
            }
            Self::RotationPollUnknown => {
                "the Secrets Store CSI driver is not in what was looked at, and does not poll for new values unless told so (enableSecretRotation)"
            }
            Self::AgentInitOnly => {
                "the Vault agent fetches it before the pod starts only (agent-pre-populate-only); restart it"
            }
            Self::AgentFile => {
                "the Vault agent writes the file again; restart the application unless it reads the file again"
            }
            Self::SourceStale => "what it gets the value from does not get the new one by itself",
            Self::Environment => "environment variables are set when a process starts; restart it",
            Self::SubPath => "a file mounted by subPath is not updated; restart it",
            Self::MayCache => "the mounted file is updated; restart the application unless it reads the file again",
            Self::ImagePull => "it is used when an image is pulled, with the value of that time",
            Self::NewPods => "pods that are made from now on get it",
            Self::Watched => "its controller watches the Secret",
            Self::RunsOnce => "it runs once: what runs keeps the old value; run it again if it still needs to",
            Self::NextRun => "each run begins with the value of its time; one that is going on keeps the old one",
            Self::NothingRuns => "nothing of it runs now; what starts later gets the new value",
            Self::BarePod => "no controller makes this pod anew: delete it and apply it again",
            Self::OnDelete => "its pods are replaced only when they are deleted (updateStrategy OnDelete)",
            Self::RolloutPaused => "its rollout is paused; resume it, or the restart waits",
            Self::Reloader => "it asks Reloader to restart it when the Secret changes; look whether Reloader runs",
            Self::KeysUnknown => {
                "which keys of the Secret hold the value can't be told, so every use of the Secret is named"
            }
            Self::OtherUse => "it names the Secret in a way that is not known here",
        }
    }
}

/// The published id.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_distinct_and_read_back() {
        let ids: BTreeSet<String> = Reason::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(ids.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            let json = format!("\"{reason}\"");
            assert_eq!(serde_json::from_str::<Reason>(&json).expect("reads back"), reason);
        }
    }
}
