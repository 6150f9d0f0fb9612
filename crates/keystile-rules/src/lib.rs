//! keystile's built-in detection rules: the TOML under `rules/`, checked when this crate is built.
//!
//! The files are in gitleaks' format with four keys of our own: `severity`, `remedy`, `references`,
//! and `examples`, the templates that the tests fill in ([`example`]). The build script joins them
//! in the order of their names, refuses whatever a user's configuration would be refused for, and
//! leaves out comments and examples, since the result is parsed at every start.

pub mod example;

/// All built-in rules as one TOML document, in gitleaks' format, without comments and examples.
pub const BUILTIN: &str = include_str!(concat!(env!("OUT_DIR"), "/builtin.toml"));
