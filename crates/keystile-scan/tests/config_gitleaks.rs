//! gitleaks' own default configuration, which is not ours to keep here: `tests/assets` installs it, in
//! the folder that `KEYSTILE_ASSETS` names. Without it the tests say that they are left out, and with
//! `CI=true` that is a failure.

use std::io::Write as _;

use keystile_scan::config::Loader;
use keystile_scan::re2;
use regex_automata::meta::Regex;

/// gitleaks 8.30.1 has this many rules.
const RULES: usize = 222;

fn load() -> Option<keystile_scan::config::Config> {
    let assets = std::env::var_os("KEYSTILE_ASSETS").map(std::path::PathBuf::from);
    let Some(path) = assets.map(|folder| folder.join("gitleaks.toml")).filter(|path| path.exists()) else {
        let is_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(!is_ci, "gitleaks.toml is not among the test assets: tests/assets installs it");
        // Not `eprintln!`: the runner would swallow it.
        let _ = writeln!(std::io::stderr(), "LEFT OUT: gitleaks.toml is missing: run the tests with tests/run");
        return None;
    };
    let text = std::fs::read_to_string(path).expect("the configuration can be read");
    let loader = Loader { builtin: "", read: &|_| Err("not asked for".into()), skip_bad_rules: false, strict: true };
    let config = loader.load("gitleaks.toml", &text).unwrap_or_else(|errors| panic!("{errors}"));
    Some(config)
}

#[test]
fn every_rule_of_gitleaks_loads_and_compiles() {
    let Some(config) = load() else { return };
    assert_eq!(config.rules.rules.len(), RULES);
    let warnings: Vec<_> = config.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(warnings, ["`[allowlist]` is deprecated, write `[[allowlists]]`"]);
    let patterns = config.rules.rules.iter().flat_map(|rule| {
        let lists = rule.allowlists.iter().flat_map(|list| list.paths.iter().chain(&list.regexes));
        rule.regex.iter().chain(&rule.path).chain(lists)
    });
    let global = config.rules.allowlists.iter().flat_map(|list| list.paths.iter().chain(&list.regexes));
    for pattern in patterns.chain(global) {
        Regex::builder()
            .syntax(re2::syntax_config())
            .configure(Regex::config().utf8_empty(false).nfa_size_limit(Some(re2::NFA_SIZE_LIMIT)))
            .build(&pattern.translated)
            .unwrap_or_else(|error| panic!("{}: {error}", pattern.source));
    }
    for list in config.rules.allowlists.iter().chain(config.rules.rules.iter().flat_map(|rule| &rule.allowlists)) {
        for patterns in [&list.paths, &list.regexes] {
            re2::join_for_strict(patterns).expect("gitleaks joins them");
        }
    }
}
