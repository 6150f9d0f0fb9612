//! Plans and journals to make reports of.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use keystile_inventory::{RotationMeans, SecretArn, Stage, VersionId};
use keystile_rotate::backend::{BackendKind, Identity};
use keystile_rotate::consumers::{
    Because, Commands, Consumer, Consumers, How, LookedAt, ObjectName, PickUp, Reason, Use, Writer, Writes,
};
use keystile_rotate::journal::{self, Call, Entry, Event, Journal};
use keystile_rotate::plan::{Action, Block, FORMAT, Held, PlanItem, RotationPlan, Searched, Source, Strategy, Unread};
use keystile_rotate::report::{Incident, Input};
use keystile_rotate::token::Purpose;
use keystile_rotate::{Outcome, Place, PlaceKind, Token};

pub(crate) const ACCOUNT: &str = "111111111111";
pub(crate) const CALLER: &str = "arn:aws:sts::111111111111:assumed-role/keystile-apply/ci";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

pub(crate) fn now() -> Timestamp {
    at("2026-11-26T03:20:00Z")
}

pub(crate) fn identity() -> Identity {
    Identity {
        backend: BackendKind::AwsSecretsManager,
        account: ACCOUNT.to_owned(),
        region: Some("eu-west-1".to_owned()),
        caller: CALLER.to_owned(),
        endpoint: "secretsmanager.eu-west-1.amazonaws.com".to_owned(),
    }
}

pub(crate) fn place(commit: char, path: &str, line: u64, date: &str, in_head: bool) -> Place {
    Place {
        kind: PlaceKind::Commit,
        commit: Some(commit.to_string().repeat(40)),
        path: path.to_owned(),
        line,
        column: 9,
        date: Some(date.to_owned()),
        in_head: Some(in_head),
    }
}

pub(crate) fn held(name: &str) -> Held {
    Held {
        backend: BackendKind::AwsSecretsManager,
        account: ACCOUNT.to_owned(),
        region: Some("eu-west-1".to_owned()),
        arn: SecretArn(format!("arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:{name}-AbCdEf")),
        name: name.to_owned(),
        version: VersionId(format!("v1-of-{}", name.rsplit('/').next().unwrap_or(name))),
        stages: BTreeSet::from([Stage::Current]),
        pointer: "/password".to_owned(),
        normalisation: Vec::new(),
        rotation: RotationMeans::Function {
            arn: format!(
                "arn:aws:lambda:eu-west-1:{ACCOUNT}:function:rotate-{}",
                name.rsplit('/').next().unwrap_or(name)
            ),
        },
        strategy: Strategy::SingleUser,
        replicas: Vec::new(),
        last_rotated: None,
        state: "0".repeat(64),
    }
}

pub(crate) fn item(number: u32, secret: Option<Held>, action: Action) -> PlanItem {
    PlanItem {
        number,
        rule: "password-in-url".to_owned(),
        places: vec![place('a', "config/app.env", 3, "2026-11-14T10:00:00+01:00", true)],
        secret,
        access_key: None,
        action,
        blocked: Vec::new(),
        warnings: Vec::new(),
        guidance: Vec::new(),
        consumers: None,
    }
}

pub(crate) fn plan(items: Vec<PlanItem>) -> RotationPlan {
    RotationPlan {
        format: FORMAT.to_owned(),
        made_at: at("2026-11-26T03:00:00Z"),
        source: Source { what: "history of .".to_owned(), ..Source::default() },
        identities: vec![identity()],
        items,
        searched: Searched {
            all_versions: false,
            prefixes: vec!["/prod/team-a/".to_owned()],
            secrets: 12,
            versions: 23,
            values: 71,
            too_weak: BTreeMap::from([("shorter than 8 characters".to_owned(), 4)]),
            unread: Vec::new(),
        },
    }
}

