//! `scan --managed`: which findings a managed secret holds.

use std::collections::HashMap;

use keystile_rotate::search::{Pace, Scope};
use keystile_scan::{Finding, Fingerprint};

use super::{Managers, look_through};
use crate::cli::managers::ManagerArgs;

/// What `--managed` was asked for.
#[derive(Debug, Clone)]
pub struct ManagedRequest {
    /// Where managed secrets are.
    pub managers: ManagerArgs,
    /// Which of them may be read.
    pub prefixes: Vec<String>,
    /// How fast.
    pub pace: Pace,
}

/// A managed secret that holds a finding's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The name people use.
    pub name: String,
    /// Its full name.
    pub arn: String,
    /// The version that holds it.
    pub version: String,
    /// The labels of that version (`AWSCURRENT`), sorted; none: an old version.
    pub stages: Vec<String>,
    /// Where in the value: a JSON pointer, empty = the whole value.
    pub pointer: String,
}

/// Which managed secrets hold which findings.
#[derive(Debug, Clone, Default)]
pub struct Holders {
    /// The holders of each finding; empty: none of those that were read.
    pub of: HashMap<Fingerprint, Vec<Holder>>,
    /// Secrets that were read.
    pub read: u64,
    /// Secrets that could not be read, each with the reason.
    pub unread: Vec<String>,
}

impl Holders {
    /// Looks the findings up. Nothing is asked where there are none.
    ///
    /// # Errors
    /// As [`look_through`].
    pub fn find(request: &ManagedRequest, findings: &[Finding], shows_progress: bool) -> anyhow::Result<Self> {
        let mut holders = Self::default();
        if findings.is_empty() {
            return Ok(holders);
        }
        let scope =
            Scope { prefixes: request.prefixes.clone(), names: Vec::new(), all_versions: false, pace: request.pace };
        let searches = look_through(&Managers::for_plan(&request.managers)?, &scope, shows_progress)?;
        for search in &searches {
            holders.read += search.searched.secrets;
            holders
                .unread
                .extend(search.searched.unread.iter().map(|unread| format!("{}: {}", unread.arn.0, unread.why)));
        }
        for finding in findings {
            let of_finding = holders.of.entry(finding.fingerprint).or_default();
            for search in &searches {
                for hit in search.index.find(finding.secret.reveal()) {
                    let record = &search.secrets[hit.secret as usize].record;
                    let stages = record.versions.get(&hit.version).into_iter().flatten();
                    of_finding.push(Holder {
                        name: record.name.clone(),
                        arn: record.arn.0.clone(),
                        version: hit.version.0.clone(),
                        stages: stages.map(ToString::to_string).collect(),
                        pointer: hit.pointer.clone(),
                    });
                }
            }
        }
        Ok(holders)
    }
}
