//! The secret that is looked for, and whether a reference means it.
//!
//! What a store is asked for is keystile-policy's to say ([`provider::effective_key`]); here it is compared with
//! one secret: its manager, account, region (or that of a copy), name, version and part.

use std::collections::BTreeMap;

use keystile_inventory::Stage;
use keystile_policy::provider::{self, arn};
use keystile_policy::shown::Shown;
use keystile_policy::subject::store::{AwsStore, StoreFacts, StoreProvider, VaultStore};
use keystile_policy::template;
use regex::Regex;

use super::found::Because;
use super::leaf::Leaf;
use super::reason::Reason;
use crate::backend::BackendKind;
use crate::plan::Held;

/// A parameter's name behind which Parameter Store reads Secrets Manager.
/// Source: Parameter Store's user guide, "Referencing AWS Secrets Manager secrets from Parameter Store parameters".
const REFERENCE: &str = "/aws/reference/secretsmanager/";

/// The secret that is looked for.
#[derive(Debug, Clone)]
pub struct Wanted<'h> {
    pub(super) held: &'h Held,
    pub(super) leaf: Leaf,
    tags: Option<&'h BTreeMap<String, String>>,
}

/// Whether a reference means the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Means {
    /// It does, with what should be known about that.
    Yes(Vec<Because>),
    /// It does not.
    No,
    /// That can't be told; why, as a clause.
    Unknown(String),
}

/// Which version a reference reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Version {
    /// The current one.
    Current,
    /// One that a rotation does not make new, or not for good.
    Fixed(Because),
    /// Another than the leaked one, for good.
    Other,
}

impl<'h> Wanted<'h> {
    /// The leaked part of a secret.
    #[must_use]
    pub fn of(held: &'h Held) -> Self {
        Self { held, leaf: Leaf::of_pointer(&held.pointer), tags: None }
    }

    /// With the secret's tags, which searches and PushSecrets look at; without them such a search is undecided.
    #[must_use]
    pub fn with_tags(mut self, tags: &'h BTreeMap<String, String>) -> Self {
        self.tags = Some(tags);
        self
    }

    pub(super) fn is_vault(&self) -> bool {
        matches!(self.held.backend, BackendKind::VaultKv | BackendKind::VaultDatabase)
    }

    /// Whether External Secrets would refuse to write it: it writes what has its own tag only.
    /// Source: providers/v1/aws/secretsmanager/secretsmanager.go, `isManagedByESO`.
    pub(super) fn refuses_pushes(&self) -> bool {
        self.held.backend == BackendKind::AwsSecretsManager
            && self.tags.is_some_and(|tags| tags.get("managed-by").is_none_or(|by| by != "external-secrets"))
    }

    fn is_region(&self, region: &str) -> bool {
        self.held.region.as_deref() == Some(region) || self.held.replicas.iter().any(|replica| replica == region)
    }

    /// Whether `key`, asked of `store`, is the secret. `account`: what is known of the store's account.
    pub(super) fn in_store(&self, store: &StoreFacts, account: Option<&str>, key: &str, reads_metadata: bool) -> Means {
        let means = match (&store.provider, self.held.backend) {
            (StoreProvider::Aws(aws), BackendKind::AwsSecretsManager) => self.in_aws(aws, account, key),
            (StoreProvider::Vault(vault), BackendKind::VaultKv) => self.in_vault(vault, store, key, reads_metadata),
            (StoreProvider::Gcp(gcp), BackendKind::GcpSecretManager) => {
                if key == self.held.name {
                    self.in_project(&gcp.project, &gcp.location)
                } else {
                    Means::No
                }
            }
            (StoreProvider::Unreadable(why), _) if self.could_be(key) => {
                Means::Unknown(format!("the provider of its store can't be read: {why}"))
            }
            _ => Means::No,
        };
        if means == Means::No { self.unless_template(store, account, key) } else { means }
    }

