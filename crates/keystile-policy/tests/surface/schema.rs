//! Reads custom resource definitions: the fields of each kind, over all of its versions and releases.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// What may stand at a place; lists are their items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Value,
    Free,
    Map(Box<Node>),
    Fields(BTreeMap<String, Node>),
}

impl Node {
    fn of(schema: &Value) -> Self {
        let is_free = schema.get("x-kubernetes-preserve-unknown-fields").and_then(Value::as_bool) == Some(true);
        if let Some(items) = schema.get("items") {
            return Self::of(items);
        }
        if let Some(fields) = schema.get("properties").and_then(Value::as_object) {
            let node = Self::Fields(fields.iter().map(|(name, schema)| (name.clone(), Self::of(schema))).collect());
            return if is_free { Self::Free } else { node };
        }
        match schema.get("additionalProperties") {
            Some(values @ Value::Object(_)) => match Self::of(values) {
                Self::Value | Self::Free => Self::Free,
                values => Self::Map(Box::new(values)),
            },
            Some(Value::Bool(true)) => Self::Free,
            _ if is_free || schema.get("type").and_then(Value::as_str) == Some("object") => Self::Free,
            _ => Self::Value,
        }
    }

    /// What one or the other has.
    pub(crate) fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::Fields(fields), Self::Fields(others)) => {
                for (name, node) in others {
                    match fields.get_mut(&name) {
                        Some(known) => known.merge(node),
                        None => {
                            fields.insert(name, node);
                        }
                    }
                }
            }
            (Self::Map(values), Self::Map(others)) => values.merge(*others),
            (this, other) if *this == other => {}
            // Where two releases differ in kind, nothing is unknown.
            (this, _) => *this = Self::Free,
        }
    }

    /// The places below, as the table of the surface writes them, with whether each holds a value.
    pub(crate) fn leaves(&self, path: &str, out: &mut Vec<String>) {
        match self {
            Self::Value | Self::Free => out.push(path.to_owned()),
            Self::Map(values) => values.leaves(&format!("{path}.*"), out),
            Self::Fields(fields) => {
                for (name, node) in fields {
                    node.leaves(&if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, out);
                }
            }
        }
    }

    /// As `fields.txt` writes it.
    pub(crate) fn written(&self, name: &str) -> String {
        match self {
            Self::Value => name.to_owned(),
            Self::Free => format!("{name}*"),
            Self::Map(values) => format!("{name}<{}>", values.inside()),
            Self::Fields(_) => format!("{name}({})", self.inside()),
        }
    }

    pub(crate) fn inside(&self) -> String {
        match self {
            Self::Fields(fields) => fields.iter().map(|(name, node)| node.written(name)).collect::<Vec<_>>().join(" "),
            Self::Value | Self::Free | Self::Map(_) => String::new(),
        }
    }
}

/// The kinds of every definition in some folders; `metadata`, `status` and the two names left out.
pub(crate) fn kinds(folders: &[PathBuf]) -> BTreeMap<String, Node> {
    let mut kinds: BTreeMap<String, Node> = BTreeMap::new();
    for file in folders.iter().flat_map(|folder| definitions(folder)) {
        let text = fs::read_to_string(&file).expect("a definition can be read");
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).expect("a definition is YAML");
        for definition in &documents {
            let Some(kind) = definition.pointer("/spec/names/kind").and_then(Value::as_str) else { continue };
            for version in definition.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten() {
                let Some(schema) = version.pointer("/schema/openAPIV3Schema") else { continue };
                let Node::Fields(mut fields) = Node::of(schema) else { continue };
                for own in ["apiVersion", "kind", "metadata", "status"] {
                    fields.remove(own);
                }
                let node = Node::Fields(fields);
                match kinds.get_mut(kind) {
                    Some(known) => known.merge(node),
                    None => {
                        kinds.insert(kind.to_owned(), node);
                    }
                }
            }
        }
    }
    kinds
}

fn definitions(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    files.sort();
    files
}
