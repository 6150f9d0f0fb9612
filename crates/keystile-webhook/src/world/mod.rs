//! What lies around the judged objects, as the webhook knows it: a folder of manifests ([`folder`]) or
//! the cluster; and the answers to single questions that were asked meanwhile ([`overlay`]).

pub mod folder;
pub mod overlay;

use std::sync::Arc;
use std::time::Duration;

use keystile_policy::{Query, Snapshot, World};

pub use overlay::{Answers, Overlay};

/// Where the world comes from.
#[derive(Debug)]
pub enum Surroundings {
    /// Manifests, read once.
    Folder(Snapshot),
}

impl Surroundings {
    /// What is known now.
    #[must_use]
    pub fn world(&self) -> &dyn World {
        match self {
            Self::Folder(snapshot) => snapshot,
        }
    }

    /// Asks further, for at most `limit`; what comes back in time is added to `answers`.
    pub async fn ask(&self, _queries: &[Query], _limit: Duration, _answers: &mut Answers) {
        match self {
            // All that there is was read.
            Self::Folder(_) => {}
        }
    }
}

impl From<Snapshot> for Surroundings {
    fn from(snapshot: Snapshot) -> Self {
        Self::Folder(snapshot)
    }
}

/// Shared by the judge and the audit.
pub type SharedSurroundings = Arc<Surroundings>;
