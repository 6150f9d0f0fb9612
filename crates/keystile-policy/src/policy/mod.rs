//! The policy in force: resolved, complete, without a reference to the text it came from.
//!
//! `document` reads the text (a `SecretPolicy`), resolves the profile and checks it; the rest of the
//! crate reads only this.

pub mod by_env;
pub mod document;
pub mod duration;
pub mod export;
mod profile;
pub mod proposal;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::binding::Binding;
use crate::judgement::Action;
use crate::name::{NamePattern, TextPattern};
use crate::request::Request;
use crate::violation::Violation;
pub use by_env::ByEnv;
pub use profile::Profile;

/// A policy. The default one binds no namespace and grants nothing.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// `metadata.name` of the document.
    pub name: String,
    /// What holds where the document said nothing.
    pub profile: Profile,
    /// Who a namespace is.
    pub binding: BindingRule,
    /// Namespaces bound by name; they win over labels.
    pub namespaces: BTreeMap<String, Binding>,
    /// Who may touch guarded labels and cluster-scoped kinds.
    pub admins: Admins,
    /// Where secrets may be, and what is granted there.
    pub providers: Vec<ProviderEntry>,
    /// What stores may use.
    pub stores: StoreSettings,
    /// Kinds of generators that may be used and made.
    pub generators: ByEnv<Vec<String>>,
    /// Kinds besides Secret that an ExternalSecret may write: `ConfigMap`, `Certificate.cert-manager.io`.
    pub targets: ByEnv<Vec<String>>,
    /// Service accounts (`namespace/name`) that may write the status of PushSecrets.
    pub status_writers: ByEnv<Vec<String>>,
    /// What KMS keys may be used.
    pub kms: KmsSettings,
    /// The longest time between two rotations.
    pub rotation_max_age: ByEnv<Duration>,
    /// The longest time between two refreshes of an ExternalSecret.
    pub refresh_max_interval: ByEnv<Duration>,
    /// The shortest recovery window of a deletion.
    pub min_recovery_window: ByEnv<Duration>,
    /// Tags that a managed secret must have.
    pub required_tags: ByEnv<Vec<String>>,
    /// How old the inventory may be to count.
    pub inventory_max_age: ByEnv<Duration>,
    /// What broken rules do: by rule id, group (`key`) or `all`; the longest wins.
    pub actions: BTreeMap<String, ByEnv<Action>>,
    /// What is excused.
    pub exceptions: Vec<Exception>,
}

/// How labels bind a namespace.
#[derive(Clone, Debug, Default)]
pub struct BindingRule {
    /// The label that holds the team.
    pub team_label: String,
    /// Values of the team label that bind nothing.
    pub reserved_teams: Vec<String>,
    /// Where the environment comes from.
    pub env: EnvRule,
}

/// Where the environment of a namespace comes from.
#[derive(Clone, Debug)]
pub enum EnvRule {
    /// A label, with the values that it may have.
    Label {
        /// The label.
        label: String,
        /// Its values; empty = the policy names none, and every DNS label is one.
        values: Vec<String>,
    },
    /// The cluster is all of one environment.
    Value(String),
}

impl Default for EnvRule {
    fn default() -> Self {
        Self::Label { label: String::new(), values: Vec::new() }
    }
}

/// Who may do what only administrators do.
#[derive(Clone, Debug, Default)]
pub struct Admins {
    /// Groups of the API server's users.
    pub groups: Vec<String>,
    /// Further guarded labels of Namespaces, beside those of the binding.
    pub labels: Vec<String>,
}

/// One entry of `providers`: where secrets are, and what of them is granted.
#[derive(Clone, Debug)]
pub struct ProviderEntry {
    /// Where.
    pub provider: Provider,
    /// What.
    pub grants: Vec<Grant>,
}

