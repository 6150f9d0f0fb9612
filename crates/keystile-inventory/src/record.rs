//! A managed secret as its manager describes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A secret's full name, as its manager writes it: the ARN of AWS, `projects/P/secrets/S` of Google Cloud,
/// `MOUNT/PATH` of Vault. Names are shown in plans and reports; they are no secrets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretArn(pub String);

impl fmt::Display for SecretArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A version of a secret: AWS's VersionId, the number of a version in Vault's KV and in Google Cloud.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VersionId(pub String);

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a version of a secret is: AWS's staging labels, to which the other managers' states are mapped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// What readers get: `AWSCURRENT`, Vault's `current_version`, Google's newest enabled version.
    #[serde(rename = "AWSCURRENT")]
    Current,
    /// A rotation is making it, or failed while making it: `AWSPENDING`.
    #[serde(rename = "AWSPENDING")]
    Pending,
    /// What was current before: `AWSPREVIOUS`.
    #[serde(rename = "AWSPREVIOUS")]
    Previous,
    /// A label of the user's own.
    #[serde(untagged)]
    Other(String),
}

impl From<&str> for Stage {
    fn from(label: &str) -> Self {
        match label {
            "AWSCURRENT" => Self::Current,
            "AWSPENDING" => Self::Pending,
            "AWSPREVIOUS" => Self::Previous,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Current => "AWSCURRENT",
            Self::Pending => "AWSPENDING",
            Self::Previous => "AWSPREVIOUS",
            Self::Other(label) => label,
        })
    }
}

/// Who makes a new value when a secret is rotated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum RotationMeans {
    /// A rotation function that is stored with the secret (AWS Lambda).
    Function {
        /// Its ARN.
        arn: String,
    },
    /// The service that owns the secret rotates it (`rds`; Vault's database engine).
    Service {
        /// Its name.
        name: String,
    },
    /// Whoever listens makes the new value when the manager says that it is time (Google Cloud: `SECRET_ROTATE`, sent
    /// to Pub/Sub topics).
    Notification {
        /// The topics.
        topics: Vec<String>,
    },
    /// A partner holds the secret and rotates it (AWS's managed external secrets).
    External,
    /// Nobody: the manager only keeps what it is given.
    Nobody,
}

/// State of a copy of the secret in another region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplicaState {
    /// It has what the primary has.
    InSync,
    /// It is being copied.
    InProgress,
    /// It was not copied.
    Failed,
}

/// A copy of the secret in another region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    /// Its region.
    pub region: String,
    /// Whether it has what the primary has; `None` where the manager doesn't say.
    pub state: Option<ReplicaState>,
    /// Its KMS key; `None` = the AWS-managed one, or not said.
    pub kms_key_id: Option<String>,
}

/// A managed secret. `None` in a field is "the manager did not say".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRecord {
    /// Its full name.
    pub arn: SecretArn,
    /// The name people use.
    pub name: String,
    /// The KMS key; `None` = the AWS-managed key (AWS leaves the field out then).
    pub kms_key_id: Option<String>,
    /// Who rotates it.
    pub rotation: RotationMeans,
    /// Whether the schedule is on: `None` = never configured, `Some(false)` = switched off.
    pub rotation_enabled: Option<bool>,
    /// Days between rotations, from the rotation rules.
    pub rotation_days: Option<u32>,
    /// The rotation rules' schedule expression (`rate(…)`, `cron(…)`).
    pub rotation_schedule: Option<String>,
    /// The service that owns it (`rds`).
    pub owning_service: Option<String>,
    /// When a rotation last completed.
    pub last_rotated: Option<Timestamp>,
    /// When the next one is due.
    pub next_rotation: Option<Timestamp>,
    /// When it last changed.
    pub last_changed: Option<Timestamp>,
    /// The day it was last read, as far as the manager tells.
    pub last_accessed: Option<Timestamp>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When its deletion was asked for; deletion itself follows after the recovery window.
    pub deleted: Option<Timestamp>,
    /// The region of the primary where this is a replica, or a primary that says so.
    pub primary_region: Option<String>,
    /// Copies in other regions. Lists leave this out: empty there.
    pub replicas: Vec<Replica>,
    /// The labels of each version that has any.
    pub versions: BTreeMap<VersionId, BTreeSet<Stage>>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

impl SecretRecord {
    /// A record with nothing but its names.
    #[must_use]
    pub fn new(arn: SecretArn, name: String) -> Self {
        Self {
            arn,
            name,
            kms_key_id: None,
            rotation: RotationMeans::Nobody,
            rotation_enabled: None,
            rotation_days: None,
            rotation_schedule: None,
            owning_service: None,
            last_rotated: None,
            next_rotation: None,
            last_changed: None,
            last_accessed: None,
            created: None,
            deleted: None,
            primary_region: None,
            replicas: Vec::new(),
            versions: BTreeMap::new(),
            tags: BTreeMap::new(),
        }
    }

    /// The version with the label. Where several have it, which no manager should allow, the first by name.
    #[must_use]
    pub fn version_at(&self, stage: &Stage) -> Option<&VersionId> {
        self.versions.iter().find(|(_, stages)| stages.contains(stage)).map(|(version, _)| version)
    }

    /// Whether the version has the label.
    #[must_use]
    pub fn is_at(&self, version: &VersionId, stage: &Stage) -> bool {
        self.versions.get(version).is_some_and(|stages| stages.contains(stage))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_and_written_as_aws_writes_them() {
        for label in ["AWSCURRENT", "AWSPENDING", "AWSPREVIOUS", "blue"] {
            let stage = Stage::from(label);
            assert_eq!(stage.to_string(), label);
            let json = serde_json::to_string(&stage).expect("a label is a string");
            assert_eq!(json, format!("\"{label}\""));
            assert_eq!(serde_json::from_str::<Stage>(&json).expect("reads back"), stage);
        }
    }

    #[test]
    fn a_version_may_have_two_labels() {
        let mut record = SecretRecord::new(SecretArn("arn".to_owned()), "name".to_owned());
        let version = VersionId("v2".to_owned());
        record.versions.insert(version.clone(), [Stage::Current, Stage::Pending].into());
        assert_eq!(record.version_at(&Stage::Pending), Some(&version));
        assert!(record.is_at(&version, &Stage::Current));
        assert_eq!(record.version_at(&Stage::Previous), None);
    }
}
