//! moto as the emulator: finding it or fetching it, starting it, its control calls.
//!
//! `tests/emulator/launcher.py` runs moto with rotation made real; its README lists the control calls. It and the file
//! beside it are part of this program and are written to the demo's folder.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use serde_json::{Value, json};

use super::process::{Program, Surroundings};

const LAUNCHER: &str = include_str!("../../../../../tests/emulator/launcher.py");
const SECRETS_MANAGER: &str = include_str!("../../../../../tests/emulator/secrets_manager.py");

/// The version that the launcher is made for (tests/assets has it too), and what of it is enough.
pub(super) const VERSION: &str = "5.2.1";
const SERIES: &str = "5.2.";
/// What is fetched: moto, and what of its extra `server` the launcher needs. (The extra as a whole brings a linter of
/// CloudFormation and more: five times as much.)
const PACKAGES: [&str; 3] = ["moto==5.2.1", "flask", "flask-cors"];

/// How long Python may take to say which moto it has.
const ASK_LIMIT: Duration = Duration::from_secs(20);
/// How long the emulator may take to be ready: two or three seconds, unless the machine is busy.
const START_LIMIT: Duration = Duration::from_secs(40);
/// How long a control call may take.
const CALL_LIMIT: Duration = Duration::from_secs(30);
/// How long the emulator may take to end.
const END_LIMIT: Duration = Duration::from_secs(3);

/// A running emulator. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Moto {
    program: Program,
    endpoint: String,
    region: String,
}

