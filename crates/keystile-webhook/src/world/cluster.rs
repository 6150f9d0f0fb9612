//! The cluster as the world: watches that fill the [`Cache`], and live looks at what it does not know.
//!
//! Which kinds are served is asked every few seconds, so that definitions may be installed later, and
//! ones that are missing fail nothing. A watch that fails is begun anew with a whole list: what is
//! known stays until then, and its age is a metric.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::Namespace as CoreNamespace;
use keystile_policy::Query;
use keystile_policy::kind::{EXTERNAL_SECRETS, GENERATORS, INFRA_OPERATOR, Kind, Recognised, recognise};
use keystile_policy::subject::store::{StoreFacts, StoreKind};
use keystile_policy::world::Namespace;
use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind, ObjectMeta, PartialObjectMeta};
use kube::discovery::ApiGroup;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::cache::{Cache, Place, Table};
use super::overlay::{Answer, Answers};
use crate::health::Remarked;
use crate::leader::describe;
use crate::metrics::{LookupOutcome, Metrics};

/// How often the API server is asked which kinds it serves.
const DISCOVERY: Duration = Duration::from_secs(10);
/// How often to try while it does not answer.
const RETRY: Duration = Duration::from_secs(1);
/// How often ages and sizes are written to the metrics.
const METRICS: Duration = Duration::from_secs(1);
/// The first pause after a watch failed; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Objects of one page of a list. What they are while they are read is ten times what is kept of them, and
/// an allocator does not give all of it back.
const PAGE: u32 = 100;

/// A kind of generator that External Secrets writes for itself.
const INTERNAL_GENERATOR: &str = "GeneratorState";

/// The cluster.
pub struct ClusterWorld {
    client: Client,
    cache: Arc<Cache>,
    /// Whether it was found out once which kinds there are.
    is_discovered: AtomicBool,
    watches: Mutex<BTreeMap<Table, Watch>>,
    metrics: Metrics,
}

struct Watch {
    resource: ApiResource,
    state: Arc<State>,
    task: JoinHandle<()>,
}

/// How a watch does.
#[derive(Debug, Default)]
struct State {
    is_listed: AtomicBool,
    failing_since: Mutex<Option<Instant>>,
}

impl State {
    fn age(&self) -> Duration {
        let since = *self.failing_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.map(|since| since.elapsed()).unwrap_or_default()
    }

    fn succeeded(&self) {
        self.is_listed.store(true, Ordering::Release);
        *self.failing_since.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn failed(&self) {
        self.failing_since.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
    }
}

impl std::fmt::Debug for ClusterWorld {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterWorld").field("sizes", &self.cache.sizes()).finish_non_exhaustive()
    }
}

