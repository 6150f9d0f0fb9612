//! What must hold before a secret may be touched.

use jiff::{SignedDuration, Timestamp};
use keystile_inventory::SecretRecord;

use crate::backend::Identity;
use crate::journal::History;
use crate::outcome::Outcome;
use crate::plan::{Action, Block};
use crate::token::Purpose;

/// Tag that a secret must have to be rotated, and the value that it must have.
pub const ALLOW_TAG: (&str, &str) = ("keystile.io/rotate", "allow");

/// Value of the same tag that forbids it, whatever the command line says.
pub const DENY_VALUE: &str = "deny";

/// Least time between two rotations of one secret: what a schedule may ask for at most (AWS Secrets Manager user
/// guide, "Rotation schedules": every four hours).
pub const INTERVAL: SignedDuration = SignedDuration::from_hours(4);

/// What the user allows.
#[derive(Debug, Clone, Default)]
pub struct Guards {
    /// Accounts in which may be acted; empty = none.
    pub accounts: Vec<String>,
    /// Prefixes of names that may be rotated; each ends in a separator.
    pub prefixes: Vec<String>,
    /// Whether [`ALLOW_TAG`] is asked for.
    pub needs_tag: bool,
    /// Whether a schedule that is switched off may be switched on again, as a rotation may do.
    pub may_reenable: bool,
    /// Whether a random value may be written into a secret that nobody rotates, where its tag says so.
    pub may_generate: bool,
    /// Whether a secret may be rotated although something else writes it.
    pub ignores_writers: bool,
    /// What earlier runs did, as their journals say.
    pub history: History,
}

/// A prefix that can't be told from the beginning of another team's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the prefix {0:?} must end in /, -, _ or .: it would also cover names that only begin alike")]
pub struct OpenPrefix(pub String);

impl Guards {
    /// Checks the prefixes.
    ///
    /// # Errors
    /// One is empty or does not end in a separator.
    pub fn check(&self) -> Result<(), OpenPrefix> {
        let open = self.prefixes.iter().find(|prefix| !prefix.ends_with(['/', '-', '_', '.']));
        open.map_or(Ok(()), |prefix| Err(OpenPrefix(prefix.clone())))
    }

    /// Everything that forbids the action on the secret, each with the cure.
    #[must_use]
    pub fn blocks(&self, identity: &Identity, record: &SecretRecord, action: Action, now: Timestamp) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut block = |outcome: Outcome, why: String| blocks.push(Block { outcome, why });
        let account = account_of(record).unwrap_or(&identity.account);
        if !self.accounts.iter().any(|allowed| allowed == account) {
            let why = format!("account {account} is not allowed; if it is yours, give --allow-account {account}");
            block(Outcome::ForeignAccount, why);
        }
        if record.deleted.is_some() {
            let why = "it is scheduled for deletion; restore it (RestoreSecret), or let it go".to_owned();
            block(Outcome::ScheduledForDeletion, why);
        }
        if let (Some(primary), Some(here)) = (&record.primary_region, region_of(record))
            && primary != here
        {
            let why = format!("it is a copy of the secret in {primary}; plan with --region {primary}");
            block(Outcome::Replica, why);
        }
        if !self.prefixes.iter().any(|prefix| record.name.starts_with(prefix)) {
            let why = "its name has none of the allowed prefixes; give --allow-prefix".to_owned();
            block(Outcome::Blocked, why);
        }
        let tag = record.tags.get(ALLOW_TAG.0).map(String::as_str);
        if tag == Some(DENY_VALUE) {
            block(Outcome::Blocked, format!("its tag {}={DENY_VALUE} forbids it", ALLOW_TAG.0));
        } else if self.needs_tag && tag != Some(ALLOW_TAG.1) {
            let why = format!("it lacks the tag {}={}; its owner sets it", ALLOW_TAG.0, ALLOW_TAG.1);
            block(Outcome::Blocked, why);
        }
        if record.rotation_enabled == Some(false) && !self.may_reenable {
            let why = "its schedule is switched off, and a rotation may switch it on again; give --allow-reenable";
            block(Outcome::Blocked, why.to_owned());
        }
        let is_second = action == Action::Rotate(Purpose::Second);
        // Our own journal counts as well: LastRotatedDate has only what the manager calls a success. A second
        // rotation has leave and a wait of its own (`Limits::second_rotation`).
        let last = record.last_rotated.max(self.history.last_rotation(&record.arn));
        if let Some(last) = last.filter(|last| !is_second && now.duration_since(*last) < INTERVAL) {
            let why = format!("it was rotated at {last}, less than four hours ago; wait, or look at who did");
            block(Outcome::Blocked, why);
        }
        if let Some(writer) = writer_of(record)
            && !self.ignores_writers
        {
            let why =
                format!("{writer} writes it and would put the leaked value back; stop that first, or give --force");
            block(Outcome::Blocked, why);
        }
        blocks
    }
}

