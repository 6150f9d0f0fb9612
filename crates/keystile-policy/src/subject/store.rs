//! What a SecretStore or ClusterSecretStore says. Owned, since the webhook's cache holds it.
//!
//! Source: External Secrets 2.9.0, apis/externalsecrets/v1/secretstore_types.go and the providers'
//! types beside it.

use serde_json::Value;

use crate::world::StoreId;

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

/// A reference to a key of a Kubernetes Secret, or to a service account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectRef {
    /// The name.
    pub name: Box<str>,
    /// The namespace, where one is written.
    pub namespace: Option<Box<str>>,
    /// The field below the provider that holds the reference: `auth.jwt.serviceAccountRef`.
    pub field: Box<str>,
}

/// `spec.provider.aws`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AwsStore {
    /// `service`.
    pub service: Box<str>,
    /// `region`.
    pub region: Box<str>,
    /// `prefix`, put before every key but not before what `find` looks for.
    pub prefix: Box<str>,
    /// `role`.
    pub role: Option<Box<str>>,
    /// `additionalRoles`.
    pub additional_roles: Vec<Box<str>>,
    /// `externalID`.
    pub external_id: Option<Box<str>>,
    /// Keys of `sessionTags`.
    pub session_tag_keys: Vec<Box<str>>,
    /// `transitiveTagKeys`.
    pub transitive_tag_keys: Vec<Box<str>>,
    /// `sessionTagsPolicy`.
    pub session_tags_policy: Option<Box<str>>,
    /// Keys of `customSessionTags`.
    pub custom_session_tag_keys: Vec<Box<str>>,
    /// `auth.secretRef`: static credentials.
    pub static_credentials: Vec<ObjectRef>,
    /// `auth.jwt.serviceAccountRef`.
    pub service_account: Option<ObjectRef>,
    /// `secretsManager.forceDeleteWithoutRecovery`.
    pub force_delete_without_recovery: bool,
    /// `secretsManager.recoveryWindowInDays`.
    pub recovery_window_in_days: Option<i64>,
}

impl AwsStore {
    /// The account that the store's last role is of; `None` = it assumes none.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        let last = self.role.as_deref().or_else(|| self.additional_roles.last().map(|role| &**role))?;
        last.split(':').nth(4)
    }
}

/// `spec.provider.vault`.
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
    /// Roles that `auth` names: (field, role).
    pub roles: Vec<(Box<str>, Box<str>)>,
    /// Mount paths that `auth` names: (field, path).
    pub mount_paths: Vec<(Box<str>, Box<str>)>,
    /// Names of the authentication methods under `auth`.
    pub auth_methods: Vec<Box<str>>,
    /// Secrets that `auth` reads.
    pub credentials: Vec<ObjectRef>,
    /// Service accounts whose tokens `auth` asks for.
    pub service_accounts: Vec<ObjectRef>,
    /// `caProvider`.
    pub ca_provider: Option<ObjectRef>,
    /// `caBundle` is written.
    pub has_ca_bundle: bool,
}

/// `spec.provider.gcpsm`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GcpStore {
    /// `projectID`.
    pub project: Box<str>,
    /// Secrets that `auth` reads.
    pub credentials: Vec<ObjectRef>,
    /// Service accounts whose tokens `auth` asks for.
    pub service_accounts: Vec<ObjectRef>,
}

/// `spec.provider.kubernetes`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KubernetesStore {
    /// `server.url`.
    pub server: Box<str>,
    /// `remoteNamespace`; `default` unless said.
    pub remote_namespace: Box<str>,
    /// Secrets that `auth`, `authRef` and `server` read.
    pub credentials: Vec<ObjectRef>,
    /// Service accounts whose tokens `auth` asks for.
    pub service_accounts: Vec<ObjectRef>,
    /// `server.caProvider`.
    pub ca_provider: Option<ObjectRef>,
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
        let text = |value: Option<&Value>| -> Box<str> { value.and_then(Value::as_str).unwrap_or("").into() };
        let kind = match object.get("kind").and_then(Value::as_str) {
            Some("ClusterSecretStore") => StoreKind::ClusterSecretStore,
            _ => StoreKind::SecretStore,
        };
        let namespace = match kind {
            StoreKind::ClusterSecretStore => String::new(),
            StoreKind::SecretStore | StoreKind::AwsProvider => text(object.pointer("/metadata/namespace")).into(),
        };
        let aws = object.pointer("/spec/provider/aws");
        Self {
            id: StoreId { kind, namespace, name: text(object.pointer("/metadata/name")).into() },
            labels: Vec::new(),
            controller: text(object.pointer("/spec/controller")),
            conditions: Vec::new(),
            provider: match aws {
                Some(aws) => StoreProvider::Aws(Box::new(AwsStore {
                    service: text(aws.get("service")),
                    region: text(aws.get("region")),
                    prefix: text(aws.get("prefix")),
                    role: aws.get("role").and_then(Value::as_str).map(Into::into),
                    ..AwsStore::default()
                })),
                None => StoreProvider::Unreadable("spec.provider is not read yet".into()),
            },
        }
    }
}
