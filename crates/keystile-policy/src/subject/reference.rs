//! References of an object to remote secrets and generators, and how an ExternalSecret is read.
//!
//! Shapes, not versions, are read: what any version of the kind has is looked at wherever it stands, so
//! that no version is a way around. Source: External Secrets 2.9.0, apis/externalsecrets/v1 and
//! v1beta1, externalsecret_types.go; v1alpha1 (until 0.16) names keys in `dataFrom` directly.

use serde_json::{Map, Value};

use super::refresh::{Manifest, Refresh, SyncWindows, go_duration};
use super::store::StoreKind;
use super::{Fault, Subject};
use crate::field_path::Path;
use crate::policy::Access;

/// The store that a reference goes through.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreTarget<'o> {
    /// This one.
    Named {
        /// Its kind.
        kind: StoreKind,
        /// Its name.
        name: &'o str,
        /// Where it is named.
        path: Path<'o>,
    },
    /// Every store that has the labels (PushSecret).
    ByLabel {
        /// Their kind.
        kind: StoreKind,
        /// The selector.
        selector: &'o Value,
        /// Where it stands.
        path: Path<'o>,
    },
    /// An AWSProvider of the operator.
    AwsProvider {
        /// Its namespace, where one is written; else the object's own.
        namespace: Option<&'o str>,
        /// Its name.
        name: &'o str,
        /// Where it is named.
        path: Path<'o>,
    },
    /// A kind that there is not.
    UnknownKind {
        /// The kind.
        kind: &'o str,
        /// Where it is named.
        path: Path<'o>,
    },
    /// None is named: the provider is never asked, yet it is not "nothing to check".
    Missing,
}

/// The remote names that a reference means.
#[derive(Clone, Debug, PartialEq)]
pub enum Names<'o> {
    /// One name, as written: `remoteRef.key`, `extract.key`, `remoteKey`.
    Key(&'o str),
    /// All that a search finds (`dataFrom[].find`).
    Find {
        /// `find.path`.
        path: Option<&'o str>,
        /// `find.name.regexp`.
        regexp: Option<&'o str>,
        /// `find.tags`, a map.
        tags: Option<&'o Map<String, Value>>,
    },
    /// Names that are made when it runs (`dataTo` without `remoteKey`).
    MadeAtRunTime,
}

/// One reference to remote secrets.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference<'o> {
    /// Where the names stand: `spec.data[0].remoteRef.key`, `spec.dataFrom[0].find`.
    pub path: Path<'o>,
    /// The store that is asked.
    pub store: StoreTarget<'o>,
    /// What is done.
    pub access: Access,
    /// Which names.
    pub names: Names<'o>,
    /// `remoteRef.property`.
    pub property: Option<&'o str>,
    /// `remoteRef.version`, where one is written.
    pub version: Option<&'o str>,
    /// Whether only tags are read (`metadataPolicy: Fetch`).
    pub reads_metadata: bool,
}

/// A generator that an object uses.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratorRef<'o> {
    /// Where it is named.
    pub path: Path<'o>,
    /// `apiVersion`.
    pub api_version: &'o str,
    /// `kind`.
    pub kind: &'o str,
    /// `name`.
    pub name: &'o str,
}

/// Reads an ExternalSecret.
pub(super) fn read_external_secret<'o>(object: &'o Value, subject: &mut Subject<'o>) {
    read_external_secret_spec(object.get("spec"), &Path::of(&["spec"]), subject);
}

