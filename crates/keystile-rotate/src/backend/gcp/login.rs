//! Access tokens: from a service account's key, from a person's login, from the metadata server.

use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{HeaderName, HeaderValue};
use http::{Method, StatusCode};
use jiff::Timestamp;
use keystile_inventory::{CallError, CallErrorKind};
use keystile_scan::SecretBytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::settings::GcpLogin;
use crate::backend::http::{Answer, Ask, Base, HttpClient};

const OPERATION: &str = "log in to Google Cloud";
/// All of Google Cloud: what may be done is for IAM's roles to say (Google's advice for service accounts).
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Where tokens are made, if a file of credentials names no other place.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
const METADATA_HOST: &str = "metadata.google.internal";
const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");

/// A token, and who it is for.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) token: SecretBytes,
    pub(super) caller: String,
    /// When it is time for another; `None`: there is no way to another.
    pub(super) until: Option<Instant>,
}

/// A file of Application Default Credentials, of either kind.
#[derive(Deserialize)]
struct File {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    client_email: String,
    #[serde(default)]
    private_key: String,
    #[serde(default)]
    private_key_id: String,
    token_uri: Option<String>,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    client_secret: String,
    #[serde(default)]
    refresh_token: String,
}

impl Drop for File {
    fn drop(&mut self) {
        self.private_key.zeroize();
        self.client_secret.zeroize();
        self.refresh_token.zeroize();
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: u64,
}

fn refused(why: impl Into<String>) -> CallError {
    CallError::new(CallErrorKind::NoCredentials, OPERATION, why)
}

/// A new session.
pub(super) fn log_in(http: &HttpClient, login: &GcpLogin) -> Result<Session, CallError> {
    match login {
        GcpLogin::Token(token) => {
            Ok(Session { token: token.clone(), caller: "(an access token)".to_owned(), until: None })
        }
        GcpLogin::File(file) => of_file(http, file),
        GcpLogin::Metadata { host } => of_metadata(http, host.as_deref()),
    }
}

fn of_file(http: &HttpClient, path: &Path) -> Result<Session, CallError> {
    let place = path.display();
    let content = std::fs::read(path).map(Zeroizing::new);
    let content = content.map_err(|error| refused(format!("{place} can't be read: {error}")))?;
    // The error of the parser could quote the file.
    let file: File =
        serde_json::from_slice(&content).map_err(|_| refused(format!("{place} is no file of credentials")))?;
    let uri = file.token_uri.as_deref().unwrap_or(TOKEN_URI);
    let base = Base::parse(uri, "token_uri")?;
    match file.kind.as_str() {
        "service_account" => {
            let assertion =
                assertion(&file, uri, Timestamp::now()).map_err(|why| refused(format!("{place}: {why}")))?;
            let grant = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", &assertion)];
            session(&post(http, &base, &grant)?, file.client_email.clone())
        }
        "authorized_user" => {
            let grant = [
                ("grant_type", "refresh_token"),
                ("client_id", &file.client_id),
                ("client_secret", &file.client_secret),
                ("refresh_token", &file.refresh_token),
            ];
            session(&post(http, &base, &grant)?, "(a person's login)".to_owned())
        }
        kind => Err(refused(format!(
            "{place} holds credentials of the kind {kind}, which are not read here; let the login step give an access \
             token and set CLOUDSDK_AUTH_ACCESS_TOKEN"
        ))),
    }
}

/// The signed statement of a service account that it wants a token (RFC 7523, as Google's "Using OAuth 2.0 for
/// Server to Server Applications" has it). The error is a clause.
fn assertion(file: &File, audience: &str, now: Timestamp) -> Result<Zeroizing<String>, &'static str> {
    #[derive(Serialize)]
    struct Header<'a> {
        alg: &'a str,
        typ: &'a str,
        kid: &'a str,
    }
    #[derive(Serialize)]
    struct Claims<'a> {
        iss: &'a str,
        scope: &'a str,
        aud: &'a str,
        iat: i64,
        exp: i64,
    }
    let key = PrivatePkcs8KeyDer::from_pem_slice(file.private_key.as_bytes()).map_err(|_| "its key is no PEM")?;
    let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).map_err(|_| "its key is no RSA key")?;
    let part = |json: Vec<u8>| URL_SAFE_NO_PAD.encode(json);
    let header = Header { alg: "RS256", typ: "JWT", kid: &file.private_key_id };
    let iat = now.as_second();
    // An hour is the longest that Google accepts.
    let claims = Claims { iss: &file.client_email, scope: SCOPE, aud: audience, iat, exp: iat + 3600 };
    let header = part(serde_json::to_vec(&header).expect("text is JSON"));
    let claims = part(serde_json::to_vec(&claims).expect("text and numbers are JSON"));
    let message = format!("{header}.{claims}");
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
        .map_err(|_| "its key does not sign")?;
    Ok(Zeroizing::new(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

fn post(http: &HttpClient, base: &Base, fields: &[(&str, &str)]) -> Result<Answer, CallError> {
    let mut form = Zeroizing::new(String::new());
    for (name, value) in fields {
        if !form.is_empty() {
            form.push('&');
        }
        form.push_str(name);
        form.push('=');
        form.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
    }
    let mut ask = Ask::new(OPERATION, Method::POST, String::new());
    ask.body = Some(("application/x-www-form-urlencoded", Zeroizing::new(form.as_bytes().to_vec())));
    http.send(base, ask)
}

fn session(answer: &Answer, caller: String) -> Result<Session, CallError> {
    match StatusCode::from_u16(answer.status) {
        Ok(StatusCode::OK) => {}
        Ok(status) if status.is_client_error() => {
            return Err(refused(format!("Google refuses the credentials (status {})", answer.status)));
        }
        _ => {
            let why = format!("no token was given (status {})", answer.status);
            return Err(CallError::new(CallErrorKind::Unreachable, OPERATION, why));
        }
    }
    let granted: Granted = serde_json::from_slice(&answer.body)
        .map_err(|_| CallError::new(CallErrorKind::Garbled, OPERATION, "the answer holds no token"))?;
    let token = Zeroizing::new(granted.access_token);
    let life = Duration::from_secs(granted.expires_in) * 4 / 5;
    Ok(Session { token: SecretBytes::new(token.as_bytes()), caller, until: Some(Instant::now() + life) })
}

fn of_metadata(http: &HttpClient, host: Option<&str>) -> Result<Session, CallError> {
    const ACCOUNT: &str = "/computeMetadata/v1/instance/service-accounts/default";
    // It speaks no TLS: it is reached over the link of the machine alone.
    let base = match host {
        None | Some(METADATA_HOST | "169.254.169.254") => Base::of_metadata(METADATA_HOST),
        Some(host) => Base::parse(&format!("http://{host}"), "GCE_METADATA_HOST")?,
    };
    let get = |path: String| {
        let mut ask = Ask::new(OPERATION, Method::GET, path);
        // Keeps it from answering to requests that were forged (documentation of the metadata server).
        ask.headers.push((FLAVOR, HeaderValue::from_static("Google")));
        ask.limit = Duration::from_secs(5);
        http.send(&base, ask)
    };
    let answer = get(format!("{ACCOUNT}/token")).map_err(|_| {
        refused("there is no metadata server; set GOOGLE_APPLICATION_CREDENTIALS or CLOUDSDK_AUTH_ACCESS_TOKEN")
    })?;
    let email = get(format!("{ACCOUNT}/email")).ok().filter(|answer| answer.status == 200);
    let email = email.and_then(|answer| String::from_utf8(answer.body.to_vec()).ok());
    session(&answer, email.unwrap_or_else(|| "(the machine's service account)".to_owned()))
}
