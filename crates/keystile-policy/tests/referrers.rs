//! A changed store against the objects that refer to it: where it is not judged, how much is said, and
//! how many are too many. What breaks and what does not is in `tests/threats`.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use keystile_policy::policy::document;
use keystile_policy::subject::store::{StoreFacts, StoreKind};
use keystile_policy::world::{GeneratorId, Inventory, Namespace, Objects, StoredObject};
use keystile_policy::{Door, Engine, Judgement, Lookup, Operation, Request, Snapshot, User, World};
use serde_json::{Value, json};

fn engine() -> Engine {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/threats/policies/changed-later.yaml");
    let text = std::fs::read_to_string(file).expect("the policy can be read");
    let document: Value = serde_saphyr::from_str(&text).expect("it is YAML");
    let now = "2026-11-25T12:00:00Z".parse().expect("a time");
    Engine::new(document::read(&document, now).expect("the policy has no error").0)
}

fn store(prefix: &str) -> Value {
    json!({
        "apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": {"name": "own", "namespace": "a"},
        "spec": {"provider": {"aws": {
            "service": "SecretsManager", "region": "eu-west-1", "prefix": prefix,
            "auth": {"jwt": {"serviceAccountRef": {"name": "secrets-reader"}}},
        }}},
    })
}

/// Namespace `a`, with as many objects that read `key` through its store.
fn world(objects: usize, key: &str) -> Snapshot {
    let mut world = Snapshot::complete();
    world.insert(Arc::new(json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "a", "labels": {"team": "team-a", "env": "prod"}},
    })));
    for number in 0..objects {
        world.insert(Arc::new(json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": format!("db-{number:05}"), "namespace": "a"},
            "spec": {
                "refreshInterval": "1h",
                "secretStoreRef": {"kind": "SecretStore", "name": "own"},
                "data": [{"secretKey": "p", "remoteRef": {"key": key}}],
            },
        })));
    }
    world
}

/// The store's prefix goes from the team's to everybody's.
fn judge(world: &dyn World, door: Door, operation: Operation) -> Judgement {
    let (old, new) = (store("/prod/team-a/"), store("/prod/shared/"));
    let user = User { name: "tenant".to_owned(), groups: Vec::new() };
    let mut request = Request::offline(&new, "", "2026-11-25T12:00:00Z".parse().expect("a time"));
    request.door = door;
    request.operation = operation;
    request.old_object = (operation != Operation::Create).then_some(&old);
    request.object = (operation != Operation::Delete).then_some(&new);
    request.user = (door == Door::Admission).then_some(&user);
    engine().judge(&request, world)
}

fn said(judgement: &Judgement) -> Vec<String> {
    judgement.violations.iter().map(|judged| judged.violation.to_string()).collect()
}

#[test]
fn the_message_names_the_object_and_what_is_wrong_with_it() {
    let judgement = judge(&world(1, "payments/db"), Door::Admission, Operation::Update);
    let [judged] = judgement.violations.as_slice() else { panic!("{:?}", said(&judgement)) };
    assert_eq!(judged.violation.about, "ExternalSecret a/db-00000 key-outside-grant");
    assert_eq!(
        judged.violation.to_string(),
        "spec: SecretStore \"own\" would break what refers to it: \"ExternalSecret a/db-00000\": \
         spec.data[0].remoteRef.key: with the store it names \"/prod/shared/payments/db\", which is outside of what \
         is granted (key-outside-grant); change those objects first, or remove them (store-breaks-referrer)"
    );
}

#[test]
fn offline_and_a_deletion_judge_no_other_object() {
    let world = world(1, "payments/db");
    for (door, operation) in
        [(Door::Offline, Operation::Create), (Door::Offline, Operation::Update), (Door::Admission, Operation::Delete)]
    {
        let judgement = judge(&world, door, operation);
        assert!(judgement.violations.is_empty(), "{door:?} {operation:?}: {:?}", said(&judgement));
    }
    assert!(judge(&world, Door::Admission, Operation::Create).is_denied());
}

#[test]
fn one_violation_names_five_and_looks_for_ten() {
    for (objects, more) in [(5, ""), (7, "; and 2 more"), (10, "; and 5 more at least"), (40, "; and 5 more at least")]
    {
        let judgement =
            judge(&world(objects, &format!("payments/{}", "x".repeat(400))), Door::Admission, Operation::Update);
        let [text] = said(&judgement).try_into().expect("one violation");
        assert_eq!(text.matches("ExternalSecret").count(), 5, "{objects}: {text}");
        let end =
            format!("(key-outside-grant){more}; change those objects first, or remove them (store-breaks-referrer)");
        assert!(text.ends_with(&end), "{objects}: {text}");
        assert!(text.chars().count() < 5 * 350 + 200, "{objects}: {} characters", text.chars().count());
    }
}

#[test]
fn more_than_can_be_judged_are_refused() {
    for (objects, rules) in [(25_000, &[] as &[&str]), (25_001, &["store-referrers-not-judged"])] {
        let judgement = judge(&world(objects, "config"), Door::Admission, Operation::Update);
        let found: Vec<&str> = judgement.violations.iter().map(|judged| judged.violation.rule.id).collect();
        assert_eq!(found, rules, "{objects}");
    }
}

/// Counts the objects that are read.
struct Counting {
    world: Snapshot,
    read: Cell<usize>,
}

impl World for Counting {
    fn visit(&self, wanted: Objects<'_>, each: &mut dyn FnMut(StoredObject) -> ControlFlow<()>) {
        self.world.visit(wanted, &mut |object| {
            self.read.set(self.read.get() + 1);
            each(object)
        });
    }

    fn count(&self, wanted: Objects<'_>) -> usize {
        self.world.count(wanted)
    }

    fn namespace(&self, name: &str) -> Lookup<Arc<Namespace>> {
        self.world.namespace(name)
    }

    fn namespaces(&self) -> Lookup<Vec<Arc<Namespace>>> {
        self.world.namespaces()
    }

    fn store(&self, kind: StoreKind, namespace: &str, name: &str) -> Lookup<Arc<StoreFacts>> {
        self.world.store(kind, namespace, name)
    }

    fn stores(&self, kind: StoreKind, namespace: &str) -> Lookup<Vec<Arc<StoreFacts>>> {
        self.world.stores(kind, namespace)
    }

    fn generator(&self, id: &GeneratorId) -> Lookup<Arc<Value>> {
        self.world.generator(id)
    }

    fn aws_provider(&self, namespace: &str, name: &str) -> Lookup<Arc<Value>> {
        self.world.aws_provider(namespace, name)
    }

    fn inventory(&self, account: Option<&str>, region: &str, name: &str) -> Inventory {
        self.world.inventory(account, region, name)
    }
}

#[test]
fn none_is_read_of_too_many_and_none_after_enough_are_broken() {
    for (objects, key, read) in [(25_001, "config", 0), (300, "payments/db", 10), (300, "config", 300)] {
        let world = Counting { world: world(objects, key), read: Cell::new(0) };
        judge(&world, Door::Admission, Operation::Update);
        assert_eq!(world.read.get(), read, "{objects} objects that read {key}");
    }
}
