//! Reads the cases below this folder; README.md says what a case is. A runner for one door includes
//! this file as a module, so it names no type of the engine.

#![allow(dead_code, reason = "each door uses its part of a case")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// A way to have an object judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// The engine, called.
    Engine,
    /// The webhook, over HTTPS.
    Webhook,
    /// `keystile check`.
    Check,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) groups: Vec<String>,
}

/// One object and its verdict.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The file, below this folder: `2a-keys/full-arn.yaml`.
    pub(crate) file: String,
    /// Section and line of the list of threats.
    pub(crate) threat: String,
    /// What the case shows.
    pub(crate) title: String,
    /// Ids of the rules that refuse, sorted.
    pub(crate) deny: Vec<String>,
    /// Ids of the rules that warn, sorted.
    pub(crate) warn: Vec<String>,
    /// What the messages must hold.
    pub(crate) says: Vec<String>,
    pub(crate) doors: Vec<Door>,
    /// `CREATE`, `UPDATE` or `DELETE`.
    pub(crate) operation: String,
    pub(crate) user: User,
    /// Empty for the object itself.
    pub(crate) subresource: String,
    /// The namespace of an object that names none; may be empty.
    pub(crate) namespace: String,
    /// The policy's file.
    pub(crate) policy: PathBuf,
    /// Whether what the world lacks is absent rather than not known.
    pub(crate) is_world_complete: bool,
    /// RFC 3339.
    pub(crate) now: String,
    /// The object; `None` on DELETE.
    pub(crate) object: Option<Value>,
    /// The object as it was.
    pub(crate) old: Option<Value>,
    /// What lies around: world.yaml, and what the case adds to it.
    pub(crate) world: Vec<Value>,
}

impl Case {
    /// Names the case in a failure.
    pub(crate) fn label(&self) -> String {
        format!("{}: {} ({})", self.file, self.title, self.threat)
    }

    /// Whether `door` can show it.
    pub(crate) fn is_for(&self, door: Door) -> bool {
        self.doors.contains(&door)
    }

    /// The object that the case is about, on DELETE the old one.
    pub(crate) fn judged(&self) -> &Value {
        self.object.as_ref().or(self.old.as_ref()).expect("a case without an object was refused when it was read")
    }
}

/// This folder, seen from the root of the workspace.
pub(crate) fn folder(workspace: &Path) -> PathBuf {
    workspace.join("tests/threats")
}

/// Every case, by file. Panics on a file that is not as README.md says, naming it.
pub(crate) fn all(folder: &Path) -> Vec<Case> {
    let world = documents(&folder.join("world.yaml"));
    let mut files = Vec::new();
    for section in entries(folder) {
        if section.is_dir() && section.file_name().is_some_and(|name| name != "policies") {
            files
                .extend(entries(&section).into_iter().filter(|path| path.extension().is_some_and(|end| end == "yaml")));
        }
    }
    files.iter().flat_map(|file| cases(folder, file, &world)).collect()
}

/// The list of threats: `2a full ARN` and so on, each with the tests (`FILE NAME`) that show what no case can.
pub(crate) fn lines(folder: &Path) -> Vec<(String, Vec<String>)> {
    let list = documents(&folder.join("lines.yaml"));
    let sections = list.iter().filter_map(Value::as_object).flatten();
    sections
        .flat_map(|(section, lines)| {
            let lines = lines.as_array().unwrap_or_else(|| panic!("lines.yaml: {section} is no list"));
            lines.iter().map(move |line| match line {
                Value::String(line) => (format!("{section} {line}"), Vec::new()),
                Value::Object(tests) => {
                    let (line, tests) = tests.iter().next().unwrap_or_else(|| panic!("lines.yaml: {section}: {{}}"));
                    let tests = tests.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
                    (format!("{section} {line}"), tests.collect())
                }
                _ => panic!("lines.yaml: {section}: {line}"),
            })
        })
        .collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = read.map(|entry| entry.expect("a folder can be listed").path()).collect();
    paths.sort();
    paths
}

/// The documents of a YAML file, with `%repeat` and `%join` written out.
pub(crate) fn documents(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut documents: Vec<Value> =
        serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    documents.iter_mut().for_each(expand);
    documents
}

fn cases(folder: &Path, file: &Path, world: &[Value]) -> Vec<Case> {
    let name = file.strip_prefix(folder).expect("the file is in the folder").display().to_string();
    let mut bodies: Vec<Map<String, Value>> = Vec::new();
    for document in documents(file) {
        let Value::Object(document) = document else { panic!("{name}: a document is no map") };
        if document.contains_key("case") {
            bodies.push(document);
        } else {
            let body = bodies.last_mut().unwrap_or_else(|| panic!("{name}: does not begin with a case"));
            for (field, value) in document {
                assert!(body.insert(field.clone(), value).is_none(), "{name}: {field} twice in one case");
            }
        }
    }
    assert!(!bodies.is_empty(), "{name}: holds no case");
    bodies.into_iter().map(|body| case(folder, &name, body, world)).collect()
}

