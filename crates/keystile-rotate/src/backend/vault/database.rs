//! Vault's database engine: static roles, whose passwords Vault itself changes in the database.
//!
//! A role's credentials have no number; a version is named by the time of the rotation that made it
//! (`last_vault_rotation`). Vault keeps the newest credentials alone, so that a leak of older ones is not found here,
//! and the leaked ones must be read before they are replaced.
//!
//! **Not twice.** `rotate-role` takes no token and compares nothing: each call makes another password. So the version
//! is looked at just before the call, and a call that had no answer is not repeated by this process: Vault may still
//! be at it (it gives a request up after 90 seconds, `max_request_duration`). Between the look and the call another
//! machine may do the same; then the password is changed twice, which no leak survives, but which consumers see twice.
//! Vault offers nothing to rule that out.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use keystile_inventory::{CallError, CallErrorKind, RotationMeans, SecretArn, SecretRecord, Stage, VersionId};
use keystile_scan::SecretBytes;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::client::{Envelope, VaultConnection, address, request_id};
use super::{inside, split};
use crate::backend::{Accepted, BackendKind, Identity, SecretBackend, VersionedValue, random};
use crate::token::Token;

const LIST: &str = "database static-roles list";
const ROLE: &str = "database static-roles read";
const CREDENTIALS: &str = "database static-creds read";
const ROTATE: &str = "database rotate-role";

/// Between the mount and the role's name, as people write where credentials are read.
const PART: &str = "static-creds";
/// Name of the service that rotates, in plans.
const SERVICE: &str = "vault-database";
/// Longer than Vault's own limit for a request, so that an answer is missed only when there is none.
const PATIENCE: Duration = Duration::from_secs(100);

/// Static roles of the database engines at the mounts of the connection's settings.
#[derive(Debug)]
pub struct VaultDatabase {
    connection: Arc<VaultConnection>,
    /// Versions away from which a rotation was asked for without an answer. Held while one is asked for, so that the
    /// threads of this process don't ask side by side.
    unclear: Mutex<HashMap<SecretArn, VersionId>>,
}

#[derive(Debug, Deserialize)]
struct Role {
    last_vault_rotation: Option<Timestamp>,
    /// Seconds; absent where there is a schedule.
    #[serde(default)]
    rotation_period: Option<u64>,
    #[serde(default)]
    rotation_schedule: Option<String>,
}

#[derive(Deserialize)]
struct Credentials {
    last_vault_rotation: Option<Timestamp>,
    #[serde(flatten)]
    login: Login,
}

/// The value of a version.
#[derive(Deserialize, Serialize)]
struct Login {
    username: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rsa_private_key: Option<String>,
}

impl Drop for Login {
    fn drop(&mut self) {
        use zeroize::Zeroize as _;
        self.password.zeroize();
        self.rsa_private_key.zeroize();
    }
}

fn version(rotated: Option<Timestamp>, operation: &str) -> Result<VersionId, CallError> {
    let rotated = rotated.ok_or_else(|| CallError::new(CallErrorKind::Garbled, operation, "no rotation is named"))?;
    Ok(VersionId(rotated.to_string()))
}

impl Role {
    fn record(&self, arn: SecretArn) -> Result<SecretRecord, CallError> {
        let name = arn.0.clone();
        let mut record = SecretRecord::new(arn, name);
        record.rotation = RotationMeans::Service { name: SERVICE.to_owned() };
        record.rotation_enabled = Some(true);
        record.last_rotated = self.last_vault_rotation;
        record.last_changed = self.last_vault_rotation;
        record.rotation_schedule = self.rotation_schedule.clone().filter(|schedule| !schedule.is_empty());
        if let Some(period) = self.rotation_period.filter(|period| *period > 0) {
            record.rotation_days = u32::try_from(period.div_ceil(24 * 60 * 60)).ok();
            let period = SignedDuration::from_secs(i64::try_from(period).unwrap_or(i64::MAX));
            record.next_rotation = self.last_vault_rotation.and_then(|last| last.checked_add(period).ok());
        }
        record.versions.insert(version(self.last_vault_rotation, ROLE)?, [Stage::Current].into());
        Ok(record)
    }
}

