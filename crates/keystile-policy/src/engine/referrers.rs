//! A change of a store, generator or binding label, judged against the objects that refer to it: what
//! they read moves with it, without a request of their own.
//!
//! Each is judged in the world as it will be and, where something denies there, in the world as it was.
//! What was wrong before stays possible, as for any update. Offline nothing is judged so: each object of
//! the run is judged in the same world anyway.

use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::Value;

use super::{Engine, Found};
use crate::field_path::Path;
use crate::inline;
use crate::judgement::{Action, Judged, Judgement};
use crate::kind::{self, Kind, Recognised};
use crate::request::{Door, Operation, Request};
use crate::rules::{
    BINDING_BREAKS_REFERRER, GENERATOR_BREAKS_REFERRER, RULES, Rule, STORE_BREAKS_REFERRER, STORE_REFERRERS_NOT_JUDGED,
};
use crate::shown::Shown;
use crate::subject::store::{StoreFacts, StoreKind};
use crate::violation::Violation;
use crate::world::overlay::{Changed, Overlay};
use crate::world::{GeneratorId, Lookup, Namespace, Objects, Query, StoreId, StoredObject, World, labels_of};

/// Objects that are judged with one change: half a second's work, where each is of ordinary size.
const MOST_REFERRERS: usize = 25_000;
/// Broken objects after which no further one is looked for.
const ENOUGH_BROKEN: usize = 10;
/// Broken objects that the message names.
const MOST_NAMED: usize = 5;
/// Characters that the message repeats of what is wrong with one of them.
const MOST_SAID: usize = 240;

/// What a request changes.
struct Change {
    after: Changed,
    before: Changed,
    rule: &'static Rule,
}

/// An object that the change breaks, and the first violation that it did not have.
struct Broken {
    referrer: StoredObject,
    judged: Judged,
}

