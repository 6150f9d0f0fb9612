//! Asking Secret Manager, and what its answers mean.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use http::Method;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use keystile_inventory::{CallError, CallErrorKind};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::login::{Session, log_in};
use super::settings::GcpSettings;
use crate::backend::http::{Answer, Ask, Base, HttpClient, segment, sensitive};

/// A connection to the secrets of one project, or of one of its locations.
#[derive(Debug)]
pub(super) struct Client {
    http: HttpClient,
    base: Base,
    settings: GcpSettings,
    session: Mutex<Option<Session>>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("caller", &self.caller).finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn open(settings: GcpSettings) -> Result<Self, CallError> {
        let address = match (&settings.endpoint, &settings.location) {
            (Some(endpoint), _) => endpoint.clone(),
            // "Regional endpoints" of Secret Manager's documentation.
            (None, Some(location)) => format!("https://secretmanager.{location}.rep.googleapis.com"),
            (None, None) => "https://secretmanager.googleapis.com".to_owned(),
        };
        let base = Base::parse(&address, "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER")?;
        let http = HttpClient::open(None, "authorities")?;
        Ok(Self { http, base, settings, session: Mutex::new(None) })
    }

    pub(super) const fn settings(&self) -> &GcpSettings {
        &self.settings
    }

    pub(super) fn host(&self) -> &str {
        self.base.host()
    }

    pub(super) fn caller(&self) -> Result<String, CallError> {
        Ok(self.session(false)?.caller)
    }

    /// `projects/P/secrets`, or `projects/P/locations/L/secrets`.
    pub(super) fn parent(&self) -> String {
        let location = self.settings.location.as_ref().map(|location| format!("/locations/{}", segment(location)));
        format!("projects/{}{}/secrets", segment(&self.settings.project), location.unwrap_or_default())
    }

    /// Reads what is at `path` (below `/v1/`, encoded).
    pub(super) fn get(&self, operation: &'static str, path: &str) -> Result<Answer, CallError> {
        let path = format!("/v1/{path}");
        self.with_token(|authorization| {
            let answer = self.http.read(&self.base, || {
                let mut ask = Ask::new(operation, Method::GET, path.clone());
                ask.headers.push(authorization.clone());
                ask
            })?;
            check(operation, answer)
        })
    }

    pub(super) fn read<T: DeserializeOwned>(&self, operation: &'static str, path: &str) -> Result<T, CallError> {
        json(operation, &self.get(operation, path)?)
    }

    /// Changes something: sent once.
    pub(super) fn change(
        &self,
        operation: &'static str,
        method: &Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Answer, CallError> {
        let path = format!("/v1/{path}");
        self.with_token(|authorization| {
            let content = Zeroizing::new(serde_json::to_vec(body).expect("names and values are JSON"));
            let mut ask = Ask::new(operation, method.clone(), path.clone()).json(content);
            ask.headers.push(authorization);
            check(operation, self.http.send(&self.base, ask)?)
        })
    }

    /// Calls `send` with the header of a session. One that Google no longer accepts is replaced once: that answer
    /// came before anything was done.
    fn with_token<T>(&self, send: impl Fn((HeaderName, HeaderValue)) -> Result<T, CallError>) -> Result<T, CallError> {
        let session = self.session(false)?;
        match send(authorization(&session)?) {
            Err(error) if error.kind == CallErrorKind::NoCredentials && session.until.is_some() => {
                send(authorization(&self.session(true)?)?)
            }
            answer => answer,
        }
    }

    fn session(&self, is_anew: bool) -> Result<Session, CallError> {
        let mut held = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        match &*held {
            Some(session) if !is_anew && session.until.is_none_or(|until| Instant::now() < until) => {
                Ok(session.clone())
            }
            _ => Ok(held.insert(log_in(&self.http, &self.settings.login)?).clone()),
        }
    }
}

fn authorization(session: &Session) -> Result<(HeaderName, HeaderValue), CallError> {
    let mut text = Zeroizing::new("Bearer ".to_owned());
    text.push_str(std::str::from_utf8(session.token.reveal()).unwrap_or("\n"));
    Ok((AUTHORIZATION, sensitive(&text, "the access token")?))
}

/// Reads a good answer.
pub(super) fn json<T: DeserializeOwned>(operation: &str, answer: &Answer) -> Result<T, CallError> {
    // The error would quote what it stumbles over.
    serde_json::from_slice(&answer.body).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        CallError::new(CallErrorKind::Garbled, operation, format!("the answer is not what it should be at {place}"))
    })
}

/// The answer, if it is a good one (`google/rpc/code.proto` has the status of each code).
fn check(operation: &str, answer: Answer) -> Result<Answer, CallError> {
    let (kind, why) = match answer.status {
        200 => return Ok(answer),
        401 => (CallErrorKind::NoCredentials, "Google does not accept the access token; log in again"),
        403 => (CallErrorKind::Denied, "IAM does not allow it, or the project has not switched Secret Manager on"),
        404 => (CallErrorKind::NotFound, "there is no such project, secret or version"),
        // FAILED_PRECONDITION, ABORTED: another etag ("Use entity tags for optimistic concurrency control"), a
        // version that is switched off.
        400 | 409 | 412 => (CallErrorKind::Refused, "Google refuses it as the secret is now"),
        429 => (CallErrorKind::Throttled, "too many requests; a quota of the project"),
        300..=399 => (CallErrorKind::Misconfigured, "the answer sends to another place; look at the address"),
        500..=599 => (CallErrorKind::Ambiguous, "Google failed while it worked on it"),
        _ => (CallErrorKind::Garbled, "the answer's status is none of Google's"),
    };
    Err(CallError::new(kind, operation, format!("{why} (status {})", answer.status)))
}
