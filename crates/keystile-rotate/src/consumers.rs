//! Blast radius: who consumes a secret in the cluster, and who will not pick a new value up by itself.
//!
//! ```text
//! manifests, snapshot, kubectl get ─► ConsumerWorld
//!                                         │   Wanted (the leaked part of one secret)
//!                                         ▼
//! ExternalSecrets, SecretProviderClasses, Vault agents ─► Secrets and their keys ─► workloads, entrances
//! ```
//!
//! Read-only: nothing is changed, restarted or annotated. What helps is shown as a command. What a reference asks
//! a provider for is keystile-policy's to say, so that what is named here is what the policy judged.

mod class;
mod commands;
mod external;
mod follow;
pub mod found;
mod gathering;
pub mod kept;
mod leaf;
mod named;
pub mod reason;
pub mod sources;
mod wanted;
mod workload;
mod world;
mod writers;

pub use found::{
    Because, Commands, Consumer, Consumers, How, LookedAt, ObjectName, PickUp, Unaffected, Undecided, Use, Writer,
    Writes,
};
pub use reason::{Effect, Reason};
pub use sources::{ClusterError, Kubectl};
pub use wanted::Wanted;
pub use world::ConsumerWorld;

use gathering::Gathering;

use crate::plan::RotationPlan;
use crate::search::Search;

/// Says of each item of a plan that a managed secret holds who consumes that. `searches`: those that the plan was
/// made from, whose records have the tags.
pub fn attach(plan: &mut RotationPlan, searches: &[Search], world: &ConsumerWorld) {
    for item in &mut plan.items {
        let Some(held) = &item.secret else { continue };
        let record = searches
            .iter()
            .flat_map(|search| &search.secrets)
            .map(|known| &known.record)
            .find(|record| record.arn == held.arn && record.name == held.name);
        let mut wanted = Wanted::of(held);
        if let Some(record) = record {
            wanted = wanted.with_tags(&record.tags);
        }
        item.consumers = Some(consumers(world, &wanted));
    }
}

/// Who consumes the leaked part of a secret, as far as `world` shows it.
#[must_use]
pub fn consumers(world: &ConsumerWorld, wanted: &Wanted<'_>) -> Consumers {
    let mut gathering = Gathering::default();
    external::look(world, wanted, &mut gathering);
    follow::classes(world, wanted, &mut gathering);
    external::look_again(world, &mut gathering);
    writers::look(world, wanted, &mut gathering);
    follow::workloads(world, wanted, &mut gathering);
    let times = gathering.consumers.values().filter_map(|consumer| match consumer.pick_up {
        PickUp::ByItself { within_seconds: seconds } | PickUp::AtStart { from_seconds: seconds } => seconds,
        PickUp::NotByItself => None,
    });
    let wait_seconds = times.max();
    Consumers {
        looked_at: world.looked_at().clone(),
        consumers: gathering.consumers.into_values().collect(),
        writers: gathering.writers.into_iter().collect(),
        undecided: gathering.undecided.into_iter().collect(),
        unaffected: gathering.unaffected,
        wait_seconds,
        commands: Commands {
            force_sync: gathering.force_sync.into_iter().collect(),
            remake: gathering.remake.into_iter().collect(),
            restart: gathering.restart.into_iter().collect(),
        },
    }
}
