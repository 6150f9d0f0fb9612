//! A secret manager in memory with the rules of AWS Secrets Manager, that can fail at every call; a clock that
//! does not wait; a journal that can die.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use keystile_inventory::{CallError, CallErrorKind, Replica, RotationMeans, SecretArn, SecretRecord, Stage, VersionId};
use keystile_rotate::backend::{Accepted, BackendKind, Identity, VersionedValue};
use keystile_rotate::clock::Clock;
use keystile_rotate::journal::{Event, JournalError, Sink};
use keystile_rotate::plan::{Action, FORMAT, Held, Searched, Strategy, state_digest};
use keystile_rotate::token::Purpose;
use keystile_rotate::{PlanItem, RotationPlan, SecretBackend, Token};
use keystile_scan::SecretBytes;

/// What the rotation function does when it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    /// A new value becomes current at the third look.
    Works,
    /// It leaves AWSPENDING behind, on a version without a value.
    Sticks,
    /// It leaves AWSPENDING behind, on a version with a new value.
    Stores,
    /// Its version loses its label without becoming current.
    Dies,
    /// It makes the leaked value current again under a new version.
    SameValue,
    /// It changes the user too.
    Alternates,
}

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Too many calls.
    Throttled,
    /// Carried out, no answer.
    AnswerLost,
    /// Not carried out, no answer.
    RequestLost,
    /// May not.
    Denied,
    /// No network.
    Unreachable,
    /// Someone else rotates just before it.
    Overtaken,
    /// Another run of the same plan asks just before it.
    AskedBeside,
}

/// The state.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) record: SecretRecord,
    pub(crate) values: BTreeMap<VersionId, String>,
    pub(crate) function: Function,
    pub(crate) faults: VecDeque<Fault>,
    /// Versions in the making, with the looks that remain.
    making: BTreeMap<VersionId, u32>,
    pub(crate) rotations: u32,
    /// Versions that became current, in order.
    pub(crate) became_current: Vec<VersionId>,
    pub(crate) writes: u32,
    pub(crate) replica_lags: bool,
    /// Calls of RotateSecret are not carried out and not answered.
    pub(crate) swallows: bool,
    /// RotateSecret is refused.
    pub(crate) refuses: bool,
    /// Calls of RotateSecret that are under way now, in this and the secrets beside it.
    pub(crate) under_way: Arc<Gauge>,
    pub(crate) never_deny_reads: bool,
    made: u32,
}

/// How many there are, and how many there were at most.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    now: AtomicUsize,
    pub(crate) most: AtomicUsize,
    /// Whether a call lasts long enough to be met by others.
    pub(crate) lasts: AtomicBool,
}

/// The manager, with one secret.
pub(crate) struct Fake(pub(crate) Mutex<World>);

pub(crate) const LEAKED: &str = "leaked";
/// Part of every value: no output may have it.
pub(crate) const MARK: &str = "Zk3mW8q";

impl Fake {
    pub(crate) fn new(function: Function, faults: &[Fault]) -> Self {
        Self::named("app/db", function, faults)
    }

    /// With another name than the others.
    pub(crate) fn named(name: &str, function: Function, faults: &[Fault]) -> Self {
        let mut record = SecretRecord::new(arn_of(name), name.to_owned());
        record.rotation =
            RotationMeans::Function { arn: "arn:aws:lambda:eu-central-1:123456789012:function:x".to_owned() };
        record.rotation_enabled = Some(true);
        record.versions.insert(VersionId(LEAKED.to_owned()), [Stage::Current].into());
        let values = BTreeMap::from([(VersionId(LEAKED.to_owned()), value(0, "app"))]);
        Self(Mutex::new(World {
            record,
            values,
            function,
            faults: faults.iter().copied().collect(),
            making: BTreeMap::new(),
            rotations: 0,
            became_current: Vec::new(),
            writes: 0,
            replica_lags: false,
            swallows: false,
            refuses: false,
            under_way: Arc::default(),
            never_deny_reads: false,
            made: 0,
        }))
    }

    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }
}

pub(crate) fn arn() -> SecretArn {
    arn_of("app/db")
}

