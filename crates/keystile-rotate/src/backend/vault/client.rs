//! One connection to Vault: logging in, asking, and what its answers mean.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::Method;
use http::header::HeaderName;
use keystile_inventory::{CallError, CallErrorKind};
use keystile_scan::SecretBytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::settings::{VaultLogin, VaultSettings};
use crate::backend::http::{Answer, Ask, Base, HttpClient, path, sensitive};
use crate::backend::{BackendKind, Identity};

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
/// Vault Agent refuses requests without it, so that no web page can make a browser ask (documentation of Vault
/// Agent, `require_request_header`).
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");

/// A connection that [`VaultKv`](super::VaultKv) and [`VaultDatabase`](super::VaultDatabase) share.
#[derive(Debug)]
pub struct VaultConnection {
    http: HttpClient,
    base: Base,
    settings: VaultSettings,
    session: Mutex<Option<Session>>,
}

#[derive(Clone)]
struct Session {
    token: SecretBytes,
    /// When it is time to log in again.
    until: Option<Instant>,
    /// Whether a login of ours gave it, so that it is ours to revoke.
    is_ours: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("is_ours", &self.is_ours).finish_non_exhaustive()
    }
}

/// What every answer is wrapped in.
#[derive(Deserialize)]
pub(super) struct Envelope<T> {
    pub(super) data: T,
}

#[derive(Deserialize)]
struct Health {
    cluster_name: Option<String>,
}

#[derive(Deserialize)]
struct LoggedIn {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    client_token: String,
    #[serde(default)]
    lease_duration: u64,
}

#[derive(Deserialize)]
struct Myself {
    #[serde(default)]
    display_name: String,
}

impl VaultConnection {
    /// Reads the settings; nothing is sent yet.
    ///
    /// # Errors
    /// The address is not allowed, or the authorities can't be read.
    pub fn open(settings: VaultSettings) -> Result<Arc<Self>, CallError> {
        let base = Base::parse(&settings.address, "VAULT_ADDR")?;
        let http = HttpClient::open(settings.authorities.as_deref(), "VAULT_CACERT")?;
        Ok(Arc::new(Self { http, base, settings, session: Mutex::new(None) }))
    }

    pub(super) const fn settings(&self) -> &VaultSettings {
        &self.settings
    }

    pub(super) fn identity(&self, backend: BackendKind) -> Result<Identity, CallError> {
        // A standby's answer is as good (API documentation of /sys/health). Only the root namespace has it.
        let path = "/v1/sys/health?standbyok=true&perfstandbyok=true";
        let answer = self.http.read(&self.base, || self.ask("sys/health", Method::GET, path.to_owned()))?;
        let cluster = match answer.status {
            200 => json::<Health>("sys/health", &answer)?.cluster_name.filter(|name| !name.is_empty()),
            501 | 503 => {
                let why = "Vault is sealed or not initialised; unseal it first";
                return Err(CallError::new(CallErrorKind::Unreachable, "sys/health", why));
            }
            _ => None,
        };
        let cluster = cluster.unwrap_or_else(|| self.base.host().to_owned());
        let namespace = self.settings.namespace.as_deref().unwrap_or("root");
        let caller = match self.read::<Envelope<Myself>>("auth/token/lookup-self", "auth/token/lookup-self") {
            Ok(myself) => myself.data.display_name,
            // A token without the policy `default` may still do all that is needed.
            Err(error) if error.kind == CallErrorKind::Denied => "(the token may not look itself up)".to_owned(),
            Err(error) => return Err(error),
        };
        Ok(Identity {
            backend,
            account: format!("{cluster}/{namespace}"),
            region: None,
            caller,
            endpoint: self.base.host().to_owned(),
        })
    }

    /// Reads `path` (below `/v1/`, encoded).
    pub(super) fn read<T: DeserializeOwned>(&self, operation: &'static str, path: &str) -> Result<T, CallError> {
        json(operation, &self.get(operation, path)?)
    }

