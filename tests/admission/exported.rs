//! `keystile policy export vap`: the API server refuses what it claims, and nothing that the policy admits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keystile_policy::policy::document;
use keystile_policy::policy::export::vap::{self, Service, VouchedStore};
use keystile_policy::{Action, Engine, Operation, Policy, Request, Snapshot, User};
use serde_json::{Value, json};

use crate::case::{self, Case, Door};
use crate::support::identities::{PLATFORM_ADMIN, TENANT_A};
use crate::support::kubectl::Run;
use crate::support::server::eventually;
use crate::support::{Cluster, cluster};

/// Namespaces of one load, and objects that are there before the policy, which the binding leaves out.
const SCOPE: &str = "test-vap";
const NOW: &str = "2026-11-25T12:00:00Z";

/// The stores of world.yaml, as long as a case does not replace them.
fn stores() -> Vec<VouchedStore> {
    let store = |name: &str, service| VouchedStore { name: name.to_owned(), service };
    vec![store("aws", Service::SecretsManager), store("ssm", Service::ParameterStore)]
}

fn threats() -> PathBuf {
    case::folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
}

/// An export that the API server has.
struct Loaded {
    cluster: &'static Cluster,
    name: String,
    policy: Policy,
    /// What it says that it refuses.
    denied: BTreeSet<String>,
    namespaces: BTreeMap<String, String>,
}

impl Loaded {
    /// Loads the export of a policy for the namespaces of this test.
    fn new(cluster: &'static Cluster, name: &str, file: &str, stores: &[VouchedStore]) -> Self {
        let text = std::fs::read_to_string(threats().join("policies").join(file)).unwrap();
        let document: Value = serde_saphyr::from_str(&text).unwrap();
        let (policy, _) = document::read(&document, NOW.parse().unwrap()).unwrap();
        let mut items = vap::policies(&policy, name, stores).documents;
        let mut denied = BTreeSet::new();
        for item in &mut items {
            if item["kind"] == "ValidatingAdmissionPolicyBinding" {
                item["spec"]["matchResources"] = json!({
                    "namespaceSelector": {"matchLabels": {SCOPE: name}},
                    "objectSelector": {"matchExpressions": [{"key": SCOPE, "operator": "NotIn", "values": ["before"]}]},
                });
            } else if item["metadata"]["name"] == format!("{name}-deny") {
                let rules = item["metadata"]["annotations"][vap::RULES_ANNOTATION].as_str().unwrap();
                denied = rules.split(',').map(str::to_owned).collect();
            }
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        let applied =
            cluster.kubectl(PLATFORM_ADMIN, ["apply", "--server-side", "-f", "-"], &list.to_string()).succeeds();
        assert!(!applied.stderr.contains("Warning"), "{}", applied.stderr);
        let mut loaded = Self { cluster, name: name.to_owned(), policy, denied, namespaces: BTreeMap::new() };
        // It counts once the API server has compiled it. An unbound namespace is refused by every policy here.
        let namespace = loaded.namespace(&json!({})).unwrap();
        let example =
            external_secret(&namespace, "example", vec![json!({"secretKey": "a", "remoteRef": {"key": "a"}})]);
        eventually(Duration::from_secs(60), || {
            let run = loaded.dry_run("create", &example);
            if run.stderr.contains(&loaded.refused()) { Ok(()) } else { Err(run.account()) }
        })
        .unwrap();
        loaded
    }

    /// What the API server says where it refuses.
    fn refused(&self) -> String {
        format!("ValidatingAdmissionPolicy '{}-deny'", self.name)
    }

    fn dry_run(&self, verb: &str, object: &Value) -> Run {
        self.cluster.kubectl(
            PLATFORM_ADMIN,
            [verb, "--dry-run=server", "--validate=ignore", "-f", "-"],
            &object.to_string(),
        )
    }

    /// A namespace that the policy binds by its name.
    fn named_namespace(&mut self, name: &str) -> String {
        if self.namespaces.insert(name.to_owned(), name.to_owned()).is_none() {
            let metadata = json!({"name": name, "labels": {SCOPE: self.name}});
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
            self.cluster.kubectl(PLATFORM_ADMIN, ["create", "-f", "-"], &namespace.to_string()).succeeds();
        }
        name.to_owned()
    }

    /// A namespace with the labels; `None`: the API server takes no such labels, so nobody can come by them.
    fn namespace(&mut self, labels: &Value) -> Option<String> {
        if !labels.as_object().into_iter().flatten().all(|(_, value)| value.as_str().is_some_and(is_label_value)) {
            return None;
        }
        let made = self.namespaces.entry(labels.to_string()).or_insert_with(|| {
            let mut all: Vec<(&str, &str)> = vec![(SCOPE, &self.name)];
            all.extend(labels.as_object().into_iter().flatten().map(|(key, value)| (&**key, value.as_str().unwrap())));
            self.cluster.namespace(&all, TENANT_A)
        });
        Some(made.clone())
    }
}

fn external_secret(namespace: &str, name: &str, data: Vec<Value>) -> Value {
    json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"refreshInterval": "1h", "secretStoreRef": {"kind": "ClusterSecretStore", "name": "aws"}, "data": data},
    })
}

