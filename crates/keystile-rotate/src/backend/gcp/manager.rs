//! Secret Manager's rules, mapped to the trait.
//!
//! **What is current.** Versions are numbered from 1. Readers ask for a number, for an alias, or for `latest`, which is
//! the version that was made last, whatever its state. Here the highest version that is switched on is the current
//! one: a leaked value in it is there to be read, even when `latest` is switched off and gives an error.
//!
//! **Two ways to a new value.** A secret with a schedule and topics is rotated by whoever listens there: its
//! `nextRotationTime` is moved to the nearest time that Google allows, five minutes from now. One without, whose
//! labels say that its value is made here, gets a new version.
//!
//! **One new version.** Neither way has a token, and `addVersion` has no compare-and-set. What has is the secret's own
//! entry (`etag`), and its annotations are there for tools to keep their state in. So each rotation is claimed there
//! first, by an update that succeeds for one of several runs:
//! - the update that moves the time carries the token as well; whoever finds that token has nothing to do but wait;
//! - a new version is added by the run that holds the claim. It keeps it for [`LEASE`]; a request of a run that was
//!   killed has come in by then, or never will. Only after that may another take over, and not before it has looked at
//!   the versions again. A version that someone adds without asking keystile is not kept out: Google has no way to.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use keystile_inventory::{CallError, CallErrorKind, RotationMeans, SecretArn, SecretRecord, Stage, VersionId};
use keystile_scan::SecretBytes;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::client::{Client, json};
use super::crc32c::crc32c;
use super::resource::{CLAIM, Claim, LOST_AFTER, NEAREST, Secret, Version, Versions, id, last, number};
use super::settings::GcpSettings;
use crate::backend::http::segment;
use crate::backend::{Accepted, BackendKind, Identity, SecretBackend, VersionedValue, random};
use crate::token::Token;

const LIST: &str = "secrets.list";
const GET: &str = "secrets.get";
const PATCH: &str = "secrets.patch";
const VERSIONS: &str = "versions.list";
const ACCESS: &str = "versions.access";
const ADD: &str = "secrets.addVersion";

/// How long a run that adds a version has the secret to itself.
const LEASE: SignedDuration = SignedDuration::from_secs(120);
/// How long after its claim a run may still send what adds the version: a process that was stopped for longer must not.
const LATEST: Duration = Duration::from_secs(60);
/// Time between the calls of a list: a project has 600 reads of metadata a minute (Secret Manager's quotas), which are
/// everybody's.
const LIST_PACE: Duration = Duration::from_millis(125);

/// Secret Manager of one project.
#[derive(Debug)]
pub struct GcpSecretManager {
    client: Client,
    /// Tells this process from others in claims.
    owner: String,
    staged: Mutex<HashMap<SecretArn, Staged>>,
}

/// A new value that is not added yet.
#[derive(Debug, Clone)]
struct Staged {
    from: VersionId,
    token: Token,
    value: SecretBytes,
    /// Whether adding it had no answer.
    is_unclear: bool,
}

impl GcpSecretManager {
    /// Reads the settings; nothing is sent yet.
    ///
    /// # Errors
    /// The address is not allowed, or there are no random numbers to be had.
    pub fn open(settings: GcpSettings) -> Result<Self, CallError> {
        let owner = random::random(24, "")?;
        Ok(Self {
            client: Client::open(settings)?,
            owner: String::from_utf8_lossy(owner.reveal()).into_owned(),
            staged: Mutex::new(HashMap::new()),
        })
    }

    /// The full name of a secret of this project, which may be given by its last part alone.
    fn full(&self, arn: &SecretArn) -> SecretArn {
        if arn.0.contains('/') { arn.clone() } else { SecretArn(format!("{}/{arn}", self.client.parent())) }
    }

