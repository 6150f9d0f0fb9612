//! A real Vault, which `tests/assets` builds, on a port of this machine.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use keystile_rotate::backend::vault::{VaultConnection, VaultLogin, VaultSettings};
use keystile_scan::SecretBytes;
use serde_json::{Value, json};

use super::managers::http::message;

/// How long Vault may take to answer: a second, unless the machine is busy.
const START_LIMIT: Duration = Duration::from_secs(90);

/// A server with nothing in it but KV version 2 at `secret`. Dropping it ends it.
pub(crate) struct Vault {
    child: Child,
    port: u16,
    token: String,
    _home: tempfile::TempDir,
}

impl Vault {
    /// A new one; `None`, and said so, where it was not built.
    #[track_caller]
    pub(crate) fn start() -> Option<Self> {
        let assets = assets()?;
        let (mut child, home, port, token) = spawn(&assets, &[]);
        let start = Instant::now();
        while request(port, "GET", "/v1/sys/health", "", None).is_none_or(|(status, _)| status != 200) {
            let log = home.path().join("log");
            assert!(child.try_wait().unwrap().is_none(), "Vault ended: {}", std::fs::read_to_string(log).unwrap());
            let log = home.path().join("log");
            assert!(start.elapsed() < START_LIMIT, "Vault is not ready: {}", std::fs::read_to_string(log).unwrap());
            std::thread::sleep(Duration::from_millis(50));
        }
        let vault = Self { child, port, token, _home: home };
        // The mount at secret/ is made just after the server answers.
        while vault.try_ask("GET", "secret/config", None).0 != 200 {
            assert!(start.elapsed() < START_LIMIT, "Vault mounts no KV");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(vault)
    }

    /// `http://HOST:PORT`.
    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The address and the root token.
    pub(crate) fn root(&self) -> (String, &str) {
        (self.address(), &self.token)
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Settings with the root token.
    pub(crate) fn settings(&self) -> VaultSettings {
        let (_, token) = self.root();
        self.settings_with(VaultLogin::Token(SecretBytes::new(token.as_bytes())))
    }

    pub(crate) fn settings_with(&self, login: VaultLogin) -> VaultSettings {
        VaultSettings {
            address: self.address(),
            namespace: None,
            authorities: None,
            login,
            kv_mounts: vec!["secret".to_owned()],
            database_mounts: vec!["database".to_owned()],
        }
    }

    /// A connection with the root token.
    pub(crate) fn connect(&self) -> Arc<VaultConnection> {
        VaultConnection::open(self.settings()).unwrap()
    }

    /// Asks as root; status and answer.
    pub(crate) fn try_ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        request(self.port, method, &format!("/v1/{path}"), &self.token, body).expect("Vault answers")
    }

    /// Asks as root for what must work.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.try_ask(method, path, body);
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer
    }

    /// Writes a version of a secret at `secret/`.
    #[track_caller]
    pub(crate) fn put(&self, path: &str, data: &Value) {
        self.ask("POST", &format!("secret/data/{path}"), Some(&json!({ "data": data })));
    }

    /// Sets custom metadata.
    #[track_caller]
    pub(crate) fn tag(&self, path: &str, tags: &[(&str, &str)]) {
        let tags: serde_json::Map<String, Value> = tags.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
        self.ask("POST", &format!("secret/metadata/{path}"), Some(&json!({ "custom_metadata": tags })));
    }

    /// How many versions a secret has had.
    #[track_caller]
    pub(crate) fn versions(&self, path: &str) -> u64 {
        self.ask("GET", &format!("secret/metadata/{path}"), None)["data"]["current_version"].as_u64().unwrap()
    }

    /// The fields of a secret's current version.
    #[track_caller]
    pub(crate) fn current(&self, path: &str) -> Value {
        self.ask("GET", &format!("secret/data/{path}"), None)["data"]["data"].clone()
    }

