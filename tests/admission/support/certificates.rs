//! Certificate authorities and certificates for webhooks, made at run time.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// An authority that signs certificates for servers of this machine.
#[derive(Debug)]
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// A new one, which goes by `name`.
    pub(crate) fn new(name: &str) -> Self {
        let mut parameters = parameters(name, &[]);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        Self(CertifiedIssuer::self_signed(parameters, key()).expect("a certificate is made"))
    }

    /// Its own certificate, PEM.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A new certificate for 127.0.0.1 and its key, PEM.
    pub(crate) fn issue(&self) -> (String, String) {
        let key = key();
        let certificate = parameters("keystile-webhook", &["127.0.0.1", "localhost"]).signed_by(&key, &self.0);
        (certificate.expect("a certificate is made").pem(), key.serialize_pem())
    }
}

impl Authority {
    /// Shakes hands with the server at `port`; an error unless its certificate is of this authority.
    pub(crate) fn expect_trusts(&self, port: u16) -> Result<(), String> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.as_ref().der().clone()).expect("a certificate of an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let client = client.expect("ring has them").with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let mut connection = ClientConnection::new(Arc::new(client), name).expect("a valid configuration");
        let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a duration above zero");
        connection.complete_io(&mut stream).map(|_| ()).map_err(|error| error.to_string())
    }
}

fn parameters(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut parameters = CertificateParams::new(hosts).expect("an address or a name");
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key is made")
}
