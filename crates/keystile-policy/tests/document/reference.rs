//! The pages and the schema that are made from the tables say what the tables say.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use keystile_policy::policy::Profile;
use keystile_policy::policy::document::table::{DOCUMENT, Field, Shape, Unsaid};
use keystile_policy::policy::document::{read, schema, words};
use keystile_policy::rules::RULES;
use serde_json::Value;

use crate::{now, shown};

const UPDATE: &str = "`KEYSTILE_UPDATE=1 cargo test -p keystile-policy --test document`";

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Compares a file with what it should be, or writes it.
fn hold(path: &str, expected: &str) {
    let file = repository(path);
    if env::var_os("KEYSTILE_UPDATE").is_some() {
        fs::write(&file, expected).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    let difference = expected.lines().zip(found.lines().chain(std::iter::repeat(""))).find(|(made, kept)| made != kept);
    assert!(found == expected, "{path} is out of date ({difference:?}); {UPDATE} renews it");
}

#[test]
fn the_schema_is_what_the_table_says() {
    let mut text = serde_json::to_string_pretty(&schema::schema()).unwrap();
    text.push('\n');
    hold("docs/schema/secret-policy.schema.json", &text);
}

#[test]
fn the_reference_is_what_the_table_says() {
    let mut page = format!(
        "# The policy document

<!-- Made from crates/keystile-policy/src/policy/document/table.rs by {UPDATE}; do not edit. -->

One YAML document says who a namespace is, which secrets it may name and what must be set. It is read from a file by
`keystile check` and `keystile policy`, and from a file or a `SecretPolicy` object by keystile-webhook. Whatever it does not
say is refused, or has a safe value: the tables below name both. [policy-rules.md](policy-rules.md) lists the rules.

- **By environment.** What is marked so is written once (`maxAge: 90d`) or by environment
  (`maxAge: {{prod: 90d, default: 180d}}`). An environment that the map leaves out is unsaid there. An object that reaches
  every environment (a cluster-scoped one) has the strictest value of all.
- **Durations** are whole numbers with `w`, `d`, `h` or `m`: `90d`, `1d12h`.
- **Names** are compared as the provider will see them, exactly and segment by segment. `{{env}}` and `{{team}}` are filled
  from the binding of the namespace and from nothing else; `*` is one segment, a final `**` one or more. Segments are parted
  by `/` (aws, vault), `_` (gcp) or `.` (kubernetes): characters that no team and no environment can hold. A pattern that
  two teams could both spell (`{{env}}-{{team}}-db`, where `prod-eu` and `prod` are environments) is an error.
- **Grants** only add, and their order never matters.
- **Editors** find the JSON Schema in [schema/secret-policy.schema.json](schema/secret-policy.schema.json).

## Ten lines

```yaml
{TEN_LINES}```

## Everything

```yaml
{EVERYTHING}```
"
    );
    section(&mut page, "", DOCUMENT);
    write!(
        page,
        "\n## Profiles\n\nA profile fills in what the document leaves out, value by value. `keystile policy show --resolved` names the origin\nof each value.\n\n| value | {} |\n|---|{}\n",
        Profile::ALL.map(|profile| format!("`{profile}`")).join(" | "),
        "---|".repeat(Profile::ALL.len())
    )
    .unwrap();
    profiles(&mut page, "", DOCUMENT);
    for (id, action) in Profile::Pci.actions() {
        writeln!(page, "| `rules.{id}` | as the rule | `{}` |", format!("{action:?}").to_lowercase()).unwrap();
    }
    hold("docs/policy-reference.md", &page);
}

/// The examples of the page are read without a problem.
#[test]
fn the_examples_are_policies() {
    for (name, text) in [("ten lines", TEN_LINES), ("everything", EVERYTHING)] {
        let document: Value = serde_saphyr::from_str(text).unwrap();
        match read(&document, now()) {
            Ok((_, problems)) => assert_eq!(shown(&problems), [] as [&str; 0], "{name}"),
            Err(problems) => panic!("{name}: {:#?}", shown(&problems)),
        }
    }
}

const TEN_LINES: &str = include_str!("examples/ten-lines.yaml");
const EVERYTHING: &str = include_str!("examples/everything.yaml");

fn section(page: &mut String, path: &str, fields: &[Field]) {
    let title = if path.is_empty() { "The document".to_owned() } else { format!("`{path}`") };
    let level = if path.matches(['.', '[']).count() == 0 { "##" } else { "###" };
    write!(page, "\n{level} {title}\n\n| field | what is written | meaning | unless said |\n|---|---|---|---|\n")
        .unwrap();
    for field in fields {
        writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            field.name,
            written(&field.shape).replace('|', "\\|"),
            field.meaning,
            unsaid(field)
        )
        .unwrap();
    }
    for field in fields {
        let below = if path.is_empty() { field.name.to_owned() } else { format!("{path}.{}", field.name) };
        match field.shape {
            Shape::Object(fields) if !fields.is_empty() => section(page, &below, fields),
            Shape::Objects(fields) => section(page, &format!("{below}[]"), fields),
            Shape::ObjectByName(_, fields) => section(page, &format!("{below}.NAME"), fields),
            _ => {}
        }
    }
}

