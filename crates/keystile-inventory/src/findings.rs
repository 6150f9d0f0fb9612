//! What is wrong with a managed secret, as far as its metadata tell.
//!
//! Pure: the present is an argument. Facts are those of the API reference of AWS Secrets Manager
//! (`SecretListEntry`): a `NextRotationDate` that has passed means that the rotation did not succeed.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::record::{ReplicaState, SecretRecord, Stage, VersionId};

/// A rotation takes minutes; what is pending for longer than this is not going to be finished by itself.
pub const LONGEST_PENDING: SignedDuration = SignedDuration::from_hours(24);

/// Alias of the key that Secrets Manager takes where none is named.
const AWS_MANAGED_ALIAS: &str = "alias/aws/secretsmanager";

/// Something to act on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum InventoryFinding {
    /// The schedule is on and its next date has passed.
    OverdueRotation {
        /// The date.
        since: Timestamp,
    },
    /// A rotation left a version behind that never became current.
    FailingRotation {
        /// That version.
        pending: VersionId,
    },
    /// The key is the AWS-managed one, whose policy nobody can change.
    AwsManagedKey,
    /// Its deletion was asked for: readers already get an error.
    PendingDeletion {
        /// When it was asked for.
        asked: Timestamp,
    },
    /// A region that should have a copy has none, or an old one. Only descriptions tell.
    FailedReplica {
        /// The region.
        region: String,
    },
}

/// What is wrong with `record` at `now`. A secret that is to be deleted has that finding alone: it is neither
/// read nor rotated any more.
#[must_use]
pub fn findings(record: &SecretRecord, now: Timestamp) -> Vec<InventoryFinding> {
    if let Some(asked) = record.deleted {
        return vec![InventoryFinding::PendingDeletion { asked }];
    }
    let mut found = Vec::new();
    let overdue = record.next_rotation.filter(|next| record.rotation_enabled == Some(true) && *next < now);
    if let Some(since) = overdue {
        found.push(InventoryFinding::OverdueRotation { since });
    }
    if let Some(pending) = left_pending(record)
        && (overdue.is_some() || is_unchanged(record, now))
    {
        found.push(InventoryFinding::FailingRotation { pending: pending.clone() });
    }
    if has_aws_managed_key(record) {
        found.push(InventoryFinding::AwsManagedKey);
    }
    let failed = record.replicas.iter().filter(|replica| replica.state == Some(ReplicaState::Failed));
    found.extend(failed.map(|replica| InventoryFinding::FailedReplica { region: replica.region.clone() }));
    found
}

/// The pending version, where it is not the current one too (which is how a finished rotation may look).
fn left_pending(record: &SecretRecord) -> Option<&VersionId> {
    record.version_at(&Stage::Pending).filter(|version| !record.is_at(version, &Stage::Current))
}

/// Whether nothing changed for so long that what is pending has been so at least as long. No list tells when a
/// version was made; where the secret changed since, in whatever way, its age is not known and not claimed.
fn is_unchanged(record: &SecretRecord, now: Timestamp) -> bool {
    record.last_changed.is_some_and(|changed| now.duration_since(changed) > LONGEST_PENDING)
}