/// The account in the secret's ARN; `None` for names that are none.
fn account_of(record: &SecretRecord) -> Option<&str> {
    record.arn.0.starts_with("arn:").then(|| record.arn.0.split(':').nth(4)).flatten()
}

fn region_of(record: &SecretRecord) -> Option<&str> {
    record.arn.0.starts_with("arn:").then(|| record.arn.0.split(':').nth(3)).flatten()
}

/// Who else writes the secret, as its tags tell: External Secrets Operator's PushSecret, CloudFormation, Terraform.
fn writer_of(record: &SecretRecord) -> Option<&'static str> {
    let tag = |name: &str| record.tags.get(name).map(String::as_str);
    if tag("managed-by") == Some("external-secrets") {
        Some("a PushSecret")
    } else if tag("aws:cloudformation:stack-id").is_some() {
        Some("a CloudFormation stack")
    } else if ["managed-by", "ManagedBy", "managed_by"]
        .iter()
        .any(|name| tag(name).is_some_and(|value| value.eq_ignore_ascii_case("terraform")))
    {
        Some("Terraform")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::BackendKind;
    use crate::journal::{Call, Entry, Event, Journal};
    use crate::token::Token;
    use keystile_inventory::{SecretArn, VersionId};

    const FIRST: Action = Action::Rotate(Purpose::First);

    fn identity() -> Identity {
        Identity {
            backend: BackendKind::AwsSecretsManager,
            account: "111111111111".to_owned(),
            region: Some("eu-west-1".to_owned()),
            caller: "arn:aws:sts::111111111111:assumed-role/plan/me".to_owned(),
            endpoint: "localhost".to_owned(),
        }
    }

    fn guards() -> Guards {
        Guards {
            accounts: vec!["111111111111".to_owned()],
            prefixes: vec!["/prod/team-a/".to_owned()],
            needs_tag: true,
            ..Guards::default()
        }
    }

    fn record() -> SecretRecord {
        let name = "/prod/team-a/db";
        let arn = format!("arn:aws:secretsmanager:eu-west-1:111111111111:secret:{name}-AbCdEf");
        let mut record = SecretRecord::new(SecretArn(arn), name.to_owned());
        record.tags.insert(ALLOW_TAG.0.to_owned(), ALLOW_TAG.1.to_owned());
        record
    }

    #[test]
    fn each_guard_forbids_on_its_own() {
        let now: Timestamp = "2026-11-25T12:00:00Z".parse().expect("a time");
        let at = |text: &str| Some(text.parse::<Timestamp>().expect("a time"));
        type Change = fn(&mut SecretRecord, &mut Guards);
        let cases: [(&str, Change, Option<Outcome>); 11] = [
            ("nothing", |_, _| {}, None),
            ("account", |_, guards| guards.accounts.clear(), Some(Outcome::ForeignAccount)),
            ("prefix", |record, _| record.name = "/prod/team-ab/db".to_owned(), Some(Outcome::Blocked)),
            ("no tag", |record, _| record.tags.clear(), Some(Outcome::Blocked)),
            ("no tag asked for", |record, guards| (record.tags.clear(), guards.needs_tag = false).1, None),
            (
                "deny wins",
                |record, guards| {
                    record.tags.insert(ALLOW_TAG.0.to_owned(), DENY_VALUE.to_owned());
                    guards.needs_tag = false;
                },
                Some(Outcome::Blocked),
            ),
            ("replica", |record, _| record.primary_region = Some("us-east-1".to_owned()), Some(Outcome::Replica)),
            ("primary", |record, _| record.primary_region = Some("eu-west-1".to_owned()), None),
            ("schedule off", |record, _| record.rotation_enabled = Some(false), Some(Outcome::Blocked)),
            (
                "schedule off, allowed",
                |record, guards| (record.rotation_enabled = Some(false), guards.may_reenable = true).1,
                None,
            ),
            (
                "written by others",
                |record, _| drop(record.tags.insert("managed-by".to_owned(), "external-secrets".to_owned())),
                Some(Outcome::Blocked),
            ),
        ];
        for (name, change, expected) in cases {
            let (mut record, mut guards) = (record(), guards());
            change(&mut record, &mut guards);
            let outcomes: Vec<Outcome> =
                guards.blocks(&identity(), &record, FIRST, now).into_iter().map(|block| block.outcome).collect();
            assert_eq!(outcomes, expected.into_iter().collect::<Vec<_>>(), "{name}");
        }
        for (last, blocks) in [("2026-11-25T08:00:01Z", 1), ("2026-11-25T08:00:00Z", 0)] {
            let record = SecretRecord { last_rotated: at(last), ..record() };
            let count = |action| guards().blocks(&identity(), &record, action, now).len();
            assert_eq!(count(FIRST), blocks, "rotated at {last}");
            assert_eq!(count(Action::Rotate(Purpose::Second)), 0, "it has a wait of its own");
        }
    }

    #[test]
    fn a_rotation_of_our_own_counts_whatever_the_manager_says() {
        let (secret, leaked) = (record(), VersionId("v1".to_owned()));
        let token = Token::derive(&secret.arn, &leaked, Purpose::First, 0);
        let time = |text: &str| text.parse::<Timestamp>().expect("a time");
        let line = |at: &str, event| Entry { at: time(at), run: "r".to_owned(), event };
        let entries = [
            line(
                "2026-11-25T10:00:00Z",
                Event::Intent { item: 1, arn: secret.arn.clone(), leaked, call: Call::Rotate, token, generation: 0 },
            ),
            line("2026-11-25T10:00:01Z", Event::Answer { item: 1, call: Call::Rotate, request_id: None, error: None }),
            line(
                "2026-11-25T10:00:09Z",
                Event::Ended {
                    item: 1,
                    outcome: Outcome::Rotated,
                    current: None,
                    since: Some(time("2026-11-25T10:00:05Z")),
                    proof: Vec::new(),
                },
            ),
        ];
        for (lines, now, blocks) in [
            (3, "2026-11-25T14:00:04Z", 1),
            (3, "2026-11-25T14:00:05Z", 0),
            // Asked for is not done.
            (2, "2026-11-25T10:00:02Z", 0),
        ] {
            let journal = Journal { entries: entries[..lines].to_vec(), torn: false };
            let guards = Guards { history: journal.history(), ..guards() };
            assert_eq!(guards.blocks(&identity(), &secret, FIRST, time(now)).len(), blocks, "{lines} lines, {now}");
        }
    }

    #[test]
    fn a_prefix_ends_in_a_separator() {
        let with = |prefix: &str| Guards { prefixes: vec![prefix.to_owned()], ..Guards::default() }.check();
        assert_eq!(with("/prod/team-a/"), Ok(()));
        assert_eq!(with("/prod/team-a"), Err(OpenPrefix("/prod/team-a".to_owned())));
        assert!(with("").is_err());
    }
}
