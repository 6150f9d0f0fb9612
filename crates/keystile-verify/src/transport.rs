//! One request over one connection of its own, to an address that was looked at.
//!
//! There is no client library in between that could follow a redirect, read a proxy from the environment, look the
//! name up a second time or keep a connection: the name is resolved once, every address of it is judged, and the
//! socket is opened to one of these.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::address::{self, Kind};
use crate::endpoint::Origin;
use crate::request::Request;
use crate::verdict::Reason;

/// Answers of issuers are a few kilobytes.
const BODY_LIMIT: usize = 64 * 1024;
/// Of a status line and headers.
const HEAD_LIMIT: usize = 64 * 1024;
/// So many of a name's addresses are tried.
const ADDRESSES: usize = 3;

/// An answer.
pub(crate) struct Response {
    pub(crate) status: u16,
    /// `Retry-After` in seconds (RFC 9110, section 10.2.3); its form with a date counts as very long.
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: Vec<u8>,
}

/// How connections are made.
pub(crate) struct Transport {
    pub(crate) allow_private: bool,
    tls: TlsConnector,
}

impl Transport {
    /// With the system's certificate authorities (`SSL_CERT_FILE` and `SSL_CERT_DIR` count).
    pub(crate) fn new(allow_private: bool) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Self::with_roots(allow_private, roots)
    }

    fn with_roots(allow_private: bool, roots: RootCertStore) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions of TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { allow_private, tls: TlsConnector::from(Arc::new(config)) }
    }

    /// Sends `request` to `origin`. The caller limits the time.
    pub(crate) async fn send(&self, origin: &Origin, request: Request) -> Result<Response, Reason> {
        let stream = self.connect(origin).await?;
        if !origin.is_tls {
            return exchange(stream, origin, request).await;
        }
        let name = ServerName::try_from(origin.host.clone()).map_err(|_| Reason::Tls)?;
        let stream = self.tls.connect(name, stream).await.map_err(|_| Reason::Tls)?;
        exchange(stream, origin, request).await
    }

    async fn connect(&self, origin: &Origin) -> Result<TcpStream, Reason> {
        let addresses = match origin.host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, origin.port)],
            Err(_) => {
                let found = tokio::net::lookup_host((origin.host.as_str(), origin.port)).await;
                found.map_err(|_| Reason::Unresolved)?.collect()
            }
        };
        if addresses.is_empty() {
            return Err(Reason::Unresolved);
        }
        // All of them: a name that has a public and a private address is not one to trust.
        if !addresses.iter().all(|address| self.may_use(origin, address.ip())) {
            return Err(Reason::AddressRefused);
        }
        for address in addresses.into_iter().take(ADDRESSES) {
            if let Ok(stream) = TcpStream::connect(address).await {
                return Ok(stream);
            }
        }
        Err(Reason::Unreachable)
    }

    fn may_use(&self, origin: &Origin, address: IpAddr) -> bool {
        match address::kind(address) {
            Kind::Public => origin.is_tls,
            Kind::Private => origin.is_tls && self.allow_private,
            Kind::Loopback => self.allow_private,
            Kind::Unusable => false,
        }
    }
}

async fn exchange<S>(stream: S, origin: &Origin, request: Request) -> Result<Response, Reason>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_buf_size(HEAD_LIMIT).max_headers(128);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|_| Reason::Unreachable)?;
    let driver = tokio::spawn(connection);
    let answer = async {
        let mut message = http::Request::builder()
            .method(request.method)
            .uri(&request.target)
            .header("host", origin.authority())
            .header("user-agent", concat!("keystile/", env!("CARGO_PKG_VERSION")))
            .header("connection", "close");
        for (name, value) in request.headers {
            message = message.header(name, value);
        }
        let body = Full::new(Bytes::copy_from_slice(&request.body));
        let message = message.body(body).map_err(|_| Reason::Unsendable)?;
        let response = sender.send_request(message).await.map_err(|error| {
            // A server that speaks something else than HTTP answered, but said nothing.
            if error.is_parse_too_large() {
                Reason::TooLarge
            } else if error.is_parse() {
                Reason::NotRecognised
            } else {
                Reason::Unreachable
            }
        })?;
        read(response).await
    };
    let answer = answer.await;
    driver.abort();
    answer
}

async fn read(response: http::Response<Incoming>) -> Result<Response, Reason> {
    let status = response.status().as_u16();
    let retry_after = response.headers().get("retry-after");
    let retry_after =
        retry_after.map(|value| value.to_str().ok().and_then(|text| text.trim().parse().ok()).unwrap_or(u64::MAX));
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Reason::Unreachable)?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > BODY_LIMIT {
                return Err(Reason::TooLarge);
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(Response { status, retry_after, body: bytes })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::ServerConfig;
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use zeroize::Zeroizing;

    use super::*;

    /// Asks a server with a certificate for `name`, which is trusted or not, as `localhost`.
    fn ask(name: &str, is_trusted: bool) -> Result<u16, Reason> {
        let key = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
        let mut roots = RootCertStore::empty();
        if is_trusted {
            roots.add(key.cert.der().clone()).expect("a certificate");
        }
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()));
        let server = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the default versions")
            .with_no_client_auth()
            .with_single_cert(vec![key.cert.der().clone()], private)
            .expect("a pair");
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let port = listener.local_addr().expect("an address").port();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                    let mut buffer = [0; 4096];
                    let count = stream.read(&mut buffer).await.unwrap_or(0);
                    assert!(buffer[..count].starts_with(b"GET /user HTTP/1.1\r\n"));
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
                    let _ = stream.shutdown().await;
                }
            });
            let transport = Transport::with_roots(true, roots);
            let origin = Origin { is_tls: true, host: "localhost".to_owned(), port };
            let request =
                Request { method: "GET", target: "/user".to_owned(), headers: Vec::new(), body: Zeroizing::default() };
            let answer = tokio::time::timeout(Duration::from_secs(10), transport.send(&origin, request)).await;
            answer.expect("in time").map(|response| response.status)
        })
    }

    #[test]
    fn certificates_are_checked() {
        assert_eq!(ask("localhost", true), Ok(200));
        assert_eq!(ask("localhost", false), Err(Reason::Tls), "nobody vouches for it");
        assert_eq!(ask("example.com", true), Err(Reason::Tls), "it is for another host");
    }
}
