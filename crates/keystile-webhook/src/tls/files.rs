//! A certificate in two files, read again when their content changes.
//!
//! A Secret that is mounted changes by a swap of the symbolic link `..data`: the files that a watcher
//! was given are never written to. So content is compared every few seconds, whatever the way by
//! which it got there.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::{Certificate, CertificateError, ServingCertificate};

/// How often two files are read in one look. A swap between the two reads gives a certificate and
/// another's key; the next reading gives both of one time.
const READS: usize = 3;

/// Two files, and what they held at the last look.
#[derive(Debug)]
pub struct CertificateFiles {
    certificate: PathBuf,
    key: PathBuf,
    /// Of the content that was served or refused last.
    digest: Option<[u8; 32]>,
}

/// What a look at the files found.
#[derive(Debug)]
pub enum Found {
    /// The same as before.
    Unchanged,
    /// Another certificate.
    Changed(Box<Certificate>),
    /// Something that can't be served. Told once for each content.
    Broken(CertificateError),
}

impl CertificateFiles {
    /// Not looked at yet.
    #[must_use]
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { certificate: certificate.into(), key: key.into(), digest: None }
    }

    /// Reads the files, a few KiB.
    pub fn look(&mut self) -> Found {
        let mut error = None;
        for _ in 0..READS {
            let (chain, key) = match self.read() {
                Ok(texts) => texts,
                // A file may be missing for the moment of a swap; its absence has no content to compare.
                Err(failed) => {
                    error = Some((None, failed));
                    continue;
                }
            };
            let digest: [u8; 32] =
                Sha256::new().chain_update(&chain).chain_update([0]).chain_update(&key).finalize().into();
            if self.digest == Some(digest) {
                return Found::Unchanged;
            }
            match Certificate::from_pem(&chain, &key) {
                Ok(certificate) => {
                    self.digest = Some(digest);
                    return Found::Changed(Box::new(certificate));
                }
                Err(failed) => error = Some((Some(digest), failed)),
            }
        }
        let (digest, error) = error.expect("each of at least one reading returned or left an error");
        // What could not be read is told again each time: it may be cured without a change of content.
        self.digest = digest.or(self.digest);
        Found::Broken(error)
    }

    fn read(&self) -> Result<(Vec<u8>, Vec<u8>), CertificateError> {
        let read = |path: &Path| {
            fs::read(path).map_err(|source| CertificateError::Read { file: path.display().to_string(), source })
        };
        Ok((read(&self.certificate)?, read(&self.key)?))
    }

    /// One look, and what is found goes to `serving`.
    pub fn refresh(&mut self, serving: &ServingCertificate) {
        match self.look() {
            Found::Unchanged => {}
            Found::Changed(certificate) => serving.replace(*certificate),
            Found::Broken(error) => serving.keep(&error),
        }
    }

    /// Looks every `interval`, for ever.
    pub async fn watch(mut self, serving: Arc<ServingCertificate>, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            self.refresh(&serving);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::metrics::CertificateMetrics;

    /// A volume as the kubelet lays it: `tls.crt -> ..data/tls.crt`, `..data -> ..N`.
    struct Volume(tempfile::TempDir);

    impl Volume {
        fn new() -> Self {
            let volume = Self(tempfile::tempdir().unwrap());
            for file in ["tls.crt", "tls.key"] {
                symlink(Path::new("..data").join(file), volume.0.path().join(file)).unwrap();
            }
            volume
        }

        fn swap(&self, version: &str, chain: &str, key: &str) {
            let folder = self.0.path().join(version);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("tls.crt"), chain).unwrap();
            fs::write(folder.join("tls.key"), key).unwrap();
            symlink(version, self.0.path().join("..tmp")).unwrap();
            fs::rename(self.0.path().join("..tmp"), self.0.path().join("..data")).unwrap();
        }

        fn files(&self) -> CertificateFiles {
            CertificateFiles::new(self.0.path().join("tls.crt"), self.0.path().join("tls.key"))
        }
    }

    fn pair() -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(["webhook.test".to_owned()]).unwrap().self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    #[test]
    fn a_swap_of_the_link_is_seen_and_a_broken_one_keeps_the_last() {
        let volume = Volume::new();
        let serving = ServingCertificate::new(CertificateMetrics::default());
        let mut files = volume.files();
        assert!(matches!(files.look(), Found::Broken(CertificateError::Read { .. })));

        let (first, first_key) = pair();
        volume.swap("..1", &first, &first_key);
        files.refresh(&serving);
        let served = serving.current().unwrap().fingerprint();
        assert!(matches!(files.look(), Found::Unchanged));

        volume.swap("..2", &pair().0, &first_key);
        files.refresh(&serving);
        assert_eq!(serving.current().unwrap().fingerprint(), served, "a key of another certificate");
        assert!(matches!(files.look(), Found::Unchanged), "told once");

        let (second, second_key) = pair();
        volume.swap("..3", &second, &second_key);
        files.refresh(&serving);
        assert_ne!(serving.current().unwrap().fingerprint(), served);
    }

    #[test]
    fn the_metric_says_whether_the_newest_is_served() {
        let volume = Volume::new();
        let metrics = CertificateMetrics::default();
        let serving = ServingCertificate::new(metrics.clone());
        let (chain, key) = pair();
        volume.swap("..1", &chain, &key);
        let mut files = volume.files();
        files.refresh(&serving);
        assert_eq!(metrics.current.get(), 1);
        volume.swap("..2", "", &key);
        files.refresh(&serving);
        assert_eq!(metrics.current.get(), 0);
        volume.swap("..3", &chain, &key);
        files.refresh(&serving);
        assert_eq!(metrics.current.get(), 1, "the first again");
    }
}