impl ClusterWorld {
    /// Nothing is watched yet: [`Self::keep`] does it.
    #[must_use]
    pub fn new(client: Client, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self {
            client,
            cache: Arc::default(),
            is_discovered: AtomicBool::new(false),
            watches: Mutex::default(),
            metrics,
        })
    }

    /// What is known now.
    #[must_use]
    pub fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }

    /// The API server's client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The resource that a table is filled from, where its kind is served.
    #[must_use]
    pub fn resource(&self, table: &Table) -> Option<ApiResource> {
        self.watches().get(table).map(|watch| watch.resource.clone())
    }

    /// Watches for ever.
    pub async fn keep(self: Arc<Self>) {
        let metrics = Arc::clone(&self);
        tokio::spawn(async move {
            loop {
                metrics.measure();
                tokio::time::sleep(METRICS).await;
            }
        });
        self.watch_namespaces();
        loop {
            let pause = match self.discover().await {
                Ok(()) => {
                    self.is_discovered.store(true, Ordering::Release);
                    DISCOVERY
                }
                Err(error) => {
                    tracing::warn!(error, "the API server does not say which kinds it serves, trying again");
                    RETRY
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Ready once everything that is served was listed. A watch that fails later is a remark.
    ///
    /// # Errors
    ///
    /// While something was not listed yet, with its name.
    pub fn readiness(&self) -> Remarked {
        if !self.is_discovered.load(Ordering::Acquire) {
            return Err("it is not known yet which kinds the API server serves".into());
        }
        let watches = self.watches();
        let kinds = |is: &dyn Fn(&State) -> bool| -> Vec<String> {
            watches.values().filter(|watch| is(&watch.state)).map(|watch| watch.resource.plural.clone()).collect()
        };
        let missing = kinds(&|state| !state.is_listed.load(Ordering::Acquire));
        if !missing.is_empty() {
            return Err(format!("not listed yet: {}", missing.join(", ")));
        }
        let failing = kinds(&|state| !state.age().is_zero());
        Ok((!failing.is_empty()).then(|| format!("watches that fail, older knowledge is used: {}", failing.join(", "))))
    }

    /// Asks the API server about what the cache does not know; all at once, for at most `limit`.
    pub async fn ask(&self, queries: &[Query], limit: Duration, answers: &mut Answers) {
        let asking = queries.iter().map(|query| async move {
            let outcome = tokio::time::timeout(limit, self.get(query)).await;
            (query, outcome)
        });
        for (query, outcome) in futures_util::future::join_all(asking).await {
            let outcome = match outcome {
                Ok(Ok(answer)) => {
                    let outcome = if answer == Answer::Absent { LookupOutcome::Absent } else { LookupOutcome::Found };
                    answers.insert(query.clone(), answer);
                    outcome
                }
                Ok(Err(error)) => {
                    tracing::warn!(error = describe(&error), "a live look at the cluster failed");
                    LookupOutcome::Failed
                }
                Err(_) => LookupOutcome::TooLate,
            };
            self.metrics.looked_up(outcome);
        }
    }

    async fn get(&self, query: &Query) -> Result<Answer, kube::Error> {
        let (group, kind, namespace, name) = match query {
            // A name that no object can have is not asked for: it could lead to another path.
            Query::Namespace(name) if !is_name(name) => return Ok(Answer::Absent),
            Query::Namespace(name) => {
                let found = Api::<CoreNamespace>::all(self.client.clone()).get_metadata_opt(name).await?;
                return Ok(
                    found.map_or(Answer::Absent, |found| Answer::Namespace(Arc::new(namespace_of(found.metadata))))
                );
            }
            Query::Store(id) => (EXTERNAL_SECRETS, id.kind.as_str(), &*id.namespace, &*id.name),
            Query::Generator(id) => (GENERATORS, &*id.kind, &*id.namespace, &*id.name),
            Query::AwsProvider(namespace, name) => (INFRA_OPERATOR, "AWSProvider", &**namespace, &**name),
        };
        if !is_name(name) || !(namespace.is_empty() || is_name(namespace)) {
            return Ok(Answer::Absent);
        }
        let Some(resource) = self.served(group, kind) else { return Ok(Answer::Absent) };
        let api: Api<DynamicObject> = if namespace.is_empty() {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), namespace, &resource)
        };
        let Some(object) = api.get_opt(name).await? else { return Ok(Answer::Absent) };
        let (_, object) = taken(&resource, object);
        Ok(match query {
            Query::Store(_) => Answer::Store(Arc::new(StoreFacts::read(&object))),
            _ => Answer::Object(Arc::new(object)),
        })
    }

    /// The resource of a kind: the one that is watched, or, for one whose definition may have come a
    /// moment ago, the one that it should have. A kind with a name that none has is not asked for.
    fn served(&self, group: &str, kind: &str) -> Option<ApiResource> {
        if !kind.bytes().all(|byte| byte.is_ascii_alphanumeric()) || kind.is_empty() {
            return None;
        }
        if let Some(watch) = table_of(group, kind).and_then(|table| Some(self.watches().get(&table)?.resource.clone()))
        {
            return Some(watch);
        }
        let version = if group == EXTERNAL_SECRETS { "v1" } else { "v1alpha1" };
        Some(ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind)))
    }

    fn watches(&self) -> std::sync::MutexGuard<'_, BTreeMap<Table, Watch>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn measure(&self) {
        let mut ages: BTreeMap<&'static str, Duration> = BTreeMap::new();
        for (table, watch) in self.watches().iter() {
            let age = ages.entry(table.metric()).or_default();
            *age = (*age).max(watch.state.age());
        }
        for (name, size) in self.cache.sizes() {
            self.metrics.cache(name, ages.get(name).copied().unwrap_or_default(), size);
        }
    }

    fn watch_namespaces(&self) {
        let api: Api<PartialObjectMeta<CoreNamespace>> = Api::all(self.client.clone());
        let resource = ApiResource::erase::<CoreNamespace>(&());
        let state = Arc::new(State::default());
        let task = tokio::spawn(follow(
            api,
            Table::Namespaces,
            Arc::clone(&self.cache),
            Arc::clone(&state),
            |cache, object| {
                let namespace = namespace_of(object.metadata);
                let place = Place::new("", &namespace.name);
                cache.put_namespace(namespace);
                place
            },
        ));
        self.watches().insert(Table::Namespaces, Watch { resource, state, task });
    }

    /// Begins to watch what is served now, and stops for what is not any more.
    async fn discover(&self) -> Result<(), String> {
        let groups = self.client.list_api_groups().await.map_err(|error| describe(&error))?;
        let mut served: BTreeMap<Table, ApiResource> = BTreeMap::new();
        for name in [EXTERNAL_SECRETS, GENERATORS, INFRA_OPERATOR] {
            if !groups.groups.iter().any(|group| group.name == name) {
                continue;
            }
            let group = kube::discovery::group(&self.client, name).await.map_err(|error| describe(&error))?;
            served.extend(tables(&group));
        }
        let mut watches = self.watches();
        watches.retain(|table, watch| {
            let stays = *table == Table::Namespaces || served.get(table) == Some(&watch.resource);
            if !stays {
                tracing::info!(kind = watch.resource.kind, "no longer served, or in another version");
                watch.task.abort();
                self.cache.dropped(table);
            }
            stays
        });
        for (table, resource) in served {
            if watches.contains_key(&table) {
                continue;
            }
            tracing::info!(kind = resource.kind, version = resource.api_version, "watching");
            let state = Arc::new(State::default());
            let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
            let put = {
                let (resource, table) = (resource.clone(), table.clone());
                move |cache: &Cache, object: DynamicObject| {
                    let (place, object) = taken(&resource, object);
                    cache.put(&table, &place, object);
                    place
                }
            };
            let task = tokio::spawn(follow_dynamic(
                api,
                resource.clone(),
                table.clone(),
                Arc::clone(&self.cache),
                Arc::clone(&state),
                put,
            ));
            watches.insert(table, Watch { resource, state, task });
        }
        Ok(())
    }
}

