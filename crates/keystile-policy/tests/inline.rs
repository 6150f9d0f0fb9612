//! A credential in an object is found, and no answer repeats it, whichever rule speaks and wherever it stands.

use std::sync::Arc;

use jiff::Timestamp;
use keystile_policy::policy::{Policy, document};
use keystile_policy::{Engine, Judgement, Operation, Request, Snapshot, inline};
use keystile_scan::config::Loader;
use keystile_scan::{RuleSet, Scanner};
use serde_json::{Value, json};

/// Rules of the test's own: a token, and a password behind its name.
fn rules() -> RuleSet {
    let text = r#"
[[rules]]
id = "test-token"
description = "a token of nobody's"
regex = '''tok_[a-z0-9"\\]{20}'''
keywords = ["tok_"]

[[rules]]
id = "test-password"
description = "a password behind its name"
regex = '''password=([a-z0-9]{12})'''
keywords = ["password="]
"#;
    let loader =
        Loader { builtin: "", read: &|_| Err("there is none".to_owned()), skip_bad_rules: false, strict: false };
    loader.load("rules.toml", text).expect("the rules are fine").rules
}

fn policy() -> Policy {
    let document = json!({
        "apiVersion": "keystile.dev/v1alpha1", "kind": "SecretPolicy", "metadata": {"name": "default"},
        "spec": {
            "binding": {"team": {"label": "team"}, "env": {"label": "env", "values": ["prod"]}},
            "providers": [{
                "aws": {"accounts": ["111111111111"], "regions": ["eu-west-1"]},
                "grants": [{"names": "/{env}/{team}/**", "access": ["read"]}],
            }],
        },
    });
    document::read(&document, Timestamp::UNIX_EPOCH).unwrap_or_else(|_| panic!("the policy is fine")).0
}

fn engine() -> Engine {
    Engine::new(policy()).with_scanner(Arc::new(inline::scanner(rules())))
}

fn world() -> Snapshot {
    let mut world = Snapshot::complete();
    world.insert(Arc::new(json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"team": "team-a", "env": "prod"}},
    })));
    world.insert(Arc::new(json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": "aws"},
        "spec": {"provider": {"aws": {"service": "SecretsManager", "region": "eu-west-1"}}},
    })));
    world
}

fn token(nth: usize) -> String {
    format!("{}_{nth:0>20}", "tok")
}

fn judge(object: &Value, old: Option<&Value>) -> Judgement {
    let mut request = Request::offline(object, "a", Timestamp::UNIX_EPOCH);
    if old.is_some() {
        request.operation = Operation::Update;
        request.old_object = old;
    }
    engine().judge(&request, &world())
}

fn said(judgement: &Judgement) -> Vec<String> {
    judgement.violations.iter().map(|judged| format!("{:?} {}", judged.violation, judged.violation)).collect()
}

fn credentials(judgement: &Judgement) -> Vec<String> {
    let inline = judgement.violations.iter().filter(|judged| judged.violation.rule.id == "inline-credential");
    inline.map(|judged| judged.violation.path.to_string()).collect()
}

fn external_secret(key: &str) -> Value {
    json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": "db", "namespace": "a"},
        "spec": {
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": "aws"},
            "refreshInterval": "1h",
            "data": [{"secretKey": "p", "remoteRef": {"key": key}}],
        },
    })
}

#[test]
fn a_credential_is_found_where_it_stands_and_named_by_its_rule() {
    let mut object = external_secret("/prod/team-a/db");
    object["spec"]["target"] = json!({"template": {"data": {"config": format!("host: x\n{}: y", token(1))}}});
    let judgement = judge(&object, None);
    assert_eq!(credentials(&judgement), ["spec.target.template.data.config"]);
    assert!(judgement.is_denied());
    assert_eq!(judgement.violations[0].violation.message, "the text here holds a credential (scanner rule test-token)");
}

#[test]
fn an_object_without_one_passes() {
    assert!(judge(&external_secret("/prod/team-a/tok-not"), None).violations.is_empty());
}

