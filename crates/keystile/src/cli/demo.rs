//! `keystile demo`.

use clap::{Args, ValueEnum};

/// `keystile demo`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Everything is made up and lies in a temporary folder, which is removed at the end, after an error and after Ctrl-C
too. Settings, credentials and repositories of yours are neither read nor changed. It needs git; the emulator of AWS
needs python3, and fetches moto from PyPI into the temporary folder where it is not installed (at most a minute; set
--emulator built-in to fetch nothing).

Exit status: 0 the story went as told; 2 usage, or git is missing; 3 it did not go as told, and the last lines say
where. Interrupted: 130 or 143, with everything removed.")]
pub struct DemoArgs {
    /// Who stands in for AWS
    #[arg(long, value_name = "WHICH", default_value = "auto")]
    pub emulator: Emulator,

    /// Keep the folder with the repository, the plan, the journal and the incident report
    #[arg(long)]
    pub keep: bool,

    /// Wait for Enter after each act (on a terminal)
    #[arg(long)]
    pub pause: bool,
}

/// What stands in for AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Emulator {
    /// moto where it can be had, else what is built in.
    Auto,
    /// moto, an emulator of AWS in Python.
    Moto,
    /// A stand-in for the few operations that the demo needs.
    BuiltIn,
}