    /// A token with a policy.
    #[track_caller]
    pub(crate) fn token(&self, policy: &str) -> VaultLogin {
        self.ask("POST", "sys/policies/acl/test", Some(&json!({ "policy": policy })));
        let answer = self.ask("POST", "auth/token/create", Some(&json!({ "policies": ["test"], "ttl": "10m" })));
        VaultLogin::Token(SecretBytes::new(answer["auth"]["client_token"].as_str().unwrap().as_bytes()))
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Starts the program; its process, its folder, its port and its root token. `{home}` in arguments is the folder.
fn spawn(assets: &Path, more: &[&str]) -> (Child, tempfile::TempDir, u16, String) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let token = format!("root-{}", Timestamp::now().as_nanosecond());
    let home = tempfile::tempdir().unwrap();
    let plugins = home.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    std::fs::hard_link(assets.join("bin/postgresql-database-plugin"), plugins.join("postgresql-database-plugin"))
        .or_else(|_| {
            let from = assets.join("bin/postgresql-database-plugin");
            std::fs::copy(from, plugins.join("postgresql-database-plugin")).map(drop)
        })
        .unwrap();
    let log = std::fs::File::create(home.path().join("log")).unwrap();
    // The shell ends Vault when its own input ends: also when this process is killed.
    let child = Command::new("sh")
        .args(["-c", "\"$@\" & read -r end; kill $!; wait $!", "sh"])
        .arg(assets.join("bin/vault"))
        .args(["server", "-dev", "-dev-no-store-token"])
        .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
        .arg(format!("-dev-root-token-id={token}"))
        .arg(format!("-dev-plugin-dir={}", plugins.display()))
        .args(more.iter().map(|argument| argument.replace("{home}", &home.path().display().to_string())))
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    (child, home, port, token)
}

/// A server with TLS: its settings, with the authority that signed for it, once that is there. It ends with the value
/// beside them.
pub(crate) fn with_tls() -> Option<(impl Drop, VaultSettings)> {
    let assets = assets()?;
    let (child, home, port, token) = spawn(&assets, &["-dev-tls", "-dev-tls-cert-dir={home}"]);
    let authority = home.path().join("vault-ca.pem");
    let vault = Vault { child, port, token, _home: home };
    let start = Instant::now();
    while !authority.exists() {
        assert!(start.elapsed() < START_LIMIT, "Vault makes no certificate");
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut settings = vault.settings();
    settings.address = format!("https://127.0.0.1:{port}");
    settings.authorities = Some(authority);
    Some((vault, settings))
}

/// The folder with Vault; `None`, and said so, where it was not built. With `CI=true` that is a failure.
#[track_caller]
fn assets() -> Option<PathBuf> {
    let assets = std::env::var_os("KEYSTILE_ASSETS").map(PathBuf::from).unwrap_or_default();
    if assets.join("bin/vault").exists() {
        return Some(assets);
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{test}: no Vault, tests/assets says why");
    let why = "no Vault: run the tests with tests/run, which builds it";
    // Not `eprintln!`: the test runner would swallow it.
    let _ = writeln!(std::io::stderr(), "LEFT OUT: {test}: {why}");
    None
}

/// One request. HTTP/1.0, so that the answer ends with the connection and comes in one piece. `None`: nobody listens.
fn request(port: u16, method: &str, path: &str, token: &str, body: Option<&Value>) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let body = body.map(Value::to_string).unwrap_or_default();
    let head = format!("{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nX-Vault-Token: {token}\r\n");
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, if body.trim().is_empty() { Value::Null } else { serde_json::from_str(body).unwrap() }))
}

/// What a proxy does with requests whose head contains a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// They reach Vault; the answer does not come back.
    Answer,
    /// They don't reach Vault.
    Request,
}

/// A proxy in front of Vault that loses the first `times` requests whose head contains `marked`; its address.
pub(crate) fn lossy(vault: &Vault, marked: &'static str, loss: Loss, times: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let port = vault.port();
    std::thread::spawn(move || {
        let left = std::sync::Mutex::new(times);
        std::thread::scope(|scope| {
            for client in listener.incoming() {
                let (Ok(client), left) = (client, &left) else { return };
                scope.spawn(move || pass(client, port, marked, loss, left));
            }
        });
    });
    address
}

/// Passes one request on; the connection ends with its answer.
fn pass(mut client: TcpStream, port: u16, marked: &str, loss: Loss, left: &std::sync::Mutex<usize>) {
    let Some(request) = message(&mut client) else { return };
    let is_lost = {
        let mut left = left.lock().unwrap();
        let head = request.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let is_lost = *left > 0 && String::from_utf8_lossy(head).contains(marked);
        *left -= usize::from(is_lost);
        is_lost
    };
    if is_lost && loss == Loss::Request {
        return;
    }
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)) else { return };
    let request = String::from_utf8(request).unwrap().replacen(" HTTP/1.1\r\n", " HTTP/1.0\r\n", 1);
    server.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = server.read_to_end(&mut answer);
    if !is_lost {
        let _ = client.write_all(&answer);
    }
}
