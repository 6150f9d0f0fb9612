//! What the SDK answers, as records.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::types::{ReplicationStatusType, RotationRulesType, SecretListEntry, StatusType, Tag};
use aws_smithy_types::DateTime;
use jiff::Timestamp;

use crate::error::{CallError, CallErrorKind};
use crate::record::{Replica, ReplicaState, RotationMeans, SecretArn, SecretRecord, Stage, VersionId};

/// An entry of a list; `None` for one without name, which can't be asked about.
pub(super) fn listed(entry: SecretListEntry) -> Result<Option<SecretRecord>, CallError> {
    let (Some(arn), Some(name)) = (entry.arn, entry.name) else { return Ok(None) };
    let (rotation_days, rotation_schedule) = rules("ListSecrets", entry.rotation_rules)?;
    Ok(Some(SecretRecord {
        kms_key_id: entry.kms_key_id.filter(|key| !key.is_empty()),
        rotation: means(
            entry.rotation_lambda_arn,
            entry.owning_service.as_deref(),
            entry.external_secret_rotation_role_arn.as_deref(),
        ),
        rotation_enabled: entry.rotation_enabled,
        rotation_days,
        rotation_schedule,
        owning_service: entry.owning_service.filter(|service| !service.is_empty()),
        last_rotated: entry.last_rotated_date.and_then(timestamp),
        next_rotation: entry.next_rotation_date.and_then(timestamp),
        last_changed: entry.last_changed_date.and_then(timestamp),
        last_accessed: entry.last_accessed_date.and_then(timestamp),
        created: entry.created_date.and_then(timestamp),
        deleted: entry.deleted_date.and_then(timestamp),
        primary_region: entry.primary_region.filter(|region| !region.is_empty()),
        versions: versions(entry.secret_versions_to_stages),
        tags: tags(entry.tags),
        ..SecretRecord::new(SecretArn(arn), name)
    }))
}

/// The answer of `DescribeSecret`.
pub(super) fn described(answer: DescribeSecretOutput) -> Result<SecretRecord, CallError> {
    let (Some(arn), Some(name)) = (answer.arn, answer.name) else {
        return Err(CallError::new(CallErrorKind::Garbled, "DescribeSecret", "the answer has no name"));
    };
    let (rotation_days, rotation_schedule) = rules("DescribeSecret", answer.rotation_rules)?;
    Ok(SecretRecord {
        kms_key_id: answer.kms_key_id.filter(|key| !key.is_empty()),
        rotation: means(
            answer.rotation_lambda_arn,
            answer.owning_service.as_deref(),
            answer.external_secret_rotation_role_arn.as_deref(),
        ),
        rotation_enabled: answer.rotation_enabled,
        rotation_days,
        rotation_schedule,
        owning_service: answer.owning_service.filter(|service| !service.is_empty()),
        last_rotated: answer.last_rotated_date.and_then(timestamp),
        next_rotation: answer.next_rotation_date.and_then(timestamp),
        last_changed: answer.last_changed_date.and_then(timestamp),
        last_accessed: answer.last_accessed_date.and_then(timestamp),
        created: answer.created_date.and_then(timestamp),
        deleted: answer.deleted_date.and_then(timestamp),
        primary_region: answer.primary_region.filter(|region| !region.is_empty()),
        replicas: answer.replication_status.unwrap_or_default().into_iter().filter_map(replica).collect(),
        versions: versions(answer.version_ids_to_stages),
        tags: tags(answer.tags),
        ..SecretRecord::new(SecretArn(arn), name)
    })
}

/// Who rotates: a stored function first, then the owner. An emulator writes "" for none.
fn means(function: Option<String>, owner: Option<&str>, external_role: Option<&str>) -> RotationMeans {
    let has = |text: Option<&str>| text.is_some_and(|text| !text.is_empty());
    if let Some(arn) = function.filter(|arn| !arn.is_empty()) {
        RotationMeans::Function { arn }
    } else if has(external_role) {
        RotationMeans::External
    } else if let Some(name) = owner.filter(|owner| !owner.is_empty()) {
        RotationMeans::Service { name: name.to_owned() }
    } else {
        RotationMeans::Nobody
    }
}

/// Days and schedule. Days that are no count are an error: "never" must not look like "not said".
fn rules(operation: &str, rules: Option<RotationRulesType>) -> Result<(Option<u32>, Option<String>), CallError> {
    let Some(rules) = rules else { return Ok((None, None)) };
    let days = rules.automatically_after_days.map(u32::try_from).transpose().map_err(|_| {
        CallError::new(CallErrorKind::Garbled, operation, "a rotation rule has a negative number of days")
    })?;
    Ok((days, rules.schedule_expression.filter(|schedule| !schedule.is_empty())))
}

fn timestamp(date: DateTime) -> Option<Timestamp> {
    Timestamp::new(date.secs(), i32::try_from(date.subsec_nanos()).ok()?).ok()
}

/// Versions with labels. (An emulator also lists those that have lost theirs.)
fn versions(stages: Option<HashMap<String, Vec<String>>>) -> BTreeMap<VersionId, BTreeSet<Stage>> {
    let stages = stages.unwrap_or_default().into_iter().filter(|(_, labels)| !labels.is_empty());
    stages
        .map(|(version, labels)| (VersionId(version), labels.iter().map(|label| Stage::from(label.as_str())).collect()))
        .collect()
}

fn tags(tags: Option<Vec<Tag>>) -> BTreeMap<String, String> {
    let tags = tags.unwrap_or_default().into_iter();
    tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect()
}

fn replica(status: ReplicationStatusType) -> Option<Replica> {
    Some(Replica {
        region: status.region?,
        state: match status.status {
            Some(StatusType::InSync) => Some(ReplicaState::InSync),
            Some(StatusType::InProgress) => Some(ReplicaState::InProgress),
            Some(StatusType::Failed) => Some(ReplicaState::Failed),
            _ => None,
        },
        kms_key_id: status.kms_key_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_rotates_is_read_from_three_fields() {
        let function = || Some("arn:aws:lambda:eu-west-1:111111111111:function:rotate".to_owned());
        assert!(matches!(means(function(), Some("rds"), None), RotationMeans::Function { .. }));
        assert_eq!(means(Some(String::new()), Some("rds"), None), RotationMeans::Service { name: "rds".to_owned() });
        assert_eq!(means(None, Some("partner"), Some("arn:aws:iam::1:role/r")), RotationMeans::External);
        assert_eq!(means(Some(String::new()), Some(""), Some("")), RotationMeans::Nobody);
    }

    #[test]
    fn versions_without_labels_are_left_out() {
        let stages = HashMap::from([
            ("a".to_owned(), vec!["AWSCURRENT".to_owned(), "AWSPENDING".to_owned()]),
            ("b".to_owned(), Vec::new()),
        ]);
        let expected = BTreeMap::from([(VersionId("a".to_owned()), BTreeSet::from([Stage::Current, Stage::Pending]))]);
        assert_eq!(versions(Some(stages)), expected);
    }
}