fn arn_of(name: &str) -> SecretArn {
    SecretArn(format!("arn:aws:secretsmanager:eu-central-1:123456789012:secret:{name}-AbCdEf"))
}

fn value(number: u32, user: &str) -> String {
    format!(r#"{{"username":"{user}","password":"{MARK}-{number}"}}"#)
}

impl World {
    fn make_current(&mut self, version: &VersionId) {
        for stages in self.record.versions.values_mut() {
            stages.remove(&Stage::Previous);
            if stages.remove(&Stage::Current) {
                stages.insert(Stage::Previous);
            }
        }
        self.record.versions.insert(version.clone(), [Stage::Current].into());
        self.record.versions.retain(|_, stages| !stages.is_empty());
        self.became_current.push(version.clone());
    }

    fn new_value(&mut self, user: &str) -> String {
        self.made += 1;
        value(self.made, user)
    }

    /// Someone else rotates.
    pub(crate) fn foreign(&mut self) {
        let version = VersionId(format!("foreign-{}", self.became_current.len()));
        let value = self.new_value("app");
        self.values.insert(version.clone(), value);
        self.make_current(&version);
    }

    /// Something puts the leaked value back, as a version of its own or by moving the label.
    pub(crate) fn write_back(&mut self, as_new_version: bool) {
        let leaked = VersionId(LEAKED.to_owned());
        let version = if as_new_version { VersionId("written-back".to_owned()) } else { leaked.clone() };
        let value = self.values[&leaked].clone();
        self.values.insert(version.clone(), value);
        self.make_current(&version);
    }

    /// A rotation that someone else asked for left AWSPENDING behind, at `when`.
    pub(crate) fn left_behind(&mut self, when: Timestamp) {
        self.record.versions.insert(VersionId("left-behind".to_owned()), [Stage::Pending].into());
        self.record.last_changed = Some(when);
    }

    /// Whether the leaked value is what readers get.
    pub(crate) fn is_leaking(&self) -> bool {
        let current = self.record.version_at(&Stage::Current).unwrap();
        self.values[current] == self.values[&VersionId(LEAKED.to_owned())]
    }

    /// Time passes: the function gets on with its work.
    fn tick(&mut self) {
        for version in self.making.keys().cloned().collect::<Vec<_>>() {
            let left = self.making.get_mut(&version).unwrap();
            *left = left.saturating_sub(1);
            if *left > 0 {
                continue;
            }
            let (value, dies) = match self.function {
                Function::Sticks => continue,
                Function::Stores => {
                    let value = self.new_value("app");
                    self.values.entry(version).or_insert(value);
                    continue;
                }
                Function::Dies => (self.new_value("app"), true),
                Function::Works => (self.new_value("app"), false),
                Function::Alternates => (self.new_value("app_clone"), false),
                Function::SameValue => (self.values[&VersionId(LEAKED.to_owned())].clone(), false),
            };
            self.making.remove(&version);
            self.values.insert(version.clone(), value);
            if dies {
                self.record.versions.remove(&version);
            } else {
                self.make_current(&version);
            }
        }
    }

    /// Fails before the call; `Ok(true)` = fails after it.
    fn fault(&mut self, operation: &str, changes: bool) -> Result<bool, CallError> {
        let error = |kind| Err(CallError::new(kind, operation, "made to fail"));
        match self.faults.pop_front().unwrap_or(Fault::None) {
            Fault::None => Ok(false),
            Fault::Throttled => error(CallErrorKind::Throttled),
            Fault::AnswerLost => Ok(true),
            Fault::RequestLost => error(CallErrorKind::Ambiguous),
            Fault::Denied if self.never_deny_reads && !changes => Ok(false),
            Fault::Denied => error(CallErrorKind::Denied),
            Fault::Unreachable => error(CallErrorKind::Unreachable),
            Fault::Overtaken => {
                self.foreign();
                Ok(false)
            }
            Fault::AskedBeside => {
                let leaked = VersionId(LEAKED.to_owned());
                let version = Token::derive(&self.record.arn, &leaked, Purpose::First, 0).version();
                self.record.versions.insert(version.clone(), [Stage::Pending].into());
                self.making.insert(version, 3);
                self.rotations += 1;
                Ok(false)
            }
        }
    }
}

fn lost<T>(lost: bool, operation: &str, answer: T) -> Result<T, CallError> {
    if lost { Err(CallError::new(CallErrorKind::Ambiguous, operation, "no answer")) } else { Ok(answer) }
}

impl SecretBackend for Fake {
    fn identity(&self) -> Result<Identity, CallError> {
        Ok(identity())
    }

    fn list(
        &self,
        _prefix: &str,
        each: &mut (dyn FnMut(SecretRecord) -> ControlFlow<()> + Send),
    ) -> Result<(), CallError> {
        let _ = each(self.with(|world| world.record.clone()));
        Ok(())
    }

    fn describe(&self, _arn: &SecretArn) -> Result<SecretRecord, CallError> {
        self.with(|world| {
            let gone = world.fault("DescribeSecret", false)?;
            world.tick();
            lost(gone, "DescribeSecret", world.record.clone())
        })
    }

    fn batch(&self) -> usize {
        20
    }

    fn read_current(
        &self,
        _arns: &[SecretArn],
    ) -> Result<Vec<(SecretArn, Result<VersionedValue, CallError>)>, CallError> {
        panic!("a run reads versions by their ids")
    }

    fn read_version(&self, _arn: &SecretArn, version: &VersionId) -> Result<VersionedValue, CallError> {
        self.with(|world| {
            let gone = world.fault("GetSecretValue", false)?;
            let value = world
                .values
                .get(version)
                .ok_or_else(|| CallError::new(CallErrorKind::NotFound, "GetSecretValue", "no such version"))?;
            let value = SecretBytes::new(value.as_bytes());
            lost(gone, "GetSecretValue", VersionedValue { version: version.clone(), value })
        })
    }

    fn all_versions(&self, _arn: &SecretArn) -> Result<Vec<VersionId>, CallError> {
        self.with(|world| {
            let gone = world.fault("ListSecretVersionIds", false)?;
            let versions: BTreeSet<_> = world.values.keys().chain(world.record.versions.keys()).cloned().collect();
            lost(gone, "ListSecretVersionIds", versions.into_iter().collect())
        })
    }

    fn current_in(&self, _arn: &SecretArn, _region: &str) -> Result<VersionId, CallError> {
        Ok(self.with(|world| {
            if world.replica_lags {
                VersionId(LEAKED.to_owned())
            } else {
                world.record.version_at(&Stage::Current).unwrap().clone()
            }
        }))
    }

    fn rotate(&self, _arn: &SecretArn, _from: &VersionId, token: &Token) -> Result<Accepted, CallError> {
        let gauge = self.with(|world| Arc::clone(&world.under_way));
        let _call = gauge.enter();
        self.with(|world| {
            if world.swallows {
                return Err(CallError::new(CallErrorKind::Ambiguous, "RotateSecret", "no answer"));
            }
            if world.refuses {
                return Err(CallError::new(CallErrorKind::Refused, "RotateSecret", "not in this state"));
            }
            let gone = world.fault("RotateSecret", true)?;
            world.writes += 1;
            let version = token.version();
            let pending = world.record.versions.iter().any(|(other, stages)| {
                *other != version && stages.contains(&Stage::Pending) && !stages.contains(&Stage::Current)
            });
            if pending {
                return Err(CallError::new(CallErrorKind::Refused, "RotateSecret", "in progress"));
            }
            // The same token makes nothing new.
            if !world.values.contains_key(&version) && !world.record.versions.contains_key(&version) {
                world.rotations += 1;
                world.record.versions.insert(version.clone(), [Stage::Pending].into());
                world.making.insert(version.clone(), 3);
            }
            let answer = Accepted { version: Some(version), request_id: Some("request-1".to_owned()) };
            lost(gone, "RotateSecret", answer)
        })
    }

    fn stage(
        &self,
        _arn: &SecretArn,
        _from: &VersionId,
        token: &Token,
        value: &SecretBytes,
    ) -> Result<Accepted, CallError> {
        self.with(|world| {
            let gone = world.fault("PutSecretValue", true)?;
            world.writes += 1;
            let version = token.version();
            if !world.values.contains_key(&version) {
                world.rotations += 1;
                world.values.insert(version.clone(), String::from_utf8(value.reveal().to_vec()).unwrap());
                world.record.versions.insert(version.clone(), [Stage::Pending].into());
            }
            lost(gone, "PutSecretValue", Accepted { version: Some(version), request_id: None })
        })
    }

    fn promote(&self, _arn: &SecretArn, from: &VersionId, token: &Token) -> Result<Accepted, CallError> {
        self.with(|world| {
            let gone = world.fault("UpdateSecretVersionStage", true)?;
            world.writes += 1;
            if !world.record.is_at(from, &Stage::Current) {
                return Err(CallError::new(CallErrorKind::Refused, "UpdateSecretVersionStage", "not current"));
            }
            world.make_current(&token.version());
            lost(gone, "UpdateSecretVersionStage", Accepted { version: None, request_id: None })
        })
    }

    fn unstage(&self, _arn: &SecretArn, version: &VersionId) -> Result<Accepted, CallError> {
        self.with(|world| {
            let gone = world.fault("UpdateSecretVersionStage", true)?;
            world.writes += 1;
            world.record.versions.remove(version);
            world.making.remove(version);
            lost(gone, "UpdateSecretVersionStage", Accepted { version: None, request_id: None })
        })
    }

    fn random(&self, length: usize, _exclude: &str) -> Result<SecretBytes, CallError> {
        let text: String = format!("{MARK}-random-").chars().cycle().take(length).collect();
        Ok(SecretBytes::new(text.as_bytes()))
    }

    fn ways_out(&self, _means: &RotationMeans) -> Vec<String> {
        Vec::new()
    }
}

impl Gauge {
    /// One more, until the answer is dropped.
    fn enter(&self) -> impl Drop + '_ {
        struct Inside<'a>(&'a Gauge);
        impl Drop for Inside<'_> {
            fn drop(&mut self) {
                self.0.now.fetch_sub(1, Ordering::SeqCst);
            }
        }
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        if self.lasts.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(50));
        }
        Inside(self)
    }
}