#[test]
fn texts_that_meet_only_in_the_search_are_no_credential() {
    let mut object = external_secret("/prod/team-a/db");
    object["spec"]["target"] = json!({"template": {"data": {"a": "password=", "b": "abcdefghijkl"}}});
    assert_eq!(credentials(&judge(&object, None)), Vec::<String>::new());
}

#[test]
fn a_comment_in_the_text_excuses_nothing() {
    let mut object = external_secret("/prod/team-a/db");
    object["spec"]["target"] = json!({"template": {"data": {"a": format!("{} # keystile:allow", token(2))}}});
    assert_eq!(credentials(&judge(&object, None)), ["spec.target.template.data.a"]);
}

#[test]
fn an_update_may_keep_a_credential_but_not_bring_another() {
    let object = |nth: usize| {
        let mut object = external_secret("/prod/team-a/db");
        object["spec"]["target"] = json!({"template": {"data": {"a": token(nth)}}});
        object
    };
    let mut kept = object(1);
    kept["spec"]["refreshInterval"] = json!("2h");
    assert_eq!(credentials(&judge(&kept, Some(&object(1)))), Vec::<String>::new());
    assert_eq!(credentials(&judge(&object(2), Some(&object(1)))), ["spec.target.template.data.a"]);
}

#[test]
fn what_kubectl_applied_last_is_read_as_the_object_that_it_is() {
    let mut object = external_secret("/prod/team-a/db");
    let applied = json!({"spec": {"password": "abc", "note": token(3)}}).to_string();
    object["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": applied});
    assert_eq!(
        credentials(&judge(&object, None)),
        [r#"metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"]"#]
    );
}

/// Every text of every kind of object becomes a credential, and so does every name of a field that can: no
/// answer holds it, whatever rules it breaks.
#[test]
fn no_answer_repeats_a_credential() {
    let objects = [
        external_secret("/prod/team-b/db"),
        json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": "x", "namespace": "a"},
            "spec": {
                "secretStoreRef": {"kind": "K", "name": "s"}, "refreshPolicy": "X", "refreshInterval": "i",
                "data": [{"secretKey": "k", "sourceRef": {"storeRef": {"name": "n"}}, "remoteRef": {"key": "k", "version": "v", "property": "p"}}],
                "dataFrom": [
                    {"find": {"path": "p", "name": {"regexp": "r"}, "tags": {"t": "v"}}, "sourceRef": {"storeRef": {"kind": "ClusterSecretStore", "name": "aws"}}},
                    {"sourceRef": {"generatorRef": {"apiVersion": "a", "kind": "k", "name": "n"}}},
                ],
                "target": {"template": {"data": {"password": "v"}}},
            },
        }),
        json!({
            "apiVersion": "external-secrets.io/v1alpha1", "kind": "PushSecret", "metadata": {"name": "x", "namespace": "a"},
            "spec": {
                "secretStoreRefs": [{"kind": "ClusterSecretStore", "name": "aws"}, {"labelSelector": {"matchLabels": {"a": "b"}}}],
                "deletionPolicy": "Delete", "updatePolicy": "x", "selector": {"secret": {"name": "n"}},
                "data": [{"match": {"remoteRef": {"remoteKey": "k"}}, "metadata": {"apiVersion": "a", "kind": "k", "x": "y"}}],
                "dataTo": [{"storeRef": {"kind": "ClusterSecretStore", "name": "aws"}, "rewrite": [{"regexp": {"source": "s", "target": "t"}}]}],
            },
        }),
        json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ClusterExternalSecret", "metadata": {"name": "x"},
            "spec": {
                "namespaces": ["a", "n"], "namespaceSelectors": [{"matchLabels": {"l": "v"}}],
                "externalSecretSpec": {"secretStoreRef": {"kind": "ClusterSecretStore", "name": "aws"}, "dataFrom": [{"extract": {"key": "k"}}]},
            },
        }),
        json!({
            "apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": {"name": "x", "namespace": "a"},
            "spec": {"controller": "c", "provider": {"aws": {"service": "s", "region": "r", "role": "r", "prefix": "p"}}},
        }),
        json!({
            "apiVersion": "aws-infra-operator.runner.codes/v1alpha1", "kind": "SecretsManagerSecret", "metadata": {"name": "x", "namespace": "a"},
            "spec": {"secretName": "n", "kmsKeyId": "k", "providerRef": {"name": "p", "namespace": "b"}, "tags": {"t": "v"}, "secretString": "s"},
        }),
        json!({"apiVersion": "external-secrets.io/v9", "kind": "ExternalSecret", "metadata": {"name": "x"}}),
    ];
    let mut spoken = 0;
    for object in &objects {
        for nth in 0..texts(object) {
            for (form, length) in [("", 0), ("/prod/team-b/", 0), ("", 140)] {
                // With characters that an answer escapes, and far behind in a text that an answer cuts.
                let secret = format!("{}_{}", "tok", r#"a"b\c0123456789abcdef"#.get(..20).unwrap());
                let mut changed = object.clone();
                put(&mut changed, nth, &format!("{form}{}{secret}", "x".repeat(length)), &mut 0);
                let judgement = judge(&changed, None);
                for said in said(&judgement) {
                    spoken += 1;
                    let unescaped = said.replace("\\\\", "\\").replace("\\\"", "\"");
                    for part in [&secret[..], &secret[..10], "a\"b\\c01", "c0123456789"] {
                        assert!(
                            !said.contains(part) && !unescaped.contains(part),
                            "text {nth} of {object} is repeated: {said}"
                        );
                    }
                }
            }
        }
    }
    assert!(spoken > 500, "only {spoken} violations spoke: the objects break too little");
}

