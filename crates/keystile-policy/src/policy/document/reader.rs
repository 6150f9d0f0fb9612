//! Walks a document by the table: fields, lists, values by environment, what holds where nothing is
//! written. Every problem is kept with its field; every value that holds is kept with its origin.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::table::{Field, Shape, Unsaid};
use super::{Origin, Problem, Resolved};
use crate::field_path::Path;
use crate::policy::{ByEnv, Profile};
use crate::shown::Shown;
use crate::suggest::did_you_mean;

/// What the whole reading knows.
pub(super) struct Reader {
    pub(super) problems: Vec<Problem>,
    pub(super) resolved: Vec<Resolved>,
    pub(super) profile: Profile,
    /// The environments, where the document names them all.
    pub(super) envs: Option<Vec<String>>,
}

/// An object of the document, with the table of its fields.
pub(super) struct Object<'d> {
    map: Option<&'d Map<String, Value>>,
    pub(super) path: Path<'d>,
    fields: &'static [Field],
}

impl<'d> Object<'d> {
    /// An object that is not written: every field is unsaid.
    pub(super) fn unsaid(path: Path<'d>, fields: &'static [Field]) -> Self {
        Self { map: None, path, fields }
    }

    /// What is written in a field.
    pub(super) fn written(&self, name: &str) -> Option<&'d Value> {
        self.map?.get(name)
    }

    /// The path of a field.
    pub(super) fn at(&self, name: &'static str) -> Path<'d> {
        self.path.field(name)
    }

    fn field(&self, name: &str) -> &'static Field {
        self.fields
            .iter()
            .find(|field| field.name == name)
            .unwrap_or_else(|| unreachable!("the table has no field {name}"))
    }
}

impl Reader {
    pub(super) fn new() -> Self {
        Self { problems: Vec::new(), resolved: Vec::new(), profile: Profile::Baseline, envs: None }
    }

    /// Notes an error.
    pub(super) fn error(&mut self, path: &Path<'_>, message: impl Into<String>) {
        self.problems.push(Problem { path: path.into(), is_error: true, message: message.into() });
    }

    /// Notes a warning.
    pub(super) fn warning(&mut self, path: &Path<'_>, message: impl Into<String>) {
        self.problems.push(Problem { path: path.into(), is_error: false, message: message.into() });
    }

