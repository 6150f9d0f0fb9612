//! A world in which one store, generator, AWSProvider or Namespace is another, or is not there: the
//! world as it will be after a request, or as it was before it.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::Value;

use super::{GeneratorId, Inventory, Lookup, Namespace, Objects, StoreId, StoredObject, World};
use crate::subject::store::{StoreFacts, StoreKind};

/// What is another; `None` = it is not there.
#[derive(Clone, Debug)]
pub enum Changed {
    /// A SecretStore or ClusterSecretStore.
    Store(StoreId, Option<Arc<StoreFacts>>),
    /// A generator.
    Generator(GeneratorId, Option<Arc<Value>>),
    /// An AWSProvider: namespace and name.
    AwsProvider(String, String, Option<Arc<Value>>),
    /// The Namespace of this name.
    Namespace(String, Option<Arc<Namespace>>),
}

/// A world in which one thing is another.
pub struct Overlay<'w> {
    /// What answers everything else.
    pub below: &'w dyn World,
    /// What is another.
    pub changed: Changed,
}

impl Overlay<'_> {
    fn is_store(id: &StoreId, kind: StoreKind, namespace: &str, name: &str) -> bool {
        id.kind == kind && id.name == name && (kind == StoreKind::ClusterSecretStore || id.namespace == namespace)
    }
}

fn known<T>(changed: Option<&Arc<T>>) -> Lookup<Arc<T>> {
    changed.map_or(Lookup::Absent, |changed| Lookup::Found(Arc::clone(changed)))
}

/// A list in which what `is_it` tells is `changed`. A list that is not known stays so.
fn replaced<T>(all: Lookup<Vec<Arc<T>>>, changed: Option<&Arc<T>>, is_it: impl Fn(&T) -> bool) -> Lookup<Vec<Arc<T>>> {
    let mut all = match (all, changed) {
        (Lookup::Found(all), _) => all,
        (Lookup::Absent, Some(_)) => Vec::new(),
        (other, _) => return other,
    };
    all.retain(|item| !is_it(item));
    all.extend(changed.cloned());
    Lookup::Found(all)
}

impl World for Overlay<'_> {
    fn namespace(&self, name: &str) -> Lookup<Arc<Namespace>> {
        match &self.changed {
            Changed::Namespace(changed, namespace) if changed == name => known(namespace.as_ref()),
            _ => self.below.namespace(name),
        }
    }

    fn namespaces(&self) -> Lookup<Vec<Arc<Namespace>>> {
        match &self.changed {
            Changed::Namespace(name, namespace) => {
                replaced(self.below.namespaces(), namespace.as_ref(), |other| other.name == *name)
            }
            _ => self.below.namespaces(),
        }
    }

    fn store(&self, kind: StoreKind, namespace: &str, name: &str) -> Lookup<Arc<StoreFacts>> {
        match &self.changed {
            Changed::Store(id, store) if Self::is_store(id, kind, namespace, name) => known(store.as_ref()),
            _ => self.below.store(kind, namespace, name),
        }
    }

    fn stores(&self, kind: StoreKind, namespace: &str) -> Lookup<Vec<Arc<StoreFacts>>> {
        match &self.changed {
            Changed::Store(id, store) if Self::is_store(id, kind, namespace, &id.name) => {
                replaced(self.below.stores(kind, namespace), store.as_ref(), |other| other.id == *id)
            }
            _ => self.below.stores(kind, namespace),
        }
    }

    fn generator(&self, id: &GeneratorId) -> Lookup<Arc<Value>> {
        match &self.changed {
            Changed::Generator(changed, generator) if changed == id => known(generator.as_ref()),
            _ => self.below.generator(id),
        }
    }

    fn aws_provider(&self, namespace: &str, name: &str) -> Lookup<Arc<Value>> {
        match &self.changed {
            Changed::AwsProvider(in_namespace, changed, provider) if in_namespace == namespace && changed == name => {
                known(provider.as_ref())
            }
            _ => self.below.aws_provider(namespace, name),
        }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::world::Snapshot;

    fn store(namespace: &str, name: &str, region: &str) -> Arc<Value> {
        Arc::new(json!({
            "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"provider": {"aws": {"service": "SecretsManager", "region": region}}},
        }))
    }

    #[test]
    fn one_store_is_another_and_its_neighbours_are_what_they_were() {
        let mut below = Snapshot::complete();
        for namespace in ["a", "b"] {
            below.insert(store(namespace, "own", "eu-west-1"));
        }
        let new = Arc::new(StoreFacts::read(&store("a", "own", "us-east-1")));
        let id = new.id.clone();
        let after = Overlay { below: &below, changed: Changed::Store(id.clone(), Some(Arc::clone(&new))) };
        let kind = StoreKind::SecretStore;
        assert_eq!(after.store(kind, "a", "own"), Lookup::Found(Arc::clone(&new)));
        assert_eq!(after.stores(kind, "a"), Lookup::Found(vec![Arc::clone(&new)]));
        assert_eq!(after.store(kind, "b", "own"), below.store(kind, "b", "own"));
        assert_eq!(after.stores(kind, "b"), below.stores(kind, "b"));
        assert_eq!(after.store(StoreKind::ClusterSecretStore, "a", "own"), Lookup::Absent);
        let before = Overlay { below: &below, changed: Changed::Store(id, None) };
        assert_eq!(before.store(kind, "a", "own"), Lookup::Absent);
        assert_eq!(before.stores(kind, "a"), Lookup::Found(Vec::new()));
    }

    #[test]
    fn a_list_that_is_not_known_stays_so() {
        let below = Snapshot::default();
        let new = Arc::new(StoreFacts::read(&store("a", "own", "us-east-1")));
        let after = Overlay { below: &below, changed: Changed::Store(new.id.clone(), Some(new)) };
        assert_eq!(after.stores(StoreKind::SecretStore, "a"), Lookup::Unknown);
    }
}
