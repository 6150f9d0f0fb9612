//! keystile's built-in detection rules: the TOML under `rules/`, checked when this crate is built.

/// All built-in rules as one TOML document, in gitleaks' format.
pub const BUILTIN: &str = "";
