//! The resources that rules look at, as objects.
//!
//! A secret is one object with its rotation and its version in it, wherever in the folder those stand: rules
//! ask whether a secret is rotated, not what a rotation is.

use std::sync::Arc;

use keystile_policy::FieldPath;
use serde_json::{Map, Value};

use super::Resources;
use super::evaluate::{Scope, holds_unknown, spread};
use super::syntax::{Block, Field, FieldValue, Module};
use crate::document::Document;
use crate::files::Gap;
use crate::places::{Place, Places};
use crate::source::{Source, Span};

/// Instances of one resource that are looked at one by one.
const MAX_INSTANCES: usize = 1000;

const SECRET: &str = "aws_secretsmanager_secret";
const ROTATION: &str = "aws_secretsmanager_secret_rotation";
const VERSION: &str = "aws_secretsmanager_secret_version";
const PARAMETER: &str = "aws_ssm_parameter";
const MANIFESTS: [&str; 2] = ["kubernetes_manifest", "kubectl_manifest"];

/// Finds the objects of a module.
pub(super) fn of(module: &Module, found: &mut Resources) {
    let rotations = belonging(module, ROTATION);
    let versions = belonging(module, VERSION);
    let mut matched = vec![false; rotations.len() + versions.len()];
    for block in &module.blocks {
        match (block.kind.as_str(), block.labels.first().map(String::as_str)) {
            ("module", _) => called_module(module, block, found),
            ("resource", Some(SECRET)) => {
                for (scope, instance) in instances(module, block, found) {
                    let mut object = Object::new(&scope, block, SECRET, &instance);
                    let own = object.text("name");
                    for (at, other) in rotations.iter().chain(&versions).enumerate() {
                        if other.is_of(block, own.as_deref()) {
                            matched[at] = true;
                            object.put(if at < rotations.len() { "rotation" } else { "version" }, &scope, other.block);
                        }
                    }
                    object.old_rotation();
                    if !object.value.contains_key("rotation")
                        && let Some(other) = rotations.iter().find(|other| other.target.is_none())
                    {
                        object.unknown("rotation", other);
                    }
                    found.documents.push(object.finish());
                }
            }
            ("resource", Some(PARAMETER)) => {
                for (scope, instance) in instances(module, block, found) {
                    found.documents.push(Object::new(&scope, block, PARAMETER, &instance).finish());
                }
            }
            ("resource", Some(kind)) if MANIFESTS.contains(&kind) => {
                for (scope, _) in instances(module, block, found) {
                    manifest(&scope, block, found);
                }
            }
            _ => {}
        }
    }
    // A version whose secret is elsewhere may hold its value all the same. A rotation of one is judged with the
    // secret, where that is.
    for (other, _) in versions.iter().zip(&matched[rotations.len()..]).filter(|(_, is_matched)| !**is_matched) {
        let label = other.block.labels.get(1).map_or("", String::as_str);
        let mut object = Object::bare(other.block, VERSION, label);
        object.put("version", &Scope::new(module), other.block);
        found.documents.push(object.finish());
    }
}

/// A rotation or version, and the secret that it names.
struct Belonging<'m> {
    block: &'m Block,
    /// `aws_secretsmanager_secret.db`, or the secret's literal name; `None` where that is not known.
    target: Option<Target>,
}

enum Target {
    Label(String),
    Name(String),
}

impl Belonging<'_> {
    fn is_of(&self, secret: &Block, name: Option<&str>) -> bool {
        match &self.target {
            Some(Target::Label(label)) => secret.labels.get(1) == Some(label),
            Some(Target::Name(other)) => name == Some(other),
            None => false,
        }
    }
}

fn belonging<'m>(module: &'m Module, kind: &str) -> Vec<Belonging<'m>> {
    let is_meant = |block: &&Block| block.kind == "resource" && block.labels.first().is_some_and(|label| label == kind);
    module
        .blocks
        .iter()
        .filter(is_meant)
        .map(|block| {
            let text = |name| {
                let value = Scope::new(module).field(field(block, name)?).0;
                value.as_str().map(str::to_owned)
            };
            let target = text("secret_id").and_then(|id| match label_in(&id) {
                Some((label, _)) => Some(Target::Label(label.to_owned())),
                // `for_each = aws_secretsmanager_secret.LABEL`: one for each of its instances.
                None if id.starts_with("${each.value.") => match label_in(&text("for_each")?) {
                    Some((label, "}")) => Some(Target::Label(label.to_owned())),
                    _ => None,
                },
                None if id.contains("${") => None,
                None => Some(Target::Name(id)),
            });
            Belonging { block, target }
        })
        .collect()
}

/// The label of the secret that an expression begins with, and what follows the label.
fn label_in(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("${aws_secretsmanager_secret.")?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').unwrap_or(rest.len());
    Some(rest.split_at(end))
}

fn field<'b>(block: &'b Block, name: &str) -> Option<&'b Field> {
    block.fields.iter().find(|(field, _)| field == name).map(|(_, field)| field)
}