fn placed(object: &Value, namespace: &str, name: &str, is_before: bool) -> Value {
    let mut object = object.clone();
    object["metadata"]["namespace"] = json!(namespace);
    object["metadata"]["name"] = json!(name);
    if is_before {
        object["metadata"]["labels"] = json!({SCOPE: "before"});
    } else {
        object["metadata"].as_object_mut().unwrap().remove("labels");
    }
    object
}

/// The cases that the API server can show: ExternalSecrets under a policy, in the version that it serves, among the
/// stores that are vouched for.
fn cases(policy: &str) -> Vec<Case> {
    let plain = case::documents(&threats().join("world.yaml"));
    let vouched: Vec<&Value> = plain.iter().filter(|object| object["kind"] == "ClusterSecretStore").collect();
    let mut cases = case::all(&threats());
    cases.retain(|case| {
        case.policy.ends_with(policy)
            && case.is_for(Door::Webhook)
            && case.subresource.is_empty()
            && case.object.as_ref().is_some_and(|object| {
                object["kind"] == "ExternalSecret" && object["apiVersion"] == "external-secrets.io/v1"
            })
            && vouched.iter().all(|store| case.world.contains(store))
    });
    cases
}

/// Whether a Namespace can have it as a label's value.
fn is_label_value(value: &str) -> bool {
    let bytes = value.as_bytes();
    let is_end = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    bytes.len() <= 63
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
        && is_end(bytes.first())
        && is_end(bytes.last())
}

