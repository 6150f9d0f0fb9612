//! What changes while the webhook runs: its policy, namespaces, stores.

use std::time::Duration;

use serde_json::json;

use crate::support::certificates::Authority;
use crate::support::identities::{PLATFORM_ADMIN, TENANT_A};
use crate::support::kubectl::Run;
use crate::support::mounted::Mounted;
use crate::support::server::eventually;
use crate::support::{Webhook, cluster};
use crate::tenants::{POLICY, cluster_store, external_secret};

/// How long a change may take to be known: a poll or a watch event, unless the machine is busy.
const LIMIT: Duration = Duration::from_secs(60);

#[track_caller]
fn expect_eventually(what: &str, mut run: impl FnMut() -> Run, is_so: impl Fn(&Run) -> bool) {
    let found = eventually(LIMIT, || {
        let run = run();
        if is_so(&run) { Ok(()) } else { Err(run.account()) }
    });
    found.unwrap_or_else(|error| panic!("not {what} {error}"));
}

#[test]
fn a_policy_changes_while_the_webhook_runs_and_a_broken_one_leaves_the_last_good_one_in_force() {
    let Some(cluster) = cluster() else { return };
    cluster.apply(PLATFORM_ADMIN, &cluster_store("changes")).succeeds();
    let namespace = cluster.namespace(&[("team", "team-a"), ("env", "prod")], TENANT_A);
    let mut policy = Mounted::new(&[("policy.yaml", POLICY)]);
    let authority = Authority::new("policy");
    let webhook = Webhook::start_with_policy(cluster, "policy", &authority, &policy);
    webhook.register(cluster, "policy", &namespace, &[&authority]);
    let shared = || {
        let secret = external_secret("shared", &namespace, "changes", "/prod/shared/certificate");
        cluster.apply(TENANT_A, &secret)
    };
    shared().refused_with("(key-outside-grant)");

    let wider = POLICY.replace("grants: [", "grants: [{names: \"/{env}/shared/**\", access: [read]}, ");
    policy.update(&[("policy.yaml", &wider)]);
    expect_eventually("granted", shared, |run| run.status == Some(0));

    for broken in ["kind: [", "kind: SecretPolicy\nspec: {grants: []}\n", ""] {
        policy.update(&[("policy.yaml", broken)]);
        // Longer than the webhook takes to look: what is refused then is refused by the broken document.
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(200));
            shared().succeeds();
        }
    }
    policy.update(&[("policy.yaml", POLICY)]);
    // A new name each time: what got in while the wider policy was in force may be applied again.
    let mut number = 0;
    let again = || {
        number += 1;
        let secret = external_secret(&format!("again-{number}"), &namespace, "changes", "/prod/shared/certificate");
        cluster.apply(TENANT_A, &secret)
    };
    expect_eventually("taken back", again, |run| run.stderr.contains("(key-outside-grant)"));
}

#[test]
fn a_namespace_made_a_moment_ago_is_known() {
    let Some(cluster) = cluster() else { return };
    cluster.apply(PLATFORM_ADMIN, &cluster_store("moment")).succeeds();
    let authority = Authority::new("moment");
    let webhook = Webhook::start_with_policy(cluster, "moment", &authority, &Mounted::new(&[("policy.yaml", POLICY)]));
    for number in 0..10 {
        let name = format!("moment-{number}");
        webhook.register(cluster, &name, &name, &[&authority]);
        // Namespace and object in one request after another, as `kubectl apply` of a folder has them.
        let key = "/prod/team-a/database";
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {"team": "team-a", "env": "prod"}},
        });
        let both = format!("{namespace}\n---\n{}", external_secret("database", &name, "moment", key));
        cluster.apply(PLATFORM_ADMIN, &both).succeeds();
        let foreign = external_secret("foreign", &name, "moment", "/prod/team-b/database");
        cluster.apply(PLATFORM_ADMIN, &foreign).refused_with("env=prod team=team-a may read");
    }
}
#[test]
fn a_store_stays_inside_of_the_grant() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace(&[("team", "team-a"), ("env", "prod")], TENANT_A);
    let policy = POLICY.replace("stores: {", "stores: {serviceAccounts: [secrets-reader], ");
    let authority = Authority::new("store");
    let webhook = Webhook::start_with_policy(cluster, "store", &authority, &Mounted::new(&[("policy.yaml", &policy)]));
    webhook.register(cluster, "store", &namespace, &[&authority]);
    let store = |prefix: &str| {
        let manifest = json!({
            "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
            "metadata": {"name": "own", "namespace": namespace},
            "spec": {"provider": {"aws": {
                "service": "SecretsManager", "region": "eu-central-1", "prefix": prefix,
                "auth": {"jwt": {"serviceAccountRef": {"name": "secrets-reader"}}},
            }}},
        });
        cluster.apply(TENANT_A, &manifest.to_string())
    };
    store("/prod/team-a/").succeeds();
    let secret =
        external_secret("database", &namespace, "own", "database").replace("ClusterSecretStore", "SecretStore");
    // The store is known as soon as it was admitted, or a moment later.
    expect_eventually("resolved", || cluster.apply(TENANT_A, &secret), |run| run.status == Some(0));
    // Granted as a prefix, and another name for the referrer: inside of the grant still.
    store("/prod/team-a/other/").succeeds();
    store("/prod/team-b/").refused_with("/prod/team-b/");
    // Without a prefix the referrer would read what its key says alone.
    store("").refused_with("\"database\"");
}
