//! What a SecretStore or ClusterSecretStore says. Owned and compact, since the webhook's cache holds ten
//! thousand of them.
//!
//! Shapes, not versions, are read: v1, v1beta1 and v1alpha1 have the same fields where these providers
//! are concerned. Source: External Secrets 2.9.0, apis/externalsecrets/v1/secretstore_types.go and the
//! providers' types beside it.

mod read;
pub(crate) mod tables;

use serde_json::Value;

use super::Fault;
use super::identity::Identity;
pub use super::identity::{ObjectRef, ObjectRefKind, Role};
use crate::field_path::Path;
use crate::world::StoreId;
pub(crate) use read::identity;

/// The kind of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StoreKind {
    /// Of one namespace.
    SecretStore,
    /// Of the cluster.
    ClusterSecretStore,
    /// The operator's provider, which is to it what a store is to External Secrets.
    AwsProvider,
}

impl StoreKind {
    /// The kind as an object writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SecretStore => "SecretStore",
            Self::ClusterSecretStore => "ClusterSecretStore",
            Self::AwsProvider => "AWSProvider",
        }
    }
}

/// A store.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreFacts {
    /// Which one.
    pub id: StoreId,
    /// Its labels, by which a PushSecret may choose it.
    pub labels: Vec<(Box<str>, Box<str>)>,
    /// `spec.controller`; empty = the default controller.
    pub controller: Box<str>,
    /// `spec.conditions`: which namespaces may use a ClusterSecretStore; empty = every one.
    pub conditions: Vec<Condition>,
    /// Who the store acts as.
    pub identity: Identity,
    /// `spec.provider`.
    pub provider: StoreProvider,
}

/// One entry of `spec.conditions`; its parts are alternatives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Condition {
    /// `namespaces`.
    pub namespaces: Vec<Box<str>>,
    /// `namespaceRegexes`, matched anywhere in the name.
    pub namespace_regexes: Vec<Box<str>>,
    /// `namespaceSelector`.
    pub namespace_selector: Option<Value>,
}

/// Where a store's secrets are.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreProvider {
    /// `spec.provider.aws`.
    Aws(Box<AwsStore>),
    /// `spec.provider.vault`.
    Vault(Box<VaultStore>),
    /// `spec.provider.gcpsm`.
    Gcp(Box<GcpStore>),
    /// `spec.provider.kubernetes`.
    Kubernetes(Box<KubernetesStore>),
    /// Another provider, by its field's name. It is refused.
    Other(Box<str>),
    /// No provider, more than one, or one that can't be read: what the store would do is not known.
    Unreadable(Box<str>),
}

impl StoreProvider {
    /// The provider's field below `spec.provider`; empty where it can't be read.
    #[must_use]
    pub fn field(&self) -> &str {
        match self {
            Self::Aws(_) => "aws",
            Self::Vault(_) => "vault",
            Self::Gcp(_) => "gcpsm",
            Self::Kubernetes(_) => "kubernetes",
            Self::Other(name) => name,
            Self::Unreadable(_) => "",
        }
    }
}

/// `spec.provider.aws`. All of its roles are in [`StoreFacts::identity`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AwsStore {
    /// `service`.
    pub service: Box<str>,
    /// `region`.
    pub region: Box<str>,
    /// `prefix`, put before every key but not before what `find` looks for.
    pub prefix: Box<str>,
    /// The last role that is assumed: `role`, which comes after `additionalRoles`.
    pub role: Option<Box<str>>,
    /// Keys of `sessionTags`.
    pub session_tag_keys: Vec<Box<str>>,
    /// `transitiveTagKeys`.
    pub transitive_tag_keys: Vec<Box<str>>,
    /// Keys of `customSessionTags`.
    pub custom_session_tag_keys: Vec<Box<str>>,
    /// `secretsManager.forceDeleteWithoutRecovery`.
    pub force_delete_without_recovery: bool,
    /// `secretsManager.recoveryWindowInDays`.
    pub recovery_window_in_days: Option<i64>,
}

