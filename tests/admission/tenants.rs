//! What teams may do, told apart by the labels of their namespaces and by who asks.

use crate::support::certificates::Authority;
use crate::support::identities::{
    Identity, NAMESPACE_CONTROLLER, NAMESPACE_CREATOR, PLATFORM_ADMIN, TENANT_A, TENANT_B,
};
use crate::support::mounted::Mounted;
use crate::support::{Cluster, Webhook, cluster};

/// Ten lines: a team reads below its own prefix.
pub(crate) const POLICY: &str = "apiVersion: keystile.dev/v1alpha1
kind: SecretPolicy
metadata: {name: default}
spec:
  binding: {team: {label: team}, env: {label: env}}
  admins: {groups: [\"system:masters\", secrets-admins]}
  providers:
  - aws: {accounts: [\"210987654321\"], regions: [eu-central-1]}
    grants: [{names: \"/{env}/{team}/**\", access: [read]}]
  stores: {cluster: {env: prod, serviceAccounts: [external-secrets/external-secrets]}}
";

/// An ExternalSecret named `name` that reads `key` through the ClusterSecretStore `store`.
pub(crate) fn external_secret(name: &str, namespace: &str, store: &str, key: &str) -> String {
    format!(
        "apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  refreshInterval: 1h
  secretStoreRef: {{kind: ClusterSecretStore, name: {store}}}
  data:
  - secretKey: password
    remoteRef: {{key: {key}}}
"
    )
}

/// The ClusterSecretStore `name` of the platform, for namespaces of every team.
pub(crate) fn cluster_store(name: &str) -> String {
    format!(
        "apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {{name: {name}}}
spec:
  conditions: [{{namespaceSelector: {{matchLabels: {{env: prod}}}}}}]
  provider:
    aws:
      service: SecretsManager
      region: eu-central-1
      auth: {{jwt: {{serviceAccountRef: {{name: external-secrets, namespace: external-secrets}}}}}}
"
    )
}

/// A webhook with the policy above for `namespace`.
fn guard(cluster: &Cluster, name: &str, namespace: &str) -> Webhook {
    let authority = Authority::new(name);
    let webhook = Webhook::start_with_policy(cluster, name, &authority, &Mounted::new(&[("policy.yaml", POLICY)]));
    webhook.register(cluster, name, namespace, &[&authority]);
    webhook
}

#[test]
fn a_team_reads_its_own_names_and_no_others() {
    let Some(cluster) = cluster() else { return };
    cluster.apply(PLATFORM_ADMIN, &cluster_store("tenants")).succeeds();
    let cases: [(&str, Identity, &str); 2] = [("team-a", TENANT_A, "team-b"), ("team-b", TENANT_B, "team-a")];
    for (team, tenant, other) in cases {
        let namespace = cluster.namespace(&[("team", team), ("env", "prod")], tenant);
        let _webhook = guard(cluster, &format!("reads-{team}"), &namespace);
        let apply = |key: &str| cluster.apply(tenant, &external_secret("database", &namespace, "tenants", key));

        apply(&format!("/prod/{team}/database")).succeeds();
        apply(&format!("/prod/{other}/database")).refused_with(&format!(
            "denied the request: spec.data[0].remoteRef.key: \"/prod/{other}/database\" is outside of what is granted; \
             env=prod team={team} may read /prod/{team}/** (key-outside-grant)"
        ));
    }
}

#[test]
fn a_namespace_is_not_given_away_through_its_subresources() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace(&[("team", "team-a"), ("env", "prod")], TENANT_A);
    let _webhook = guard(cluster, "subresources", &namespace);
    let path = format!("/api/v1/namespaces/{namespace}");
    let put = |subresource: &str, labels: &str| {
        let mut object = cluster.kubectl(PLATFORM_ADMIN, ["get", "--raw", &path], "").succeeds().json();
        for (label, value) in labels.split(',').filter_map(|label| label.split_once('=')) {
            object["metadata"]["labels"][label] = value.into();
        }
        let place = format!("{path}/{subresource}");
        cluster.kubectl(NAMESPACE_CREATOR, ["replace", "--raw", &place, "-f", "-"], &object.to_string())
    };
    for subresource in ["status", "finalize"] {
        put(subresource, "team=team-b").refused_with("(binding-label-changed)");
        // Neither is a label that binds nothing stopped, nor what the namespace controller writes.
        put(subresource, "note=changed").succeeds();
        put(subresource, "").succeeds();
    }
    // What the namespace controller does at the end; the test's cluster runs none.
    cluster.kubectl(PLATFORM_ADMIN, ["delete", "namespace", &namespace, "--wait=false"], "").succeeds();
    let mut object = cluster.kubectl(PLATFORM_ADMIN, ["get", "--raw", &path], "").succeeds().json();
    object["spec"]["finalizers"] = serde_json::json!([]);
    let finalize = ["replace", "--raw", &format!("{path}/finalize"), "-f", "-"];
    cluster.kubectl(NAMESPACE_CONTROLLER, finalize, &object.to_string()).succeeds();
    cluster.kubectl(PLATFORM_ADMIN, ["get", "--raw", &path], "").refused_with("not found");
}
