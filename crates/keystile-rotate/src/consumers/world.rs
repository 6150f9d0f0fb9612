//! What is looked through: the objects that can consume a secret, and what they need to be understood.
//!
//! Secrets themselves are never taken in, whatever hands them over. Of pods only the names that they use are
//! kept. An object that is there twice, with different contents, counts with both.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use keystile_policy::kind::{self, Kind, Recognised};
use keystile_policy::selector::Selector;
use keystile_policy::subject::StoreTarget;
use keystile_policy::subject::store::{ObjectRefKind, StoreFacts, StoreKind, StoreProvider};
use keystile_policy::world::labels_of;
use regex::Regex;
use serde_json::Value;

use super::class::Class;
use super::found::{LookedAt, ObjectName};
use super::named::{self, Named};
use super::workload::{self, Workload};

/// The annotation that says which role of AWS a service account acts as.
/// Source: the EKS user guide, "IAM roles for service accounts".
const ROLE: &str = "/metadata/annotations/eks.amazonaws.com~1role-arn";

/// What is looked through.
#[derive(Debug, Default)]
pub struct ConsumerWorld {
    pub(super) looked_at: LookedAt,
    /// kubectl's context, for commands.
    pub(super) context: Option<String>,
    /// Whether it is a whole cluster: then what it lacks is not there.
    pub(super) is_complete: bool,
    /// External Secrets' and the operator's objects, and Terraform's.
    pub(super) entries: Vec<Entry>,
    pub(super) classes: Vec<Class>,
    pub(super) workloads: Vec<Workload>,
    /// Other objects that name Secrets.
    pub(super) named: Vec<Named>,
    pub(super) driver: Driver,
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
    stores: HashMap<(StoreKind, String, String), Vec<Arc<StoreFacts>>>,
    /// Generators by kind, namespace and name.
    generators: HashMap<(String, String, String), Arc<Value>>,
    /// The role of each service account, by namespace and name.
    roles: HashMap<(String, String), String>,
    entry_names: HashSet<ObjectName>,
    /// What was taken in, by name and contents.
    seen: HashSet<(ObjectName, u64)>,
}

/// An object that is read when a secret is looked for.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) name: ObjectName,
    pub(super) file: Option<String>,
    pub(super) object: Arc<Value>,
}

/// What is known of the Secrets Store CSI driver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Driver {
    /// Whether it polls for new values; `None` = it was not seen.
    pub(super) polls: Option<bool>,
    /// How often.
    pub(super) every: Option<Duration>,
}

/// How often the driver polls, where it does. Source: its documentation, `rotation-poll-interval`.
const POLL_INTERVAL: Duration = Duration::from_secs(120);

impl Driver {
    pub(super) fn interval(self) -> Duration {
        self.every.unwrap_or(POLL_INTERVAL)
    }
}

impl ConsumerWorld {
    /// A world without objects. `is_complete`: they will be those of a whole cluster.
    #[must_use]
    pub fn new(source: impl Into<String>, is_complete: bool) -> Self {
        Self { looked_at: LookedAt { source: source.into(), ..LookedAt::default() }, is_complete, ..Self::default() }
    }

    /// Notes what could not be read, as a sentence.
    pub fn gap(&mut self, sentence: impl Into<String>) {
        self.looked_at.gaps.push(sentence.into());
    }

    /// What was taken in so far.
    #[must_use]
    pub fn looked_at(&self) -> &LookedAt {
        &self.looked_at
    }

    /// Takes an object in. `namespace`: that of one which names none. Secrets, and what can't consume one, are
    /// left out.
    pub fn insert(&mut self, object: &Arc<Value>, file: Option<&str>, namespace: Option<&str>) {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let (group, version) = text("/apiVersion").split_once('/').unwrap_or(("", text("/apiVersion")));
        let kind_name = text("/kind");
        if kind_name == "Secret" && group.is_empty() {
            return;
        }
        let recognised = kind::recognise(group, version, kind_name);
        let is_cluster_scoped = match recognised {
            Recognised::Known(kind) | Recognised::UnknownVersion(kind) => kind.is_cluster_scoped(),
            Recognised::UnknownKind | Recognised::Foreign => false,
        } || kind_name == "ClusterGenerator";
        let own = text("/metadata/namespace");
        let name = ObjectName {
            namespace: match (is_cluster_scoped, own) {
                (true, _) => String::new(),
                (false, "") => namespace.unwrap_or_default().to_owned(),
                (false, own) => own.to_owned(),
            },
            kind: kind_name.to_owned(),
            name: match text("/metadata/name") {
                "" => text("/metadata/generateName").to_owned(),
                name => name.to_owned(),
            },
        };
        if !self.seen.insert((name.clone(), fingerprint(object))) {
            return;
        }
        if self.take(group, recognised, &name, object, file) {
            *self.looked_at.objects.entry(name.kind).or_default() += 1;
        }
    }

