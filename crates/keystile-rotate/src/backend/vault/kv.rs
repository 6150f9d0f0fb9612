//! Vault's KV version 2: keeps what it is given, in numbered versions, and rotates nothing by itself.
//!
//! **One new version, whatever happens.** There is no way to store a value without making it current, and none to name
//! a version: they are numbered one by one. So [`stage`](SecretBackend::stage) keeps the new value in memory alone, and
//! [`promote`](SecretBackend::promote) writes it with check-and-set against the leaked version: Vault takes that write
//! only while the leaked version is the current one, so of all writes away from version N, by however many runs and
//! however often repeated, one succeeds, and it makes N+1. A run that was killed in between has stored nothing; the
//! next one makes a value anew. Nothing needs to be cleaned up, no value lies beside the secret, and no permission is
//! needed but that to write it.
//!
//! A mark in the secret's `custom_metadata` would be a second write, which can be lost like the first, and proves
//! nothing: every run derives the same token from the same leaked version, whoever was first. What decides whether a
//! version is ours is the value: after a write without an answer the next version is read and compared with the one in
//! memory. A later process has none to compare, and reports what it can prove: that the leaked value was replaced.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use keystile_inventory::{CallError, CallErrorKind, RotationMeans, SecretArn, SecretRecord, Stage, VersionId};
use keystile_scan::SecretBytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::client::{Envelope, VaultConnection, address, json, request_id};
use super::{inside, split};
use crate::backend::{Accepted, BackendKind, Identity, SecretBackend, VersionedValue, random};
use crate::run::wipe;
use crate::token::Token;

const WRITE: &str = "kv data write";
const READ: &str = "kv data read";
const METADATA: &str = "kv metadata read";
const LIST: &str = "kv metadata list";

/// KV version 2 at the mounts of the connection's settings.
#[derive(Debug)]
pub struct VaultKv {
    connection: Arc<VaultConnection>,
    staged: Mutex<HashMap<SecretArn, Staged>>,
}

/// A new value that is not written yet.
#[derive(Debug, Clone)]
struct Staged {
    from: VersionId,
    token: Token,
    value: SecretBytes,
    /// Whether a write of it had no answer.
    is_unclear: bool,
}

/// `GET MOUNT/metadata/PATH`.
#[derive(Debug, Deserialize)]
struct Metadata {
    created_time: Option<Timestamp>,
    updated_time: Option<Timestamp>,
    current_version: u64,
    #[serde(default)]
    custom_metadata: Option<BTreeMap<String, String>>,
    #[serde(default)]
    versions: BTreeMap<u64, Version>,
}

#[derive(Debug, Deserialize)]
struct Version {
    /// Empty, past, or, with `delete_version_after`, in the future.
    #[serde(default)]
    deletion_time: String,
    #[serde(default)]
    destroyed: bool,
}

/// `GET MOUNT/data/PATH`.
#[derive(Deserialize)]
struct Stored<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    metadata: Written,
}

#[derive(Deserialize)]
struct StoredEnvelope<'a> {
    #[serde(borrow)]
    data: Stored<'a>,
}

#[derive(Deserialize)]
struct Written {
    version: u64,
}

impl Metadata {
    fn is_readable(&self, version: u64, now: Timestamp) -> bool {
        self.versions.get(&version).is_some_and(|version| {
            let is_deleted =
                !version.deletion_time.is_empty() && version.deletion_time.parse().is_ok_and(|at: Timestamp| at <= now);
            !version.destroyed && !is_deleted
        })
    }

    fn readable(&self, now: Timestamp) -> impl DoubleEndedIterator<Item = u64> {
        self.versions.keys().copied().filter(move |version| self.is_readable(*version, now))
    }

