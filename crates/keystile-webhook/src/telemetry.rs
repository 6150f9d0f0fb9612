//! JSON logs on standard error, and panics that don't tell what they saw.
//!
//! Levels are keystile's own: the libraries below (TLS, HTTP, the cluster's client) are kept at
//! `warn`, since at `debug` and `trace` some of them log what passes through them.

use std::panic::PanicHookInfo;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging. The second call of a process changes nothing.
pub fn init(level: LevelFilter) {
    let targets = Targets::new()
        .with_default(LevelFilter::WARN.min(level))
        .with_target("keystile_webhook", level)
        .with_target("keystile_policy", level);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(std::io::stderr);
    // Fails only when logging was started before, by a test say.
    let _ = tracing_subscriber::registry().with(targets).with(lines).try_init();
    std::panic::set_hook(Box::new(log_panic));
}

/// Where a panic happened, without its message: that may quote the object that was looked at.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(|| "unknown".to_owned(), ToString::to_string);
    tracing::error!(place, "panicked; please report this place as a fault of keystile");
}

/// An id from outside as it goes into a log line: whole where ids have their usual length.
#[must_use]
pub fn id(text: &str) -> &str {
    // The longest name that Kubernetes allows.
    const MAX: usize = 253;
    &text[..text.floor_char_boundary(MAX)]
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_are_bounded_between_characters() {
        assert_eq!(super::id("short"), "short");
        let long = "é".repeat(300);
        assert_eq!(super::id(&long), "é".repeat(126));
    }
}
