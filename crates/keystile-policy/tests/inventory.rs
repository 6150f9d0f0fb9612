//! Live state: what the inventory says is judged, what it does not say is never passed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use jiff::{Timestamp, ToSpan as _};
use keystile_policy::policy::document;
use keystile_policy::world::InventoryEntry;
use keystile_policy::{Action, Door, Engine, Operation, Outcome, Policy, Request, Snapshot};
use serde_json::{Value, json};

const NAME: &str = "/prod/team-a/db";

fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

fn ago(days: i64) -> Timestamp {
    now() - (days * 24).hours()
}

fn policy(more: Value) -> Policy {
    let mut document = json!({
        "apiVersion": "keystile.dev/v1alpha1", "kind": "SecretPolicy", "metadata": {"name": "default"},
        "spec": {
            "binding": {"team": {"label": "team"}, "env": {"value": "prod"}},
            "providers": [{
                "aws": {"accounts": ["111111111111"], "regions": ["eu-west-1"]},
                "grants": [{"names": "/{env}/{team}/**", "access": ["read", "write"]}],
            }],
            "kms": {"aliases": ["alias/secrets-{env}"]},
            "rotation": {"maxAge": "90d"},
            "inventory": {"maxAge": "1h"},
        },
    });
    for (field, value) in more.as_object().unwrap() {
        document["spec"][field] = value.clone();
    }
    let (policy, problems) = document::read(&document, now()).unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    policy
}

/// A secret with nothing to find.
fn entry() -> InventoryEntry {
    InventoryEntry {
        name: NAME.to_owned(),
        arn: format!("arn:aws:secretsmanager:eu-west-1:111111111111:secret:{NAME}-AbCdEf"),
        kms_key_id: Some("alias/secrets-prod".to_owned()),
        rotation_enabled: Some(true),
        rotation_days: Some(30),
        last_rotated: Some(ago(20)),
        last_changed: Some(ago(20)),
        created: Some(ago(500)),
        tags: [("Team".to_owned(), "a".to_owned())].into(),
        ..InventoryEntry::default()
    }
}

fn external_secret(data: Value) -> Value {
    json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": "db", "namespace": "a"},
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": "aws"},
            "data": data,
        },
    })
}

fn reads(name: &str) -> Value {
    external_secret(json!([{"secretKey": "p", "remoteRef": {"key": name}}]))
}

fn world(inventory: Option<(Vec<InventoryEntry>, Timestamp)>) -> Snapshot {
    let mut world = Snapshot::complete();
    for object in [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"team": "team-a"}}}),
        json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": "aws"},
            "spec": {"provider": {"aws": {
                "service": "SecretsManager", "region": "eu-west-1", "role": "arn:aws:iam::111111111111:role/hub",
            }}},
        }),
        json!({
            "apiVersion": "aws-infra-operator.runner.codes/v1alpha1", "kind": "AWSProvider",
            "metadata": {"name": "aws", "namespace": "a"}, "spec": {"region": "eu-west-1"},
        }),
    ] {
        world.insert(Arc::new(object));
    }
    if let Some((entries, read_at)) = inventory {
        world.set_inventory(entries, read_at);
    }
    world
}

/// Rule, outcome and action of each violation.
fn judge(policy: Policy, object: &Value, world: &Snapshot) -> Vec<(&'static str, Outcome, Action)> {
    let judgement = Engine::new(policy).judge(&Request::offline(object, "", now()), world);
    judgement
        .violations
        .iter()
        .map(|judged| (judged.violation.rule.id, judged.violation.outcome, judged.action))
        .collect()
}

/// What is found about one secret, which a fresh inventory has.
fn found(entry: InventoryEntry) -> Vec<(&'static str, Outcome)> {
    let policy = policy(json!({"tags": {"required": ["Team"]}}));
    let world = world(Some((vec![entry], now())));
    judge(policy, &reads(NAME), &world).into_iter().map(|(id, outcome, _)| (id, outcome)).collect()
}

fn only(id: &'static str) -> Vec<(&'static str, Outcome)> {
    vec![(id, Outcome::Failed)]
}

fn not_known(id: &'static str) -> Vec<(&'static str, Outcome)> {
    vec![(id, Outcome::NotEvaluated)]
}

#[test]
fn a_secret_that_is_as_it_should_be_passes() {
    assert_eq!(found(entry()), []);
}