impl Drop for ClusterWorld {
    fn drop(&mut self) {
        for watch in self.watches().values() {
            watch.task.abort();
        }
    }
}

/// The tables of a group's kinds. A kind in versions that this release can't read is not watched, and
/// said so: whoever refers to one is refused.
fn tables(group: &ApiGroup) -> Vec<(Table, ApiResource)> {
    let mut tables = Vec::new();
    for (resource, capabilities) in group.resources_by_stability() {
        let Some(table) = table_of(&resource.group, &resource.kind) else { continue };
        let can = |verb: &str| capabilities.supports_operation(verb);
        match recognise(&resource.group, &resource.version, &resource.kind) {
            Recognised::Known(_) if can("list") && can("watch") => tables.push((table, resource)),
            Recognised::Known(_) => {}
            _ => tracing::error!(
                kind = resource.kind,
                version = resource.api_version,
                "this release can't read the version that is served: objects of the kind are refused"
            ),
        }
    }
    tables
}

fn table_of(group: &str, kind: &str) -> Option<Table> {
    Some(match (group, kind) {
        (EXTERNAL_SECRETS, "SecretStore") => Table::Stores(StoreKind::SecretStore),
        (EXTERNAL_SECRETS, "ClusterSecretStore") => Table::Stores(StoreKind::ClusterSecretStore),
        (EXTERNAL_SECRETS, "ExternalSecret") => Table::Referring(Kind::ExternalSecret),
        (EXTERNAL_SECRETS, "ClusterExternalSecret") => Table::Referring(Kind::ClusterExternalSecret),
        (EXTERNAL_SECRETS, "PushSecret") => Table::Referring(Kind::PushSecret),
        (EXTERNAL_SECRETS, "ClusterPushSecret") => Table::Referring(Kind::ClusterPushSecret),
        (INFRA_OPERATOR, "SecretsManagerSecret") => Table::Referring(Kind::SecretsManagerSecret),
        (INFRA_OPERATOR, "AWSProvider") => Table::AwsProviders,
        (GENERATORS, kind) if kind != INTERNAL_GENERATOR => Table::Generators(kind.to_owned()),
        _ => return None,
    })
}

