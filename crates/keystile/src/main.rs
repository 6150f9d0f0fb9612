//! The `keystile` program.

use std::process::ExitCode;

use clap::Parser as _;
use keystile::cli::{Cli, Command};
use keystile::commands;
use keystile::exit::{Exit, IncompleteError};
use keystile::{log, terminal};

fn main() -> ExitCode {
    terminal::hide_panic_payloads();
    terminal::exit_on_signals();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap's own status for a usage error is 2 as well; help and version end with 0.
            let code = if error.use_stderr() { Exit::Usage.code() } else { 0 };
            terminal::usage(&error, std::env::args_os().skip(1));
            return code.into();
        }
    };
    if let Err(error) = log::start() {
        terminal::error(&error.to_string());
        return Exit::Usage.code().into();
    }
    let result = match cli.command {
        Command::Scan(args) => commands::scan::run(*args),
        Command::Check(args) => commands::check::run(*args),
        Command::Policy(args) => commands::policy::run(*args),
        Command::Inventory(args) => commands::inventory::run(&args),
        Command::Rotate(args) => commands::rotate::run(*args),
        Command::Demo(args) => commands::demo::run(&args),
        Command::Rules(args) => commands::rules::run(args),
        Command::Init(args) => commands::init::run(&args),
        Command::Completions(args) => commands::completions::run(&args),
        Command::Git(args) => commands::gitleaks::git(*args),
        Command::Dir(args) => commands::gitleaks::dir(*args),
        Command::Stdin(args) => commands::gitleaks::stdin(*args),
        Command::Detect(args) => commands::gitleaks::detect(*args),
        Command::Protect(args) => commands::gitleaks::protect(*args),
    };
    match result {
        Ok(exit) => exit.code().into(),
        // Whoever read the output has seen enough; that is no error.
        Err(error) if terminal::is_closed_pipe(&error) => Exit::Clean.code().into(),
        Err(error) => {
            terminal::error(&format!("{error:#}"));
            let is_incomplete = error.downcast_ref::<IncompleteError>().is_some();
            if is_incomplete { Exit::Incomplete } else { Exit::Usage }.code().into()
        }
    }
}
