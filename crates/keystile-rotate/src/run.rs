//! Carrying a plan out.
//!
//! [`decide`] says what to do next about an item, [`apply`] does it, [`verify`] proves what came of it. Resuming
//! a run that was killed is applying the plan again: what was done is told from the secret's versions. [`look_again`]
//! says what has become of a plan, without doing anything.

mod access_key;
pub mod apply;
pub mod decide;
mod generate;
mod item;
pub mod limits;
mod look;
mod making;
pub mod verify;

pub use apply::{Connected, ItemResult, Run, RunReport};
pub use generate::EXCLUDE_TAG;
pub use limits::Limits;
pub use look::look_again;
pub(crate) use verify::wipe;
