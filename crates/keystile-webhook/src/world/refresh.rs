//! The inventory from AWS Secrets Manager itself, listed in the background: `ListSecrets` alone, which tells all that
//! the policy's live rules ask for and no value.
//!
//! Each region has a task of its own. What could be listed whole takes the place of what was known; where that fails
//! the last one stays, and stops to count when it is older than the policy's `inventory.maxAge`. A region that was
//! never listed is unclear: its secrets' rules are not evaluated, and `inventory-unknown` is what the policy makes of
//! that. Readiness has no part in this, so that a cloud that can't be reached keeps no cluster from being changed.

use std::hash::{BuildHasher as _, RandomState};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use keystile_inventory::aws::connection::PATIENT_ATTEMPTS;
use keystile_inventory::aws::region::outermost;
use keystile_inventory::aws::{AwsOptions, Connection, Secrets};
use keystile_inventory::{CallError, CallErrorKind, entry};
use keystile_policy::inventory::{InventoryIndex, InventoryIndexBuilder};

use super::SharedSurroundings;
use super::inventory::{Held, Listed};
use crate::config::InventoryArguments;
use crate::metrics::InventoryMetrics;

/// Wait after the first failure; it doubles with each one that follows, up to the interval.
const FIRST_RETRY: Duration = Duration::from_secs(30);

/// A list takes some seconds; one that takes longer than this is given up.
const LONGEST_LIST: Duration = Duration::from_secs(600);

/// Lists regions again and again.
#[derive(Debug)]
pub struct InventoryRefresh {
    regions: Vec<Secrets>,
    prefixes: Vec<String>,
    interval: Duration,
    metrics: InventoryMetrics,
}

impl InventoryRefresh {
    /// Reads the settings; nothing is sent yet. `None` where no region is to be listed.
    ///
    /// # Errors
    ///
    /// When the settings can't be used.
    pub async fn open(arguments: &InventoryArguments, metrics: InventoryMetrics) -> anyhow::Result<Option<Self>> {
        let mut names = arguments.inventory_region.clone();
        names.sort();
        names.dedup();
        let Some(first) = names.first() else { return Ok(None) };
        let options = AwsOptions {
            // Named, so that no instance is asked where it is.
            region: Some(first.clone()),
            attempts: Some(PATIENT_ATTEMPTS),
            ..AwsOptions::default()
        };
        let connection = Connection::open(&options).await.context("while reading AWS's settings")?;
        Ok(Some(Self {
            regions: names.iter().map(|region| Secrets::new(&connection.in_region(region))).collect(),
            prefixes: arguments.inventory_prefix.clone(),
            interval: arguments.inventory_interval,
            metrics,
        }))
    }

    /// Begins: a task for each region, which ends with the process.
    pub fn start(self, surroundings: &SharedSurroundings) {
        let names = self.regions.iter().map(|region| region.region().to_owned());
        let state = State::new(names, Timestamp::now(), surroundings);
        let prefixes: Arc<[String]> = self.prefixes.into();
        for secrets in self.regions {
            self.metrics.expect(secrets.region());
            let keeper = Keeper {
                secrets,
                prefixes: Arc::clone(&prefixes),
                interval: self.interval,
                metrics: self.metrics.clone(),
                state: Arc::clone(&state),
                failures: 0,
                known: None,
            };
            tokio::spawn(keeper.keep());
        }
    }
}

/// What is known of all regions, and who is told.
#[derive(Debug)]
struct State {
    held: Mutex<Held>,
    surroundings: SharedSurroundings,
}

impl State {
    /// Nothing is known at `since`; who asks from now on hears that it is not known, not that nobody asked.
    fn new(
        regions: impl IntoIterator<Item = String>,
        since: Timestamp,
        surroundings: &SharedSurroundings,
    ) -> Arc<Self> {
        let held = Held::of_regions(regions, since);
        surroundings.set_inventory(held.clone());
        Arc::new(Self { held: Mutex::new(held), surroundings: Arc::clone(surroundings) })
    }

    /// What is known of a region.
    fn of_region(&self, region: &str) -> InventoryIndex {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).of_region(region)
    }

    /// A region was listed whole.
    fn take(&self, region: &str, listed: Listed) {
        // Told under the lock: of two regions that are done at once, the later must not undo the other.
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = held.clone().with_region(region, listed);
        self.surroundings.set_inventory(held.clone());
    }
}

/// Looks after one region.
struct Keeper {
    secrets: Secrets,
    prefixes: Arc<[String]>,
    interval: Duration,
    metrics: InventoryMetrics,
    state: Arc<State>,
    /// In a row.
    failures: u32,
    /// How many secrets the last list had.
    known: Option<usize>,
}

impl Keeper {
    async fn keep(mut self) {
        loop {
            let wait = self.look().await;
            tokio::time::sleep(jittered(wait, random())).await;
        }
    }