/// An object as a manifest has it; of a list's items the API server leaves `apiVersion` and `kind` out.
pub(crate) fn taken(resource: &ApiResource, object: DynamicObject) -> (Place, Value) {
    let metadata = &object.metadata;
    let place =
        Place::new(metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default());
    let mut value = json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": metadata.name, "labels": metadata.labels.clone().unwrap_or_default()},
    });
    if let Some(namespace) = &metadata.namespace {
        value["metadata"]["namespace"] = json!(namespace);
    }
    if let Some(uid) = &metadata.uid {
        value["metadata"]["uid"] = json!(uid);
    }
    if let Some(deleted) = &metadata.deletion_timestamp {
        value["metadata"]["deletionTimestamp"] = json!(deleted);
    }
    if let Value::Object(data) = object.data {
        for (field, data) in data {
            value[field] = data;
        }
    }
    (place, value)
}

fn namespace_of(metadata: ObjectMeta) -> Namespace {
    Namespace {
        name: metadata.name.unwrap_or_default(),
        labels: metadata.labels.unwrap_or_default(),
        is_terminating: metadata.deletion_timestamp.is_some(),
    }
}

/// Whether an object may have this name (`k8s.io/apimachinery/pkg/api/validation/path`).
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 253 && name != "." && name != ".." && !name.contains(['/', '%'])
}

/// Follows the objects of a kind, for ever.
async fn follow(
    api: Api<PartialObjectMeta<CoreNamespace>>,
    table: Table,
    cache: Arc<Cache>,
    state: Arc<State>,
    put: impl Fn(&Cache, PartialObjectMeta<CoreNamespace>) -> Place + Send,
) {
    let open = || watcher(api.clone(), configuration()).boxed();
    follow_events(open, &table, &cache, &state, put, |object| Place::new("", &object.name_any())).await;
}

/// Follows the objects of a kind that is known at run time alone, for ever.
async fn follow_dynamic(
    api: Api<DynamicObject>,
    resource: ApiResource,
    table: Table,
    cache: Arc<Cache>,
    state: Arc<State>,
    put: impl Fn(&Cache, DynamicObject) -> Place + Send,
) {
    let open = || watcher(api.clone(), configuration()).boxed();
    let place = |object: DynamicObject| taken(&resource, object).0;
    follow_events(open, &table, &cache, &state, put, place).await;
}

fn configuration() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

type Events<K> = futures_util::stream::BoxStream<'static, watcher::Result<Event<K>>>;