#[test]
fn vap_refuses_what_it_claims_and_nothing_that_the_policy_admits() {
    let Some(cluster) = cluster() else { return };
    let (mut wrong, mut unsaid, mut impossible) = (Vec::new(), Vec::new(), Vec::new());
    let (mut refused_by, mut admitted) = (BTreeMap::new(), 0);
    for (nth, (file, stores)) in [
        ("default.yaml", stores()),
        ("arn.yaml", stores()),
        ("warnings.yaml", stores()),
        ("changed-later.yaml", stores()),
        ("others.yaml", vec![]),
        ("stores.yaml", stores()),
        ("admins.yaml", stores()),
    ]
    .into_iter()
    .enumerate()
    {
        let mut loaded = Loaded::new(cluster, &format!("vap-{nth}"), file, &stores);
        for (nth, case) in cases(file).iter().enumerate() {
            let name = format!("case-{nth}");
            let namespace = case.judged()["metadata"]["namespace"].as_str().unwrap_or(&case.namespace).to_owned();
            let is_it = |object: &&Value| object["kind"] == "Namespace" && object["metadata"]["name"] == *namespace;
            let labels = case.world.iter().find(is_it).map(|namespace| namespace["metadata"]["labels"].clone());
            let made = match loaded.policy.namespaces.contains_key(&namespace) {
                true => Some(loaded.named_namespace(&namespace)),
                false => loaded.namespace(&labels.unwrap_or_default()),
            };
            let Some(namespace) = made else {
                impossible.push(format!("{}: the API server takes no such label", case.label()));
                continue;
            };
            let object = placed(case.object.as_ref().unwrap(), &namespace, &name, false);
            let run = match &case.old {
                Some(old) => {
                    let before = placed(old, &namespace, &name, true).to_string();
                    let made = cluster.kubectl(PLATFORM_ADMIN, ["create", "--validate=ignore", "-f", "-"], &before);
                    if made.status != Some(0) {
                        impossible.push(format!("{}: {}", case.label(), made.stderr));
                        continue;
                    }
                    loaded.dry_run("replace", &object)
                }
                None => loaded.dry_run("create", &object),
            };
            let is_refused = run.stderr.contains(&loaded.refused());
            if run.status != Some(0) && !is_refused {
                // What the definition refuses itself says nothing of the policy.
                let is_definition = ["is invalid", "BadRequest", "cannot be handled", "strict decoding"];
                assert!(
                    is_definition.iter().any(|word| run.stderr.contains(word)),
                    "{}: {}",
                    case.label(),
                    run.account()
                );
                impossible.push(format!("{}: {}", case.label(), run.stderr));
                continue;
            }
            let is_claimed = is_claimed(&loaded.denied, &case.deny, &object, case.old.as_ref());
            match (is_refused, case.deny.is_empty(), is_claimed) {
                (true, true, _) => wrong.push(format!("{}: {}", case.label(), run.stderr)),
                (true, false, _) => {
                    let id = run.stderr.split_once("denied request: [").and_then(|(_, rest)| rest.split_once(']'));
                    let id = id.map_or_else(|| panic!("{}", run.account()), |(id, _)| id.to_owned());
                    if !case.deny.contains(&id) && id != "key-is-arn" {
                        wrong.push(format!("{}: refused by {id}, not by {:?}", case.label(), case.deny));
                    }
                    *refused_by.entry(id).or_insert(0) += 1;
                }
                // What its annotation leaves out: where ARNs pass it does not read them.
                (false, _, true) if file == "arn.yaml" && object.to_string().contains("arn:") => {}
                (false, _, true) => unsaid.push(format!("{}: {:?}", case.label(), case.deny)),
                (false, _, false) => admitted += 1,
            }
        }
    }
    assert!(wrong.is_empty(), "refused, and the policy says otherwise:\n{}", wrong.join("\n"));
    assert!(unsaid.is_empty(), "claimed, and not refused:\n{}", unsaid.join("\n"));
    let rules: BTreeSet<&str> = refused_by.keys().map(String::as_str).collect();
    assert_eq!(rules, vap::RULES.iter().copied().collect(), "each rule refuses a case: {refused_by:?}");
    let refused: usize = refused_by.values().sum();
    println!("{refused} refused {refused_by:?}, {admitted} admitted, {} impossible", impossible.len());
    let account = format!("{refused} refused, {admitted} admitted, impossible:\n{}", impossible.join("\n"));
    assert!(refused >= 40 && admitted >= 30 && impossible.len() <= 30, "{account}");
}

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        &of[usize::try_from(self.0 >> 33).unwrap() % of.len()]
    }
}

