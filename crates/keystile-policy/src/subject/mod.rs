//! What an object says about secrets: its references, stores, settings, each with its field path.
//!
//! Reading is the only place that knows the shapes of the kinds; rules see what was read. A value of
//! the wrong type is never skipped: it is a [`Fault`].

pub mod agent;
pub mod agent_template;
pub mod cron;
pub mod fan_out;
pub(crate) mod fields;
pub mod generator;
pub mod identity;
pub mod managed;
mod operator;
pub mod push;
pub mod push_metadata;
pub mod reference;
pub mod refresh;
pub mod store;
pub(crate) mod terraform;

use serde_json::Value;

use crate::field_path::{FieldPath, Path};
use crate::world::{GeneratorId, StoreId, StoredObject};

pub use reference::{Names, Reference, StoreTarget};

/// A place of the object that can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub path: FieldPath,
    /// What was expected, and the type that is there.
    pub message: String,
}

impl Fault {
    /// A value of another type than `expected`.
    pub(crate) fn wrong(value: &Value, path: &Path<'_>, expected: &str) -> Self {
        let found = match value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::Array(_) => "a list",
            Value::Object(_) => "a map",
        };
        let cure = match (expected, value) {
            ("text", Value::Number(_) | Value::Bool(_)) => "; put it in quotes",
            _ => "",
        };
        Self { path: path.into(), message: format!("is {found}, not {expected}{cure}") }
    }
}

/// What an object says about secrets.
#[derive(Debug, Default)]
pub struct Subject<'o> {
    /// What it reads, writes and deletes, in the object's order.
    pub references: Vec<Reference<'o>>,
    /// The generators that it uses.
    pub generators: Vec<reference::GeneratorRef<'o>>,
    /// When it reads again (ExternalSecret).
    pub refresh: Option<refresh::Refresh<'o>>,
    /// The managed secrets that it makes or changes.
    pub managed: Vec<managed::ManagedSecret<'o>>,
    /// The store that it is.
    pub store: Option<Box<store::StoreFacts>>,
    /// What it pushes (PushSecret, ClusterPushSecret).
    pub push: Option<Box<push::Push<'o>>>,
    /// What its pods ask of the Vault Agent Injector (Pods and what makes them).
    pub agent: Option<Box<agent::Agent<'o>>>,
    /// The namespaces that it goes to (ClusterExternalSecret, ClusterPushSecret).
    pub fan_out: Option<fan_out::FanOut<'o>>,
    /// The generator that it is.
    pub generator: Option<Box<generator::GeneratorFacts>>,
    /// What can't be read.
    pub faults: Vec<Fault>,
}

impl<'o> Subject<'o> {
    /// Reads an object of a known kind.
    #[must_use]
    pub fn read(kind: crate::Kind, object: &'o Value) -> Self {
        let mut subject = Self::default();
        match kind {
            crate::Kind::ExternalSecret => reference::read_external_secret(object, &mut subject),
            crate::Kind::ClusterExternalSecret => {
                let base = Path::of(&["spec", "externalSecretSpec"]);
                reference::read_external_secret_spec(object.pointer("/spec/externalSecretSpec"), &base, &mut subject);
                fan_out::read(object, &mut subject);
            }
            crate::Kind::Workload => agent::read(object, &mut subject),
            crate::Kind::PushSecret => {
                push::read_spec(object.get("spec"), &Path::of(&["spec"]), &mut subject);
                push::read_synced(object, &mut subject);
            }
            crate::Kind::ClusterPushSecret => {
                let base = Path::of(&["spec", "pushSecretSpec"]);
                push::read_spec(object.pointer("/spec/pushSecretSpec"), &base, &mut subject);
                fan_out::read(object, &mut subject);
            }
            crate::Kind::SecretStore | crate::Kind::ClusterSecretStore => {
                subject.store = Some(Box::new(store::StoreFacts::read_with_faults(object, &mut subject.faults)));
            }
            crate::Kind::Generator => {
                subject.generator = Some(Box::new(generator::GeneratorFacts::read(object, &mut subject.faults)));
            }
            crate::Kind::SecretsManagerSecret => operator::read_secrets_manager_secret(object, &mut subject),
            crate::Kind::TerraformSecret => terraform::read_secret(object, &mut subject),
            crate::Kind::TerraformParameter => terraform::read_parameter(object, &mut subject),
            // Filled in kind by kind.
            _ => {}
        }
        subject
    }
}

impl<'o> Subject<'o> {
    /// The managed secrets whose maker can say how they are rotated.
    pub fn rotations(&self) -> impl Iterator<Item = (&managed::ManagedSecret<'o>, &managed::Rotation<'o>)> {
        self.managed.iter().filter_map(|secret| Some((secret, secret.rotation.as_ref()?)))
    }

    /// The managed secrets whose maker can say what their deletion does.
    pub fn deletions(&self) -> impl Iterator<Item = (&managed::ManagedSecret<'o>, &managed::Deletion<'o>)> {
        self.managed.iter().filter_map(|secret| Some((secret, secret.deletion.as_ref()?)))
    }
}

impl Subject<'_> {
    /// Whether the object says nothing about secrets at all.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.references.is_empty()
            && self.generators.is_empty()
            && self.managed.is_empty()
            && self.store.is_none()
            && self.agent.is_none()
            && self.faults.is_empty()
    }
}

/// Whether a stored object refers to a store, by name or by label.
#[must_use]
pub fn refers_to_store(object: &StoredObject, id: &StoreId) -> bool {
    let subject = Subject::read(object.kind, &object.object);
    subject.references.iter().any(|reference| match &reference.store {
        StoreTarget::Named { kind, name, .. } => {
            *kind == id.kind && *name == id.name && (id.namespace.is_empty() || id.namespace == object.namespace)
        }
        StoreTarget::ByLabel { kind, .. } => {
            *kind == id.kind && (id.namespace.is_empty() || id.namespace == object.namespace)
        }
        StoreTarget::AwsProvider { .. } | StoreTarget::Missing | StoreTarget::UnknownKind { .. } => false,
    })
}

/// Whether a stored object refers to a generator.
#[must_use]
pub fn refers_to_generator(object: &StoredObject, id: &GeneratorId) -> bool {
    let subject = Subject::read(object.kind, &object.object);
    subject.generators.iter().any(|generator| {
        generator.kind == id.kind
            && generator.name == id.name
            && (id.namespace.is_empty() || id.namespace == object.namespace)
    })
}
