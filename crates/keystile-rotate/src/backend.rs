//! What a secret manager can be asked, and the few things it can be told.
//!
//! The calls block: a run is a handful of threads that wait. Each is one request (a list: one for each page);
//! whoever repeats one knows why. An implementation sets time limits, sends nothing in a URL that is not a
//! name, and says [`CallErrorKind::Ambiguous`] whenever it can't know whether
//! a request was carried out.

pub mod aws;
#[cfg(feature = "gcp")]
pub mod gcp;
#[cfg(feature = "http-client")]
mod http;
#[cfg(feature = "http-client")]
mod random;
#[cfg(feature = "vault")]
pub mod vault;

use std::ops::ControlFlow;

use jiff::Timestamp;
use keystile_inventory::{CallError, CallErrorKind, RotationMeans, SecretArn, SecretRecord, VersionId};
use keystile_scan::SecretBytes;
use serde::{Deserialize, Serialize};

use crate::token::Token;

/// Kinds of secret managers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackendKind {
    /// AWS Secrets Manager.
    AwsSecretsManager,
    /// HashiCorp Vault, KV version 2.
    VaultKv,
    /// HashiCorp Vault, static roles of the database engine.
    VaultDatabase,
    /// Google Cloud Secret Manager.
    GcpSecretManager,
}

/// Who asks, and whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Which manager.
    pub backend: BackendKind,
    /// The account that is asked: AWS's account id, Google's project, `CLUSTER/NAMESPACE` of Vault.
    pub account: String,
    /// The region; `None` where the manager has none.
    pub region: Option<String>,
    /// The caller, as the manager names it (an ARN; a token's display name).
    pub caller: String,
    /// Host that the requests go to.
    pub endpoint: String,
}

/// What a rotation function is called for, one call each (Secrets Manager user guide, "How rotation works").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RotationStep {
    /// Make a new value and store it.
    Create,
    /// Set it where it is used.
    Set,
    /// Try it there.
    Test,
    /// Make it current.
    Finish,
}

impl RotationStep {
    /// In their order.
    pub const ALL: [Self; 4] = [Self::Create, Self::Set, Self::Test, Self::Finish];

    /// As Secrets Manager calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "createSecret",
            Self::Set => "setSecret",
            Self::Test => "testSecret",
            Self::Finish => "finishSecret",
        }
    }

    /// As functions in Python are called that do it.
    #[must_use]
    pub const fn snake_name(self) -> &'static str {
        match self {
            Self::Create => "create_secret",
            Self::Set => "set_secret",
            Self::Test => "test_secret",
            Self::Finish => "finish_secret",
        }
    }
}

/// A value with the version it is of.
#[derive(Debug, Clone)]
pub struct VersionedValue {
    /// The version.
    pub version: VersionId,
    /// Its value: what was stored, text or bytes.
    pub value: SecretBytes,
}

/// A change that the manager has accepted, which need not be finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The version that it makes, where the manager says so.
    pub version: Option<VersionId>,
    /// The manager's id of the request.
    pub request_id: Option<String>,
}

/// A secret manager.
pub trait SecretBackend: Send + Sync {
    /// Who asks, and whom. The first call of each run: it shows whether there are credentials at all.
    ///
    /// # Errors
    /// No credentials, no network.
    fn identity(&self) -> Result<Identity, CallError>;

    /// Whether names that begin with `prefix` can be this manager's: no where its names are of another form, or of
    /// places that its settings don't have. A prefix that no manager covers is a mistake of whoever wrote it.
    fn covers(&self, prefix: &str) -> bool {
        let _ = prefix;
        true
    }

    /// The secrets whose names begin with `prefix`, in any order, until `each` has enough.
    ///
    /// # Errors
    /// A page could not be had; what came before it was handed to `each`.
    fn list(
        &self,
        prefix: &str,
        each: &mut (dyn FnMut(SecretRecord) -> ControlFlow<()> + Send),
    ) -> Result<(), CallError>;

    /// Everything about one secret, with the labels of its versions. Fresher than a list.
    ///
    /// # Errors
    /// As for every call: see [`CallErrorKind`].
    fn describe(&self, arn: &SecretArn) -> Result<SecretRecord, CallError>;

    /// How many secrets [`read_current`](Self::read_current) takes.
    fn batch(&self) -> usize;

    /// The current values of at most [`batch`](Self::batch) secrets; each may fail on its own.
    ///
    /// # Errors
    /// The whole request failed.
    #[expect(clippy::type_complexity, reason = "one answer for each secret")]
    fn read_current(
        &self,
        arns: &[SecretArn],
    ) -> Result<Vec<(SecretArn, Result<VersionedValue, CallError>)>, CallError>;

    /// The value of one version.
    ///
    /// # Errors
    /// As for every call.
    fn read_version(&self, arn: &SecretArn, version: &VersionId) -> Result<VersionedValue, CallError>;

    /// Every version that can still be read, those without labels included.
    ///
    /// # Errors
    /// As for every call.
    fn all_versions(&self, arn: &SecretArn) -> Result<Vec<VersionId>, CallError>;

    /// The version that is current in another region.
    ///
    /// # Errors
    /// As for every call; this manager has no regions.
    fn current_in(&self, arn: &SecretArn, region: &str) -> Result<VersionId, CallError> {
        let _ = arn;
        Err(CallError::new(CallErrorKind::Unsupported, "read replica", format!("there is no region {region}")))
    }

    /// Asks whoever rotates the secret to make a new version, whose id is `token` where the manager lets one
    /// choose, so that asking twice makes one. `from` is the version to get away from: a manager that has no
    /// tokens compares it, and refuses when it is no longer the current one.
    ///
    /// # Errors
    /// As for every call; nobody rotates this secret.
    fn rotate(&self, arn: &SecretArn, from: &VersionId, token: &Token) -> Result<Accepted, CallError>;

    /// Stores `value` as the version `token`, without making it current where the manager can do that; for
    /// secrets of [`RotationMeans::Nobody`]. Where the version is there already, this is a success.
    ///
    /// # Errors
    /// As for every call.
    fn stage(
        &self,
        arn: &SecretArn,
        from: &VersionId,
        token: &Token,
        value: &SecretBytes,
    ) -> Result<Accepted, CallError>;

    /// Makes the version `token` current, if `from` still is.
    ///
    /// # Errors
    /// As for every call; [`CallErrorKind::Refused`] when another version is current.
    fn promote(&self, arn: &SecretArn, from: &VersionId, token: &Token) -> Result<Accepted, CallError>;

    /// Takes the label of a version in the making off again. The current value is not touched.
    ///
    /// # Errors
    /// As for every call.
    fn unstage(&self, arn: &SecretArn, version: &VersionId) -> Result<Accepted, CallError>;

    /// The step at which whoever rotates the secret (`means`) failed to make the version that was asked for after
    /// `since`, as far as that can be known; `None` = it can't.
    ///
    /// # Errors
    /// What says so can't be read.
    fn failed_step(
        &self,
        means: &RotationMeans,
        arn: &SecretArn,
        version: &VersionId,
        since: Timestamp,
    ) -> Result<Option<RotationStep>, CallError> {
        let _ = (means, arn, version, since);
        Ok(None)
    }

    /// A random value of `length` characters without those of `exclude`, for [`stage`](Self::stage).
    ///
    /// # Errors
    /// As for every call.
    fn random(&self, length: usize, exclude: &str) -> Result<SecretBytes, CallError>;

    /// What a plan says about a secret that this manager can't rotate: how to get there, as a sentence.
    fn ways_out(&self, means: &RotationMeans) -> Vec<String>;
}