pub(crate) fn identity() -> Identity {
    Identity {
        backend: BackendKind::AwsSecretsManager,
        account: "123456789012".to_owned(),
        region: Some("eu-central-1".to_owned()),
        caller: "arn:aws:sts::123456789012:assumed-role/apply/x".to_owned(),
        endpoint: "localhost".to_owned(),
    }
}

/// A plan for the leaked version as it is now.
pub(crate) fn plan(fake: &Fake, action: Action) -> RotationPlan {
    fake.with(|world| {
        let version = VersionId(LEAKED.to_owned());
        let held = Held {
            backend: BackendKind::AwsSecretsManager,
            account: "123456789012".to_owned(),
            region: Some("eu-central-1".to_owned()),
            arn: world.record.arn.clone(),
            name: world.record.name.clone(),
            stages: world.record.versions.get(&version).cloned().unwrap_or_default(),
            version,
            pointer: "/password".to_owned(),
            normalisation: Vec::new(),
            rotation: world.record.rotation.clone(),
            strategy: Strategy::SingleUser,
            replicas: Vec::new(),
            last_rotated: None,
            state: state_digest(&world.record),
        };
        let item = PlanItem {
            number: 1,
            rule: "password".to_owned(),
            places: Vec::new(),
            secret: Some(held),
            action,
            blocked: Vec::new(),
            warnings: Vec::new(),
            guidance: Vec::new(),
            access_key: None,
            consumers: None,
        };
        RotationPlan {
            format: FORMAT.to_owned(),
            made_at: Timestamp::UNIX_EPOCH,
            source: keystile_rotate::plan::Source::default(),
            identities: vec![identity()],
            items: vec![item],
            searched: Searched::default(),
        }
    })
}

