//! Requests to managers that are asked over HTTP: Vault, Google Cloud.
//!
//! What a caller must be able to rely on: a request goes over TLS or stays on this machine ([`Base`]); no redirect is
//! followed and no proxy is taken from the environment, so that a token never goes to a host that nobody named; time
//! and size are limited; and a failure says whether the request can have been carried out. Errors name the operation
//! and the status, never a header, an address with more than a name in it, or the body of an answer.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;
use keystile_inventory::aws::endpoint::is_allowed;
use keystile_inventory::{CallError, CallErrorKind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

/// Time for a connection, without TLS.
const CONNECT: Duration = Duration::from_secs(5);
/// Time for a request, where its caller does not say more: managers answer within a fraction of a second.
pub(super) const USUAL: Duration = Duration::from_secs(15);
/// Largest answer: a page of names, or a secret, which no manager lets be larger than a few megabytes.
const LARGEST: usize = 8 * 1024 * 1024;
/// Attempts of a request that changes nothing.
const ATTEMPTS: u32 = 3;
/// Longest wait between two of them, whatever the manager asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Connections that are kept for the next request, and for how long.
const KEPT: (usize, Duration) = (2, Duration::from_secs(20));

/// Everything but what RFC 3986 calls unreserved.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A segment of a path: `/` and everything else that means something in an address is encoded.
pub(super) fn segment(text: &str) -> String {
    match text {
        // Clients and servers alike would take these for the folder itself and the one above.
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        _ => utf8_percent_encode(text, SEGMENT).to_string(),
    }
}

/// A path of several segments.
#[cfg(any(feature = "vault", test))]
pub(super) fn path(text: &str) -> String {
    text.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// Scheme, host, port, and the path before that of each operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    origin: String,
    host: String,
    prefix: String,
}

impl Base {
    /// Reads an address. `setting` is where the user wrote it, for the error.
    pub(super) fn parse(text: &str, setting: &str) -> Result<Self, CallError> {
        let wrong = |why: &str| CallError::new(CallErrorKind::Misconfigured, setting, why);
        let uri: Uri = text.trim().parse().map_err(|_| wrong("is no address; write https://HOST[:PORT]"))?;
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        if authority.contains('@') || uri.query().is_some() {
            return Err(wrong("must be a host, with a port and a path if need be: no user, no query"));
        }
        if !is_allowed(uri.scheme_str(), uri.host()) {
            return Err(wrong("must begin with https://; plain http is for this machine only"));
        }
        let scheme = uri.scheme_str().unwrap_or_default();
        Ok(Self {
            origin: format!("{scheme}://{authority}"),
            host: authority,
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The one server that is asked without TLS and is not this machine: a cloud's metadata service, at an address of
    /// the link. `host` is a constant of the caller.
    #[cfg(feature = "gcp")]
    pub(super) fn of_metadata(host: &'static str) -> Self {
        Self { origin: format!("http://{host}"), host: host.to_owned(), prefix: String::new() }
    }

    /// Host and port.
    pub(super) fn host(&self) -> &str {
        &self.host
    }
}

/// A request.
pub(super) struct Ask<'a> {
    /// As the manager names it, for errors.
    pub(super) operation: &'a str,
    pub(super) method: Method,
    /// Below the base's, encoded, with the query.
    pub(super) path: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Media type and content.
    pub(super) body: Option<(&'static str, Zeroizing<Vec<u8>>)>,
    pub(super) limit: Duration,
}

impl<'a> Ask<'a> {
    /// A request without a body.
    pub(super) fn new(operation: &'a str, method: Method, path: String) -> Self {
        Self { operation, method, path, headers: Vec::new(), body: None, limit: USUAL }
    }

    /// With JSON in it.
    pub(super) fn json(mut self, json: Zeroizing<Vec<u8>>) -> Self {
        self.body = Some(("application/json", json));
        self
    }
}

/// A header's value that is kept out of logs.
pub(super) fn sensitive(text: &str, setting: &str) -> Result<HeaderValue, CallError> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| CallError::new(CallErrorKind::NoCredentials, setting, "holds characters that no token has"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// An answer, whatever its status.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The server's clock (RFC 9110, section 6.6.1).
    pub(super) date: Option<Timestamp>,
    pub(super) body: Zeroizing<Vec<u8>>,
    retry_after: Option<Duration>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// Sends requests.
pub(super) struct HttpClient {
    runtime: Runtime,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpClient")
    }
}

impl HttpClient {
    /// Trusts the authorities in the file, or the system's (`SSL_CERT_FILE` and `SSL_CERT_DIR` count).
    pub(super) fn open(authorities: Option<&Path>, setting: &str) -> Result<Self, CallError> {
        let wrong = |why: String| CallError::new(CallErrorKind::Misconfigured, setting, why);
        let mut roots = RootCertStore::empty();
        match authorities {
            Some(file) => {
                let certificates = CertificateDer::pem_file_iter(file)
                    .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                    .map_err(|error| wrong(format!("{} can't be read: {error}", file.display())))?;
                let (added, _) = roots.add_parsable_certificates(certificates);
                if added == 0 {
                    return Err(wrong(format!("{} holds no certificate in PEM form", file.display())));
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions of TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(KEPT.0)
            .pool_idle_timeout(KEPT.1)
            .build(connector.wrap_connector(tcp));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| wrong(format!("no threads to be had: {error}")))?;
        Ok(Self { runtime, client })
    }

    /// Sends a request that changes nothing, again if it is refused for being one too many or gets no answer.
    pub(super) fn read(&self, base: &Base, ask: impl Fn() -> Ask<'static>) -> Result<Answer, CallError> {
        let mut attempt = 1;
        loop {
            let answer = self.send(base, ask());
            let wait = match &answer {
                Ok(answer) if [429, 500, 502, 503, 504].contains(&answer.status) => answer.retry_after,
                Err(error) if matches!(error.kind, CallErrorKind::Ambiguous | CallErrorKind::Unreachable) => None,
                _ => return answer,
            };
            if attempt == ATTEMPTS {
                return answer;
            }
            let wait = wait.unwrap_or(Duration::from_millis(200) * 4_u32.pow(attempt - 1));
            std::thread::sleep(wait.min(LONGEST_WAIT));
            attempt += 1;
        }
    }

    /// Sends a request once.
    pub(super) fn send(&self, base: &Base, ask: Ask<'_>) -> Result<Answer, CallError> {
        let (operation, limit) = (ask.operation, ask.limit);
        let request = request(base, ask)?;
        self.runtime.block_on(async {
            // A time-out while the connection is made would be harmless; it is not told apart.
            tokio::time::timeout(limit, self.exchange(base, operation, request)).await.unwrap_or_else(|_| {
                let why = format!("no answer from {} within {} seconds", base.host, limit.as_secs());
                Err(CallError::new(CallErrorKind::Ambiguous, operation, why))
            })
        })
    }

    async fn exchange(&self, base: &Base, operation: &str, request: Request<Full<Bytes>>) -> Result<Answer, CallError> {
        let host = &base.host;
        let failed = |kind, why: String| Err(CallError::new(kind, operation, why));
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) if error.is_connect() => {
                let why = format!("{host} can't be reached: {}", innermost(&error));
                return failed(CallErrorKind::Unreachable, why);
            }
            Err(_) => {
                return failed(CallErrorKind::Ambiguous, format!("{host} closed the connection without an answer"));
            }
        };
        let text = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok());
        let date = text(DATE).and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|date| date.timestamp());
        // Its form with a date is left to the usual wait.
        let retry_after = text(RETRY_AFTER).and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs);
        let status = response.status().as_u16();
        let mut body = response.into_body();
        let mut bytes = Zeroizing::new(Vec::new());
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                return failed(CallErrorKind::Ambiguous, format!("{host} broke off its answer"));
            };
            if let Ok(data) = frame.into_data() {
                if bytes.len() + data.len() > LARGEST {
                    return failed(CallErrorKind::Garbled, format!("{host} answers more than {LARGEST} bytes"));
                }
                bytes.extend_from_slice(&data);
            }
        }
        Ok(Answer { status, date, body: bytes, retry_after })
    }
}