impl Engine {
    /// Adds what the change does to others. One that is refused anyway costs no more.
    pub(super) fn add_broken_referrers(
        &self,
        kind: Kind,
        request: &Request<'_>,
        world: &dyn World,
        texts: &inline::Texts,
        judgement: &mut Judgement,
    ) {
        if request.door != Door::Admission || judgement.is_denied() {
            return;
        }
        let Some(Change { after, before, rule }) = change(kind, request) else { return };
        let wanted = referrers(&after);
        let count = wanted.iter().map(|wanted| world.count(*wanted)).sum();
        let mut unanswered = BTreeSet::new();
        // Before any is read: neither memory nor the time for the answer should suffer from what is refused.
        let violation = if count > MOST_REFERRERS {
            Some(not_judged(request, count))
        } else {
            let before = Overlay { below: world, changed: before };
            let changed = Overlay { below: world, changed: after.clone() };
            let mut broken = Vec::new();
            for wanted in wanted {
                world.visit(wanted, &mut |referrer| {
                    if is_reached(&after, &referrer) {
                        broken.extend(self.broken(referrer, request, &changed, &before, &mut unanswered));
                    }
                    if broken.len() < ENOUGH_BROKEN { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                });
                if broken.len() >= ENOUGH_BROKEN {
                    break;
                }
            }
            (!broken.is_empty()).then(|| breaks(rule, request, &broken))
        };
        let found = violation.map(|violation| Found { violation, env: self.env_of_changed(kind, request, world) });
        let more = self.answer(request, found.into_iter().collect(), unanswered, texts);
        judgement.violations.extend(more.violations);
        judgement.violations.sort_by_key(|judged| std::cmp::Reverse(judged.action));
        for query in more.unanswered {
            if !judgement.unanswered.contains(&query) {
                judgement.unanswered.push(query);
            }
        }
    }

    /// What is wrong with an object after the change and was not before it.
    fn broken(
        &self,
        referrer: StoredObject,
        request: &Request<'_>,
        after: &Overlay<'_>,
        before: &Overlay<'_>,
        unanswered: &mut BTreeSet<Query>,
    ) -> Option<Broken> {
        let mut queries = BTreeSet::new();
        let denied = self.denied(&referrer, request, after, &mut queries);
        if denied.is_empty() {
            return None;
        }
        // Stores that it is short of besides are not there before the change either. A namespace that is not
        // known hides every grant, before and after: it is asked for.
        let namespaces = queries.into_iter().filter(|query| matches!(query, Query::Namespace(_)));
        let room = ENOUGH_BROKEN.saturating_sub(unanswered.len());
        unanswered.extend(namespaces.take(room));
        let had = self.denied(&referrer, request, before, &mut BTreeSet::new());
        let same: HashSet<_> = had.iter().map(|judged| judged.violation.identity()).collect();
        let is_new = |violation: &Violation| {
            !same.contains(&violation.identity())
                && !had.iter().any(|judged| is_same_setting(&judged.violation, violation))
        };
        let mut judged = denied.into_iter().find(|judged| is_new(&judged.violation))?;
        self.texts(referrer.kind, &referrer.object).mask(&mut judged.violation);
        Some(Broken { referrer, judged })
    }

    /// The violations of an object, as it is, that deny.
    fn denied(
        &self,
        referrer: &StoredObject,
        request: &Request<'_>,
        world: &dyn World,
        unanswered: &mut BTreeSet<Query>,
    ) -> Vec<Judged> {
        let text = |field: &str| referrer.object.get(field).and_then(Value::as_str).unwrap_or("");
        let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
        // What can't be read can't be broken by others: it is refused as it is.
        let Recognised::Known(kind) = kind::recognise(group, version, text("kind")) else { return Vec::new() };
        let asked = Request {
            group,
            version,
            kind: text("kind"),
            sub_resource: "",
            namespace: &referrer.namespace,
            name: &referrer.name,
            operation: Operation::Create,
            object: Some(&referrer.object),
            old_object: None,
            user: None,
            door: Door::Admission,
            now: request.now,
        };
        let found = self.violations(kind, &asked, &referrer.object, None, world, unanswered, RULES, &[]);
        if found.is_empty() {
            return Vec::new();
        }
        let judgement = self.answer(&asked, found, BTreeSet::new(), &inline::Texts::default());
        judgement.violations.into_iter().filter(|judged| judged.action == Action::Deny).collect()
    }

    /// The environment whose actions count for what the changed object breaks; `None` = the strictest.
    fn env_of_changed(&self, kind: Kind, request: &Request<'_>, world: &dyn World) -> Option<Box<str>> {
        if kind == Kind::ClusterSecretStore {
            return self.policy.stores.cluster.as_ref()?.env.as_deref().map(Into::into);
        }
        if kind.is_cluster_scoped() || is_cluster_generator(request) {
            return None;
        }
        let Lookup::Found(Some(binding)) = self.binding_of(request.namespace, world) else { return None };
        binding.env.value().map(Into::into)
    }
}

/// Whether both are about one setting of a secret, whose name alone has moved with the store: such a
/// violation says which secret it is about.
fn is_same_setting(one: &Violation, other: &Violation) -> bool {
    std::ptr::eq(one.rule, other.rule)
        && one.path == other.path
        && matches!(one.rule.group(), "deletion" | "inventory" | "kms" | "rotation" | "tag")
}

fn is_cluster_generator(request: &Request<'_>) -> bool {
    request.kind == "ClusterGenerator"
}

/// What a request changes for others; `None` = nothing.
fn change(kind: Kind, request: &Request<'_>) -> Option<Change> {
    let new = request.object?;
    let old = request.old_object.filter(|_| request.operation == Operation::Update);
    let name = request.name.to_owned();
    match kind {
        Kind::SecretStore | Kind::ClusterSecretStore => {
            let (kind, namespace) = match kind {
                Kind::SecretStore => (StoreKind::SecretStore, request.namespace),
                _ => (StoreKind::ClusterSecretStore, ""),
            };
            let id = StoreId { kind, namespace: namespace.to_owned(), name };
            let facts = |object: &Value| Arc::new(StoreFacts { id: id.clone(), ..StoreFacts::read(object) });
            let (new, old) = (facts(new), old.map(facts));
            (old.as_ref() != Some(&new)).then(|| Change {
                after: Changed::Store(id.clone(), Some(new)),
                before: Changed::Store(id, old),
                rule: &STORE_BREAKS_REFERRER,
            })
        }
        Kind::AwsProvider => {
            let provider = |object: Option<&Value>| {
                Changed::AwsProvider(request.namespace.to_owned(), name.clone(), shared(object))
            };
            let facts = |object: &Value| StoreFacts::of_aws_provider(object, request.namespace, request.name);
            (old.map(facts) != Some(facts(new))).then(|| Change {
                after: provider(Some(new)),
                before: provider(old),
                rule: &STORE_BREAKS_REFERRER,
            })
        }
        Kind::Generator => {
            let namespace = if is_cluster_generator(request) { "" } else { request.namespace };
            let id = GeneratorId { kind: request.kind.to_owned(), namespace: namespace.to_owned(), name };
            Some(Change {
                after: Changed::Generator(id.clone(), shared(Some(new))),
                before: Changed::Generator(id, shared(old)),
                rule: &GENERATOR_BREAKS_REFERRER,
            })
        }
        Kind::Namespace => {
            // In a namespace that is made now there is nothing yet.
            let old = old?;
            let facts = |object: &Value| {
                let is_terminating = object.pointer("/metadata/deletionTimestamp").is_some();
                Arc::new(Namespace { name: name.clone(), labels: labels_of(object), is_terminating })
            };
            let (new, old) = (facts(new), facts(old));
            (new.labels != old.labels).then(|| Change {
                after: Changed::Namespace(name.clone(), Some(new)),
                before: Changed::Namespace(name.clone(), Some(old)),
                rule: &BINDING_BREAKS_REFERRER,
            })
        }
        _ => None,
    }
}

fn shared(object: Option<&Value>) -> Option<Arc<Value>> {
    object.cloned().map(Arc::new)
}

/// Whom a change may reach.
fn referrers(changed: &Changed) -> Vec<Objects<'_>> {
    match changed {
        Changed::Store(id, _) => vec![Objects::OfStore(id)],
        Changed::Generator(id, _) => vec![Objects::OfGenerator(id)],
        // One of another namespace is refused for that alone.
        Changed::AwsProvider(namespace, ..) => vec![Objects::In(namespace)],
        // Cluster-scoped objects choose namespaces by their labels.
        Changed::Namespace(name, _) => vec![Objects::In(name), Objects::In("")],
    }
}