/// Reads the spec of an ExternalSecret, which stands at `base`: an ExternalSecret's own, or the one that
/// a ClusterExternalSecret embeds.
pub fn read_external_secret_spec<'o>(spec: Option<&'o Value>, base: &Path<'o>, subject: &mut Subject<'o>) {
    let Subject { references, generators, faults, refresh, .. } = subject;
    let mut reader = Reader { references, generators, faults };
    let Some(spec) = spec.filter(|spec| !spec.is_null()) else {
        reader.faults.push(Fault { path: base.into(), message: "is missing".to_owned() });
        return;
    };
    let Some(spec) = reader.map(spec, base) else { return };
    let default = match spec.get("secretStoreRef") {
        Some(store) => reader.store_ref(store, base.field("secretStoreRef")),
        None => StoreTarget::Missing,
    };
    let mut found = Refresh {
        path: base.clone(),
        policy: None,
        interval: None,
        is_target_immutable: false,
        manifest: None,
        windows: None,
    };
    for (field, value) in spec {
        let path = base.field(field);
        match field.as_str() {
            "data" => {
                reader.references.reserve(value.as_array().map_or(0, Vec::len));
                reader.list(value, &path, |reader, entry, path| reader.data(entry, &path, &default));
            }
            "dataFrom" => reader.list(value, &path, |reader, entry, path| reader.data_from(entry, &path, &default)),
            "refreshPolicy" => {
                found.policy = reader.text(value, &path);
                if !matches!(found.policy, None | Some("" | "Periodic" | "CreatedOnce" | "OnChange")) {
                    let message = "is none of Periodic, CreatedOnce, OnChange".to_owned();
                    reader.faults.push(Fault { path: path.into(), message });
                }
            }
            "refreshInterval" => {
                found.interval = reader.text(value, &path);
                if found.interval.is_some_and(|text| go_duration(text).is_none()) {
                    let message = "is no duration, as 1h30m is".to_owned();
                    reader.faults.push(Fault { path: path.into(), message });
                }
            }
            "target" => {
                let Some(target) = reader.map(value, &path) else { continue };
                let immutable = target.get("immutable");
                found.is_target_immutable = immutable.is_some_and(|value| reader.flag(value, &path.field("immutable")));
                if let Some(manifest) = target.get("manifest") {
                    let path = path.field("manifest");
                    found.manifest = reader.map(manifest, &path).map(|manifest| {
                        let mut word = |field| {
                            manifest
                                .get(field)
                                .and_then(|value| reader.text_of(value, &path, field))
                                .unwrap_or_default()
                        };
                        Manifest { api_version: word("apiVersion"), kind: word("kind") }
                    });
                }
            }
            "syncWindows" => found.windows = reader.sync_windows(value, &path),
            _ => {}
        }
    }
    *refresh = Some(found);
}

/// Takes values for what they should be; what is something else is a fault. `null` is as if it were
/// not written: so the API server and Go's decoder take it.
pub(super) struct Reader<'s, 'o> {
    pub(super) references: &'s mut Vec<Reference<'o>>,
    pub(super) generators: &'s mut Vec<GeneratorRef<'o>>,
    pub(super) faults: &'s mut Vec<Fault>,
}