impl Moto {
    /// Starts it with this Python.
    ///
    /// # Errors
    /// Why it does not run; or a signal came.
    pub(super) fn start(python: &Path, region: &str, surroundings: Surroundings<'_>) -> anyhow::Result<Self> {
        let folder = surroundings.folder.join("emulator");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("launcher.py"), LAUNCHER)?;
        fs::write(folder.join("secrets_manager.py"), SECRETS_MANAGER)?;
        let errors = folder.join("errors");
        let mut command = surroundings.command(python);
        command
            // -I: packages of this Python alone, whatever the user's settings are; -B: no compiled files.
            .args(["-I", "-B"])
            .arg(folder.join("launcher.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&errors)?);
        let mut program = Program::start(&mut command)?;
        let output = program.child.stdout.take().context("its output can't be read")?;
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(output).read_line(&mut line);
            let _ = sender.send(read.map(|_| line));
        });
        let line = surroundings.wait(START_LIMIT, || receiver.try_recv().ok())?;
        let line = line.ok_or_else(|| anyhow!("it was not ready after {} s", START_LIMIT.as_secs()))??;
        let Some(endpoint) = serde_json::from_str::<Value>(&line).ok().and_then(|ready| text_of(&ready["url"])) else {
            bail!("it ended at once: {}", last_line(&errors));
        };
        Ok(Self { program, endpoint, region: region.to_owned() })
    }

    /// `http://127.0.0.1:PORT`.
    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Adds a secret, which the emulator's generic function rotates.
    ///
    /// # Errors
    /// The emulator refuses it or does not answer.
    pub(super) fn create(&self, name: &str, value: &str, tags: &[(&str, &str)]) -> anyhow::Result<()> {
        let tags: serde_json::Map<String, Value> =
            tags.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let secret = json!({ "name": name, "value": value, "tags": tags, "region": self.region, "rotationDays": 30 });
        self.control("POST", "secrets", &secret.to_string()).map(drop)
    }

    /// The current value of a secret.
    ///
    /// # Errors
    /// The emulator does not answer.
    pub(super) fn current(&self, name: &str) -> anyhow::Result<Option<String>> {
        let shown = self.control("GET", &format!("secret?id={name}&region={}", self.region), "")?;
        let versions = shown["versions"].as_array().into_iter().flatten();
        let mut current = versions
            .filter(|version| version["stages"].as_array().is_some_and(|stages| stages.contains(&json!("AWSCURRENT"))));
        Ok(current.next().and_then(|version| text_of(&version["value"])))
    }

    fn control(&self, method: &str, path: &str, body: &str) -> anyhow::Result<Value> {
        let (status, answer) = ask(&self.endpoint, method, &format!("/keystile/{path}"), &[], body)
            .context("while asking the emulator")?;
        // The answer may have values in it: of a refusal, only that it is one.
        if status != 200 {
            bail!("the emulator refuses {method} {}: HTTP {status}", path.split('?').next().unwrap_or_default());
        }
        serde_json::from_str(&answer).context("while reading the emulator's answer")
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It ends with its standard input; if not, with its process group.
        drop(self.program.child.stdin.take());
        let start = std::time::Instant::now();
        while self.program.status().is_none() && start.elapsed() < END_LIMIT {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Pythons that may have moto: the one that `tests/assets` has set up, and the one on the path.
pub(super) fn pythons() -> Vec<PathBuf> {
    let assets = std::env::var_os("KEYSTILE_ASSETS").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let assets = assets.map(|folder| folder.join("venv/bin/python3")).filter(|python| python.exists());
    assets.into_iter().chain([PathBuf::from("python3")]).collect()
}

/// Which moto a Python has.
///
/// # Errors
/// There is no such Python, or a signal came.
pub(super) fn version(python: &Path, surroundings: Surroundings<'_>) -> anyhow::Result<Option<String>> {
    let answer = surroundings.folder.join("tmp/version");
    let mut command = surroundings.command(python);
    command
        .args(["-I", "-B", "-c", "from importlib.metadata import version; print(version('moto'))"])
        .stdout(fs::File::create(&answer)?)
        .stderr(Stdio::null());
    let status = surroundings.run(&mut command, ASK_LIMIT)?;
    let version = fs::read_to_string(&answer)?.trim().to_owned();
    Ok(status.filter(|status| status.success()).map(|_| version))
}

/// Whether the launcher runs with this moto.
pub(super) fn is_fit(version: &str) -> bool {
    version.starts_with(SERIES)
}

/// Makes a Python with moto in the demo's folder, from the package index that pip is set to use.
///
/// # Errors
/// What failed; or a signal came.
pub(super) fn fetch(surroundings: Surroundings<'_>, limit: Duration) -> anyhow::Result<PathBuf> {
    let start = std::time::Instant::now();
    let environment = surroundings.folder.join("python");
    let errors = surroundings.folder.join("tmp/pip");
    let step = |name: &str, command: &mut Command| {
        command
            .current_dir(surroundings.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&errors)?)
            // Of the user's settings it needs those of pip: the index, a proxy, certificates.
            .env("TMPDIR", surroundings.folder.join("tmp"))
            .env("PIP_NO_CACHE_DIR", "1")
            .env("PIP_NO_INPUT", "1")
            .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env_remove("PYTHONHOME")
            .env_remove("PYTHONPATH")
            .env_remove("PIP_TARGET")
            .env_remove("PIP_PREFIX")
            .env_remove("PIP_USER");
        let status = surroundings.run(command, limit.saturating_sub(start.elapsed()))?;
        match status {
            Some(status) if status.success() => Ok(()),
            Some(_) => Err(anyhow!("{name} failed: {}", last_line(&errors))),
            None => Err(anyhow!("{name} took longer than {} s", limit.as_secs())),
        }
    };
    step("python3 -m venv", Command::new("python3").args(["-I", "-m", "venv"]).arg(&environment))?;
    let python = environment.join("bin/python3");
    let mut pip = Command::new(&python);
    // Finished packages only: nothing that is fetched runs a build here.
    pip.args(["-I", "-m", "pip", "install", "-q", "--no-compile", "--only-binary", ":all:", "--retries", "1"]);
    step("pip install", pip.args(["--timeout", "10"]).args(PACKAGES))?;
    Ok(python)
}

/// The last line of a file that says something.
fn last_line(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it says nothing");
    line.chars().filter(|c| !c.is_control()).take(200).collect()
}

fn text_of(value: &Value) -> Option<String> {
    value.as_str().map(ToOwned::to_owned)
}

/// Status and body of the answer to a request to this machine. `endpoint` is `http://127.0.0.1:PORT`, each of `headers`
/// is `Name: value`.
///
/// # Errors
/// No answer, or none in the form that is expected here: with a head, and ended by its connection's end.
pub(super) fn ask(
    endpoint: &str,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> anyhow::Result<(u16, String)> {
    let address: SocketAddr = endpoint.strip_prefix("http://").context("no address")?.parse()?;
    let mut stream = TcpStream::connect_timeout(&address, CALL_LIMIT)?;
    stream.set_read_timeout(Some(CALL_LIMIT))?;
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no head")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("the answer has no status")?;
    Ok((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_series_that_the_launcher_is_made_for_is_fit() {
        assert!(is_fit(VERSION) && is_fit("5.2.10"));
        assert!(!is_fit("5.20.0") && !is_fit("4.2.14"));
        assert!(PACKAGES[0].ends_with(&format!("=={VERSION}")));
    }

    #[test]
    fn of_an_error_the_last_line_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("errors");
        assert_eq!(last_line(&path), "it says nothing");
        fs::write(&path, "Traceback\n  \u{1b}[31mModuleNotFoundError: flask\n\n").unwrap();
        assert_eq!(last_line(&path), "[31mModuleNotFoundError: flask");
    }
}
