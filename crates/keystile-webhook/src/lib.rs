//! The admission webhook of keystile: takes `AdmissionReview`s over HTTPS, asks the policy and answers.
//!
//! The crate holds everything around the decision and nothing of it. The way of a request:
//!
//! ```text
//! accept ─► TLS ([`tls`]) ─► connection with timeouts ([`server`]) ─► body, bounded ([`limits`])
//!        ─► envelope with its uid, then the object ([`review`]) ─► gate with a deadline ([`limits`])
//!        ─► [`Judge`] ([`guard`]: [`policy`] over [`world`]) ─► answer with the same uid ([`review`])
//! ```
//!
//! Whatever fails on that way ends as a denial that echoes the uid, because the API server takes an
//! answer without it for a failed call, and `failurePolicy: Ignore` would then admit the object.
//! HTTP 400 is left for bodies in which no uid can be read.
//!
//! No content of an object reaches a log line, an error or `Debug` output: [`AdmissionRequest`]
//! prints ids alone, and errors about JSON name a place, never a text.

pub mod audit;
pub mod config;
pub mod guard;
pub mod health;
pub mod judge;
pub mod leader;
pub mod limits;
pub mod metrics;
pub mod policy;
pub mod review;
pub mod server;
pub mod telemetry;
pub mod tls;
pub mod world;

pub use guard::Guard;
pub use health::Health;
pub use judge::{Decision, Judge};
pub use limits::Limits;
pub use metrics::Metrics;
pub use review::AdmissionRequest;
pub use server::Server;
