//! Runs that are cut short: signals, closed pipes.

use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::run::command;
use crate::support::{TestRepository, github_token};

#[cfg(unix)]
#[test]
fn a_signal_ends_the_run_at_once_with_its_own_status() {
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let folder = tempfile::tempdir().unwrap();
        // Standard input that never ends: the run waits for it.
        let mut child = command(folder.path()).args(["scan", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take();
        std::thread::sleep(Duration::from_millis(500));
        let sent = std::process::Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        let start = Instant::now();
        let ended = child.wait().unwrap();
        assert_eq!(ended.code(), Some(status), "SIG{signal}");
        assert!(start.elapsed() < Duration::from_secs(10), "it ended at last, but not at once");
        drop(input);
    }
}

#[test]
fn a_closed_pipe_is_no_panic_and_changes_nothing_about_the_verdict() {
    let repository = TestRepository::new();
    for seed in 0..400 {
        repository.write(&format!("{seed}.txt"), github_token(seed));
    }
    repository.commit("leaks");
    for format in ["human", "json", "jsonl", "csv"] {
        let mut child = command(repository.path())
            .args(["scan", "--format", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        // The pipe is closed now.
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{format}: {stderr}");
        assert_eq!(stderr, "", "{format}");
    }
}