    /// Sees to it that an engine of this kind is mounted there. A list of what is not there is empty, and so is one
    /// of KV version 1 at the addresses of version 2: neither must be taken for a place without secrets.
    pub(super) fn must_be(&self, mount: &str, kind: &str, version: Option<&str>) -> Result<(), CallError> {
        const OPERATION: &str = "sys/internal/ui/mounts";
        #[derive(Deserialize)]
        struct Mount {
            #[serde(rename = "type")]
            kind: String,
            #[serde(default)]
            options: Option<BTreeMap<String, String>>,
        }
        let path = format!("{OPERATION}/{}", path(mount));
        let found = match self.read::<Envelope<Mount>>(OPERATION, &path) {
            Ok(found) => found.data,
            // Vault says the same of a mount that is not there and of one that the token may not use at all.
            Err(error) if error.kind == CallErrorKind::Denied => {
                let why = format!("there is no mount {mount}, or the token may not use it");
                return Err(CallError::new(CallErrorKind::Denied, OPERATION, why));
            }
            Err(error) => return Err(error),
        };
        let has = found.options.as_ref().and_then(|options| options.get("version")).map(String::as_str);
        if found.kind != kind || (version.is_some() && has != version) {
            let wanted = version.map_or(String::new(), |version| format!(" of version {version}"));
            let why = format!("the mount {mount} holds no {kind} engine{wanted}; leave it out of the mounts");
            return Err(CallError::new(CallErrorKind::Misconfigured, OPERATION, why));
        }
        Ok(())
    }