/// An object with parts of everything that the export judges.
fn any_object(numbers: &mut Numbers, name: &str) -> Value {
    let keys = [
        "/prod/team-a/db",
        "/prod/team-a/x/y",
        "/prod/team-a/db:3",
        "/prod/team-a/db:",
        "/prod/team-b/db",
        "/prod/team-b/db:3",
        "/prod/team-a",
        "/prod/team-a/",
        "prod/team-a/db",
        "/prod/team-a/../team-b/db",
        "/prod/team-ab/db",
        "/PROD/team-a/db",
        "/prod//team-a/db",
        "arn:aws:secretsmanager:eu-west-1:111111111111:secret:/prod/team-a/db",
        "ARN:x",
        "/prod/team-a/d b",
        "/prod/team-a/.../db",
        "/staging/team-a/db",
        "",
        "/prod/team-a/@+=",
        "/prod/t\u{435}am-a/db",
        "/prod/team-a/db\n",
    ];
    let stores = [
        ("ClusterSecretStore", "aws"),
        ("ClusterSecretStore", "ssm"),
        ("ClusterSecretStore", "aws"),
        ("SecretStore", "aws"),
    ];
    let store = |(kind, name): &(&str, &str)| json!({"kind": kind, "name": name});
    let reference = |numbers: &mut Numbers| {
        // Mostly clean, so that not every object is refused.
        let key = if *numbers.pick(&[true, true, false]) { "/prod/team-a/db" } else { *numbers.pick(&keys) };
        let mut reference = json!({"key": key});
        if let Some(version) = numbers.pick(&[None, None, None, None, Some(""), Some("AWSCURRENT"), Some("3")]) {
            reference["version"] = json!(version);
        }
        reference
    };
    let mut data = Vec::new();
    for nth in 0..*numbers.pick(&[0, 1, 1, 2]) {
        let mut entry = json!({"secretKey": format!("k{nth}"), "remoteRef": reference(numbers)});
        if *numbers.pick(&[false, false, false, true]) {
            entry["sourceRef"] = json!({"storeRef": store(numbers.pick(&stores))});
        }
        data.push(entry);
    }
    let mut from = Vec::new();
    if *numbers.pick(&[false, false, true]) {
        from.push(json!({"extract": reference(numbers)}));
    }
    if *numbers.pick(&[false, false, false, true]) {
        let kind = numbers.pick(&["Password", "UUID", "Fake"]);
        let generator = json!({"apiVersion": "generators.external-secrets.io/v1alpha1", "kind": kind, "name": "x"});
        from.push(json!({"sourceRef": {"generatorRef": generator}}));
    }
    let mut object = external_secret("a", name, data);
    object["spec"]["dataFrom"] = json!(from);
    object["spec"]["secretStoreRef"] = store(numbers.pick(&stores));
    object["spec"]["refreshInterval"] =
        json!(numbers.pick(&["1h", "1h", "1h", "12h", "12h0.5s", "720h", "0", "0s", "1h30m"]));
    if let Some(policy) =
        numbers.pick(&[None, None, None, None, Some("Periodic"), Some("OnChange"), Some("CreatedOnce")])
    {
        object["spec"]["refreshPolicy"] = json!(policy);
    }
    if *numbers.pick(&[false, false, false, false, true]) {
        object["spec"]["target"] = json!({"immutable": true});
    }
    object
}

/// What the engine refuses it for.
fn denied(engine: &Engine, world: &Snapshot, object: &Value, old: Option<&Value>) -> BTreeSet<String> {
    let user = User { name: "dev@example.com".to_owned(), groups: vec![] };
    let mut request = Request::offline(object, "", NOW.parse().unwrap());
    request.door = keystile_policy::Door::Admission;
    request.user = Some(&user);
    request.old_object = old;
    request.operation = if old.is_some() { Operation::Update } else { Operation::Create };
    engine.judge(&request, world).with(Action::Deny).map(|violation| violation.rule.id.to_owned()).collect()
}