    /// One look; how long until the next one.
    async fn look(&mut self) -> Duration {
        let began = Timestamp::now();
        let listed = match tokio::time::timeout(LONGEST_LIST, self.list()).await {
            Ok(listed) => listed,
            Err(_) => Err(CallError::new(CallErrorKind::Ambiguous, "ListSecrets", "no end of the list in time")),
        };
        let region = self.secrets.region();
        match listed {
            Ok(entries) => {
                let secrets = entries.len();
                self.state.take(region, Listed::new(entries.build(), began));
                self.metrics.listed(region, secrets, began.as_second());
                // Once for as long as it is so.
                if self.failures > 0 || self.known != Some(secrets) {
                    tracing::info!(region, secrets, "the region's secrets are listed");
                }
                (self.failures, self.known) = (0, Some(secrets));
                self.interval
            }
            Err(error) => {
                self.metrics.kept();
                // Once for as long as it lasts.
                if self.failures == 0 {
                    let error = error.to_string();
                    tracing::error!(region, error, "the region's secrets can't be listed, what was known stays");
                }
                let wait = retry_after(self.failures, self.interval);
                self.failures = self.failures.saturating_add(1);
                wait
            }
        }
    }

    /// All secrets of the region, or an error.
    async fn list(&self) -> Result<InventoryIndexBuilder, CallError> {
        let mut entries = InventoryIndexBuilder::after(self.state.of_region(self.secrets.region()));
        for prefix in outermost(&self.prefixes) {
            let mut each = |record| {
                entries.insert(entry(record));
                ControlFlow::Continue(())
            };
            self.secrets.list(prefix, &mut each).await?;
        }
        Ok(entries)
    }
}

/// Wait after a failure, of which there were `before` in a row already.
fn retry_after(before: u32, interval: Duration) -> Duration {
    FIRST_RETRY.saturating_mul(2_u32.saturating_pow(before.min(16))).min(interval)
}

/// `wait`, a tenth shorter to a tenth longer: replicas that were started together shall not ask together.
fn jittered(wait: Duration, random: u64) -> Duration {
    let tenth = wait / 10;
    let share = u32::try_from(random % 1_001).unwrap_or(0);
    wait - tenth + tenth * 2 * share / 1_000
}

/// The standard library's keys for hashes are random, which is random enough for a wait.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use keystile_policy::Snapshot;
    use keystile_policy::world::{Inventory, InventoryEntry};

    use super::*;
    use crate::world::Surroundings;

    #[test]
    fn waits_are_bounded() {
        let interval = Duration::from_secs(900);
        let waits: Vec<u64> = (0..8).map(|before| retry_after(before, interval).as_secs()).collect();
        assert_eq!(waits, [30, 60, 120, 240, 480, 900, 900, 900]);
        assert_eq!(retry_after(u32::MAX, Duration::from_secs(5)), Duration::from_secs(5));
        let jitter: Vec<u64> = [0, 500, 1_000].map(|random| jittered(interval, random).as_secs()).into();
        assert_eq!(jitter, [810, 900, 990]);
        assert!((0..100).all(|_| (810..=990).contains(&jittered(interval, random()).as_secs())));
    }

    #[test]
    fn what_was_listed_stays_until_it_is_listed_again() {
        let surroundings: SharedSurroundings = Arc::new(Surroundings::from(Snapshot::default()));
        let ask = |region: &str, name: &str| surroundings.world().inventory(None, region, name);
        assert_eq!(ask("eu-west-1", "a"), Inventory::None);
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let regions = ["eu-west-1", "us-east-1"].map(str::to_owned);
        let state = State::new(regions, at(1), &surroundings);
        assert!(matches!(ask("eu-west-1", "a"), Inventory::Unclear { read_at, .. } if read_at == at(1)));
        let listed = |region: &str, names: &[&str], seconds| {
            let entries = names.iter().map(|name| InventoryEntry {
                name: (*name).to_owned(),
                arn: format!("arn:aws:secretsmanager:{region}:111111111111:secret:{name}-AbCdEf"),
                ..InventoryEntry::default()
            });
            Listed::new(entries.collect(), at(seconds))
        };
        state.take("eu-west-1", listed("eu-west-1", &["a"], 2));
        state.take("us-east-1", listed("us-east-1", &["b"], 3));
        assert!(matches!(ask("eu-west-1", "a"), Inventory::Entry { read_at, .. } if read_at == at(2)));
        assert_eq!(ask("us-east-1", "a"), Inventory::Absent { read_at: at(3) });
        state.take("eu-west-1", listed("eu-west-1", &["c"], 4));
        assert_eq!(ask("eu-west-1", "a"), Inventory::Absent { read_at: at(4) });
        assert!(matches!(ask("us-east-1", "b"), Inventory::Entry { read_at, .. } if read_at == at(3)));
    }
}
