//! What is known of the cluster, in a form that is small and quick to read.
//!
//! Namespaces and stores are held as the engine reads them, since every request asks for them. Objects
//! that refer to stores and generators are asked for only when one of those changes: they are held as
//! packed text without what no rule reads, and an index leads from store and generator to them. A miss is
//! [`Lookup::Unknown`]: the object may have been made a moment ago.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arc_swap::ArcSwapOption;
use keystile_policy::kind::Kind;
use keystile_policy::subject::store::{StoreFacts, StoreKind};
use keystile_policy::subject::{StoreTarget, Subject};
use keystile_policy::world::{GeneratorId, Inventory, Namespace, Objects, StoreId, StoredObject};
use keystile_policy::{Lookup, World};
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::inventory::Held;
use super::packed::Packed;

/// Which objects a watch brings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Namespaces.
    Namespaces,
    /// SecretStores or ClusterSecretStores.
    Stores(StoreKind),
    /// Generators of this kind.
    Generators(String),
    /// The operator's AWSProviders.
    AwsProviders,
    /// Objects that refer to others, of this kind.
    Referring(Kind),
}

impl Table {
    /// The name under which the metrics count it.
    #[must_use]
    pub fn metric(&self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::Stores(_) => "stores",
            Self::Generators(_) => "generators",
            Self::AwsProviders => "aws-providers",
            Self::Referring(_) => "objects",
        }
    }
}

/// Names an object within its table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Empty for a cluster-scoped one.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

impl Place {
    /// Of an object.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

/// What a referring object is found by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Link {
    /// A store: its kind, the namespace that the reference is read in (empty: any), its name (empty: by label).
    Store(StoreKind, Box<str>, Box<str>),
    /// A generator: kind, namespace, name.
    Generator(Box<str>, Box<str>, Box<str>),
}

/// Where a referring object is: by namespace first, so that those of one namespace are neighbours.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Id {
    namespace: Box<str>,
    kind: Kind,
    name: Box<str>,
}

#[derive(Debug)]
struct Referring {
    text: Packed,
    links: Box<[Link]>,
}

#[derive(Debug, Default)]
struct Referrers {
    objects: BTreeMap<Arc<Id>, Referring>,
    index: HashMap<Link, Vec<Arc<Id>>>,
}

/// What is known of the cluster.
#[derive(Debug)]
pub struct Cache {
    namespaces: RwLock<BTreeMap<String, Arc<Namespace>>>,
    stores: RwLock<BTreeMap<StoreId, Arc<StoreFacts>>>,
    generators: RwLock<BTreeMap<GeneratorId, Arc<Value>>>,
    aws_providers: RwLock<BTreeMap<Place, Arc<Value>>>,
    referrers: RwLock<Referrers>,
    inventory: ArcSwapOption<Held>,
    /// The tables that were listed whole, and those that the cluster is known not to have.
    complete: RwLock<BTreeSet<Table>>,
    changes: watch::Sender<u64>,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            namespaces: RwLock::default(),
            stores: RwLock::default(),
            generators: RwLock::default(),
            aws_providers: RwLock::default(),
            referrers: RwLock::default(),
            inventory: ArcSwapOption::empty(),
            complete: RwLock::default(),
            changes: watch::channel(0).0,
        }
    }
}

impl Cache {
    /// Takes an object in: the one that a watch of `table` brought.
    pub fn put(&self, table: &Table, place: &Place, object: Value) {
        let (namespace, name) = (place.namespace.to_string(), place.name.to_string());
        match table {
            Table::Namespaces => self.put_namespace(Namespace {
                labels: keystile_policy::world::labels_of(&object),
                is_terminating: object.pointer("/metadata/deletionTimestamp").is_some(),
                name,
            }),
            Table::Stores(_) => {
                let facts = StoreFacts::read(&object);
                self.hold(&self.stores, facts.id.clone(), facts);
            }
            Table::Generators(kind) => {
                self.hold(&self.generators, GeneratorId { kind: kind.clone(), namespace, name }, lean(object));
            }
            Table::AwsProviders => self.hold(&self.aws_providers, place.clone(), lean(object)),
            Table::Referring(kind) => {
                let id = Id { namespace: place.namespace.clone(), kind: *kind, name: place.name.clone() };
                let object = lean(object);
                let links = links(*kind, &place.namespace, &object);
                // Packed before the lock is taken.
                let new = Referring { text: Packed::new(&object.to_string()), links };
                if write(&self.referrers).put(id, new) {
                    self.changed();
                }
            }
        }
    }