    /// Whether it is something to look at.
    fn take(
        &mut self,
        group: &str,
        is: Recognised,
        name: &ObjectName,
        object: &Arc<Value>,
        file: Option<&str>,
    ) -> bool {
        let key = || (name.namespace.clone(), name.name.clone());
        match is {
            Recognised::Known(Kind::Namespace) => {
                let mut labels = labels_of(object);
                // The API server gives every Namespace its name as a label.
                labels.entry("kubernetes.io/metadata.name".to_owned()).or_insert_with(|| name.name.clone());
                self.namespaces.insert(name.name.clone(), labels);
            }
            // A version that is not known any more, or not yet, has its shape most likely.
            Recognised::Known(kind) | Recognised::UnknownVersion(kind)
                if matches!(kind, Kind::SecretStore | Kind::ClusterSecretStore) =>
            {
                let facts = StoreFacts::read(object);
                let id = (facts.id.kind, name.namespace.clone(), name.name.clone());
                self.stores.entry(id).or_default().push(Arc::new(facts));
            }
            Recognised::Known(Kind::AwsProvider) | Recognised::UnknownVersion(Kind::AwsProvider) => {
                let facts = StoreFacts::of_aws_provider(object, &name.namespace, &name.name);
                let id = (StoreKind::AwsProvider, name.namespace.clone(), name.name.clone());
                self.stores.entry(id).or_default().push(Arc::new(facts));
            }
            Recognised::Known(Kind::Generator) | Recognised::UnknownVersion(Kind::Generator) => {
                let id = (name.kind.clone(), name.namespace.clone(), name.name.clone());
                self.generators.insert(id, Arc::clone(object));
            }
            Recognised::Known(Kind::Workload) => return self.pods(name, object, file),
            Recognised::Known(Kind::SecretPolicy) | Recognised::UnknownVersion(Kind::SecretPolicy) => return false,
            Recognised::Known(kind) | Recognised::UnknownVersion(kind) => {
                let file = file.map(ToOwned::to_owned);
                self.entry_names.insert(name.clone());
                self.entries.push(Entry { kind, name: name.clone(), file, object: Arc::clone(object) });
            }
            Recognised::UnknownKind | Recognised::Foreign => match (group, name.kind.as_str()) {
                ("secrets-store.csi.x-k8s.io", "SecretProviderClass") => {
                    self.classes.push(Class::read(object, name, file));
                }
                ("storage.k8s.io", "CSIDriver") => {
                    if name.name != workload::CSI_DRIVER {
                        return false;
                    }
                    // Newer drivers leave the polling to the kubelet.
                    if object.pointer("/spec/requiresRepublish").and_then(Value::as_bool) == Some(true) {
                        self.driver.polls = Some(true);
                    } else {
                        self.driver.polls.get_or_insert(false);
                    }
                }
                ("", "ServiceAccount") => {
                    if let Some(role) = object.pointer(ROLE).and_then(Value::as_str) {
                        self.roles.insert(key(), role.to_owned());
                    }
                    self.named.extend(named::service_account(object, name, file));
                }
                _ => {
                    let found = named::other(object, name, file);
                    let has_pods = self.pods(name, object, file);
                    let is_empty = found.is_empty();
                    // What pods use is known better from them.
                    if !has_pods {
                        self.named.extend(found);
                    }
                    return has_pods || !is_empty;
                }
            },
        }
        true
    }

    fn pods(&mut self, name: &ObjectName, object: &Value, file: Option<&str>) -> bool {
        let Some(workload) = workload::read(object, name, file) else { return false };
        if let Some((polls, every)) = workload::driver(object) {
            let before = self.driver.polls.unwrap_or(false);
            self.driver = Driver { polls: Some(polls || before), every: every.or(self.driver.every) };
        }
        self.workloads.push(workload);
        true
    }

