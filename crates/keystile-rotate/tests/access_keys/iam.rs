//! IAM of one account in memory, whose calls can fail.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use jiff::Timestamp;
use keystile_inventory::{CallError, CallErrorKind};
use keystile_rotate::access_key::{AccessKeyId, AccessKeys, KeyRecord, KeyStatus, KeyUse, LastUsed};
use keystile_rotate::backend::Accepted;

/// The account of [`Iam`], and another.
pub(crate) const OURS: &str = "123456789012";
pub(crate) const THEIRS: &str = "210987654321";

/// The id of a key of an account, made as AWS makes them: a bit that is set, the account, anything.
pub(crate) fn id(prefix: &str, account: &str, number: u32) -> AccessKeyId {
    let bits = 1_u128 << 79 | account.parse::<u128>().unwrap() << 39 | u128::from(number);
    let digit = |place: u32| match (bits >> (5 * place) & 31) as u8 {
        letter @ 0..26 => char::from(b'A' + letter),
        digit => char::from(b'2' + digit - 26),
    };
    let text: String = prefix.chars().chain((0..16).rev().map(digit)).collect();
    AccessKeyId::parse(text.as_bytes()).unwrap()
}

/// A user's long-term key of [`OURS`].
pub(crate) fn key(number: u32) -> AccessKeyId {
    id(&format!("AK{}", "IA"), OURS, number)
}

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Not carried out.
    Fails(CallErrorKind),
    /// Carried out, no answer.
    AnswerLost,
}

#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) id: AccessKeyId,
    pub(crate) status: KeyStatus,
    pub(crate) last: Option<KeyUse>,
}

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) users: BTreeMap<String, Vec<Key>>,
    pub(crate) policies: Vec<String>,
    pub(crate) inline: BTreeMap<String, Timestamp>,
    /// For the next calls, in order; `account` is not counted.
    pub(crate) faults: VecDeque<Fault>,
    /// Operations that are always refused.
    pub(crate) denied: Vec<&'static str>,
    /// Lists that still show a key as active.
    pub(crate) lag: u32,
    pub(crate) no_credentials: bool,
    /// Operations that were called, in order.
    pub(crate) calls: Vec<&'static str>,
    /// The key that it has for the root user.
    pub(crate) root: Option<(AccessKeyId, Option<String>)>,
}

/// IAM of [`OURS`].
#[derive(Debug, Default)]
pub(crate) struct Iam(Mutex<World>);

impl Iam {
    /// A user `ci` whose keys have these numbers, all active and never used.
    pub(crate) fn with_keys(numbers: &[u32]) -> Self {
        let iam = Self::default();
        let keys = numbers.iter().map(|number| Key { id: key(*number), status: KeyStatus::Active, last: None });
        iam.with(|world| world.users.insert("ci".to_owned(), keys.collect()));
        iam
    }

    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    pub(crate) fn status(&self, id: &AccessKeyId) -> KeyStatus {
        self.with(|world| world.users.values().flatten().find(|key| key.id == *id).unwrap().status.clone())
    }

    /// The operations that change something, in order.
    pub(crate) fn writes(&self) -> Vec<&'static str> {
        let is_read = |call: &&'static str| !call.starts_with("Get") && !call.starts_with("List");
        self.with(|world| world.calls.iter().copied().filter(is_read).collect())
    }

    fn call<T>(
        &self,
        operation: &'static str,
        carry_out: impl FnOnce(&mut World) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        self.with(|world| {
            world.calls.push(operation);
            if world.denied.contains(&operation) {
                return Err(CallError::new(CallErrorKind::Denied, operation, "AccessDenied"));
            }
            match world.faults.pop_front().unwrap_or(Fault::None) {
                Fault::None => carry_out(world),
                Fault::Fails(kind) => Err(CallError::new(kind, operation, format!("{kind:?}"))),
                Fault::AnswerLost => {
                    carry_out(world)?;
                    Err(CallError::new(CallErrorKind::Ambiguous, operation, "no answer"))
                }
            }
        })
    }
}

fn missing(operation: &str) -> CallError {
    CallError::new(CallErrorKind::NotFound, operation, "NoSuchEntity")
}

impl AccessKeys for Iam {
    fn account(&self) -> Result<String, CallError> {
        if self.with(|world| world.no_credentials) {
            return Err(CallError::new(CallErrorKind::NoCredentials, "GetCallerIdentity", "no credentials"));
        }
        Ok(OURS.to_owned())
    }

    fn last_used(&self, id: &AccessKeyId) -> Result<LastUsed, CallError> {
        const OPERATION: &str = "GetAccessKeyLastUsed";
        self.call(OPERATION, |world| {
            if let Some((_, name)) = world.root.as_ref().filter(|(root, _)| root == id) {
                return Ok(LastUsed { user: name.clone(), last: None });
            }
            let mut keys = world.users.iter().flat_map(|(user, keys)| keys.iter().map(move |key| (user, key)));
            let (user, key) = keys.find(|(_, key)| key.id == *id).ok_or_else(|| missing(OPERATION))?;
            Ok(LastUsed { user: Some(user.clone()), last: key.last.clone() })
        })
    }

    fn keys_of(&self, user: &str) -> Result<Vec<KeyRecord>, CallError> {
        const OPERATION: &str = "ListAccessKeys";
        self.call(OPERATION, |world| {
            let lags = world.lag > 0 && world.users.values().flatten().any(|key| key.status.is_off());
            world.lag -= u32::from(lags);
            let keys = world.users.get(user).ok_or_else(|| missing(OPERATION))?;
            let status = |key: &Key| if lags { KeyStatus::Active } else { key.status.clone() };
            let record = |key: &Key| KeyRecord { id: key.id.clone(), status: status(key), created: None };
            Ok(keys.iter().map(record).collect())
        })
    }

    fn policies_of(&self, _user: &str) -> Result<Vec<String>, CallError> {
        self.call("ListAttachedUserPolicies", |world| Ok(world.policies.clone()))
    }

    fn inline_policies_of(&self, _user: &str) -> Result<Vec<String>, CallError> {
        self.call("ListUserPolicies", |world| Ok(world.inline.keys().cloned().collect()))
    }

    fn deactivate(&self, user: &str, id: &AccessKeyId) -> Result<Accepted, CallError> {
        const OPERATION: &str = "UpdateAccessKey";
        self.call(OPERATION, |world| {
            let keys = world.users.get_mut(user).ok_or_else(|| missing(OPERATION))?;
            keys.iter_mut().find(|key| key.id == *id).ok_or_else(|| missing(OPERATION))?.status = KeyStatus::Inactive;
            Ok(Accepted { version: None, request_id: Some("request-1".to_owned()) })
        })
    }

    fn deny_sessions(&self, _user: &str, name: &str, until: Timestamp) -> Result<Accepted, CallError> {
        self.call("PutUserPolicy", |world| {
            world.inline.insert(name.to_owned(), until);
            Ok(Accepted { version: None, request_id: Some("request-2".to_owned()) })
        })
    }
}