/// Whether the change reaches an object among them.
fn is_reached(changed: &Changed, object: &StoredObject) -> bool {
    match changed {
        Changed::AwsProvider(..) => object.kind == Kind::SecretsManagerSecret,
        _ => true,
    }
}

fn place(request: &Request<'_>) -> Path<'static> {
    if request.kind == "Namespace" { Path::of(&["metadata", "labels"]) } else { Path::of(&["spec"]) }
}

fn not_judged(request: &Request<'_>, count: usize) -> Violation {
    let message = format!(
        "{count} objects may refer to {} {}, more than the {MOST_REFERRERS} that are judged with one change",
        request.kind,
        Shown(request.name)
    );
    Violation::new(&STORE_REFERRERS_NOT_JUDGED, place(request), request.name, message)
        .cure("make another under a new name and move the objects to it, a part at a time")
        .not_evaluated()
}

fn breaks(rule: &'static Rule, request: &Request<'_>, broken: &[Broken]) -> Violation {
    let named = &broken[..broken.len().min(MOST_NAMED)];
    let whole = |broken: &Broken| {
        let StoredObject { kind, namespace, name, .. } = &broken.referrer;
        let kind =
            broken.referrer.object.get("kind").and_then(Value::as_str).map_or(format!("{kind:?}"), str::to_owned);
        match namespace.as_str() {
            "" => format!("{kind} {name}"),
            namespace => format!("{kind} {namespace}/{name}"),
        }
    };
    let about: Vec<String> =
        named.iter().map(|broken| format!("{} {}", whole(broken), broken.judged.violation.rule.id)).collect();
    let each: Vec<String> = named
        .iter()
        .map(|broken| {
            let violation = &broken.judged.violation;
            let said = format!("{}: {}", violation.path, violation.message);
            let short: String = said.chars().take(MOST_SAID).collect();
            let more = if short.len() < said.len() { "…" } else { "" };
            format!("{}: {short}{more} ({})", Shown(&whole(broken)), violation.rule.id)
        })
        .collect();
    let more = match broken.len() - named.len() {
        0 => String::new(),
        _ if broken.len() == ENOUGH_BROKEN => format!("; and {} more at least", broken.len() - named.len()),
        more => format!("; and {more} more"),
    };
    let message =
        format!("{} {} would break what refers to it: {}{more}", request.kind, Shown(request.name), each.join("; "));
    Violation::new(rule, place(request), about.join(", "), message).cure("change those objects first, or remove them")
}
