//! References of an object to remote secrets and generators.

use serde_json::Value;

use super::Subject;
use super::store::StoreKind;
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
        /// `find.tags`.
        has_tags: bool,
    },
    /// Names that are made when it runs (`dataTo` without `remoteKey`).
    MadeAtRunTime,
}

/// One reference to remote secrets.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference<'o> {
    /// Where the names stand: `spec.data[0].remoteRef.key`.
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

/// Reads an ExternalSecret (or, below `spec.externalSecretSpec`, the spec of one).
pub(super) fn read_external_secret<'o>(object: &'o Value, subject: &mut Subject<'o>) {
    let Some(spec) = object.get("spec").and_then(Value::as_object) else { return };
    let spec_path = Path::of(&["spec"]);
    let default = spec.get("secretStoreRef").map(|store| store_ref(store, spec_path.field("secretStoreRef")));
    for (index, entry) in spec.get("data").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let path = spec_path.field("data").item(index);
        let store = match entry.pointer("/sourceRef/storeRef") {
            Some(own) => store_ref(own, path.fields(&["sourceRef", "storeRef"])),
            None => default.clone().unwrap_or(StoreTarget::Missing),
        };
        let text = |field: &str| entry.get("remoteRef").and_then(|remote| remote.get(field)).and_then(Value::as_str);
        subject.references.push(Reference {
            path: path.fields(&["remoteRef", "key"]),
            store,
            access: Access::Read,
            names: Names::Key(text("key").unwrap_or("")),
            property: text("property"),
            version: text("version"),
            reads_metadata: text("metadataPolicy") == Some("Fetch"),
        });
    }
}

fn store_ref<'o>(store: &'o Value, path: Path<'o>) -> StoreTarget<'o> {
    let text = |field: &str| store.get(field).and_then(Value::as_str).unwrap_or("");
    let kind = match text("kind") {
        "" | "SecretStore" => StoreKind::SecretStore,
        "ClusterSecretStore" => StoreKind::ClusterSecretStore,
        other => return StoreTarget::UnknownKind { kind: other, path },
    };
    match text("name") {
        "" => StoreTarget::Missing,
        name => StoreTarget::Named { kind, name, path },
    }
}