    /// A store or key that some tool fills in later may be anything that what is written leaves open.
    fn unless_template(&self, store: &StoreFacts, account: Option<&str>, key: &str) -> Means {
        let is_open = |text: &str| template::find(text).is_some();
        let fields: Vec<&str> = match (&store.provider, self.held.backend) {
            (StoreProvider::Aws(aws), BackendKind::AwsSecretsManager) => {
                let is_elsewhere = !is_open(&aws.region) && !self.is_region(&aws.region);
                if is_elsewhere || self.in_account(account) == Means::No {
                    return Means::No;
                }
                vec![key, &aws.prefix, &aws.region]
            }
            (StoreProvider::Vault(vault), BackendKind::VaultKv) => {
                vec![key, vault.path.as_deref().unwrap_or_default(), vault.namespace.as_deref().unwrap_or_default()]
            }
            (StoreProvider::Gcp(gcp), BackendKind::GcpSecretManager) => vec![key, &gcp.project, &gcp.location],
            _ => Vec::new(),
        };
        match fields.into_iter().find(|field| is_open(field)) {
            Some(field) if self.could_be(key) => Means::Unknown(format!("{} is filled in later", Shown(field))),
            _ => Means::No,
        }
    }

    /// Whether `key` could be the secret in a store that is not known: behind some prefix, or in some mount.
    pub(super) fn could_be(&self, key: &str) -> bool {
        let held = self.held;
        if let Some((at, _)) = template::find(key) {
            // What stands before the first variable is fixed.
            return held.arn.0.contains(&key[..at]) || held.name.contains(&key[..at]);
        }
        match held.backend {
            BackendKind::AwsSecretsManager => {
                (!key.is_empty() && held.name.ends_with(key))
                    || self.is_arn(key, None)
                    || self.of_reference(key).is_some_and(|name| self.is_name(name))
            }
            BackendKind::VaultKv | BackendKind::VaultDatabase => {
                !key.is_empty() && (held.arn.0.ends_with(key) || self.is_vault_path(key))
            }
            BackendKind::GcpSecretManager => key == held.name,
        }
    }

    fn in_aws(&self, store: &AwsStore, account: Option<&str>, key: &str) -> Means {
        if !self.is_region(&store.region) {
            return Means::No;
        }
        let is_it = match &*store.service {
            "SecretsManager" if arn::is_arn(key) => {
                // An ARN behind a prefix is nonsense to AWS.
                let is_it = store.prefix.is_empty() && self.is_arn(key, Some(&store.region));
                return match (is_it, account) {
                    (true, Some(account)) if account != self.held.account => Means::No,
                    (true, _) => Means::Yes(Vec::new()),
                    (false, _) => Means::No,
                };
            }
            "SecretsManager" => [&*store.prefix, key].concat() == self.held.name,
            "ParameterStore" => {
                let name = [&*store.prefix, key].concat();
                self.of_reference(&name).is_some_and(|name| self.is_name(name.split(':').next().unwrap_or(name)))
            }
            _ => false,
        };
        if is_it { self.in_account(account) } else { Means::No }
    }

