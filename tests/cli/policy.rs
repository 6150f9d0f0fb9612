//! `keystile policy`: explain and snapshot.

use crate::support::run::keystile_with_input;

const POLICY: &str = "\
apiVersion: keystile.dev/v1alpha1
kind: SecretPolicy
metadata: {name: default}
spec:
  binding: {team: {label: team}, env: {label: env}}
  providers:
  - aws: {accounts: [\"111111111111\"], regions: [eu-west-1]}
    grants:
    - {names: \"/{env}/{team}/**\", access: [read]}
";

#[test]
fn explain_says_what_was_looked_at_for_each_reference() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(".keystile")).unwrap();
    std::fs::write(folder.path().join(".keystile/policy.yaml"), POLICY).unwrap();
    let input = "\
apiVersion: v1
kind: Namespace
metadata: {name: a, labels: {team: team-a, env: prod}}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: own, namespace: a}
spec: {provider: {aws: {service: SecretsManager, region: eu-west-1, prefix: /prod/}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: db, namespace: a}
spec:
  refreshInterval: 1h
  secretStoreRef: {name: own}
  data:
  - {secretKey: p, remoteRef: {key: team-b/db}}
  - {secretKey: q, remoteRef: {key: team-a/db}}
";
    let run = keystile_with_input(folder.path(), &["policy", "explain", "-"], input.as_bytes());
    let text = run.text();
    let reference = |key: &str, line: u32, rest: &str| {
        format!(
            "  spec.data[{}].remoteRef.key (line {line}): reads\n    names      \"{key}\"\n    store      SecretStore \"own\"\n    \
             asks for   \"/prod/{key}\"\n    grants     /prod/team-a/**\n    verdict    {rest}",
            line - 17
        )
    };
    for expected in [
        "ExternalSecret a/db (stdin:10:1)\n  namespace a is env=prod team=team-a\n".to_owned(),
        reference("team-b/db", 17, "refused by key-outside-grant: "),
        "    to change  env=prod team=team-a may read /prod/team-a/**\n".to_owned(),
        reference("team-a/db", 18, "passes\n"),
    ] {
        assert!(text.contains(&expected), "{expected}\nin\n{text}\n{}", run.stderr);
    }
    assert_eq!(run.status, Some(1));
}

#[test]
fn a_snapshot_keeps_what_rules_look_at_and_no_value() {
    let folder = tempfile::tempdir().unwrap();
    let value = ["a", "plain", "value"].join("-");
    let input = serde_json::json!({
        "apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Namespace",
             "metadata": {"name": "a", "labels": {"team": "team-a"}, "annotations": {"x": "y"}, "managedFields": []},
             "status": {"phase": "Active"}},
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "a"}, "data": {"p": value}},
            {"apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": {"name": "f", "namespace": "a"},
             "spec": {"provider": {"fake": {"data": [{"key": "k", "value": value}]}}}},
        ],
    });
    let run = keystile_with_input(folder.path(), &["policy", "snapshot"], input.to_string().as_bytes()).expect(0);
    assert!(!run.text().contains(&value), "{}", run.text());
    let items = run.json()["items"].clone();
    assert_eq!(
        items[0],
        serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"team": "team-a"}}})
    );
    assert_eq!((&items[1]["kind"], items.as_array().unwrap().len()), (&"SecretStore".into(), 2));
    for (input, said) in [
        ("", "standard input: it is empty"),
        (r#"{"apiVersion": "v1", "kind": "List", "items": []}"#, "standard input: it is empty"),
        ("kind: Secret\napiVersion: v1\n", "nothing in it that a policy looks at"),
    ] {
        let run = keystile_with_input(folder.path(), &["policy", "snapshot"], input.as_bytes()).expect(2);
        assert!(run.stderr.contains(said) && run.stderr.contains("kubectl get -A -o json"), "{input}: {}", run.stderr);
    }
}

#[test]
fn a_snapshot_for_consumers_keeps_who_uses_which_secret_and_no_value() {
    let folder = tempfile::tempdir().unwrap();
    let value = ["a", "plain", "value"].join("-");
    let owner = serde_json::json!([{"apiVersion": "external-secrets.io/v1", "kind": "ClusterExternalSecret", "name": "c", "uid": "u", "controller": true}]);
    let input = serde_json::json!({
        "apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "a"}, "data": {"p": value}},
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "a"}, "data": {"p": value}},
            {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
             "metadata": {"name": "s", "namespace": "a", "annotations": {"x": value}, "ownerReferences": owner}, "spec": {}},
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "a"},
             "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "i", "args": [value], "env": [
                {"name": "A", "value": value},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "p"}}},
             ]}]}}}},
        ],
    });
    let kinds = |arguments: &[&str]| {
        let run = keystile_with_input(folder.path(), arguments, input.to_string().as_bytes()).expect(0);
        assert!(!run.text().contains(&value), "{}", run.text());
        let items = run.json()["items"].as_array().unwrap().clone();
        let kinds: Vec<String> = items.iter().map(|item| item["kind"].as_str().unwrap().to_owned()).collect();
        (kinds, items)
    };
    assert_eq!(kinds(&["policy", "snapshot"]).0, ["ExternalSecret"]);
    let (kinds, items) = kinds(&["policy", "snapshot", "--consumers"]);
    assert_eq!(kinds, ["Deployment", "ExternalSecret"]);
    assert_eq!(
        items[0]["spec"]["template"]["spec"]["containers"][0]["env"],
        serde_json::json!([{}, {"valueFrom": {"secretKeyRef": {"name": "s", "key": "p"}}}])
    );
    assert_eq!(items[1]["metadata"]["ownerReferences"][0]["name"], "c");
}