fn written(shape: &Shape) -> String {
    match shape {
        Shape::One(syntax) => syntax.describe(),
        Shape::OneByEnv(syntax) => format!("{}, once or by environment", syntax.describe()),
        Shape::List(syntax) => format!("a list: {}", syntax.describe()),
        Shape::ListByEnv(syntax) => format!("a list, once or by environment: {}", syntax.describe()),
        Shape::Object(_) => "fields".to_owned(),
        Shape::Objects(_) => "a list of fields".to_owned(),
        Shape::Anything => "an object of Kubernetes".to_owned(),
        Shape::ObjectByName(key, _) => format!("names with fields; a name is {}", key.describe()),
        Shape::OneByName(key, syntax) => {
            format!(
                "names with values, once or by environment; a name is {}, a value {}",
                key.describe(),
                syntax.describe()
            )
        }
    }
}

fn unsaid(field: &Field) -> String {
    match field.unsaid {
        Unsaid::Refused => "the document is refused".to_owned(),
        Unsaid::Nothing(then) => then.to_owned(),
        Unsaid::Is(text) => format!("`{}`", text.trim_matches('"')),
        Unsaid::Profile { baseline, pci } if baseline == pci => format!("`{}`", baseline.trim_matches('"')),
        Unsaid::Profile { baseline, pci } => {
            format!("`{}`; `{}` in pci", baseline.trim_matches('"'), pci.trim_matches('"'))
        }
    }
}

fn profiles(page: &mut String, path: &str, fields: &[Field]) {
    for field in fields {
        let below = if path.is_empty() { field.name.to_owned() } else { format!("{path}.{}", field.name) };
        if let Unsaid::Profile { baseline, pci } = field.unsaid {
            let below = below.trim_start_matches("spec.");
            writeln!(page, "| `{below}` | `{}` | `{}` |", baseline.trim_matches('"'), pci.trim_matches('"')).unwrap();
        }
        if let Shape::Object(fields) = field.shape {
            profiles(page, &below, fields);
        }
    }
}

#[test]
fn every_value_of_the_table_is_json() {
    fn walk(fields: &[Field]) {
        for field in fields {
            let texts: &[&str] = match &field.unsaid {
                Unsaid::Is(text) => &[text],
                Unsaid::Profile { baseline, pci } => &[baseline, pci],
                Unsaid::Refused | Unsaid::Nothing(_) => &[],
            };
            for text in texts {
                assert!(serde_json::from_str::<Value>(text).is_ok(), "{}: {text}", field.name);
            }
            if let Shape::Object(fields) | Shape::Objects(fields) | Shape::ObjectByName(_, fields) = field.shape {
                walk(fields);
            }
        }
    }
    walk(DOCUMENT);
}

#[test]
fn the_rules_page_is_what_the_rules_say() {
    let mut page = format!(
        "# Rules of the policy

<!-- Made from crates/keystile-policy/src/rules by {UPDATE}; do not edit. -->

What keystile-webhook refuses and `keystile check` reports, in the same words. Ids are stable. A policy says what a broken rule
does: by id, by the group that the id begins with, or for `all` ([policy-reference.md](policy-reference.md)).

| group | refuses | rules |
|---|---|---|
"
    );
    for (group, refuses) in words::GROUPS {
        let rules: Vec<String> = RULES
            .iter()
            .filter(|rule| rule.group() == *group)
            .map(|rule| format!("[`{id}`](#{id})", id = rule.id))
            .collect();
        writeln!(page, "| `{group}` | {refuses} | {} |", rules.join(", ")).unwrap();
    }
    for rule in RULES {
        write!(
            page,
            "\n## {}\n\n{} Default: **{}**.\n\n**Why.** {}\n\n```yaml\n{}\n```\n\n**Instead.** {}\n",
            rule.id,
            rule.summary,
            format!("{:?}", rule.default_action).to_lowercase(),
            rule.why,
            rule.example.trim_end(),
            rule.instead
        )
        .unwrap();
        if !rule.references.is_empty() {
            let references: Vec<String> = rule.references.iter().map(|reference| format!("<{reference}>")).collect();
            write!(page, "\nReferences: {}\n", references.join(", ")).unwrap();
        }
    }
    hold("docs/policy-rules.md", &page);
}