impl VaultDatabase {
    /// At the mounts that the connection's settings name.
    #[must_use]
    pub fn new(connection: Arc<VaultConnection>) -> Self {
        Self { connection, unclear: Mutex::new(HashMap::new()) }
    }

    fn mounts(&self) -> &[String] {
        &self.connection.settings().database_mounts
    }

    /// The mount and the role of `MOUNT/static-creds/ROLE`.
    fn role<'a>(&'a self, arn: &'a SecretArn, operation: &str) -> Result<(&'a str, &'a str), CallError> {
        let (mount, path) = split(self.mounts(), arn, operation)?;
        let role = path.strip_prefix(PART).and_then(|rest| rest.strip_prefix('/')).filter(|role| !role.is_empty());
        let role = role.ok_or_else(|| {
            CallError::new(CallErrorKind::Misconfigured, operation, format!("{arn} is not MOUNT/{PART}/ROLE"))
        })?;
        Ok((mount, role))
    }

    fn credentials(&self, arn: &SecretArn) -> Result<VersionedValue, CallError> {
        let (mount, role) = self.role(arn, CREDENTIALS)?;
        let credentials: Envelope<Credentials> = self.connection.read(CREDENTIALS, &address(mount, PART, role))?;
        let credentials = credentials.data;
        let value = Zeroizing::new(serde_json::to_vec(&credentials.login).expect("text is JSON"));
        Ok(VersionedValue {
            version: version(credentials.last_vault_rotation, CREDENTIALS)?,
            value: SecretBytes::new(&value),
        })
    }

    fn unsupported<T>(operation: &str) -> Result<T, CallError> {
        let why = "Vault makes the passwords of static roles; none can be stored";
        Err(CallError::new(CallErrorKind::Unsupported, operation, why))
    }
}

impl SecretBackend for VaultDatabase {
    fn identity(&self) -> Result<Identity, CallError> {
        self.connection.identity(BackendKind::VaultDatabase)
    }

    fn covers(&self, prefix: &str) -> bool {
        inside(self.mounts(), prefix).any(|(_, rest)| roles(rest).is_some())
    }