#[test]
fn keys_are_what_the_secret_has_not_what_a_manifest_says() {
    let key = |key: Option<&str>| found(InventoryEntry { kms_key_id: key.map(str::to_owned), ..entry() });
    assert_eq!(key(None), only("inventory-kms-key"), "AWS leaves its own key out");
    assert_eq!(key(Some("alias/aws/secretsmanager")), only("inventory-kms-key"));
    assert_eq!(key(Some("alias/secrets-dev")), only("inventory-kms-key"));
    assert_eq!(key(Some("arn:aws:kms:eu-west-1:222222222222:alias/secrets-prod")), only("inventory-kms-key"));
    assert_eq!(key(Some("arn:aws:kms:eu-west-1:111111111111:alias/secrets-prod")), []);
    let id = "arn:aws:kms:eu-west-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    assert_eq!(key(Some(id)), not_known("inventory-kms-key"), "it may be the listed alias's key");
}

#[test]
fn any_customer_managed_key_does_where_the_policy_lists_none() {
    let id = "arn:aws:kms:eu-west-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let world = world(Some((vec![InventoryEntry { kms_key_id: Some(id.to_owned()), ..entry() }], now())));
    assert_eq!(judge(policy(json!({"kms": {}})), &reads(NAME), &world), []);
}

#[test]
fn rotation_is_on_quick_enough_and_done() {
    let off = |enabled| found(InventoryEntry { rotation_enabled: enabled, ..entry() });
    assert_eq!(off(None), only("inventory-rotation-off"));
    assert_eq!(off(Some(false)), only("inventory-rotation-off"), "the rules of a cancelled rotation remain");

    let days = |days, last| found(InventoryEntry { rotation_days: days, last_rotated: Some(ago(last)), ..entry() });
    assert_eq!(days(Some(91), 20), only("inventory-rotation-slow"));
    assert_eq!(days(Some(90), 20), []);
    assert_eq!(days(None, 20), not_known("inventory-rotation-slow"));
    assert_eq!(days(Some(30), 32), [], "two days of grace");
    assert_eq!(days(Some(30), 33), only("inventory-rotation-overdue"));

    let expression =
        |text: &str| found(InventoryEntry { rotation_days: None, rotation_schedule: Some(text.to_owned()), ..entry() });
    assert_eq!(expression("rate(30 days)"), []);
    assert_eq!(expression("cron(0 8 1 JAN,FEB ? *)"), only("inventory-rotation-slow"));
    assert_eq!(expression("rate(10 days)"), only("inventory-rotation-overdue"));
    assert_eq!(expression("sometimes"), not_known("inventory-rotation-slow"));
}

#[test]
fn a_service_of_aws_that_owns_the_secret_rotates_it_by_itself() {
    let managed = |enabled| InventoryEntry {
        owning_service: Some("rds".to_owned()),
        rotation_days: None,
        rotation_enabled: enabled,
        ..entry()
    };
    assert_eq!(found(managed(Some(true))), []);
    assert_eq!(found(managed(None)), only("inventory-rotation-off"));
}

#[test]
fn a_rotation_that_never_ran_is_late_from_the_day_the_secret_was_made() {
    let made =
        |days| found(InventoryEntry { last_rotated: None, last_changed: None, created: Some(ago(days)), ..entry() });
    assert_eq!(made(10), []);
    assert_eq!(made(40), only("inventory-rotation-overdue"));
}

#[test]
fn a_value_is_old_when_nothing_changed_and_not_known_when_something_did() {
    let ages = |rotated: Option<i64>, changed: Option<i64>, created: Option<i64>| {
        let of_values = InventoryEntry {
            last_rotated: rotated.map(ago),
            last_changed: changed.map(ago),
            created: created.map(ago),
            ..entry()
        };
        found(of_values).into_iter().filter(|(id, _)| *id == "inventory-value-old").collect::<Vec<_>>()
    };
    assert_eq!(ages(None, Some(100), Some(500)), only("inventory-value-old"));
    assert_eq!(ages(None, Some(10), Some(500)), not_known("inventory-value-old"), "a tag may have changed");
    assert_eq!(ages(Some(100), Some(10), Some(500)), not_known("inventory-value-old"));
    assert_eq!(ages(Some(90), Some(10), Some(500)), []);
    assert_eq!(ages(None, Some(10), Some(80)), [], "it is no older than its secret");
    assert_eq!(ages(None, None, None), not_known("inventory-value-old"));
}

#[test]
fn tags_and_planned_deletion() {
    assert_eq!(found(InventoryEntry { tags: [].into(), ..entry() }), only("inventory-tag-missing"));
    assert_eq!(found(InventoryEntry { deleted: Some(ago(1)), ..entry() }), only("inventory-pending-deletion"));
}

