//! Fills the index: which secrets are read, in which versions, and what could not be.
//!
//! Reading a secret's value leaves traces (an entry in CloudTrail for each, a new LastAccessedDate), so only
//! allowed prefixes are read, only when there is a leak to look for, and no faster than [`Pace`] allows: the
//! managers' quotas are shared with everything else in the account.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Duration;

use keystile_inventory::{CallError, CallErrorKind, RotationMeans, SecretArn, SecretRecord, Stage, VersionId};

use crate::backend::{Identity, SecretBackend};
use crate::clock::Clock;
use crate::index::{IndexKey, ValueIndex};
use crate::plan::{Searched, Unread};
use crate::strategy::Login;

/// Most secrets of one search: the records and the index are held in memory (a kilobyte for each secret).
pub const MOST_SECRETS: usize = 100_000;

/// What is read.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Secrets whose names begin with one of these.
    pub prefixes: Vec<String>,
    /// Secrets with these names or ARNs, described one by one.
    pub names: Vec<String>,
    /// Versions without a label as well.
    pub all_versions: bool,
    /// How fast.
    pub pace: Pace,
}

/// Calls in a second, spread evenly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace(pub f64);

impl Pace {
    /// A quarter of what AWS allows at least for the scarcest of these calls.
    pub const DEFAULT: Self = Self(20.0);

    fn wait(self, clock: &dyn Clock) {
        if self.0.is_finite() && self.0 > 0.0 {
            clock.sleep(Duration::from_secs_f64(1.0 / self.0));
        }
    }
}

/// A secret that was found.
#[derive(Debug, Clone)]
pub struct Known {
    /// What the list said.
    pub record: SecretRecord,
    /// Who logs in with each version that was read.
    pub logins: BTreeMap<VersionId, Login>,
}

/// What a search found out.
#[derive(Debug)]
pub struct Search {
    /// Who asked, and whom.
    pub identity: Identity,
    /// The values. Numbers are places in `secrets`.
    pub index: ValueIndex,
    /// The secrets.
    pub secrets: Vec<Known>,
    /// Counts, and what could not be read.
    pub searched: Searched,
    /// What to do about a secret that nobody rotates, in this manager.
    pub ways_out: Vec<String>,
}

/// How far a search is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Secrets whose values were read.
    pub read: usize,
    /// Secrets that will be.
    pub of: usize,
}

/// Reads every secret of the scope.
///
/// # Errors
/// Nothing can be asked at all (credentials, network, a list that ends early): a search that is not whole must not
/// be taken for one that found nothing. A secret that can't be read is named in [`Searched::unread`].
pub fn search(
    backend: &dyn SecretBackend,
    scope: &Scope,
    key: IndexKey,
    clock: &dyn Clock,
    progress: &mut dyn FnMut(Progress),
) -> Result<Search, CallError> {
    let identity = backend.identity()?;
    let mut unread = Vec::new();
    let mut secrets = list(backend, &scope.prefixes)?;
    secrets.extend(describe(backend, scope, clock, &mut unread)?);
    let mut search = Search {
        identity,
        ways_out: backend.ways_out(&RotationMeans::Nobody),
        index: ValueIndex::new(key),
        secrets: secrets.into_iter().map(|record| Known { record, logins: BTreeMap::new() }).collect(),
        searched: Searched {
            prefixes: scope.prefixes.iter().chain(&scope.names).cloned().collect(),
            all_versions: scope.all_versions,
            unread,
            ..Searched::default()
        },
    };
    let mut readable = Vec::new();
    for (number, known) in search.secrets.iter().enumerate() {
        if known.record.deleted.is_some() {
            let why = "scheduled for deletion; its values can't be read before it is restored".to_owned();
            search.searched.unread.push(Unread { arn: known.record.arn.clone(), why });
        } else {
            readable.push(number);
        }
    }
    for (done, numbers) in readable.chunks(backend.batch().max(1)).enumerate() {
        progress(Progress { read: done * backend.batch().max(1), of: readable.len() });
        scope.pace.wait(clock);
        read_current(backend, numbers, &mut search)?;
        for number in numbers {
            read_others(backend, *number, scope, clock, &mut search)?;
        }
    }
    progress(Progress { read: readable.len(), of: readable.len() });
    search.searched.secrets = search.secrets.iter().filter(|known| !known.logins.is_empty()).count() as u64;
    search.searched.versions = search.index.versions();
    search.searched.values = search.index.forms();
    let too_weak = search.index.too_weak().iter();
    search.searched.too_weak = too_weak.map(|(weakness, count)| (weakness.to_string(), *count)).collect();
    Ok(search)
}