    /// The stores of a reference; several where the world has several of one name. `None` = none is there.
    pub(super) fn stores(&self, target: &StoreTarget<'_>, namespace: &str) -> Option<Vec<Arc<StoreFacts>>> {
        let of = |kind: StoreKind, namespace: &str, name: &str| {
            self.stores.get(&(kind, namespace.to_owned(), name.to_owned())).cloned()
        };
        match target {
            StoreTarget::Named { kind: StoreKind::ClusterSecretStore, name, .. } => {
                of(StoreKind::ClusterSecretStore, "", name)
            }
            StoreTarget::Named { kind, name, .. } => of(*kind, namespace, name),
            StoreTarget::AwsProvider { namespace: own, name, .. } => {
                of(StoreKind::AwsProvider, own.unwrap_or(namespace), name)
            }
            StoreTarget::ByLabel { kind, selector, .. } => {
                let selector = Selector::parse(selector).ok()?;
                let is_cluster = *kind == StoreKind::ClusterSecretStore;
                let found: Vec<_> = self
                    .stores
                    .iter()
                    .filter(|((of, at, _), _)| of == kind && (is_cluster || at == namespace))
                    .flat_map(|(_, stores)| stores)
                    .filter(|store| selector.matches(|name| label(&store.labels, name)))
                    .cloned()
                    .collect();
                // Others may have the label, where not all are known.
                (self.is_complete || !found.is_empty()).then_some(found)
            }
            StoreTarget::UnknownKind { .. } | StoreTarget::Missing => None,
        }
    }

    /// A generator.
    pub(super) fn generator(&self, kind: &str, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        let namespace = if kind == "ClusterGenerator" { "" } else { namespace };
        self.generators.get(&(kind.to_owned(), namespace.to_owned(), name.to_owned()))
    }

    /// The account that a store asks, as far as that is written: of the role that it assumes, or of that of the
    /// service account whose token it takes.
    pub(super) fn account_of(&self, store: &StoreFacts, namespace: &str) -> Option<String> {
        let StoreProvider::Aws(aws) = &store.provider else { return None };
        if let Some(account) = aws.account() {
            return Some(account.to_owned());
        }
        let account = store.identity.of_kind(ObjectRefKind::ServiceAccount).next()?;
        let namespace = account.namespace.as_deref().unwrap_or(match store.id.namespace.as_str() {
            "" => namespace,
            own => own,
        });
        self.account_of_service_account(namespace, &account.name).map(ToOwned::to_owned)
    }

    /// The account of the role that a service account acts as.
    pub(super) fn account_of_service_account(&self, namespace: &str, name: &str) -> Option<&str> {
        let name = if name.is_empty() { "default" } else { name };
        let role = self.roles.get(&(namespace.to_owned(), name.to_owned()))?;
        role.split(':').nth(4).filter(|account| !account.is_empty())
    }

    /// Whether a store lets a namespace in; what is not known of the namespace counts for it.
    /// Source: External Secrets 2.9.0, pkg/controllers/secretstore/client_manager.go, `shouldProcessSecret`.
    pub(super) fn admits(&self, store: &StoreFacts, namespace: &str) -> bool {
        if store.id.kind != StoreKind::ClusterSecretStore || store.conditions.is_empty() {
            return true;
        }
        let labels = self.namespaces.get(namespace);
        store.conditions.iter().any(|condition| {
            condition.namespaces.iter().any(|name| **name == *namespace)
                || condition
                    .namespace_regexes
                    .iter()
                    .any(|expression| Regex::new(expression).map_or(true, |regex| regex.is_match(namespace)))
                || condition.namespace_selector.as_ref().is_some_and(|selector| {
                    match (Selector::parse(selector), labels) {
                        (Ok(selector), Some(labels)) => selector.matches(|name| labels.get(name).map(String::as_str)),
                        _ => true,
                    }
                })
        })
    }

    /// The namespaces that selectors and names choose.
    pub(super) fn chosen(&self, fan_out: &keystile_policy::subject::fan_out::FanOut<'_>) -> Vec<String> {
        let by_label = self.namespaces.iter().filter(|(_, labels)| {
            fan_out.selectors.iter().any(|(_, selector)| selector.matches(|name| labels.get(name).map(String::as_str)))
        });
        let mut chosen: Vec<String> = by_label.map(|(name, _)| name.clone()).collect();
        let is_there = |name: &str| !self.is_complete || self.namespaces.contains_key(name);
        chosen.extend(fan_out.names.iter().map(|(_, name)| (*name).to_owned()).filter(|name| is_there(name)));
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    }

    /// Whether an object of this name was taken in among the entries.
    pub(super) fn has_entry(&self, name: &ObjectName) -> bool {
        self.entry_names.contains(name)
    }
}

fn label<'l>(labels: &'l [(Box<str>, Box<str>)], name: &str) -> Option<&'l str> {
    labels.iter().find(|(label, _)| **label == *name).map(|(_, value)| &**value)
}

/// Tells the contents of two objects of one name apart.
fn fingerprint(object: &Value) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    object.hash(&mut hasher);
    hasher.finish()
}
