//! The program itself: arguments, log, signals, exit status.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::{Http, Kept, request, validate};
use crate::support::{Authority, PATIENCE, UID, review};

/// A process whose log is collected.
pub struct Process {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    _files: tempfile::TempDir,
    pub authority: Authority,
}

impl Process {
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_in(&[], arguments)
    }

    /// With further variables.
    pub fn start_in(environment: &[(&str, String)], arguments: &[&str]) -> Self {
        let (files, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        let (chain, key) = authority.issue();
        fs::write(files.path().join("tls.crt"), chain).unwrap();
        fs::write(files.path().join("tls.key"), key).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_keystile-webhook"))
            .env_clear()
            .env("KEYSTILE_TLS_CERT", files.path().join("tls.crt"))
            .env("KEYSTILE_TLS_KEY", files.path().join("tls.key"))
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .args(["--listen=127.0.0.1:0", "--log-level=trace"])
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, kept) = (BufReader::new(child.stderr.take().unwrap()).lines(), Arc::clone(&log));
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| kept.lock().unwrap().push(line)));
        Self { child, log, _files: files, authority }
    }

    /// Waits for a log line with this message.
    pub async fn logged(&self, message: &str) -> Value {
        let find = async {
            loop {
                let lines = self.log.lock().unwrap().clone();
                let found = lines
                    .iter()
                    .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
                    .find(|line| line["message"] == message);
                match found {
                    Some(line) => return line,
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, find)
            .await
            .unwrap_or_else(|_| panic!("{message}: {:?}", self.log.lock().unwrap()))
    }

    /// All that was logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// Resident memory in KiB, and what of it is no mapped file (the program's own text).
    pub fn resident(&self) -> [usize; 2] {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        ["VmRSS:", "RssAnon:"].map(|field| {
            let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        })
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub async fn exit_code(&mut self) -> Option<i32> {
        let wait = async {
            loop {
                match self.child.try_wait().unwrap() {
                    Some(status) => return status.code(),
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the process does not end")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_policy_it_denies_and_is_not_ready_and_logs_ids_alone() {
    let mut process = Process::start(&["--drain-delay=0s"]);
    let address = process.logged("listening").await["address"].as_str().unwrap().parse().unwrap();
    let mut kept = Kept::open(address, &process.authority.pem, Http::Two).await.unwrap();
    let ready = kept.send(request("GET", address, "/readyz", None, "")).await.unwrap();
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("[-]policy failed: no policy is loaded yet\n"), "{}", ready.text());
    assert!(ready.text().contains("[+]certificate ok\n"), "{}", ready.text());

    let marker = "MARKER-51c2";
    let mut secret = review("x");
    secret["request"]["object"]["spec"]["data"][0]["remoteRef"]["key"] = json!(marker);
    secret["request"]["userInfo"]["extra"] = json!({marker: [marker]});
    let answer = kept.send(validate(address, secret.to_string())).await.unwrap().json();
    assert_eq!(answer["response"]["allowed"], false);
    secret["request"]["object"]["kind"] = json!(marker);
    let answer = kept.send(validate(address, secret.to_string())).await.unwrap().json();
    assert_eq!(answer["response"]["allowed"], false);
    let broken = secret.to_string().replace('}', marker);
    assert!(kept.send(validate(address, broken)).await.unwrap().text().contains(UID));

    let decided = process.logged("decided").await;
    for (field, expected) in [
        ("uid", json!(UID)),
        ("kind", json!("ExternalSecret")),
        ("namespace", json!("team-a")),
        ("name", json!("x")),
        ("operation", json!("CREATE")),
        ("verdict", json!("deny")),
    ] {
        assert_eq!(decided[field], expected, "{decided}");
    }
    assert!(decided["duration_us"].is_u64(), "{decided}");
    process.logged("refused without a judgement").await;
    process.signal("TERM");
    assert_eq!(process.exit_code().await, Some(0));
    let log = process.log.lock().unwrap().join("\n");
    assert!(!log.contains(marker), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once_with_its_own_status() {
    for (name, code) in [("TERM", 143), ("INT", 130)] {
        let mut process = Process::start(&["--drain-delay=1h"]);
        process.logged("listening").await;
        process.signal(name);
        process.logged("stopping: no longer ready, going on until no new request comes").await;
        process.signal(name);
        assert_eq!(process.exit_code().await, Some(code), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_a_failure_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut process = Process::start(&[&format!("--probe-listen={address}")]);
    assert_eq!(process.exit_code().await, Some(1));
    let failed = process.logged("keystile-webhook failed").await;
    assert!(failed["error"].as_str().unwrap().starts_with(&format!("while listening on {address}: ")), "{failed}");
}

#[test]
fn the_configuration_is_printed_with_origins() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_keystile-webhook"))
        .env_clear()
        .env("KEYSTILE_DEADLINE", "700ms")
        .args(["--print-config", "--max-queued=9"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    for line in [
        "deadline = \"700ms\"  # KEYSTILE_DEADLINE",
        "max-queued = \"9\"  # --max-queued",
        "log-level = \"info\"  # default",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
}

#[test]
fn a_wrong_argument_is_a_usage_error() {
    for arguments in [&["--deadline=90"][..], &[], &["--tls-cert=x"]] {
        let ended = Command::new(env!("CARGO_BIN_EXE_keystile-webhook")).env_clear().args(arguments).output().unwrap();
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}");
    }
}
