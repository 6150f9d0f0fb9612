//! AWS Secrets Manager.
//!
//! `RotateSecret` is only ever called with the secret's id and our token: rotation rules or another function in
//! the call would change the secret's settings, and whoever may set the function receives the value. Neither
//! `CancelRotateSecret` (which switches the schedule off) nor `DeleteSecret` is ever called.

#[cfg(feature = "function-log")]
mod function_log;
#[cfg(feature = "function-log")]
mod logs;

use std::ops::ControlFlow;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::primitives::Blob;
#[cfg(feature = "function-log")]
use jiff::Timestamp;
use keystile_inventory::aws::error::call_error;
use keystile_inventory::aws::{AwsOptions, Connection, Secrets};
use keystile_inventory::{CallError, CallErrorKind, RotationMeans, SecretArn, SecretRecord, Stage, VersionId};
use keystile_scan::SecretBytes;
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

#[cfg(feature = "function-log")]
use super::RotationStep;
use super::{Accepted, BackendKind, Identity, SecretBackend, VersionedValue};
use crate::token::Token;

/// Most secrets of one `BatchGetSecretValue` (its API reference, `SecretIdList`).
const BATCH: usize = 20;

/// Secrets Manager of one account and region.
#[derive(Debug)]
pub struct AwsSecretsManager {
    runtime: Runtime,
    connection: Connection,
    metadata: Secrets,
    client: Client,
}

impl AwsSecretsManager {
    /// Reads the settings; nothing is sent yet.
    ///
    /// # Errors
    /// No region, or no threads to be had.
    pub fn open(options: &AwsOptions) -> Result<Self, CallError> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(|error| {
                CallError::new(CallErrorKind::Misconfigured, "start", format!("no threads to be had: {error}"))
            })?;
        let connection = runtime.block_on(Connection::open(options))?;
        let config = aws_sdk_secretsmanager::config::Builder::from(connection.config())
            .interceptor(connection.guard().clone())
            .build();
        let client = Client::from_conf(config);
        Ok(Self { runtime, metadata: Secrets::new(&connection), client, connection })
    }

    fn accepted(version: Option<String>, request_id: Option<&str>) -> Accepted {
        Accepted { version: version.map(VersionId), request_id: request_id.map(ToOwned::to_owned) }
    }
}

/// A value as stored: text, or bytes.
fn value_of(
    operation: &str,
    text: Option<String>,
    bytes: Option<Blob>,
    version: Option<String>,
) -> Result<VersionedValue, CallError> {
    let text = text.map(Zeroizing::new);
    let bytes = bytes.map(|blob| Zeroizing::new(blob.into_inner()));
    let value = match (&text, &bytes) {
        (Some(text), _) => SecretBytes::new(text.as_bytes()),
        (None, Some(bytes)) => SecretBytes::new(bytes),
        (None, None) => return Err(CallError::new(CallErrorKind::NotFound, operation, "the version has no value")),
    };
    let version = version.ok_or_else(|| CallError::new(CallErrorKind::Garbled, operation, "no version is named"))?;
    Ok(VersionedValue { version: VersionId(version), value })
}

impl SecretBackend for AwsSecretsManager {
    fn identity(&self) -> Result<Identity, CallError> {
        let identity = self.runtime.block_on(self.connection.identity())?;
        Ok(Identity {
            backend: BackendKind::AwsSecretsManager,
            account: identity.account,
            region: Some(self.connection.region().to_owned()),
            caller: identity.caller,
            endpoint: identity.endpoint,
        })
    }

    fn list(
        &self,
        prefix: &str,
        each: &mut (dyn FnMut(SecretRecord) -> ControlFlow<()> + Send),
    ) -> Result<(), CallError> {
        self.runtime.block_on(self.metadata.list(prefix, each))
    }

    fn describe(&self, arn: &SecretArn) -> Result<SecretRecord, CallError> {
        self.runtime.block_on(self.metadata.describe_arn(arn))
    }

    fn batch(&self) -> usize {
        BATCH
    }