fn texts(value: &Value) -> usize {
    match value {
        Value::String(_) => 1,
        Value::Array(items) => items.iter().map(texts).sum(),
        Value::Object(fields) => fields.values().map(texts).sum(),
        _ => 0,
    }
}

fn put(value: &mut Value, wanted: usize, text: &str, count: &mut usize) {
    match value {
        Value::String(old) => {
            if *count == wanted {
                text.clone_into(old);
            }
            *count += 1;
        }
        Value::Array(items) => items.iter_mut().for_each(|item| put(item, wanted, text, count)),
        Value::Object(fields) => fields.values_mut().for_each(|field| put(field, wanted, text, count)),
        _ => {}
    }
}

#[test]
fn one_scanner_serves_many_at_once() {
    let engine = engine();
    std::thread::scope(|scope| {
        for nth in 0..8 {
            let engine = &engine;
            scope.spawn(move || {
                let mut object = external_secret("/prod/team-a/db");
                object["spec"]["target"] = json!({"template": {"data": {"a": token(nth)}}});
                let judgement = engine.judge(&Request::offline(&object, "a", Timestamp::UNIX_EPOCH), &world());
                assert_eq!(credentials(&judgement).len(), 1);
            });
        }
    });
}

#[test]
fn the_scanner_is_shown_without_what_it_found() {
    let scanner: Scanner = inline::scanner(rules());
    let engine = Engine::new(policy()).with_scanner(Arc::new(scanner));
    assert!(format!("{engine:?}").contains("Literals { rules: 2, .. }"));
}

#[test]
fn thousands_of_credentials_are_named_and_none_is_repeated() {
    // The time for it must grow with the object, not with its square: with the square, this one took minutes.
    let count = 8_000;
    let mut object = external_secret("/prod/other/db");
    for nth in 0..count {
        object["metadata"]["annotations"][format!("a{nth}")] = json!(token(nth));
    }
    object["metadata"]["annotations"][token(count)] = json!("in a name");
    object["spec"]["data"][0]["remoteRef"]["key"] = json!(format!("/prod/other/{}", token(7)));
    let judgement = judge(&object, None);
    assert_eq!(credentials(&judgement).len(), count + 2, "one in each annotation, in a name, in a key");
    let said = said(&judgement).join("\n");
    assert!(said.contains("key-outside-grant"), "the others are judged as well");
    assert!(!said.contains(&token(0)[..8]), "every credential begins alike, and none is repeated");
}
