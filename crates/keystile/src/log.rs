//! What the libraries below log, on standard error, for whoever looks for the cause of a failed connection.
//!
//! Nothing is logged unless `KEYSTILE_LOG_LEVEL` asks for it. Libraries that see requests and answers whole are held
//! to what they say in general, whatever the variable says: at their finest level they print bodies, and a body is a
//! secret's value.

use std::str::FromStr as _;

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::exit::UsageError;

/// The variable.
pub const VARIABLE: &str = "KEYSTILE_LOG_LEVEL";

/// Libraries that never see the content of a request or an answer: names, addresses, certificates.
const WITHOUT_CONTENT: [&str; 3] = ["keystile", "hyper_util::client::legacy::connect", "rustls"];

/// Begins to log, if the environment asks for it.
///
/// # Errors
/// The variable is no level.
pub fn start() -> Result<(), UsageError> {
    let Some(text) = std::env::var_os(VARIABLE).filter(|text| !text.is_empty()) else { return Ok(()) };
    let level = text.to_str().and_then(|text| LevelFilter::from_str(text).ok()).ok_or_else(|| {
        UsageError(format!("{VARIABLE} is no level; write error, warn, info, debug or trace, or leave it out"))
    })?;
    let writer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    // A second start in one process is a test's.
    let _ = tracing_subscriber::registry().with(writer.with_filter(filter(level))).try_init();
    Ok(())
}

fn filter(level: LevelFilter) -> Targets {
    let targets = WITHOUT_CONTENT.iter().map(|target| (*target, level));
    Targets::new().with_default(level.min(LevelFilter::INFO)).with_targets(targets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn what_sees_bodies_is_held_back() {
        let filter = filter(LevelFilter::TRACE);
        for (target, level, shown) in [
            ("keystile_rotate::run", Level::TRACE, true),
            ("rustls::client", Level::TRACE, true),
            ("aws_smithy_runtime::client::orchestrator", Level::TRACE, false),
            ("aws_smithy_runtime::client::orchestrator", Level::DEBUG, false),
            ("aws_smithy_runtime", Level::INFO, true),
            ("hyper::proto::h1::io", Level::TRACE, false),
            ("h2::codec", Level::TRACE, false),
        ] {
            assert_eq!(filter.would_enable(target, &level), shown, "{target} {level}");
        }
    }
}