    fn read_current(
        &self,
        arns: &[SecretArn],
    ) -> Result<Vec<(SecretArn, Result<VersionedValue, CallError>)>, CallError> {
        const OPERATION: &str = "BatchGetSecretValue";
        let ids: Vec<String> = arns.iter().map(|arn| arn.0.clone()).collect();
        let call = self.client.batch_get_secret_value().set_secret_id_list(Some(ids));
        let answer = self.runtime.block_on(call.send()).map_err(|error| call_error(OPERATION, &error, true))?;
        let mut found = Vec::with_capacity(arns.len());
        for entry in answer.secret_values.unwrap_or_default() {
            let Some(arn) = entry.arn else { continue };
            found.push((
                SecretArn(arn),
                value_of(OPERATION, entry.secret_string, entry.secret_binary, entry.version_id),
            ));
        }
        for error in answer.errors.unwrap_or_default() {
            let Some(id) = error.secret_id else { continue };
            let code = error.error_code.unwrap_or_default();
            let kind = match code.as_str() {
                "AccessDeniedException" => CallErrorKind::Denied,
                "ResourceNotFoundException" => CallErrorKind::NotFound,
                _ => CallErrorKind::Refused,
            };
            found.push((SecretArn(id), Err(CallError::new(kind, OPERATION, code))));
        }
        // One that is in neither list must not be taken for one that was read.
        for arn in arns {
            if !found.iter().any(|(answered, _)| answered == arn) {
                let error = CallError::new(CallErrorKind::Garbled, OPERATION, "the answer leaves this secret out");
                found.push((arn.clone(), Err(error)));
            }
        }
        Ok(found)
    }

    fn read_version(&self, arn: &SecretArn, version: &VersionId) -> Result<VersionedValue, CallError> {
        const OPERATION: &str = "GetSecretValue";
        let call = self.client.get_secret_value().secret_id(&arn.0).version_id(&version.0);
        let answer = self.runtime.block_on(call.send()).map_err(|error| call_error(OPERATION, &error, true))?;
        let found = value_of(OPERATION, answer.secret_string, answer.secret_binary, answer.version_id)?;
        if found.version != *version {
            return Err(CallError::new(CallErrorKind::Garbled, OPERATION, "the answer is of another version"));
        }
        Ok(found)
    }

    fn all_versions(&self, arn: &SecretArn) -> Result<Vec<VersionId>, CallError> {
        let mut versions = Vec::new();
        let mut next = None;
        // About a hundred versions are kept (Secrets Manager's quotas); a hundred pages are no list.
        for _ in 0..100 {
            let call = self
                .client
                .list_secret_version_ids()
                .secret_id(&arn.0)
                .include_deprecated(true)
                .max_results(100)
                .set_next_token(next);
            let page =
                self.runtime.block_on(call.send()).map_err(|error| call_error("ListSecretVersionIds", &error, true))?;
            versions.extend(page.versions.unwrap_or_default().into_iter().filter_map(|entry| entry.version_id));
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        Ok(versions.into_iter().map(VersionId).collect())
    }

    fn current_in(&self, arn: &SecretArn, region: &str) -> Result<VersionId, CallError> {
        // A replica's ARN is the primary's with another region.
        let mut parts: Vec<&str> = arn.0.splitn(7, ':').collect();
        let Some(place) = parts.get_mut(3) else {
            return Err(CallError::new(CallErrorKind::Garbled, "DescribeSecret", "the secret's ARN has no region"));
        };
        *place = region;
        let replica = Secrets::new(&self.connection.in_region(region));
        let record = self.runtime.block_on(replica.describe(&parts.join(":")))?;
        record.version_at(&Stage::Current).cloned().ok_or_else(|| {
            CallError::new(CallErrorKind::NotFound, "DescribeSecret", format!("no version is current in {region}"))
        })
    }

    fn rotate(&self, arn: &SecretArn, _from: &VersionId, token: &Token) -> Result<Accepted, CallError> {
        let call = self.client.rotate_secret().secret_id(&arn.0).client_request_token(token.as_str());
        let answer = self.runtime.block_on(call.send()).map_err(|error| call_error("RotateSecret", &error, true))?;
        let id = request_id(&answer);
        Ok(Self::accepted(answer.version_id, id.as_deref()))
    }

    fn stage(
        &self,
        arn: &SecretArn,
        _from: &VersionId,
        token: &Token,
        value: &SecretBytes,
    ) -> Result<Accepted, CallError> {
        const OPERATION: &str = "PutSecretValue";
        let mut call = self
            .client
            .put_secret_value()
            .secret_id(&arn.0)
            .client_request_token(token.as_str())
            .version_stages("AWSPENDING");
        call = match std::str::from_utf8(value.reveal()) {
            Ok(text) => call.secret_string(text),
            Err(_) => call.secret_binary(Blob::new(value.reveal())),
        };
        match self.runtime.block_on(call.send()) {
            Ok(answer) => {
                let id = request_id(&answer);
                Ok(Self::accepted(answer.version_id, id.as_deref()))
            }
            // Its value was stored by an earlier attempt: that one counts, not today's random value.
            Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_exists_exception()) => {
                Ok(Self::accepted(Some(token.to_string()), None))
            }
            Err(error) => Err(call_error(OPERATION, &error, false)),
        }
    }