    fn hold<K: Ord, V: PartialEq>(&self, map: &RwLock<BTreeMap<K, Arc<V>>>, key: K, value: V) {
        let mut map = write(map);
        if map.get(&key).is_none_or(|held| **held != value) {
            map.insert(key, Arc::new(value));
            self.changed();
        }
    }

    /// Takes a Namespace in.
    pub fn put_namespace(&self, namespace: Namespace) {
        self.hold(&self.namespaces, namespace.name.clone(), namespace);
    }

    /// Takes an inventory in, in place of the one before. It is a change only where it says something else: one is
    /// read every few minutes, and most times nothing has happened.
    pub fn set_inventory(&self, inventory: Held) {
        let inventory = Arc::new(inventory);
        let before = self.inventory.swap(Some(Arc::clone(&inventory)));
        if before.is_none_or(|before| !before.says_the_same(&inventory)) {
            self.changed();
        }
    }

    /// Forgets an object that is gone.
    pub fn remove(&self, table: &Table, place: &Place) {
        let (namespace, name) = (place.namespace.to_string(), place.name.to_string());
        match table {
            Table::Namespaces => drop(write(&self.namespaces).remove(&name)),
            Table::Stores(kind) => drop(write(&self.stores).remove(&StoreId { kind: *kind, namespace, name })),
            Table::Generators(kind) => {
                drop(write(&self.generators).remove(&GeneratorId { kind: kind.clone(), namespace, name }));
            }
            Table::AwsProviders => drop(write(&self.aws_providers).remove(place)),
            Table::Referring(kind) => {
                let id = Id { namespace: place.namespace.clone(), kind: *kind, name: place.name.clone() };
                write(&self.referrers).remove(&id);
            }
        }
        self.changed();
    }

    /// A table was listed whole: forgets what the list did not have.
    pub fn listed(&self, table: &Table, places: &BTreeSet<Place>) {
        for place in self.places(table).into_iter().filter(|place| !places.contains(place)) {
            self.remove(table, &place);
        }
        write(&self.complete).insert(table.clone());
    }

    /// A table is no longer watched: its kind is not served any more.
    pub fn dropped(&self, table: &Table) {
        self.listed(table, &BTreeSet::new());
        write(&self.complete).remove(table);
    }

    /// How many objects are held, for each of the metrics' names.
    #[must_use]
    pub fn sizes(&self) -> [(&'static str, usize); 5] {
        [
            ("namespaces", read(&self.namespaces).len()),
            ("stores", read(&self.stores).len()),
            ("generators", read(&self.generators).len()),
            ("aws-providers", read(&self.aws_providers).len()),
            ("objects", read(&self.referrers).objects.len()),
        ]
    }

    /// The namespaces of the objects that an audit judges, and the empty name where some are cluster-scoped.
    #[must_use]
    pub fn namespaces_of_objects(&self) -> BTreeSet<String> {
        let mut namespaces: BTreeSet<String> =
            read(&self.referrers).objects.keys().map(|id| id.namespace.to_string()).collect();
        namespaces.extend(read(&self.generators).keys().map(|id| id.namespace.clone()));
        namespaces.extend(read(&self.aws_providers).keys().map(|place| place.namespace.to_string()));
        namespaces
    }

    /// The objects of a namespace that an audit judges: all but its stores, which are not held whole.
    #[must_use]
    pub fn audited_in(&self, namespace: &str) -> Vec<Arc<Value>> {
        let mut objects: Vec<Arc<Value>> =
            self.objects(Objects::In(namespace)).into_iter().map(|stored| stored.object).collect();
        let generators = read(&self.generators);
        objects.extend(
            generators.iter().filter(|(id, _)| id.namespace == namespace).map(|(_, object)| Arc::clone(object)),
        );
        let providers = read(&self.aws_providers);
        objects.extend(
            providers.iter().filter(|(place, _)| *place.namespace == *namespace).map(|(_, object)| Arc::clone(object)),
        );
        objects
    }

    /// Counts up with each change of what is held; not with one of a status, say.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    fn is_complete(&self, table: &Table) -> bool {
        read(&self.complete).contains(table)
    }

