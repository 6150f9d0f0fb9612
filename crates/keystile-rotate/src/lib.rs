//! From a leaked value to a proven rotation.
//!
//! A leak (a value that a scan found, held in memory only) is looked for in the managed secrets of allowed
//! prefixes; a [`plan`] says for each hit what is to be done and what speaks against it; a run carries the plan
//! out through a [`backend`], writes a [`journal`] before and after each call that changes something, and ends
//! each item with an [`outcome`] that is proven by comparing values, never by dates.
//!
//! What must never happen: a second new version for one leak (see [`token`]), success while the leaked value is
//! still current, a value or a digest of one in a plan, a journal, a report, a log or an error.

pub mod access_key;
#[cfg(feature = "aws-call")]
mod aws_call;
pub mod backend;
pub mod clock;
pub mod consumers;
pub mod guard;
pub mod index;
pub mod journal;
pub mod leak;
pub mod outcome;
pub mod plan;
pub mod planner;
pub mod report;
pub mod run;
pub mod search;
pub mod strategy;
pub mod token;

pub use access_key::{AccessKeyId, AccessKeys};
pub use backend::SecretBackend;
pub use keystile_inventory::{CallError, CallErrorKind};
pub use leak::{Leak, Place, PlaceKind};
pub use outcome::Outcome;
pub use plan::{PlanItem, RotationPlan};
pub use token::Token;