    /// What remains of a prefix of full names: names are their last parts here.
    fn short<'a>(&self, prefix: &'a str) -> &'a str {
        prefix.strip_prefix(&self.client.parent()).and_then(|rest| rest.strip_prefix('/')).unwrap_or(prefix)
    }

    /// The secret's path, encoded, if it is one of this project.
    fn path(&self, arn: &SecretArn, operation: &str) -> Result<String, CallError> {
        let parent = self.client.parent();
        let name = arn.0.strip_prefix(&parent).and_then(|rest| rest.strip_prefix('/'));
        let name = name.filter(|name| !name.is_empty() && !name.contains('/'));
        name.map(|name| format!("{parent}/{}", segment(name))).ok_or_else(|| {
            CallError::new(CallErrorKind::Misconfigured, operation, format!("{arn} is not below {parent}"))
        })
    }

    fn secret(&self, arn: &SecretArn) -> Result<(Secret, Timestamp), CallError> {
        let answer = self.client.get(GET, &self.path(arn, GET)?)?;
        // Google's clock, by which claims of several machines can be compared.
        let now = answer.date.unwrap_or_else(Timestamp::now);
        Ok((json(GET, &answer)?, now))
    }

    fn versions(&self, arn: &SecretArn) -> Result<Versions, CallError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page {
            #[serde(default)]
            versions: Vec<Version>,
            #[serde(default)]
            next_page_token: String,
        }
        let path = self.path(arn, VERSIONS)?;
        let mut versions = BTreeMap::new();
        let mut next = String::new();
        loop {
            let page: Page = self.client.read(VERSIONS, &format!("{path}/versions?pageSize=1000{next}"))?;
            for version in page.versions {
                let number = number(last(&version.name), VERSIONS)?;
                versions.insert(number, (version.state == "ENABLED", version.create_time));
            }
            if page.next_page_token.is_empty() {
                return Ok(Versions(versions));
            }
            next = format!("&pageToken={}", segment(&page.next_page_token));
        }
    }

    fn access(&self, arn: &SecretArn, version: &str) -> Result<VersionedValue, CallError> {
        #[derive(Deserialize)]
        struct Accessed {
            name: String,
            payload: Payload,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Payload {
            #[serde(default)]
            data: String,
            data_crc32c: Option<String>,
        }
        let garbled = |why: &str| CallError::new(CallErrorKind::Garbled, ACCESS, why);
        let path = self.path(arn, ACCESS)?;
        let accessed: Accessed = self.client.read(ACCESS, &format!("{path}/versions/{}:access", segment(version)))?;
        let data = Zeroizing::new(accessed.payload.data);
        let value =
            STANDARD.decode(data.as_bytes()).map(Zeroizing::new).map_err(|_| garbled("the value is no base64"))?;
        if accessed.payload.data_crc32c.is_some_and(|sum| sum != crc32c(&value).to_string()) {
            return Err(garbled("the value did not arrive as it was sent"));
        }
        let found = number(last(&accessed.name), ACCESS)?;
        Ok(VersionedValue { version: id(found), value: SecretBytes::new(&value) })
    }

    /// Writes a claim, and moves the rotation where one is given, if the entry is still the one that was read.
    fn claim(&self, arn: &SecretArn, secret: &Secret, claim: &Claim, next: Option<Timestamp>) -> Result<(), CallError> {
        #[derive(Serialize)]
        struct Update<'a> {
            etag: &'a str,
            annotations: &'a BTreeMap<String, String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            rotation: Option<NextRotation>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct NextRotation {
            next_rotation_time: String,
        }
        // Without one Google would not compare.
        if secret.etag.is_empty() {
            return Err(CallError::new(CallErrorKind::Garbled, GET, "the secret has no etag"));
        }
        let mut annotations = secret.annotations.clone();
        annotations.insert(CLAIM.to_owned(), claim.to_string());
        let mask = if next.is_some() { "annotations,rotation.nextRotationTime" } else { "annotations" };
        let rotation = next.map(|next| NextRotation { next_rotation_time: next.to_string() });
        let update = Update { etag: &secret.etag, annotations: &annotations, rotation };
        let path = format!("{}?updateMask={mask}", self.path(arn, PATCH)?);
        self.client.change(PATCH, &Method::PATCH, &path, &update).map(drop)
    }

    fn staged(&self) -> MutexGuard<'_, HashMap<SecretArn, Staged>> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The version after the leaked one that has the value in memory: an earlier request of ours without an answer.
    fn written(&self, arn: &SecretArn, staged: &Staged, versions: &Versions) -> Option<VersionId> {
        let from = number(&staged.from.0, ACCESS).ok()?;
        let later = versions.enabled().filter(|number| *number > from);
        later.map(id).find(|version| self.access(arn, &version.0).is_ok_and(|found| found.value == staged.value))
    }

    fn add(&self, arn: &SecretArn, value: &SecretBytes) -> Result<VersionId, CallError> {
        #[derive(Serialize)]
        struct Add<'a> {
            payload: Payload<'a>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Payload<'a> {
            data: &'a str,
            data_crc32c: String,
        }
        let data = Zeroizing::new(STANDARD.encode(value.reveal()));
        let body = Add { payload: Payload { data: &data, data_crc32c: crc32c(value.reveal()).to_string() } };
        let path = format!("{}:addVersion", self.path(arn, ADD)?);
        let answer = self.client.change(ADD, &Method::POST, &path, &body)?;
        number(last(&json::<Version>(ADD, &answer)?.name), ADD).map(id)
    }
}

