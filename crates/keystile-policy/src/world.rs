//! What lies around a judged object: namespaces, stores, generators, the objects that refer to it,
//! and the inventory of managed secrets.
//!
//! The webhook answers from its caches (and, on a miss, with a live GET), `keystile check` from the
//! files of the run and a snapshot. [`Snapshot`] is a world held in memory, for both.

pub mod overlay;

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::inventory::InventoryIndex;
use crate::kind::{self, Kind, Recognised};
use crate::subject::store::{StoreFacts, StoreKind};
use crate::subject::{self, StoreTarget, Subject};

/// An answer of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup<T> {
    /// It is there.
    Found(T),
    /// It is known not to be there.
    Absent,
    /// It is not known whether it is there.
    Unknown,
}

impl<T> Lookup<T> {
    /// What was found.
    pub fn found(self) -> Option<T> {
        match self {
            Self::Found(found) => Some(found),
            Self::Absent | Self::Unknown => None,
        }
    }
}

/// A question that a [`World`] answered with [`Lookup::Unknown`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Query {
    /// The Namespace of this name.
    Namespace(String),
    /// This store.
    Store(StoreId),
    /// This generator.
    Generator(GeneratorId),
    /// This AWSProvider: namespace and name.
    AwsProvider(String, String),
}

/// A Namespace, as far as a binding needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// The name.
    pub name: String,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it is being deleted.
    pub is_terminating: bool,
}

/// Names one store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreId {
    /// SecretStore or ClusterSecretStore.
    pub kind: StoreKind,
    /// The namespace of a SecretStore; empty for a ClusterSecretStore.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// Names one generator.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GeneratorId {
    /// The kind, `Password` for example.
    pub kind: String,
    /// The namespace; empty for a ClusterGenerator.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// An object that refers to others, as it lies in the cluster or a file.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredObject {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; empty for a cluster-scoped one.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The whole object, `apiVersion` and `kind` included.
    pub object: Arc<Value>,
}

