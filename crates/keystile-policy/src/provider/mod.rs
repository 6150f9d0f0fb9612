//! Effective keys: what a provider will be asked for, after the store's prefix and the provider's
//! quirks. One file for each provider; a provider without one is refused.
//!
//! A key is judged only in a store that fits an entry of the policy ([`misfit`]); what is no canonical
//! name of the provider is a [`KeyFault`], and never compared with a grant.

pub mod arn;
pub mod aws;
pub mod canonical;
pub mod flat;
pub mod kms;
pub mod vault;

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::policy::{ByEnv, Provider, ProviderEntry};
use crate::subject::store::{GcpStore, StoreFacts, StoreProvider};

/// What the provider will be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveKey<'o> {
    /// The name, exactly as the provider compares it.
    pub name: Cow<'o, str>,
    /// The other name that an ARN can mean, where it can be read in two ways. Both must be granted.
    pub other_name: Option<Cow<'o, str>>,
    /// The account of the ARN that the key was written as; `None` = it was written as a name.
    pub arn_account: Option<&'o str>,
    /// The version or label that the key itself holds (`name:3`, Parameter Store).
    pub version: Option<&'o str>,
}

impl<'o> EffectiveKey<'o> {
    /// A key that is a name, and nothing else.
    #[must_use]
    pub fn of_name(name: Cow<'o, str>) -> Self {
        Self { name, other_name: None, arn_account: None, version: None }
    }

    /// Whether the key was written as an ARN.
    #[must_use]
    pub fn is_arn(&self) -> bool {
        self.arn_account.is_some()
    }

    /// Every name that must be granted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&*self.name).chain(self.other_name.as_deref())
    }
}

/// Why a key is not one that the provider could be asked for, or not one that can be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// The name is not canonical; says how, in words that follow the name.
    NotCanonical(String),
    /// An ARN of another service, partition, account or region; says which.
    ForeignArn(String),
    /// The key is an ARN and the store has a prefix: the provider would be asked for nonsense.
    ArnBehindPrefix,
    /// The provider's keys can't be judged; names it. Its stores fit no entry of a policy.
    ProviderNotJudged(String),
}

/// What the provider of `store` is asked for when a reference names `key`. `reads_metadata`: the
/// reference asks for tags and the like, which some providers look up in another way.
///
/// # Errors
///
/// See [`KeyFault`].
pub fn effective_key<'o>(store: &StoreFacts, key: &'o str, reads_metadata: bool) -> Result<EffectiveKey<'o>, KeyFault> {
    match &store.provider {
        StoreProvider::Aws(aws) => match &*aws.service {
            "SecretsManager" => aws::secrets_manager(aws, key),
            "ParameterStore" => aws::parameter_store(aws, key),
            other => Err(KeyFault::ProviderNotJudged(format!("AWS {other}"))),
        },
        StoreProvider::Vault(vault) => vault::key(vault, key, reads_metadata),
        StoreProvider::Gcp(_) => flat::gcp(key),
        StoreProvider::Kubernetes(_) => flat::kubernetes(key),
        StoreProvider::Other(name) => Err(KeyFault::ProviderNotJudged(name.to_string())),
        StoreProvider::Unreadable(why) => Err(KeyFault::ProviderNotJudged(why.to_string())),
    }
}

/// Why a store fits no entry: the first field that is not what the entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Misfit<'s> {
    /// How many things fitted before: of several entries the one with the most is the one meant.
    pub fitted: u8,
    /// The field, below the object.
    pub field: &'static str,
    /// What is there.
    pub value: &'s str,
}

/// The field that makes the secrets of a store in Google Cloud regional.
pub const GCP_LOCATION: &str = "spec.provider.gcpsm.location";

/// Whether a list of locations has one; a list without any has that of global secrets, the empty text.
fn has_location(listed: &[String], location: &str) -> bool {
    if listed.is_empty() { location.is_empty() } else { listed.iter().any(|listed| listed == location) }
}

