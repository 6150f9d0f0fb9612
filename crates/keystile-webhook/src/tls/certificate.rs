//! A certificate with its chain and key, checked before it is served.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};

/// Why a certificate can't be served. No variant holds what was in a file.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file could not be read.
    #[error("{file} could not be read: {source}")]
    Read {
        /// Which file.
        file: String,
        /// Why not.
        source: std::io::Error,
    },
    /// No certificate in the text.
    #[error("the certificate is no PEM text with a CERTIFICATE block")]
    NoCertificate,
    /// A certificate that is none.
    #[error("certificate number {0} of the chain can't be read")]
    BadCertificate(usize),
    /// No key in the text.
    #[error("the key is no PEM text with a PRIVATE KEY block")]
    NoKey,
    /// A key that can't sign, or is not the certificate's.
    #[error("the key does not fit the certificate: {0}")]
    Mismatch(rustls::Error),
}

/// A certificate that can be served.
pub struct Certificate {
    /// Chain and key.
    pub key: Arc<CertifiedKey>,
    /// Valid from then on, in seconds since 1970: the latest start in the chain.
    pub not_before: i64,
    /// Valid until then, in seconds since 1970: the earliest end in the chain.
    pub not_after: i64,
}

/// The fingerprint and validity; never the key.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("sha256", &self.fingerprint())
            .field("not_before", &self.not_before)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads a chain (the leaf first) and its key, each as PEM.
    ///
    /// # Errors
    ///
    /// When either can't be read, or the key is another certificate's. An expired certificate is no
    /// error: readiness tells, and whoever has nothing better goes on.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| CertificateError::NoCertificate)?;
        if chain.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        let (mut not_before, mut not_after) = (i64::MIN, i64::MAX);
        for (index, certificate) in chain.iter().enumerate() {
            let validity = validity(certificate).ok_or(CertificateError::BadCertificate(index + 1))?;
            not_before = not_before.max(validity.0);
            not_after = not_after.min(validity.1);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateError::NoKey)?;
        // Checks that the key is the leaf's.
        let key = CertifiedKey::from_der(chain, key, &super::provider()).map_err(CertificateError::Mismatch)?;
        Ok(Self { key: Arc::new(key), not_before, not_after })
    }

    /// SHA-256 of the leaf in hexadecimal, as `openssl x509 -fingerprint -sha256` has it without colons.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.key.cert.first().map(|leaf| fingerprint(leaf)).unwrap_or_default()
    }
}

/// SHA-256 in hexadecimal.
#[must_use]
pub fn fingerprint(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// From when to when a certificate is valid, in seconds since 1970.
#[must_use]
pub fn validity(certificate: &[u8]) -> Option<(i64, i64)> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let validity = certificate.validity();
    Some((validity.not_before.timestamp(), validity.not_after.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(["webhook.test".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2026, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2027, 1, 1);
        (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    #[test]
    fn validity_is_that_of_the_chain() {
        let (leaf, key) = pair();
        let (other, _) = pair();
        let certificate = Certificate::from_pem(format!("{leaf}{other}").as_bytes(), key.as_bytes()).unwrap();
        assert_eq!((certificate.not_before, certificate.not_after), (1_767_225_600, 1_798_761_600));
        assert_eq!(certificate.key.cert.len(), 2);
    }

    #[test]
    fn faults_are_told_apart_and_quote_nothing() {
        let (leaf, key) = pair();
        let (_, foreign) = pair();
        let cases = [
            ("empty", "", key.as_str(), "the certificate is no PEM text with a CERTIFICATE block"),
            ("key as certificate", &key, &key, "the certificate is no PEM text with a CERTIFICATE block"),
            ("certificate as key", &leaf, &leaf, "the key is no PEM text with a PRIVATE KEY block"),
            (
                "key of another",
                &leaf,
                &foreign,
                "the key does not fit the certificate: keys may not be consistent: KeyMismatch",
            ),
            ("cut off", &leaf[..leaf.len() / 2], &key, "the certificate is no PEM text with a CERTIFICATE block"),
        ];
        for (name, chain, key, expected) in cases {
            assert_eq!(
                Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err().to_string(),
                expected,
                "{name}"
            );
        }
    }

    #[test]
    fn debug_output_has_no_key() {
        let (leaf, key) = pair();
        let printed = format!("{:?}", Certificate::from_pem(leaf.as_bytes(), key.as_bytes()).unwrap());
        assert!(printed.starts_with("Certificate { sha256: \"") && printed.len() < 200, "{printed}");
    }
}