impl AwsStore {
    /// The account that the store's last role is of; `None` = it assumes none, or one that is no
    /// ARN.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.role.as_deref()?.split(':').nth(4)
    }
}

/// `spec.provider.vault`. Its roles are in [`StoreFacts::identity`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VaultStore {
    /// `server`.
    pub server: Box<str>,
    /// `path`: the mount of the KV engine.
    pub path: Option<Box<str>>,
    /// `version`; `v2` unless said.
    pub version: Box<str>,
    /// `namespace`.
    pub namespace: Option<Box<str>>,
    /// `auth.namespace`: where it logs in, if that is another.
    pub auth_namespace: Option<Box<str>>,
    /// Mount paths of the authentication methods (field, path): that of Kubernetes, and of the others
    /// where it is not the method's usual one.
    pub mount_paths: Vec<(&'static str, Box<str>)>,
    /// Names of `headers`.
    pub header_names: Vec<Box<str>>,
}

/// `spec.provider.gcpsm`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GcpStore {
    /// `projectID`.
    pub project: Box<str>,
    /// `location`: where its secrets are regional; empty = they are global. A regional secret is another than the
    /// global one of the same name.
    pub location: Box<str>,
    /// `auth.workloadIdentityFederation.externalTokenEndpoint`: where tokens are asked for.
    pub token_endpoint: Option<Box<str>>,
}

/// `spec.provider.kubernetes`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KubernetesStore {
    /// `server.url`; `kubernetes.default` unless said. With `authRef` the server is that of a kubeconfig
    /// in a Secret, which nobody sees: [`KubernetesStore::OF_A_KUBECONFIG`].
    pub server: Box<str>,
    /// `remoteNamespace`; `default` unless said.
    pub remote_namespace: Box<str>,
}

impl KubernetesStore {
    /// Stands for the server of a kubeconfig that a Secret holds.
    pub const OF_A_KUBECONFIG: &str = "that of the kubeconfig in authRef";
}

impl StoreFacts {
    /// Reads an AWSProvider of the operator: Secrets Manager in one region, with the operator's own
    /// identity or static credentials. (`roleARN` and `assumeRoleARN` have no effect in its source.)
    #[must_use]
    pub fn of_aws_provider(object: &Value, namespace: &str, name: &str) -> Self {
        let region = object.pointer("/spec/region").and_then(Value::as_str).unwrap_or("");
        Self {
            id: StoreId { kind: StoreKind::AwsProvider, namespace: namespace.to_owned(), name: name.to_owned() },
            labels: Vec::new(),
            controller: "".into(),
            conditions: Vec::new(),
            identity: Identity::default(),
            provider: StoreProvider::Aws(Box::new(AwsStore {
                service: "SecretsManager".into(),
                region: region.into(),
                ..AwsStore::default()
            })),
        }
    }

    /// Reads a SecretStore or ClusterSecretStore; what can't be read is [`StoreProvider::Unreadable`].
    #[must_use]
    pub fn read(object: &Value) -> Self {
        Self::read_with_faults(object, &mut Vec::new())
    }

    /// Reads a store, and says what can't be read.
    pub fn read_with_faults(object: &Value, faults: &mut Vec<Fault>) -> Self {
        read::store(object, faults)
    }

    /// The path of a field below the provider: `auth.jwt` is `spec.provider.aws.auth.jwt`.
    #[must_use]
    pub fn path<'s>(&'s self, field: &'s str) -> Path<'s> {
        let path = Path::of(&["spec", "provider"]);
        match self.provider.field() {
            "" => path,
            provider => {
                let fields = field.split('.').filter(|field| !field.is_empty());
                fields.fold(path.field(provider), |path, field| path.field(field))
            }
        }
    }

    /// The kind and name, as messages show them.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("{} {}", self.id.kind.as_str(), crate::shown::Shown(&self.id.name))
    }
}
