//! IAM access keys: what is known of a leaked one, and switching it off.
//!
//! A leaked access key is never used, not even to ask about itself: AWS may have put it in quarantine, which
//! forbids exactly that, and whoever found it would see the same answers. It is switched off by a role of one's
//! own, and never deleted: switching it on again is one command.
//!
//! [`id`] reads an access key's id without asking anyone, [`AccessKeys`] is what IAM is asked, and `aws` (feature
//! `iam`) asks it. [`planner`] says what is to be done; the run does it.

#[cfg(feature = "iam")]
mod answer;
#[cfg(feature = "iam")]
pub mod aws;
pub mod id;
mod pairs;
pub mod planner;

use jiff::{SignedDuration, Timestamp};
use keystile_inventory::CallError;
use serde::{Deserialize, Serialize};

pub use id::{AccessKeyId, AccessKeyKind, NoAccessKeyId};
pub use pairs::SECRET_KEY_RULE;
pub use planner::{KeyOptions, plan_access_keys};

use crate::backend::Accepted;

/// A leaked access key, as it was when the plan was made. None of it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldKey {
    /// The key's id.
    pub id: AccessKeyId,
    /// The account it belongs to; `None` where the id does not tell and nobody else does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The user it belongs to, as far as IAM was asked and said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<KeyUser>,
    /// Items of the plan that must have ended well before it is switched off: those that give its consumers
    /// another one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<u32>,
    /// Whether it may be switched off although something may still use it.
    #[serde(default)]
    pub allow_active: bool,
    /// Whether temporary credentials that were made with it are refused as well.
    #[serde(default)]
    pub revoke_sessions: bool,
}

/// A user's access key, as IAM describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyUser {
    /// The user's name.
    pub name: String,
    /// The key's status.
    pub status: KeyStatus,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// When it was last used; `None` = never, as far as AWS has written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<KeyUse>,
    /// The user's other keys that work.
    #[serde(default)]
    pub other_active: Vec<AccessKeyId>,
    /// Policies with which AWS has put the user into quarantine, because it saw the key in public.
    #[serde(default)]
    pub quarantine: Vec<String>,
}

/// A use of an access key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyUse {
    /// When.
    pub at: Timestamp,
    /// The service that was asked (`s3`), where AWS says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The region, where AWS says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// Whether a key works (IAM's API reference, `AccessKeyMetadata`, `Status`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyStatus {
    /// It works.
    Active,
    /// It is switched off.
    Inactive,
    /// Its time is over.
    Expired,
    /// Something that IAM did not have when this was written. Not taken for off.
    #[serde(untagged)]
    Other(String),
}

impl KeyStatus {
    /// As IAM writes it.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "Active" => Self::Active,
            "Inactive" => Self::Inactive,
            "Expired" => Self::Expired,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Whether the key certainly opens nothing.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        matches!(self, Self::Inactive | Self::Expired)
    }
}

/// Whose key it is, and when it was last used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUsed {
    /// The user's name; `None` where IAM names none (a root user's key).
    pub user: Option<String>,
    /// The last use; `None` = never.
    pub last: Option<KeyUse>,
}

/// A key of a user's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its id.
    pub id: AccessKeyId,
    /// Its status.
    pub status: KeyStatus,
    /// When it was made.
    pub created: Option<Timestamp>,
}

/// IAM of one account, as far as access keys go. The calls block; each is one request (a list: one for each page).
pub trait AccessKeys: Send + Sync {
    /// The account that is asked.
    ///
    /// # Errors
    /// No credentials, no network.
    fn account(&self) -> Result<String, CallError>;

    /// Whose key it is, and when it was last used (`GetAccessKeyLastUsed`).
    ///
    /// # Errors
    /// As for every call. Of a key that is not this account's, AWS says that it may not be asked about.
    fn last_used(&self, key: &AccessKeyId) -> Result<LastUsed, CallError>;

    /// The keys of a user (`ListAccessKeys`).
    ///
    /// # Errors
    /// As for every call.
    fn keys_of(&self, user: &str) -> Result<Vec<KeyRecord>, CallError>;

    /// The names of the managed policies that are attached to a user (`ListAttachedUserPolicies`).
    ///
    /// # Errors
    /// As for every call.
    fn policies_of(&self, user: &str) -> Result<Vec<String>, CallError>;

    /// The names of the inline policies of a user (`ListUserPolicies`).
    ///
    /// # Errors
    /// As for every call.
    fn inline_policies_of(&self, user: &str) -> Result<Vec<String>, CallError>;

    /// Switches a key off (`UpdateAccessKey`). Doing it twice is harmless.
    ///
    /// # Errors
    /// As for every call.
    fn deactivate(&self, user: &str, key: &AccessKeyId) -> Result<Accepted, CallError>;

    /// Refuses the user's temporary credentials that were issued before `until`, with an inline policy `name`
    /// (`PutUserPolicy`). Doing it twice is harmless.
    ///
    /// # Errors
    /// As for every call.
    fn deny_sessions(&self, user: &str, name: &str, until: Timestamp) -> Result<Accepted, CallError>;
}

/// How long temporary credentials can outlive their access key: `GetSessionToken` and `GetFederationToken` give them
/// for 36 hours at most (API reference of STS, `DurationSeconds`).
pub const LONGEST_SESSION: SignedDuration = SignedDuration::from_hours(36);

/// The policy of [`AccessKeys::deny_sessions`]. Requests with a long-term key have no `aws:TokenIssueTime`, so the
/// user's other keys go on working.
#[must_use]
pub fn sessions_policy(until: Timestamp) -> String {
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "KeystileRevokedSessions",
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": { "DateLessThan": { "aws:TokenIssueTime": until.to_string() } },
        }],
    })
    .to_string()
}