    fn list(
        &self,
        prefix: &str,
        each: &mut (dyn FnMut(SecretRecord) -> ControlFlow<()> + Send),
    ) -> Result<(), CallError> {
        for (mount, rest) in inside(self.mounts(), prefix) {
            let Some(rest) = roles(rest) else { continue };
            self.connection.must_be(mount, "database", None)?;
            let flow = self.connection.walk(LIST, mount, "static-roles", rest, &mut |role| {
                match self.describe(&SecretArn(format!("{mount}/{PART}/{role}"))) {
                    Ok(record) => Ok(each(record)),
                    // Deleted between the two calls.
                    Err(error) if error.kind == CallErrorKind::NotFound => Ok(ControlFlow::Continue(())),
                    Err(error) => Err(error),
                }
            })?;
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn describe(&self, arn: &SecretArn) -> Result<SecretRecord, CallError> {
        let (mount, role) = self.role(arn, ROLE)?;
        let role: Envelope<Role> = self.connection.read(ROLE, &address(mount, "static-roles", role))?;
        role.data.record(arn.clone())
    }

    /// Vault has no call for several roles.
    fn batch(&self) -> usize {
        1
    }

    fn read_current(
        &self,
        arns: &[SecretArn],
    ) -> Result<Vec<(SecretArn, Result<VersionedValue, CallError>)>, CallError> {
        let mut found = Vec::with_capacity(arns.len());
        for arn in arns {
            match self.credentials(arn) {
                Err(error) if error.kind == CallErrorKind::NoCredentials => return Err(error),
                answer => found.push((arn.clone(), answer)),
            }
        }
        Ok(found)
    }

    fn read_version(&self, arn: &SecretArn, version: &VersionId) -> Result<VersionedValue, CallError> {
        let found = self.credentials(arn)?;
        if found.version == *version {
            return Ok(found);
        }
        let why = format!("Vault keeps the newest credentials alone; those of {version} are gone");
        Err(CallError::new(CallErrorKind::NotFound, CREDENTIALS, why))
    }

    fn all_versions(&self, arn: &SecretArn) -> Result<Vec<VersionId>, CallError> {
        Ok(self.describe(arn)?.versions.into_keys().collect())
    }

    fn rotate(&self, arn: &SecretArn, from: &VersionId, _token: &Token) -> Result<Accepted, CallError> {
        let (mount, role) = self.role(arn, ROTATE)?;
        let mut unclear = self.unclear.lock().unwrap_or_else(PoisonError::into_inner);
        let record = self.describe(arn)?;
        if !record.is_at(from, &Stage::Current) {
            unclear.remove(arn);
            let why = format!("{from} is not the newest rotation any more; nothing was asked for");
            return Err(CallError::new(CallErrorKind::Refused, ROTATE, why));
        }
        if unclear.get(arn) == Some(from) {
            let why = "it was asked for without an answer, and Vault may still be at it; apply again in two minutes";
            return Err(CallError::new(CallErrorKind::Throttled, ROTATE, why));
        }
        let nothing = serde_json::Map::new();
        match self.connection.change(ROTATE, &address(mount, "rotate-role", role), &nothing, Some(PATIENCE)) {
            Ok(answer) => {
                // Vault answers when the database has the new password.
                let made = self.describe(arn).ok().and_then(|record| record.version_at(&Stage::Current).cloned());
                Ok(Accepted { version: made.filter(|made| made != from), request_id: request_id(&answer) })
            }
            Err(error) => {
                if error.kind == CallErrorKind::Ambiguous {
                    unclear.insert(arn.clone(), from.clone());
                }
                Err(error)
            }
        }
    }

    fn stage(
        &self,
        _arn: &SecretArn,
        _from: &VersionId,
        _token: &Token,
        _value: &SecretBytes,
    ) -> Result<Accepted, CallError> {
        Self::unsupported("stage")
    }

    fn promote(&self, _arn: &SecretArn, _from: &VersionId, _token: &Token) -> Result<Accepted, CallError> {
        Self::unsupported("promote")
    }

    fn unstage(&self, _arn: &SecretArn, _version: &VersionId) -> Result<Accepted, CallError> {
        Self::unsupported("unstage")
    }

    fn random(&self, length: usize, exclude: &str) -> Result<SecretBytes, CallError> {
        random::random(length, exclude)
    }

    fn ways_out(&self, _means: &RotationMeans) -> Vec<String> {
        Vec::new()
    }
}

/// What remains of a prefix below `static-creds/`; `None` where it is about something else of the engine.
fn roles(rest: &str) -> Option<&str> {
    match rest.strip_prefix(PART).and_then(|rest| rest.strip_prefix('/')) {
        Some(rest) => Some(rest),
        None if format!("{PART}/").starts_with(rest) => Some(""),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_described_by_its_last_rotation() {
        let role: Role = serde_json::from_str(
            r#"{"credential_type": "password", "db_name": "pg", "last_vault_rotation": "2026-11-26T04:00:00.123456789Z",
                "rotation_period": 864000, "rotation_statements": [], "username": "app"}"#,
        )
        .expect("a role");
        let record = role.record(SecretArn("database/static-creds/app".to_owned())).expect("a record");
        let version = VersionId("2026-11-26T04:00:00.123456789Z".to_owned());
        assert_eq!(record.versions, [(version, [Stage::Current].into())].into());
        assert_eq!(record.rotation_days, Some(10));
        assert_eq!(record.next_rotation, Some("2026-12-06T04:00:00.123456789Z".parse().expect("a time")));
        assert_eq!(record.rotation, RotationMeans::Service { name: SERVICE.to_owned() });
    }

    #[test]
    fn prefixes_are_those_of_static_credentials() {
        for (rest, expected) in [
            ("static-creds/team-", Some("team-")),
            ("static-creds/", Some("")),
            ("static", Some("")),
            ("", Some("")),
            ("creds/app", None),
            ("static-credsx", None),
        ] {
            assert_eq!(roles(rest), expected, "{rest:?}");
        }
    }
}