    fn record(&self, arn: SecretArn, now: Timestamp) -> SecretRecord {
        let name = arn.0.clone();
        let mut record = SecretRecord::new(arn, name);
        record.created = self.created_time;
        record.last_changed = self.updated_time;
        record.tags = self.custom_metadata.clone().unwrap_or_default();
        let current = self.current_version;
        if self.is_readable(current, now) {
            record.versions.insert(id(current), [Stage::Current].into());
        } else {
            // Readers get nothing: it was deleted. `vault kv undelete` brings it back.
            record.deleted = Some(self.updated_time.unwrap_or(now));
        }
        if let Some(previous) = self.readable(now).rfind(|version| *version < current) {
            record.versions.insert(id(previous), [Stage::Previous].into());
        }
        record
    }
}

fn id(version: u64) -> VersionId {
    VersionId(version.to_string())
}

/// Zero is no version: Vault reads it as the current one.
fn number(version: &VersionId, operation: &str) -> Result<u64, CallError> {
    version.0.parse().ok().filter(|number| *number > 0).ok_or_else(|| {
        CallError::new(CallErrorKind::NotFound, operation, format!("there is no version {version} in KV"))
    })
}

impl VaultKv {
    /// At the mounts that the connection's settings name.
    #[must_use]
    pub fn new(connection: Arc<VaultConnection>) -> Self {
        Self { connection, staged: Mutex::new(HashMap::new()) }
    }

    fn mounts(&self) -> &[String] {
        &self.connection.settings().kv_mounts
    }

    fn metadata(&self, arn: &SecretArn) -> Result<(Metadata, Timestamp), CallError> {
        let (mount, path) = split(self.mounts(), arn, METADATA)?;
        let answer = self.connection.get(METADATA, &address(mount, "metadata", path))?;
        let metadata: Envelope<Metadata> = json(METADATA, &answer)?;
        // Vault's clock, in which versions are deleted. The header leaves the fraction of the second out.
        let now = answer.date.map_or_else(Timestamp::now, |date| date + SignedDuration::from_secs(1));
        Ok((metadata.data, now))
    }

    fn value(&self, arn: &SecretArn, version: Option<u64>) -> Result<VersionedValue, CallError> {
        let (mount, path) = split(self.mounts(), arn, READ)?;
        let mut address = address(mount, "data", path);
        if let Some(version) = version {
            address = format!("{address}?version={version}");
        }
        let answer = self.connection.get(READ, &address)?;
        let garbled = |why: &str| CallError::new(CallErrorKind::Garbled, READ, why);
        let stored: StoredEnvelope<'_> =
            serde_json::from_slice(&answer.body).map_err(|_| garbled("the answer has no data and version"))?;
        let stored = stored.data;
        if version.is_some_and(|version| version != stored.metadata.version) {
            return Err(garbled("the answer is of another version"));
        }
        match stored.data.map(RawValue::get) {
            Some(data) if data != "null" => {
                Ok(VersionedValue { version: id(stored.metadata.version), value: SecretBytes::new(data.as_bytes()) })
            }
            _ => Err(CallError::new(CallErrorKind::NotFound, READ, "the version has no value")),
        }
    }

    fn staged(&self) -> std::sync::MutexGuard<'_, HashMap<SecretArn, Staged>> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the version after the leaked one is the value in memory: an earlier write of ours that had no answer.
    fn is_written(&self, arn: &SecretArn, staged: &Staged, next: u64) -> bool {
        let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
        let Ok(found) = self.value(arn, Some(next)) else { return false };
        let (Some(mut ours), Some(mut theirs)) = (parse(staged.value.reveal()), parse(found.value.reveal())) else {
            return false;
        };
        // Vault may have sorted the fields, so that the bytes say nothing.
        let is_same = ours == theirs;
        wipe(&mut ours);
        wipe(&mut theirs);
        is_same
    }
}

impl SecretBackend for VaultKv {
    fn identity(&self) -> Result<Identity, CallError> {
        self.connection.identity(BackendKind::VaultKv)
    }

    fn covers(&self, prefix: &str) -> bool {
        inside(self.mounts(), prefix).next().is_some()
    }

