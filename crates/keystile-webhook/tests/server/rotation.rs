//! The certificate changes as Kubernetes changes a mounted Secret, while requests go on.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keystile_webhook::tls::files::CertificateFiles;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::support::client::{Http, connect};
use crate::support::load::Load;
use crate::support::{Running, limits};

/// Puts a new version of the volume in the place of the old, as the kubelet does.
fn swap(volume: &Path, version: usize, (chain, key): &(String, String)) {
    let folder = format!("..{version}");
    fs::create_dir(volume.join(&folder)).unwrap();
    fs::write(volume.join(&folder).join("tls.crt"), chain).unwrap();
    fs::write(volume.join(&folder).join("tls.key"), key).unwrap();
    symlink(&folder, volume.join("..data_tmp")).unwrap();
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    if version > 0 {
        fs::remove_dir_all(volume.join(format!("..{}", version - 1))).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_under_load_loses_no_request_and_the_next_handshake_has_the_new_one() {
    let server = Running::start(limits()).await;
    let volume = tempfile::tempdir().unwrap();
    for file in ["tls.crt", "tls.key"] {
        symlink(Path::new("..data").join(file), volume.path().join(file)).unwrap();
    }
    swap(volume.path(), 0, &server.authority.issue());
    let files = CertificateFiles::new(volume.path().join("tls.crt"), volume.path().join("tls.key"));
    let watching = tokio::spawn(files.watch(Arc::clone(&server.certificate), Duration::from_millis(5)));

    // Connections are given up after a few requests, so that handshakes go on all the time.
    let load = Load::start(&[server.address], &server.authority.pem, 3, 5);
    for version in 1..=10 {
        let pair = server.authority.issue();
        swap(volume.path(), version, &pair);
        let expected = CertificateDer::from_pem_slice(pair.0.as_bytes()).unwrap();
        loop {
            let stream = connect(server.address, &server.authority.pem, Http::One).await.unwrap();
            if stream.get_ref().1.peer_certificates().unwrap()[0] == expected {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        load.answered(0, 20).await;
    }
    watching.abort();
    assert_eq!(load.lost().await, Vec::<String>::new());
    assert_eq!(server.metrics.certificate.current.get(), 1);
}
