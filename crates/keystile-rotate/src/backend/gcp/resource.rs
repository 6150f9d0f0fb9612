//! What Secret Manager says of a secret and its versions, as records; and the claim that keystile leaves in one.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use keystile_inventory::{CallError, CallErrorKind, RotationMeans, SecretArn, SecretRecord, Stage, VersionId};
use serde::Deserialize;

use crate::token::Token;

/// The annotation with the claim of a rotation.
pub(super) const CLAIM: &str = "keystile-rotation-claim";
/// After this time a rotation that was asked for and brought nothing may be asked for again: what a run calls stuck.
pub(super) const LOST_AFTER: SignedDuration = SignedDuration::from_hours(6);
/// The nearest time that `nextRotationTime` may have (reference of `Rotation`: 300 seconds), and some for the way.
pub(super) const NEAREST: SignedDuration = SignedDuration::from_secs(330);
/// Labels and annotations whose names begin so stand for tags that begin with `keystile.io/`, which is no name that
/// they could have.
const TAG: (&str, &str) = ("keystile-", "keystile.io/");

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Secret {
    pub(super) name: String,
    pub(super) create_time: Option<Timestamp>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
    #[serde(default)]
    topics: Vec<Topic>,
    pub(super) rotation: Option<Rotation>,
    #[serde(default)]
    version_aliases: BTreeMap<String, Number>,
    replication: Option<Replication>,
    #[serde(default)]
    pub(super) etag: String,
}

#[derive(Debug, Deserialize)]
struct Topic {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rotation {
    pub(super) next_rotation_time: Option<Timestamp>,
}

/// A number of 64 bits, which Google writes as text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Number {
    Text(String),
    Number(u64),
}

#[derive(Debug, Default, Deserialize)]
struct Replication {
    automatic: Option<Automatic>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Automatic {
    customer_managed_encryption: Option<Encryption>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Encryption {
    kms_key_name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Version {
    pub(super) name: String,
    #[serde(default)]
    pub(super) state: String,
    pub(super) create_time: Option<Timestamp>,
}

/// A secret's versions, by number.
pub(super) struct Versions(pub(super) BTreeMap<u64, (bool, Option<Timestamp>)>);

impl Versions {
    pub(super) fn enabled(&self) -> impl DoubleEndedIterator<Item = u64> {
        self.0.iter().filter(|(_, (is_enabled, _))| *is_enabled).map(|(number, _)| *number)
    }

    pub(super) fn current(&self) -> Option<VersionId> {
        self.enabled().next_back().map(id)
    }

    /// The number that the next one gets.
    pub(super) fn next(&self) -> VersionId {
        id(self.0.keys().next_back().map_or(1, |number| number + 1))
    }
}

/// Who rotates a secret: `TOKEN FROM TIME`, and the process where one adds a version by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) token: String,
    pub(super) from: VersionId,
    pub(super) at: Timestamp,
    pub(super) owner: Option<String>,
}

impl Claim {
    pub(super) fn of(secret: &Secret) -> Option<Self> {
        let mut parts = secret.annotations.get(CLAIM)?.split(' ');
        let (token, from, at) = (parts.next()?, parts.next()?, parts.next()?.parse().ok()?);
        let owner = parts.next().map(ToOwned::to_owned);
        Some(Self { token: token.to_owned(), from: VersionId(from.to_owned()), at, owner })
    }

    pub(super) fn is_of(&self, token: &Token, from: &VersionId) -> bool {
        self.token == token.as_str() && self.from == *from
    }

    pub(super) fn age(&self, now: Timestamp) -> SignedDuration {
        now.duration_since(self.at)
    }
}

impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.token, self.from, self.at)?;
        self.owner.as_ref().map_or(Ok(()), |owner| write!(f, " {owner}"))
    }
}

pub(super) fn id(number: u64) -> VersionId {
    VersionId(number.to_string())
}

/// The last part of a resource's name.
pub(super) fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

/// The number of a version; `latest`, aliases and tokens are none.
pub(super) fn number(version: &str, operation: &str) -> Result<u64, CallError> {
    version
        .parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| CallError::new(CallErrorKind::NotFound, operation, format!("there is no version {version}")))
}

impl Secret {
    pub(super) fn means(&self) -> RotationMeans {
        let is_scheduled = self.rotation.as_ref().is_some_and(|rotation| rotation.next_rotation_time.is_some());
        if is_scheduled && !self.topics.is_empty() {
            RotationMeans::Notification { topics: self.topics.iter().map(|topic| topic.name.clone()).collect() }
        } else {
            RotationMeans::Nobody
        }
    }

    /// Labels and annotations as tags. Of a tag that both have, `deny` wins.
    pub(super) fn tags(&self) -> BTreeMap<String, String> {
        let mut tags = BTreeMap::new();
        for (name, value) in self.annotations.iter().chain(&self.labels) {
            let name = name.strip_prefix(TAG.0).map_or_else(|| name.clone(), |rest| format!("{}{rest}", TAG.1));
            if tags.get(&name).map(String::as_str) != Some(crate::guard::DENY_VALUE) {
                tags.insert(name, value.clone());
            }
        }
        tags
    }

