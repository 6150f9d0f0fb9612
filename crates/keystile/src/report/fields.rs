//! The fields of the `json` and `jsonl` formats: the one table from which the schema
//! (`docs/schema/report.schema.json`) and the page for people (`docs/report-fields.md`) are made.
//!
//! A test compares both files with what this makes, and real reports with the table. To write the
//! files anew: `KEYSTILE_UPDATE=1 cargo test -p keystile report::fields`.

use std::fmt::Write as _;

use keystile_verify::{Reason, State};
use serde_json::{Map, Value, json};

use super::coverage::{GAP_KINDS, SKIP_REASONS, gap_kind, skip_reason};
use super::view::PlaceKind;

/// What a field holds.
enum Kind {
    /// Text.
    Text,
    /// A whole number, not negative.
    Count,
    /// A number.
    Number,
    /// Yes or no.
    Flag,
    /// RFC 3339.
    Time,
    /// One of these texts.
    OneOf(Vec<&'static str>),
    /// A list of texts.
    Texts,
    /// The object of that name.
    Object(&'static str),
    /// A list of objects of that name.
    Objects(&'static str),
}

struct Field {
    name: &'static str,
    kind: Kind,
    /// `null` when it is not known or does not apply.
    is_nullable: bool,
    meaning: &'static str,
}

struct Object {
    name: &'static str,
    meaning: &'static str,
    fields: Vec<Field>,
}

const fn field(name: &'static str, kind: Kind, meaning: &'static str) -> Field {
    Field { name, kind, is_nullable: false, meaning }
}

const fn nullable(name: &'static str, kind: Kind, meaning: &'static str) -> Field {
    Field { name, kind, is_nullable: true, meaning }
}

/// Every object of a report, the whole one first.
fn objects() -> Vec<Object> {
    use Kind::{Count, Flag, Number, OneOf, Text, Texts, Time};
    vec![
        Object {
            name: "report",
            meaning: "The whole document.",
            fields: vec![
                field(
                    "schema_version",
                    Count,
                    "1. A field that changes its meaning or goes away makes it 2; new fields do not.",
                ),
                field("tool", Kind::Object("tool"), "What made the report."),
                field("started_at", Time, "When the scan began, UTC."),
                field("finished_at", Time, "When the scan was done, UTC."),
                field("target", Kind::Object("target"), "What was scanned."),
                field(
                    "outcome",
                    OneOf(vec!["clean", "findings", "incomplete"]),
                    "How the run ended. Findings beside gaps are `findings`.",
                ),
                field(
                    "exit_code",
                    Count,
                    "The exit status: 0 clean, 1 findings (or what --exit-code says), 3 incomplete.",
                ),
                field(
                    "redaction",
                    OneOf(vec!["full", "part", "none"]),
                    "How much of the secrets is masked in this report.",
                ),
                field("summary", Kind::Object("summary"), "Numbers."),
                nullable("verification", Kind::Object("verification"), "What issuers said; `null` without --verify."),
                field(
                    "findings",
                    Kind::Objects("finding"),
                    "Worst first. In `jsonl`: one record each, with `\"type\": \"finding\"`.",
                ),
                field("coverage", Kind::Object("coverage"), "What was read and what was not."),
                field(
                    "unused_entries",
                    Kind::Objects("unused_entry"),
                    "Entries of ignore files and baselines that match nothing any more.",
                ),
                field("warnings", Texts, "Anything else that deserves attention."),
            ],
        },
        Object {
            name: "tool",
            meaning: "What made the report.",
            fields: vec![field("name", Text, "`keystile`."), field("version", Text, "Its version.")],
        },
        Object {
            name: "target",
            meaning: "What was scanned.",
            fields: vec![
                field("path", Text, "As the user named it; `-` for standard input."),
                field(
                    "kind",
                    OneOf(vec!["history", "range", "staged", "directory", "standard_input"]),
                    "Which way it was read.",
                ),
                nullable("range", Text, "`BASE..HEAD` as the user wrote it."),
                nullable("remote_url", Text, "The repository's page, without credentials."),
            ],
        },
        Object {
            name: "summary",
            meaning: "Numbers of findings.",
            fields: vec![
                field("findings", Count, "How many are reported."),
                field("occurrences", Count, "In how many places."),
                field("in_head", Count, "How many findings are in HEAD."),
                field("history_only", Count, "How many are not in HEAD (any more)."),
                field("ignored", Count, "How many an ignore file excuses."),
                field("in_baseline", Count, "How many are in the baseline."),
                field("allowed_inline", Count, "How many matches a comment in their line excuses."),
                field(
                    "allowlisted",
                    Count,
                    "How many matches an allowlist excuses for their place: one of a rule by the path, or any by the commit.",
                ),
            ],
        },
        Object {
            name: "finding",
            meaning: "A rule and a secret, once.",
            fields: vec![
                field(
                    "fingerprint",
                    Text,
                    "Keyed digest of rule and secret, 32 hexadecimal digits. Stable under line shifts, renames and squashes.",
                ),
                field("rule_id", Text, "The rule."),
                field("description", Text, "The rule's sentence for people."),
                field("severity", OneOf(vec!["critical", "high", "medium", "low"]), "How bad a leak of this kind is."),
                field("tags", Texts, "The rule's tags."),
                nullable("remedy", Text, "What the rule says to do."),
                field("references", Texts, "Pages to read on."),
                field("secret", Text, "`REDACTED`, or with --reveal the secret."),
                field("entropy", Number, "Of the secret, in bits per character."),
                nullable("in_head", Flag, "Whether it is still in HEAD; `null` where there is no HEAD to ask."),
                nullable("verification", Kind::Object("verdict"), "What its issuer said; `null` without --verify."),
                nullable(
                    "managed",
                    Kind::Objects("holder"),
                    "The managed secrets that hold the value; `null` where that was not looked up (--managed).",
                ),
                field(
                    "occurrences",
                    Kind::Objects("occurrence"),
                    "Every place, oldest introduction first; at least one.",
                ),
            ],
        },
        Object {
            name: "verdict",
            meaning: "What the issuer of a credential said.",
            fields: vec![
                field("state", OneOf(State::ALL.map(State::as_str).to_vec()), "Whether the credential works."),
                field("reason", OneOf(Reason::ALL.map(Reason::as_str).to_vec()), "Why that is known, or is not."),
                nullable("host", Text, "The host that was asked, or would have been."),
            ],
        },
        Object {
            name: "holder",
            meaning: "A managed secret that holds the value.",
            fields: vec![
                field("name", Text, "Its name."),
                field("arn", Text, "Its full name."),
                field("version", Text, "The version that holds it."),
                field("stages", Texts, "The labels of that version; none: an old version."),
                field("pointer", Text, "Where in the secret: a JSON pointer (RFC 6901); empty: the whole."),
            ],
        },
        Object {
            name: "verification",
            meaning: "What issuers said of all findings, those that --only-verified leaves out included.",
            fields: vec![
                field("live", Count, "How many work."),
                field("dead", Count, "How many do not."),
                field("unknown", Count, "Of how many neither is known."),
                field("not_reported", Count, "How many --only-verified leaves out, for not being known as live."),
                field("unknown_reasons", Kind::Objects("unknown_reason"), "Why that is not known."),
            ],
        },
        Object {
            name: "unknown_reason",
            meaning: "Why it is not known of some findings whether they are live.",
            fields: vec![
                field("reason", OneOf(Reason::ALL.map(Reason::as_str).to_vec()), "Why."),
                field("count", Count, "Of how many."),
            ],
        },
        Object {
            name: "occurrence",
            meaning: "A place of a finding.",
            fields: vec![
                field(
                    "kind",
                    OneOf(PlaceKind::ALL.map(PlaceKind::as_str).to_vec()),
                    "Which kind of place. `commit`: this commit's file has the secret and no parent's has it.",
                ),
                nullable(
                    "path",
                    Text,
                    "From the repository's or folder's top, `/` between components; `outer.zip!inner/name` in an archive; `null` for messages and standard input.",
                ),
                nullable("path_encoded", Text, "The path percent-encoded, only if it is not UTF-8."),
                nullable("symlink", Text, "The symbolic link that led there."),
                nullable(
                    "start_line",
                    Count,
                    "Line of the match's first character, from 1; `null` for a rule that looks at paths alone.",
                ),
                nullable("start_column", Count, "Its column in characters, from 1."),
                nullable("end_line", Count, "Line of the match's last character."),
                nullable("end_column", Count, "Its column (inclusive)."),
                field("line", Text, "The line or lines of the match, secrets masked, cut to 400 characters around it."),
                field("match", Text, "What the rule's expression matched, secrets masked, decoded if it was encoded."),
                field(
                    "encodings",
                    Texts,
                    "How the match was encoded, outermost first: `base64`, `hex`, `percent`, `unicode`, `utf-16`.",
                ),
                field("required", Kind::Objects("required"), "The other matches that a composite rule needs."),
                nullable("commit", Kind::Object("commit"), "The commit that introduces it, or whose message it is in."),
                nullable("tag", Text, "The annotated tag whose message it is in."),
                nullable("object", Text, "Id of the object that no reference leads to."),
                nullable("in_head", Flag, "Whether HEAD has the secret at this path."),
                nullable("link", Text, "The line on the hosting site."),
                field(
                    "positional_fingerprint",
                    Text,
                    "gitleaks' fingerprint: `commit:path:rule:line`, or `path:rule:line` outside of commits.",
                ),
            ],
        },
        Object {
            name: "required",
            meaning: "A match that a composite rule needs nearby.",
            fields: vec![
                field("rule_id", Text, "Its rule."),
                nullable("start_line", Count, "Its line."),
                nullable("start_column", Count, "Its column."),
                field("secret", Text, "`REDACTED`, or with --reveal the secret."),
            ],
        },
        Object {
            name: "commit",
            meaning: "A commit.",
            fields: vec![
                field("id", Text, "Hexadecimal object id."),
                field("author_name", Text, "The author."),
                field("author_email", Text, "The author's address."),
                field("author_date", Time, "The author date, by the author's clock."),
                field("message", Text, "The whole message, secrets masked."),
            ],
        },
        Object {
            name: "coverage",
            meaning: "What was in scope and what became of it.",
            fields: vec![
                field("complete", Flag, "Whether everything in scope was read: there are no gaps."),
                field("scanned_anything", Flag, "Whether anything was scanned at all."),
                field("commits", Count, "Commits in scope."),
                field("trees", Count, "Trees among the objects in scope."),
                field("tags", Count, "Annotated tags among the objects in scope."),
                field("blobs", Count, "Distinct blobs in scope, missing ones included."),
                field("blobs_scanned", Count, "Distinct blobs whose content was scanned."),
                field("blob_bytes_scanned", Count, "Their expanded bytes."),
                field("files", Count, "Files in scope outside of the object store."),
                field("files_scanned", Count, "Files whose content was scanned."),
                field("file_bytes_scanned", Count, "Their bytes."),
                field("messages_scanned", Count, "Messages of commits and tags that were scanned."),
                field("archive_entries_scanned", Count, "Entries of archives that were scanned."),
                field("skipped", Kind::Objects("skipped"), "What was left out on purpose, by reason."),
                field("gaps", Kind::Objects("gap"), "What is in scope and could not be read."),
                field("notes", Texts, "Things worth knowing that change nothing."),
            ],
        },
        Object {
            name: "skipped",
            meaning: "What was left out on purpose, for one reason. Does not make a scan incomplete.",
            fields: vec![
                field("reason", OneOf(SKIP_REASONS.map(|reason| skip_reason(reason).0).to_vec()), "Why."),
                field("count", Count, "How many."),
                field("bytes", Count, "How many bytes, where known."),
                field("examples", Texts, "The first few, by path or object id."),
            ],
        },
        Object {
            name: "gap",
            meaning: "Something in scope that could not be read. Makes a scan incomplete.",
            fields: vec![
                field("kind", OneOf(GAP_KINDS.map(|kind| gap_kind(kind).0).to_vec()), "What kind."),
                field("what", Text, "Which: an object id, a reference, a path."),
                field("detail", Text, "What is wrong with it and what would cure it."),
            ],
        },
        Object {
            name: "unused_entry",
            meaning: "An exception that excuses nothing any more.",
            fields: vec![
                field("file", Text, "The ignore file or baseline."),
                nullable("line", Count, "Its line in an ignore file, from 1."),
                field("entry", Text, "The entry itself."),
            ],
        },
    ]
}

/// JSON Schema (draft 2020-12) of the `json` format. It leaves room for fields that come later.
#[must_use]
pub fn schema() -> Value {
    let objects = objects();
    let mut definitions = Map::new();
    for object in &objects {
        let properties: Map<String, Value> =
            object.fields.iter().map(|field| (field.name.to_owned(), property(field))).collect();
        let required: Vec<&str> = object.fields.iter().map(|field| field.name).collect();
        definitions.insert(
            object.name.to_owned(),
            json!({ "type": "object", "description": object.meaning, "required": required, "properties": properties }),
        );
    }
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "keystile report",
        "description": "What `keystile scan --format json` writes. Made from crates/keystile/src/report/fields.rs.",
        "$ref": "#/$defs/report",
    });
    schema["$defs"] = Value::Object(definitions);
    schema
}

fn property(field: &Field) -> Value {
    let mut schema = match &field.kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Count => json!({ "type": "integer", "minimum": 0 }),
        Kind::Number => json!({ "type": "number" }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Time => json!({ "type": "string", "format": "date-time" }),
        Kind::OneOf(values) => json!({ "type": "string", "enum": values }),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Object(name) => json!({ "$ref": format!("#/$defs/{name}") }),
        Kind::Objects(name) => json!({ "type": "array", "items": { "$ref": format!("#/$defs/{name}") } }),
    };
    if field.is_nullable {
        schema = json!({ "anyOf": [schema, { "type": "null" }] });
    }
    schema["description"] = json!(field.meaning);
    schema
}

/// The page for people.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(
        "# Fields of a report\n\n\
         <!-- Made from crates/keystile/src/report/fields.rs; to write it anew: KEYSTILE_UPDATE=1 cargo test -p keystile report::fields -->\n\n\
         What `keystile scan --format json` writes; the schema is [report.schema.json](schema/report.schema.json).\n\
         Names are stable: a field that changes its meaning or goes away raises `schema_version`. No field is ever left out;\n\
         a field marked \"or null\" is `null` when it is not known or does not apply.\n\n\
         `--format jsonl` writes one line per finding (the fields of [finding](#finding) and `\"type\": \"finding\"`), then one with\n\
         everything else of [report](#report) and `\"type\": \"coverage\"`. `--format csv` uses the same names as columns.\n",
    );
    for object in objects() {
        let _ =
            write!(page, "\n## {}\n\n{}\n\n| field | type | meaning |\n|---|---|---|\n", object.name, object.meaning);
        for field in object.fields {
            let kind = match &field.kind {
                Kind::Text => "text".to_owned(),
                Kind::Count => "whole number".to_owned(),
                Kind::Number => "number".to_owned(),
                Kind::Flag => "true or false".to_owned(),
                Kind::Time => "time (RFC 3339)".to_owned(),
                Kind::OneOf(values) => values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", "),
                Kind::Texts => "list of texts".to_owned(),
                Kind::Object(name) => format!("[{name}](#{name})"),
                Kind::Objects(name) => format!("list of [{name}](#{name})"),
            };
            let or_null = if field.is_nullable { ", or null" } else { "" };
            let _ = writeln!(page, "| `{}` | {kind}{or_null} | {} |", field.name, field.meaning);
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::{Format, sample};
    use super::*;

    /// Compares a committed file with what it is made from, or writes it.
    fn check(name: &str, expected: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
        if std::env::var_os("KEYSTILE_UPDATE").is_some() {
            fs::create_dir_all(path.parent().expect("a folder")).expect("docs can be written");
            fs::write(&path, expected).expect("docs can be written");
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == expected,
            "docs/{name} is out of date: KEYSTILE_UPDATE=1 cargo test -p keystile report::fields"
        );
    }

    #[test]
    fn the_committed_schema_is_made_from_this_table() {
        let schema = serde_json::to_string_pretty(&schema()).expect("a schema is JSON");
        check("schema/report.schema.json", &(schema + "\n"));
    }

    #[test]
    fn the_committed_page_is_made_from_this_table() {
        check("report-fields.md", &page());
    }

    /// Every field is in the table, none is missing, each has the type that it says.
    fn conforms(objects: &[Object], name: &str, value: &Value, at: &str) {
        let object = objects.iter().find(|object| object.name == name).expect(name);
        let value = value.as_object().unwrap_or_else(|| panic!("{at} is no object"));
        let expected: Vec<&str> = object.fields.iter().map(|field| field.name).collect();
        let found: Vec<&str> = value.keys().map(String::as_str).collect();
        assert_eq!(found, expected, "the fields of {at}");
        for field in &object.fields {
            let (value, at) = (&value[field.name], format!("{at}.{}", field.name));
            if value.is_null() {
                assert!(field.is_nullable, "{at} is null");
                continue;
            }
            let fits = match &field.kind {
                Kind::Text => value.is_string(),
                Kind::Count => value.is_u64(),
                Kind::Number => value.is_number(),
                Kind::Flag => value.is_boolean(),
                Kind::Time => value.as_str().is_some_and(|time| time.parse::<jiff::Timestamp>().is_ok()),
                Kind::OneOf(values) => value.as_str().is_some_and(|value| values.contains(&value)),
                Kind::Texts => value.as_array().is_some_and(|texts| texts.iter().all(Value::is_string)),
                Kind::Object(name) => {
                    conforms(objects, name, value, &at);
                    true
                }
                Kind::Objects(name) => {
                    let values = value.as_array().unwrap_or_else(|| panic!("{at} is no list"));
                    values.iter().for_each(|value| conforms(objects, name, value, &at));
                    true
                }
            };
            assert!(fits, "{at} is {value}");
        }
    }

    #[test]
    fn real_reports_are_as_the_table_says() {
        let rules = sample::rules();
        for report in [sample::report(&rules), sample::verified(&rules), sample::empty(&rules)] {
            let json: Value = serde_json::from_str(&sample::render(&report, Format::Json)).expect("JSON");
            conforms(&objects(), "report", &json, "report");
        }
    }

    #[test]
    fn jsonl_is_the_same_in_lines() {
        let rules = sample::rules();
        let report = sample::report(&rules);
        let whole: Value = serde_json::from_str(&sample::render(&report, Format::Json)).expect("JSON");
        let text = sample::render(&report, Format::Jsonl);
        let mut records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let mut last = records.pop().expect("a last record");
        assert_eq!(last["type"], "coverage");
        for record in &mut records {
            assert_eq!(record["type"], "finding");
            record.as_object_mut().expect("an object").shift_remove("type");
        }
        last.as_object_mut().expect("an object").shift_remove("type");
        last["findings"] = Value::Array(records);
        assert_eq!(last, whole);
    }
}
