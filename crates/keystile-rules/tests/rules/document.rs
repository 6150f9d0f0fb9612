//! The rule files as they are written, examples included.

use std::fs;
use std::path::{Path, PathBuf};

use keystile_rules::example::Template;
use toml::Table;

/// One file of rules.
pub(crate) struct RuleFile {
    /// Its name without `.toml`.
    pub(crate) subject: String,
    /// Its rules in their order.
    pub(crate) rules: Vec<RuleDocument>,
}

/// One rule as far as the tests and the reference ask.
pub(crate) struct RuleDocument {
    pub(crate) id: String,
    pub(crate) description: String,
    pub(crate) severity: String,
    pub(crate) remedy: String,
    pub(crate) tags: Vec<String>,
    pub(crate) references: Vec<String>,
    /// Examples that the rule must find.
    pub(crate) matching: Vec<Template>,
    /// Examples that it must not find.
    pub(crate) not_matching: Vec<Template>,
    /// Other rules that may find the matching examples too.
    pub(crate) also: Vec<String>,
}

/// A path in the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The names and texts of all files under `rules/`, in their order.
pub(crate) fn texts() -> Vec<(String, String)> {
    let mut texts: Vec<(String, String)> = fs::read_dir(repository("rules"))
        .expect("rules/ is there")
        .map(|entry| entry.expect("rules/ can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| {
            let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a rule file is text"))
        })
        .collect();
    texts.sort();
    texts
}

/// All rules, file by file.
pub(crate) fn files() -> Vec<RuleFile> {
    texts()
        .into_iter()
        .map(|(subject, text)| {
            let table: Table = text.parse().unwrap_or_else(|error| panic!("rules/{subject}.toml: {error}"));
            let rules = table.get("rules").and_then(|rules| rules.as_array()).into_iter().flatten();
            RuleFile {
                rules: rules.map(|rule| read_rule(rule.as_table().expect("a rule is a table"))).collect(),
                subject,
            }
        })
        .filter(|file| !file.rules.is_empty())
        .collect()
}

fn read_rule(table: &Table) -> RuleDocument {
    let text = |key: &str| table.get(key).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    let id = text("id");
    let examples = table.get("examples").and_then(|value| value.as_table());
    let templates = |key: &str| -> Vec<Template> {
        strings(examples.and_then(|examples| examples.get(key)))
            .iter()
            .map(|template| Template::parse(template).unwrap_or_else(|error| panic!("{id}, `{template}`: {error}")))
            .collect()
    };
    RuleDocument {
        description: text("description"),
        severity: text("severity"),
        remedy: text("remedy"),
        tags: strings(table.get("tags")),
        references: strings(table.get("references")),
        matching: templates("match"),
        not_matching: templates("no_match"),
        also: strings(examples.and_then(|examples| examples.get("also"))),
        id,
    }
}

fn strings(value: Option<&toml::Value>) -> Vec<String> {
    value
        .and_then(|value| value.as_array())
        .into_iter()
        .flatten()
        .map(|item| item.as_str().expect("a list of strings").to_owned())
        .collect()
}
