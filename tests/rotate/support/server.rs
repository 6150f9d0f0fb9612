//! A Python program of `tests/emulator` that serves until its standard input ends.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a program may take to say that it is ready: a second or two, unless the machine is busy.
const START_LIMIT: Duration = Duration::from_secs(90);
/// How long it may take to end.
const END_LIMIT: Duration = Duration::from_secs(15);

/// A running program. It ends when this is dropped, and as well when the tests end in another way: the pipe to its
/// standard input closes with them.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// Starts `program` of `tests/emulator`; what it says once it is ready. `None`, and said so, where Python's
    /// packages are missing.
    #[track_caller]
    pub(crate) fn start(program: &str) -> Option<(Self, Value)> {
        let mut child = command(program)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
        let output = child.stdout.take().expect("piped");
        let server = Self { child };
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(output).read_line(&mut line);
            let _ = sender.send(read.map(|_| line));
        });
        let line = receiver
            .recv_timeout(START_LIMIT)
            .unwrap_or_else(|_| panic!("{program} is not ready after {START_LIMIT:?}"))
            .expect("a line can be read");
        let ready = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{program} ended; its error is above"));
        Some((server, ready))
    }

    /// The id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let start = Instant::now();
        while start.elapsed() < END_LIMIT {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A run of `program` of `tests/emulator` with Python and the packages that `tests/assets` installs.
#[track_caller]
pub(crate) fn command(program: &str) -> Option<Command> {
    let assets = std::env::var_os("KEYSTILE_ASSETS").filter(|folder: &OsString| !folder.is_empty()).map(PathBuf::from);
    let python = assets.map(|folder| folder.join("venv/bin/python3")).filter(|python| python.exists());
    let Some(python) = python else {
        leave_out("no emulator: run the tests with tests/run, which installs what it needs");
        return None;
    };
    let mut command = Command::new(python);
    // A crate of the workspace may share these tests' servers: the project is then above its folder.
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("tests/emulator"));
    command.arg(folders.into_iter().find(|folder| folder.is_dir()).expect("the project has it").join(program));
    // No cache of compiled files in the tree, no proxy between two programs of this machine.
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("NO_PROXY", "127.0.0.1");
    Some(command)
}

/// Says, past the test runner's capture, that this test is left out; with `CI=true` it fails instead.
#[track_caller]
fn leave_out(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{test}: {reason}");
    // Not `eprintln!`: the runner would swallow it.
    let _ = writeln!(std::io::stderr(), "LEFT OUT: {test}: {reason}");
}
