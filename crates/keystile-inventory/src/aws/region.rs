//! All of a region's secrets, as far as they can be had: listed, and described where that is asked for.
//!
//! `ListSecrets` answers a hundred at a time and may be some minutes old; it says nothing of replicas.
//! `DescribeSecret` is fresh and one call for each secret, of a quota that the whole account shares
//! (`DescribeSecret` and `GetSecretValue` together: AWS Secrets Manager quotas), so it is asked slowly.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use super::secrets::Secrets;
use crate::error::{CallError, CallErrorKind};
use crate::record::{SecretArn, SecretRecord};

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Secrets whose names begin with one of these; none: all.
    pub prefixes: Vec<String>,
    /// Ask about each by itself too, no faster than this.
    pub describe: Option<Pace>,
}

/// Calls in a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace(pub f64);

impl Pace {
    /// Descriptions: a thousand secrets take less than two minutes, and nobody's quota is felt.
    pub const DEFAULT: Self = Self(10.0);

    /// Time between two calls.
    fn interval(self) -> Duration {
        if self.0.is_finite() && self.0 > 0.0 { Duration::from_secs_f64(1.0 / self.0) } else { Duration::ZERO }
    }
}

/// How far a look is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many secrets were listed; how many there are nobody says.
    Listed(usize),
    /// So many of those that were listed were described.
    Described(usize, usize),
}

/// A region, as far as it could be read.
#[derive(Debug, Clone)]
pub struct RegionRead {
    /// The region.
    pub region: String,
    /// When the look began: what was changed later may be missing.
    pub read_at: Timestamp,
    /// The secrets, by name. All of them only where [`list_error`](Self::list_error) is none.
    pub secrets: Vec<SecretRecord>,
    /// Why the list is not whole.
    pub list_error: Option<CallError>,
    /// Secrets that are shown as they were listed, since they could not be described.
    pub undescribed: Vec<(SecretArn, CallError)>,
}

impl RegionRead {
    /// Whether all that was asked for is there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.list_error.is_none() && self.undescribed.is_empty()
    }
}

/// Reads the region of `secrets`. `now` is the time.
pub async fn read(
    secrets: &Secrets,
    scope: &Scope,
    now: Timestamp,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> RegionRead {
    let mut found = BTreeMap::new();
    let mut list_error = None;
    for prefix in outermost(&scope.prefixes) {
        let mut each = |record: SecretRecord| {
            found.insert((record.name.clone(), record.arn.clone()), record);
            progress(Progress::Listed(found.len()));
            ControlFlow::Continue(())
        };
        if let Err(error) = secrets.list(prefix, &mut each).await {
            list_error = Some(error);
            break;
        }
    }
    let mut region = RegionRead {
        region: secrets.region().to_owned(),
        read_at: now,
        secrets: found.into_values().collect(),
        list_error,
        undescribed: Vec::new(),
    };
    if let Some(pace) = scope.describe {
        describe(secrets, pace, &mut region, progress).await;
    }
    region
}

/// Puts descriptions in the place of entries. One that is gone meanwhile is left out.
async fn describe(secrets: &Secrets, pace: Pace, region: &mut RegionRead, progress: &mut (dyn FnMut(Progress) + Send)) {
    let all = region.secrets.len();
    let mut described = Vec::with_capacity(all);
    let mut next = Instant::now();
    let mut gives_up: Option<CallError> = None;
    for record in std::mem::take(&mut region.secrets) {
        progress(Progress::Described(described.len(), all));
        if let Some(error) = &gives_up {
            region.undescribed.push((record.arn.clone(), error.clone()));
            described.push(record);
            continue;
        }
        sleep_until(next).await;
        next = Instant::now() + pace.interval();
        match secrets.describe_arn(&record.arn).await {
            Ok(fresh) => described.push(fresh),
            Err(error) if error.kind == CallErrorKind::NotFound => {}
            Err(error) => {
                // The same for the next thousand: they are not asked.
                if matches!(error.kind, CallErrorKind::NoCredentials | CallErrorKind::Unreachable) {
                    gives_up = Some(error.clone());
                }
                region.undescribed.push((record.arn.clone(), error));
                described.push(record);
            }
        }
    }
    region.secrets = described;
}

/// The prefixes that are in no other one's, so that no secret is listed twice; without any, the empty one.
#[must_use]
pub fn outermost(prefixes: &[String]) -> Vec<&str> {
    let mut sorted: Vec<&str> = prefixes.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    let mut outermost: Vec<&str> = Vec::new();
    for prefix in sorted {
        // Sorted, whatever has a prefix comes behind it.
        if outermost.last().is_none_or(|last| !prefix.starts_with(last)) {
            outermost.push(prefix);
        }
    }
    if outermost.is_empty() { vec![""] } else { outermost }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_prefix_is_listed_within_another() {
        let cases: [(&[&str], &[&str]); 5] = [
            (&[], &[""]),
            (&["/prod/"], &["/prod/"]),
            (&["/prod/b/", "/prod/", "/dev/", "/prod/a/"], &["/dev/", "/prod/"]),
            (&["a", "ab", "b", "a"], &["a", "b"]),
            (&["x", ""], &[""]),
        ];
        for (prefixes, expected) in cases {
            let prefixes: Vec<String> = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
            assert_eq!(outermost(&prefixes), expected, "{prefixes:?}");
        }
    }

    #[test]
    fn a_pace_that_is_none_waits_for_nothing() {
        for (pace, milliseconds) in [(10.0, 100), (0.5, 2_000), (0.0, 0), (-1.0, 0), (f64::NAN, 0)] {
            assert_eq!(Pace(pace).interval(), Duration::from_millis(milliseconds), "{pace}");
        }
    }
}
