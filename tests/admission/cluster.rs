//! The cluster itself: what every other test relies on.

use serde_json::json;

use crate::support::cluster;
use crate::support::identities::{self, NAMESPACE_CONTROLLER, OPERATOR, PLATFORM_ADMIN, STRANGER, TENANT_A, TENANT_B};

/// The kinds of the policy, by the names of their definitions.
const KINDS: [&str; 10] = [
    "awsproviders.aws-infra-operator.runner.codes",
    "clusterexternalsecrets.external-secrets.io",
    "clusterpushsecrets.external-secrets.io",
    "clustersecretstores.external-secrets.io",
    "externalsecrets.external-secrets.io",
    "passwords.generators.external-secrets.io",
    "pushsecrets.external-secrets.io",
    "secretsmanagersecrets.aws-infra-operator.runner.codes",
    "secretstores.external-secrets.io",
    "vaultdynamicsecrets.generators.external-secrets.io",
];

#[test]
fn every_kind_is_established() {
    let Some(cluster) = cluster() else { return };
    let list = cluster.kubectl(PLATFORM_ADMIN, ["get", "crd", "-o", "json"], "").succeeds().json();
    let established: Vec<&str> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|definition| {
            let conditions = definition["status"]["conditions"].as_array().unwrap();
            conditions.iter().any(|condition| condition["type"] == "Established" && condition["status"] == "True")
        })
        .map(|definition| definition["metadata"]["name"].as_str().unwrap())
        .collect();
    let missing: Vec<_> = KINDS.iter().filter(|kind| !established.contains(kind)).collect();
    assert!(missing.is_empty(), "{missing:?} of {established:?}");
}

#[test]
fn the_server_names_its_version() {
    let Some(cluster) = cluster() else { return };
    let version = cluster.kubectl(PLATFORM_ADMIN, ["version", "-o", "json"], "").succeeds().json();
    for side in ["clientVersion", "serverVersion"] {
        let minor: u32 = version[side]["minor"].as_str().unwrap().trim_end_matches('+').parse().unwrap();
        assert!(minor >= 30, "{side}: {version}: ValidatingAdmissionPolicy and matchConditions are v1 since 1.30");
    }
}

#[test]
fn every_identity_is_who_it_says() {
    let Some(cluster) = cluster() else { return };
    for identity in identities::ALL {
        let who = cluster.kubectl(identity, ["auth", "whoami", "-o", "json"], "").succeeds().json();
        let info = &who["status"]["userInfo"];
        assert_eq!(info["username"], identity.user);
        let mut groups = identity.groups.to_vec();
        groups.push("system:authenticated");
        assert_eq!(info["groups"], json!(groups), "{}", identity.user);
    }
}

#[test]
fn a_tenant_edits_their_namespace_and_no_other() {
    let Some(cluster) = cluster() else { return };
    let ours = cluster.namespace(&[("team", "team-a"), ("env", "prod")], TENANT_A);
    let theirs = cluster.namespace(&[("team", "team-b"), ("env", "prod")], TENANT_B);
    let external_secret = |namespace: &str| {
        format!(
            "apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: database, namespace: {namespace}}}
spec:
  secretStoreRef: {{kind: ClusterSecretStore, name: hub}}
  data:
  - secretKey: user
    remoteRef: {{key: /prod/team-a/database, property: user}}
"
        )
    };
    cluster.apply(TENANT_A, &external_secret(&ours)).succeeds();
    let stored = ["get", "externalsecret", "database", "-n", &ours, "-o", "json"];
    let stored = cluster.kubectl(TENANT_A, stored, "").succeeds().json();
    assert_eq!(stored["spec"]["data"][0]["remoteRef"]["key"], "/prod/team-a/database");
    assert_eq!(stored["spec"]["refreshInterval"], "1h0m0s", "the definition's defaults are applied");

    cluster.apply(TENANT_A, &external_secret(&theirs)).refused_with("Forbidden");
    cluster.apply(STRANGER, &external_secret(&ours)).refused_with("Forbidden");
    cluster.kubectl(TENANT_A, ["create", "namespace", "mine"], "").refused_with("Forbidden");
    cluster.kubectl(TENANT_A, ["get", "clustersecretstores"], "").refused_with("Forbidden");
}

#[test]
fn the_operator_writes_status_and_the_namespace_controller_deletes() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace(&[("team", "team-a"), ("env", "prod")], TENANT_A);
    let push = format!(
        "apiVersion: external-secrets.io/v1alpha1
kind: PushSecret
metadata: {{name: database, namespace: {namespace}}}
spec:
  secretStoreRefs: [{{kind: ClusterSecretStore, name: hub}}]
  selector: {{secret: {{name: database}}}}
  data:
  - match: {{secretKey: user, remoteRef: {{remoteKey: /prod/team-a/database}}}}
"
    );
    cluster.apply(TENANT_A, &push).succeeds();
    let patch = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}).to_string();
    let status =
        ["patch", "pushsecret", "database", "-n", &namespace, "--subresource=status", "--type=merge", "-p", &patch];
    cluster.kubectl(OPERATOR, status, "").succeeds();
    cluster.kubectl(STRANGER, status, "").refused_with("Forbidden");
    let all = ["delete", "pushsecrets", "--all", "-n", &namespace];
    cluster.kubectl(NAMESPACE_CONTROLLER, all, "").succeeds();
}

#[test]
fn the_operators_kinds_keep_what_its_source_defines_and_prune_the_rest() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace(&[("team", "team-a"), ("env", "prod")], TENANT_A);
    let secret = format!(
        "apiVersion: aws-infra-operator.runner.codes/v1alpha1
kind: SecretsManagerSecret
metadata: {{name: database, namespace: {namespace}}}
spec:
  providerRef: {{name: aws}}
  secretName: /prod/team-a/database
  rotationLambdaARN: arn:aws:lambda:eu-central-1:210987654321:function:rotate
  automaticallyAfterDays: 30
  rotationSchedule: {{automaticallyAfterDays: 30}}
"
    );
    cluster.apply(TENANT_A, &secret).refused_with("unknown field \"spec.rotationSchedule\"");
    // What a client that does not ask for strict validation gets: silence.
    cluster.kubectl(TENANT_A, ["apply", "--validate=false", "-f", "-"], &secret).succeeds();
    let stored = ["get", "awssecret", "database", "-n", &namespace, "-o", "json"];
    let spec = cluster.kubectl(TENANT_A, stored, "").succeeds().json()["spec"].take();
    assert_eq!(
        spec,
        json!({
            "automaticallyAfterDays": 30,
            "deletionPolicy": "Delete",
            "providerRef": {"name": "aws"},
            "recoveryWindowInDays": 30,
            "rotationLambdaARN": "arn:aws:lambda:eu-central-1:210987654321:function:rotate",
            "secretName": "/prod/team-a/database",
        })
    );
    let deletion = json!({"spec": {"deletionPolicy": "ScheduleDeletion"}}).to_string();
    let patch = ["patch", "awssecret", "database", "-n", &namespace, "--type=merge", "-p", &deletion];
    cluster.kubectl(TENANT_A, patch, "").refused_with("Unsupported value: \"ScheduleDeletion\"");
}
