//! The inventory of managed secrets: names, keys, rotation state, age. Never a value.
//!
//! What a secret manager lists and describes becomes a [`SecretRecord`], the same for every manager. No call
//! of this crate can read or write a secret's value, so that the webhook, which must not be able to, can use
//! it; `keystile-rotate` has the calls that can.

pub mod aws;
pub mod entry;
pub mod error;
pub mod findings;
pub mod listing;
pub mod record;

pub use entry::entry;
pub use error::{CallError, CallErrorKind};
pub use findings::{InventoryFinding, findings};
pub use listing::listing;
pub use record::{Replica, ReplicaState, RotationMeans, SecretArn, SecretRecord, Stage, VersionId};