#[test]
fn vap_judges_made_up_objects_as_the_engine_does() {
    let Some(cluster) = cluster() else { return };
    let mut loaded = Loaded::new(cluster, "vap-made-up", "default.yaml", &stores());
    let namespace = loaded.namespace(&json!({"team": "team-a", "env": "prod"})).unwrap();
    let mut world = Snapshot::complete();
    for object in case::documents(&threats().join("world.yaml")) {
        world.insert(Arc::new(object));
    }
    let engine = Engine::new(loaded.policy.clone());
    let mut numbers = Numbers(8);
    let of = |numbers: &mut Numbers, prefix: &str, count: usize| -> Vec<Value> {
        (0..count).map(|nth| any_object(numbers, &format!("{prefix}-{nth}"))).collect()
    };
    let list = |objects: &[Value], is_before: bool| {
        let place =
            |object: &Value| placed(object, &namespace, object["metadata"]["name"].as_str().unwrap(), is_before);
        json!({"apiVersion": "v1", "kind": "List", "items": objects.iter().map(place).collect::<Vec<_>>()})
    };
    let (created, updated) = (of(&mut numbers, "new", 250), of(&mut numbers, "changed", 250));
    // Half of what an update brings was there before.
    let old: Vec<Value> = updated
        .iter()
        .enumerate()
        .map(|(nth, object)| {
            let mut old = any_object(&mut numbers, &format!("changed-{nth}"));
            for field in ["data", "dataFrom", "secretStoreRef", "refreshInterval"] {
                if *numbers.pick(&[true, false]) {
                    old["spec"][field] = object["spec"][field].clone();
                }
            }
            old
        })
        .collect();
    cluster
        .kubectl(PLATFORM_ADMIN, ["create", "--validate=ignore", "-f", "-"], &list(&old, true).to_string())
        .succeeds();

    let (mut faults, mut refused, mut admitted) = (Vec::new(), 0, 0);
    for (verb, objects, old) in [("create", &created, None), ("replace", &updated, Some(&old))] {
        let run = loaded.dry_run(verb, &list(objects, false));
        for (nth, object) in objects.iter().enumerate() {
            let name = object["metadata"]["name"].as_str().unwrap();
            let quoted = format!("\"{name}\" is forbidden: {}", loaded.refused());
            let passed = format!("externalsecret.external-secrets.io/{name} ");
            let is_refused = run.stderr.contains(&quoted);
            assert_ne!(
                is_refused,
                run.stdout.lines().any(|line| line.starts_with(&passed)),
                "{name}: {}",
                run.account()
            );
            let old = old.map(|old| &old[nth]);
            let expected = denied(&engine, &world, object, old);
            let is_claimed = is_claimed(&loaded.denied, &expected, object, old);
            if is_refused && expected.is_empty() || !is_refused && is_claimed {
                faults
                    .push(format!("{verb}: refused: {is_refused}, by the engine: {expected:?}\n{object}\nwas {old:?}"));
            }
            if is_refused { refused += 1 } else { admitted += 1 }
        }
    }
    println!("{refused} refused, {admitted} admitted");
    assert!(faults.is_empty(), "{} differ:\n{}", faults.len(), faults.join("\n"));
    assert!(refused >= 100 && admitted >= 100, "{refused} refused, {admitted} admitted");
}

/// The rules about keys, which are claimed only through stores that are vouched for.
const OF_KEYS: [&str; 4] = ["key-is-arn", "key-not-canonical", "key-outside-grant", "version-pinned"];

