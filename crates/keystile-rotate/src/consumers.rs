//! Blast radius: who consumes a secret in the cluster, and who will not pick a new value up by itself.
//!
//! Read-only: objects come from manifests, from a snapshot or from `kubectl get`; nothing is changed, restarted or
//! annotated. What helps is shown as a command.

pub mod found;
pub mod reason;

pub use found::{
    Because, Commands, Consumer, Consumers, How, LookedAt, ObjectName, PickUp, Unaffected, Undecided, Use, Writer,
    Writes,
};
pub use reason::{Effect, Reason};
