//! What lies around the judged objects, as the webhook knows it: a folder of manifests ([`folder`]) or
//! the cluster ([`cluster`], [`cache`]); and the answers to single questions that were asked meanwhile ([`overlay`]).

pub mod cache;
pub mod cluster;
pub mod folder;
pub mod inventory;
pub mod overlay;
mod packed;
pub mod refresh;

use std::sync::Arc;
use std::time::Duration;

use keystile_policy::{Query, Snapshot, World};

use self::inventory::Held;
use crate::health::Remarked;

pub use cluster::ClusterWorld;
pub use folder::FolderWorld;
pub use overlay::{Answers, Overlay};

/// Where the world comes from.
#[derive(Debug)]
pub enum Surroundings {
    /// Manifests, read once.
    Folder(Box<FolderWorld>),
    /// The cluster, watched.
    Cluster(Arc<ClusterWorld>),
}

impl Surroundings {
    /// What is known now.
    #[must_use]
    pub fn world(&self) -> &dyn World {
        match self {
            Self::Folder(folder) => &**folder,
            Self::Cluster(cluster) => &**cluster.cache(),
        }
    }

    /// Takes an inventory in, in place of the one before.
    pub fn set_inventory(&self, inventory: Held) {
        match self {
            Self::Folder(folder) => folder.set_inventory(inventory),
            Self::Cluster(cluster) => cluster.cache().set_inventory(inventory),
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
        Self::Folder(Box::new(FolderWorld::from(snapshot)))
    }
}

/// Shared by the judge and the audit.
pub type SharedSurroundings = Arc<Surroundings>;
