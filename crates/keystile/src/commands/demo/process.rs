//! The programs that the demo starts: what they see of the user's settings (nothing), and that none outlives it.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::Stopped;

/// Variables that a program gets from the user: how to find programs and libraries, and how to write to the terminal.
const KEPT: [&str; 12] = [
    "PATH",
    "LD_LIBRARY_PATH",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "SystemRoot",
];

/// How often it is looked whether a program has ended, or a signal came.
const TICK: Duration = Duration::from_millis(15);

/// What holds for every program.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings<'a> {
    /// The demo's folder.
    pub(super) folder: &'a Path,
    /// Set once a signal asks for the end.
    pub(super) stop: &'a AtomicBool,
}

impl Surroundings<'_> {
    /// A program in the demo's folder with an environment of its own: no setting of AWS, git, Python or keystile that
    /// the user has, in variables or below the home directory, gets through.
    pub(super) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let nowhere = self.folder.join("home/none");
        let mut command = Command::new(program);
        command.current_dir(self.folder).env_clear().stdin(Stdio::null());
        command.envs(kept());
        command
            .env("HOME", self.folder.join("home"))
            .env("TMPDIR", self.folder.join("tmp"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", &nowhere)
            .env("AWS_CONFIG_FILE", &nowhere)
            .env("AWS_SHARED_CREDENTIALS_FILE", &nowhere)
            .env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    /// Whether a signal asked for the end.
    ///
    /// # Errors
    /// [`Stopped`].
    pub(super) fn go_on(&self) -> anyhow::Result<()> {
        if self.stop.load(Ordering::SeqCst) { Err(Stopped.into()) } else { Ok(()) }
    }

    /// Waits for something a tick at a time.
    ///
    /// # Errors
    /// [`Stopped`].
    pub(super) fn wait<T>(&self, limit: Duration, mut look: impl FnMut() -> Option<T>) -> anyhow::Result<Option<T>> {
        let start = Instant::now();
        loop {
            self.go_on()?;
            if let Some(seen) = look() {
                return Ok(Some(seen));
            }
            if start.elapsed() >= limit {
                return Ok(None);
            }
            std::thread::sleep(TICK);
        }
    }

    /// Runs a program to its end; `None`: it took longer than `limit` and was killed.
    ///
    /// # Errors
    /// It can't be started, or a signal came; it does not run any more then.
    pub(super) fn run(&self, command: &mut Command, limit: Duration) -> anyhow::Result<Option<ExitStatus>> {
        self.go_on()?;
        let mut program = Program::start(command)?;
        self.wait(limit, || program.status())
    }
}

/// [`KEPT`] with their values.
fn kept() -> impl Iterator<Item = (&'static str, std::ffi::OsString)> {
    KEPT.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)))
}

/// Whether git can be started.
pub(super) fn has_git() -> bool {
    let mut command = Command::new("git");
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // A broken configuration of the user's would make even this fail, and the demo does not use it.
    command.env_clear().envs(kept()).env("GIT_CONFIG_NOSYSTEM", "1");
    command.status().is_ok_and(|status| status.success())
}

/// A running program, in a process group of its own: a Ctrl-C on the terminal reaches the demo alone, which ends the
/// program together with those that it started when this is dropped.
#[derive(Debug)]
pub(super) struct Program {
    /// The process; its input and output may be taken.
    pub(super) child: Child,
}

impl Program {
    /// Starts it.
    ///
    /// # Errors
    /// It can't be started.
    pub(super) fn start(command: &mut Command) -> anyhow::Result<Self> {
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("while starting {name}"))?;
        Ok(Self { child })
    }

    /// How it ended; `None`: it runs.
    pub(super) fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    fn kill(&mut self) {
        // A process that was waited for is not asked any more: its number may be another's by now.
        if self.status().is_some() {
            return;
        }
        #[cfg(unix)]
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_program_ends_with_those_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let surroundings = Surroundings { folder: folder.path(), stop: &stop };
        let mut command = surroundings.command("sh");
        command.args(["-c", "sleep 60 & echo $! > started; wait"]);
        let program = Program::start(&mut command).unwrap();
        let started = surroundings
            .wait(Duration::from_secs(20), || {
                std::fs::read_to_string(folder.path().join("started")).ok().filter(|text| text.ends_with('\n'))
            })
            .unwrap()
            .expect("sh starts sleep");
        drop(program);
        // Nobody waits for it any more but the system, which may take a moment.
        let path = format!("/proc/{}/stat", started.trim());
        let is_gone = || std::fs::read_to_string(&path).map_or(true, |stat| stat.contains(") Z "));
        assert!(surroundings.wait(Duration::from_secs(20), || is_gone().then_some(())).unwrap().is_some());
    }

    #[test]
    fn a_signal_ends_a_wait() {
        let stop = AtomicBool::new(true);
        let surroundings = Surroundings { folder: Path::new("."), stop: &stop };
        let error = surroundings.wait(Duration::from_secs(60), || None::<()>).unwrap_err();
        assert!(error.downcast_ref::<Stopped>().is_some(), "{error}");
    }

    #[test]
    #[cfg(unix)]
    fn a_program_sees_no_setting_of_the_user() {
        let folder = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let surroundings = Surroundings { folder: folder.path(), stop: &stop };
        let output = surroundings.command("env").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let names: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        let set = [
            "HOME",
            "TMPDIR",
            "GIT_CONFIG_NOSYSTEM",
            "GIT_CONFIG_GLOBAL",
            "AWS_CONFIG_FILE",
            "AWS_SHARED_CREDENTIALS_FILE",
            "AWS_EC2_METADATA_DISABLED",
        ];
        for name in &names {
            assert!(KEPT.contains(name) || set.contains(name), "{name}");
        }
        assert!(text.contains(&format!("HOME={}", folder.path().join("home").display())), "{text}");
    }
}