pub(crate) fn with_replica(fake: &Fake) {
    fake.with(|world| {
        world.record.replicas = vec![Replica { region: "eu-west-1".to_owned(), state: None, kms_key_id: None }];
    });
}

/// Several secrets, each with a function and faults of its own.
pub(crate) struct Many(pub(crate) Vec<Fake>);

impl Many {
    pub(crate) fn new(secrets: impl IntoIterator<Item = (Function, Vec<Fault>)>) -> Self {
        let fake = |(number, (function, faults)): (usize, (Function, Vec<Fault>))| {
            Fake::named(&format!("app/{number}"), function, &faults)
        };
        Self(secrets.into_iter().enumerate().map(fake).collect())
    }

    /// A plan with an item for each.
    pub(crate) fn plan(&self, action: Action) -> RotationPlan {
        let mut plans = self.0.iter().map(|fake| plan(fake, action));
        let mut all = plans.next().unwrap();
        all.items.extend(plans.flat_map(|plan| plan.items));
        for (item, number) in all.items.iter_mut().zip(1..) {
            item.number = number;
        }
        all
    }

    fn of(&self, arn: &SecretArn) -> &Fake {
        self.0.iter().find(|fake| fake.with(|world| world.record.arn == *arn)).unwrap()
    }
}

impl SecretBackend for Many {
    fn identity(&self) -> Result<Identity, CallError> {
        Ok(identity())
    }