/// The secrets that are named. One that is not there, or may not be described, could not be read.
fn describe(
    backend: &dyn SecretBackend,
    scope: &Scope,
    clock: &dyn Clock,
    unread: &mut Vec<Unread>,
) -> Result<Vec<SecretRecord>, CallError> {
    let mut secrets: BTreeMap<SecretArn, SecretRecord> = BTreeMap::new();
    for name in &scope.names {
        scope.pace.wait(clock);
        let arn = SecretArn(name.clone());
        match backend.describe(&arn) {
            Ok(record) => drop(secrets.insert(record.arn.clone(), record)),
            Err(error) if is_fatal(error.kind) => return Err(error),
            Err(error) => unread.push(Unread { arn, why: error.to_string() }),
        }
    }
    Ok(secrets.into_values().collect())
}

/// Each secret once, however many of the prefixes it has.
fn list(backend: &dyn SecretBackend, prefixes: &[String]) -> Result<Vec<SecretRecord>, CallError> {
    let mut secrets: BTreeMap<SecretArn, SecretRecord> = BTreeMap::new();
    for prefix in prefixes {
        backend.list(prefix, &mut |record| {
            secrets.insert(record.arn.clone(), record);
            if secrets.len() > MOST_SECRETS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
    }
    if secrets.len() > MOST_SECRETS {
        let message = format!("more than {MOST_SECRETS} secrets begin with these prefixes; name narrower ones");
        return Err(CallError::new(CallErrorKind::Misconfigured, "ListSecrets", message));
    }
    Ok(secrets.into_values().collect())
}

fn read_current(backend: &dyn SecretBackend, numbers: &[usize], search: &mut Search) -> Result<(), CallError> {
    let arns: Vec<SecretArn> = numbers.iter().map(|number| search.secrets[*number].record.arn.clone()).collect();
    for (arn, answer) in backend.read_current(&arns)? {
        let Some(number) = arns.iter().position(|asked| *asked == arn).map(|index| numbers[index]) else { continue };
        match answer {
            Ok(found) => add(search, number, &found.version, found.value.reveal()),
            Err(error) => search.searched.unread.push(Unread { arn, why: error.to_string() }),
        }
    }
    Ok(())
}

/// The versions in the making and before, and all others where the scope says so. A version that has gone
/// meanwhile, or never had a value, is no gap.
fn read_others(
    backend: &dyn SecretBackend,
    number: usize,
    scope: &Scope,
    clock: &dyn Clock,
    search: &mut Search,
) -> Result<(), CallError> {
    let known = &search.secrets[number];
    // What can't be read once can't be read twice.
    if known.logins.is_empty() {
        return Ok(());
    }
    let arn = known.record.arn.clone();
    let is_wanted = |stages: &BTreeSet<Stage>| stages.contains(&Stage::Pending) || stages.contains(&Stage::Previous);
    let labelled = known.record.versions.iter().filter(|(_, stages)| is_wanted(stages)).map(|(version, _)| version);
    let mut versions: BTreeSet<VersionId> = labelled.cloned().collect();
    if scope.all_versions {
        scope.pace.wait(clock);
        match backend.all_versions(&arn) {
            Ok(all) => versions.extend(all),
            Err(error) if is_fatal(error.kind) => return Err(error),
            Err(error) => search.searched.unread.push(Unread { arn: arn.clone(), why: error.to_string() }),
        }
    }
    versions.retain(|version| !search.secrets[number].logins.contains_key(version));
    for version in versions {
        scope.pace.wait(clock);
        match backend.read_version(&arn, &version) {
            Ok(found) => add(search, number, &version, found.value.reveal()),
            Err(error) if error.kind == CallErrorKind::NotFound => {}
            Err(error) if is_fatal(error.kind) => return Err(error),
            Err(error) => {
                let why = format!("version {version}: {error}");
                search.searched.unread.push(Unread { arn: arn.clone(), why });
            }
        }
    }
    Ok(())
}

/// Whether no other call can succeed either.
const fn is_fatal(kind: CallErrorKind) -> bool {
    matches!(kind, CallErrorKind::NoCredentials | CallErrorKind::Misconfigured | CallErrorKind::Unreachable)
}

fn add(search: &mut Search, number: usize, version: &VersionId, value: &[u8]) {
    let index = u32::try_from(number).expect("there are fewer than a hundred thousand secrets");
    search.index.add(index, version, value);
    search.secrets[number].logins.insert(version.clone(), Login::of(value));
}