/// Where secrets are, in a store's own words.
#[derive(Clone, Debug)]
pub enum Provider {
    /// AWS.
    Aws {
        /// `SecretsManager`, `ParameterStore`.
        services: ByEnv<Vec<String>>,
        /// Account ids.
        accounts: ByEnv<Vec<String>>,
        /// Regions that stores may name.
        regions: ByEnv<Vec<String>>,
        /// Regions that secrets may be replicated to.
        replica_regions: ByEnv<Vec<String>>,
    },
    /// HashiCorp Vault.
    Vault {
        /// The server's URL.
        server: ByEnv<String>,
        /// Mounts of the KV engine.
        paths: ByEnv<Vec<String>>,
        /// `v1` or `v2`.
        version: ByEnv<String>,
        /// Vault namespaces; the empty text = none.
        namespaces: ByEnv<Vec<String>>,
        /// Mount paths of the Kubernetes authentication method.
        mount_paths: ByEnv<Vec<String>>,
    },
    /// GCP Secret Manager.
    Gcp {
        /// Project ids.
        projects: ByEnv<Vec<String>>,
        /// Locations of regional secrets; the empty text = global secrets. None = global ones alone.
        locations: ByEnv<Vec<String>>,
    },
    /// Secrets of a Kubernetes cluster.
    Kubernetes {
        /// URLs of API servers.
        servers: ByEnv<Vec<String>>,
        /// Namespaces there.
        remote_namespaces: ByEnv<Vec<String>>,
    },
}

/// Names, and what may be done with them.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The names.
    pub names: NamePattern,
    /// What may be done.
    pub access: ByEnv<AccessSet>,
    /// The teams that have the grant; `None` = every team.
    pub teams: Option<Vec<String>>,
    /// The stores through which it counts; `None` = every store that fits.
    pub stores: Option<Vec<GrantedStore>>,
}

/// A store through which a grant counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantedStore {
    /// Its kind.
    pub kind: crate::subject::store::StoreKind,
    /// Its name.
    pub name: String,
}

/// What is done with a remote secret. None implies another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Access {
    /// Its value, properties or tags are read.
    Read,
    /// It is made or changed.
    Write,
    /// It is destroyed.
    Delete,
}

/// A set of [`Access`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccessSet {
    /// Read.
    pub read: bool,
    /// Write.
    pub write: bool,
    /// Delete.
    pub delete: bool,
}

impl AccessSet {
    /// Whether `access` is in the set.
    #[must_use]
    pub fn has(self, access: Access) -> bool {
        match access {
            Access::Read => self.read,
            Access::Write => self.write,
            Access::Delete => self.delete,
        }
    }

    /// What is in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { read: self.read && other.read, write: self.write && other.write, delete: self.delete && other.delete }
    }
}

/// What stores may use.
#[derive(Clone, Debug, Default)]
pub struct StoreSettings {
    /// Service accounts in a SecretStore's own namespace.
    pub service_accounts: ByEnv<Vec<TextPattern>>,
    /// IAM and Vault roles.
    pub roles: ByEnv<Vec<TextPattern>>,
    /// Values of `spec.controller`; the empty text = the default controller.
    pub controllers: ByEnv<Vec<String>>,
    /// What a ClusterSecretStore may use; `None` = there are none.
    pub cluster: Option<ClusterStoreSettings>,
}

/// What a ClusterSecretStore may use.
#[derive(Clone, Debug, Default)]
pub struct ClusterStoreSettings {
    /// The environment whose values and actions count for cluster stores.
    pub env: Option<String>,
    /// Service accounts, `namespace/name`.
    pub service_accounts: Vec<String>,
    /// IAM and Vault roles.
    pub roles: Vec<TextPattern>,
}

/// What KMS keys may be used.
#[derive(Clone, Debug, Default)]
pub struct KmsSettings {
    /// Accounts that keys may be of; empty = those of the provider.
    pub accounts: ByEnv<Vec<String>>,
    /// Aliases (`alias/…`) that may be used; empty with `keys` empty = any customer-managed key.
    pub aliases: ByEnv<Vec<TextPattern>>,
    /// Key ids and ARNs that may be used.
    pub keys: ByEnv<Vec<String>>,
}

