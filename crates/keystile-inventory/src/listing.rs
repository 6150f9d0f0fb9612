//! Records as `aws secretsmanager list-secrets` prints them, which `--inventory` of `keystile check` reads.
//!
//! Fields: AWS Secrets Manager API reference, `SecretListEntry`. What the manager did not say is left out.

use serde_json::{Map, Value, json};

use crate::record::{RotationMeans, SecretRecord};

/// The answer of `list-secrets`, whole: it has no `NextToken`, so hand over complete lists only.
#[must_use]
pub fn listing<'r>(records: impl IntoIterator<Item = &'r SecretRecord>) -> Value {
    json!({ "SecretList": records.into_iter().map(entry).collect::<Vec<_>>() })
}

fn entry(record: &SecretRecord) -> Value {
    let mut fields = Map::new();
    let mut put = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(field.to_owned(), value);
        }
    };
    let text = |text: &Option<String>| text.as_deref().map(Value::from);
    let time = |time: Option<jiff::Timestamp>| time.map(|time| Value::from(time.to_string()));
    put("ARN", Some(record.arn.0.as_str().into()));
    put("Name", Some(record.name.as_str().into()));
    put("KmsKeyId", text(&record.kms_key_id));
    put("RotationEnabled", record.rotation_enabled.map(Value::from));
    if let RotationMeans::Function { arn } = &record.rotation {
        put("RotationLambdaARN", Some(arn.as_str().into()));
    }
    let mut rules = Map::new();
    if let Some(days) = record.rotation_days {
        rules.insert("AutomaticallyAfterDays".to_owned(), days.into());
    }
    if let Some(schedule) = &record.rotation_schedule {
        rules.insert("ScheduleExpression".to_owned(), schedule.as_str().into());
    }
    put("RotationRules", (!rules.is_empty()).then_some(Value::Object(rules)));
    put("LastRotatedDate", time(record.last_rotated));
    put("LastChangedDate", time(record.last_changed));
    put("LastAccessedDate", time(record.last_accessed));
    put("DeletedDate", time(record.deleted));
    put("NextRotationDate", time(record.next_rotation));
    let tags: Vec<Value> = record.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
    put("Tags", (!tags.is_empty()).then_some(Value::Array(tags)));
    let versions = record.versions.iter().map(|(version, stages)| {
        let labels = stages.iter().map(|stage| Value::from(stage.to_string())).collect();
        (version.0.clone(), Value::Array(labels))
    });
    let versions: Map<String, Value> = versions.collect();
    put("SecretVersionsToStages", (!versions.is_empty()).then_some(Value::Object(versions)));
    put("OwningService", text(&record.owning_service));
    put("CreatedDate", time(record.created));
    put("PrimaryRegion", text(&record.primary_region));
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{SecretArn, Stage, VersionId};

    #[test]
    fn what_is_known_is_written_as_aws_names_it() {
        let time = "2026-11-01T11:00:00.123Z";
        let date = Some(time.parse().expect(time));
        let full = SecretRecord {
            kms_key_id: Some("alias/k".to_owned()),
            rotation: RotationMeans::Function { arn: "arn:f".to_owned() },
            rotation_enabled: Some(false),
            rotation_days: Some(30),
            rotation_schedule: Some("rate(30 days)".to_owned()),
            owning_service: Some("rds".to_owned()),
            last_rotated: date,
            next_rotation: date,
            last_changed: date,
            last_accessed: date,
            created: date,
            deleted: date,
            primary_region: Some("eu-west-1".to_owned()),
            versions: [(VersionId("v1".to_owned()), [Stage::Current, Stage::Pending].into())].into(),
            tags: [("Team".to_owned(), "a".to_owned())].into(),
            ..SecretRecord::new(SecretArn("arn:s".to_owned()), "s".to_owned())
        };
        let bare = SecretRecord::new(SecretArn("arn:b".to_owned()), "b".to_owned());
        let expected = json!({ "SecretList": [
            {
                "ARN": "arn:s", "Name": "s", "KmsKeyId": "alias/k", "RotationEnabled": false,
                "RotationLambdaARN": "arn:f",
                "RotationRules": { "AutomaticallyAfterDays": 30, "ScheduleExpression": "rate(30 days)" },
                "LastRotatedDate": time, "LastChangedDate": time, "LastAccessedDate": time, "DeletedDate": time,
                "NextRotationDate": time, "Tags": [{ "Key": "Team", "Value": "a" }],
                "SecretVersionsToStages": { "v1": ["AWSCURRENT", "AWSPENDING"] },
                "OwningService": "rds", "CreatedDate": time, "PrimaryRegion": "eu-west-1",
            },
            { "ARN": "arn:b", "Name": "b" },
        ] });
        assert_eq!(listing([&full, &bare]), expected);
    }
}