#[test]
fn what_the_inventory_does_not_tell_is_said_and_not_passed() {
    let unknown = [("inventory-unknown", Outcome::NotEvaluated, Action::Warn)];
    let fresh = |entries| world(Some((entries, now())));
    let other = |arn: &str| InventoryEntry { arn: arn.to_owned(), ..entry() };
    let here = InventoryEntry { name: "other".to_owned(), ..entry() };
    assert_eq!(judge(policy(json!({})), &reads(NAME), &fresh(vec![here])), unknown, "absent");
    assert_eq!(judge(policy(json!({})), &reads(NAME), &fresh(vec![])), unknown, "an empty list covers nothing");
    let elsewhere = other("arn:aws:secretsmanager:us-east-1:111111111111:secret:x");
    assert_eq!(judge(policy(json!({})), &reads(NAME), &fresh(vec![elsewhere])), unknown, "another region");
    let foreign = other("arn:aws:secretsmanager:eu-west-1:222222222222:secret:x");
    assert_eq!(judge(policy(json!({})), &reads(NAME), &fresh(vec![foreign])), unknown, "another account");
    let stale = |minutes: i64| world(Some((vec![entry()], now() - minutes.minutes())));
    assert_eq!(judge(policy(json!({})), &reads(NAME), &stale(61)), unknown, "too old");
    assert_eq!(judge(policy(json!({})), &reads(NAME), &stale(60)), []);
    let search = json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": "db", "namespace": "a"},
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": "aws"},
            "dataFrom": [{"find": {"path": "/prod/team-a/"}}],
        },
    });
    let said = judge(policy(json!({})), &search, &fresh(vec![entry()]));
    assert_eq!(said.iter().filter(|(id, ..)| *id == "inventory-unknown").count(), 1, "{said:?}");
}

#[test]
fn without_an_inventory_it_is_said_once_where_the_policy_asks_for_one() {
    let many: Vec<Value> =
        (0..5).map(|nth| json!({"secretKey": "p", "remoteRef": {"key": format!("/prod/team-a/{nth}")}})).collect();
    let object = external_secret(Value::Array(many));
    let none = world(None);
    assert_eq!(judge(policy(json!({})), &object, &none), [], "nobody asked");
    let asked = |more| judge(policy(more), &object, &none);
    let unknown = |action| [("inventory-unknown", Outcome::NotEvaluated, action)];
    assert_eq!(asked(json!({"rules": {"inventory-unknown": "deny"}})), unknown(Action::Deny));
    assert_eq!(asked(json!({"rules": {"inventory": "warn"}})), unknown(Action::Warn));
    assert_eq!(asked(json!({"profile": "pci"})), unknown(Action::Warn), "it would refuse everything");
}

#[test]
fn live_state_is_looked_up_by_effective_key() {
    let arn = format!("arn:aws:secretsmanager:eu-west-1:111111111111:secret:{NAME}-AbCdEf");
    let broken = InventoryEntry { rotation_enabled: None, ..entry() };
    let said =
        judge(policy(json!({"rules": {"key-is-arn": "allow"}})), &reads(&arn), &world(Some((vec![broken], now()))));
    assert_eq!(said, [("inventory-rotation-off", Outcome::Failed, Action::Deny)]);
}

#[test]
fn a_secret_that_the_operator_makes_need_not_be_there_yet() {
    let object = |status: Value| {
        json!({
            "apiVersion": "aws-infra-operator.runner.codes/v1alpha1", "kind": "SecretsManagerSecret",
            "metadata": {"name": "db", "namespace": "a"},
            "spec": {
                "providerRef": {"name": "aws"}, "secretName": NAME, "kmsKeyId": "alias/secrets-prod",
                "rotationEnabled": true, "automaticallyAfterDays": 30, "deletionPolicy": "Retain",
                "rotationLambdaARN": "arn:aws:lambda:eu-west-1:111111111111:function:rotate",
            },
            "status": status,
        })
    };
    let others = || world(Some((vec![InventoryEntry { name: "other".to_owned(), ..entry() }], now())));
    assert_eq!(judge(policy(json!({})), &object(json!({})), &others()), []);
    let made = judge(policy(json!({})), &object(json!({"arn": "arn:x"})), &others());
    assert_eq!(made, [("inventory-unknown", Outcome::NotEvaluated, Action::Warn)]);
    // The key counts when the secret is made: one that is there keeps the key that it has.
    let kept = world(Some((vec![InventoryEntry { kms_key_id: None, ..entry() }], now())));
    let said = judge(policy(json!({})), &object(json!({})), &kept);
    assert_eq!(said, [("inventory-kms-key", Outcome::Failed, Action::Deny)]);
}

#[test]
fn an_update_is_not_refused_for_live_state_that_was_as_bad_before() {
    let world = world(Some((vec![InventoryEntry { rotation_enabled: None, ..entry() }], now())));
    let (old, mut new) = (reads(NAME), reads(NAME));
    new["spec"]["refreshInterval"] = json!("2h");
    let mut request = Request::offline(&new, "", now());
    request.door = Door::Admission;
    request.operation = Operation::Update;
    request.old_object = Some(&old);
    assert!(Engine::new(policy(json!({}))).judge(&request, &world).violations.is_empty());
}
