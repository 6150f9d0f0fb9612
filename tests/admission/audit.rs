//! The audit: what exists is judged again, and reported by one replica of two.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::certificates::Authority;
use crate::support::identities::{PLATFORM_ADMIN, TENANT_A};
use crate::support::mounted::Mounted;
use crate::support::programs::{Programs, leave_out};
use crate::support::server::eventually;
use crate::support::{Cluster, Webhook, cluster};
use crate::tenants::{POLICY, cluster_store, external_secret};

const LIMIT: Duration = Duration::from_secs(90);

fn report(cluster: &Cluster, kind: &str, namespace: &str) -> Option<Value> {
    let run = cluster.kubectl(PLATFORM_ADMIN, ["get", kind, "keystile", "-n", namespace, "-o", "json"], "");
    (run.status == Some(0)).then(|| run.json())
}

/// Waits until the report counts so many objects that pass, and so many findings that fail.
#[track_caller]
fn expect(cluster: &Cluster, kind: &str, namespace: &str, pass: usize, fail: usize) -> Value {
    let found = eventually(LIMIT, || match report(cluster, kind, namespace) {
        Some(report) if report["summary"]["pass"] == pass && report["summary"]["fail"] == fail => Ok(report),
        other => Err(format!("{other:?}")),
    });
    found.unwrap_or_else(|error| panic!("{kind} of {namespace} is not {pass} pass, {fail} fail {error}"))
}

fn holder(cluster: &Cluster, lease: &str) -> String {
    let get = ["get", "lease", lease, "-n", "keystile-system", "-o", "jsonpath={.spec.holderIdentity}"];
    cluster.kubectl(PLATFORM_ADMIN, get, "").stdout
}

#[test]
fn one_replica_reports_and_the_other_goes_on_when_it_is_killed() {
    // A cluster of its own: the objects of other tests would be reported too.
    let cluster = match Programs::find() {
        Ok(programs) => Cluster::start(programs).unwrap_or_else(|error| panic!("{error}")),
        Err(reason) => return leave_out(&reason),
    };
    let cluster = &cluster;
    let definitions = include_str!("crds/reports.yaml");
    cluster.kubectl(PLATFORM_ADMIN, ["apply", "--server-side", "-f", "-"], definitions).succeeds();
    let wait = ["wait", "--for=condition=Established", "--all", "crd", "--timeout=60s"];
    cluster.kubectl(PLATFORM_ADMIN, wait, "").succeeds();
    cluster.apply(PLATFORM_ADMIN, &cluster_store("audit")).succeeds();
    let namespace = cluster.namespace(&[("team", "team-a"), ("env", "prod")], TENANT_A);
    // Both were there before the webhook.
    for (name, key) in [("good", "/prod/team-a/database"), ("bad", "/prod/team-b/database")] {
        cluster.apply(TENANT_A, &external_secret(name, &namespace, "audit", key)).succeeds();
    }

    let authority = Authority::new("audit");
    let mut policy = Mounted::new(&[("policy.yaml", POLICY)]);
    let file = policy.path("policy.yaml").to_str().unwrap().to_owned();
    let start = |identity: &str| {
        let arguments = [
            "--policy",
            &file,
            "--policy-poll=100ms",
            "--lease=keystile-system/audit",
            &format!("--identity={identity}"),
            "--lease-duration=3s",
            "--audit-delay=200ms",
        ];
        Webhook::start_with(cluster, identity, &authority, &arguments)
    };
    let mut replicas = [("first", start("first")), ("second", start("second"))];

    for kind in ["report.openreports.io", "policyreport.wgpolicyk8s.io"] {
        let found = expect(cluster, kind, &namespace, 1, 1);
        let result = &found["results"][0];
        assert_eq!(result["rule"], "key-outside-grant", "{result}");
        assert_eq!(result["category"], "key", "{result}");
        assert_eq!(result["resources"][0]["name"], "bad", "{result}");
        assert!(result["message"].as_str().unwrap().contains("/prod/team-b/database"), "{result}");
    }
    let events = ["get", "events", "-n", &namespace, "--field-selector=reason=PolicyViolation", "-o", "json"];
    let events = || cluster.kubectl(PLATFORM_ADMIN, events, "").succeeds().json()["items"].as_array().unwrap().clone();
    let count = eventually(LIMIT, || match events().len() {
        0 => Err("no event yet".to_owned()),
        count => Ok(count),
    });
    assert_eq!(count.unwrap(), 1, "one object is refused by now");
    assert_eq!(events()[0]["involvedObject"]["name"], "bad");

    // An object is set right; a policy that grants less makes both bad.
    let version = |kind: &str| report(cluster, kind, &namespace).unwrap()["metadata"]["resourceVersion"].clone();
    cluster.apply(TENANT_A, &external_secret("bad", &namespace, "audit", "/prod/team-a/other")).succeeds();
    expect(cluster, "report.openreports.io", &namespace, 2, 0);
    let before = version("report.openreports.io");

    let leader = holder(cluster, "audit");
    let killed = replicas.iter_mut().find(|(identity, _)| *identity == leader).expect("one of the two leads");
    killed.1.kill();
    policy.update(&[("policy.yaml", &POLICY.replace("/{env}/{team}/**", "/{env}/apps/{team}/**"))]);
    for kind in ["report.openreports.io", "policyreport.wgpolicyk8s.io"] {
        expect(cluster, kind, &namespace, 0, 2);
    }
    assert_ne!(holder(cluster, "audit"), leader, "the other one leads");
    assert_ne!(version("report.openreports.io"), before);

    // A namespace without objects has no report.
    cluster.kubectl(PLATFORM_ADMIN, ["delete", "externalsecrets", "--all", "-n", &namespace], "").succeeds();
    let gone = eventually(LIMIT, || match report(cluster, "report.openreports.io", &namespace) {
        None => Ok(()),
        Some(report) => Err(report["summary"].to_string()),
    });
    gone.unwrap_or_else(|error| panic!("the report stays {error}"));
}

