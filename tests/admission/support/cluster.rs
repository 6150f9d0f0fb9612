//! A cluster for the tests: etcd and kube-apiserver on ports of 127.0.0.1, with users, definitions and roles.
//!
//! No controller runs: objects stay as they are applied, namespaces that are deleted stay `Terminating`, and
//! what a controller would do is done as its identity.

use std::collections::hash_map::RandomState;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::hash::{BuildHasher as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use super::identities::{self, Identity, PLATFORM_ADMIN};
use super::kubectl::{self, Run};
use super::programs::{Programs, leave_out};
use super::server::{Server, eventually, free_port};

/// How long a cluster may take to come up: a second or two, unless the machine is busy.
const START_LIMIT: Duration = Duration::from_secs(180);

/// The cluster that all tests of a run share; `None`, and said so, where its programs are missing.
#[track_caller]
pub(crate) fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Result<Cluster, String>> = OnceLock::new();
    match Programs::find() {
        Ok(programs) => match CLUSTER.get_or_init(|| Cluster::start(programs)) {
            Ok(cluster) => Some(cluster),
            Err(error) => panic!("{error}"),
        },
        Err(reason) => {
            leave_out(&reason);
            None
        }
    }
}

/// A running cluster. Dropping it stops it; so does the end of the tests.
#[derive(Debug)]
pub(crate) struct Cluster {
    // Dropped in this order: the API server before its store.
    _api_server: Server,
    _etcd: Server,
    programs: Programs,
    folder: Folder,
    namespaces: AtomicUsize,
}

impl Cluster {
    /// Starts a cluster of its own: for tests that change what others rely on. Elsewhere: [`cluster`].
    pub(crate) fn start(programs: Programs) -> Result<Self, String> {
        let folder = Folder::new();
        // Another process may take a port between the kernel's answer and its use.
        let mut tries = 3;
        let (etcd, api_server) = loop {
            match serve(&programs, &folder.path) {
                Ok(servers) => break servers,
                Err(error) if tries == 1 || !error.contains("address already in use") => return Err(error),
                Err(_) => tries -= 1,
            }
        };
        let mut cluster =
            Self { _api_server: api_server, _etcd: etcd, programs, folder, namespaces: AtomicUsize::new(0) };
        cluster.furnish()?;
        cluster.folder.is_kept = false;
        Ok(cluster)
    }

    /// Definitions, roles, and the namespaces that the platform has anyway.
    fn furnish(&self) -> Result<(), String> {
        for namespace in ["external-secrets", "keystile-system"] {
            expect_run(self.kubectl(PLATFORM_ADMIN, ["create", "namespace", namespace], ""))?;
        }
        let external_secrets = path(&self.programs.external_secrets_crds);
        let infra_operator = include_str!("../crds/infra-operator.yaml");
        // Of keystile's own what a cluster is given.
        let definition = include_str!("../../../deploy/webhook/secretpolicies.yaml");
        let rights = include_str!("../../../deploy/webhook/rbac.yaml");
        let inputs = [infra_operator, definition, rights, include_str!("../rbac.yaml")];
        let inputs = inputs.map(|input| ("-", input));
        for (place, input) in [(&*external_secrets, "")].into_iter().chain(inputs) {
            // Server-side: External Secrets' definitions are too large for the annotation of client-side apply.
            expect_run(self.kubectl(PLATFORM_ADMIN, ["apply", "--server-side", "-f", place], input))?;
        }
        let wait = ["wait", "--for=condition=Established", "--all", "crd", "--timeout=120s"];
        expect_run(self.kubectl(PLATFORM_ADMIN, wait, ""))?;
        Ok(())
    }

    /// `kubectl ARGUMENTS` as `identity`, with `input` on standard input (`-f -`).
    pub(crate) fn kubectl<S: AsRef<std::ffi::OsStr>>(
        &self,
        identity: Identity,
        arguments: impl IntoIterator<Item = S>,
        input: &str,
    ) -> Run {
        kubectl::kubectl(&self.programs.kubectl, &self.kubeconfig(identity), arguments, input)
    }

    /// `kubectl apply -f -` of `manifest` as `identity`.
    pub(crate) fn apply(&self, identity: Identity, manifest: &str) -> Run {
        self.kubectl(identity, ["apply", "-f", "-"], manifest)
    }

    /// A new namespace with `labels`, in which `tenant`'s first group may edit. No other test has its name.
    #[track_caller]
    pub(crate) fn namespace(&self, labels: &[(&str, &str)], tenant: Identity) -> String {
        let name = format!("test-{}", self.namespaces.fetch_add(1, Ordering::Relaxed));
        let labels: serde_json::Map<_, _> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let rbac = "rbac.authorization.k8s.io";
        let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}},
            {
                "apiVersion": format!("{rbac}/v1"), "kind": "RoleBinding",
                "metadata": {"name": "tenant", "namespace": name},
                "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "tenant"},
                "subjects": [{"apiGroup": rbac, "kind": "Group", "name": tenant.groups[0]}],
            },
        ]});
        self.kubectl(PLATFORM_ADMIN, ["create", "-f", "-"], &objects.to_string()).succeeds();
        name
    }

    /// The kubeconfig of `identity`: server, CA, token.
    pub(crate) fn kubeconfig(&self, identity: Identity) -> PathBuf {
        self.folder.path.join(identity.kubeconfig())
    }

    /// Where its logs are; the test's own servers write theirs beside.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder.path
    }
}