/// The locations that entries of the policy name for the project of a store in Google Cloud; the empty text stands
/// for global secrets.
#[must_use]
pub fn locations_of<'p>(store: &GcpStore, entries: &'p [ProviderEntry], env: Option<&str>) -> BTreeSet<&'p str> {
    let mut found = BTreeSet::new();
    for entry in entries {
        let Provider::Gcp { projects, locations } = &entry.provider else { continue };
        if !projects.allows(env, |project| **project == *store.project) {
            continue;
        }
        let lists: Vec<&Vec<String>> = match env {
            Some(env) => locations.get(env).into_iter().collect(),
            None => locations.values().collect(),
        };
        let named = lists.iter().flat_map(|list| list.iter()).map(String::as_str);
        found.extend(named.filter(|location| lists.iter().all(|list| has_location(list, location))));
        if lists.iter().all(|list| has_location(list, "")) && (!lists.is_empty() || locations.is_unsaid()) {
            found.insert("");
        }
    }
    found
}

/// Where a store looks its names up, in one line. The same name in another place is another secret. `home` is the
/// account in which a store of AWS looks that assumes no role; empty where it is not known.
#[must_use]
pub fn place(store: &StoreFacts, home: &str) -> String {
    match &store.provider {
        StoreProvider::Aws(aws) => {
            format!("aws {} {} {}", aws.service, aws.region, aws.account().unwrap_or(home))
        }
        StoreProvider::Vault(vault) => format!(
            "vault {} {} {}",
            vault.server,
            vault.namespace.as_deref().unwrap_or_default(),
            vault.path.as_deref().unwrap_or_default()
        ),
        StoreProvider::Gcp(gcp) => format!("gcpsm {} {}", gcp.project, gcp.location),
        StoreProvider::Kubernetes(kubernetes) => {
            format!("kubernetes {} {}", kubernetes.server, kubernetes.remote_namespace)
        }
        StoreProvider::Other(name) => name.to_string(),
        StoreProvider::Unreadable(why) => why.to_string(),
    }
}