pub(crate) fn consumers() -> Consumers {
    let object = |kind: &str, name: &str| ObjectName {
        namespace: "shop".to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
    };
    let secret = object("Secret", "db");
    Consumers {
        looked_at: LookedAt {
            source: "manifests in deploy/".to_owned(),
            objects: BTreeMap::from([("Deployment".to_owned(), 4), ("ExternalSecret".to_owned(), 2)]),
            gaps: vec!["deploy/chart/es.yaml is a template".to_owned()],
        },
        consumers: vec![
            Consumer {
                object: object("ExternalSecret", "db"),
                file: Some("deploy/shop.yaml:7".to_owned()),
                made_by: None,
                uses: vec![Use { place: "spec.data[0].remoteRef.key".to_owned(), how: How::Reference, through: None }],
                makes: vec![secret.clone()],
                pick_up: PickUp::ByItself { within_seconds: Some(3_600) },
                reasons: Vec::new(),
            },
            Consumer {
                object: object("Deployment", "web"),
                file: Some("deploy/shop.yaml:7".to_owned()),
                made_by: None,
                uses: vec![Use {
                    place: "spec.template.spec.containers[0].env[1]".to_owned(),
                    how: How::Environment,
                    through: Some(secret),
                }],
                makes: Vec::new(),
                pick_up: PickUp::AtStart { from_seconds: Some(3_600) },
                reasons: vec![Reason::Environment.into()],
            },
            Consumer {
                object: object("ExternalSecret", "db-pinned"),
                file: Some("deploy/shop.yaml:7".to_owned()),
                made_by: None,
                uses: vec![Use { place: "spec.dataFrom[0].extract.key".to_owned(), how: How::Extract, through: None }],
                makes: Vec::new(),
                pick_up: PickUp::NotByItself,
                reasons: vec![Because::new(Reason::VersionPinned, "version uuid/v1")],
            },
        ],
        writers: vec![Writer {
            object: object("PushSecret", "db-backup"),
            file: Some("deploy/shop.yaml:7".to_owned()),
            place: "spec.data[0]".to_owned(),
            effect: Writes::Back,
            why: "it writes the secret every hour from Secret shop/db-source; stop it first".to_owned(),
        }],
        wait_seconds: Some(3_600),
        commands: Commands {
            force_sync: vec!["kubectl -n shop annotate externalsecret db force-sync=1 --overwrite".to_owned()],
            remake: Vec::new(),
            restart: vec!["kubectl -n shop rollout restart deployment/web".to_owned()],
        },
        ..Consumers::default()
    }
}

/// A plan with one of everything that a team meets in one evening.
pub(crate) fn evening() -> RotationPlan {
    let mut rotated = item(1, Some(held("/prod/team-a/db")), Action::Rotate(Purpose::First));
    rotated.places.push(place('b', "docs/how-to.md", 40, "2026-11-20T08:00:00Z", false));
    rotated.consumers = Some(consumers());
    let mut alternating = item(2, Some(held("/prod/team-a/orders")), Action::Rotate(Purpose::First));
    alternating.secret.as_mut().expect("held").strategy = Strategy::AlternatingUsers;
    alternating.warnings =
        vec!["two users take turns: after one rotation the leaked login still works, a second one ends it".to_owned()];
    let failed = item(3, Some(held("/prod/team-a/mail")), Action::Rotate(Purpose::First));
    let mut blocked = item(4, Some(held("/prod/team-b/api")), Action::Rotate(Purpose::First));
    blocked.blocked = vec![Block {
        outcome: Outcome::Blocked,
        why: "its name has none of the allowed prefixes; give --allow-prefix".to_owned(),
    }];
    let mut unmanaged = item(5, None, Action::Nothing(Outcome::Unmanaged));
    unmanaged.guidance = vec!["no secret that was read holds this value: revoke it at its issuer".to_owned()];
    let mut replicated = item(6, Some(held("/prod/team-a/search")), Action::Rotate(Purpose::First));
    replicated.secret.as_mut().expect("held").replicas = vec!["eu-central-1".to_owned(), "us-east-1".to_owned()];
    let mut plan = plan(vec![rotated, alternating, failed, blocked, unmanaged, replicated]);
    plan.source.gaps = vec!["big.zip: nested too deeply".to_owned()];
    plan.searched.unread = vec![Unread {
        arn: SecretArn(format!("arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:/prod/team-a/kms-XyZaBc")),
        why: "GetSecretValue: the key may not be used".to_owned(),
    }];
    plan
}

