//! The program's ends: signals, panics, messages on standard error.

use std::ffi::OsString;
use std::io::Write as _;

use crate::scrub::{scrub, scrub_arguments};

/// Ends the process at once on Ctrl-C (130), termination (143) and hang-up (129): a scan holds nothing
/// that needs tidying up, reports are written whole or not at all.
pub fn exit_on_signals() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    // Without the handler the default action ends the process too, with the same status in a shell.
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            std::process::exit(128 + signal);
        }
    });
}

/// Replaces the text of a panic by its place: the text may quote what was being read.
pub fn hide_panic_payloads() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
        // Written as it stands: what failed may be what scrubs messages.
        let _ = writeln!(
            std::io::stderr(),
            "keystile: error: internal error{place}; nothing it reports can be relied on, please report it"
        );
        // 3: incomplete. Never 0, whatever thread it was.
        std::process::exit(3);
    }));
}

/// A message that ends the run.
pub fn error(message: &str) {
    say("error", message);
}

/// A message about something that the run goes on without.
pub fn warning(message: &str) {
    say("warning", message);
}

/// Something worth knowing, for `--verbose`.
pub fn note(message: &str) {
    say("note", message);
}

/// What clap says instead of running a command: help and the version on standard output, or what is wrong with the
/// `arguments` on standard error. It quotes what it refuses, and that may be a credential typed in the wrong place.
pub fn usage(error: &clap::Error, arguments: impl Iterator<Item = OsString>) {
    if error.use_stderr() {
        let text = error.render().to_string();
        // Without clap's colours: an escape sequence beside a token hides where the token begins.
        let scrubbed = scrub_arguments(&scrub(&text), arguments);
        if scrubbed != text {
            let _ = std::io::stderr().write_all(scrubbed.as_bytes());
            return;
        }
    }
    // In colour on a terminal. Nowhere to report that it is closed.
    let _ = error.print();
}

/// Columns of the terminal on standard output.
#[must_use]
pub fn width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}

fn say(kind: &str, message: &str) {
    // A message may quote a faulty line, a name or an argument.
    let message = scrub(message);
    // Nowhere to report that standard error is closed.
    let _ = writeln!(std::io::stderr(), "keystile: {kind}: {}", message.trim_end());
}

/// Whether the reader of our output went away.
#[must_use]
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe))
}

/// Ends the process with 3 (incomplete) when so much time has gone by: gitleaks' `--timeout`.
pub fn exit_after(time: std::time::Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(time);
        error(&format!("not done within {} s: nothing it might have found was reported", time.as_secs()));
        std::process::exit(3);
    });
}