async fn follow_events<K: Send>(
    open: impl Fn() -> Events<K> + Send,
    table: &Table,
    cache: &Cache,
    state: &State,
    put: impl Fn(&Cache, K) -> Place + Send,
    place: impl Fn(K) -> Place + Send,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut events = open();
        let mut listed = BTreeSet::new();
        let mut is_listing = false;
        let error = loop {
            match events.next().await {
                Some(Ok(Event::Init)) => {
                    listed.clear();
                    is_listing = true;
                }
                Some(Ok(Event::InitApply(object))) => {
                    listed.insert(put(cache, object));
                }
                Some(Ok(Event::InitDone)) => {
                    if is_listing {
                        cache.listed(table, &listed);
                    }
                    listed.clear();
                    is_listing = false;
                    pause = FIRST_PAUSE;
                    state.succeeded();
                }
                Some(Ok(Event::Apply(object))) => {
                    put(cache, object);
                }
                Some(Ok(Event::Delete(object))) => cache.remove(table, &place(object)),
                Some(Err(error)) => break describe_watch(&error),
                None => break "the watch ended".to_owned(),
            }
        };
        drop(events);
        state.failed();
        tracing::warn!(cache = table.metric(), error, "a watch failed, listing anew");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// An error in words that hold nothing of an object.
fn describe_watch(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => describe(error),
        watcher::Error::WatchError(status) => format!("the API server answered {} {}", status.code, status.reason),
        watcher::Error::NoResourceVersion => "the API server gave no resourceVersion".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use keystile_policy::{Lookup, World as _};

    use super::*;

    fn named(name: &str) -> Namespace {
        Namespace { name: name.into(), ..Namespace::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_stays_while_a_watch_fails_and_a_new_list_corrects_it() {
        let (cache, state) = (Cache::default(), State::default());
        let opened = AtomicUsize::new(0);
        let open = || -> Events<&'static str> {
            let failure = || Err(watcher::Error::NoResourceVersion);
            let list = |names: &[&'static str]| {
                let items = names.iter().map(|name| Ok(Event::InitApply(*name)));
                [Ok(Event::Init)].into_iter().chain(items).chain([Ok(Event::InitDone)]).collect::<Vec<_>>()
            };
            match opened.fetch_add(1, Ordering::Relaxed) {
                0 => futures_util::stream::iter(list(&["a", "b"]).into_iter().chain([failure()])).boxed(),
                // A list that breaks off must not take anything away.
                1 => futures_util::stream::iter([Ok(Event::Init), Ok(Event::InitApply("c")), failure()]).boxed(),
                _ => futures_util::stream::iter(list(&["b", "c"])).chain(futures_util::stream::pending()).boxed(),
            }
        };
        let put = |cache: &Cache, name: &'static str| {
            cache.put_namespace(named(name));
            Place::new("", name)
        };
        let following = follow_events(open, &Table::Namespaces, &cache, &state, put, |name| Place::new("", name));
        let is_known = |name: &str| matches!(cache.namespace(name), Lookup::Found(_));
        tokio::select! {
            () = following => unreachable!("it follows for ever"),
            () = async {
                while opened.load(Ordering::Relaxed) < 2 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                assert!(is_known("a") && is_known("b") && is_known("c"));
                assert!(state.failing_since.lock().unwrap().is_some());
                while opened.load(Ordering::Relaxed) < 3 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
                assert!(!is_known("a") && is_known("b") && is_known("c"));
                assert!(state.failing_since.lock().unwrap().is_none());
            } => {}
        }
    }

    #[test]
    fn names_that_no_object_has_lead_nowhere() {
        for name in ["", ".", "..", "a/b", "a%2fb"] {
            assert!(!is_name(name), "{name}");
        }
        assert!(is_name("aws") && is_name("a.b-c"));
    }

    #[test]
    fn kinds_have_their_tables() {
        assert_eq!(table_of(GENERATORS, "Password"), Some(Table::Generators("Password".into())));
        assert_eq!(table_of(GENERATORS, "GeneratorState"), None);
        assert_eq!(table_of(INFRA_OPERATOR, "S3Bucket"), None);
        assert_eq!(table_of(EXTERNAL_SECRETS, "PushSecret"), Some(Table::Referring(Kind::PushSecret)));
    }
}