    fn list(
        &self,
        prefix: &str,
        each: &mut (dyn FnMut(SecretRecord) -> ControlFlow<()> + Send),
    ) -> Result<(), CallError> {
        for (mount, rest) in inside(self.mounts(), prefix) {
            self.connection.must_be(mount, "kv", Some("2"))?;
            let flow = self.connection.walk(LIST, mount, "metadata", rest, &mut |path| {
                match self.describe(&SecretArn(format!("{mount}/{path}"))) {
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
        let (metadata, now) = self.metadata(arn)?;
        let mut record = metadata.record(arn.clone(), now);
        let mut staged = self.staged();
        match staged.get(arn) {
            Some(held) if record.is_at(&held.from, &Stage::Current) => {
                record.versions.insert(held.token.version(), [Stage::Pending].into());
            }
            // Someone was faster: it will never be written.
            Some(held) if !held.is_unclear => drop(staged.remove(arn)),
            _ => {}
        }
        Ok(record)
    }

    /// Vault has no call for several secrets.
    fn batch(&self) -> usize {
        1
    }

    fn read_current(
        &self,
        arns: &[SecretArn],
    ) -> Result<Vec<(SecretArn, Result<VersionedValue, CallError>)>, CallError> {
        let mut found = Vec::with_capacity(arns.len());
        for arn in arns {
            match self.value(arn, None) {
                Err(error) if error.kind == CallErrorKind::NoCredentials => return Err(error),
                answer => found.push((arn.clone(), answer)),
            }
        }
        Ok(found)
    }

    fn read_version(&self, arn: &SecretArn, version: &VersionId) -> Result<VersionedValue, CallError> {
        self.value(arn, Some(number(version, READ)?))
    }

    fn all_versions(&self, arn: &SecretArn) -> Result<Vec<VersionId>, CallError> {
        let (metadata, now) = self.metadata(arn)?;
        Ok(metadata.readable(now).map(id).collect())
    }

    fn rotate(&self, arn: &SecretArn, _from: &VersionId, _token: &Token) -> Result<Accepted, CallError> {
        let why = format!("nobody rotates {arn}: KV keeps what it is given");
        Err(CallError::new(CallErrorKind::Unsupported, "rotate", why))
    }

    /// Nothing is sent: see the [module](self).
    fn stage(
        &self,
        arn: &SecretArn,
        from: &VersionId,
        token: &Token,
        value: &SecretBytes,
    ) -> Result<Accepted, CallError> {
        if !is_object(value) {
            let why = "KV stores the fields of a JSON object, which the new value is not";
            return Err(CallError::new(CallErrorKind::Unsupported, WRITE, why));
        }
        let fresh = Staged { from: from.clone(), token: token.clone(), value: value.clone(), is_unclear: false };
        let mut staged = self.staged();
        match staged.get(arn) {
            Some(held) if held.token == *token => {}
            _ => drop(staged.insert(arn.clone(), fresh)),
        }
        Ok(Accepted { version: None, request_id: None })
    }

    fn promote(&self, arn: &SecretArn, from: &VersionId, token: &Token) -> Result<Accepted, CallError> {
        #[derive(Serialize)]
        struct Write<'a> {
            options: Options,
            data: &'a RawValue,
        }
        #[derive(Serialize)]
        struct Options {
            cas: u64,
        }
        let (mount, path) = split(self.mounts(), arn, WRITE)?;
        let cas = number(from, WRITE)?;
        let staged = self.staged().get(arn).filter(|held| held.token == *token && held.from == *from).cloned();
        let staged = staged.ok_or_else(|| CallError::new(CallErrorKind::Refused, WRITE, "no new value is staged"))?;
        let data = serde_json::from_slice(staged.value.reveal()).expect("it was looked at when it was staged");
        let body = Write { options: Options { cas }, data };
        match self.connection.change(WRITE, &address(mount, "data", path), &body, None) {
            Ok(answer) => {
                let request_id = request_id(&answer);
                self.staged().remove(arn);
                // With check-and-set there is one number that it can be.
                let version = json::<Envelope<Written>>(WRITE, &answer).map_or(cas + 1, |written| written.data.version);
                Ok(Accepted { version: Some(id(version)), request_id })
            }
            Err(error) if matches!(error.kind, CallErrorKind::Ambiguous | CallErrorKind::Refused) => {
                let was_unclear = staged.is_unclear || error.kind == CallErrorKind::Ambiguous;
                if was_unclear && self.is_written(arn, &staged, cas + 1) {
                    self.staged().remove(arn);
                    return Ok(Accepted { version: Some(id(cas + 1)), request_id: None });
                }
                if let Some(held) = self.staged().get_mut(arn) {
                    held.is_unclear = was_unclear;
                }
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    fn unstage(&self, arn: &SecretArn, version: &VersionId) -> Result<Accepted, CallError> {
        let mut staged = self.staged();
        if staged.get(arn).is_some_and(|held| held.token.version() == *version) {
            staged.remove(arn);
        }
        Ok(Accepted { version: None, request_id: None })
    }

    fn random(&self, length: usize, exclude: &str) -> Result<SecretBytes, CallError> {
        random::random(length, exclude)
    }

    fn ways_out(&self, means: &RotationMeans) -> Vec<String> {
        match means {
            RotationMeans::Nobody => vec![
                "KV keeps what it is given and rotates nothing: replace the value at its issuer, then write the new one \
                 (vault kv put -cas=VERSION …)"
                    .to_owned(),
                "set keystile.io/rotation=generate in its custom metadata (vault kv metadata patch) and give --generate, \
                 if Vault is where the value is made (a signing key, a shared token; never a database password)"
                    .to_owned(),
                "for a database's password, make it a static role of the database engine, which rotates it".to_owned(),
            ],
            _ => Vec::new(),
        }
    }
}

fn is_object(value: &SecretBytes) -> bool {
    serde_json::from_slice::<Value>(value.reveal()).is_ok_and(|mut document| {
        let is_object = document.is_object();
        wipe(&mut document);
        is_object
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the API documentation shows it, with versions in every state.
    const METADATA_ANSWER: &str = r#"{
        "created_time": "2026-03-22T02:24:06.945319214Z", "current_version": 5, "oldest_version": 1,
        "updated_time": "2026-03-22T02:36:43.986212308Z", "custom_metadata": {"keystile.io/rotate": "allow"},
        "versions": {
            "1": {"created_time": "2026-03-22T02:24:06Z", "deletion_time": "", "destroyed": true},
            "2": {"created_time": "2026-03-22T02:36:43Z", "deletion_time": "2026-03-23T00:00:00Z", "destroyed": false},
            "3": {"created_time": "2026-03-22T02:36:43Z", "deletion_time": "2027-01-01T00:00:00Z", "destroyed": false},
            "4": {"created_time": "2026-03-22T02:36:43Z", "deletion_time": "2026-03-23T00:00:00Z", "destroyed": false},
            "5": {"created_time": "2026-03-22T02:36:43Z", "deletion_time": "", "destroyed": false}
        }
    }"#;

    #[test]
    fn versions_that_were_deleted_or_destroyed_are_left_out() {
        let mut metadata: Metadata = serde_json::from_str(METADATA_ANSWER).expect("metadata");
        let now = "2026-11-26T00:00:00Z".parse().expect("a time");
        let arn = SecretArn("secret/app".to_owned());
        let record = metadata.record(arn.clone(), now);
        assert_eq!(metadata.readable(now).collect::<Vec<_>>(), [3, 5]);
        assert_eq!(record.versions, [(id(5), [Stage::Current].into()), (id(3), [Stage::Previous].into())].into());
        assert_eq!(record.tags["keystile.io/rotate"], "allow");
        assert_eq!(record.deleted, None);

        metadata.current_version = 4;
        let record = metadata.record(arn, now);
        assert_eq!(record.version_at(&Stage::Current), None);
        assert!(record.deleted.is_some(), "readers get nothing");
    }

    #[test]
    fn no_version_is_read_as_the_current_one() {
        for text in ["0", "", "-1", "5e8cf3a0-token"] {
            let error = number(&VersionId(text.to_owned()), READ).expect_err(text);
            assert_eq!(error.kind, CallErrorKind::NotFound, "{text}");
        }
        assert_eq!(number(&VersionId("12".to_owned()), READ).expect("a number"), 12);
    }
}