    fn places(&self, table: &Table) -> Vec<Place> {
        match table {
            Table::Namespaces => read(&self.namespaces).keys().map(|name| Place::new("", name)).collect(),
            Table::Stores(kind) => read(&self.stores)
                .keys()
                .filter(|id| id.kind == *kind)
                .map(|id| Place::new(&id.namespace, &id.name))
                .collect(),
            Table::Generators(kind) => read(&self.generators)
                .keys()
                .filter(|id| id.kind == *kind)
                .map(|id| Place::new(&id.namespace, &id.name))
                .collect(),
            Table::AwsProviders => read(&self.aws_providers).keys().cloned().collect(),
            Table::Referring(kind) => read(&self.referrers)
                .objects
                .keys()
                .filter(|id| id.kind == *kind)
                .map(|id| Place { namespace: id.namespace.clone(), name: id.name.clone() })
                .collect(),
        }
    }
}

impl Referrers {
    /// Whether it is another than the one that was held.
    fn put(&mut self, id: Id, new: Referring) -> bool {
        // Most updates change no link: then the index stays as it is.
        if let Some(held) = self.objects.get_mut(&id)
            && held.links == new.links
        {
            let is_other = held.text != new.text;
            held.text = new.text;
            return is_other;
        }
        self.remove(&id);
        let id = Arc::new(id);
        for link in &new.links {
            self.index.entry(link.clone()).or_default().push(Arc::clone(&id));
        }
        self.objects.insert(id, new);
        true
    }

    fn remove(&mut self, id: &Id) {
        let Some(held) = self.objects.remove(id) else { return };
        for link in &held.links {
            if let Some(ids) = self.index.get_mut(link) {
                ids.retain(|other| **other != *id);
                if ids.is_empty() {
                    self.index.remove(link);
                }
            }
        }
    }

    /// Those that may be wanted, each once, sorted.
    fn candidates(&self, wanted: Objects<'_>) -> Vec<(&Arc<Id>, &Referring)> {
        let links = match wanted {
            Objects::OfStore(id) => of_store(id),
            Objects::OfGenerator(id) => of_generator(id),
            Objects::In(namespace) => {
                let first = Id { namespace: namespace.into(), kind: Kind::ExternalSecret, name: "".into() };
                return self
                    .objects
                    .range(Arc::new(first)..)
                    .take_while(|(id, _)| *id.namespace == *namespace)
                    .collect();
            }
        };
        let ids: BTreeSet<&Arc<Id>> = links.iter().filter_map(|link| self.index.get(link)).flatten().collect();
        ids.into_iter().filter_map(|id| self.objects.get_key_value(id)).collect()
    }
}

/// What those are found by that may refer to a store.
fn of_store(id: &StoreId) -> Vec<Link> {
    let namespaces: &[&str] = if id.namespace.is_empty() { &[""] } else { &["", &id.namespace] };
    let names = ["", id.name.as_str()];
    let link = |namespace: &str, name: &str| Link::Store(id.kind, namespace.into(), name.into());
    namespaces.iter().flat_map(|namespace| names.map(|name| link(namespace, name))).collect()
}

/// What those are found by that may refer to a generator.
fn of_generator(id: &GeneratorId) -> Vec<Link> {
    let link = |namespace: &str| Link::Generator((*id.kind).into(), namespace.into(), (*id.name).into());
    vec![link(""), link(&id.namespace)]
}

fn stored(id: &Id, text: &str) -> StoredObject {
    let object = serde_json::from_str(text).expect("the text was made from a value");
    let (namespace, name) = (id.namespace.to_string(), id.name.to_string());
    StoredObject { kind: id.kind, namespace, name, object: Arc::new(object) }
}

impl World for Cache {
    fn namespace(&self, name: &str) -> Lookup<Arc<Namespace>> {
        known(read(&self.namespaces).get(name))
    }

    fn namespaces(&self) -> Lookup<Vec<Arc<Namespace>>> {
        if !self.is_complete(&Table::Namespaces) {
            return Lookup::Unknown;
        }
        Lookup::Found(read(&self.namespaces).values().cloned().collect())
    }

    fn store(&self, kind: StoreKind, namespace: &str, name: &str) -> Lookup<Arc<StoreFacts>> {
        let namespace = if kind == StoreKind::ClusterSecretStore { "" } else { namespace };
        known(read(&self.stores).get(&StoreId { kind, namespace: namespace.to_owned(), name: name.to_owned() }))
    }

