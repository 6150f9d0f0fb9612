//! Servers end with their owner: a test that fails, or a run that is killed, leaves none behind.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::server::{Server, eventually};

const LIMIT: Duration = Duration::from_secs(60);

/// Starts a shell that prints its process id and runs `script`; gives the server and that id.
fn start(folder: &std::path::Path, patience: Duration, script: &str) -> (Server, String) {
    let log = folder.join("log");
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{script}\n")]);
    let server = Server::start(&command, &log, patience);
    let id = eventually(LIMIT, || {
        let text = fs::read_to_string(&log).unwrap();
        text.lines().next().filter(|_| text.ends_with('\n')).map(str::to_owned).ok_or(text)
    });
    (server, id.expect("the program prints its id"))
}

fn is_alive(id: &str) -> bool {
    let probe = Command::new("sh").args(["-c", "kill -0 \"$1\"", "probe", id]).stderr(Stdio::null()).status();
    probe.expect("sh starts").success()
}

#[test]
fn a_server_ends_with_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let (server, id) = start(folder.path(), Duration::ZERO, "echo $$; exec sleep 600");
    assert!(is_alive(&id));
    drop(server);
    assert!(!is_alive(&id));
}

#[test]
fn a_server_ends_when_the_test_fails() {
    let folder = tempfile::tempdir().unwrap();
    let (server, id) = start(folder.path(), Duration::ZERO, "echo $$; exec sleep 600");
    let failure = catch_unwind(AssertUnwindSafe(move || {
        let _server = server;
        panic!("as a failing test does");
    }));
    assert!(failure.is_err());
    assert!(!is_alive(&id));
}

#[test]
fn a_server_has_time_to_end_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let script = "trap 'echo asked; exit 7' TERM; echo $$; while :; do sleep 0.05; done";
    let (mut server, _) = start(folder.path(), LIMIT, script);
    assert_eq!(server.stop().code(), Some(7), "{}", server.log_tail());
    assert!(server.log_tail().ends_with("asked"), "{}", server.log_tail());
}

#[test]
fn a_server_that_does_not_end_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, id) =
        start(folder.path(), Duration::from_secs(1), "trap '' TERM; echo $$; while :; do sleep 0.05; done");
    let start = Instant::now();
    server.stop();
    assert!(!is_alive(&id));
    assert!(start.elapsed() >= Duration::from_secs(1), "it had its second");
}

#[test]
fn a_server_that_ends_early_says_how() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, _) = start(folder.path(), LIMIT, "echo $$; echo 'no such thing' >&2; exit 3");
    let status = eventually(LIMIT, || server.ended().ok_or_else(|| "it runs".to_owned())).unwrap();
    assert_eq!(status.code(), Some(3));
    assert!(server.log_tail().ends_with("no such thing"), "{}", server.log_tail());
}
