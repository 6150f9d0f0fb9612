//! Reads manifests: text to objects, with the place of every field.
//!
//! ```text
//! files ─► Source (text) ─► yaml, json ─► Document (value, places) ─► list: one document an object
//! ```
//!
//! The objects are those that a cluster would get: YAML's scalars are read as kubectl reads them
//! (YAML 1.1 by way of go-yaml 2 and sigs.k8s.io/yaml), merge keys and aliases are carried out. What
//! can't be read, or what two readers would read differently, is an [`Unreadable`] with its place,
//! never left out in silence. No policy is decided here.

pub mod document;
pub mod files;
pub mod inventory;
pub mod json;
mod lines;
pub mod list;
pub mod places;
pub mod source;
pub mod terraform;

pub mod unreadable;
pub mod yaml;

mod yaml_scalar;

pub use document::{Document, Format, read, read_one};
pub use files::{Files, Gap, Skipped};
pub use keystile_policy::template::{self, Template};
pub use keystile_policy::{FieldPath, Path, Step};
pub use places::{Place, Places};
pub use source::{Position, Source, Span};
pub use unreadable::{Unreadable, Why};