    fn stores(&self, kind: StoreKind, namespace: &str) -> Lookup<Vec<Arc<StoreFacts>>> {
        if !self.is_complete(&Table::Stores(kind)) {
            return Lookup::Unknown;
        }
        let namespace = if kind == StoreKind::ClusterSecretStore { "" } else { namespace };
        let first = StoreId { kind, namespace: namespace.to_owned(), name: String::new() };
        Lookup::Found(
            read(&self.stores)
                .range(first..)
                .take_while(|(id, _)| id.kind == kind && id.namespace == namespace)
                .map(|(_, store)| Arc::clone(store))
                .collect(),
        )
    }

    fn generator(&self, id: &GeneratorId) -> Lookup<Arc<Value>> {
        known(read(&self.generators).get(id))
    }

    fn aws_provider(&self, namespace: &str, name: &str) -> Lookup<Arc<Value>> {
        known(read(&self.aws_providers).get(&Place::new(namespace, name)))
    }

    fn count(&self, wanted: Objects<'_>) -> usize {
        read(&self.referrers).candidates(wanted).len()
    }

    fn visit(&self, wanted: Objects<'_>, each: &mut dyn FnMut(StoredObject) -> ControlFlow<()>) {
        // They are parsed after the lock is given back, and one at a time.
        let candidates: Vec<(Arc<Id>, Packed)> = read(&self.referrers)
            .candidates(wanted)
            .into_iter()
            .map(|(id, held)| (Arc::clone(id), held.text.clone()))
            .collect();
        for (id, text) in candidates {
            let object = stored(&id, &text.text());
            if wanted.have(&object) && each(object).is_break() {
                return;
            }
        }
    }

    fn inventory(&self, account: Option<&str>, region: &str, name: &str) -> Inventory {
        self.inventory.load().as_ref().map_or(Inventory::None, |held| held.find(account, region, name))
    }
}

fn known<T>(found: Option<&Arc<T>>) -> Lookup<Arc<T>> {
    found.map_or(Lookup::Unknown, |found| Lookup::Found(Arc::clone(found)))
}

// A panic in between leaves a map whole: each change is one call.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// An object without what no rule reads of a stored one: status, managed fields, annotations.
fn lean(object: Value) -> Value {
    let Value::Object(mut fields) = object else { return object };
    fields.remove("status");
    if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
        let kept = ["name", "namespace", "uid", "labels", "deletionTimestamp"];
        let slim: Map<String, Value> =
            kept.iter().filter_map(|field| Some(((*field).to_owned(), metadata.remove(*field)?))).collect();
        *metadata = slim;
    }
    Value::Object(fields)
}

