//! Connections to the secret managers that a plan is made with or carried out through.

use std::collections::BTreeSet;
use std::sync::Arc;

use keystile_inventory::aws::AwsOptions;
use keystile_rotate::access_key::AccessKeys;
use keystile_rotate::access_key::aws::AwsAccessKeys;
use keystile_rotate::backend::aws::AwsSecretsManager;
use keystile_rotate::backend::gcp::{GcpSecretManager, GcpSettings};
use keystile_rotate::backend::vault::{VaultConnection, VaultDatabase, VaultKv, VaultSettings};
use keystile_rotate::backend::{BackendKind, Identity, SecretBackend};
use keystile_rotate::run::Connected;
use keystile_rotate::{CallError, CallErrorKind, RotationPlan};

use crate::cli::managers::{Manager, ManagerArgs};
use crate::exit::{IncompleteError, UsageError};

/// Open connections, each with who asks.
pub struct Managers(Vec<Connection>);

/// One connection.
struct Connection {
    identity: Identity,
    backend: Box<dyn SecretBackend>,
    /// IAM of the same account.
    access_keys: Option<Box<dyn AccessKeys>>,
}

impl std::fmt::Debug for Managers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|connection| &connection.identity)).finish()
    }
}

impl Managers {
    /// Those that a plan is to be made with.
    ///
    /// # Errors
    /// No credentials, no region, no network.
    pub fn for_plan(args: &ManagerArgs) -> anyhow::Result<Self> {
        let mut managers = Self(Vec::new());
        let wanted: BTreeSet<&str> = args.region.iter().map(String::as_str).collect();
        for manager in &args.manager {
            match manager {
                Manager::Aws if wanted.is_empty() => managers.add_aws(args.profile.as_deref(), None)?,
                Manager::Aws => {
                    for region in &wanted {
                        managers.add_aws(args.profile.as_deref(), Some(region))?;
                    }
                }
                Manager::VaultKv => managers.add(Box::new(VaultKv::new(vault()?)), None)?,
                Manager::VaultDatabase => managers.add(Box::new(VaultDatabase::new(vault()?)), None)?,
                Manager::Gcp => managers.add(Box::new(gcp()?), None)?,
            }
        }
        Ok(managers)
    }

    /// Those that the chosen items of a plan are in.
    ///
    /// # Errors
    /// As [`for_plan`](Self::for_plan).
    pub fn of_plan(plan: &RotationPlan, chosen: &[u32], profile: Option<&str>) -> anyhow::Result<Self> {
        let is_wanted = |number: u32| chosen.contains(&number);
        let items = || plan.items.iter().filter(|item| is_wanted(item.number) && item.blocked.is_empty());
        let mut wanted: BTreeSet<(BackendKind, Option<&str>)> = items()
            .filter_map(|item| item.secret.as_ref())
            .map(|held| (held.backend, held.region.as_deref()))
            .collect();
        let has_aws = wanted.iter().any(|(backend, _)| *backend == BackendKind::AwsSecretsManager);
        if !has_aws && items().any(|item| item.access_key.is_some()) {
            // Access keys belong to no region: whichever the plan was made in.
            let aws = plan.identities.iter().find(|identity| identity.backend == BackendKind::AwsSecretsManager);
            wanted.insert((BackendKind::AwsSecretsManager, aws.and_then(|identity| identity.region.as_deref())));
        }
        let mut managers = Self(Vec::new());
        for (backend, region) in wanted {
            match backend {
                BackendKind::AwsSecretsManager => managers.add_aws(profile, region)?,
                BackendKind::VaultKv => managers.add(Box::new(VaultKv::new(vault()?)), None)?,
                BackendKind::VaultDatabase => managers.add(Box::new(VaultDatabase::new(vault()?)), None)?,
                BackendKind::GcpSecretManager => managers.add(Box::new(gcp()?), None)?,
            }
        }
        Ok(managers)
    }

    fn add_aws(&mut self, profile: Option<&str>, region: Option<&str>) -> anyhow::Result<()> {
        let options = AwsOptions {
            profile: profile.map(ToOwned::to_owned),
            region: region.map(ToOwned::to_owned),
            ..AwsOptions::default()
        };
        let manager = AwsSecretsManager::open(&options).map_err(|error| failed(&error))?;
        let access_keys = AwsAccessKeys::open(&options).map_err(|error| failed(&error))?;
        self.add(Box::new(manager), Some(Box::new(access_keys)))
    }

    fn add(&mut self, backend: Box<dyn SecretBackend>, access_keys: Option<Box<dyn AccessKeys>>) -> anyhow::Result<()> {
        let identity = backend.identity().map_err(|error| failed(&error))?;
        self.0.push(Connection { identity, backend, access_keys });
        Ok(())
    }

    /// Each connection.
    pub fn backends(&self) -> impl Iterator<Item = (&Identity, &dyn SecretBackend)> {
        self.0.iter().map(|connection| (&connection.identity, connection.backend.as_ref()))
    }

    /// IAM of each account that is AWS's, once.
    #[must_use]
    pub fn access_keys(&self) -> Vec<&dyn AccessKeys> {
        let mut accounts = BTreeSet::new();
        let connections = self.0.iter().filter(|connection| accounts.insert(&connection.identity.account));
        connections.filter_map(|connection| connection.access_keys.as_deref()).collect()
    }

    /// As a run takes them.
    #[must_use]
    pub fn connected(&self) -> Vec<Connected<'_>> {
        let connections = self.0.iter().map(|connection| Connected {
            identity: connection.identity.clone(),
            backend: connection.backend.as_ref(),
            access_keys: connection.access_keys.as_deref(),
        });
        connections.collect()
    }
}

fn gcp() -> anyhow::Result<GcpSecretManager> {
    let variable = |name: &str| std::env::var(name).ok();
    GcpSettings::from_variables(&variable).and_then(GcpSecretManager::open).map_err(|error| failed(&error))
}

fn vault() -> anyhow::Result<Arc<VaultConnection>> {
    let variable = |name: &str| std::env::var(name).ok();
    VaultSettings::from_variables(&variable).and_then(VaultConnection::open).map_err(|error| failed(&error))
}

/// Why nothing was done: what can be mended on this side is 2, what may be there the next time is 3.
#[must_use]
pub fn failed(error: &CallError) -> anyhow::Error {
    let hint = match error.kind {
        CallErrorKind::NoCredentials => {
            "; log in (`aws sso login`, `vault login`, `gcloud auth application-default login`), or give credentials in \
             the environment, a profile or the job's role"
        }
        _ => "",
    };
    let text = format!("{error}{hint}; nothing was changed");
    match error.kind {
        CallErrorKind::NoCredentials | CallErrorKind::Misconfigured | CallErrorKind::Denied => UsageError(text).into(),
        _ => IncompleteError(text).into(),
    }
}