/// Which of the objects that refer to others are asked for.
#[derive(Clone, Copy, Debug)]
pub enum Objects<'a> {
    /// Those that refer to this store.
    OfStore(&'a StoreId),
    /// Those that refer to this generator.
    OfGenerator(&'a GeneratorId),
    /// Those of this namespace; of the empty one, those that are cluster-scoped.
    In(&'a str),
}

impl Objects<'_> {
    /// Whether `object`, which an index found, is one of them: an index tells who may refer to something,
    /// the engine, who does.
    #[must_use]
    pub fn have(self, object: &StoredObject) -> bool {
        match self {
            Self::OfStore(id) => subject::refers_to_store(object, id),
            Self::OfGenerator(id) => subject::refers_to_generator(object, id),
            Self::In(namespace) => object.namespace == namespace,
        }
    }
}

/// What the inventory says of one managed secret. Metadata only, never a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InventoryEntry {
    /// The name as the provider has it.
    pub name: String,
    /// The ARN.
    pub arn: String,
    /// The KMS key, as the provider says it; `None` = the AWS-managed key (AWS leaves it out then).
    pub kms_key_id: Option<String>,
    /// Whether rotation is on: `None` = never configured, `Some(false)` = cancelled.
    pub rotation_enabled: Option<bool>,
    /// Days between rotations, from the rotation rules.
    pub rotation_days: Option<u32>,
    /// The rotation rules' schedule expression.
    pub rotation_schedule: Option<String>,
    /// The service that rotates it by itself (`rds`), where one owns it.
    pub owning_service: Option<String>,
    /// When it was last rotated.
    pub last_rotated: Option<Timestamp>,
    /// When its value last changed.
    pub last_changed: Option<Timestamp>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it was scheduled for deletion.
    pub deleted: Option<Timestamp>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// The inventory's answer for one secret.
#[derive(Clone, Debug, PartialEq)]
pub enum Inventory {
    /// There is no inventory at all.
    None,
    /// The inventory has it.
    Entry {
        /// What it says.
        entry: Arc<InventoryEntry>,
        /// When the inventory was read.
        read_at: Timestamp,
    },
    /// The inventory covers the account and region, and doesn't have it.
    Absent {
        /// When the inventory was read.
        read_at: Timestamp,
    },
    /// There is an inventory, and it can't tell: it does not cover the region or account, or has the name
    /// in several accounts and which one is meant is not known.
    Unclear {
        /// Why, as a clause.
        why: String,
        /// When the inventory was read.
        read_at: Timestamp,
    },
}

/// What lies around a judged object.
pub trait World {
    /// The Namespace `name`.
    fn namespace(&self, name: &str) -> Lookup<Arc<Namespace>>;

    /// Every Namespace; for fan-out. `Unknown` where not all are known.
    fn namespaces(&self) -> Lookup<Vec<Arc<Namespace>>>;

    /// A store.
    fn store(&self, kind: StoreKind, namespace: &str, name: &str) -> Lookup<Arc<StoreFacts>>;

    /// The stores of a kind in a namespace (empty for ClusterSecretStore) that a label selector may
    /// choose from.
    fn stores(&self, kind: StoreKind, namespace: &str) -> Lookup<Vec<Arc<StoreFacts>>>;

    /// A generator object.
    fn generator(&self, id: &GeneratorId) -> Lookup<Arc<Value>>;

    /// An AWSProvider of the operator.
    fn aws_provider(&self, namespace: &str, name: &str) -> Lookup<Arc<Value>>;

    /// How many objects are `wanted` at most: told without reading them, so it may count some that are not.
    fn count(&self, wanted: Objects<'_>) -> usize;

    /// Hands the objects that are `wanted` to `each`, one at a time, until that has seen enough.
    fn visit(&self, wanted: Objects<'_>, each: &mut dyn FnMut(StoredObject) -> ControlFlow<()>);

    /// The objects that are `wanted`, all of them in memory at once.
    fn objects(&self, wanted: Objects<'_>) -> Vec<StoredObject> {
        let mut objects = Vec::new();
        self.visit(wanted, &mut |object| {
            objects.push(object);
            ControlFlow::Continue(())
        });
        objects
    }

    /// What the inventory says of a secret of AWS Secrets Manager.
    fn inventory(&self, account: Option<&str>, region: &str, name: &str) -> Inventory;
}

/// The labels of an object; values that are no texts are left out, as the API server has none.
#[must_use]
pub fn labels_of(object: &Value) -> BTreeMap<String, String> {
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
    labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// Which of a snapshot's objects may refer to what, so that a change of each of a thousand stores is not
/// judged by reading every object a thousand times.
#[derive(Clone, Debug, Default)]
struct Referrers {
    by_store: HashMap<(StoreKind, String), Vec<usize>>,
    /// Those that choose stores by label.
    by_label: Vec<usize>,
    by_generator: HashMap<(String, String), Vec<usize>>,
    by_namespace: HashMap<String, Vec<usize>>,
}

impl Referrers {
    /// Takes in the object at an index; it may stand twice for one store.
    fn insert(&mut self, at: usize, object: &StoredObject) {
        let subject = Subject::read(object.kind, &object.object);
        for reference in &subject.references {
            match &reference.store {
                StoreTarget::Named { kind, name, .. } => {
                    let referrers = self.by_store.entry((*kind, (*name).to_owned())).or_default();
                    if referrers.last() != Some(&at) {
                        referrers.push(at);
                    }
                }
                StoreTarget::ByLabel { .. } => self.by_label.push(at),
                StoreTarget::Missing | StoreTarget::UnknownKind { .. } | StoreTarget::AwsProvider { .. } => {}
            }
        }
        for generator in &subject.generators {
            let referrers =
                self.by_generator.entry((generator.kind.to_owned(), generator.name.to_owned())).or_default();
            if referrers.last() != Some(&at) {
                referrers.push(at);
            }
        }
        self.by_namespace.entry(object.namespace.clone()).or_default().push(at);
    }

    /// The objects that may be wanted, in their order, each once.
    fn candidates(&self, wanted: Objects<'_>) -> Vec<usize> {
        let found = match wanted {
            Objects::OfStore(id) => {
                let named = self.by_store.get(&(id.kind, id.name.clone())).into_iter().flatten();
                let mut found: Vec<usize> = named.chain(&self.by_label).copied().collect();
                found.sort_unstable();
                found.dedup();
                return found;
            }
            Objects::OfGenerator(id) => self.by_generator.get(&(id.kind.clone(), id.name.clone())),
            Objects::In(namespace) => self.by_namespace.get(namespace),
        };
        found.cloned().unwrap_or_default()
    }
}

/// A world held in memory.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    namespaces: BTreeMap<String, Arc<Namespace>>,
    stores: BTreeMap<StoreId, Arc<StoreFacts>>,
    generators: BTreeMap<GeneratorId, Arc<Value>>,
    aws_providers: BTreeMap<(String, String), Arc<Value>>,
    objects: Vec<StoredObject>,
    referrers: Referrers,
    inventory: InventoryIndex,
    inventory_read_at: Option<Timestamp>,
    /// Whether the snapshot is the whole cluster: then what it lacks is absent, else unknown.
    is_complete: bool,
}

impl Snapshot {
    /// A snapshot of a whole cluster: what it lacks is known to be absent.
    #[must_use]
    pub fn complete() -> Self {
        Self { is_complete: true, ..Self::default() }
    }

    /// Takes in an object of any kind that the world holds; others are left out.
    pub fn insert(&mut self, object: Arc<Value>) {
        let text = |field: Option<&Value>| field.and_then(Value::as_str).unwrap_or("").to_owned();
        let api_version = text(object.get("apiVersion"));
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let kind_name = text(object.get("kind"));
        let Recognised::Known(kind) = kind::recognise(group, version, &kind_name) else { return };
        let name = text(object.pointer("/metadata/name"));
        let namespace = text(object.pointer("/metadata/namespace"));
        match kind {
            Kind::Namespace => {
                let labels = labels_of(&object);
                let is_terminating = object.pointer("/metadata/deletionTimestamp").is_some();
                self.namespaces.insert(name.clone(), Arc::new(Namespace { name, labels, is_terminating }));
            }
            Kind::SecretStore | Kind::ClusterSecretStore => {
                let facts = StoreFacts::read(&object);
                self.stores.insert(facts.id.clone(), Arc::new(facts));
            }
            Kind::Generator => {
                self.generators.insert(GeneratorId { kind: kind_name, namespace, name }, object);
            }
            Kind::AwsProvider => {
                self.aws_providers.insert((namespace, name), object);
            }
            Kind::ExternalSecret
            | Kind::ClusterExternalSecret
            | Kind::PushSecret
            | Kind::ClusterPushSecret
            | Kind::SecretsManagerSecret => {
                let object = StoredObject { kind, namespace, name, object };
                self.referrers.insert(self.objects.len(), &object);
                self.objects.push(object);
            }
            Kind::Workload
            | Kind::SecretPolicy
            | Kind::TerraformSecret
            | Kind::TerraformVersion
            | Kind::TerraformParameter => {}
        }
    }

    /// Takes in the inventory, read at `read_at`.
    pub fn set_inventory(&mut self, entries: impl IntoIterator<Item = InventoryEntry>, read_at: Timestamp) {
        self.inventory = entries.into_iter().collect();
        self.inventory_read_at = Some(read_at);
    }

    fn missing<T>(&self) -> Lookup<T> {
        if self.is_complete { Lookup::Absent } else { Lookup::Unknown }
    }
}

impl World for Snapshot {
    fn namespace(&self, name: &str) -> Lookup<Arc<Namespace>> {
        self.namespaces.get(name).map_or_else(|| self.missing(), |found| Lookup::Found(Arc::clone(found)))
    }

    fn namespaces(&self) -> Lookup<Vec<Arc<Namespace>>> {
        if self.is_complete { Lookup::Found(self.namespaces.values().cloned().collect()) } else { Lookup::Unknown }
    }

    fn store(&self, kind: StoreKind, namespace: &str, name: &str) -> Lookup<Arc<StoreFacts>> {
        let namespace = if kind == StoreKind::ClusterSecretStore { "" } else { namespace };
        let id = StoreId { kind, namespace: namespace.to_owned(), name: name.to_owned() };
        self.stores.get(&id).map_or_else(|| self.missing(), |found| Lookup::Found(Arc::clone(found)))
    }

    fn stores(&self, kind: StoreKind, namespace: &str) -> Lookup<Vec<Arc<StoreFacts>>> {
        if !self.is_complete {
            return Lookup::Unknown;
        }
        let is_cluster = kind == StoreKind::ClusterSecretStore;
        Lookup::Found(
            self.stores
                .values()
                .filter(|store| store.id.kind == kind && (is_cluster || store.id.namespace == namespace))
                .cloned()
                .collect(),
        )
    }

    fn generator(&self, id: &GeneratorId) -> Lookup<Arc<Value>> {
        self.generators.get(id).map_or_else(|| self.missing(), |found| Lookup::Found(Arc::clone(found)))
    }

    fn aws_provider(&self, namespace: &str, name: &str) -> Lookup<Arc<Value>> {
        self.aws_providers
            .get(&(namespace.to_owned(), name.to_owned()))
            .map_or_else(|| self.missing(), |found| Lookup::Found(Arc::clone(found)))
    }

    fn count(&self, wanted: Objects<'_>) -> usize {
        self.referrers.candidates(wanted).len()
    }

    fn visit(&self, wanted: Objects<'_>, each: &mut dyn FnMut(StoredObject) -> ControlFlow<()>) {
        for at in self.referrers.candidates(wanted) {
            let object = &self.objects[at];
            if wanted.have(object) && each(object.clone()).is_break() {
                return;
            }
        }
    }

    fn inventory(&self, account: Option<&str>, region: &str, name: &str) -> Inventory {
        match self.inventory_read_at {
            None => Inventory::None,
            Some(read_at) => self.inventory.find(account, region, name, read_at),
        }
    }
}
