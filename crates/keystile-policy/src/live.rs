//! What the inventory says of the secrets that an object reads or makes: looked up by effective key, once
//! for each, and only where the inventory is young enough to count.
//!
//! A policy asks for live state by its `inventory` rules (`pci` does), or whoever runs keystile does by
//! handing an inventory in. Where neither is so, nothing is looked up; `inventory-unknown` says what could
//! not be.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::context::{Context, Resolved};
use crate::field_path::Path;
use crate::kind::Kind;
use crate::policy::{Access, Policy};
use crate::provider::EffectiveKey;
use crate::schedule::{ScheduleError, longest_gap};
use crate::subject::Names;
use crate::subject::store::{AwsStore, StoreProvider};
use crate::world::{Inventory, InventoryEntry, Lookup};

const DAY: u64 = 86_400;

/// One secret of AWS Secrets Manager that the object reads or makes.
#[derive(Debug)]
pub struct LiveSecret<'c> {
    /// Where it is named.
    pub path: &'c Path<'c>,
    /// Its effective name; of a search, what is searched for.
    pub name: String,
    /// What is known of it.
    pub answer: Answer,
}

/// What is known of a secret.
#[derive(Debug)]
pub enum Answer {
    /// This, and it is young enough.
    Known(Arc<InventoryEntry>),
    /// There is no inventory.
    NoInventory,
    /// The inventory is of this time, which is too long ago.
    TooOld(Timestamp),
    /// The inventory can't tell; says why.
    Lacking(String),
}

impl LiveSecret<'_> {
    /// What the inventory says, where it counts.
    pub fn known(&self) -> Option<&InventoryEntry> {
        match &self.answer {
            Answer::Known(entry) => Some(entry),
            Answer::NoInventory | Answer::TooOld(_) | Answer::Lacking(_) => None,
        }
    }
}

/// Whether the policy asks for live state even where there is no inventory.
fn is_asked(policy: &Policy) -> bool {
    policy.profile.action("inventory").is_some()
        || policy.actions.keys().any(|id| id == "inventory" || id.starts_with("inventory-"))
}

/// Looks the secrets of an object up.
pub(crate) fn secrets<'c>(context: &Context<'c>) -> Vec<LiveSecret<'c>> {
    let mut secrets = Vec::new();
    let mut seen = BTreeSet::new();
    let is_asked = is_asked(context.policy);
    for resolved in &context.resolved {
        // A secret that is deleted with the object is written by it too.
        if resolved.reference.access == Access::Delete {
            continue;
        }
        let Some(aws) = secrets_manager(resolved) else { continue };
        let (name, found) = match (&resolved.reference.names, &resolved.key) {
            (Names::Key(_), Some(Ok(key))) => look_up(context, aws, key),
            // A key that is no name is another rule's.
            (Names::Key(_), _) => continue,
            _ => match context.world.inventory(aws.account(), &aws.region, "") {
                Inventory::None => (String::new(), Inventory::None),
                Inventory::Entry { read_at, .. }
                | Inventory::Absent { read_at }
                | Inventory::Unclear { read_at, .. } => {
                    let why = "what a search finds is not looked up in the inventory".to_owned();
                    ("a search".to_owned(), Inventory::Unclear { why, read_at })
                }
            },
        };
        if found == Inventory::None && !is_asked {
            return Vec::new();
        }
        if !seen.insert((aws.region.clone(), name.clone())) {
            continue;
        }
        // What the object is about to make need not be there yet; its settings are judged as written.
        let is_made_here = resolved.reference.access == Access::Write && !is_made(context.object);
        if is_made_here && matches!(found, Inventory::Absent { .. }) {
            continue;
        }
        let answer = answer(context, found);
        secrets.push(LiveSecret { path: &resolved.reference.path, name, answer });
    }
    secrets
}

fn secrets_manager<'r>(resolved: &'r Resolved<'_>) -> Option<&'r AwsStore> {
    let Lookup::Found(store) = &resolved.store else { return None };
    match &store.provider {
        StoreProvider::Aws(aws) if &*aws.service == "SecretsManager" => Some(aws),
        _ => None,
    }
}

/// The name that the inventory knows; of the two that an ARN can mean, the one that is there.
fn look_up(context: &Context<'_>, aws: &AwsStore, key: &EffectiveKey<'_>) -> (String, Inventory) {
    let account = key.arn_account.or_else(|| aws.account());
    let mut last = (String::new(), Inventory::None);
    for name in key.names() {
        last = (name.to_owned(), context.world.inventory(account, &aws.region, name));
        if matches!(last.1, Inventory::Entry { .. }) {
            break;
        }
    }
    last
}

/// Whether the operator says that the secret of the object was made.
fn is_made(object: &Value) -> bool {
    object.pointer("/status/arn").and_then(Value::as_str).is_some_and(|arn| !arn.is_empty())
}

fn answer(context: &Context<'_>, found: Inventory) -> Answer {
    let (read_at, answer) = match found {
        Inventory::None => return Answer::NoInventory,
        Inventory::Entry { entry, read_at } => (read_at, Answer::Known(entry)),
        Inventory::Absent { read_at } => (read_at, Answer::Lacking("the inventory does not have it".to_owned())),
        Inventory::Unclear { why, read_at } => (read_at, Answer::Lacking(why)),
    };
    let limit = context.policy.inventory_max_age.strictest(context.env(), |a, b| a.min(b));
    // Without a limit none is young enough.
    let is_young = limit.is_some_and(|limit| age(context, read_at) <= *limit);
    if is_young { answer } else { Answer::TooOld(read_at) }
}

/// The kinds whose secrets are looked up.
pub(crate) const KINDS: &[Kind] = &[
    Kind::ExternalSecret,
    Kind::ClusterExternalSecret,
    Kind::PushSecret,
    Kind::ClusterPushSecret,
    Kind::SecretsManagerSecret,
];

/// How long ago a time was, at the time of the request; nothing for one that lies ahead.
pub(crate) fn age(context: &Context<'_>, time: Timestamp) -> Duration {
    Duration::try_from(context.request.now.duration_since(time)).unwrap_or_default()
}

/// Whole days, rounded up.
pub(crate) fn days(duration: Duration) -> u64 {
    duration.as_secs().div_ceil(DAY)
}

/// The longest time between two rotations by the rules of a live secret; `None` where it has none.
pub(crate) fn longest_gap_of(entry: &InventoryEntry) -> Option<Result<Duration, ScheduleError>> {
    match (&entry.rotation_schedule, entry.rotation_days) {
        (Some(expression), _) => Some(longest_gap(expression)),
        (None, Some(days)) => Some(Ok(Duration::from_secs(u64::from(days) * DAY))),
        (None, None) => None,
    }
}