fn request(base: &Base, ask: Ask<'_>) -> Result<Request<Full<Bytes>>, CallError> {
    let mut builder = Request::builder()
        .method(ask.method)
        .uri(format!("{}{}{}", base.origin, base.prefix, ask.path))
        .header(USER_AGENT, concat!("keystile/", env!("CARGO_PKG_VERSION")));
    for (name, value) in ask.headers {
        builder = builder.header(name, value);
    }
    let body = match ask.body {
        Some((media_type, content)) => {
            builder = builder.header(CONTENT_TYPE, media_type);
            Bytes::from_owner(content)
        }
        None => Bytes::new(),
    };
    builder
        .body(Full::new(body))
        .map_err(|_| CallError::new(CallErrorKind::Misconfigured, ask.operation, "a name in the address can't be sent"))
}

/// The cause at the bottom: the layers above it only say that something failed.
fn innermost(error: &hyper_util::client::legacy::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_over_tls_or_this_machine() {
        for (text, host) in [
            ("https://vault.example.com:8200", "vault.example.com:8200"),
            ("https://example.com/vault/", "example.com"),
            ("http://127.0.0.1:8200", "127.0.0.1:8200"),
            ("http://[::1]:8200/", "[::1]:8200"),
        ] {
            assert_eq!(Base::parse(text, "VAULT_ADDR").expect(text).host(), host);
        }
        let with_user = format!("https://{}:{}@vault.example.com", "user", "x");
        for text in ["http://vault.example.com:8200", "vault.example.com", "ftp://127.0.0.1", "", &with_user] {
            let error = Base::parse(text, "VAULT_ADDR").expect_err(text);
            assert_eq!(error.kind, CallErrorKind::Misconfigured);
            assert!(error.to_string().starts_with("VAULT_ADDR: ") && !error.to_string().contains("user:"), "{error}");
        }
    }

    #[test]
    fn no_name_leaves_its_segment() {
        for (name, encoded) in [
            ("team/app db", "team/app%20db"),
            ("a?list=true#x", "a%3Flist%3Dtrue%23x"),
            ("../../sys/seal", "%2E%2E/%2E%2E/sys/seal"),
            ("a%2Fb", "a%252Fb"),
            ("ä", "%C3%A4"),
        ] {
            assert_eq!(path(name), encoded);
        }
    }

    /// What a client makes of a server that reads a request and then says this; `None`: nothing, for ever.
    fn answer_to(answer: Option<&'static [u8]>) -> Result<Answer, CallError> {
        use std::io::{Read as _, Write as _};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let _ = stream.read(&mut [0; 4096]);
            match answer {
                Some(answer) => drop(stream.write_all(answer)),
                None => std::thread::sleep(Duration::from_secs(30)),
            }
        });
        let client = HttpClient::open(None, "x").expect("a client");
        let mut ask = Ask::new("probe", Method::POST, "/v1/x".to_owned()).json(Zeroizing::new(b"{}".to_vec()));
        ask.limit = Duration::from_millis(300);
        client.send(&Base::parse(&address, "x").expect("an address"), ask)
    }

    #[test]
    fn what_has_no_whole_answer_may_have_been_carried_out() {
        let garbage = b"SSH-2.0-OpenSSH\r\n";
        let short = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}";
        for (name, answer) in [("silence", None), ("a closed connection", Some(&b""[..])), ("half", Some(&short[..]))] {
            let error = answer_to(answer).expect_err(name);
            assert_eq!(error.kind, CallErrorKind::Ambiguous, "{name}: {error}");
        }
        assert_eq!(answer_to(Some(garbage)).expect_err("garbage").kind, CallErrorKind::Ambiguous);
    }

    #[test]
    fn a_redirect_is_an_answer_and_is_not_followed() {
        let answer = answer_to(Some(
            b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:1/\r\nDate: Thu, 26 Nov 2026 04:05:06 GMT\r\n\
              Retry-After: 7\r\nContent-Length: 2\r\n\r\n{}",
        ));
        let answer = answer.expect("an answer");
        assert_eq!((answer.status, answer.retry_after), (307, Some(Duration::from_secs(7))));
        assert_eq!(answer.date, Some("2026-11-26T04:05:06Z".parse().expect("a time")));
        assert_eq!(format!("{answer:?}"), "Answer { status: 307, bytes: 2, .. }");
    }

    #[test]
    fn what_was_not_sent_is_told_from_what_has_no_answer() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let base = Base::parse(&format!("http://{}", port.expect("a port")), "x").expect("an address");
        let client = HttpClient::open(None, "x").expect("a client");
        let error = client.send(&base, Ask::new("probe", Method::GET, "/".to_owned())).expect_err("nobody listens");
        assert_eq!(error.kind, CallErrorKind::Unreachable, "{error}");
    }

    #[test]
    fn authorities_that_are_none_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, "no certificate").expect("written");
        let error = HttpClient::open(Some(&file), "VAULT_CACERT").expect_err("none").to_string();
        assert!(error.starts_with("VAULT_CACERT: ") && error.contains("ca.pem holds no certificate"), "{error}");
        assert!(HttpClient::open(Some(&folder.path().join("none")), "VAULT_CACERT").is_err());
    }
}
