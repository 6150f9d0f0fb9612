//! Where requests may go.
//!
//! The SDK takes endpoints from the environment and from profiles (`AWS_ENDPOINT_URL`,
//! `AWS_ENDPOINT_URL_SECRETS_MANAGER`, `endpoint_url`), which is how emulators and private endpoints are used.
//! A hostile variable of a CI job could send signed requests, and new values, somewhere else in the clear: so
//! every request is looked at just before it is sent, and goes out over TLS or stays on this machine.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Refuses requests that would leave this machine without TLS, and remembers the host of the last one.
#[derive(Debug, Clone, Default)]
pub struct EndpointGuard {
    host: Arc<Mutex<Option<String>>>,
}

/// The endpoint is not allowed; nothing was sent.
#[derive(Debug)]
pub struct EndpointRefused {
    host: String,
}

impl fmt::Display for EndpointRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the endpoint {} is asked without TLS; write https:// in AWS_ENDPOINT_URL (or endpoint_url of the \
             profile), plain http is for this machine only",
            self.host
        )
    }
}

impl std::error::Error for EndpointRefused {}

impl EndpointGuard {
    /// Host and port of the last request; `None` before the first.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        self.host.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[dyn_dispatch_hint]
impl Intercept for EndpointGuard {
    fn name(&self) -> &'static str {
        "keystile endpoint guard"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let uri: http::Uri = context.request().uri().parse()?;
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        // A user name or password in the address would be shown with it.
        let host = host.rsplit('@').next().unwrap_or_default().to_owned();
        if !is_allowed(uri.scheme_str(), uri.host()) {
            return Err(EndpointRefused { host }.into());
        }
        *self.host.lock().unwrap_or_else(PoisonError::into_inner) = Some(host);
        Ok(())
    }
}

/// Whether requests may go there: over TLS anywhere; without it to this machine only.
#[must_use]
pub fn is_allowed(scheme: Option<&str>, host: Option<&str>) -> bool {
    let is_loopback = host.is_some_and(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    });
    scheme == Some("https") && host.is_some() || scheme == Some("http") && is_loopback
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine() {
        for (address, allowed) in [
            ("https://secretsmanager.eu-west-1.amazonaws.com/", true),
            ("https://10.1.2.3:8443/", true),
            ("http://127.0.0.1:5000/", true),
            ("http://127.9.9.9/", true),
            ("http://[::1]:5000/", true),
            ("http://LOCALHOST:5000/", true),
            ("http://secretsmanager.eu-west-1.amazonaws.com/", false),
            ("http://127.0.0.1.example.com/", false),
            ("http://localhost.example.com/", false),
            ("http://10.1.2.3/", false),
            ("http://[::ffff:10.1.2.3]/", false),
            ("ftp://127.0.0.1/", false),
            ("/path", false),
        ] {
            let uri: http::Uri = address.parse().expect(address);
            assert_eq!(is_allowed(uri.scheme_str(), uri.host()), allowed, "{address}");
        }
    }
}