    /// Hands every name below `MOUNT/PART` that begins with `prefix` to `each`. Vault lists one folder at a time.
    pub(super) fn walk(
        &self,
        operation: &'static str,
        mount: &str,
        part: &str,
        prefix: &str,
        each: &mut dyn FnMut(&str) -> Result<ControlFlow<()>, CallError>,
    ) -> Result<ControlFlow<()>, CallError> {
        let top = prefix.rfind('/').map_or("", |slash| &prefix[..=slash]);
        let mut folders = vec![top.to_owned()];
        while let Some(folder) = folders.pop() {
            for name in self.names(operation, &address(mount, part, &folder))? {
                let path = format!("{folder}{name}");
                if !path.starts_with(prefix) {
                    continue;
                }
                if path.ends_with('/') {
                    folders.push(path);
                } else if each(&path)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The names in a folder; none where there is no such folder.
    fn names(&self, operation: &'static str, path: &str) -> Result<Vec<String>, CallError> {
        #[derive(Deserialize)]
        struct Names {
            keys: Vec<String>,
        }
        match self.read::<Envelope<Names>>(operation, &format!("{path}?list=true")) {
            Ok(names) => Ok(names.data.keys),
            Err(error) if error.kind == CallErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// The answer to a read, which is a good one.
    pub(super) fn get(&self, operation: &'static str, path: &str) -> Result<Answer, CallError> {
        let path = format!("/v1/{path}");
        self.with_token(|headers| {
            let answer = self.http.read(&self.base, || {
                let mut ask = self.ask(operation, Method::GET, path.clone());
                ask.headers.extend(headers.clone());
                ask
            })?;
            check(operation, answer)
        })
    }

    /// Changes something: sent once.
    pub(super) fn change(
        &self,
        operation: &'static str,
        path: &str,
        body: &impl Serialize,
        limit: Option<Duration>,
    ) -> Result<Answer, CallError> {
        let path = format!("/v1/{path}");
        self.with_token(|headers| {
            let content = Zeroizing::new(serde_json::to_vec(body).expect("names and values are JSON"));
            let mut ask = self.ask(operation, Method::POST, path.clone()).json(content);
            ask.limit = limit.unwrap_or(ask.limit);
            ask.headers.extend(headers);
            check(operation, self.http.send(&self.base, ask)?)
        })
    }

    fn ask(&self, operation: &'static str, method: Method, path: String) -> Ask<'static> {
        let mut ask = Ask::new(operation, method, path);
        ask.headers.push((REQUEST, http::HeaderValue::from_static("true")));
        ask
    }

    /// Calls `send` with the headers of a session. A session of ours that Vault no longer knows is replaced once:
    /// that answer came before anything was done.
    fn with_token<T>(
        &self,
        send: impl Fn(Vec<(HeaderName, http::HeaderValue)>) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let session = self.session(false)?;
        match send(self.headers(&session)?) {
            Err(error) if error.kind == CallErrorKind::NoCredentials && session.is_ours => {
                send(self.headers(&self.session(true)?)?)
            }
            answer => answer,
        }
    }

    fn headers(&self, session: &Session) -> Result<Vec<(HeaderName, http::HeaderValue)>, CallError> {
        let token = text(&session.token, "VAULT_TOKEN")?;
        let mut headers = vec![(TOKEN, sensitive(&token, "VAULT_TOKEN")?)];
        headers.extend(self.namespace()?);
        Ok(headers)
    }

    fn namespace(&self) -> Result<Option<(HeaderName, http::HeaderValue)>, CallError> {
        let Some(namespace) = &self.settings.namespace else { return Ok(None) };
        let value = http::HeaderValue::from_str(namespace).map_err(|_| {
            CallError::new(CallErrorKind::Misconfigured, "VAULT_NAMESPACE", "holds characters that no name has")
        })?;
        Ok(Some((NAMESPACE, value)))
    }

    fn session(&self, is_anew: bool) -> Result<Session, CallError> {
        let mut held = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        match &*held {
            Some(session) if !is_anew && session.until.is_none_or(|until| Instant::now() < until) => {
                Ok(session.clone())
            }
            _ => Ok(held.insert(self.log_in()?).clone()),
        }
    }

    fn log_in(&self) -> Result<Session, CallError> {
        let given = |token: SecretBytes| Session { token, until: None, is_ours: false };
        #[derive(Serialize)]
        struct Statement<'a> {
            role: &'a str,
            jwt: &'a str,
        }
        #[derive(Serialize)]
        struct Role<'a> {
            role_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            secret_id: Option<&'a str>,
        }
        let (mount, body) = match &self.settings.login {
            VaultLogin::Token(token) => return Ok(given(token.clone())),
            VaultLogin::TokenFile(file) => return Ok(given(SecretBytes::new(token_of(file)?.as_bytes()))),
            VaultLogin::Jwt { mount, role, file } => {
                let jwt = token_of(file)?;
                (mount, serde_json::to_vec(&Statement { role, jwt: &jwt }))
            }
            VaultLogin::AppRole { mount, role_id, secret_id } => {
                let secret_id = secret_id.as_ref().map(|id| text(id, "KEYSTILE_VAULT_SECRET_ID")).transpose()?;
                (mount, serde_json::to_vec(&Role { role_id, secret_id: secret_id.as_ref().map(|id| id.as_str()) }))
            }
        };
        const OPERATION: &str = "login";
        let body = Zeroizing::new(body.expect("text is JSON"));
        let mount = path(mount);
        let mut ask = self.ask(OPERATION, Method::POST, format!("/v1/auth/{mount}/login")).json(body);
        ask.headers.extend(self.namespace()?);
        let answer = self.http.send(&self.base, ask)?;
        // Logging in changes nothing that matters, and its refusals are all of one kind.
        if matches!(answer.status, 400 | 403 | 404) {
            let why = format!("Vault refuses the login at auth/{mount} with status {}", answer.status);
            return Err(CallError::new(CallErrorKind::NoCredentials, OPERATION, why));
        }
        let auth = json::<LoggedIn>(OPERATION, &check(OPERATION, answer)?)?.auth;
        // A fifth is left for the call that is under way; zero means that it does not end.
        let token = Zeroizing::new(auth.client_token);
        let life = Duration::from_secs(auth.lease_duration) * 4 / 5;
        let until = (!life.is_zero()).then(|| Instant::now() + life);
        Ok(Session { token: SecretBytes::new(token.as_bytes()), until, is_ours: true })
    }
}

/// A token of ours is of no more use. Its end by age is near anyway, so a failure is of no matter.
impl Drop for VaultConnection {
    fn drop(&mut self) {
        let session = self.session.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let Some(session) = session.filter(|session| session.is_ours) else { return };
        let Ok(headers) = self.headers(&session) else { return };
        let mut ask = self.ask("auth/token/revoke-self", Method::POST, "/v1/auth/token/revoke-self".to_owned());
        ask.headers.extend(headers);
        ask.limit = Duration::from_secs(3);
        let _ = self.http.send(&self.base, ask);
    }
}

fn token_of(file: &std::path::Path) -> Result<Zeroizing<String>, CallError> {
    let wrong = |why: String| CallError::new(CallErrorKind::NoCredentials, "login", why);
    let content = std::fs::read_to_string(file).map(Zeroizing::new);
    let content = content.map_err(|error| wrong(format!("{} can't be read: {error}", file.display())))?;
    match content.trim() {
        "" => Err(wrong(format!("{} is empty", file.display()))),
        token => Ok(Zeroizing::new(token.to_owned())),
    }
}

fn text(secret: &SecretBytes, setting: &str) -> Result<Zeroizing<String>, CallError> {
    let text = std::str::from_utf8(secret.reveal()).map(|text| Zeroizing::new(text.to_owned()));
    text.map_err(|_| CallError::new(CallErrorKind::NoCredentials, setting, "holds characters that no token has"))
}

/// Reads a good answer.
pub(super) fn json<T: DeserializeOwned>(operation: &str, answer: &Answer) -> Result<T, CallError> {
    // The error would quote what it stumbles over.
    serde_json::from_slice(&answer.body).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        CallError::new(CallErrorKind::Garbled, operation, format!("the answer is not what it should be at {place}"))
    })
}

/// The answer, if it is a good one (API documentation, "HTTP status codes").
fn check(operation: &str, answer: Answer) -> Result<Answer, CallError> {
    let (kind, why) = match answer.status {
        200 | 204 => return Ok(answer),
        // A deleted version's metadata comes with this status: the caller wants to see it.
        404 => (CallErrorKind::NotFound, "there is no such secret or version, or the engine is mounted elsewhere"),
        403 if holds(&answer, b"invalid token") || holds(&answer, b"bad token") => {
            (CallErrorKind::NoCredentials, "the token has expired or was revoked; log in again")
        }
        403 => (CallErrorKind::Denied, "the token's policies don't allow it"),
        412 => (CallErrorKind::Throttled, "this node has not seen the last change yet"),
        429 => (CallErrorKind::Throttled, "too many requests; a quota of Vault"),
        405 => (CallErrorKind::Unsupported, "the engine there can't do that"),
        400 => (CallErrorKind::Refused, "Vault refuses it as the secret is now"),
        300..=399 => (
            CallErrorKind::Misconfigured,
            "Vault sends to another node; set VAULT_ADDR to the active one, or to a name that always leads there",
        ),
        500..=599 => (CallErrorKind::Ambiguous, "Vault failed while it worked on it"),
        _ => (CallErrorKind::Garbled, "the answer's status is none of Vault's"),
    };
    let mut error = CallError::new(kind, operation, format!("{why} (status {})", answer.status));
    error.request_id = request_id(&answer);
    Err(error)
}

fn holds(answer: &Answer, text: &[u8]) -> bool {
    answer.body.windows(text.len()).any(|window| window == text)
}

pub(super) fn request_id(answer: &Answer) -> Option<String> {
    #[derive(Deserialize)]
    struct OnlyId {
        request_id: Option<String>,
    }
    serde_json::from_slice::<OnlyId>(&answer.body).ok()?.request_id.filter(|id| is_id(id))
}

/// Vault's ids are UUIDs: nothing else is let through to journals and errors.
fn is_id(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// `MOUNT/PART/NAME`, encoded.
pub(super) fn address(mount: &str, part: &str, name: &str) -> String {
    format!("{}/{part}/{}", path(mount), path(name))
}