/// Whether the key is the AWS-managed one: not said, or by its alias.
#[must_use]
pub fn has_aws_managed_key(record: &SecretRecord) -> bool {
    record.kms_key_id.as_deref().is_none_or(|key| {
        key == AWS_MANAGED_ALIAS
            || key.strip_suffix(AWS_MANAGED_ALIAS).is_some_and(|arn| arn.starts_with("arn:") && arn.ends_with(':'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Replica, SecretArn};

    fn at(time: &str) -> Timestamp {
        time.parse().expect(time)
    }

    fn now() -> Timestamp {
        at("2026-11-20T12:00:00Z")
    }

    fn healthy() -> SecretRecord {
        SecretRecord {
            kms_key_id: Some("alias/secrets-prod".to_owned()),
            rotation_enabled: Some(true),
            next_rotation: Some(at("2026-12-01T00:00:00Z")),
            last_changed: Some(at("2026-11-01T00:00:00Z")),
            versions: [(VersionId("v1".to_owned()), [Stage::Current, Stage::Pending].into())].into(),
            ..SecretRecord::new(SecretArn("arn".to_owned()), "/prod/a/db".to_owned())
        }
    }

    fn with_pending(mut record: SecretRecord) -> SecretRecord {
        record.versions = [
            (VersionId("v1".to_owned()), [Stage::Current].into()),
            (VersionId("v2".to_owned()), [Stage::Pending].into()),
        ]
        .into();
        record
    }

    #[test]
    fn each_finding_has_its_cause() {
        let pending = || InventoryFinding::FailingRotation { pending: VersionId("v2".to_owned()) };
        let past = at("2026-11-20T11:59:59Z");
        let overdue = || InventoryFinding::OverdueRotation { since: past };
        let changed = |time| SecretRecord { last_changed: Some(at(time)), ..with_pending(healthy()) };
        let late = || SecretRecord { next_rotation: Some(past), ..healthy() };
        for (case, record, expected) in [
            ("pending on the current version", healthy(), vec![]),
            ("due now", SecretRecord { next_rotation: Some(now()), ..healthy() }, vec![]),
            ("date passed", late(), vec![overdue()]),
            ("date passed, switched off", SecretRecord { rotation_enabled: Some(false), ..late() }, vec![]),
            ("date passed, never configured", SecretRecord { rotation_enabled: None, ..late() }, vec![]),
            ("pending for long", with_pending(healthy()), vec![pending()]),
            ("pending for a day", changed("2026-11-19T12:00:00Z"), vec![]),
            ("pending for a day and a second", changed("2026-11-19T11:59:59Z"), vec![pending()]),
            (
                "pending, changed just now, date passed",
                SecretRecord { next_rotation: Some(past), ..changed("2026-11-20T11:00:00Z") },
                vec![overdue(), pending()],
            ),
            ("pending, age not said", SecretRecord { last_changed: None, ..with_pending(healthy()) }, vec![]),
            (
                "no key and much else, but to be deleted",
                SecretRecord { kms_key_id: None, deleted: Some(past), ..with_pending(late()) },
                vec![InventoryFinding::PendingDeletion { asked: past }],
            ),
        ] {
            assert_eq!(findings(&record, now()), expected, "{case}");
        }
    }

    #[test]
    fn a_replica_that_failed_is_found_and_one_in_progress_is_not() {
        let replica = |region: &str, state| Replica { region: region.to_owned(), state, kms_key_id: None };
        let replicas = vec![
            replica("a", Some(ReplicaState::InSync)),
            replica("b", Some(ReplicaState::Failed)),
            replica("c", Some(ReplicaState::InProgress)),
            replica("d", None),
        ];
        let record = SecretRecord { replicas, ..healthy() };
        assert_eq!(findings(&record, now()), [InventoryFinding::FailedReplica { region: "b".to_owned() }]);
    }

    #[test]
    fn the_aws_managed_key_is_known_by_absence_and_alias() {
        for (key, managed) in [
            (None, true),
            (Some("alias/aws/secretsmanager"), true),
            (Some("arn:aws:kms:eu-west-1:111111111111:alias/aws/secretsmanager"), true),
            (Some("alias/aws/secretsmanager-2"), false),
            (Some("alias/own-alias/aws/secretsmanager"), false),
            (Some("arn:aws:kms:eu-west-1:111111111111:alias/prod"), false),
            (Some("alias/secrets-prod"), false),
        ] {
            let record = SecretRecord { kms_key_id: key.map(str::to_owned), ..healthy() };
            let found = findings(&record, now()).contains(&InventoryFinding::AwsManagedKey);
            assert_eq!(found, managed, "{key:?}");
        }
    }
}
