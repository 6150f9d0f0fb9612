//! Who a store or a generator acts as, and for whom it is judged: shared by the rules about identities.

use crate::binding::{Binding, Part};
use crate::context::Context;
use crate::field_path::Path;
use crate::policy::ClusterStoreSettings;
use crate::subject::generator::GeneratorFacts;
use crate::subject::identity::Identity;
use crate::subject::store::{StoreFacts, StoreKind};

/// The judged object, if it is one that acts: a store or a generator.
#[derive(Clone, Copy)]
pub(super) enum Acting<'c> {
    /// A store.
    Store(&'c StoreFacts),
    /// A generator.
    Generator(&'c GeneratorFacts),
}

impl<'c> Acting<'c> {
    /// The store that the object is.
    pub(super) fn store(context: &Context<'c>) -> Option<Self> {
        context.subject.store.as_deref().map(Self::Store)
    }

    /// The generator that the object is.
    pub(super) fn generator(context: &Context<'c>) -> Option<Self> {
        context.subject.generator.as_deref().map(Self::Generator)
    }

    /// Who it acts as.
    pub(super) fn identity(self) -> &'c Identity {
        match self {
            Self::Store(store) => &store.identity,
            Self::Generator(generator) => &generator.identity,
        }
    }

    /// The path of one of the identity's fields.
    pub(super) fn path(self, field: &'c str) -> Path<'c> {
        match self {
            Self::Store(store) => store.path(field),
            Self::Generator(generator) => generator.path(field),
        }
    }

    /// Whether it is of the cluster and not of a namespace.
    pub(super) fn is_cluster(self) -> bool {
        match self {
            Self::Store(store) => store.id.kind == StoreKind::ClusterSecretStore,
            Self::Generator(generator) => generator.is_cluster,
        }
    }

    /// What it is, in the plural.
    pub(super) fn kinds(self) -> &'static str {
        match (self, self.is_cluster()) {
            (Self::Store(_), false) => "stores",
            (Self::Store(_), true) => "cluster stores",
            (Self::Generator(_), false) => "generators",
            (Self::Generator(_), true) => "cluster generators",
        }
    }
}

/// For whom something that acts is judged.
pub(super) struct For<'c> {
    /// Who it is, with the parts that it can't have as any: a cluster store is of no team.
    pub(super) binding: Binding,
    /// The settings of cluster stores, for what is of the cluster; without them nothing is allowed.
    pub(super) cluster: Option<Option<&'c ClusterStoreSettings>>,
}

impl<'c> For<'c> {
    pub(super) fn new(context: &Context<'c>, acting: Acting<'_>) -> Self {
        if acting.is_cluster() {
            let cluster = context.policy.stores.cluster.as_ref();
            let env = cluster.and_then(|cluster| cluster.env.as_deref());
            let env = env.map_or(Part::Any, |env| Part::Is(env.into()));
            return Self { binding: Binding { env, team: Part::Any }, cluster: Some(cluster) };
        }
        let binding = context.binding.cloned().unwrap_or(Binding { env: Part::Any, team: Part::Any });
        Self { binding, cluster: None }
    }

    /// The environment whose values count; `None` = the strictest of all.
    pub(super) fn env(&self) -> Option<&str> {
        self.binding.env.value()
    }

    /// Whether the namespace that a reference names is one that it may reach into: the own one, or one of
    /// those that cluster stores have service accounts in.
    pub(super) fn may_reach(&self, own: &str, namespace: &str) -> bool {
        match self.cluster {
            None => namespace == own,
            Some(cluster) => cluster.is_some_and(|cluster| {
                let accounts = cluster.service_accounts.iter();
                accounts.filter_map(|account| account.split_once('/')).any(|(allowed, _)| allowed == namespace)
            }),
        }
    }
}

/// Patterns and names as a message lists them.
pub(super) fn listed<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}
