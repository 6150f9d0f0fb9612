//! How long the engine alone takes for one request, in nanoseconds: the best and the median of many
//! rounds, without and with the scan of the object's own texts by the built-in rules.
//! `cargo bench -p keystile-policy --bench judge [-- NAME…]`; issue 4 asks for 20 µs at 50 entries, and
//! for 100 µs with the scan.
#![allow(clippy::print_stdout, reason = "it is the whole output of a benchmark")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use keystile_policy::policy::document;
use keystile_policy::{Door, Engine, Operation, Request, Snapshot, User, inline};
use keystile_scan::RuleSet;
use keystile_scan::config::Loader;
use serde_json::{Value, json};

const ROUNDS: usize = 1_000;

fn main() {
    let now = "2026-11-25T12:00:00Z".parse().expect("a time");
    let document = json!({
        "apiVersion": "keystile.dev/v1alpha1", "kind": "SecretPolicy", "metadata": {"name": "default"},
        "spec": {
            "binding": {"team": {"label": "team"}, "env": {"label": "env", "values": ["dev", "staging", "prod"]}},
            "providers": [{
                "aws": {"services": ["SecretsManager", "ParameterStore"], "accounts": ["111111111111"], "regions": ["eu-west-1"]},
                "grants": [
                    {"names": "/{env}/shared/**", "access": ["read"]},
                    {"names": "/{env}/{team}/**", "access": ["read"]},
                ],
            }],
            "refresh": {"maxInterval": "12h"},
        },
    });
    let (policy, _) = document::read(&document, now).expect("the policy is right");
    let alone = Engine::new(policy.clone());
    let scanning = Engine::new(policy).with_scanner(Arc::new(inline::scanner(rules())));
    let mut world = Snapshot::complete();
    for object in [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"team": "team-a", "env": "prod"}}}),
        json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": "aws"},
            "spec": {
                "conditions": [{"namespaces": ["a"]}],
                "provider": {"aws": {
                    "service": "SecretsManager", "region": "eu-west-1", "role": "arn:aws:iam::111111111111:role/secrets-hub",
                    "auth": {"jwt": {"serviceAccountRef": {"name": "reader", "namespace": "external-secrets"}}},
                }},
            },
        }),
    ] {
        world.insert(Arc::new(object));
    }
    let user = User { name: "dev@example.com".to_owned(), groups: vec!["system:authenticated".to_owned()] };
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let fifty = entries(50, "/prod/team-a/");
    let mut one_outside = fifty.clone();
    one_outside["spec"]["data"][20]["remoteRef"]["key"] = "/prod/team-b/application-20/database".into();
    let mut changed = fifty.clone();
    changed["spec"]["data"][20]["remoteRef"]["key"] = "/prod/team-a/application-20/cache".into();
    for (what, object, old, is_denied) in [
        ("1 entry", entries(1, "/prod/team-a/"), None, false),
        ("50 entries", fifty.clone(), None, false),
        ("50 entries, one outside of the grants", one_outside.clone(), None, true),
        ("50 entries, each outside of the grants", entries(50, "/prod/team-b/"), None, true),
        ("50 entries, a changed one", changed, Some(&fifty), false),
        ("50 entries, a changed one outside of the grants", one_outside.clone(), Some(&fifty), true),
        ("50 entries, and what kubectl applied", applied(&fifty), None, false),
        ("a search by path", search("/prod/team-a/", ".*"), None, false),
        ("a search by an expression", search("", "^/prod/team-a/[a-z0-9-]{3,20}/password$"), None, false),
        (
            "a search by an expression that can't be followed",
            search("", "^/prod/team-a/|(a|b|c)*a(a|b|c){25}"),
            None,
            true,
        ),
        ("a thousand searches by expressions that are too large", many_searches("(.{0,30}){30}"), None, true),
        ("a thousand searches by expressions that are long", many_searches(&"(ab?|c)".repeat(140)), None, true),
    ] {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == what) {
            continue;
        }
        let mut request = Request::offline(&object, "", now);
        request.door = Door::Admission;
        request.user = Some(&user);
        if old.is_some() {
            request.operation = Operation::Update;
            request.old_object = old;
        }
        for (engine, how) in [(&alone, ""), (&scanning, ", scanned")] {
            assert_eq!(engine.judge(&request, &world).is_denied(), is_denied, "{what}");
            let mut times: Vec<u128> = (0..ROUNDS)
                .map(|_| {
                    let begun = Instant::now();
                    black_box(engine.judge(black_box(&request), &world));
                    begun.elapsed().as_nanos()
                })
                .collect();
            times.sort_unstable();
            let [best, median, p99] = [0, ROUNDS / 2, ROUNDS * 99 / 100].map(|at| times[at]);
            println!("{what}{how}: best {best} ns, median {median} ns, p99 {p99} ns");
        }
    }
}

/// The built-in rules.
fn rules() -> RuleSet {
    let read = |_: &str| Err("there is none".to_owned());
    let loader = Loader { builtin: keystile_rules::BUILTIN, read: &read, skip_bad_rules: false, strict: true };
    loader.load("the built-in rules", keystile_rules::BUILTIN).expect("the built-in rules are fine").rules
}

/// With the text that `kubectl apply` keeps in an annotation.
fn applied(object: &Value) -> Value {
    let text = object.to_string();
    let mut object = object.clone();
    object["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": text});
    object
}

fn external_secret(fields: Value) -> Value {
    let mut object = json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": "db", "namespace": "a"},
        "spec": {
            "refreshInterval": "1h", "secretStoreRef": {"kind": "ClusterSecretStore", "name": "aws"},
            "target": {"name": "db", "creationPolicy": "Owner"},
        },
    });
    if let (Some(spec), Value::Object(fields)) = (object["spec"].as_object_mut(), fields) {
        spec.extend(fields);
    }
    object
}

/// As the API server sends them: with the defaults that the definition fills in.
fn entries(count: usize, prefix: &str) -> Value {
    let data: Vec<Value> = (0..count)
        .map(|nth| {
            json!({"secretKey": format!("key-{nth}"), "remoteRef": {
                "key": format!("{prefix}application-{nth}/database"), "property": "password",
                "conversionStrategy": "Default", "decodingStrategy": "None", "metadataPolicy": "None",
            }})
        })
        .collect();
    external_secret(json!({ "data": data }))
}

fn many_searches(regexp: &str) -> Value {
    let finds: Vec<Value> = (0..1000).map(|_| json!({"find": {"name": {"regexp": regexp}}})).collect();
    external_secret(json!({ "dataFrom": finds }))
}

fn search(path: &str, regexp: &str) -> Value {
    let mut find = json!({"name": {"regexp": regexp}});
    if !path.is_empty() {
        find["path"] = json!(path);
    }
    external_secret(json!({"dataFrom": [{ "find": find }]}))
}
