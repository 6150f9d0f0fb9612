//! Many namespaces and stores: they are listed, and each is known. `tests/run-slow` has the long form.

use std::fmt::Write as _;
use std::time::Duration;

use crate::support::certificates::Authority;
use crate::support::identities::{PLATFORM_ADMIN, TENANT_A};
use crate::support::mounted::Mounted;
use crate::support::server::eventually;
use crate::support::{Webhook, cluster};
use crate::tenants::{POLICY, external_secret};

#[test]
fn hundreds_of_namespaces_and_stores_are_known() {
    loaded(500, 200);
}

#[test]
#[ignore = "makes 7,000 objects: tests/run-slow"]
fn thousands_of_namespaces_and_stores_are_known() {
    loaded(5_000, 2_000);
}

fn loaded(namespaces: usize, stores: usize) {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace(&[("team", "team-a"), ("env", "prod")], TENANT_A);
    let mut objects = String::new();
    for number in 0..namespaces {
        write!(
            objects,
            "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: scale-{number}, labels: {{team: team-{}, env: prod}}}}\n",
            number % 50
        )
        .unwrap();
    }
    for number in 0..stores {
        // Only the last one's region is granted, so that a wrong store is noticed.
        let region = if number + 1 == stores { "eu-central-1" } else { "us-east-1" };
        write!(
            objects,
            "---\napiVersion: external-secrets.io/v1\nkind: ClusterSecretStore\nmetadata: {{name: scale-{number}}}\n\
             spec:\n  conditions: [{{namespaceSelector: {{matchLabels: {{env: prod}}}}}}]\n  provider:\n    aws:\n      service: SecretsManager\n      region: {region}\n      \
             auth: {{jwt: {{serviceAccountRef: {{name: external-secrets, namespace: external-secrets}}}}}}\n"
        )
        .unwrap();
    }
    cluster.kubectl(PLATFORM_ADMIN, ["create", "-f", "-"], &objects).succeeds();

    let authority = Authority::new("scale");
    let webhook = Webhook::start_with_policy(cluster, "scale", &authority, &Mounted::new(&[("policy.yaml", POLICY)]));
    webhook.register(cluster, "scale", &namespace, &[&authority]);
    for (cache, expected) in [("namespaces", namespaces), ("stores", stores)] {
        let line = format!("keystile_cache_objects{{cache=\"{cache}\"}} ");
        // Counted once a second.
        let counted = eventually(Duration::from_secs(60), || {
            let metrics = webhook.probe("/metrics").map_err(|error| error.to_string())?;
            let found =
                metrics.lines().find_map(|found| found.strip_prefix(&line)).and_then(|count| count.parse().ok());
            if found >= Some(expected) { Ok(()) } else { Err(format!("{found:?}")) }
        });
        counted.unwrap_or_else(|error| panic!("not {expected} {cache} {error}"));
    }
    let apply = |store: usize| {
        let secret = external_secret("database", &namespace, &format!("scale-{store}"), "/prod/team-a/database");
        cluster.apply(TENANT_A, &secret)
    };
    apply(stores - 1).succeeds();
    apply(0).refused_with("us-east-1");
}
