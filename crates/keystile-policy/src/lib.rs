//! keystile's policy engine: judges one request about an object that points at cloud secrets.
//!
//! The crate is pure: no files, no clock, no network, no threads. Time is in the [`Request`], what
//! lies around the object (namespaces, stores, generators, referring objects, the inventory of managed
//! secrets) is behind [`World`]. So the admission webhook and `keystile check` give the same verdict
//! in the same words.
//!
//! ```text
//! object ─► Subject (references, stores, settings: what the object says, with field paths)
//!              │           World ─► stores ─► effective keys (what the provider will be asked for)
//!              ▼                                 │
//!           rules, one file each  ◄──────────────┘  ◄── Policy (grants, bindings, settings)
//!              │
//!              ▼
//!           violations ─► less those the old object had (UPDATE) ─► actions, exceptions ─► Judgement
//! ```
//!
//! Whatever can't be proved to lie inside the grants of the object's namespace is a violation: there
//! is no case in which an unknown shape passes because no rule spoke about it.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod binding;
pub mod contain;
pub mod context;
pub mod engine;
pub mod fan_out;
pub mod field_path;
mod fields;
pub mod inline;
pub mod inventory;
pub mod judgement;
pub mod kind;
mod live;
pub mod name;
pub mod policy;
pub mod provider;
pub mod request;
pub mod rules;
pub mod schedule;
pub mod selector;
pub mod shown;
pub mod subject;
mod suggest;
pub mod template;
pub mod violation;
pub mod world;

pub use binding::{Binding, Part};
pub use context::Context;
pub use engine::Engine;
pub use field_path::{FieldPath, Path, Step};
pub use judgement::{Action, Judged, Judgement};
pub use kind::Kind;
pub use policy::Policy;
pub use request::{Door, Operation, Request, User};
pub use rules::Rule;
pub use violation::{Outcome, Violation};
pub use world::{Lookup, Query, Snapshot, World};
