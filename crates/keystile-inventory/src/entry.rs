//! Records as the policy knows managed secrets.
//!
//! There are two ways from a record to a verdict: written down by [`listing`](crate::listing()) and read again from a
//! file, or handed over by the webhook's own look. Both give the same entry, which a test holds.

use keystile_policy::world::InventoryEntry;

use crate::record::SecretRecord;

/// What the policy is told of a secret.
#[must_use]
pub fn entry(record: SecretRecord) -> InventoryEntry {
    InventoryEntry {
        name: record.name,
        arn: record.arn.0,
        kms_key_id: record.kms_key_id,
        rotation_enabled: record.rotation_enabled,
        rotation_days: record.rotation_days,
        rotation_schedule: record.rotation_schedule,
        owning_service: record.owning_service,
        last_rotated: record.last_rotated,
        last_changed: record.last_changed,
        created: record.created,
        deleted: record.deleted,
        tags: record.tags,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use jiff::Timestamp;
    use keystile_manifest::Source;
    use keystile_manifest::inventory::read_inventory;
    use proptest::prelude::*;

    use super::*;
    use crate::record::{Replica, RotationMeans, SecretArn, Stage, VersionId};

    fn maybe<T: std::fmt::Debug + Clone>(one: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
        proptest::option::of(one)
    }

    /// The years that RFC 3339 can write, to the nanosecond.
    fn time() -> impl Strategy<Value = Timestamp> {
        (-62_000_000_000_i64..250_000_000_000, 0..1_000_000_000_i32)
            .prop_map(|(seconds, nanoseconds)| Timestamp::new(seconds, nanoseconds).expect("within the range"))
    }

    fn means() -> impl Strategy<Value = RotationMeans> {
        prop_oneof![
            "\\PC{1,20}".prop_map(|arn| RotationMeans::Function { arn }),
            "\\PC{1,20}".prop_map(|name| RotationMeans::Service { name }),
            proptest::collection::vec("\\PC{1,20}", 0..3).prop_map(|topics| RotationMeans::Notification { topics }),
            Just(RotationMeans::External),
            Just(RotationMeans::Nobody),
        ]
    }

    prop_compose! {
        fn record()(
            (arn, name, kms_key_id) in (".*", ".*", maybe(".{1,9}")),
            rotation in means(),
            (rotation_enabled, rotation_days, rotation_schedule) in (maybe(any::<bool>()), maybe(any::<u32>()), maybe(".{1,9}")),
            owning_service in maybe(".{1,9}"),
            times in proptest::array::uniform6(maybe(time())),
            primary_region in maybe(".{1,9}"),
            tags in proptest::collection::btree_map(".{1,9}", ".{0,9}", 0..4),
        ) -> SecretRecord {
            SecretRecord {
                kms_key_id, rotation, rotation_enabled, rotation_days, rotation_schedule, owning_service, primary_region, tags,
                last_rotated: times[0], next_rotation: times[1], last_changed: times[2], last_accessed: times[3],
                created: times[4], deleted: times[5],
                replicas: vec![Replica { region: "eu-west-1".to_owned(), state: None, kms_key_id: None }],
                versions: BTreeMap::from([(VersionId("v".to_owned()), [Stage::Current].into())]),
                ..SecretRecord::new(SecretArn(arn), name)
            }
        }
    }

    proptest! {
        #[test]
        fn a_file_says_what_the_record_says(records in proptest::collection::vec(record(), 0..4)) {
            let text = crate::listing(&records).to_string();
            let read = read_inventory(&Arc::new(Source::new("inventory.json", text))).map_err(|fault| fault.to_string());
            let direct: Vec<InventoryEntry> = records.into_iter().map(entry).collect();
            prop_assert_eq!(read, Ok(direct));
        }
    }
}