    fn list(
        &self,
        _prefix: &str,
        _each: &mut (dyn FnMut(SecretRecord) -> ControlFlow<()> + Send),
    ) -> Result<(), CallError> {
        panic!("a run lists nothing")
    }

    fn describe(&self, arn: &SecretArn) -> Result<SecretRecord, CallError> {
        self.of(arn).describe(arn)
    }

    fn batch(&self) -> usize {
        20
    }

    fn read_current(
        &self,
        _arns: &[SecretArn],
    ) -> Result<Vec<(SecretArn, Result<VersionedValue, CallError>)>, CallError> {
        panic!("a run reads versions by their ids")
    }

    fn read_version(&self, arn: &SecretArn, version: &VersionId) -> Result<VersionedValue, CallError> {
        self.of(arn).read_version(arn, version)
    }

    fn all_versions(&self, arn: &SecretArn) -> Result<Vec<VersionId>, CallError> {
        self.of(arn).all_versions(arn)
    }

    fn rotate(&self, arn: &SecretArn, from: &VersionId, token: &Token) -> Result<Accepted, CallError> {
        self.of(arn).rotate(arn, from, token)
    }

    fn stage(
        &self,
        arn: &SecretArn,
        from: &VersionId,
        token: &Token,
        value: &SecretBytes,
    ) -> Result<Accepted, CallError> {
        self.of(arn).stage(arn, from, token, value)
    }

    fn promote(&self, arn: &SecretArn, from: &VersionId, token: &Token) -> Result<Accepted, CallError> {
        self.of(arn).promote(arn, from, token)
    }

    fn unstage(&self, arn: &SecretArn, version: &VersionId) -> Result<Accepted, CallError> {
        self.of(arn).unstage(arn, version)
    }

    fn random(&self, length: usize, exclude: &str) -> Result<SecretBytes, CallError> {
        self.0[0].random(length, exclude)
    }

    fn ways_out(&self, _means: &RotationMeans) -> Vec<String> {
        Vec::new()
    }
}

/// A clock that is moved by waiting.
#[derive(Debug)]
pub(crate) struct Still(Mutex<Timestamp>);

impl Still {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Timestamp::from_second(1_790_000_000).unwrap()))
    }
}

impl Clock for Still {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn sleep(&self, duration: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(duration).unwrap();
    }
}

/// A journal in memory. It panics after the line with the number `dies_after`, like a process that is killed.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) entries: Vec<(Timestamp, Event)>,
    pub(crate) dies_after: Option<usize>,
    pub(crate) fails_from: Option<usize>,
}

impl Sink for Lines {
    fn append(&mut self, at: Timestamp, event: Event) -> Result<(), JournalError> {
        if self.fails_from.is_some_and(|from| self.entries.len() >= from) {
            let what = "can't be written: disk full".to_owned();
            return Err(JournalError { path: "journal".into(), line: None, what });
        }
        self.entries.push((at, event));
        if self.dies_after == Some(self.entries.len()) {
            std::panic::panic_any("killed");
        }
        Ok(())
    }
}

/// The labels as text, for messages.
pub(crate) fn labels(world: &World) -> BTreeMap<String, BTreeSet<String>> {
    world
        .record
        .versions
        .iter()
        .map(|(version, stages)| (version.to_string(), stages.iter().map(ToString::to_string).collect()))
        .collect()
}