    /// Takes a value for an object with these fields: anything else, a field that is not known or one
    /// that is missing is a problem.
    pub(super) fn object<'d>(&mut self, value: &'d Value, path: Path<'d>, fields: &'static [Field]) -> Object<'d> {
        let Value::Object(map) = value else {
            self.error(&path, format!("{} stands where fields are expected: {}", shape_of(value), names(fields)));
            return Object::unsaid(path, fields);
        };
        for name in map.keys() {
            if !fields.iter().any(|field| field.name == name) {
                let near = did_you_mean(name, fields.iter().map(|field| field.name));
                let near = if near.is_empty() { format!("; fields here are {}", names(fields)) } else { near };
                self.error(&path.field(name), format!("there is no field {}{near}", Shown(name)));
            }
        }
        for field in fields {
            if matches!(field.unsaid, Unsaid::Refused) && !map.contains_key(field.name) {
                self.error(&path, format!("{} is missing: {}", field.name, field.meaning));
            }
        }
        Object { map: Some(map), path, fields }
    }

    /// The object in a field, or one in which nothing is written.
    pub(super) fn object_in<'d>(&mut self, object: &Object<'d>, name: &'static str) -> Object<'d> {
        let Shape::Object(fields) = object.field(name).shape else { unreachable!("{name} is an object") };
        match object.written(name) {
            Some(value) => self.object(value, object.at(name), fields),
            None => Object::unsaid(object.at(name), fields),
        }
    }

    /// The objects of a list in a field.
    pub(super) fn objects_in<'d>(&mut self, object: &Object<'d>, name: &'static str) -> Vec<Object<'d>> {
        let Shape::Objects(fields) = object.field(name).shape else { unreachable!("{name} is a list of objects") };
        let Some(value) = object.written(name) else { return Vec::new() };
        let Some(items) = self.items(value, &object.at(name)) else { return Vec::new() };
        items.iter().enumerate().map(|(index, item)| self.object(item, object.at(name).item(index), fields)).collect()
    }

    /// The items of a list of anything in a field.
    pub(super) fn values_in<'d>(&mut self, object: &Object<'d>, name: &'static str) -> Vec<&'d Value> {
        let Some(value) = object.written(name) else { return Vec::new() };
        self.items(value, &object.at(name)).into_iter().flatten().collect()
    }

    /// The names of a field that takes any, each with its value.
    pub(super) fn entries_in<'d>(&mut self, object: &Object<'d>, name: &'static str) -> Vec<(&'d str, &'d Value)> {
        let (Shape::ObjectByName(key, _) | Shape::OneByName(key, _)) = object.field(name).shape else {
            unreachable!("{name} takes names")
        };
        let Some(value) = object.written(name) else { return Vec::new() };
        let Value::Object(map) = value else {
            self.error(&object.at(name), format!("{} stands where names with values are expected", shape_of(value)));
            return Vec::new();
        };
        let mut entries = Vec::new();
        for (entry, value) in map {
            match key.check(entry) {
                Ok(()) => entries.push((entry.as_str(), value)),
                Err(message) => self.error(&object.at(name).field(entry), message),
            }
        }
        entries
    }

    /// One text in a field; what holds where it is not written.
    pub(super) fn text(&mut self, object: &Object<'_>, name: &'static str) -> Option<String> {
        let field = object.field(name);
        let Shape::One(syntax) = field.shape else { unreachable!("{name} is one value") };
        let path = object.at(name);
        match object.written(name) {
            Some(value) => {
                let text = self.scalar(value, &path, syntax)?;
                self.resolve(&path, None, value.clone(), Origin::Document);
                Some(text)
            }
            None => {
                let (value, origin) = self.unsaid(field)?;
                let text = value.as_str().map(str::to_owned);
                self.resolve(&path, None, value, origin);
                text
            }
        }
    }

    /// A list of texts in a field; `None` where nothing is written and nothing holds then.
    pub(super) fn list(&mut self, object: &Object<'_>, name: &'static str) -> Option<Vec<String>> {
        let field = object.field(name);
        let Shape::List(syntax) = field.shape else { unreachable!("{name} is a list") };
        let path = object.at(name);
        let (value, origin) = match object.written(name) {
            Some(value) => (value.clone(), Origin::Document),
            None => self.unsaid(field)?,
        };
        let list = self.texts(&value, &path, syntax)?;
        self.resolve(&path, None, value, origin);
        Some(list)
    }

    /// One value in a field, once or by environment. `read` makes it of its text.
    pub(super) fn one_by_env<T>(
        &mut self,
        object: &Object<'_>,
        name: &'static str,
        mut read: impl FnMut(&mut Self, &Path<'_>, String) -> Option<T>,
    ) -> ByEnv<T> {
        let field = object.field(name);
        let Shape::OneByEnv(syntax) = field.shape else { unreachable!("{name} is one value by environment") };
        self.by_env(object.written(name), &object.at(name), Some(field), |reader, path, value| {
            let text = reader.scalar(value, path, syntax)?;
            read(reader, path, text)
        })
    }

    /// A list in a field, once or by environment. `read` makes an item of its text.
    pub(super) fn list_by_env<T>(
        &mut self,
        object: &Object<'_>,
        name: &'static str,
        mut read: impl FnMut(&mut Self, &Path<'_>, String) -> Option<T>,
    ) -> ByEnv<Vec<T>> {
        let field = object.field(name);
        let Shape::ListByEnv(syntax) = field.shape else { unreachable!("{name} is a list by environment") };
        self.by_env(object.written(name), &object.at(name), Some(field), |reader, path, value| {
            let texts = reader.texts(value, path, syntax)?;
            if texts.is_empty()
                && matches!(field.unsaid, Unsaid::Refused)
                && value.as_array().is_some_and(Vec::is_empty)
            {
                reader.error(path, format!("lists nothing: write {}", syntax.describe()));
            }
            let mut items = Vec::with_capacity(texts.len());
            for (index, text) in texts.into_iter().enumerate() {
                items.extend(read(reader, &path.item(index), text));
            }
            Some(items)
        })
    }

    /// A value, once or by environment. An object is always "by environment": no value is one.
    pub(super) fn by_env<T>(
        &mut self,
        written: Option<&Value>,
        path: &Path<'_>,
        field: Option<&'static Field>,
        mut read: impl FnMut(&mut Self, &Path<'_>, &Value) -> Option<T>,
    ) -> ByEnv<T> {
        let mut unsaid = |reader: &mut Self, env: Option<&str>| {
            let (value, origin) = reader.unsaid(field?)?;
            let read = read(reader, path, &value);
            reader.resolve(path, env, value, origin);
            read
        };
        match written {
            None => unsaid(self, None).map_or_else(ByEnv::default, ByEnv::all),
            Some(Value::Object(map)) => {
                if map.is_empty() {
                    self.error(path, "says nothing: write environments with their values, or leave the field out");
                }
                let missing = match &self.envs {
                    Some(envs) => envs.iter().any(|env| !map.contains_key(env)),
                    None => true,
                } && !map.contains_key("default");
                let otherwise = if missing { unsaid(self, Some("default")) } else { None };
                let (mut values, mut default) = (BTreeMap::new(), otherwise);
                for (env, value) in map {
                    let path = path.field(env);
                    if let Err(message) = self.known_env(env) {
                        self.error(&path, message);
                        continue;
                    }
                    if value.is_object() {
                        self.error(&path, "an environment is named within an environment");
                        continue;
                    }
                    let Some(item) = read(self, &path, value) else { continue };
                    self.resolve(&path, Some(env), value.clone(), Origin::Document);
                    if env == "default" {
                        default = Some(item);
                    } else {
                        values.insert(env.clone(), item);
                    }
                }
                ByEnv::new(values, default)
            }
            Some(value) => match read(self, path, value) {
                Some(item) => {
                    self.resolve(path, None, value.clone(), Origin::Document);
                    ByEnv::all(item)
                }
                None => ByEnv::default(),
            },
        }
    }

    /// Whether `env` is an environment, or `default`.
    ///
    /// # Errors
    ///
    /// That it is none, and the cure.
    pub(super) fn known_env(&self, env: &str) -> Result<(), String> {
        if env == "default" {
            return Ok(());
        }
        match &self.envs {
            Some(envs) if envs.iter().any(|known| known == env) => Ok(()),
            Some(envs) => Err(format!(
                "{} is no environment{}; there are {}, and default",
                Shown(env),
                did_you_mean(env, envs.iter().map(String::as_str).chain(["default"])),
                envs.join(", ")
            )),
            None if super::syntax::is_dns_label(env) => Ok(()),
            None => Err(format!("{} is no environment: environments are DNS labels", Shown(env))),
        }
    }

    /// One text of a form.
    pub(super) fn scalar(&mut self, value: &Value, path: &Path<'_>, syntax: super::syntax::Syntax) -> Option<String> {
        let message = match value {
            Value::String(text) => match syntax.check(text) {
                Ok(()) => return Some(text.clone()),
                Err(message) => message,
            },
            Value::Null => format!("is empty: write {}, or leave the field out", syntax.describe()),
            Value::Number(number) if is_duration(syntax) => {
                format!("{number} has no unit: write {number}d for days, {number}h for hours")
            }
            Value::Number(number) => format!("{number} is a number: write it in quotes, \"{number}\""),
            other => format!("{} stands where {} is expected", shape_of(other), syntax.describe()),
        };
        self.error(path, message);
        None
    }

    /// The texts of a list; `None` where it is no list. Items with errors are left out.
    fn texts(&mut self, value: &Value, path: &Path<'_>, syntax: super::syntax::Syntax) -> Option<Vec<String>> {
        let items = self.items(value, path)?;
        let mut texts: Vec<String> = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = path.item(index);
            let Some(text) = self.scalar(item, &path, syntax) else { continue };
            if texts.contains(&text) {
                self.warning(&path, format!("{} is listed twice", Shown(&text)));
            }
            texts.push(text);
        }
        Some(texts)
    }

    fn items<'v>(&mut self, value: &'v Value, path: &Path<'_>) -> Option<&'v [Value]> {
        match value {
            Value::Array(items) => Some(items),
            Value::Null => {
                self.error(path, "is empty: write a list, or leave the field out");
                None
            }
            other => {
                self.error(path, format!("{} stands where a list is expected: write [ … ]", shape_of(other)));
                None
            }
        }
    }

    /// What holds where a field is not written.
    fn unsaid(&self, field: &Field) -> Option<(Value, Origin)> {
        let (text, origin) = match field.unsaid {
            Unsaid::Refused | Unsaid::Nothing(_) => return None,
            Unsaid::Is(text) => (text, Origin::Default),
            Unsaid::Profile { baseline, pci } => match self.profile {
                Profile::Baseline => (baseline, Origin::Profile(Profile::Baseline)),
                Profile::Pci => (pci, Origin::Profile(Profile::Pci)),
            },
        };
        let value = serde_json::from_str(text).expect("the table's values are JSON, as its test says");
        Some((value, origin))
    }

    fn resolve(&mut self, path: &Path<'_>, env: Option<&str>, value: Value, origin: Origin) {
        self.resolved.push(Resolved { path: path.into(), env: env.map(str::to_owned), value, origin });
    }
}

fn is_duration(syntax: super::syntax::Syntax) -> bool {
    matches!(syntax, super::syntax::Syntax::Duration | super::syntax::Syntax::RecoveryWindow)
}

fn names(fields: &[Field]) -> String {
    fields.iter().map(|field| field.name).collect::<Vec<_>>().join(", ")
}

/// What a value is, as a message says it.
fn shape_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
