//! The embedded document is the rule files, and the engine can run all of it.

use keystile_rules::BUILTIN;
use keystile_scan::config::{Config, Loader};
use keystile_scan::{ScanOptions, Scanner};

use crate::document::files;

/// The built-in rules as a run without a configuration has them.
pub(crate) fn load() -> Config {
    let refuse = |_: &str| Err("the built-in rules extend nothing".to_owned());
    let loader = Loader { builtin: "", read: &refuse, skip_bad_rules: false, strict: false };
    loader.load("built-in rules", BUILTIN).unwrap_or_else(|errors| panic!("{errors}"))
}

/// A scanner with the built-in rules that no comment in a file can silence.
pub(crate) fn scanner() -> Scanner {
    Scanner::new(load().rules, ScanOptions { inline_allow: false, ..ScanOptions::default() })
}

#[test]
fn embedded_document_has_every_rule() {
    let config = load();
    let documents = files();
    let written: Vec<&str> = documents.iter().flat_map(|file| &file.rules).map(|rule| rule.id.as_str()).collect();
    let loaded: Vec<&str> = config.rules.rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(loaded, written);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn embedded_rules_keep_what_reports_show() {
    let config = load();
    for written in files().iter().flat_map(|file| &file.rules) {
        let loaded = config.rules.get(&written.id).unwrap_or_else(|| panic!("{} is not loaded", written.id));
        assert_eq!(loaded.description, written.description, "{}", written.id);
        assert_eq!(loaded.remedy.as_deref(), Some(written.remedy.as_str()), "{}", written.id);
        assert_eq!(loaded.references, written.references, "{}", written.id);
        assert_eq!(format!("{:?}", loaded.severity).to_lowercase(), written.severity, "{}", written.id);
    }
}

#[test]
fn every_expression_compiles() {
    if let Err(failures) = scanner().check_all() {
        panic!("{failures:#?}");
    }
}