fn lost(from: &VersionId) -> CallError {
    CallError::new(CallErrorKind::Refused, PATCH, format!("version {from} is not the newest any more"))
}

impl SecretBackend for GcpSecretManager {
    fn identity(&self) -> Result<Identity, CallError> {
        let caller = self.client.caller()?;
        // Shows whether Google takes the token. That it may list secrets is not needed for everything.
        match self.client.get(LIST, &format!("{}?pageSize=1", self.client.parent())) {
            Ok(_) => {}
            Err(error) if error.kind == CallErrorKind::Denied => {}
            Err(error) => return Err(error),
        }
        let settings = self.client.settings();
        Ok(Identity {
            backend: BackendKind::GcpSecretManager,
            account: settings.project.clone(),
            region: settings.location.clone(),
            caller,
            endpoint: self.client.host().to_owned(),
        })
    }

    /// Names of secrets are letters, digits, `-` and `_`.
    fn covers(&self, prefix: &str) -> bool {
        self.short(prefix).bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    }

    fn list(
        &self,
        prefix: &str,
        each: &mut (dyn FnMut(SecretRecord) -> ControlFlow<()> + Send),
    ) -> Result<(), CallError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page {
            #[serde(default)]
            secrets: Vec<Secret>,
            #[serde(default)]
            next_page_token: String,
        }
        let (parent, prefix) = (self.client.parent(), self.short(prefix));
        let mut next = String::new();
        loop {
            let answer = self.client.get(LIST, &format!("{parent}?pageSize=250{next}"))?;
            let now = answer.date.unwrap_or_else(Timestamp::now);
            let page: Page = json(LIST, &answer)?;
            // Google's own filter finds parts of names, not their beginnings.
            for secret in page.secrets.iter().filter(|secret| last(&secret.name).starts_with(prefix)) {
                // Google names the project by its number here.
                let arn = SecretArn(format!("{parent}/{}", last(&secret.name)));
                let versions = match self.versions(&arn) {
                    Ok(versions) => versions,
                    // Deleted between the two calls.
                    Err(error) if error.kind == CallErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                };
                if each(secret.record(arn, &versions, now)).is_break() {
                    return Ok(());
                }
                std::thread::sleep(LIST_PACE);
            }
            if page.next_page_token.is_empty() {
                return Ok(());
            }
            next = format!("&pageToken={}", segment(&page.next_page_token));
        }
    }

    fn describe(&self, arn: &SecretArn) -> Result<SecretRecord, CallError> {
        let arn = &self.full(arn);
        let (secret, now) = self.secret(arn)?;
        let versions = self.versions(arn)?;
        let mut record = secret.record(arn.clone(), &versions, now);
        let mut staged = self.staged();
        match staged.get(arn) {
            Some(held) if record.is_at(&held.from, &Stage::Current) => {
                record.versions.insert(held.token.version(), [Stage::Pending].into());
            }
            // Someone was faster: it will never be added.
            Some(held) if !held.is_unclear => drop(staged.remove(arn)),
            _ => {}
        }
        Ok(record)
    }

    /// Google has no call for several secrets.
    fn batch(&self) -> usize {
        1
    }

    fn read_current(
        &self,
        arns: &[SecretArn],
    ) -> Result<Vec<(SecretArn, Result<VersionedValue, CallError>)>, CallError> {
        let mut found = Vec::with_capacity(arns.len());
        for arn in arns {
            let answer = match self.access(arn, "latest") {
                // The newest may be switched off while an older one is not.
                Err(error) if error.kind == CallErrorKind::Refused => self.versions(arn).and_then(|versions| {
                    let none = || CallError::new(CallErrorKind::NotFound, ACCESS, "no version is switched on");
                    self.access(arn, &versions.current().ok_or_else(none)?.0)
                }),
                answer => answer,
            };
            match answer {
                Err(error) if error.kind == CallErrorKind::NoCredentials => return Err(error),
                answer => found.push((arn.clone(), answer)),
            }
        }
        Ok(found)
    }

    fn read_version(&self, arn: &SecretArn, version: &VersionId) -> Result<VersionedValue, CallError> {
        number(&version.0, ACCESS)?;
        let found = self.access(arn, &version.0)?;
        if found.version != *version {
            return Err(CallError::new(CallErrorKind::Garbled, ACCESS, "the answer is of another version"));
        }
        Ok(found)
    }

    fn all_versions(&self, arn: &SecretArn) -> Result<Vec<VersionId>, CallError> {
        Ok(self.versions(arn)?.enabled().map(id).collect())
    }

    fn rotate(&self, arn: &SecretArn, from: &VersionId, token: &Token) -> Result<Accepted, CallError> {
        let (secret, now) = self.secret(arn)?;
        let versions = self.versions(arn)?;
        if !matches!(secret.means(), RotationMeans::Notification { .. }) {
            let why = format!("nobody listens for the rotation of {arn}: it has no schedule with topics");
            return Err(CallError::new(CallErrorKind::Unsupported, PATCH, why));
        }
        if versions.current().as_ref() != Some(from) {
            return Err(lost(from));
        }
        let accepted = Accepted { version: Some(versions.next()), request_id: None };
        if Claim::of(&secret).is_some_and(|claim| claim.is_of(token, from) && claim.age(now) < LOST_AFTER) {
            return Ok(accepted);
        }
        let nearest = now + NEAREST;
        let due = secret.rotation.as_ref().and_then(|rotation| rotation.next_rotation_time);
        // One that is due before that is left where it is.
        let next = due.is_none_or(|due| due > nearest).then_some(nearest);
        let claim = Claim { token: token.to_string(), from: from.clone(), at: now, owner: None };
        match self.claim(arn, &secret, &claim, next) {
            // Another run, or someone who edits the secret: the next look tells.
            Err(error) if error.kind == CallErrorKind::Refused => {
                let why = "the secret's entry was changed at the same time, or the answers come too slowly; nothing was \
                           asked for";
                Err(CallError::new(CallErrorKind::Throttled, PATCH, why))
            }
            answer => answer.map(|()| accepted),
        }
    }

    /// Nothing is sent: see the [module](self).
    fn stage(
        &self,
        arn: &SecretArn,
        from: &VersionId,
        token: &Token,
        value: &SecretBytes,
    ) -> Result<Accepted, CallError> {
        let fresh = Staged { from: from.clone(), token: token.clone(), value: value.clone(), is_unclear: false };
        let mut staged = self.staged();
        match staged.get(arn) {
            Some(held) if held.token == *token => {}
            _ => drop(staged.insert(arn.clone(), fresh)),
        }
        Ok(Accepted { version: None, request_id: None })
    }

    fn promote(&self, arn: &SecretArn, from: &VersionId, token: &Token) -> Result<Accepted, CallError> {
        let staged = self.staged().get(arn).filter(|held| held.token == *token && held.from == *from).cloned();
        let staged = staged.ok_or_else(|| CallError::new(CallErrorKind::Refused, ADD, "no new value is staged"))?;
        let busy = |why: &str| Err(CallError::new(CallErrorKind::Throttled, ADD, why));
        let (secret, now) = self.secret(arn)?;
        if let Some(claim) = Claim::of(&secret).filter(|claim| claim.owner.is_some() && claim.age(now) < LEASE) {
            let is_ours = claim.owner.as_deref() == Some(&self.owner);
            if !is_ours {
                return busy("another run is about to add a version");
            }
            if staged.is_unclear {
                let versions = self.versions(arn)?;
                return match self.written(arn, &staged, &versions) {
                    Some(version) => {
                        self.staged().remove(arn);
                        Ok(Accepted { version: Some(version), request_id: None })
                    }
                    None => busy("adding a version had no answer, and may still be carried out"),
                };
            }
        }
        let begun = Instant::now();
        let claim = Claim { token: token.to_string(), from: from.clone(), at: now, owner: Some(self.owner.clone()) };
        match self.claim(arn, &secret, &claim, None) {
            Err(error) if error.kind == CallErrorKind::Refused => {
                return busy("someone changed the secret's entry at the same time");
            }
            // Without an answer the claim may stand, but nothing was added: the next attempt finds it ours.
            Err(error) if error.kind == CallErrorKind::Ambiguous => {
                return Err(CallError { kind: CallErrorKind::Throttled, ..error });
            }
            answer => answer?,
        }
        // Nobody else adds now; what was added before is seen.
        let versions = self.versions(arn)?;
        if versions.current().as_ref() != Some(from) {
            if let Some(version) = self.written(arn, &staged, &versions).filter(|_| staged.is_unclear) {
                self.staged().remove(arn);
                return Ok(Accepted { version: Some(version), request_id: None });
            }
            self.staged().remove(arn);
            return Err(lost(from));
        }
        if begun.elapsed() > LATEST {
            return busy("the answers came too slowly to add a version");
        }
        match self.add(arn, &staged.value) {
            Ok(version) => {
                self.staged().remove(arn);
                Ok(Accepted { version: Some(version), request_id: None })
            }
            Err(error) => {
                if matches!(error.kind, CallErrorKind::Ambiguous | CallErrorKind::Garbled) {
                    let written = self.versions(arn).ok().and_then(|versions| self.written(arn, &staged, &versions));
                    if let Some(version) = written {
                        self.staged().remove(arn);
                        return Ok(Accepted { version: Some(version), request_id: None });
                    }
                    if let Some(held) = self.staged().get_mut(arn) {
                        held.is_unclear = true;
                    }
                }
                Err(error)
            }
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
                "give it a schedule and a topic (gcloud secrets update --next-rotation-time … --topics …) with a \
                 subscriber that adds the new version"
                    .to_owned(),
                "set the label keystile-rotation=generate and give --generate, if Secret Manager is where the value is \
                 made (a signing key, a shared token; never a database password)"
                    .to_owned(),
                "replace it at its issuer by hand, add the new version (gcloud secrets versions add), and disable the \
                 leaked one when nobody reads it by its number any more"
                    .to_owned(),
            ],
            _ => Vec::new(),
        }
    }
}
