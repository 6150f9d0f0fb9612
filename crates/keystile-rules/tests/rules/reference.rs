//! `docs/rules.md` says what the rules say, and every rule says enough.

use std::fmt::Write as _;
use std::{env, fs};

use crate::document::{RuleDocument, RuleFile, files, repository};

const INTRODUCTION: &str = "\
# Rules

<!-- Made from rules/*.toml by `KEYSTILE_UPDATE=1 cargo test -p keystile-rules`; do not edit. -->

The rules that keystile has built in. Ids are stable; where gitleaks has a rule for the same thing, the id is the
same, so that `disabledRules` and allowlists keep their meaning.

- A project's `.keystile/scan.toml` takes them over with `[extend] useDefault = true`, leaves some out with
  `disabledRules`, and changes one by giving a rule of the same id.
- Rules whose id holds `generic` give way where another rule reports the same secret.
- Placeholders (`changeme`, `${VAR}`, `<password>`, rows of `x`) and the example keys of the makers' manuals are no
  findings: `rules/allowlists.toml` and the allowlists of the rules say which. No path is left out.
- In the examples, what stands in angle brackets is random: `<base62 × 36>` is 36 letters and digits.
";

#[test]
fn reference_is_what_the_rules_say() {
    let expected = render(&files());
    let path = repository("docs/rules.md");
    if env::var_os("KEYSTILE_UPDATE").is_some() {
        fs::create_dir_all(repository("docs")).expect("docs/ can be made");
        fs::write(&path, &expected).expect("docs/rules.md can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let difference = expected.lines().zip(found.lines().chain(std::iter::repeat(""))).find(|(made, kept)| made != kept);
    assert!(
        found == expected,
        "docs/rules.md is out of date ({difference:?}); `KEYSTILE_UPDATE=1 cargo test -p keystile-rules` renews it"
    );
}

#[test]
fn every_rule_says_what_a_report_needs() {
    for rule in files().iter().flat_map(|file| &file.rules) {
        let id = &rule.id;
        let is_kebab_case = id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        assert!(!id.is_empty() && is_kebab_case, "`{id}` is not kebab-case");
        assert!(!rule.description.is_empty() && !rule.description.ends_with('.'), "{id}: description");
        assert!(rule.remedy.ends_with('.') && rule.remedy.len() > 20, "{id}: remedy is a sentence or two");
        assert!(["low", "medium", "high", "critical"].contains(&rule.severity.as_str()), "{id}: severity");
        assert!(!rule.tags.is_empty(), "{id}: tags");
        assert!(!rule.references.is_empty(), "{id}: a source for the format");
        assert!(rule.references.iter().all(|url| url.starts_with("https://")), "{id}: references are https URLs");
        assert!(rule.matching.len() >= 2, "{id}: at least two matching examples");
        assert!(rule.not_matching.len() >= 2, "{id}: at least two examples that must not match");
    }
}

fn render(files: &[RuleFile]) -> String {
    let mut page = String::from(INTRODUCTION);
    let count: usize = files.iter().map(|file| file.rules.len()).sum();
    write!(page, "\n{count} rules.\n").expect("a String takes everything");
    for file in files {
        let mut title = file.subject.replace('-', " ");
        title[..1].make_ascii_uppercase();
        let title = if title == "Ai" { "AI" } else { &title };
        write!(page, "\n## {title}\n\n| id | severity | what | example | tags | more |\n|---|---|---|---|---|---|\n")
            .expect("a String takes everything");
        for rule in &file.rules {
            page.push_str(&row(rule));
        }
    }
    page
}

fn row(rule: &RuleDocument) -> String {
    let links: Vec<String> =
        rule.references.iter().enumerate().map(|(index, url)| format!("[{}]({url})", index + 1)).collect();
    let example = rule.matching.first().map(|example| example.describe()).unwrap_or_default();
    format!(
        "| `{}` | {} | {} | `{}` | {} | {} |\n",
        rule.id,
        rule.severity,
        rule.description,
        example.trim_end().replace('\n', " ⏎ ").replace('|', "\\|"),
        rule.tags.join(", "),
        links.join(" ")
    )
}
