//! `keystile completions`.

use std::io::Write as _;

use clap::CommandFactory as _;

use crate::cli::{Cli, CompletionsArgs};
use crate::exit::Exit;

/// Prints the completions of a shell.
///
/// # Errors
/// If standard output can't be written to.
pub fn run(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "keystile", &mut text);
    std::io::stdout().write_all(&text)?;
    Ok(Exit::Clean)
}
