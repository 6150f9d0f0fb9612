//! Clients: hyper's for what is well formed, bytes over TLS for what is not.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use keystile_webhook::tls::{ALPN_HTTP1, ALPN_HTTP2, provider};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::PATIENCE;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http {
    One,
    Two,
}

pub const BOTH: [Http; 2] = [Http::One, Http::Two];

/// A TLS connection that trusts the authority.
pub async fn connect(address: SocketAddr, authority: &str, http: Http) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![match http {
        Http::One => ALPN_HTTP1.to_vec(),
        Http::Two => ALPN_HTTP2.to_vec(),
    }];
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::from(address.ip());
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// A connection that is kept.
pub enum Kept {
    One(hyper::client::conn::http1::SendRequest<Full<Bytes>>),
    Two(hyper::client::conn::http2::SendRequest<Full<Bytes>>),
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub closes: bool,
    pub body: Bytes,
}

impl Answer {
    async fn read(response: Response<Incoming>) -> Result<Self, hyper::Error> {
        let status = response.status();
        let closes = response.headers().get("connection").is_some_and(|value| value == "close");
        Ok(Self { status, closes, body: response.into_body().collect().await?.to_bytes() })
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{} {}", self.status, self.text()))
    }
}

impl Kept {
    pub async fn open(address: SocketAddr, authority: &str, http: Http) -> std::io::Result<Self> {
        let io = TokioIo::new(connect(address, authority, http).await?);
        let other = std::io::Error::other;
        Ok(match http {
            Http::One => {
                let (sender, connection) = hyper::client::conn::http1::handshake(io).await.map_err(other)?;
                tokio::spawn(connection);
                Self::One(sender)
            }
            Http::Two => {
                let (sender, connection) =
                    hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.map_err(other)?;
                tokio::spawn(connection);
                Self::Two(sender)
            }
        })
    }

    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, hyper::Error> {
        let answered = async {
            match self {
                Self::One(sender) => {
                    sender.ready().await?;
                    Answer::read(sender.send_request(request).await?).await
                }
                Self::Two(sender) => {
                    sender.ready().await?;
                    Answer::read(sender.send_request(request).await?).await
                }
            }
        };
        tokio::time::timeout(PATIENCE, answered).await.expect("no answer came")
    }
}

/// A request for `/validate`, as the API server makes it.
pub fn validate(address: SocketAddr, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    request("POST", address, "/validate", Some("application/json"), body)
}

pub fn request(
    method: &str,
    address: SocketAddr,
    path: &str,
    content_type: Option<&str>,
    body: impl Into<Bytes>,
) -> Request<Full<Bytes>> {
    let mut request =
        Request::builder().method(method).uri(format!("https://{address}{path}")).header("host", address.to_string());
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    request.body(Full::new(body.into())).unwrap()
}

/// Sends bytes over HTTP/1.1's connection and reads until the server closes it.
pub async fn exchange(stream: &mut TlsStream<TcpStream>, bytes: &[u8]) -> String {
    // The server may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    read_to_end(stream).await
}

/// What comes until the server closes the connection, by whatever means.
pub async fn read_to_end(stream: &mut TlsStream<TcpStream>) -> String {
    let mut read = Vec::new();
    // A connection that is cut ends in an error, one that is closed in none.
    let _ =
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut read)).await.expect("the server keeps the connection");
    String::from_utf8(read).unwrap()
}
