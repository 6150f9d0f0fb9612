//! `keystile policy snapshot`: what rules look at of a cluster, without values.
//!
//! There is no Kubernetes client in the command line: kubectl has every way to log in, and the package
//! stays small. What it prints is cut down here to what a world holds.

use std::path::PathBuf;

use anyhow::Context as _;
use keystile_manifest::files::{self, Walk};
use keystile_policy::Kind;
use keystile_policy::kind::{self, Recognised};
use keystile_rotate::consumers::kept;
use serde_json::{Map, Value, json};

use crate::cli::policy::SnapshotArgs;
use crate::exit::{Exit, UsageError};
use crate::terminal;

pub(super) fn run(args: &SnapshotArgs) -> anyhow::Result<Exit> {
    let from = if args.from.is_empty() { vec![PathBuf::from("-")] } else { args.from.clone() };
    let files = files::read_paths(&from, Walk { honour_ignore_files: false });
    if let Some(gap) = files.gaps.first() {
        let place = gap.position.map(|position| format!(":{position}")).unwrap_or_default();
        return Err(UsageError(format!("{}{place}: {}", gap.file, gap.message)).into());
    }
    let mut items: Vec<Value> =
        files.documents.iter().filter_map(|document| kept(&document.value, args.consumers)).collect();
    if files.documents.is_empty() {
        let from: Vec<String> = from.iter().map(|path| path.display().to_string()).collect();
        let from = if from == ["-"] { "standard input".to_owned() } else { from.join(", ") };
        return Err(UsageError(format!(
            "{from}: it is empty, there is no object in it; hand over what `kubectl get -A -o json` prints"
        ))
        .into());
    }
    if items.is_empty() {
        return Err(UsageError(
            "there is nothing in it that a policy looks at; hand over what `kubectl get -A -o json` prints".to_owned(),
        )
        .into());
    }
    items.sort_by_cached_key(|item| {
        let text = |path: &str| item.pointer(path).and_then(Value::as_str).unwrap_or("").to_owned();
        (text("/kind"), text("/metadata/namespace"), text("/metadata/name"))
    });
    let count = items.len();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
    let mut text = serde_json::to_string_pretty(&list).context("while writing the snapshot")?;
    text.push('\n');
    match &args.output {
        Some(path) => {
            crate::atomic_file::replace(path, text.as_bytes())
                .with_context(|| format!("while writing the snapshot to {}", path.display()))?;
            terminal::note(&format!("{count} of {} objects kept in {}", files.documents.len(), path.display()));
        }
        None => crate::commands::scan::hand_over(text.as_bytes(), &crate::scan_request::Destination::StandardOutput)?,
    }
    Ok(Exit::Clean)
}

/// An object cut down to what rules look at, and with `consumers` to who uses which Secret; `None` for one of
/// neither.
fn kept(object: &Value, consumers: bool) -> Option<Value> {
    of_policy(object, consumers).or_else(|| consumers.then(|| kept::without_values(object)).flatten())
}

/// An object cut down to what rules look at; `None` for one that they don't.
fn of_policy(object: &Value, consumers: bool) -> Option<Value> {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or("");
    let (group, version) = text("/apiVersion").split_once('/').unwrap_or(("", text("/apiVersion")));
    let kind = match kind::recognise(group, version, text("/kind")) {
        Recognised::Known(kind) => kind,
        Recognised::Foreign | Recognised::UnknownKind | Recognised::UnknownVersion(_) => return None,
    };
    let mut metadata = Map::new();
    for field in ["name", "namespace", "labels", "deletionTimestamp"] {
        if let Some(value) = object.pointer(&format!("/metadata/{field}")) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    if consumers && let Some(owners) = kept::owner_references(object) {
        metadata.insert("ownerReferences".to_owned(), owners);
    }
    let mut kept = Map::new();
    for field in ["apiVersion", "kind"] {
        kept.insert(field.to_owned(), object.get(field)?.clone());
    }
    kept.insert("metadata".to_owned(), Value::Object(metadata));
    if kind == Kind::Workload || kind == Kind::SecretPolicy {
        return None;
    }
    if kind != Kind::Namespace
        && let Some(spec) = object.get("spec")
    {
        let mut spec = spec.clone();
        without_plaintext(&mut spec);
        kept.insert("spec".to_owned(), spec);
    }
    Some(Value::Object(kept))
}

/// Replaces the values of fields that are made for plaintext.
fn without_plaintext(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if value.is_string() && crate::check::excerpt::is_plaintext_field(name) {
                    *value = Value::String(crate::mask::MASK.to_owned());
                } else {
                    without_plaintext(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(without_plaintext),
        _ => {}
    }
}
