//! The map: which managed secret a leak belongs to, told instead of looked for.
//!
//! It narrows what is read: only the secrets that it names for the leaks at hand. Whether one of them holds the leaked
//! value is decided by comparing values, as ever.

use std::path::Path;

use anyhow::Context as _;
use keystile_rotate::Leak;
use regex::Regex;
use serde::Deserialize;

use crate::exit::UsageError;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Map {
    #[serde(default)]
    secret: Vec<Entry>,
}

/// A secret, and which leaks may be of it: those for which everything that is given holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Its name or ARN.
    name: String,
    /// The leak was found by one of these rules.
    #[serde(default)]
    rules: Vec<String>,
    /// It was found at a path that one of these expressions matches.
    #[serde(default)]
    paths: Vec<String>,
}

/// The secrets that the map at `path` names for any of `leaks`, each once.
///
/// # Errors
/// The file can't be read, or is no map; the error names the line.
pub(super) fn names(path: &Path, leaks: &[Leak]) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("while reading the map {}", path.display()))?;
    let wrong = |error: &dyn std::fmt::Display| {
        UsageError(format!("{} is not a map of leaks to secrets: {error}", path.display()))
    };
    let map: Map = toml::from_str(&text).map_err(|error| wrong(&error))?;
    if map.secret.is_empty() {
        return Err(wrong(&"it names no secret; write [[secret]] with name, rules, paths").into());
    }
    let mut names = Vec::new();
    for entry in &map.secret {
        let paths = entry.paths.iter().map(|path| Regex::new(path));
        let paths = paths.collect::<Result<Vec<_>, _>>().map_err(|error| wrong(&error))?;
        let is_meant = leaks.iter().any(|leak| {
            let at = |path: &Regex| leak.places.iter().any(|place| path.is_match(&place.path));
            (entry.rules.is_empty() || entry.rules.contains(&leak.rule)) && (paths.is_empty() || paths.iter().any(at))
        });
        if is_meant && !names.contains(&entry.name) {
            names.push(entry.name.clone());
        }
    }
    Ok(names)
}