/// Whether an export that denies `denied` claims that it refuses an object for one of `rules`.
fn is_claimed<'r>(
    denied: &BTreeSet<String>,
    rules: impl IntoIterator<Item = &'r String>,
    object: &Value,
    old: Option<&Value>,
) -> bool {
    let mut used = BTreeSet::new();
    for spec in [Some(object), old].into_iter().flatten().map(|object| &object["spec"]) {
        let own = ["data", "dataFrom"].into_iter().flat_map(|list| spec[list].as_array().into_iter().flatten());
        let refs = own.map(|entry| &entry["sourceRef"]["storeRef"]).chain([&spec["secretStoreRef"]]);
        used.extend(refs.filter(|store| !store.is_null()).map(|store| {
            let kind = store["kind"].as_str().unwrap_or("SecretStore");
            (kind.to_owned(), store["name"].as_str().unwrap_or_default().to_owned())
        }));
    }
    let is_vouched = |(kind, name): &(String, String)| {
        kind == "ClusterSecretStore" && stores().iter().any(|store| store.name == *name)
    };
    // An update that goes through one store now and through another before is not told apart.
    let is_of_keys_claimed = used.iter().all(is_vouched) && (old.is_none() || used.len() < 2);
    // What a ClusterGenerator holds is another object's.
    let is_generator_claimed = !object["spec"].to_string().contains("\"ClusterGenerator\"");
    rules.into_iter().any(|rule| {
        denied.contains(rule)
            && match rule.as_str() {
                "generator-not-listed" => is_generator_claimed,
                rule => is_of_keys_claimed || !OF_KEYS.contains(&rule),
            }
    })
}

#[test]
fn vap_judges_large_objects_within_the_costs() {
    let Some(cluster) = cluster() else { return };
    let mut loaded = Loaded::new(cluster, "vap-large", "default.yaml", &stores());
    let namespace = loaded.namespace(&json!({"team": "team-a", "env": "prod"})).unwrap();
    let key = |nth: usize, length: usize| {
        let key = format!("/prod/team-a/{nth:04}/");
        format!("{key}{}", "x".repeat(length - key.len()))
    };
    for (store, count, length) in [("aws", 100, 300), ("aws", 100, 512), ("ssm", 100, 1011), ("aws", 400, 253)] {
        let data = |prefix: &str| -> Vec<Value> {
            (0..count)
                .map(|nth| json!({"secretKey": format!("{prefix}{nth}"), "remoteRef": {"key": key(nth, length)}}))
                .collect()
        };
        let name = format!("{store}-{count}-{length}");
        let mut object = external_secret(&namespace, &name, data("k"));
        object["spec"]["secretStoreRef"]["name"] = json!(store);
        loaded.dry_run("create", &object).succeeds();
        // The same, and one that is not granted: found among all, new or beside as many that were there.
        let mut outside = object.clone();
        outside["spec"]["data"][count - 1]["remoteRef"]["key"] = json!("/prod/team-b/db");
        let says = "[key-outside-grant] \"/prod/team-b/db\" is outside of what is granted to env=prod team=team-a";
        let run = loaded.dry_run("create", &outside);
        assert!(run.stderr.contains(says), "{name}: {}", run.account());
        cluster.kubectl(PLATFORM_ADMIN, ["create", "-f", "-"], &object.to_string()).succeeds();
        loaded.dry_run("replace", &object).succeeds();
        let run = loaded.dry_run("replace", &outside);
        assert!(run.stderr.contains(says), "{name}: {}", run.account());
    }
    // However long, a key that is no name is refused, and the message stays short.
    let long = format!("/prod/team-a/{}", "x/../".repeat(40_000));
    let run = loaded.dry_run(
        "create",
        &external_secret(&namespace, "long", vec![json!({"secretKey": "a", "remoteRef": {"key": long}})]),
    );
    assert!(run.stderr.contains("[key-not-canonical] \"/prod/team-a/x/../"), "{}", run.account());
    assert!(run.stderr.len() < 1000, "{}", run.account());
    // Many that violate already may stay.
    let data = (0..100).map(
        |nth| json!({"secretKey": format!("k{nth}"), "remoteRef": {"key": key(nth, 300).replace("team-a", "team-b")}}),
    );
    let mut held = external_secret(&namespace, "held", data.collect());
    cluster
        .kubectl(PLATFORM_ADMIN, ["create", "-f", "-"], &placed(&held, &namespace, "held", true).to_string())
        .succeeds();
    held["spec"]["refreshInterval"] = json!("2h");
    loaded.dry_run("replace", &held).succeeds();
}
