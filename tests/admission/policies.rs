//! The policy as a custom resource: judged when it is written, in force when it is named, its state in its status.

use std::time::Duration;

use serde_json::Value;

use crate::support::certificates::Authority;
use crate::support::identities::{PLATFORM_ADMIN, SECRETS_ADMIN, TENANT_A};
use crate::support::server::eventually;
use crate::support::{Cluster, Webhook, cluster};
use crate::tenants::{POLICY, cluster_store, external_secret};

const LIMIT: Duration = Duration::from_secs(60);

/// The policy of the tests as a SecretPolicy `name`, with `change` made to its text.
fn policy(name: &str, change: (&str, &str)) -> String {
    let text = POLICY.replace("{name: default}", &format!("{{name: {name}, labels: {{test: {name}}}}}"));
    let changed = text.replace(change.0, change.1);
    assert!(change.0 == change.1 || text != changed, "{} is not in the policy", change.0);
    changed
}

fn condition(cluster: &Cluster, name: &str) -> Option<Value> {
    let run = cluster.kubectl(PLATFORM_ADMIN, ["get", "secretpolicy", name, "-o", "json"], "").succeeds();
    run.json().pointer("/status/conditions/0").cloned()
}

#[track_caller]
fn expect_condition(cluster: &Cluster, name: &str, status: &str, reason: &str) {
    let found = eventually(LIMIT, || match condition(cluster, name) {
        Some(found) if found["status"] == status && found["reason"] == reason => Ok(()),
        other => Err(format!("{other:?}")),
    });
    found.unwrap_or_else(|error| panic!("{name} is not {status}, {reason} {error}"));
}

#[test]
fn a_policy_of_the_cluster_is_judged_and_in_force_and_has_a_status() {
    let Some(cluster) = cluster() else { return };
    cluster.apply(PLATFORM_ADMIN, &cluster_store("policies")).succeeds();
    let namespace = cluster.namespace(&[("team", "team-a"), ("env", "prod")], TENANT_A);
    let name = "policies";
    cluster.apply(SECRETS_ADMIN, &policy(name, ("", ""))).succeeds();
    let authority = Authority::new(name);
    let arguments =
        [&format!("--policy-name={name}"), "--lease=keystile-system/policies", "--identity=one", "--lease-duration=5s"];
    let webhook = Webhook::start_with(cluster, name, &authority, &arguments);
    expect_condition(cluster, name, "True", "Valid");

    // Nobody asks about it yet: what is stored all the same is not in force, and its status says why.
    cluster.apply(SECRETS_ADMIN, &policy(name, ("regions: [eu-central-1]", "regions: [middle-of-nowhere]"))).succeeds();
    expect_condition(cluster, name, "False", "Invalid");
    let get = ["get", "secretpolicy", name, "-o", "json"];
    let status = cluster.kubectl(PLATFORM_ADMIN, get, "").succeeds().json()["status"].clone();
    let problem = status["problems"][0].as_str().unwrap();
    assert!(problem.contains("spec.providers[0].aws.regions"), "{problem}");
    let columns = cluster.kubectl(PLATFORM_ADMIN, ["get", "secretpolicy", name], "").succeeds().stdout;
    assert!(columns.contains("IN FORCE") && columns.contains("Invalid"), "{columns}");

    webhook.register(cluster, name, &namespace, &[&authority]);
    let read = |key: &str| cluster.apply(TENANT_A, &external_secret("database", &namespace, "policies", key));
    let judged = eventually(LIMIT, || match read("/prod/shared/certificate") {
        run if run.stderr.contains("(key-outside-grant)") => Ok(()),
        run => Err(run.account()),
    });
    judged.unwrap_or_else(|error| panic!("the last good policy does not judge {error}"));
    read("/prod/team-a/database").succeeds();

    // Asked about, a broken one is refused with its place; a good one comes into force.
    let shared = "grants: [{names: \"/{env}/shared/**\", access: [read]}, ";
    cluster
        .apply(SECRETS_ADMIN, &policy(name, ("regions: [eu-central-1]", "regions: [nowhere]")))
        .refused_with("(policy-invalid)");
    cluster.apply(SECRETS_ADMIN, &policy(name, ("grants: [", shared))).succeeds();
    expect_condition(cluster, name, "True", "Valid");
    read("/prod/shared/certificate").succeeds();

    let other = format!("{name}-other");
    let text = policy(name, ("", "")).replace(&format!("name: {name},"), &format!("name: {other},"));
    cluster.apply(SECRETS_ADMIN, &text).succeeds();
    expect_condition(cluster, &other, "False", "NotNamed");

    // One that is gone leaves what is in force.
    cluster.kubectl(PLATFORM_ADMIN, ["delete", "secretpolicy", name], "").succeeds();
    let remark = eventually(LIMIT, || {
        let ready = webhook.probe("/readyz").unwrap();
        if ready.contains("an older policy is in force: there is no SecretPolicy") { Ok(()) } else { Err(ready) }
    });
    remark.unwrap_or_else(|error| panic!("{error}"));
    read("/prod/shared/certificate").succeeds();
}
