//! A world with answers laid over it: what was asked live because the cache did not know.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use keystile_policy::subject::store::{StoreFacts, StoreKind};
use keystile_policy::world::{GeneratorId, Inventory, Namespace, Objects, StoreId, StoredObject};
use keystile_policy::{Lookup, Query, World};
use serde_json::Value;

/// One answer: the object, or that there is none.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To [`Query::Namespace`].
    Namespace(Arc<Namespace>),
    /// To [`Query::Store`].
    Store(Arc<StoreFacts>),
    /// To [`Query::Generator`] and [`Query::AwsProvider`].
    Object(Arc<Value>),
    /// There is no such object.
    Absent,
}

/// Answers to single questions, for one request.
#[derive(Clone, Debug, Default)]
pub struct Answers(BTreeMap<Query, Answer>);

impl Answers {
    /// Whether `query` was answered.
    #[must_use]
    pub fn has(&self, query: &Query) -> bool {
        self.0.contains_key(query)
    }

    /// Takes an answer in.
    pub fn insert(&mut self, query: Query, answer: Answer) {
        self.0.insert(query, answer);
    }
}

/// A world with answers laid over it.
pub struct Overlay<'w> {
    /// What is asked first.
    pub below: &'w dyn World,
    /// What is asked where that does not know.
    pub answers: &'w Answers,
}

impl Overlay<'_> {
    /// `known`, or else the answer to `query`.
    fn or<T>(&self, known: Lookup<T>, query: impl FnOnce() -> Query, take: impl Fn(&Answer) -> Option<T>) -> Lookup<T> {
        if !matches!(known, Lookup::Unknown) || self.answers.0.is_empty() {
            return known;
        }
        match self.answers.0.get(&query()) {
            Some(Answer::Absent) => Lookup::Absent,
            Some(answer) => take(answer).map_or(Lookup::Unknown, Lookup::Found),
            None => Lookup::Unknown,
        }
    }
}

impl World for Overlay<'_> {
    fn namespace(&self, name: &str) -> Lookup<Arc<Namespace>> {
        let take = |answer: &Answer| match answer {
            Answer::Namespace(namespace) => Some(Arc::clone(namespace)),
            _ => None,
        };
        self.or(self.below.namespace(name), || Query::Namespace(name.to_owned()), take)
    }

    fn namespaces(&self) -> Lookup<Vec<Arc<Namespace>>> {
        self.below.namespaces()
    }

    fn store(&self, kind: StoreKind, namespace: &str, name: &str) -> Lookup<Arc<StoreFacts>> {
        let query = || {
            let namespace = if kind == StoreKind::ClusterSecretStore { "" } else { namespace };
            Query::Store(StoreId { kind, namespace: namespace.to_owned(), name: name.to_owned() })
        };
        let take = |answer: &Answer| match answer {
            Answer::Store(store) => Some(Arc::clone(store)),
            _ => None,
        };
        self.or(self.below.store(kind, namespace, name), query, take)
    }

    fn stores(&self, kind: StoreKind, namespace: &str) -> Lookup<Vec<Arc<StoreFacts>>> {
        self.below.stores(kind, namespace)
    }

    fn generator(&self, id: &GeneratorId) -> Lookup<Arc<Value>> {
        self.or(self.below.generator(id), || Query::Generator(id.clone()), object)
    }

    fn aws_provider(&self, namespace: &str, name: &str) -> Lookup<Arc<Value>> {
        let query = || Query::AwsProvider(namespace.to_owned(), name.to_owned());
        self.or(self.below.aws_provider(namespace, name), query, object)
    }

    fn count(&self, wanted: Objects<'_>) -> usize {
        self.below.count(wanted)
    }

    fn visit(&self, wanted: Objects<'_>, each: &mut dyn FnMut(StoredObject) -> ControlFlow<()>) {
        self.below.visit(wanted, each);
    }

    fn inventory(&self, account: Option<&str>, region: &str, name: &str) -> Inventory {
        self.below.inventory(account, region, name)
    }
}

fn object(answer: &Answer) -> Option<Arc<Value>> {
    match answer {
        Answer::Object(object) => Some(Arc::clone(object)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use keystile_policy::Snapshot;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_counts_only_where_the_world_does_not_know() {
        let named = |name: &str, team: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": team}}});
        let mut below = Snapshot::default();
        below.insert(Arc::new(named("a", "known")));
        let mut answers = Answers::default();
        let asked = |name: &str| Answer::Namespace(Arc::new(Namespace { name: name.into(), ..Namespace::default() }));
        answers.insert(Query::Namespace("a".into()), asked("a"));
        answers.insert(Query::Namespace("b".into()), asked("b"));
        answers.insert(Query::Namespace("c".into()), Answer::Absent);
        let world = Overlay { below: &below, answers: &answers };
        assert_eq!(world.namespace("a").found().unwrap().labels["team"], "known");
        assert_eq!(world.namespace("b").found().unwrap().name, "b");
        assert_eq!(world.namespace("c"), Lookup::Absent);
        assert_eq!(world.namespace("d"), Lookup::Unknown);
        assert!(answers.has(&Query::Namespace("c".into())));
    }
}