/// The instances of a resource: one, or those of its `count` or `for_each`. Where that is not known, one whose
/// `each` and `count` are not known, and a gap.
fn instances<'m>(module: &'m Module, block: &Block, found: &mut Resources) -> Vec<(Scope<'m>, String)> {
    let address = block.labels.join(".");
    for (name, what) in [("count", "how many there are"), ("for_each", "which there are")] {
        let Some(field) = field(block, name) else { continue };
        let scope = Scope::new(module);
        let (value, places) = scope.field(field);
        let known: Option<Vec<(Scope<'m>, String)>> = match (name, &value) {
            ("count", Value::Number(number)) => {
                number.as_u64().filter(|count| *count <= MAX_INSTANCES as u64).map(|count| {
                    let indexed = |index| (Scope { index: Some(index), ..Scope::new(module) }, format!("[{index}]"));
                    (0..count).map(indexed).collect()
                })
            }
            ("for_each", Value::Object(map)) if map.len() <= MAX_INSTANCES => Some(
                map.iter()
                    .map(|(key, value)| {
                        let each = Some((key.clone(), value.clone()));
                        (Scope { each, ..Scope::new(module) }, format!("[{key:?}]"))
                    })
                    .collect(),
            ),
            ("for_each", Value::Array(items)) if items.len() <= MAX_INSTANCES && !holds_unknown(&value) => items
                .iter()
                .map(|item| {
                    let key = item.as_str()?.to_owned();
                    let label = format!("[{key:?}]");
                    Some((Scope { each: Some((key, item.clone())), ..Scope::new(module) }, label))
                })
                .collect(),
            _ => None,
        };
        return known.unwrap_or_else(|| {
            let text = value.as_str().unwrap_or("…");
            found.gaps.push(gap(
                &field.source,
                places.place().value,
                format!("{name} of {address} is {text}, so {what} is not known; check the plan's values, or give the variable a default"),
            ));
            vec![(Scope::new(module), String::new())]
        });
    }
    vec![(Scope::new(module), String::new())]
}

fn gap(source: &Arc<Source>, span: Span, message: String) -> Gap {
    Gap {
        file: source.name().to_owned(),
        position: Some(source.position(span.start)),
        also: None,
        kind: "unresolved",
        message,
        source: Some((Arc::clone(source), span)),
    }
}

/// A module from elsewhere may make secrets that no file here shows. One from a folder is read as that folder.
fn called_module(module: &Module, block: &Block, found: &mut Resources) {
    let Some(field) = field(block, "source") else { return };
    let (value, places) = Scope::new(module).field(field);
    let from = value.as_str().unwrap_or("");
    let is_local = from.starts_with("./") || from.starts_with("../");
    let speaks_of_secrets = ["secret", "ssm-param", "ssm_param"].iter().any(|word| from.to_lowercase().contains(word));
    if !is_local && speaks_of_secrets {
        let name = block.labels.first().map_or("", String::as_str);
        let message = format!("module {name} comes from elsewhere and may make secrets; check it where it lies");
        found.gaps.push(gap(&field.source, places.place().value, message));
    }
}

/// An object in the making.
struct Object {
    source: Arc<Source>,
    value: Map<String, Value>,
    children: Vec<Places>,
    header: Span,
    elsewhere: Vec<(&'static str, Arc<Source>)>,
}

impl Object {
    fn new(scope: &Scope<'_>, block: &Block, kind: &str, instance: &str) -> Self {
        let label = block.labels.get(1).map_or("", String::as_str);
        let mut object = Self::bare(block, kind, &format!("{label}{instance}"));
        for (name, field) in &block.fields {
            object.add(scope, name, field);
        }
        object
    }

    fn bare(block: &Block, kind: &str, name: &str) -> Self {
        let mut object = Self {
            source: Arc::clone(&block.source),
            value: Map::new(),
            children: Vec::new(),
            header: block.header,
            elsewhere: Vec::new(),
        };
        let header = Place { key: Some(block.header), value: block.header };
        let leaf = Places { place: header, children: Vec::new() };
        object.insert("apiVersion", Value::String("terraform/v1".to_owned()), leaf.clone());
        object.insert("kind", Value::String(kind.to_owned()), leaf.clone());
        let metadata = Map::from_iter([("name".to_owned(), Value::String(name.to_owned()))]);
        object.insert("metadata", Value::Object(metadata), Places { place: header, children: vec![leaf] });
        object
    }

    fn insert(&mut self, name: &str, value: Value, places: Places) {
        if self.value.insert(name.to_owned(), value).is_none() {
            self.children.push(places);
        }
    }

