//! How an ExternalSecret picks up a value that has changed at the provider.
//!
//! Source: External Secrets 2.9.0, apis/externalsecrets/v1/externalsecret_types.go and
//! pkg/controllers/externalsecret/externalsecret_controller.go (`shouldRefresh`).

use std::time::Duration;

use crate::field_path::Path;

/// When an ExternalSecret reads again.
#[derive(Clone, Debug, PartialEq)]
pub struct Refresh<'o> {
    /// Where its spec is.
    pub path: Path<'o>,
    /// `refreshPolicy`: `Periodic` unless said, `CreatedOnce`, `OnChange`.
    pub policy: Option<&'o str>,
    /// `refreshInterval` as written.
    pub interval: Option<&'o str>,
    /// `target.immutable`.
    pub is_target_immutable: bool,
    /// `target.manifest`: what is written instead of a Secret.
    pub manifest: Option<Manifest<'o>>,
    /// `syncWindows`.
    pub windows: Option<SyncWindows<'o>>,
}

/// The kind of object that the operator writes, where it is started with `--unsafe-allow-generic-targets`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest<'o> {
    /// `apiVersion`; empty where it is missing.
    pub api_version: &'o str,
    /// `kind`; empty where it is missing.
    pub kind: &'o str,
}

impl Refresh<'_> {
    /// Whether it reads again after an interval.
    #[must_use]
    pub fn is_periodic(&self) -> bool {
        !matches!(self.policy, Some("CreatedOnce" | "OnChange"))
    }

    /// The interval; one that can't be read is a fault of its own, and counts as the default here.
    #[must_use]
    pub fn every(&self) -> Duration {
        self.interval.and_then(go_duration).unwrap_or(DEFAULT_INTERVAL)
    }
}

/// `syncWindows`: when it may not read, or only may.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncWindows<'o> {
    /// Whether it reads only while a window is open (`allow`), rather than never then (`deny`).
    pub is_allow: bool,
    /// `schedule` and `duration` of each window, as written.
    pub windows: Vec<(&'o str, &'o str)>,
}

/// What `refreshInterval` is where nothing is written: the definition's default.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(3600);

/// Reads a duration as Go writes it (`1h30m`, `300ms`, `0`, `-1h`); a negative one counts as none.
/// `None` = it is not one. Source: the documentation of Go's `time.ParseDuration`.
#[must_use]
pub fn go_duration(text: &str) -> Option<Duration> {
    let is_negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0f64;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (digits, after) = rest.split_at(number);
        let value: f64 = digits.parse().ok()?;
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total += value * seconds;
        rest = after;
    }
    if is_negative { Some(Duration::ZERO) } else { Duration::try_from_secs_f64(total).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_what_go_takes_for_one() {
        for (text, seconds) in [
            ("1h", Some(3600)),
            ("1h0m0s", Some(3600)),
            ("1.5h", Some(5400)),
            ("0", Some(0)),
            ("0s", Some(0)),
            ("-1h", Some(0)),
            ("90m", Some(5400)),
            ("1000ms", Some(1)),
            ("", None),
            ("1", None),
            ("1d", None),
            ("h", None),
            ("1 h", None),
            ("1h1", None),
        ] {
            assert_eq!(go_duration(text), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
