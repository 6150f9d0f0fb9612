//! How a PushSecret is read: what it writes and destroys remotely, and with which settings.
//!
//! Source: External Secrets 2.9.0, apis/externalsecrets/v1alpha1/pushsecret_types.go and
//! pkg/controllers/pushsecret/pushsecret_controller.go: every entry of `data` goes to every store of
//! `secretStoreRefs`; there a `labelSelector` wins over a name, in `dataTo[].storeRef` a name does. With
//! `deletionPolicy: Delete` the operator destroys what `status.syncedPushSecrets` lists and the spec no
//! longer has. It goes on pushing while the object is terminating, so nothing here asks for that.

use serde_json::{Map, Value};

use super::managed::{Maker, ManagedSecret, Placed, Replica, Setting};
use super::push_metadata::{self, MetadataFault, Settings};
use super::reference::{Names, Reader, Reference, StoreTarget};
use super::store::{AwsStore, StoreKind, StoreProvider};
use super::{Fault, Subject};
use crate::field_path::Path;
use crate::policy::Access;
use crate::selector::Selector;
use crate::world::{Lookup, World};

/// Entries times stores that are looked at; more can't be judged in the time of a request.
const MOST_REFERENCES: usize = 10_000;

/// What a PushSecret says beside its references.
#[derive(Debug, Default)]
pub struct Push<'o> {
    /// `secretStoreRefs`.
    pub stores: Vec<StoreTarget<'o>>,
    /// `data` and `dataTo`.
    pub entries: Vec<Entry<'o>>,
    /// Whether `deletionPolicy` is `Delete`.
    pub deletes: bool,
    /// `selector.secret`.
    pub source: Option<Source<'o>>,
}

/// The Secret that is pushed.
#[derive(Debug, PartialEq)]
pub enum Source<'o> {
    /// By its name.
    Named(&'o str, Path<'o>),
    /// Every Secret of the namespace that has the labels.
    Selected(Path<'o>),
}

/// An entry of `data` or `dataTo`.
#[derive(Debug)]
pub struct Entry<'o> {
    /// Where it stands.
    pub path: Path<'o>,
    /// The remote name; `None` = names are made when it runs.
    pub remote_key: Option<(&'o str, Path<'o>)>,
    /// `dataTo[].storeRef`; `None` = every store of `secretStoreRefs`.
    pub store: Option<StoreTarget<'o>>,
    /// `metadata`, read.
    pub metadata: Result<Settings<'o>, Vec<MetadataFault<'o>>>,
    /// Where `metadata` stands, or would.
    pub metadata_path: Path<'o>,
}

impl<'o> Push<'o> {
    /// The stores that an entry goes to.
    pub fn targets<'p>(&'p self, entry: &'p Entry<'o>) -> &'p [StoreTarget<'o>] {
        match &entry.store {
            Some(store) => std::slice::from_ref(store),
            None => &self.stores,
        }
    }
}

