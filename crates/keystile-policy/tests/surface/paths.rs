//! Every place of the definitions that can hold a value is classified: `surface.txt` says how it is judged,
//! or why it is harmless. `docs/policy-surface.md` is made from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::{env, fs};

use keystile_policy::policy::document::words;
use keystile_policy::rules::RULES;

use crate::{fields, folders, repository};

const TABLE: &str = "crates/keystile-policy/tests/surface/surface.txt";
const PAGE: &str = "docs/policy-surface.md";

/// A line of the table: a pattern of places, and how they are judged.
struct Line {
    kinds: Vec<String>,
    pattern: String,
    judged: String,
}

fn lines() -> Vec<Line> {
    let text = fs::read_to_string(repository(TABLE)).expect("the table is there");
    let mut kinds = Vec::new();
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        if let Some(names) = line.strip_suffix(':') {
            kinds = names.split(", ").map(str::to_owned).collect();
            continue;
        }
        let (pattern, judged) = line.split_once(" | ").unwrap_or_else(|| panic!("{TABLE}: {line}"));
        assert!(!kinds.is_empty() && !judged.trim().is_empty(), "{TABLE}: {line}");
        lines.push(Line { kinds: kinds.clone(), pattern: pattern.trim().to_owned(), judged: judged.trim().to_owned() });
    }
    lines
}

/// Whether a pattern is about a place: `*` is one step, a final `**` one or more, `{a,b}` one of these.
fn fits(pattern: &str, place: &str) -> bool {
    let place: Vec<&str> = place.split('.').collect();
    let steps: Vec<&str> = pattern.split('.').collect();
    let (steps, is_open) = match steps.split_last() {
        Some((&"**", rest)) => (rest, true),
        _ => (&steps[..], false),
    };
    let is_step = |pattern: &str, step: &str| match pattern.strip_prefix('{').and_then(|names| names.strip_suffix('}'))
    {
        Some(names) => names.split(',').any(|name| name == step),
        None => pattern == "*" || pattern == step,
    };
    (if is_open { place.len() > steps.len() } else { place.len() == steps.len() })
        && steps.iter().zip(&place).all(|(pattern, step)| is_step(pattern, step))
}

#[test]
fn patterns_are_of_places() {
    for (pattern, place, expected) in [
        ("spec.data.remoteRef.key", "spec.data.remoteRef.key", true),
        ("spec.data.remoteRef.*", "spec.data.remoteRef.key", true),
        ("spec.data.remoteRef.{key,version}", "spec.data.remoteRef.version", true),
        ("spec.data.remoteRef.{key,version}", "spec.data.remoteRef.property", false),
        ("spec.target.**", "spec.target.template.data", true),
        ("spec.target.**", "spec.target", false),
        ("spec.data.*", "spec.data.remoteRef.key", false),
    ] {
        assert_eq!(fits(pattern, place), expected, "{pattern} {place}");
    }
}

#[test]
fn every_place_is_classified_and_every_line_is_of_a_place() {
    let folders = folders();
    if folders.is_empty() {
        return;
    }
    let lines = lines();
    let mut unclassified = Vec::new();
    let mut used = BTreeSet::new();
    let kinds = fields::of_definitions(&folders);
    for (kind, node) in &kinds {
        let mut places = Vec::new();
        node.leaves("", &mut places);
        for place in places {
            let mut is_classified = false;
            for (nth, line) in lines.iter().enumerate() {
                if line.kinds.contains(kind) && fits(&line.pattern, &place) {
                    is_classified = true;
                    used.insert(nth);
                    break;
                }
            }
            if !is_classified {
                unclassified.push(format!("{kind} {place}"));
            }
        }
    }
    assert!(
        unclassified.is_empty(),
        "{TABLE} says nothing of {} places: how are they judged, or why are they harmless?\n{}",
        unclassified.len(),
        unclassified.join("\n")
    );
    // A line may be of one release alone, or of a kind whose definition is not at hand.
    if env::var_os("KEYSTILE_CRDS").is_some() {
        let stale: Vec<&str> = lines
            .iter()
            .enumerate()
            .filter(|(nth, line)| !used.contains(nth) && line.kinds.iter().all(|kind| kinds.contains_key(kind)))
            .map(|(_, line)| &*line.pattern)
            .collect();
        assert!(stale.is_empty(), "{TABLE}: no place is as {stale:?}");
    }
}

#[test]
fn the_rules_that_the_table_names_are_there() {
    let groups = || words::GROUPS.iter().map(|(group, _)| format!("{group}-"));
    for line in lines() {
        for name in line.judged.split('`').skip(1).step_by(2).filter(|name| name.contains('-')) {
            let is_known = RULES.iter().any(|rule| rule.id == name) || groups().any(|group| group == name);
            assert!(is_known, "{TABLE}: there is no rule or group {name} ({})", line.pattern);
        }
    }
}

#[test]
fn the_page_is_what_the_table_says() {
    let mut page = format!(
        "# What of an object is judged

<!-- Made from {TABLE} by `KEYSTILE_UPDATE=1 cargo test -p keystile-policy --test surface`; do not edit. -->

Each field of the judged kinds, over all supported releases (External Secrets 1.3.2 and 2.9.0, infra-operator-aws bf53ff5), and
the rules that look at it, or why none has to. `*` stands for one field, `**` for all below, lists for their items. A field that a
definition gains and that is not here fails the project's tests.
"
    );
    let mut sections: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    let mut order = Vec::new();
    for line in lines() {
        let title = line.kinds.join(", ");
        if !order.contains(&title) {
            order.push(title.clone());
        }
        sections.entry(title).or_default().push(line);
    }
    for title in order {
        let _ = write!(page, "\n## {title}\n\n| field | judged by |\n|---|---|\n");
        for line in &sections[&title] {
            let _ = writeln!(page, "| `{}` | {} |", line.pattern, line.judged);
        }
    }
    if env::var_os("KEYSTILE_UPDATE").is_some() {
        fs::write(repository(PAGE), &page).expect("the page can be written");
    }
    let kept = fs::read_to_string(repository(PAGE)).unwrap_or_default();
    assert!(
        kept == page,
        "{PAGE} is out of date; `KEYSTILE_UPDATE=1 cargo test -p keystile-policy --test surface` renews it"
    );
}