/// Why a store does not fit an entry of the policy as a whole, as the entry is in `env` (`None` = in
/// every environment); `None` = it fits.
#[must_use]
pub fn misfit<'s>(store: &'s StoreFacts, provider: &Provider, env: Option<&str>) -> Option<Misfit<'s>> {
    let allows = |allowed: &ByEnv<Vec<String>>, value: &str| allowed.allows(env, |allowed| allowed == value);
    let is = |allowed: &ByEnv<String>, value: &str| allowed.holds(env, |allowed| allowed == value);
    let first = |checks: &[(&'static str, &'s str, bool)]| {
        let nth = checks.iter().position(|(_, _, fits)| !fits)?;
        let (field, value, _) = checks[nth];
        Some(Misfit { fitted: u8::try_from(nth).unwrap_or(u8::MAX).saturating_add(1), field, value })
    };
    let provider_is = |value: &'s str| Some(Misfit { fitted: 0, field: "spec.provider", value });
    match (&store.provider, provider) {
        (StoreProvider::Aws(store), Provider::Aws { services, accounts, regions, .. }) => {
            let is_judged = matches!(&*store.service, "SecretsManager" | "ParameterStore");
            let account = store.account();
            // A role that is no ARN is of no account; that is not "no role".
            let role = store.role.as_deref();
            let has_role = role.is_some_and(|role| !role.is_empty());
            first(&[
                ("spec.provider.aws.service", &store.service, is_judged && allows(services, &store.service)),
                ("spec.provider.aws.region", &store.region, allows(regions, &store.region)),
                (
                    "spec.provider.aws.role",
                    role.unwrap_or_default(),
                    account.map_or(!has_role, |account| allows(accounts, account)),
                ),
            ])
        }
        (StoreProvider::Vault(store), Provider::Vault { server, paths, version, namespaces, mount_paths }) => {
            let path = store.path.as_deref().unwrap_or_default();
            let namespace = store.namespace.as_deref().unwrap_or_default();
            let is_namespace =
                |name: &str| if namespaces.is_unsaid() { name.is_empty() } else { allows(namespaces, name) };
            let login = store.auth_namespace.as_deref().unwrap_or(namespace);
            let is_mount = |path: &str| {
                if mount_paths.is_unsaid() { path == "kubernetes" } else { allows(mount_paths, path) }
            };
            let mount = store.mount_paths.iter().map(|(_, path)| &**path).find(|path| !is_mount(path));
            first(&[
                ("spec.provider.vault.server", &store.server, is(server, &store.server)),
                ("spec.provider.vault.path", path, !path.is_empty() && allows(paths, path)),
                ("spec.provider.vault.version", &store.version, is(version, &store.version)),
                ("spec.provider.vault.namespace", namespace, is_namespace(namespace)),
                ("spec.provider.vault.auth.namespace", login, is_namespace(login)),
                ("spec.provider.vault.auth", mount.unwrap_or_default(), mount.is_none()),
            ])
        }
        (StoreProvider::Gcp(store), Provider::Gcp { projects, locations }) => {
            let is_location = locations.is_unsaid() && store.location.is_empty()
                || locations.holds(env, |listed| has_location(listed, &store.location));
            first(&[
                ("spec.provider.gcpsm.projectID", &store.project, allows(projects, &store.project)),
                (GCP_LOCATION, &store.location, is_location),
            ])
        }
        (StoreProvider::Kubernetes(store), Provider::Kubernetes { servers, remote_namespaces }) => first(&[
            ("spec.provider.kubernetes.server.url", &store.server, allows(servers, &store.server)),
            (
                "spec.provider.kubernetes.remoteNamespace",
                &store.remote_namespace,
                allows(remote_namespaces, &store.remote_namespace),
            ),
        ]),
        (StoreProvider::Aws(_), _) => provider_is("aws"),
        (StoreProvider::Vault(_), _) => provider_is("vault"),
        (StoreProvider::Gcp(_), _) => provider_is("gcpsm"),
        (StoreProvider::Kubernetes(_), _) => provider_is("kubernetes"),
        (StoreProvider::Other(name), _) => provider_is(name),
        (StoreProvider::Unreadable(why), _) => provider_is(why),
    }
}

/// Whether a store fits an entry of the policy as a whole; see [`misfit`].
#[must_use]
pub fn fits(store: &StoreFacts, provider: &Provider, env: Option<&str>) -> bool {
    misfit(store, provider, env).is_none()
}

/// The entries of the policy that a store fits in `env`.
pub fn fitting<'p>(
    store: &StoreFacts,
    entries: &'p [ProviderEntry],
    env: Option<&str>,
) -> impl Iterator<Item = &'p ProviderEntry> {
    entries.iter().filter(move |entry| fits(store, &entry.provider, env))
}

/// Why a store fits no entry of the policy: the misfit of the entry that it is closest to. `None` = it
/// fits one.
#[must_use]
pub fn fits_none<'s>(store: &'s StoreFacts, entries: &[ProviderEntry], env: Option<&str>) -> Option<Misfit<'s>> {
    let provider = match &store.provider {
        StoreProvider::Aws(_) => "aws",
        StoreProvider::Vault(_) => "vault",
        StoreProvider::Gcp(_) => "gcpsm",
        StoreProvider::Kubernetes(_) => "kubernetes",
        StoreProvider::Other(other) | StoreProvider::Unreadable(other) => other,
    };
    let mut closest = Misfit { fitted: 0, field: "spec.provider", value: provider };
    for entry in entries {
        let misfit = misfit(store, &entry.provider, env)?;
        closest = if misfit.fitted > closest.fitted { misfit } else { closest };
    }
    Some(closest)
}

#[cfg(test)]
mod tests;
