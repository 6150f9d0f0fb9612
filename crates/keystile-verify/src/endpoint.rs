//! Where an issuer's requests go, when it is not the place that the rule names: GitHub Enterprise Server, a GitLab
//! of one's own, another partition of AWS.

use std::net::IpAddr;
use std::str::FromStr;

use keystile_scan::Verification;

/// `ISSUER=URL`, as the command line takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The `issuer` of the checks that it is for.
    pub issuer: String,
    pub(crate) origin: Origin,
    /// What comes before the check's own path; without a `/` at its end.
    pub(crate) prefix: String,
}

/// Scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Origin {
    pub(crate) is_tls: bool,
    /// A name in lower case, or an address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// Why an endpoint can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No `=`, or nothing before it.
    #[error("write it as ISSUER=URL, for example github=https://github.example.com/api/v3")]
    Form,
    /// Neither `https://`, nor `http://` and an address of this machine.
    #[error("the URL must begin with https://; http:// is for 127.0.0.1, [::1] and localhost alone")]
    Scheme,
    /// Something in it is no host, port or path.
    #[error("the URL must be a host, with a port and a path if need be: no user, no query")]
    Url,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (issuer, url) = text.split_once('=').filter(|(issuer, _)| !issuer.is_empty()).ok_or(EndpointError::Form)?;
        let (is_tls, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(EndpointError::Scheme),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) || url.contains(['?', '#', '@', '\\', '{', '}', '"']) {
            return Err(EndpointError::Url);
        }
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port),
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|&port| port > 0).ok_or(EndpointError::Url)?,
            None if port.is_empty() => {
                if is_tls {
                    443
                } else {
                    80
                }
            }
            None => return Err(EndpointError::Url),
        };
        let is_address = host.parse::<IpAddr>().is_ok();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if host.is_empty() || !(is_address || host.bytes().all(is_name)) {
            return Err(EndpointError::Url);
        }
        let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if !is_tls && !is_here {
            return Err(EndpointError::Scheme);
        }
        Ok(Self {
            issuer: issuer.to_owned(),
            origin: Origin { is_tls, host: host.to_ascii_lowercase(), port },
            prefix: path.trim_end_matches('/').to_owned(),
        })
    }
}

impl Origin {
    /// The one that the rule names.
    pub(crate) fn of(verification: &Verification) -> Self {
        Self { is_tls: true, host: verification.host.clone(), port: verification.port }
    }

    /// As the `Host` header has it.
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.is_tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_ones() {
        let cases = [
            ("github=https://git.example.com/api/v3/", "git.example.com", "/api/v3"),
            ("gitlab=https://GIT.example.com:8443", "git.example.com:8443", ""),
            ("aws=http://127.0.0.1:5000", "127.0.0.1:5000", ""),
            ("aws=http://[::1]:5000", "[::1]:5000", ""),
            ("x=http://localhost", "localhost", ""),
        ];
        for (text, authority, prefix) in cases {
            let endpoint: Endpoint = text.parse().expect(text);
            assert_eq!((endpoint.origin.authority().as_str(), endpoint.prefix.as_str()), (authority, prefix), "{text}");
        }
    }

    #[test]
    fn bad_ones() {
        let cases = [
            ("https://git.example.com", EndpointError::Form),
            ("=https://git.example.com", EndpointError::Form),
            ("github", EndpointError::Form),
            ("github=git.example.com", EndpointError::Scheme),
            ("github=http://git.example.com", EndpointError::Scheme),
            ("github=http://10.0.0.1", EndpointError::Scheme),
            ("github=https://user@git.example.com", EndpointError::Url),
            ("github=https://git.example.com/?a=b", EndpointError::Url),
            ("github=https://git.example.com:0", EndpointError::Url),
            ("github=https://", EndpointError::Url),
            ("github=https://[::1", EndpointError::Url),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<Endpoint>(), Err(error), "{text}");
        }
    }
}