/// Reads a PushSecret's spec, which stands at `base`: its own, or the one that a ClusterPushSecret embeds.
pub fn read_spec<'o>(spec: Option<&'o Value>, base: &Path<'o>, subject: &mut Subject<'o>) {
    let Subject { references, generators, faults, .. } = subject;
    let mut reader = Reader { references, generators, faults };
    let Some(spec) = spec.filter(|spec| !spec.is_null()) else { return reader.missing(base.clone()) };
    let Some(spec) = reader.map(spec, base) else { return };
    let mut push = Push::default();
    for (field, value) in spec {
        let path = base.field(field);
        match field.as_str() {
            "secretStoreRefs" => reader.list(value, &path, |reader, store, path| {
                push.stores.push(store_target(reader, store, path, true));
            }),
            "deletionPolicy" => match reader.text(value, &path) {
                None | Some("" | "None") => {}
                Some("Delete") => push.deletes = true,
                Some(_) => {
                    reader.faults.push(Fault { path: path.into(), message: "is neither Delete nor None".to_owned() })
                }
            },
            "updatePolicy" => match reader.text(value, &path) {
                None | Some("" | "Replace" | "IfNotExists") => {}
                Some(_) => reader
                    .faults
                    .push(Fault { path: path.into(), message: "is neither Replace nor IfNotExists".to_owned() }),
            },
            "selector" => push.source = source(&mut reader, value, &path),
            "data" => reader.list(value, &path, |reader, entry, path| {
                push.entries.extend(data(reader, entry, &path));
            }),
            "dataTo" => reader.list(value, &path, |reader, entry, path| {
                push.entries.extend(data_to(reader, entry, &path));
            }),
            _ => {}
        }
    }
    if push.stores.is_empty() && push.entries.iter().any(|entry| entry.store.is_none()) {
        push.stores.push(StoreTarget::Missing);
    }
    let accesses: &[Access] = if push.deletes { &[Access::Write, Access::Delete] } else { &[Access::Write] };
    let count: usize = push.entries.iter().map(|entry| push.targets(entry).len().saturating_mul(accesses.len())).sum();
    if count > MOST_REFERENCES {
        let message =
            format!("has {count} writes (entries times stores), more than the {MOST_REFERENCES} that are judged");
        reader.faults.push(Fault { path: base.into(), message });
        push.entries.clear();
    }
    for entry in &push.entries {
        for store in push.targets(entry) {
            for access in accesses {
                let (names, path) = match &entry.remote_key {
                    Some((key, path)) => (Names::Key(key), path),
                    None => (Names::MadeAtRunTime, &entry.path),
                };
                reader.references.push(reference(path.clone(), store.clone(), *access, names));
            }
        }
    }
    subject.push = Some(Box::new(push));
}

/// Reads what the status says was pushed. With `deletionPolicy: Delete` the operator destroys it, as soon
/// as the spec doesn't have it any more or the object is deleted.
pub fn read_synced<'o>(object: &'o Value, subject: &mut Subject<'o>) {
    if object.pointer("/spec/deletionPolicy").and_then(Value::as_str) != Some("Delete") {
        return;
    }
    let base = Path::of(&["status", "syncedPushSecrets"]);
    let Some(stores) = object.pointer("/status/syncedPushSecrets").and_then(Value::as_object) else { return };
    for (store, entries) in stores {
        let path = base.field(store);
        let target = match store.split_once('/') {
            Some(("ClusterSecretStore", name)) => {
                StoreTarget::Named { kind: StoreKind::ClusterSecretStore, name, path: path.clone() }
            }
            Some(("SecretStore", name)) => {
                StoreTarget::Named { kind: StoreKind::SecretStore, name, path: path.clone() }
            }
            _ => StoreTarget::UnknownKind { kind: store, path: path.clone() },
        };
        for (entry, value) in entries.as_object().into_iter().flatten() {
            if subject.references.len() > 2 * MOST_REFERENCES {
                let message = format!("lists more than the {MOST_REFERENCES} writes that are judged");
                subject.faults.push(Fault { path: base.into(), message });
                return;
            }
            let path = path.field(entry).fields(&["match", "remoteRef", "remoteKey"]);
            match value.pointer("/match/remoteRef/remoteKey").and_then(Value::as_str) {
                Some(key) => {
                    subject.references.push(reference(path, target.clone(), Access::Delete, Names::Key(key)));
                }
                None => subject.faults.push(Fault { path: path.into(), message: "is missing".to_owned() }),
            }
        }
    }
}

fn reference<'o>(path: Path<'o>, store: StoreTarget<'o>, access: Access, names: Names<'o>) -> Reference<'o> {
    Reference { path, store, access, names, property: None, version: None, reads_metadata: false }
}

