//! The program's ends: signals, panics, messages on standard error.

use std::ffi::OsString;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, Ordering};

use crate::scrub::{scrub, scrub_arguments};

/// What a signal does, one of the next three.
static END: AtomicU8 = AtomicU8::new(AT_ONCE);
/// It ends the process.
const AT_ONCE: u8 = 0;
/// The first asks for an end, the second is it.
const AFTER_THE_CALL: u8 = 1;
/// It asks for an end, however often.
const AFTER_TIDYING_UP: u8 = 2;
/// Set by a signal while [`stop_gracefully`] or [`stop_tidily`] holds.
static STOP: AtomicBool = AtomicBool::new(false);
/// That signal; 0: none.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// Ends the process at once on Ctrl-C (130), termination (143) and hang-up (129): a scan holds nothing
/// that needs tidying up, reports are written whole or not at all. Where [`stop_gracefully`] was called, the first
/// signal asks for an end and the second one is it; where [`stop_tidily`] was, signals only ask.
pub fn exit_on_signals() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    // Without the handler the default action ends the process too, with the same status in a shell.
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let is_first = !STOP.load(Ordering::SeqCst);
            let message = match END.load(Ordering::SeqCst) {
                AFTER_THE_CALL if is_first => {
                    "stopping: the call that is under way is finished and written down; once more ends at once"
                }
                AFTER_TIDYING_UP if is_first => "stopping: what was started is ended, what was made is removed",
                AFTER_TIDYING_UP => continue,
                _ => std::process::exit(128 + signal),
            };
            SIGNAL.store(signal, Ordering::SeqCst);
            STOP.store(true, Ordering::SeqCst);
            note(message);
        }
    });
}

/// From now on the first signal sets the flag that is given back, and ends nothing.
pub fn stop_gracefully() -> &'static AtomicBool {
    END.store(AFTER_THE_CALL, Ordering::SeqCst);
    &STOP
}

/// From now on signals set the flag that is given back, and end nothing: for a command that must not leave what it
/// made behind, and whose tidying up takes a moment at most.
pub fn stop_tidily() -> &'static AtomicBool {
    END.store(AFTER_TIDYING_UP, Ordering::SeqCst);
    &STOP
}

/// The exit status that the signal which asked for an end stands for; `None`: there was none.
#[must_use]
pub fn signal_status() -> Option<u8> {
    let signal = SIGNAL.load(Ordering::SeqCst);
    (signal != 0).then(|| u8::try_from(128 + signal).unwrap_or(u8::MAX))
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
