//! Reads a map by a table of its fields: what each means, and of what type it is.
//!
//! Stores and generators have dozens of ways to say who they act as. A table that names every field is
//! read once, in one way, and a field that it does not name is told apart from one that is harmless.

use serde_json::{Map, Value};

use super::Fault;
use super::identity::{ObjectRef, ObjectRefKind, Role};
use crate::field_path::Path;

/// What a field means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It says nothing about who is acted as; whoever needs it reads it.
    Plain(Form),
    /// A map that names a Secret (or a ConfigMap that holds credentials).
    Secret,
    /// A map that names a ServiceAccount, whose token is asked for.
    ServiceAccount,
    /// A map that names a Secret or ConfigMap with a certificate authority.
    Authority,
    /// A text that names a role.
    Role,
    /// A list of roles, assumed one after the other.
    Roles,
}

/// The type of a plain field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A text.
    Text,
    /// True or false.
    Flag,
    /// A number.
    Number,
    /// A list of texts.
    Texts,
    /// A map of texts.
    TextByName,
    /// Anything: a part that is not read, or read elsewhere.
    Any,
}

/// One field: its path below the map, with dots, and what it means.
pub(crate) type Row = (&'static str, Meaning);

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Secrets, service accounts and authorities that are named.
    pub(crate) references: Vec<ObjectRef>,
    /// Roles, in the table's words.
    pub(crate) roles: Vec<Role>,
    /// Fields that the table does not name, with their path below the map.
    pub(crate) unknown: Vec<Box<str>>,
}

/// Reads `map`, which stands at `base`, by tables. `null` is as if it were not written.
pub(crate) fn read<'o>(
    map: &'o Map<String, Value>,
    base: &Path<'o>,
    tables: &[&'static [Row]],
    faults: &mut Vec<Fault>,
) -> Found {
    let mut reader = Reader { tables, faults, found: Found::default() };
    reader.map(map, "", base);
    reader.found
}

struct Reader<'r> {
    tables: &'r [&'static [Row]],
    faults: &'r mut Vec<Fault>,
    found: Found,
}

impl Reader<'_> {
    fn rows(&self) -> impl Iterator<Item = &'static Row> {
        self.tables.iter().flat_map(|table| table.iter())
    }

    fn map<'o>(&mut self, map: &'o Map<String, Value>, above: &str, base: &Path<'o>) {
        for (name, value) in map.iter().filter(|(_, value)| !value.is_null()) {
            let field = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
            let path = base.field(name);
            let row = self.rows().find(|(row, _)| *row == field);
            if let Some((row, meaning)) = row {
                self.field(row, *meaning, value, &path);
            } else if self.rows().any(|(row, _)| row.strip_prefix(&*field).is_some_and(|rest| rest.starts_with('.'))) {
                if let Some(map) = self.expect(value.as_object(), value, &path, "a map") {
                    self.map(map, &field, &path);
                }
            } else {
                self.found.unknown.push(field.into());
            }
        }
    }

    fn field<'o>(&mut self, field: &'static str, meaning: Meaning, value: &'o Value, path: &Path<'o>) {
        match meaning {
            Meaning::Plain(form) => self.plain(form, value, path),
            Meaning::Secret => self.object_ref(ObjectRefKind::Secret, field, value, path),
            Meaning::ServiceAccount => self.object_ref(ObjectRefKind::ServiceAccount, field, value, path),
            Meaning::Authority => self.object_ref(ObjectRefKind::Authority, field, value, path),
            Meaning::Role => {
                let role = self.expect(value.as_str(), value, path, "text");
                if let Some(role) = role.filter(|role| !role.is_empty()) {
                    self.found.roles.push(Role { field, index: None, name: role.into() });
                }
            }
            Meaning::Roles => {
                for (index, value) in
                    self.expect(value.as_array(), value, path, "a list").into_iter().flatten().enumerate()
                {
                    if let Some(role) = self.expect(value.as_str(), value, &path.item(index), "text") {
                        let index = u32::try_from(index).ok();
                        self.found.roles.push(Role { field, index, name: role.into() });
                    }
                }
            }
        }
    }

    fn plain<'o>(&mut self, form: Form, value: &'o Value, path: &Path<'o>) {
        match form {
            Form::Any => {}
            Form::Text => drop(self.expect(value.as_str(), value, path, "text")),
            Form::Flag => drop(self.expect(value.as_bool(), value, path, "true or false")),
            Form::Number => drop(self.expect(value.as_i64(), value, path, "a whole number")),
            Form::Texts => {
                for (index, item) in
                    self.expect(value.as_array(), value, path, "a list").into_iter().flatten().enumerate()
                {
                    self.expect(item.as_str(), item, &path.item(index), "text");
                }
            }
            Form::TextByName => {
                for (name, item) in self.expect(value.as_object(), value, path, "a map").into_iter().flatten() {
                    self.expect(item.as_str(), item, &path.field(name), "text");
                }
            }
        }
    }

    fn object_ref<'o>(&mut self, kind: ObjectRefKind, field: &'static str, value: &'o Value, path: &Path<'o>) {
        let Some(map) = self.expect(value.as_object(), value, path, "a map") else { return };
        let (mut name, mut namespace) = ("", None);
        for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
            let path = path.field(key);
            match key.as_str() {
                "name" => name = self.expect(value.as_str(), value, &path, "text").unwrap_or_default(),
                // The empty text is as if it were not written: so the operator takes it.
                "namespace" => {
                    namespace = self.expect(value.as_str(), value, &path, "text").filter(|name| !name.is_empty());
                }
                "key" | "type" => drop(self.expect(value.as_str(), value, &path, "text")),
                "audiences" if kind == ObjectRefKind::ServiceAccount => self.plain(Form::Texts, value, &path),
                _ => self.found.unknown.push(format!("{field}.{key}").into()),
            }
        }
        self.found.references.push(ObjectRef { kind, field, name: name.into(), namespace: namespace.map(Into::into) });
    }

    fn expect<T>(&mut self, found: Option<T>, value: &Value, path: &Path<'_>, expected: &str) -> Option<T> {
        if found.is_none() {
            self.faults.push(Fault::wrong(value, path, expected));
        }
        found
    }
}