/// A store by name or labels; `labels_win` where both are written.
fn store_target<'o>(
    reader: &mut Reader<'_, 'o>,
    store: &'o Value,
    path: Path<'o>,
    labels_win: bool,
) -> StoreTarget<'o> {
    let Some(fields) = reader.item(store, &path) else { return StoreTarget::Missing };
    let selector = fields.get("labelSelector").filter(|selector| !selector.is_null());
    let named = reader.store_ref(store, path.clone());
    let Some(selector) = selector.filter(|_| labels_win || matches!(named, StoreTarget::Missing)) else { return named };
    let path = path.field("labelSelector");
    if let Err(message) = Selector::parse(selector) {
        reader.faults.push(Fault { path: (&path).into(), message });
    }
    let kind = match fields.get("kind").and_then(Value::as_str) {
        None | Some("" | "SecretStore") => StoreKind::SecretStore,
        Some("ClusterSecretStore") => StoreKind::ClusterSecretStore,
        Some(kind) => return StoreTarget::UnknownKind { kind, path },
    };
    StoreTarget::ByLabel { kind, selector, path }
}

fn source<'o>(reader: &mut Reader<'_, 'o>, value: &'o Value, path: &Path<'o>) -> Option<Source<'o>> {
    let mut found = None;
    for (field, value) in reader.map(value, path)?.iter().filter(|(_, value)| !value.is_null()) {
        let path = path.field(field);
        match field.as_str() {
            "generatorRef" => reader.generator_ref(value, path),
            "secret" => {
                let fields = reader.map(value, &path)?;
                let name_path = path.field("name");
                let name = fields.get("name").and_then(|name| reader.text(name, &name_path)).unwrap_or_default();
                found = Some(if name.is_empty() {
                    Source::Selected(path.field("selector"))
                } else {
                    Source::Named(name, name_path)
                });
            }
            _ => {}
        }
    }
    found
}

fn data<'o>(reader: &mut Reader<'_, 'o>, entry: &'o Value, path: &Path<'o>) -> Option<Entry<'o>> {
    let fields = reader.item(entry, path)?;
    let match_path = path.field("match");
    let remote_path = match_path.field("remoteRef");
    let key_path = remote_path.field("remoteKey");
    let remote = fields.get("match").and_then(|value| reader.map(value, &match_path)).and_then(|fields| {
        let remote = fields.get("remoteRef")?;
        reader.map(remote, &remote_path)
    });
    let key = remote.and_then(|remote| remote.get("remoteKey")).filter(|key| !key.is_null());
    let Some(key) = key else {
        reader.missing(key_path);
        return None;
    };
    let key = reader.text(key, &key_path)?;
    Some(entry_of(fields, path, Some((key, key_path)), None))
}

fn data_to<'o>(reader: &mut Reader<'_, 'o>, entry: &'o Value, path: &Path<'o>) -> Option<Entry<'o>> {
    let fields = reader.item(entry, path)?;
    let store_path = path.field("storeRef");
    let store = match fields.get("storeRef").filter(|store| !store.is_null()) {
        Some(store) => store_target(reader, store, store_path, false),
        None => {
            reader.missing(store_path);
            StoreTarget::Missing
        }
    };
    let key_path = path.field("remoteKey");
    let key = fields.get("remoteKey").and_then(|key| reader.text(key, &key_path)).filter(|key| !key.is_empty());
    Some(entry_of(fields, path, key.map(|key| (key, key_path)), Some(store)))
}

fn entry_of<'o>(
    fields: &'o Map<String, Value>,
    path: &Path<'o>,
    remote_key: Option<(&'o str, Path<'o>)>,
    store: Option<StoreTarget<'o>>,
) -> Entry<'o> {
    let metadata_path = path.field("metadata");
    let metadata = fields.get("metadata").filter(|metadata| !metadata.is_null());
    let metadata = push_metadata::read(metadata, &metadata_path);
    Entry { path: path.clone(), remote_key, store, metadata, metadata_path }
}

/// Adds to the subject the secrets of AWS that its entries make. What a setting means depends on the
/// store, so they are known only here, where the stores are.
pub(crate) fn add_managed(subject: &mut Subject<'_>, namespace: &str, world: &dyn World) {
    let Subject { push: Some(push), managed, .. } = subject else { return };
    let store = |target: &StoreTarget<'_>| match target {
        StoreTarget::Named { kind, name, .. } => match world.store(*kind, namespace, name) {
            Lookup::Found(store) => Some(store),
            Lookup::Absent | Lookup::Unknown => None,
        },
        _ => None,
    };
    let all: Vec<_> = push.stores.iter().filter_map(store).collect();
    for entry in &push.entries {
        let Ok(settings) = &entry.metadata else { continue };
        let own: Option<Vec<_>> = entry.store.as_ref().map(|target| store(target).into_iter().collect());
        for store in own.as_ref().unwrap_or(&all) {
            if let StoreProvider::Aws(aws) = &store.provider {
                managed.extend(managed_secret(entry, settings, aws));
            }
        }
    }
}