/// Lines of a journal, one a second from 03:10 on.
pub(crate) struct Lines {
    pub(crate) journal: Journal,
    run: String,
}

impl Lines {
    pub(crate) fn begin(plan: &RotationPlan) -> Self {
        let mut lines = Self { journal: Journal::default(), run: "run-1".to_owned() };
        lines.run("run-1", plan);
        lines
    }

    pub(crate) fn run(&mut self, run: &str, plan: &RotationPlan) {
        self.run = run.to_owned();
        let items = plan.items.iter().map(|item| item.number).collect();
        self.add(Event::Begin { format: journal::FORMAT.to_owned(), plan: plan.digest(), items });
    }

    pub(crate) fn add(&mut self, event: Event) {
        let second = self.journal.entries.len() as i64;
        let at = at("2026-11-26T03:10:00Z") + jiff::SignedDuration::from_secs(second);
        self.journal.entries.push(Entry { at, run: self.run.clone(), event });
    }

    /// A call with its answer.
    pub(crate) fn call(&mut self, item: u32, held: &Held, error: Option<&str>) {
        let token = Token::derive(&held.arn, &held.version, Purpose::First, 0);
        self.add(Event::Intent {
            item,
            arn: held.arn.clone(),
            leaked: held.version.clone(),
            call: Call::Rotate,
            token,
            generation: 0,
        });
        let request_id = Some(format!("request-{item}"));
        self.add(Event::Answer { item, call: Call::Rotate, request_id, error: error.map(ToOwned::to_owned) });
    }

    pub(crate) fn end(&mut self, item: u32, outcome: Outcome, current: Option<&str>, proof: &[&str]) {
        self.add(Event::Ended {
            item,
            outcome,
            current: current.map(|version| VersionId(version.to_owned())),
            since: None,
            proof: proof.iter().map(ToString::to_string).collect(),
        });
    }
}

/// What came of [`evening`].
pub(crate) fn evening_journal(plan: &RotationPlan) -> Journal {
    let held = |item: usize| plan.items[item].secret.clone().expect("held");
    let mut lines = Lines::begin(plan);
    lines.call(1, &held(0), None);
    lines.end(
        1,
        Outcome::Rotated,
        Some("v2-of-db"),
        &[
            "version v2-of-db is current and v1-of-db is not",
            "their values differ, and what leaked at /password is not in v2-of-db",
        ],
    );
    lines.call(2, &held(1), None);
    lines.end(
        2,
        Outcome::LoginStillValid,
        Some("v2-of-orders"),
        &[
            "version v2-of-orders is current and v1-of-orders is not",
            "two users take turns (the user name changed): the login of v1-of-orders works until the next rotation",
        ],
    );
    lines.call(3, &held(2), Some("RotateSecret: the rotation function can't be invoked (request request-3)"));
    lines.end(
        3,
        Outcome::FailedLeakActive,
        Some("v1-of-mail"),
        &["RotateSecret: the rotation function can't be invoked"],
    );
    lines.end(4, Outcome::Blocked, None, &["its name has none of the allowed prefixes; give --allow-prefix"]);
    lines.end(5, Outcome::Unmanaged, None, &["no managed secret that was looked at holds it"]);
    lines.call(6, &held(5), None);
    lines.end(
        6,
        Outcome::ReplicaLags,
        Some("v2-of-search"),
        &[
            "version v2-of-search is current and v1-of-search is not",
            "the copy in us-east-1 still has version v1-of-search",
        ],
    );
    lines.add(Event::End { stopped: None });
    lines.journal
}

pub(crate) fn incident(plan: &RotationPlan, journal: Option<&Journal>) -> Incident {
    Incident::new(Input { journal, plan_file: Some("plan.json"), ..Input::new(plan, now()) })
}
