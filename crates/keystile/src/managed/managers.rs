//! Connections to the secret managers that a plan is made with or carried out through.

use std::collections::BTreeSet;

use keystile_inventory::aws::AwsOptions;
use keystile_rotate::backend::aws::AwsSecretsManager;
use keystile_rotate::backend::{BackendKind, Identity, SecretBackend};
use keystile_rotate::run::Connected;
use keystile_rotate::{CallError, CallErrorKind, RotationPlan};

use crate::cli::managers::{Manager, ManagerArgs};
use crate::exit::{IncompleteError, UsageError};

/// Open connections, each with who asks.
pub struct Managers(Vec<(Identity, Box<dyn SecretBackend>)>);

impl std::fmt::Debug for Managers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(identity, _)| identity)).finish()
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
                Manager::Aws if wanted.is_empty() => managers.add(aws(args.profile.as_deref(), None)?)?,
                Manager::Aws => {
                    for region in &wanted {
                        managers.add(aws(args.profile.as_deref(), Some(region))?)?;
                    }
                }
            }
        }
        Ok(managers)
    }

    /// Those that the chosen items of a plan are in.
    ///
    /// # Errors
    /// As [`for_plan`](Self::for_plan).
    pub fn of_plan(plan: &RotationPlan, chosen: &[u32], profile: Option<&str>) -> anyhow::Result<Self> {
        let items = plan.items.iter().filter(|item| chosen.contains(&item.number) && item.blocked.is_empty());
        let held = items.filter_map(|item| item.secret.as_ref());
        let wanted: BTreeSet<(BackendKind, Option<&str>)> =
            held.map(|held| (held.backend, held.region.as_deref())).collect();
        let mut managers = Self(Vec::new());
        for (backend, region) in wanted {
            match backend {
                BackendKind::AwsSecretsManager => managers.add(aws(profile, region)?)?,
                other => {
                    return Err(UsageError(format!("this keystile can't talk to {other:?}")).into());
                }
            }
        }
        Ok(managers)
    }

    fn add(&mut self, backend: Box<dyn SecretBackend>) -> anyhow::Result<()> {
        let identity = backend.identity().map_err(|error| failed(&error))?;
        self.0.push((identity, backend));
        Ok(())
    }

    /// Each connection.
    pub fn backends(&self) -> impl Iterator<Item = (&Identity, &dyn SecretBackend)> {
        self.0.iter().map(|(identity, backend)| (identity, backend.as_ref()))
    }

    /// As a run takes them.
    #[must_use]
    pub fn connected(&self) -> Vec<Connected<'_>> {
        self.backends()
            .map(|(identity, backend)| Connected { identity: identity.clone(), backend, access_keys: None })
            .collect()
    }
}

fn aws(profile: Option<&str>, region: Option<&str>) -> anyhow::Result<Box<dyn SecretBackend>> {
    let options = AwsOptions {
        profile: profile.map(ToOwned::to_owned),
        region: region.map(ToOwned::to_owned),
        ..AwsOptions::default()
    };
    let manager = AwsSecretsManager::open(&options).map_err(|error| failed(&error))?;
    Ok(Box::new(manager))
}

/// Why nothing was done: what can be mended on this side is 2, what may be there the next time is 3.
#[must_use]
pub fn failed(error: &CallError) -> anyhow::Error {
    let hint = match error.kind {
        CallErrorKind::NoCredentials => {
            "; log in (`aws sso login`), or give credentials in the environment, a profile or the job's role"
        }
        _ => "",
    };
    let text = format!("{error}{hint}; nothing was changed");
    match error.kind {
        CallErrorKind::NoCredentials | CallErrorKind::Misconfigured | CallErrorKind::Denied => UsageError(text).into(),
        _ => IncompleteError(text).into(),
    }
}