fn managed_secret<'o>(entry: &Entry<'o>, settings: &Settings<'o>, store: &AwsStore) -> Option<ManagedSecret<'o>> {
    let (maker, key_field) = match &*store.service {
        "SecretsManager" => (Maker::PushedSecret, "kmsKeyId"),
        "ParameterStore" => (Maker::PushedParameter, "kmsKeyID"),
        _ => return None,
    };
    let name = match &entry.remote_key {
        Some((key, path)) => Placed { path: path.clone(), setting: Setting::Is([&*store.prefix, key].concat().into()) },
        None => {
            Placed { path: entry.path.clone(), setting: Setting::Undecidable("it is made when it runs".to_owned()) }
        }
    };
    let kms_key = match settings.text(key_field) {
        Some((path, key)) => Placed { path, setting: Setting::Is(key.into()) },
        None => Placed { path: settings.path.field(key_field), setting: Setting::Absent },
    };
    let mut replicas = Vec::new();
    if maker == Maker::PushedSecret
        && let Some(locations) = settings.get("replicationLocations")
    {
        for (index, region) in locations.value.as_array().into_iter().flatten().enumerate() {
            if let Some(region) = region.as_str() {
                // The operator hands the same key to every replica.
                replicas.push(Replica {
                    path: locations.path.item(index),
                    region: Setting::Is(region.into()),
                    kms_key: kms_key.setting.clone(),
                });
            }
        }
    }
    let tags = match settings.get("tags") {
        Some(tags) => Placed {
            path: tags.path,
            setting: Setting::Is(tags.value.as_object().into_iter().flatten().map(|(tag, _)| tag.into()).collect()),
        },
        None => Placed { path: settings.path.field("tags"), setting: Setting::Absent },
    };
    Some(ManagedSecret {
        maker,
        name,
        region: Setting::Is(store.region.to_string().into()),
        kms_key,
        replicas,
        rotation: None,
        deletion: None,
        tags: Some(tags),
        inline_value: None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(object: &Value) -> Subject<'_> {
        let mut subject = Subject::default();
        read_spec(object.get("spec"), &Path::of(&["spec"]), &mut subject);
        read_synced(object, &mut subject);
        subject
    }

    fn shown(subject: &Subject<'_>) -> Vec<String> {
        let store = |target: &StoreTarget<'_>| match target {
            StoreTarget::Named { kind, name, .. } => format!("{} {name}", kind.as_str()),
            StoreTarget::ByLabel { kind, .. } => format!("{} by label", kind.as_str()),
            StoreTarget::UnknownKind { kind, .. } => format!("unknown {kind}"),
            _ => "missing".to_owned(),
        };
        let names = |names: &Names<'_>| match names {
            Names::Key(key) => (*key).to_owned(),
            _ => "made".to_owned(),
        };
        let show = |r: &Reference<'_>| format!("{} {:?} {} in {}", r.path, r.access, names(&r.names), store(&r.store));
        subject.references.iter().map(show).collect()
    }

    #[test]
    fn every_entry_goes_to_every_store() {
        let object = json!({"spec": {
            "secretStoreRefs": [
                {"name": "own"},
                {"kind": "ClusterSecretStore", "name": "aws", "labelSelector": {}},
            ],
            "deletionPolicy": "Delete",
            "data": [{"match": {"secretKey": "p", "remoteRef": {"remoteKey": "/x"}}}],
            "dataTo": [
                {"storeRef": {"name": "own", "labelSelector": {}}, "remoteKey": "/y"},
                {"storeRef": {"name": "own"}},
            ],
        }});
        let subject = read(&object);
        assert_eq!(subject.faults, []);
        assert_eq!(
            shown(&subject),
            [
                "spec.data[0].match.remoteRef.remoteKey Write /x in SecretStore own",
                "spec.data[0].match.remoteRef.remoteKey Delete /x in SecretStore own",
                "spec.data[0].match.remoteRef.remoteKey Write /x in ClusterSecretStore by label",
                "spec.data[0].match.remoteRef.remoteKey Delete /x in ClusterSecretStore by label",
                "spec.dataTo[0].remoteKey Write /y in SecretStore own",
                "spec.dataTo[0].remoteKey Delete /y in SecretStore own",
                "spec.dataTo[1] Write made in SecretStore own",
                "spec.dataTo[1] Delete made in SecretStore own",
            ]
        );
    }

    #[test]
    fn what_the_status_lists_is_destroyed_with_the_policy_delete_alone() {
        let mut object = json!({
            "spec": {"secretStoreRefs": [], "deletionPolicy": "Delete"},
            "status": {"syncedPushSecrets": {"ClusterSecretStore/aws": {"/x/p": {"match": {"remoteRef": {"remoteKey": "/x", "property": "p"}}}}}},
        });
        assert_eq!(
            shown(&read(&object)),
            [
                r#"status.syncedPushSecrets["ClusterSecretStore/aws"]["/x/p"].match.remoteRef.remoteKey Delete /x in ClusterSecretStore aws"#
            ]
        );
        object["spec"]["deletionPolicy"] = json!("None");
        assert_eq!(shown(&read(&object)), Vec::<String>::new());
    }

    #[test]
    fn what_can_not_be_read_is_a_fault() {
        for (spec, fault) in [
            (json!(null), "spec is missing"),
            (json!({"data": {}}), "spec.data is a map, not a list"),
            (json!({"data": [null]}), "spec.data[0] is nothing, not a map"),
            (json!({"data": [{}]}), "spec.data[0].match.remoteRef.remoteKey is missing"),
            (
                json!({"data": [{"match": {"remoteRef": {"remoteKey": 1}}}]}),
                "spec.data[0].match.remoteRef.remoteKey is a number, not text; put it in quotes",
            ),
            (json!({"dataTo": [{}]}), "spec.dataTo[0].storeRef is missing"),
            (json!({"deletionPolicy": "delete"}), "spec.deletionPolicy is neither Delete nor None"),
            (json!({"updatePolicy": "Merge"}), "spec.updatePolicy is neither Replace nor IfNotExists"),
            (
                json!({"secretStoreRefs": [{"labelSelector": {"matchLabels": []}}]}),
                "spec.secretStoreRefs[0].labelSelector has a matchLabels of the wrong type",
            ),
        ] {
            let object = json!({"spec": spec});
            let subject = read(&object);
            let faults: Vec<String> =
                subject.faults.iter().map(|fault| format!("{} {}", fault.path, fault.message)).collect();
            assert_eq!(faults, [fault], "{object}");
        }
    }

    #[test]
    fn more_writes_than_can_be_judged_are_a_fault() {
        let stores: Vec<Value> = (0..200).map(|nth| json!({"name": format!("s{nth}")})).collect();
        let data: Vec<Value> =
            (0..200).map(|nth| json!({"match": {"remoteRef": {"remoteKey": format!("/k{nth}")}}})).collect();
        let object = json!({"spec": {"secretStoreRefs": stores, "data": data}});
        let subject = read(&object);
        assert_eq!(subject.references.len(), 0);
        assert_eq!(
            subject.faults[0].message,
            "has 40000 writes (entries times stores), more than the 10000 that are judged"
        );
    }

    #[test]
    fn an_entry_without_any_store_is_still_a_reference() {
        let object = json!({"spec": {"data": [{"match": {"remoteRef": {"remoteKey": "/x"}}}]}});
        assert_eq!(shown(&read(&object)), ["spec.data[0].match.remoteRef.remoteKey Write /x in missing"]);
    }
}
