//! What is shown: prose, commands and what they say.

use std::io::{IsTerminal as _, Write as _};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use super::process::Surroundings;
use crate::cli::scan::When;
use crate::commands::scan::wants_color;
use crate::exit::IncompleteError;

/// How long a command may take. All of them are a matter of seconds; none must keep a forgotten terminal busy.
const LIMIT: Duration = Duration::from_secs(180);

/// Where the story is shown.
pub(super) struct Stage<'a> {
    /// What holds for every program.
    pub(super) surroundings: Surroundings<'a>,
    in_color: bool,
    pauses: bool,
    act: u32,
    /// How many commands of keystile have been shown.
    pub(super) commands: u32,
}

impl<'a> Stage<'a> {
    /// An empty one. `pause`: wait after each act, where somebody can press a key.
    pub(super) fn new(surroundings: Surroundings<'a>, pause: bool) -> Self {
        let pauses = pause && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        Self { surroundings, in_color: wants_color(When::Auto), pauses, act: 0, commands: 0 }
    }

    /// Shows text.
    ///
    /// # Errors
    /// Nobody reads it any more, or a signal came.
    pub(super) fn say(&self, text: &str) -> anyhow::Result<()> {
        self.surroundings.go_on()?;
        let mut output = std::io::stdout().lock();
        writeln!(output, "{text}")?;
        output.flush()?;
        Ok(())
    }

    /// Begins an act: its number, its title, and what is about to be seen.
    ///
    /// # Errors
    /// As [`say`](Self::say).
    pub(super) fn act(&mut self, title: &str, text: &str) -> anyhow::Result<()> {
        if self.act > 0 {
            self.pause()?;
        }
        self.act += 1;
        let title = self.bold(&format!("Act {}: {title}", self.act));
        self.say(&format!("\n{title}\n\n{text}\n"))
    }

    /// Ends the last act.
    ///
    /// # Errors
    /// As [`say`](Self::say).
    pub(super) fn close(&mut self, title: &str) -> anyhow::Result<()> {
        self.pause()?;
        self.say(&format!("\n{}\n", self.bold(title)))
    }

    /// Runs `keystile ARGUMENTS` as anybody would type it, and shows what it says.
    ///
    /// # Errors
    /// It does not end with `status`; or as [`say`](Self::say).
    pub(super) fn keystile(
        &mut self,
        arguments: &[&str],
        status: i32,
        prepare: impl FnOnce(&mut Command),
    ) -> anyhow::Result<()> {
        let program = std::env::current_exe().context("while looking for keystile's own program")?;
        let mut command = self.surroundings.command(program);
        prepare(command.args(arguments));
        let ended = self.show("keystile", arguments, &mut command)?;
        self.commands += 1;
        let meaning = match status {
            0 => "clean",
            1 => "something was found",
            _ => "incomplete",
        };
        self.expect("keystile", arguments, status, ended)?;
        self.say(&self.dim(&format!("(exit status {status}: {meaning})\n")))
    }

    /// Runs git and shows what it says.
    ///
    /// # Errors
    /// It fails; or as [`say`](Self::say).
    pub(super) fn git(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = self.surroundings.command("git");
        let ended = self.show("git", arguments, command.args(arguments))?;
        self.expect("git", arguments, 0, ended)
    }

    /// Runs git without showing it, unless it fails.
    ///
    /// # Errors
    /// It fails, or a signal came.
    pub(super) fn git_quietly(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = self.surroundings.command("git");
        // Names of nobody: git takes none from the user here.
        command.args(["-c", "user.name=demo", "-c", "user.email=demo@example.com", "-c", "commit.gpgsign=false"]);
        let ended = self.surroundings.run(command.args(arguments), LIMIT)?;
        self.expect("git", arguments, 0, ended)
    }

    fn show(
        &self,
        name: &str,
        arguments: &[&str],
        command: &mut Command,
    ) -> anyhow::Result<Option<std::process::ExitStatus>> {
        let line = arguments.iter().fold(format!("$ {name}"), |line, argument| format!("{line} {argument}"));
        self.say(&self.bold(&line))?;
        self.surroundings.run(command, LIMIT)
    }

    fn expect(
        &self,
        name: &str,
        arguments: &[&str],
        status: i32,
        ended: Option<std::process::ExitStatus>,
    ) -> anyhow::Result<()> {
        let what = match ended {
            Some(ended) if ended.code() == Some(status) => return Ok(()),
            Some(ended) => {
                format!("ended with {}", ended.code().map_or_else(|| ended.to_string(), |code| code.to_string()))
            }
            None => format!("took longer than {} s", LIMIT.as_secs()),
        };
        // If nobody reads any more, that is what happened to the command too.
        self.say("")?;
        let arguments = arguments.join(" ");
        Err(failed(&format!("`{name} {arguments}` {what}, and the story has {status} there; its output is above")))
    }

    fn pause(&self) -> anyhow::Result<()> {
        if !self.pauses {
            return Ok(());
        }
        self.say(&self.dim("(Enter goes on)"))?;
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = std::io::stdin().read_line(&mut line);
            let _ = sender.send(());
        });
        // A day.
        self.surroundings.wait(Duration::from_secs(86_400), || receiver.try_recv().ok()).map(drop)
    }

    fn bold(&self, text: &str) -> String {
        self.styled("1", text)
    }

    fn dim(&self, text: &str) -> String {
        self.styled("2", text)
    }

    fn styled(&self, style: &str, text: &str) -> String {
        if self.in_color { format!("\u{1b}[{style}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Something that did not go as the story has it: 3.
pub(super) fn failed(text: &str) -> anyhow::Error {
    IncompleteError(format!("the demo can't go on: {text}")).into()
}
