//! TLS with a certificate that changes while connections go on.
//!
//! One [`ServingCertificate`] is asked at every handshake; whoever finds a new certificate swaps it
//! there ([`files`], [`authority`]). Connections that are open keep the one they began with, so a
//! rotation costs no request.

pub mod authority;
pub mod certificate;
pub mod cluster;
pub mod files;
pub mod self_managed;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

pub use certificate::{Certificate, CertificateError};

use crate::health::Readiness;
use crate::metrics::CertificateMetrics;

/// HTTP/2 as it is named in a handshake (RFC 7301, RFC 9113).
pub const ALPN_HTTP2: &[u8] = b"h2";
/// HTTP/1.1 as it is named in a handshake.
pub const ALPN_HTTP1: &[u8] = b"http/1.1";

/// The one provider of cryptography in this program.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The certificate that the next handshake gets; none until one is found.
#[derive(Debug)]
pub struct ServingCertificate {
    current: ArcSwapOption<Certificate>,
    metrics: CertificateMetrics,
}

impl ServingCertificate {
    /// None yet.
    #[must_use]
    pub fn new(metrics: CertificateMetrics) -> Arc<Self> {
        Arc::new(Self { current: ArcSwapOption::empty(), metrics })
    }

    /// Serves `certificate` from now on.
    pub fn replace(&self, certificate: Certificate) {
        tracing::info!(
            not_after = certificate.not_after,
            sha256 = certificate.fingerprint(),
            "another certificate is served"
        );
        self.metrics.replaced(certificate.not_after);
        self.current.store(Some(Arc::new(certificate)));
    }

    /// What was found can't be served, or nothing could be looked for: goes on with the one before.
    pub fn keep(&self, reason: &dyn std::fmt::Display) {
        tracing::error!(%reason, "no newer certificate can be served, the one before is kept");
        self.metrics.kept();
    }

    /// What is served.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Certificate>> {
        self.current.load_full()
    }

    /// Whether there is one that is valid at `now`, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// When there is none, or it is not valid yet or any more.
    pub fn readiness(&self, now: i64) -> Readiness {
        match self.current() {
            None => Err("no certificate was found yet".into()),
            Some(certificate) if now >= certificate.not_after => Err("the certificate is expired".into()),
            Some(certificate) if now < certificate.not_before => Err("the certificate is not valid yet".into()),
            Some(_) => Ok(()),
        }
    }
}

impl ResolvesServerCert for ServingCertificate {
    /// The same for every name: the API server sends the Service's name, or none when it calls an address.
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current.load().as_ref().map(|certificate| Arc::clone(&certificate.key))
    }
}

/// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
#[must_use]
pub fn server_config(certificate: Arc<ServingCertificate>) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has the suites of both versions")
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), ALPN_HTTP1.to_vec()];
    Arc::new(config)
}

/// Now, in seconds since 1970. The one place of this crate's TLS that reads the clock.
#[must_use]
pub fn unix_now() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