    fn promote(&self, arn: &SecretArn, from: &VersionId, token: &Token) -> Result<Accepted, CallError> {
        let call = self
            .client
            .update_secret_version_stage()
            .secret_id(&arn.0)
            .version_stage("AWSCURRENT")
            .remove_from_version_id(&from.0)
            .move_to_version_id(token.as_str());
        let answer =
            self.runtime.block_on(call.send()).map_err(|error| call_error("UpdateSecretVersionStage", &error, true))?;
        Ok(Self::accepted(Some(token.to_string()), request_id(&answer).as_deref()))
    }

    fn unstage(&self, arn: &SecretArn, version: &VersionId) -> Result<Accepted, CallError> {
        let call = self
            .client
            .update_secret_version_stage()
            .secret_id(&arn.0)
            .version_stage("AWSPENDING")
            .remove_from_version_id(&version.0);
        let answer =
            self.runtime.block_on(call.send()).map_err(|error| call_error("UpdateSecretVersionStage", &error, true))?;
        Ok(Self::accepted(None, request_id(&answer).as_deref()))
    }

    #[cfg(feature = "function-log")]
    fn failed_step(
        &self,
        means: &RotationMeans,
        arn: &SecretArn,
        version: &VersionId,
        since: Timestamp,
    ) -> Result<Option<RotationStep>, CallError> {
        let RotationMeans::Function { arn: function } = means else { return Ok(None) };
        self.runtime.block_on(logs::step_of(&self.connection, function, arn, version, since))
    }

    fn random(&self, length: usize, exclude: &str) -> Result<SecretBytes, CallError> {
        const OPERATION: &str = "GetRandomPassword";
        let length = i64::try_from(length)
            .map_err(|_| CallError::new(CallErrorKind::Unsupported, OPERATION, "the value is too long"))?;
        let call =
            self.client.get_random_password().password_length(length).include_space(false).exclude_characters(exclude);
        let answer = self.runtime.block_on(call.send()).map_err(|error| call_error(OPERATION, &error, false))?;
        let password = answer.random_password.map(Zeroizing::new);
        match password {
            Some(password) if !password.is_empty() => Ok(SecretBytes::new(password.as_bytes())),
            _ => Err(CallError::new(CallErrorKind::Garbled, OPERATION, "the answer has no value")),
        }
    }

    fn ways_out(&self, means: &RotationMeans) -> Vec<String> {
        match means {
            RotationMeans::Nobody => vec![
                "attach a rotation function (aws secretsmanager rotate-secret --rotation-lambda-arn …), then plan again"
                    .to_owned(),
                "tag the secret keystile.io/rotation=generate and give --generate, if the secret manager is where its \
                 value is made (a signing key, a shared token; never a database password)"
                    .to_owned(),
                "replace it at its issuer by hand and store the new value".to_owned(),
            ],
            _ => Vec::new(),
        }
    }
}

fn request_id(answer: &impl aws_types::request_id::RequestId) -> Option<String> {
    answer.request_id().map(ToOwned::to_owned)
}