/// What the object is found by.
fn links(kind: Kind, namespace: &str, object: &Value) -> Box<[Link]> {
    let subject = Subject::read(kind, object);
    let mut links: Vec<Link> = Vec::new();
    let mut add = |link: Link| {
        if !links.contains(&link) {
            links.push(link);
        }
    };
    for reference in &subject.references {
        let within = |kind: StoreKind| if kind == StoreKind::SecretStore { namespace } else { "" };
        match &reference.store {
            StoreTarget::Named { kind, name, .. } => add(Link::Store(*kind, within(*kind).into(), (*name).into())),
            StoreTarget::ByLabel { kind, .. } => add(Link::Store(*kind, within(*kind).into(), "".into())),
            _ => {}
        }
    }
    for generator in &subject.generators {
        let within = if generator.kind == "ClusterGenerator" { "" } else { namespace };
        add(Link::Generator(generator.kind.into(), within.into(), generator.name.into()));
    }
    links.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const REFERRING: Table = Table::Referring(Kind::ExternalSecret);

    fn external_secret(namespace: &str, name: &str, store: (&str, &str), key: &str) -> Value {
        json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": name, "namespace": namespace, "managedFields": [{"manager": "m"}], "annotations": {"a": "b"}},
            "spec": {
                "secretStoreRef": {"kind": store.0, "name": store.1},
                "data": [{"secretKey": "p", "remoteRef": {"key": key}}],
            },
            "status": {"x": 1},
        })
    }

    fn put(cache: &Cache, namespace: &str, name: &str, store: (&str, &str)) {
        cache.put(&REFERRING, &Place::new(namespace, name), external_secret(namespace, name, store, "k"));
    }

    fn referrers(cache: &Cache, kind: StoreKind, namespace: &str, name: &str) -> Vec<String> {
        let id = StoreId { kind, namespace: namespace.into(), name: name.into() };
        cache
            .objects(Objects::OfStore(&id))
            .iter()
            .map(|object| format!("{}/{}", object.namespace, object.name))
            .collect()
    }

    #[test]
    fn the_index_follows_what_objects_refer_to() {
        let cache = Cache::default();
        put(&cache, "a", "one", ("SecretStore", "own"));
        put(&cache, "a", "two", ("ClusterSecretStore", "aws"));
        put(&cache, "b", "one", ("SecretStore", "own"));
        let (own, cluster) = (StoreKind::SecretStore, StoreKind::ClusterSecretStore);
        assert_eq!(referrers(&cache, own, "a", "own"), ["a/one"]);
        assert_eq!(referrers(&cache, own, "b", "own"), ["b/one"]);
        assert_eq!(referrers(&cache, own, "c", "own"), [""; 0]);
        assert_eq!(referrers(&cache, cluster, "", "aws"), ["a/two"]);

        put(&cache, "a", "one", ("ClusterSecretStore", "aws"));
        assert_eq!(referrers(&cache, own, "a", "own"), [""; 0]);
        assert_eq!(referrers(&cache, cluster, "", "aws"), ["a/one", "a/two"]);

        cache.remove(&REFERRING, &Place::new("a", "two"));
        assert_eq!(referrers(&cache, cluster, "", "aws"), ["a/one"]);
        let in_a: Vec<_> = cache.objects(Objects::In("a")).into_iter().map(|object| object.name).collect();
        assert_eq!(in_a, ["one"]);

        cache.listed(&REFERRING, &BTreeSet::from([Place::new("b", "one")]));
        assert_eq!(referrers(&cache, cluster, "", "aws"), [""; 0]);
        assert!(read(&cache.referrers).index.len() == 1, "nothing is left behind");
    }

    #[test]
    fn an_object_is_held_without_what_no_rule_reads() {
        let cache = Cache::default();
        put(&cache, "a", "one", ("SecretStore", "own"));
        let held = &cache.objects(Objects::In("a"))[0].object;
        assert_eq!(held["metadata"], json!({"name": "one", "namespace": "a"}));
        assert_eq!(held["status"], Value::Null);
        assert_eq!(held["spec"]["data"][0]["remoteRef"]["key"], "k");
    }

    #[test]
    fn a_list_is_whole_only_once_it_was_listed() {
        let cache = Cache::default();
        let namespace = |name: &str| json!({"metadata": {"name": name, "labels": {"team": "a"}}});
        cache.put(&Table::Namespaces, &Place::new("", "a"), namespace("a"));
        assert_eq!(cache.namespaces(), Lookup::Unknown);
        assert_eq!(cache.namespace("a").found().unwrap().labels["team"], "a");
        assert_eq!(cache.namespace("b"), Lookup::Unknown, "made a moment ago, perhaps");
        cache.listed(&Table::Namespaces, &BTreeSet::from([Place::new("", "a")]));
        assert_eq!(cache.namespaces().found().unwrap().len(), 1);
    }

    #[test]
    fn the_stores_of_a_namespace_are_its_own() {
        let cache = Cache::default();
        let store = |kind: &str, namespace: &str, name: &str| {
            json!({
                "apiVersion": "external-secrets.io/v1", "kind": kind, "metadata": {"name": name, "namespace": namespace},
                "spec": {"provider": {"aws": {"service": "SecretsManager", "region": "eu-west-1"}}},
            })
        };
        for (kind, namespace, name) in [
            (StoreKind::SecretStore, "a", "x"),
            (StoreKind::SecretStore, "ab", "x"),
            (StoreKind::ClusterSecretStore, "", "x"),
        ] {
            let table = Table::Stores(kind);
            cache.put(&table, &Place::new(namespace, name), store(kind.as_str(), namespace, name));
            write(&cache.complete).insert(table);
        }
        let ids = |kind, namespace: &str| -> Vec<String> {
            cache.stores(kind, namespace).found().unwrap().iter().map(|store| store.id.namespace.clone()).collect()
        };
        assert_eq!(ids(StoreKind::SecretStore, "a"), ["a"]);
        assert_eq!(ids(StoreKind::ClusterSecretStore, "a"), [""]);
        assert!(cache.store(StoreKind::ClusterSecretStore, "a", "x").found().is_some());
    }
}
