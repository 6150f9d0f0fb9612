//! A server process that lasts as long as its owner, and no longer than the tests.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Runs a program until standard input ends, then stops it by its own process id.
///
/// The tests hold the other end of the pipe. It closes when the owner is dropped, and as well when the tests end
/// in another way: a static is never dropped, a killed process drops nothing. The program is asked to stop (TERM)
/// and killed once its patience, in tenths of a second, has run out; without any it is killed at once. When the
/// program ends by itself, so does this, with its status. Each line of standard input asks it to stop (TERM).
const KEEPER: &str = r#"
patience=$1; shift
exec 3<&0
"$@" 3<&- </dev/null &
server=$!
(
    while read -r _ <&3; do kill "$server" 2>/dev/null; done
    [ "$patience" -eq 0 ] || kill "$server" 2>/dev/null
    while [ "$patience" -gt 0 ] && kill -0 "$server" 2>/dev/null; do
        sleep 0.1
        patience=$((patience - 1))
    done
    kill -KILL "$server" 2>/dev/null
) &
watcher=$!
wait "$server"
status=$?
# A dead server's id may become another's: the watcher must not use it any more.
kill "$watcher" 2>/dev/null
exit "$status"
"#;

/// A running program. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Server {
    keeper: Child,
    log: PathBuf,
}

impl Server {
    /// Starts `command`; what it prints goes to `log`. Stopped, it has `patience` to end by itself.
    pub(crate) fn start(command: &Command, log: &Path, patience: Duration) -> Self {
        // One that starts again goes on in the same log.
        let output = File::options().create(true).append(true).open(log).expect("a log can be written");
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "keeper"]).arg((patience.as_millis() / 100).to_string());
        keeper.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => keeper.env(name, value),
                None => keeper.env_remove(name),
            };
        }
        let keeper = keeper
            .current_dir(command.get_current_dir().or(log.parent()).expect("a log is in a folder"))
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output)
            .spawn()
            .expect("sh starts");
        Self { keeper, log: log.to_owned() }
    }

    /// How the program ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.keeper.try_wait().expect("a child can be waited for")
    }

    /// Stops the program and says how it ended.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        drop(self.keeper.stdin.take());
        self.keeper.wait().expect("a child can be waited for")
    }

    /// Asks the program to stop, as a kubelet does, and says how it ended.
    pub(crate) fn ask_to_stop(&mut self, limit: Duration) -> Result<ExitStatus, String> {
        let keeper = self.keeper.stdin.as_mut().ok_or("it is stopped already")?;
        keeper.write_all(b"\n").map_err(|error| error.to_string())?;
        eventually(limit, || self.ended().ok_or_else(|| "it still runs".to_owned()))
    }

    /// The last lines that it printed.
    pub(crate) fn log_tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A TCP port of 127.0.0.1 that was free a moment ago, by the kernel's choice.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// Asks `check` until it agrees; its last complaint once `limit` has passed.
pub(crate) fn eventually<T>(limit: Duration, mut check: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let start = Instant::now();
    loop {
        match check() {
            Ok(value) => return Ok(value),
            Err(complaint) if start.elapsed() > limit => return Err(format!("after {limit:?}: {complaint}")),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