impl KmsSettings {
    /// Whether only listed keys and aliases may be used, rather than any customer-managed key.
    #[must_use]
    pub fn lists_keys(&self) -> bool {
        !self.aliases.is_unsaid() || !self.keys.is_unsaid()
    }
}

/// One object that is excused from one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// The rule's id.
    pub rule: String,
    /// The object's namespace; `None` for a cluster-scoped one.
    pub namespace: Option<String>,
    /// The object's kind.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// For rules about names and roles: the one value (as [`crate::Violation::about`] has it).
    pub value: Option<String>,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// The last day on which it counts.
    pub expires: Date,
}

impl Exception {
    /// Whether the two excuse the same object from the same rule.
    #[must_use]
    pub fn is_for_the_same(&self, other: &Self) -> bool {
        let key = |e: &'_ Self| (e.rule.clone(), e.namespace.clone(), e.kind.clone(), e.name.clone(), e.value.clone());
        key(self) == key(other)
    }
}

impl Policy {
    /// What a broken `rule` does in `env` (`None` = any environment: the strictest). The document's
    /// longest line wins, then the profile's, then the rule's own default.
    #[must_use]
    pub fn action(&self, rule: &crate::rules::Rule, env: Option<&str>) -> Action {
        if let Some(env) = env {
            return self.action_in(rule, env);
        }
        // Some environment: each that is named, and one that is not.
        let others = self.environments();
        others.iter().map(|env| self.action_in(rule, env)).max().unwrap_or(rule.default_action)
    }

    /// The environments that there are. Where the policy lists none: those that its rules name, and the
    /// empty text for any other.
    #[must_use]
    pub fn environments(&self) -> Vec<&str> {
        match &self.binding.env {
            EnvRule::Value(value) => vec![value.as_str()],
            EnvRule::Label { values, .. } if !values.is_empty() => values.iter().map(String::as_str).collect(),
            EnvRule::Label { .. } => {
                let mut envs: Vec<&str> = self.actions.values().flat_map(ByEnv::envs).chain([""]).collect();
                envs.sort_unstable();
                envs.dedup();
                envs
            }
        }
    }

    /// Who says what a broken `rule` does in `env`: the document, the profile, or the rule itself.
    #[must_use]
    pub fn action_origin(&self, rule: &crate::rules::Rule, env: &str) -> document::Origin {
        let ids = [rule.id, rule.group(), "all"];
        if ids.iter().any(|id| self.actions.get(*id).is_some_and(|action| action.get(env).is_some())) {
            document::Origin::Document
        } else if ids.iter().any(|id| self.profile.action(id).is_some()) {
            document::Origin::Profile(self.profile)
        } else {
            document::Origin::Default
        }
    }

    /// The exception that excuses a violation of a request's object, with its place in the list.
    #[must_use]
    pub fn exception(&self, request: &Request<'_>, violation: &Violation) -> Option<(usize, &Exception)> {
        if self.exceptions.is_empty() {
            return None;
        }
        let today = request.now.to_zoned(TimeZone::UTC).date();
        self.exceptions.iter().enumerate().find(|(_, exception)| {
            exception.rule == violation.rule.id
                && exception.kind == request.kind
                && exception.name == request.name
                // Without a namespace the kind is cluster-scoped; the API server then sends none, but a
                // Namespace's own name for a Namespace.
                && exception.namespace.as_ref().is_none_or(|namespace| namespace == request.namespace)
                && exception.value.as_ref().is_none_or(|value| *value == violation.about)
                && today <= exception.expires
        })
    }

    fn action_in(&self, rule: &crate::rules::Rule, env: &str) -> Action {
        let ids = [rule.id, rule.group(), "all"];
        ids.iter()
            .find_map(|id| self.actions.get(*id)?.get(env).copied())
            .or_else(|| ids.iter().find_map(|id| self.profile.action(id)))
            .unwrap_or(rule.default_action)
    }
}