/// Starts both servers, etcd and the API server, and waits until the second is ready.
fn serve(programs: &Programs, folder: &Path) -> Result<(Server, Server), String> {
    let (store_port, peer_port, api_port) = (free_port(), free_port(), free_port());
    let store_url = format!("http://127.0.0.1:{store_port}");
    let data = folder.join(format!("etcd-{store_port}"));

    let mut etcd = Command::new(&programs.etcd);
    etcd.arg("--data-dir").arg(&data);
    // Nothing has to outlast the process.
    etcd.args(["--unsafe-no-fsync", "--log-level=warn"]);
    etcd.args([&format!("--listen-client-urls={store_url}"), &format!("--advertise-client-urls={store_url}")]);
    etcd.arg(format!("--listen-peer-urls=http://127.0.0.1:{peer_port}"));
    let mut etcd = Server::start(&etcd, &folder.join("etcd.log"), Duration::ZERO);

    let tokens: Vec<_> = identities::ALL.into_iter().map(|identity| (identity, random_token())).collect();
    let url = format!("https://127.0.0.1:{api_port}");
    let certificates = folder.join("certificates");
    for (identity, token) in &tokens {
        let ca = certificates.join("apiserver.crt");
        write(&folder.join(identity.kubeconfig()), &kubeconfig(&url, &ca, identity.user, token));
    }
    write(&folder.join("tokens.csv"), &identities::tokens_csv(&tokens));
    let account_key = rcgen::KeyPair::generate().expect("a key is made");
    write(&folder.join("sa.key"), &account_key.serialize_pem());
    write(&folder.join("sa.pub"), &account_key.public_key_pem());

    let mut api_server = Command::new(&programs.kube_apiserver);
    let file = |name: &str| path(&folder.join(name));
    api_server.args([
        &format!("--etcd-servers={store_url}"),
        &format!("--secure-port={api_port}"),
        "--bind-address=127.0.0.1",
        // A machine without a network has no other address.
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        &format!("--cert-dir={}", path(&certificates)),
        "--authorization-mode=RBAC",
        &format!("--token-auth-file={}", file("tokens.csv")),
        "--service-account-issuer=https://localhost",
        &format!("--service-account-key-file={}", file("sa.pub")),
        &format!("--service-account-signing-key-file={}", file("sa.key")),
        "--service-cluster-ip-range=10.0.0.0/24",
        // It would wait for the service accounts that a controller makes.
        "--disable-admission-plugins=ServiceAccount",
    ]);
    let mut api_server = Server::start(&api_server, &folder.join("kube-apiserver.log"), Duration::ZERO);

    let admin = folder.join(PLATFORM_ADMIN.kubeconfig());
    let mut failed = None;
    let ready = eventually(START_LIMIT, || {
        for (name, server) in [("etcd", &mut etcd), ("kube-apiserver", &mut api_server)] {
            if let Some(status) = server.ended() {
                failed = Some(format!("{name} ended ({status}):\n{}", server.log_tail()));
                return Ok(());
            }
        }
        let run = kubectl::kubectl(&programs.kubectl, &admin, ["get", "--raw", "/readyz"], "");
        if run.status == Some(0) { Ok(()) } else { Err(run.stderr) }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    ready.map_err(|error| format!("the API server is not ready {error}\n{}", api_server.log_tail()))?;
    Ok((etcd, api_server))
}

/// A kubeconfig; JSON is YAML.
fn kubeconfig(url: &str, ca: &Path, user: &str, token: &str) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": path(ca)}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
        "current-context": "test",
    })
    .to_string()
}

/// A token that nobody has seen before; the standard library seeds its hashers from the system.
fn random_token() -> String {
    let mut token = String::new();
    for _ in 0..2 {
        write!(token, "{:016x}", RandomState::new().build_hasher().finish()).expect("a string takes text");
    }
    token
}

/// Writes a file that the user alone can read: tokens and keys.
fn write(path: &Path, text: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = File::options();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).expect("a file is made");
    file.write_all(text.as_bytes()).expect("a file is written");
}

fn path(path: &Path) -> String {
    path.to_str().expect("the target folder is UTF-8").to_owned()
}

fn expect_run(run: Run) -> Result<(), String> {
    if run.status == Some(0) { Ok(()) } else { Err(run.account()) }
}

/// The folder of one cluster: data, logs, kubeconfigs. It stays after a failure, and until the next run of the suite.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// Locked as long as the cluster lives: the next run removes what no one holds.
    _lock: File,
    /// Whether something failed, so that the logs are of use.
    is_kept: bool,
}

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("admission");
        fs::create_dir_all(&all).expect("the target folder can be written");
        for old in fs::read_dir(&all).expect("a folder that was just made").flatten() {
            let lock = File::options().write(true).open(old.path().join("lock"));
            if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
                // What is left of a run is of no use to this one, and no reason to fail.
                let _ = fs::remove_dir_all(old.path());
            }
        }
        let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = all.join(name);
        fs::create_dir_all(&path).expect("the target folder can be written");
        let lock = File::create(path.join("lock")).expect("a file is made");
        lock.lock().expect("a new file can be locked");
        Self { path, _lock: lock, is_kept: true }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.is_kept && !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