    /// An account that is known must be the secret's; one that is not is taken to be.
    pub(super) fn in_account(&self, account: Option<&str>) -> Means {
        match account {
            Some(account) if account == self.held.account => Means::Yes(Vec::new()),
            Some(account) if account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) => Means::No,
            Some(_) | None => {
                Means::Yes(vec![Because::new(Reason::AccountAssumed, format!("account {}", self.held.account))])
            }
        }
    }

    /// `location`: empty = global. A regional secret is another than the global one of its name.
    fn in_project(&self, project: &str, location: &str) -> Means {
        if self.held.region.as_deref().unwrap_or_default() != location {
            return Means::No;
        }
        let is_number = |project: &str| !project.is_empty() && project.bytes().all(|byte| byte.is_ascii_digit());
        if project == self.held.account {
            Means::Yes(Vec::new())
        } else if is_number(project) != is_number(&self.held.account) {
            // A project has a number and an id, and either may be written.
            let detail = format!("project {} or {}", Shown(project), self.held.account);
            Means::Yes(vec![Because::new(Reason::AccountAssumed, detail)])
        } else {
            Means::No
        }
    }

    fn in_vault(&self, vault: &VaultStore, store: &StoreFacts, key: &str, reads_metadata: bool) -> Means {
        if !self.is_namespace(vault.namespace.as_deref().unwrap_or_default()) {
            return Means::No;
        }
        let is_it = match vault.path.as_deref() {
            Some(mount) => match provider::effective_key(store, key, reads_metadata) {
                Ok(name) => [mount, "/", &*name.name].concat() == self.held.arn.0,
                // What is not canonical for a grant may still be a name.
                Err(_) => [mount, "/", key].concat() == self.held.arn.0,
            },
            // Without a path the key's first segment is the mount.
            None => self.is_vault_path(key) || key == self.held.arn.0,
        };
        if !is_it {
            return Means::No;
        }
        Means::Yes(vec![Because::new(Reason::AccountAssumed, format!("server {}", Shown(&vault.server)))])
    }

    /// Whether a namespace of Vault is the secret's. An account is `CLUSTER/NAMESPACE`, or the namespace alone.
    pub(super) fn is_namespace(&self, namespace: &str) -> bool {
        let namespace = namespace.trim_matches('/');
        let account = self.held.account.as_str();
        let alone = account.trim_matches('/');
        let behind = account.split_once('/').map(|(_, namespace)| namespace.trim_matches('/'));
        // A cluster alone is its root namespace.
        namespace == alone || behind == Some(namespace) || (namespace.is_empty() && behind.is_none())
    }

    /// Whether a path of Vault's API reads it: `MOUNT/data/NAME`, `MOUNT/static-creds/ROLE`.
    pub(super) fn is_vault_path(&self, path: &str) -> bool {
        let path = path.trim_matches('/');
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let infix = match self.held.backend {
            BackendKind::VaultKv => "/data/",
            BackendKind::VaultDatabase => "/static-creds/",
            BackendKind::AwsSecretsManager | BackendKind::GcpSecretManager => return false,
        };
        path.match_indices(infix).any(|(at, _)| {
            self.held.arn.0.strip_prefix(&path[..at]).and_then(|rest| rest.strip_prefix('/'))
                == Some(&path[at + infix.len()..])
        })
    }

    /// Whether a resource name of Google's is a version of it; which one.
    pub(super) fn of_resource<'r>(&self, resource: &'r str) -> Option<(Means, &'r str)> {
        if self.held.backend != BackendKind::GcpSecretManager {
            return None;
        }
        let rest = resource.strip_prefix("projects/")?;
        let (project, rest) = rest.split_once('/')?;
        let (location, rest) = match rest.strip_prefix("locations/") {
            Some(rest) => rest.split_once('/')?,
            None => ("", rest),
        };
        let rest = rest.strip_prefix("secrets/")?;
        let (name, version) = rest.split_once("/versions/").unwrap_or((rest, "latest"));
        (name == self.held.name).then(|| (self.in_project(project, location), version))
    }

    fn is_name(&self, name: &str) -> bool {
        name == self.held.name || self.held.name.strip_prefix('/') == Some(name)
    }

    /// The secret's name in a parameter's.
    fn of_reference<'k>(&self, name: &'k str) -> Option<&'k str> {
        name.strip_prefix(REFERENCE)
    }

    /// Whether an ARN, full or without its random end, is the secret's, or that of its copy in `region`.
    pub(super) fn is_arn(&self, text: &str, region: Option<&str>) -> bool {
        let Ok(asked) = arn::Arn::parse(text) else { return false };
        let Ok(own) = arn::Arn::parse(&self.held.arn.0) else { return false };
        let is_region = match region {
            Some(region) => asked.region == region && self.is_region(region),
            None => self.is_region(asked.region),
        };
        let is_resource = asked.resource == own.resource || arn::without_suffix(own.resource) == Some(asked.resource);
        is_region && is_resource && asked.service == own.service && asked.account == own.account
    }

    /// Whether an object of AWS's provider for the CSI driver is the secret.
    pub(super) fn as_mounted(&self, name: &str, kind: Option<&str>, regions: &[&str], account: Option<&str>) -> Means {
        if self.held.backend != BackendKind::AwsSecretsManager {
            return Means::No;
        }
        if arn::is_arn(name) {
            return if self.is_arn(name, None) { Means::Yes(Vec::new()) } else { Means::No };
        }
        let is_it = match kind {
            Some("ssmparameter") => {
                self.of_reference(name).is_some_and(|name| self.is_name(name.split(':').next().unwrap_or(name)))
            }
            _ => name == self.held.name,
        };
        if !is_it {
            return Means::No;
        }
        if regions.is_empty() {
            // The driver takes the node's.
            let Means::Yes(_) = self.in_account(account) else { return Means::No };
            let detail = format!("the node's region, and account {}", self.held.account);
            return Means::Yes(vec![Because::new(Reason::AccountAssumed, detail)]);
        }
        match regions.iter().any(|region| self.is_region(region)) {
            true => self.in_account(account),
            false => match regions.iter().find(|region| template::find(region).is_some()) {
                Some(region) => Means::Unknown(format!("the region {} is filled in later", Shown(region))),
                None => Means::No,
            },
        }
    }

    /// Whether a search in `store` finds the secret.
    pub(super) fn by_find(
        &self,
        store: &StoreFacts,
        account: Option<&str>,
        path: Option<&str>,
        regexp: Option<&str>,
        tags: Option<&serde_json::Map<String, serde_json::Value>>,
    ) -> Means {
        let (name, place) = match (&store.provider, self.held.backend) {
            (StoreProvider::Aws(aws), BackendKind::AwsSecretsManager) => {
                if &*aws.service != "SecretsManager" || !self.is_region(&aws.region) {
                    return self.unless_template(store, account, &self.held.name);
                }
                (self.held.name.as_str(), self.in_account(account))
            }
            (StoreProvider::Vault(vault), BackendKind::VaultKv) => {
                let mount = vault.path.as_deref().unwrap_or_default();
                let Some(name) = self.held.arn.0.strip_prefix(mount).and_then(|rest| rest.strip_prefix('/')) else {
                    return self.unless_template(store, account, &self.held.arn.0);
                };
                if mount.is_empty() || !self.is_namespace(vault.namespace.as_deref().unwrap_or_default()) {
                    return Means::No;
                }
                let detail = format!("server {}", Shown(&vault.server));
                (name, Means::Yes(vec![Because::new(Reason::AccountAssumed, detail)]))
            }
            (StoreProvider::Gcp(gcp), BackendKind::GcpSecretManager) => {
                (self.held.name.as_str(), self.in_project(&gcp.project, &gcp.location))
            }
            (StoreProvider::Unreadable(why), _) => {
                return Means::Unknown(format!("the provider of its store can't be read: {why}"));
            }
            _ => return Means::No,
        };
        let Means::Yes(known) = place else { return place };
        // Tags and names are looked at together; with tags alone, or in a search of Vault's or Google's by tags,
        // names are not. What is filled in later may be anything.
        if let Some(text) = [path, regexp].into_iter().flatten().find(|text| template::find(text).is_some()) {
            return Means::Unknown(format!("{} is filled in later", Shown(text)));
        }
        if let Some(path) = path.filter(|path| !path.is_empty()) {
            let (path, is_negated) = match (path.strip_prefix('!'), self.held.backend) {
                (Some(rest), BackendKind::AwsSecretsManager) => (rest, true),
                _ => (path, false),
            };
            let is_below = match self.held.backend {
                // Vault's is a folder.
                BackendKind::VaultKv => {
                    name.strip_prefix(path.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
                }
                _ => name.starts_with(path),
            };
            if is_below == is_negated {
                return Means::No;
            }
        }
        if let Some(regexp) = regexp {
            match Regex::new(regexp) {
                Ok(expression) if expression.is_match(name) => {}
                Ok(_) => return Means::No,
                Err(_) => return Means::Unknown(format!("the expression {} can't be read here", Shown(regexp))),
            }
        }
        let tags: Vec<(&str, &str)> =
            tags.into_iter().flatten().map(|(tag, value)| (tag.as_str(), value.as_str().unwrap_or_default())).collect();
        match self.has_tags(&tags) {
            Some(true) => {}
            Some(false) => return Means::No,
            None => {
                return Means::Unknown("it searches by tags, and those of the secret are not known here".to_owned());
            }
        }
        if let StoreProvider::Aws(aws) = &store.provider
            && let (false, None, Some(_)) = (aws.prefix.is_empty(), path, regexp)
            && tags.is_empty()
        {
            // Names that are found are then fetched with the prefix before them once more.
            return Means::Unknown(format!(
                "it searches by name through a store with the prefix {}, which is put before each name that it finds",
                Shown(&aws.prefix)
            ));
        }
        Means::Yes(known)
    }

    /// Whether the secret has what a search asks of tags; `None` = they are not known.
    fn has_tags(&self, asked: &[(&str, &str)]) -> Option<bool> {
        if asked.is_empty() {
            return Some(true);
        }
        let tags = self.tags?;
        Some(asked.iter().all(|(tag, value)| match self.held.backend {
            // Two filters, each a prefix of its own, that need not be met by one tag (API reference, `Filter`).
            BackendKind::AwsSecretsManager => matches_filter(tags.keys(), tag) && matches_filter(tags.values(), value),
            _ => tags.get(*tag).is_some_and(|own| own == value),
        }))
    }

    /// What a `version` of External Secrets reads of it.
    pub(super) fn version(&self, version: Option<&str>) -> Version {
        let version = version.unwrap_or_default();
        match self.held.backend {
            BackendKind::AwsSecretsManager => match version.strip_prefix("uuid/") {
                Some(id) => self.version_id(id),
                None => self.stage(version),
            },
            BackendKind::GcpSecretManager if version == "latest" => Version::Current,
            BackendKind::VaultKv if version == "0" => Version::Current,
            BackendKind::VaultDatabase => Version::Current,
            _ if version.is_empty() => Version::Current,
            _ => self.version_id(version),
        }
    }

    /// What one version of it is.
    pub(super) fn version_id(&self, id: &str) -> Version {
        if id.is_empty() {
            Version::Current
        } else if id == self.held.version.0 {
            Version::Fixed(Because::new(Reason::VersionPinned, format!("version {}", self.held.version)))
        } else {
            Version::Other
        }
    }

    /// What a label of it is.
    pub(super) fn stage(&self, label: &str) -> Version {
        if label.is_empty() {
            return Version::Current;
        }
        match Stage::from(label) {
            Stage::Current => Version::Current,
            Stage::Previous => Version::Fixed(Reason::StagePrevious.into()),
            Stage::Pending => Version::Fixed(Reason::StagePending.into()),
            other if self.held.stages.contains(&other) => {
                Version::Fixed(Because::new(Reason::StageOther, format!("label {}", Shown(label))))
            }
            Stage::Other(_) => Version::Other,
        }
    }
}

/// Whether one of `texts` passes a filter of Secrets Manager: a prefix, negated by `!`.
fn matches_filter<'t>(mut texts: impl Iterator<Item = &'t String>, filter: &str) -> bool {
    match filter.strip_prefix('!') {
        Some(without) => !texts.any(|text| text.starts_with(without)),
        None => texts.any(|text| text.starts_with(filter)),
    }
}
