//! Asking before anything is changed.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use crate::exit::UsageError;

/// Whether whoever sits at the terminal wants `count` secrets to be changed.
///
/// # Errors
/// There is no terminal to ask at.
pub(super) fn confirm(what: &str, lines: &[String]) -> anyhow::Result<bool> {
    let input = std::io::stdin();
    if !input.is_terminal() || !std::io::stderr().is_terminal() {
        let text = "there is no terminal to ask at; give --yes and --allow-prefix, or run it where you can answer";
        return Err(UsageError(text.to_owned()).into());
    }
    let mut screen = std::io::stderr().lock();
    for line in lines {
        writeln!(screen, "  {line}")?;
    }
    write!(screen, "{what} Type yes to go on: ")?;
    screen.flush()?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}