    /// Takes a field in. Nested blocks of one name are a list; one that is `dynamic` is not known.
    fn add(&mut self, scope: &Scope<'_>, name: &str, field: &Field) {
        if matches!(name, "count" | "for_each" | "lifecycle" | "depends_on" | "provider" | "provisioner") {
            return;
        }
        if let Some(name) = name.strip_prefix("dynamic ") {
            let text = format!("${{dynamic {name}}}");
            let places = Places { place: Place { key: Some(field.key), value: field.key }, children: Vec::new() };
            self.insert(name, Value::String(text), places);
            return;
        }
        // `null` is as if it were not written.
        let (value, places) = scope.field(field);
        if value.is_null() {
            return;
        }
        let is_repeated = matches!(field.value, FieldValue::Nested(_)) && name == "replica";
        if !is_repeated {
            self.insert(name, value, places);
            return;
        }
        match self.value.get_mut(name) {
            Some(Value::Array(items)) => {
                items.push(value);
                let index = self.value.keys().position(|field| field == name);
                if let Some(children) = index.and_then(|index| self.children.get_mut(index)) {
                    children.children.push(places);
                }
            }
            Some(_) => {}
            None => {
                let list = Places { place: places.place, children: vec![places] };
                self.insert(name, Value::Array(vec![value]), list);
            }
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        self.value.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    /// Puts another resource's fields below `name`. A value wins over none where there are several.
    fn put(&mut self, name: &'static str, scope: &Scope<'_>, block: &Block) {
        if self.value.contains_key(name) {
            return;
        }
        let (value, mut places) = scope.nested(&block.fields, block.header);
        places.place.key = Some(block.header);
        if !Arc::ptr_eq(&block.source, &self.source) {
            self.elsewhere.push((name, Arc::clone(&block.source)));
        }
        self.insert(name, value, places);
    }

    /// `rotation_rules` in the secret itself: how the provider had it before its version 4.
    fn old_rotation(&mut self) {
        if self.value.contains_key("rotation") || !self.value.contains_key("rotation_rules") {
            return;
        }
        let (mut fields, mut children) = (Map::new(), Vec::new());
        for name in ["rotation_lambda_arn", "rotation_rules"] {
            let index = self.value.keys().position(|field| field == name);
            if let (Some(value), Some(places)) =
                (self.value.get(name), index.and_then(|index| self.children.get(index)))
            {
                fields.insert(name.to_owned(), value.clone());
                children.push(places.clone());
            }
        }
        let place = Place { key: Some(self.header), value: self.header };
        self.insert("rotation", Value::Object(fields), Places { place, children });
    }

    /// A rotation of the folder that names its secret by an expression could be this one's.
    fn unknown(&mut self, name: &'static str, other: &Belonging<'_>) {
        let text = format!("${{{}.secret_id}}", other.block.labels.join("."));
        if !Arc::ptr_eq(&other.block.source, &self.source) {
            self.elsewhere.push((name, Arc::clone(&other.block.source)));
        }
        let place = Place { key: Some(other.block.header), value: other.block.header };
        self.insert(name, Value::String(text), Places { place, children: Vec::new() });
    }

    fn finish(self) -> Document {
        Document {
            source: self.source,
            value: Arc::new(Value::Object(self.value)),
            places: Places { place: Place { key: None, value: self.header }, children: self.children },
            within: FieldPath::default(),
            elsewhere: self.elsewhere,
        }
    }
}

/// What `kubernetes_manifest` applies: the object itself. `kubectl_manifest` has it as text of YAML.
fn manifest(scope: &Scope<'_>, block: &Block, found: &mut Resources) {
    let document = |value: Value, places: Places, source: &Arc<Source>| Document {
        source: Arc::clone(source),
        value: Arc::new(value),
        places,
        within: FieldPath::default(),
        elsewhere: Vec::new(),
    };
    if let Some(field) = field(block, "manifest") {
        match scope.field(field) {
            (value @ Value::Object(_), places) => {
                found.documents.extend(crate::list::objects(document(value, places, &field.source)));
            }
            (value, places) => {
                let message =
                    format!("the manifest is {}, which is not known here", value.as_str().unwrap_or("no map"));
                found.gaps.push(gap(&field.source, places.place().value, message));
            }
        }
    } else if let Some(field) = field(block, "yaml_body") {
        let (value, places) = scope.field(field);
        let text = value.as_str().unwrap_or("");
        if holds_unknown(&value) {
            let message = "the manifest is not known here: it holds expressions".to_owned();
            found.gaps.push(gap(&field.source, places.place().value, message));
            return;
        }
        let inner = Arc::new(Source::new(field.source.name(), text));
        for one in crate::yaml::read(&inner) {
            match one {
                Ok(read) => {
                    let value = Arc::unwrap_or_clone(read.value);
                    // Places within the text are no places of the file: the expression stands for all.
                    let flat = spread(&value, places.place().value);
                    found.documents.extend(crate::list::objects(document(value, flat, &field.source)));
                }
                Err(unreadable) => {
                    found.gaps.push(gap(
                        &field.source,
                        places.place().value,
                        format!("in yaml_body: {}", unreadable.message),
                    ));
                }
            }
        }
    }
}