#[test]
fn a_replica_that_is_told_to_stop_gives_its_lease_back() {
    let Some(cluster) = cluster() else { return };
    let authority = Authority::new("farewell");
    let policy = Mounted::new(&[("policy.yaml", POLICY)]);
    let file = policy.path("policy.yaml").to_str().unwrap().to_owned();
    let start = |identity: &str| {
        // So long that a replica that waits for it is noticed.
        let lease = ["--lease=keystile-system/farewell", "--lease-duration=10m"];
        let identity_is = format!("--identity={identity}");
        let arguments = ["--policy", &file, lease[0], lease[1], &identity_is];
        Webhook::start_with(cluster, identity, &authority, &arguments)
    };
    let mut replicas = [("stays", start("stays")), ("goes", start("goes"))];
    let held_by = |is_wanted: &dyn Fn(&str) -> bool| {
        let found = eventually(LIMIT, || match holder(cluster, "farewell") {
            holder if is_wanted(&holder) => Ok(holder),
            holder => Err(holder),
        });
        found.unwrap_or_else(|error| panic!("the Lease is held by {error}"))
    };
    let leader = held_by(&|holder| !holder.is_empty());
    let stopped = replicas.iter_mut().find(|(identity, _)| *identity == leader).expect("one of the two leads");
    stopped.1.stop();
    let since = Instant::now();
    let next = held_by(&|holder| !holder.is_empty() && holder != leader);
    eprintln!("{next} leads {:?} after {leader} ended", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    let transitions = ["get", "lease", "farewell", "-n", "keystile-system", "-o", "jsonpath={.spec.leaseTransitions}"];
    assert_eq!(cluster.kubectl(PLATFORM_ADMIN, transitions, "").stdout, "2");
}
