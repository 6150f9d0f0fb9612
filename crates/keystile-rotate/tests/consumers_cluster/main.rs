//! Who consumes a secret, asked of a real API server with External Secrets' definitions, by somebody who has the role
//! of deploy/consumers/rbac.yaml and nothing else.
//!
//! Where the programs are missing the suite says so and is left out, as tests/admission is.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod support;

use std::collections::BTreeSet;

use keystile_inventory::{RotationMeans, SecretArn, Stage, VersionId};
use keystile_rotate::backend::BackendKind;
use keystile_rotate::consumers::{ConsumerWorld, Consumers, Kubectl, Wanted, consumers};
use keystile_rotate::plan::{Held, Strategy};
use serde_json::{Value, json};
use support::cluster::{Cluster, cluster};
use support::identities::{Identity, PLATFORM_ADMIN, STRANGER, TENANT_A};
use support::programs::Programs;

const ROLE: &str = include_str!("../../../../deploy/consumers/rbac.yaml");

fn held() -> Held {
    let arn = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:/prod/shop/db-AbCdEf";
    Held {
        backend: BackendKind::AwsSecretsManager,
        account: "111111111111".to_owned(),
        region: Some("eu-west-1".to_owned()),
        arn: SecretArn(arn.to_owned()),
        name: "/prod/shop/db".to_owned(),
        version: VersionId("v".to_owned()),
        stages: [Stage::Current].into(),
        pointer: "/password".to_owned(),
        normalisation: Vec::new(),
        rotation: RotationMeans::Nobody,
        strategy: Strategy::SingleUser,
        replicas: Vec::new(),
        last_rotated: None,
        state: String::new(),
    }
}

fn looked_at_by(cluster: &Cluster, identity: Identity) -> Consumers {
    let programs = Programs::find().unwrap();
    let kubectl = Kubectl { program: programs.kubectl, kubeconfig: Some(cluster.kubeconfig(identity)), context: None };
    let world = ConsumerWorld::of_cluster(&kubectl).unwrap();
    consumers(&world, &Wanted::of(&held()))
}

/// A store, what reads through it, what uses that, and the Secret with a value.
fn objects(namespace: &str, value: &str) -> Value {
    let role = "arn:aws:iam::111111111111:role/eso";
    let spec = |key: &str| {
        json!({
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": "consumers"},
            "refreshInterval": "30m",
            "data": [{"secretKey": "password", "remoteRef": {"key": key, "property": "password"}}],
        })
    };
    let external = |name: &str, key: &str| {
        json!({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": name, "namespace": namespace}, "spec": spec(key)})
    };
    let deployment = |name: &str, secret: &str| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "app", "image": "example/app:1", "env": [
                {"name": "OTHER", "value": value},
                {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": secret, "key": "password"}}},
            ]}]}}}})
    };
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": "consumers"},
            "spec": {"provider": {"aws": {"service": "SecretsManager", "region": "eu-west-1", "role": role}}}},
        external("db", "/prod/shop/db"),
        external("cache", "/prod/shop/cache"),
        {"apiVersion": "external-secrets.io/v1", "kind": "ClusterExternalSecret", "metadata": {"name": "shared-db"},
            "spec": {"namespaceSelectors": [{"matchLabels": {"consumers": "here"}}], "externalSecretSpec": spec("/prod/shop/db")}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": namespace}, "stringData": {"password": value}},
        deployment("web", "db"),
        deployment("web-cache", "cache"),
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app", "namespace": namespace}, "secrets": [{"name": "db"}]},
    ]})
}

#[test]
fn a_cluster_names_its_consumers_to_who_may_list_names_alone() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace(&[("consumers", "here")], TENANT_A);
    let value = ["a", "value", "that-nobody-may-see"].join("-");
    cluster.apply(PLATFORM_ADMIN, &objects(&namespace, &value).to_string()).succeeds();

    // Who may list nothing hears what is missing, and is not told that there is nobody.
    let found = looked_at_by(cluster, STRANGER);
    assert_eq!(found.consumers, Vec::new());
    assert!(
        found
            .looked_at
            .gaps
            .iter()
            .any(|gap| gap.starts_with("externalsecrets.external-secrets.io could not be listed"))
    );
    assert!(!found.is_complete());

    cluster.apply(PLATFORM_ADMIN, &ROLE.replace("incident-responders", STRANGER.groups[0])).succeeds();
    // The API server's authorizer learns of a binding a moment later.
    let mut found = looked_at_by(cluster, STRANGER);
    for _ in 0..20 {
        if found.looked_at.gaps.is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(250));
        found = looked_at_by(cluster, STRANGER);
    }
    assert_eq!(found.looked_at.gaps, Vec::<String>::new());
    let named: BTreeSet<String> = found.consumers.iter().map(|consumer| consumer.object.to_string()).collect();
    let expected = [
        "ClusterExternalSecret shared-db".to_owned(),
        format!("ExternalSecret {namespace}/db"),
        format!("ExternalSecret {namespace}/shared-db"),
        format!("Deployment {namespace}/web"),
        format!("ServiceAccount {namespace}/app"),
    ];
    assert_eq!(named, expected.into());
    assert_eq!(found.wait_seconds, Some(30 * 60));
    let shown = format!("{found:?}") + &serde_json::to_string(&found).unwrap();
    assert!(!shown.contains(&value), "{shown}");
    cluster.kubectl(STRANGER, ["get", "secrets", "--all-namespaces"], "").refused_with("Forbidden");
}