fn case(folder: &Path, file: &str, mut body: Map<String, Value>, world: &[Value]) -> Case {
    let Some(Value::Object(mut header)) = body.remove("case") else { panic!("{file}: case is no map") };
    let mut text = |field: &str| match header.remove(field) {
        None => None,
        Some(Value::String(text)) => Some(text),
        Some(_) => panic!("{file}: case.{field} is no string"),
    };
    let title = text("title").unwrap_or_else(|| panic!("{file}: a case without a title"));
    let place = format!("{file}: {title}");
    let threat = text("threat").unwrap_or_else(|| panic!("{place}: no threat"));
    let [operation, subresource, namespace, policy, completeness, now] =
        ["operation", "subresource", "namespace", "policy", "world", "now"].map(text);
    let user = header.remove("user");
    let mut list = |field: &str| -> Vec<String> {
        match header.remove(field) {
            None => Vec::new(),
            Some(Value::Array(items)) => {
                let text = |item: Value| item.as_str().map(str::to_owned);
                items.into_iter().map(|item| text(item).unwrap_or_else(|| panic!("{place}: {field}"))).collect()
            }
            Some(_) => panic!("{place}: case.{field} is no list"),
        }
    };
    let [mut deny, mut warn, says, doors] = ["deny", "warn", "says", "doors"].map(&mut list);
    deny.sort();
    warn.sort();

    let is_webhook_only = body.contains_key("old") || operation.is_some() || user.is_some() || subresource.is_some();
    let doors = match doors.as_slice() {
        [] if is_webhook_only => vec![Door::Engine, Door::Webhook],
        [] => vec![Door::Engine, Door::Webhook, Door::Check],
        named => named
            .iter()
            .map(|door| match door.as_str() {
                "engine" => Door::Engine,
                "webhook" => Door::Webhook,
                "check" => Door::Check,
                other => panic!("{place}: there is no door {other}"),
            })
            .collect(),
    };
    let (object, old) = (body.remove("object"), body.remove("old"));
    let operation = operation.unwrap_or_else(|| match (&object, &old) {
        (Some(_), Some(_)) => "UPDATE".to_owned(),
        (None, Some(_)) => "DELETE".to_owned(),
        _ => "CREATE".to_owned(),
    });
    assert!(object.is_some() || (operation == "DELETE" && old.is_some()), "{place}: no object");
    let is_world_complete = match completeness.as_deref() {
        None | Some("complete") => true,
        Some("partial") => false,
        Some(other) => panic!("{place}: case.world is {other}"),
    };
    let added = match body.remove("world") {
        None => Vec::new(),
        Some(Value::Array(objects)) => objects,
        Some(_) => panic!("{place}: world is no list"),
    };
    if let Some(field) = header.keys().chain(body.keys()).next() {
        panic!("{place}: there is no field {field}");
    }
    Case {
        file: file.to_owned(),
        threat,
        title,
        deny,
        warn,
        says,
        doors,
        operation,
        user: user.map_or_else(tenant, |user| read_user(&place, &user)),
        subresource: subresource.unwrap_or_default(),
        namespace: namespace.unwrap_or_default(),
        policy: folder.join("policies").join(policy.as_deref().unwrap_or("default.yaml")),
        is_world_complete,
        now: now.unwrap_or_else(|| "2026-11-25T12:00:00Z".to_owned()),
        object,
        old,
        world: merged(world, added),
    }
}

fn tenant() -> User {
    User { name: "dev@example.com".to_owned(), groups: vec!["system:authenticated".to_owned()] }
}

fn read_user(place: &str, user: &Value) -> User {
    let name = user.get("name").and_then(Value::as_str).unwrap_or_else(|| panic!("{place}: user.name"));
    let groups = user.get("groups").and_then(Value::as_array).into_iter().flatten();
    User { name: name.to_owned(), groups: groups.filter_map(|group| group.as_str().map(str::to_owned)).collect() }
}

/// The world of world.yaml with `added`, which win.
fn merged(world: &[Value], added: Vec<Value>) -> Vec<Value> {
    let id = |object: &Value| {
        ["/kind", "/metadata/namespace", "/metadata/name"]
            .map(|field| object.pointer(field).and_then(Value::as_str).unwrap_or_default().to_owned())
    };
    let mut objects: BTreeMap<[String; 3], Value> = world.iter().map(|object| (id(object), object.clone())).collect();
    objects.extend(added.into_iter().map(|object| (id(&object), object)));
    objects.into_values().collect()
}

/// Writes out `%repeat(TEXT, COUNT)` and `%join(A, B, …)` in every string of `value`.
fn expand(value: &mut Value) {
    match value {
        Value::String(text) => {
            while let Some((start, end, written)) = next_call(text) {
                text.replace_range(start..end, &written);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(expand),
        Value::Object(fields) => fields.values_mut().for_each(expand),
        _ => {}
    }
}

fn next_call(text: &str) -> Option<(usize, usize, String)> {
    let (start, name) = ["%repeat(", "%join("].iter().find_map(|name| Some((text.find(name)?, *name)))?;
    let arguments = start + name.len();
    let end = arguments + text[arguments..].find(')')?;
    let parts: Vec<&str> = text[arguments..end].split(',').map(str::trim).collect();
    let written = match (name, parts.as_slice()) {
        ("%repeat(", [what, count]) => what.repeat(count.parse().expect("%repeat has a count")),
        ("%repeat(", _) => panic!("%repeat takes a text and a count: {text}"),
        (_, parts) => parts.concat(),
    };
    Some((start, end + 1, written))
}