impl<'o> Reader<'_, 'o> {
    pub(super) fn wrong(&mut self, value: &Value, path: &Path<'o>, expected: &str) {
        let found = match value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::Array(_) => "a list",
            Value::Object(_) => "a map",
        };
        let cure = match (expected, value) {
            ("text", Value::Number(_) | Value::Bool(_)) => "; put it in quotes",
            _ => "",
        };
        self.faults.push(Fault { path: path.into(), message: format!("is {found}, not {expected}{cure}") });
    }

    pub(super) fn missing(&mut self, path: Path<'o>) {
        self.faults.push(Fault { path: path.into(), message: "is missing".to_owned() });
    }

    pub(super) fn map(&mut self, value: &'o Value, path: &Path<'o>) -> Option<&'o Map<String, Value>> {
        match value {
            Value::Object(map) => Some(map),
            Value::Null => None,
            other => {
                self.wrong(other, path, "a map");
                None
            }
        }
    }

    pub(super) fn text(&mut self, value: &'o Value, path: &Path<'o>) -> Option<&'o str> {
        match value {
            Value::String(text) => Some(text),
            Value::Null => None,
            other => {
                self.wrong(other, path, "text");
                None
            }
        }
    }

    /// The text of `field` at `base`; its path is made only where it is wrong.
    fn text_of(&mut self, value: &'o Value, base: &Path<'o>, field: &'o str) -> Option<&'o str> {
        match value {
            Value::String(text) => Some(text),
            Value::Null => None,
            other => self.text(other, &base.field(field)),
        }
    }

    pub(super) fn flag(&mut self, value: &'o Value, path: &Path<'o>) -> bool {
        match value {
            Value::Bool(flag) => *flag,
            Value::Null => false,
            other => {
                self.wrong(other, path, "true or false");
                false
            }
        }
    }

    pub(super) fn list(
        &mut self,
        value: &'o Value,
        path: &Path<'o>,
        mut each: impl FnMut(&mut Self, &'o Value, Path<'o>),
    ) {
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    each(self, item, path.item(index));
                }
            }
            Value::Null => {}
            other => self.wrong(other, path, "a list"),
        }
    }

    /// `data[]`.
    fn data(&mut self, entry: &'o Value, path: &Path<'o>, default: &StoreTarget<'o>) {
        let Some(entry) = self.item(entry, path) else { return };
        let (mut remote, mut source) = (None, None);
        for (field, value) in entry {
            match field.as_str() {
                "remoteRef" => remote = Some(value),
                "sourceRef" => source = Some(value),
                _ => {}
            }
        }
        // A `sourceRef` without a store ends as a store without a name: the operator passes it on empty.
        let store = match source.filter(|source| !source.is_null()) {
            Some(source) => self.source_ref(source, &path.field("sourceRef")).unwrap_or(StoreTarget::Missing),
            None => default.clone(),
        };
        let remote_path = path.field("remoteRef");
        match remote {
            Some(remote) if !remote.is_null() => self.remote_ref(remote, &remote_path, store),
            _ => self.missing(remote_path),
        }
    }

    /// `dataFrom[]`. The operator takes the first of `find`, `extract` and a generator; each is judged.
    fn data_from(&mut self, entry: &'o Value, path: &Path<'o>, default: &StoreTarget<'o>) {
        let Some(fields) = self.item(entry, path) else { return };
        let store = match fields.get("sourceRef") {
            Some(source) => self.source_ref(source, &path.field("sourceRef")).unwrap_or_else(|| default.clone()),
            None => default.clone(),
        };
        for (field, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            match field.as_str() {
                "extract" => self.remote_ref(value, &path.field("extract"), store.clone()),
                "find" => self.find(value, &path.field("find"), store.clone()),
                // v1alpha1: the fields of `extract` without it.
                "key" => self.remote_ref(entry, path, store.clone()),
                _ => {}
            }
        }
    }

    /// An item of a list, which may not be `null`.
    pub(super) fn item(&mut self, entry: &'o Value, path: &Path<'o>) -> Option<&'o Map<String, Value>> {
        if entry.is_null() {
            self.wrong(entry, path, "a map");
        }
        self.map(entry, path)
    }

    /// `remoteRef` and `extract`.
    fn remote_ref(&mut self, remote: &'o Value, path: &Path<'o>, store: StoreTarget<'o>) {
        let Some(remote) = self.map(remote, path) else { return };
        let (mut key, mut property, mut version, mut metadata) = (None, None, None, None);
        for (field, value) in remote {
            match field.as_str() {
                "key" => key = Some(value),
                "property" => property = self.text_of(value, path, "property"),
                "version" => version = self.text_of(value, path, "version"),
                "metadataPolicy" => metadata = self.text_of(value, path, "metadataPolicy"),
                _ => {}
            }
        }
        let key_path = path.field("key");
        let key = match key {
            Some(Value::String(key)) => key,
            Some(Value::Null) | None => return self.missing(key_path),
            Some(other) => return self.wrong(other, &key_path, "text"),
        };
        self.references.push(Reference {
            path: key_path,
            store,
            access: Access::Read,
            names: Names::Key(key),
            property,
            version,
            reads_metadata: metadata == Some("Fetch"),
        });
    }

    /// `dataFrom[].find`.
    fn find(&mut self, find: &'o Value, path: &Path<'o>, store: StoreTarget<'o>) {
        let Some(find) = self.map(find, path) else { return };
        let (mut below, mut regexp, mut tags) = (None, None, None);
        for (field, value) in find {
            let path = path.field(field);
            match field.as_str() {
                "path" => below = self.text(value, &path),
                "tags" => tags = self.map(value, &path).filter(|tags| !tags.is_empty()),
                "name" => {
                    // The operator reads `name: {}` as the empty expression, which every name matches.
                    regexp = self.map(value, &path).map(|name| {
                        name.get("regexp").and_then(|value| self.text(value, &path.field("regexp"))).unwrap_or("")
                    });
                }
                _ => {}
            }
        }
        for (tag, value) in tags.into_iter().flatten() {
            self.text(value, &path.field("tags").field(tag));
        }
        self.references.push(Reference {
            path: path.clone(),
            store,
            access: Access::Read,
            names: Names::Find { path: below, regexp, tags },
            property: None,
            version: None,
            reads_metadata: false,
        });
    }

    /// `sourceRef`: the store in it, if one is there; a generator is taken down.
    fn source_ref(&mut self, source: &'o Value, path: &Path<'o>) -> Option<StoreTarget<'o>> {
        let mut store = None;
        for (field, value) in self.map(source, path)?.iter().filter(|(_, value)| !value.is_null()) {
            let path = path.field(field);
            match field.as_str() {
                "storeRef" => store = Some(self.store_ref(value, path)),
                "generatorRef" => self.generator_ref(value, path),
                _ => {}
            }
        }
        store
    }

    pub(super) fn generator_ref(&mut self, generator: &'o Value, path: Path<'o>) {
        let Some(fields) = self.map(generator, &path) else { return };
        let (mut api_version, mut kind, mut name) = ("", "", "");
        for (field, value) in fields {
            let slot = match field.as_str() {
                "apiVersion" => &mut api_version,
                "kind" => &mut kind,
                "name" => &mut name,
                _ => continue,
            };
            *slot = self.text_of(value, &path, field).unwrap_or_default();
        }
        self.generators.push(GeneratorRef { path, api_version, kind, name });
    }

    pub(super) fn store_ref(&mut self, store: &'o Value, path: Path<'o>) -> StoreTarget<'o> {
        let Some(fields) = self.map(store, &path) else { return StoreTarget::Missing };
        let (mut kind, mut name) = ("", "");
        for (field, value) in fields {
            let slot = match field.as_str() {
                "kind" => &mut kind,
                "name" => &mut name,
                _ => continue,
            };
            *slot = self.text_of(value, &path, field).unwrap_or_default();
        }
        let kind = match kind {
            "" | "SecretStore" => StoreKind::SecretStore,
            "ClusterSecretStore" => StoreKind::ClusterSecretStore,
            other => return StoreTarget::UnknownKind { kind: other, path },
        };
        match name {
            "" => StoreTarget::Missing,
            name => StoreTarget::Named { kind, name, path },
        }
    }

    fn sync_windows(&mut self, value: &'o Value, path: &Path<'o>) -> Option<SyncWindows<'o>> {
        let fields = self.map(value, path)?;
        let kind_path = path.field("kind");
        let kind = fields.get("kind").and_then(|kind| self.text(kind, &kind_path));
        let is_allow = match kind {
            Some("allow") => true,
            Some("deny") => false,
            _ => {
                self.faults.push(Fault { path: kind_path.into(), message: "is neither allow nor deny".to_owned() });
                return None;
            }
        };
        let mut windows = Vec::new();
        if let Some(list) = fields.get("windows") {
            self.list(list, &path.field("windows"), |reader, window, path| {
                let Some(fields) = reader.item(window, &path) else { return };
                let mut text = |field: &'static str| {
                    fields.get(field).and_then(|value| reader.text(value, &path.field(field))).unwrap_or_default()
                };
                windows.push((text("schedule"), text("duration")));
            });
        }
        Some(SyncWindows { is_allow, windows })
    }
}
