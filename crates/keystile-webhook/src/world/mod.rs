//! What lies around the judged objects, as the webhook knows it: a folder of manifests ([`folder`]) or
//! the cluster ([`cluster`], [`cache`]); and the answers to single questions that were asked meanwhile ([`overlay`]).

pub mod cache;
pub mod cluster;
pub mod folder;
pub mod inventory;
pub mod overlay;
mod packed;

use std::sync::Arc;
use std::time::Duration;

use keystile_policy::{Query, Snapshot, World};

use crate::health::Remarked;

pub use cluster::ClusterWorld;
pub use overlay::{Answers, Overlay};

/// Where the world comes from.
#[derive(Debug)]
pub enum Surroundings {
    /// Manifests, read once.
    Folder(Box<Snapshot>),
    /// The cluster, watched.
    Cluster(Arc<ClusterWorld>),
}

impl Surroundings {
    /// What is known now.
    #[must_use]
    pub fn world(&self) -> &dyn World {
        match self {
            Self::Folder(snapshot) => &**snapshot,
            Self::Cluster(cluster) => &**cluster.cache(),
        }
    }

    /// Asks further, for at most `limit`; what comes back in time is added to `answers`.
    pub async fn ask(&self, queries: &[Query], limit: Duration, answers: &mut Answers) {
        match self {
            // All that there is was read.
            Self::Folder(_) => {}
            Self::Cluster(cluster) => cluster.ask(queries, limit, answers).await,
        }
    }

    /// Ready once everything was read.
    ///
    /// # Errors
    ///
    /// Until then, with what is missing.
    pub fn readiness(&self) -> Remarked {
        match self {
            Self::Folder(_) => Ok(None),
            Self::Cluster(cluster) => cluster.readiness(),
        }
    }
}

impl From<Snapshot> for Surroundings {
    fn from(snapshot: Snapshot) -> Self {
        Self::Folder(Box::new(snapshot))
    }
}

/// Shared by the judge and the audit.
pub type SharedSurroundings = Arc<Surroundings>;
