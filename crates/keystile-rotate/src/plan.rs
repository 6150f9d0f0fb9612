//! The plan: what would be done for each leak, and what speaks against it.
//!
//! A plan is made without a single write and holds no value and no digest of one, so that it can be reviewed,
//! kept, and handed from one CI job to another with other permissions. What it pins (account, secret, leaked
//! version, labels, rotation settings) is compared again before anything is done.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use keystile_inventory::{RotationMeans, SecretArn, SecretRecord, Stage, VersionId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::access_key::HeldKey;
use crate::backend::{BackendKind, Identity};
use crate::consumers::Consumers;
use crate::leak::Place;
use crate::outcome::Outcome;
use crate::token::Purpose;

/// Version of the plan's format.
pub const FORMAT: &str = "keystile.dev/rotation-plan/v1";

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotationPlan {
    /// [`FORMAT`].
    pub format: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// What the leaks were found in.
    #[serde(default)]
    pub source: Source,
    /// Who asked which managers.
    pub identities: Vec<Identity>,
    /// One for each leaked value in each secret version that holds it, and one for each that none holds.
    pub items: Vec<PlanItem>,
    /// What was looked through, and what was not.
    pub searched: Searched,
}

/// What was scanned for leaks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Path, range or report, as the user named it.
    pub what: String,
    /// What of it could not be read, each as a sentence: a leak may be there that this plan knows nothing of.
    #[serde(default)]
    pub gaps: Vec<String>,
    /// Whether there was nothing to scan at all, so that no leak can have been found.
    #[serde(default)]
    pub is_empty: bool,
}

/// What the index held.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Searched {
    /// Prefixes that were looked through.
    pub prefixes: Vec<String>,
    /// Whether versions without a label were read too.
    #[serde(default)]
    pub all_versions: bool,
    /// Secrets whose values were read.
    pub secrets: u64,
    /// Versions that were read.
    pub versions: u64,
    /// Values (whole ones and parts) that could be compared.
    pub values: u64,
    /// Parts that are too weak to be told from others, with the reason.
    pub too_weak: BTreeMap<String, u64>,
    /// Secrets that could not be read, with the reason.
    pub unread: Vec<Unread>,
}

impl Searched {
    /// Adds what another search looked through.
    pub fn add(&mut self, other: &Self) {
        for prefix in &other.prefixes {
            if !self.prefixes.contains(prefix) {
                self.prefixes.push(prefix.clone());
            }
        }
        self.all_versions |= other.all_versions;
        self.secrets += other.secrets;
        self.versions += other.versions;
        self.values += other.values;
        for (reason, count) in &other.too_weak {
            *self.too_weak.entry(reason.clone()).or_default() += count;
        }
        self.unread.extend(other.unread.iter().cloned());
    }
}

/// A secret that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unread {
    /// Which.
    pub arn: SecretArn,
    /// Why, as a clause.
    pub why: String,
}

/// One leaked value in one secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanItem {
    /// Number inside of the plan, from 1.
    pub number: u32,
    /// The rule that found the leak.
    pub rule: String,
    /// Where it was found.
    pub places: Vec<Place>,
    /// The secret that holds it; `None` = unmanaged.
    pub secret: Option<Held>,
    /// The IAM access key that it is, or is the secret half of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key: Option<HeldKey>,
    /// What is to be done.
    pub action: Action,
    /// What forbids it, each as a sentence with the cure. Not empty: nothing is done.
    #[serde(default)]
    pub blocked: Vec<Block>,
    /// What whoever confirms should know, each as a sentence.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What to do by hand.
    #[serde(default)]
    pub guidance: Vec<String>,
    /// Who consumes the secret in the cluster, as far as it was looked at.
    #[serde(default)]
    pub consumers: Option<Consumers>,
}

/// A secret that holds a leaked value, as it was when the plan was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// Which manager.
    pub backend: BackendKind,
    /// The account, project or namespace it is in.
    pub account: String,
    /// Its region.
    pub region: Option<String>,
    /// Its full name.
    pub arn: SecretArn,
    /// The name people use.
    pub name: String,
    /// The version that holds the leaked value.
    pub version: VersionId,
    /// The labels that version had.
    pub stages: BTreeSet<Stage>,
    /// Where in the value: a JSON pointer (RFC 6901), empty = the whole value.
    pub pointer: String,
    /// How the stored text was changed to find the leak in it (`base64`, `url-password`, …), in order.
    #[serde(default)]
    pub normalisation: Vec<String>,
    /// Who rotates it.
    pub rotation: RotationMeans,
    /// Who takes turns, as far as can be told.
    pub strategy: Strategy,
    /// Regions with copies.
    #[serde(default)]
    pub replicas: Vec<String>,
    /// When its rotation last completed.
    pub last_rotated: Option<Timestamp>,
    /// Digest of labels and rotation settings: [`state_digest`].
    pub state: String,
}

/// How the one who rotates goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// One user, whose password changes; assumed where nothing says otherwise.
    SingleUser,
    /// Two users take turns: the one before stays valid until the rotation after.
    AlternatingUsers,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Ask who rotates it for a new version.
    Rotate(Purpose),
    /// Write a new random value: the manager is where the value is made.
    Generate,
    /// Wait for a rotation that is going on, then look again.
    Wait,
    /// Switch the IAM access key off.
    Deactivate,
    /// Nothing: the leaked value is not current. The outcome says why.
    Nothing(Outcome),
}

/// Why nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// The outcome that it gives.
    pub outcome: Outcome,
    /// A sentence with the cure.
    pub why: String,
}

impl RotationPlan {
    /// SHA-256 of the plan as JSON, in hexadecimal: the journal names the plan it belongs to by it.
    #[must_use]
    pub fn digest(&self) -> String {
        digest_of(self)
    }
}

/// SHA-256 of what the plan depends on: the labels of the versions, who rotates, whether the schedule is on, and
/// whether deletion was asked for. Not of times that move by themselves.
#[must_use]
pub fn state_digest(record: &SecretRecord) -> String {
    digest_of(&(&record.versions, &record.rotation, record.rotation_enabled, record.deleted.is_some()))
}

fn digest_of(value: &impl Serialize) -> String {
    let json = serde_json::to_vec(value).expect("names, numbers and times are JSON");
    Sha256::digest(json).iter().map(|byte| format!("{byte:02x}")).collect()
}
