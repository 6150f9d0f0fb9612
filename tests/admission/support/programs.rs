//! Where the programs and definitions of the cluster are: what `tests/assets` builds, or the folder that
//! `KUBEBUILDER_ASSETS` names (the convention of controller-runtime's envtest).

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;

/// The programs of a cluster, and the definitions that it starts with.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) kube_apiserver: PathBuf,
    pub(crate) etcd: PathBuf,
    pub(crate) kubectl: PathBuf,
    /// A folder with External Secrets' custom resource definitions.
    pub(crate) external_secrets_crds: PathBuf,
}

impl Programs {
    /// What is installed; else what is missing and the cure.
    pub(crate) fn find() -> Result<Self, String> {
        let assets = folder("KEYSTILE_ASSETS");
        let programs = folder("KUBEBUILDER_ASSETS").or_else(|| Some(assets.as_ref()?.join("bin")));
        let mut missing = Vec::new();
        let mut there = |folder: &Option<PathBuf>, name: &str| {
            let path = folder.as_ref().map(|folder| folder.join(name)).filter(|path| path.exists());
            path.unwrap_or_else(|| {
                missing.push(name.to_owned());
                PathBuf::new()
            })
        };
        let found = Self {
            kube_apiserver: there(&programs, "kube-apiserver"),
            etcd: there(&programs, "etcd"),
            kubectl: there(&programs, "kubectl"),
            external_secrets_crds: there(&assets, "crds"),
        };
        if missing.is_empty() {
            return Ok(found);
        }
        let cure = if folder("KUBEBUILDER_ASSETS").is_some() {
            "KUBEBUILDER_ASSETS names a folder without them, or the tests do not run with tests/run"
        } else {
            "run the tests with tests/run, which builds them (needs Go)"
        };
        Err(format!("missing: {}: {cure}", missing.join(", ")))
    }
}

/// Says, past the test runner's capture, that this test is left out; with `CI=true` it fails instead.
#[track_caller]
pub(crate) fn leave_out(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{test}: {reason}");
    // Not `eprintln!`: the runner would swallow it.
    let _ = writeln!(std::io::stderr(), "LEFT OUT: {test}: {reason}");
}

fn folder(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value: &OsString| !value.is_empty()).map(PathBuf::from)
}
