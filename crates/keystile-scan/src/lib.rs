//! keystile's rule engine: reads rules, finds secrets in bytes, decides what an allowlist excuses.
//!
//! The crate is pure: no files, no clock, no environment, no threads, no randomness. Whoever needs
//! one of them hands it in ([`config::Loader`] takes a function that reads a path, for example).
//!
//! The way of a byte through the engine:
//!
//! ```text
//! content ─► literal search (anchors, keywords) ─► windows ─► regular expression ─► entropy,
//!            allowlists, stop words, inline allows ─► `Match` ─► `Scanner::judge` with path and commit
//!    │                                                                       
//!    └─► decoders (base64, hex, percent, \uXXXX, UTF-16) ─► the same again on the decoded text
//! ```
//!
//! A match is found without knowing where the content lies, since the same blob lies at many paths
//! in many commits; [`Scanner::judge`] then answers for one place.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod config;
pub mod decode;
pub mod engine;
pub mod entropy;
pub mod finding;
pub mod fingerprint;
pub mod position;
pub mod re2;
pub mod rule;
pub mod secret;
pub mod text;
pub mod verification;

pub use engine::{ContentScan, DeltaOp, Match, Place, ScanOptions, Scanner, Scratch, Verdict};
pub use finding::{CommitInfo, Finding, Occurrence, OccurrencePlace};
pub use fingerprint::{Fingerprint, Salt};
pub use position::{Position, Span};
pub use rule::{Allowlist, Rule, RuleId, RuleSet};
pub use secret::SecretBytes;
pub use verification::Verification;