    pub(super) fn record(&self, arn: SecretArn, versions: &Versions, now: Timestamp) -> SecretRecord {
        let mut record = SecretRecord::new(arn, last(&self.name).to_owned());
        let key = self.replication.as_ref().and_then(|replication| replication.automatic.as_ref());
        record.kms_key_id = key
            .and_then(|automatic| automatic.customer_managed_encryption.as_ref())
            .map(|key| key.kms_key_name.clone());
        record.rotation = self.means();
        record.rotation_enabled = matches!(record.rotation, RotationMeans::Notification { .. }).then_some(true);
        record.next_rotation = self.rotation.as_ref().and_then(|rotation| rotation.next_rotation_time);
        record.created = self.create_time;
        record.last_changed = versions.0.values().filter_map(|(_, made)| *made).max();
        record.tags = self.tags();
        let mut enabled = versions.enabled().rev();
        for stage in [Stage::Current, Stage::Previous] {
            if let Some(number) = enabled.next() {
                record.versions.insert(id(number), [stage].into());
            }
        }
        // Whoever asks by an alias gets that version, whatever is current.
        for (alias, number) in &self.version_aliases {
            let number = match number {
                Number::Text(text) => text.clone(),
                Number::Number(number) => number.to_string(),
            };
            record.versions.entry(VersionId(number)).or_default().insert(Stage::Other(alias.clone()));
        }
        if let Some(claim) = Claim::of(self).filter(|claim| claim.owner.is_none() && claim.age(now) < LOST_AFTER)
            && record.is_at(&claim.from, &Stage::Current)
        {
            // Until the message is due, whoever rotates can't have done anything: it counts as just changed.
            record.last_changed = record.last_changed.max(Some((claim.at + NEAREST).min(now)));
            record.versions.insert(VersionId(claim.token), [Stage::Pending].into());
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(more: &str) -> Secret {
        let text = format!(r#"{{"name": "projects/123/secrets/team-db", "etag": "\"1\""{more}}}"#);
        serde_json::from_str(&text).expect("a secret")
    }

    fn versions(states: &[(u64, bool)]) -> Versions {
        Versions(states.iter().map(|(number, is_enabled)| (*number, (*is_enabled, None))).collect())
    }

    fn arn() -> SecretArn {
        SecretArn("projects/p/secrets/team-db".to_owned())
    }

    #[test]
    fn the_highest_version_that_is_switched_on_is_current() {
        let record = secret(r#", "versionAliases": {"stable": "2", "old": 1}"#).record(
            arn(),
            &versions(&[(1, true), (2, true), (3, true), (4, false), (5, false)]),
            Timestamp::UNIX_EPOCH,
        );
        let other = |alias: &str| Stage::Other(alias.to_owned());
        let expected = [
            (id(3), [Stage::Current].into()),
            (id(2), [Stage::Previous, other("stable")].into()),
            (id(1), [other("old")].into()),
        ];
        assert_eq!((record.name.as_str(), record.versions), ("team-db", expected.into()));
        assert_eq!(versions(&[(1, true), (5, false)]).next(), id(6), "numbers are not used again");
    }

    #[test]
    fn labels_and_annotations_are_tags_and_deny_wins() {
        let secret = secret(
            r#", "labels": {"keystile-rotate": "allow", "team": "a"},
                "annotations": {"keystile-rotate": "deny", "keystile-rotation-exclude": "lI0O"}"#,
        );
        let tags = secret.tags();
        let tag = |name: &str| tags.get(name).map(String::as_str);
        assert_eq!(tag("keystile.io/rotate"), Some("deny"));
        assert_eq!((tag("keystile.io/rotation-exclude"), tag("team")), (Some("lI0O"), Some("a")));
    }

    #[test]
    fn a_schedule_without_topics_rotates_nothing() {
        let scheduled = r#", "rotation": {"nextRotationTime": "2026-12-01T00:00:00Z"}"#;
        let topics = r#", "topics": [{"name": "projects/p/topics/rotate"}]"#;
        for (more, expected) in
            [(scheduled.to_owned(), false), (topics.to_owned(), false), (format!("{scheduled}{topics}"), true)]
        {
            let means = secret(&more).means();
            assert_eq!(matches!(means, RotationMeans::Notification { .. }), expected, "{more}: {means:?}");
        }
    }

    #[test]
    fn a_claim_is_a_version_in_the_making_until_it_is_lost() {
        let claim = Claim {
            token: "5e8cf3a0-0000-0000-0000-000000000000".to_owned(),
            from: id(3),
            at: "2026-11-26T04:00:00Z".parse().expect("a time"),
            owner: None,
        };
        let secret = |claim: &Claim| secret(&format!(r#", "annotations": {{"{CLAIM}": "{claim}"}}"#));
        assert_eq!(Claim::of(&secret(&claim)).as_ref(), Some(&claim));
        let pending = |claim: &Claim, current: u64, hours: i64| {
            let now = claim.at + SignedDuration::from_hours(hours);
            let record = secret(claim).record(arn(), &versions(&[(2, true), (current, true)]), now);
            record.version_at(&Stage::Pending).is_some()
        };
        assert!(pending(&claim, 3, 5));
        let changed = |seconds: i64| {
            let now = claim.at + SignedDuration::from_secs(seconds);
            let record = secret(&claim).record(arn(), &versions(&[(3, true)]), now);
            record.last_changed.map(|changed| now.duration_since(changed).as_secs())
        };
        assert_eq!(
            (changed(60), changed(330), changed(390)),
            (Some(0), Some(0), Some(60)),
            "a minute after the message"
        );
        assert!(!pending(&claim, 3, 6), "lost");
        assert!(!pending(&claim, 4, 0), "the new version is there");
        let owned = Claim { owner: Some("someone".to_owned()), ..claim };
        assert_eq!(Claim::of(&secret(&owned)).as_ref(), Some(&owned));
        assert!(!pending(&owned, 3, 0), "its value is in another's memory");
    }
}
