//! Reading rules from gitleaks' TOML.
//!
//! A file is parsed and read key by key (weakly typed as gitleaks does it), its
//! patterns are translated and checked but not compiled, the file that it extends is read the same
//! way, the two are merged, and what needs the whole is checked last. Every fault is collected with
//! its place, for a pattern the very character inside the string.
//!
//! Source: gitleaks 8.30.1, `config/`. Where it loses settings when it merges files, they are kept
//! here unless [`Loader::strict`] is set; `docs/gitleaks-compatibility.md` lists them.

mod allowlist;
mod document;
mod fields;
mod merge;
mod rule_syntax;
mod session;
mod source;
mod toml_string;
mod verification;

use std::fmt;

use crate::rule::RuleSet;
use session::Session;

/// Where a configuration's other files come from, since this crate reads none.
pub struct Loader<'a> {
    /// The text of keystile's own rules, for `[extend] useDefault = true`.
    pub builtin: &'a str,
    /// Reads the file that `[extend] path` names, which is handed over as written (gitleaks takes it
    /// relative to the working directory); the error is a sentence for people.
    pub read: &'a dyn Fn(&str) -> Result<String, String>,
    /// Keep the rules that are fine when others are not (`--skip-bad-rules`). A rule that overrides
    /// another and is left out leaves the other as it was. Errors outside of rules remain errors.
    pub skip_bad_rules: bool,
    /// Merge extended files exactly as gitleaks 8.30.1 does (`--compat=strict`), its losses included:
    /// a rule that overrides another can set neither `required` nor `skipReport`, and an extended
    /// file's allowlists with `targetRules` are dropped.
    pub strict: bool,
}

/// A configuration that was read.
#[derive(Clone, Default)]
pub struct Config {
    /// What to scan by.
    pub rules: RuleSet,
    /// Unknown keys, deprecated forms, and with `skip_bad_rules` the rules that were left out.
    pub warnings: Vec<Diagnostic>,
    /// `[keystile] salt`: the key of the fingerprints.
    pub salt: Option<String>,
}

impl fmt::Debug for Config {
    /// Without the salt, which is a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("rules", &self.rules)
            .field("warnings", &self.warnings)
            .field("salt", &self.salt.as_ref().map(|_| ".."))
            .finish()
    }
}

/// Something in a configuration, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file as the user named it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong and what cures it, in one sentence.
    pub message: String,
    /// Whether the run must not go on.
    pub is_error: bool,
    /// The message with the lines of the file under it, for a terminal.
    pub rendered: String,
}

/// One or more errors; all of them are reported at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(|diagnostic| format!("{}:{}:{}: {}", diagnostic.file, diagnostic.line, diagnostic.column, diagnostic.message)).collect::<Vec<_>>().join("\n"))]
pub struct ConfigErrors(pub Vec<Diagnostic>);

impl Loader<'_> {
    /// Reads the configuration `text`, called `file` in messages.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with file, line and column.
    pub fn load(&self, file: &str, text: &str) -> Result<Config, ConfigErrors> {
        let mut session = Session::new(self);
        let mut document = document::read(&mut session, file, text);
        let salt = document.salt.take();
        let rules = merge::resolve(&mut session, document);
        let (errors, warnings) = session.into_diagnostics();
        if errors.is_empty() { Ok(Config { rules, warnings, salt }) } else { Err(ConfigErrors(errors)) }
    }
}
