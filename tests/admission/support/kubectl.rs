//! Runs of kubectl.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// A finished run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) command: String,
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Where the logs of the servers are, for messages.
    pub(crate) logs: PathBuf,
}

/// Runs `kubectl ARGUMENTS` with `kubeconfig` and `input`, and with nothing of the caller's environment.
pub(crate) fn kubectl<S: AsRef<OsStr>>(
    program: &Path,
    kubeconfig: &Path,
    arguments: impl IntoIterator<Item = S>,
    input: &str,
) -> Run {
    let home = kubeconfig.parent().expect("a kubeconfig is in a folder");
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(home)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("KUBECONFIG", kubeconfig)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let words = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    let mut child = command.spawn().expect("kubectl starts");
    let mut stdin = child.stdin.take().expect("piped");
    // Written beside: kubectl prints while it reads, and a full pipe would stop both. A run that fails early may
    // leave its input unread.
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            let _ = stdin.write_all(input.as_bytes());
        });
        child.wait_with_output().expect("kubectl ends")
    });
    Run {
        command: format!("kubectl {words}"),
        status: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        logs: home.to_owned(),
    }
}

impl Run {
    /// Fails unless the run went well.
    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        assert_eq!(self.status, Some(0), "{}", self.account());
        self
    }

    /// Fails unless the run was refused with a message that has `text`.
    #[track_caller]
    pub(crate) fn refused_with(self, text: &str) -> Self {
        assert!(self.status.is_some_and(|status| status != 0), "it went well: {}", self.account());
        assert!(self.stderr.contains(text), "no word of {text:?}: {}", self.account());
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.account()))
    }

    /// The whole run, for a message.
    pub(crate) fn account(&self) -> String {
        format!(
            "{}: {:?}\nstdout:\n{}\nstderr:\n{}\nlogs of the servers: {}",
            self.command,
            self.status,
            self.stdout,
            self.stderr,
            self.logs.display()
        )
    }
}
