//! The webhook as a server of the API server: it is asked, it is missed, it changes its certificate.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::support::certificates::Authority;
use crate::support::identities::{PLATFORM_ADMIN, TENANT_A};
use crate::support::kubectl::Run;
use crate::support::server::eventually;
use crate::support::webhook::register;
use crate::support::{Cluster, Webhook, cluster};

/// How long the API server may take to notice a registration or a change of one: a second or two.
const LIMIT: Duration = Duration::from_secs(60);

/// What the API server says when the call fails, whatever the webhook would have said.
const CALL_FAILED: &str = "failed calling webhook";

fn external_secret(name: &str) -> String {
    format!(
        "apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: {name}}}
spec:
  secretStoreRef: {{kind: ClusterSecretStore, name: hub}}
  data: [{{secretKey: user, remoteRef: {{key: /prod/team-b/database}}}}]
"
    )
}

/// Asks the API server without storing anything.
fn try_apply(cluster: &Cluster, namespace: &str) -> Run {
    let arguments = ["apply", "--dry-run=server", "-n", namespace, "-f", "-"];
    cluster.kubectl(TENANT_A, arguments, &external_secret("database"))
}

/// Waits until the webhook's own verdict comes back.
#[track_caller]
fn expect_verdict(cluster: &Cluster, namespace: &str) {
    let verdict = eventually(LIMIT, || {
        let run = try_apply(cluster, namespace);
        if is_verdict(&run) { Ok(()) } else { Err(run.account()) }
    });
    verdict.unwrap_or_else(|error| panic!("no verdict {error}"));
}

/// Whether the object was refused by the webhook's answer, not by a failure on the way to it.
fn is_verdict(run: &Run) -> bool {
    run.status != Some(0) && run.stderr.contains("denied the request: ")
}

#[test]
fn a_refusal_reaches_the_user_with_its_reason() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace(&[("team", "team-a"), ("env", "prod")], TENANT_A);
    let authority = Authority::new("refusal");
    let webhook = Webhook::start(cluster, "refusal", &authority);
    webhook.register(cluster, "refusal", &namespace, &[&authority]);
    expect_verdict(cluster, &namespace);
    try_apply(cluster, &namespace)
        .refused_with("Error from server (Forbidden)")
        .refused_with("admission webhook \"refusal-0.secrets.keystile.dev\" denied the request: ");
}

#[test]
fn a_webhook_that_is_killed_refuses_until_it_is_back() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace(&[("team", "team-a"), ("env", "prod")], TENANT_A);
    let authority = Authority::new("killed");
    let mut webhook = Webhook::start(cluster, "killed", &authority);
    webhook.register(cluster, "killed", &namespace, &[&authority]);
    expect_verdict(cluster, &namespace);

    webhook.kill();
    try_apply(cluster, &namespace).refused_with(CALL_FAILED);
    webhook.start_again();
    // At once: the API server dials anew for the next request.
    let run = try_apply(cluster, &namespace);
    assert!(is_verdict(&run), "{}", run.account());
}

#[test]
fn a_change_of_certificate_and_authority_under_load_loses_no_request() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace(&[("team", "team-a"), ("env", "prod")], TENANT_A);
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let mut webhook = Webhook::start(cluster, "certificate", &old);
    let register = |webhook: &Webhook, authorities: &[&Authority]| {
        webhook.register(cluster, "certificate", &namespace, authorities);
    };
    register(&webhook, &[&old]);
    expect_verdict(cluster, &namespace);

    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        // Whatever happens below, the load ends.
        let ending = Ending(&stop);
        let load: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let run = try_apply(cluster, &namespace);
                        assert!(is_verdict(&run), "a request was lost: {}", run.account());
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let pass = |requests: usize| {
            let goal = answered.load(Ordering::Relaxed) + requests;
            while answered.load(Ordering::Relaxed) < goal
                && !load.iter().any(std::thread::ScopedJoinHandle::is_finished)
            {
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        pass(4);
        // Trust first, certificate second, distrust last. Each change of the registration makes the API server
        // dial anew, so the last one shows that the new certificate is served.
        register(&webhook, &[&old, &new]);
        pass(10);
        webhook.swap_certificate(&new);
        webhook.expect_certificate_of(&new);
        pass(10);
        register(&webhook, &[&new]);
        pass(20);
        drop(ending);
        for thread in load {
            thread.join().expect("no request was lost");
        }
    });
    assert!(answered.into_inner() >= 44);
}

#[test]
fn replicas_that_keep_their_own_certificate_are_trusted_by_the_api_server() {
    let Some(cluster) = cluster() else { return };
    let namespaces = [(); 2].map(|()| cluster.namespace(&[("team", "team-a"), ("env", "prod")], TENANT_A));
    let (system, name) = ("keystile-system", "self-managed");
    // The API server calls an ExternalName at the registration's port, and expects the Service's name in the certificate.
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": system},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    });
    cluster.kubectl(PLATFORM_ADMIN, ["create", "-f", "-"], &service.to_string()).succeeds();
    // Both begin before there is a configuration, and meet at one Secret.
    let replicas = ["first", "second"].map(|log| Webhook::start_self_managed(cluster, log, system, name));
    let clients = replicas.each_ref().map(|replica| replica.behind_service(system, name));
    let [first, second] = clients;
    register(cluster, name, &[(&namespaces[0], first), (&namespaces[1], second)]);

    for namespace in &namespaces {
        expect_verdict(cluster, namespace);
    }
    let get = ["get", "validatingwebhookconfiguration", name, "-o", "json"];
    let configuration = cluster.kubectl(PLATFORM_ADMIN, get, "").succeeds().json();
    let get = ["get", "secret", name, "-n", system, "-o", "json"];
    let secret = cluster.kubectl(PLATFORM_ADMIN, get, "").succeeds().json();
    for webhook in configuration["webhooks"].as_array().unwrap() {
        assert_eq!(webhook["clientConfig"]["caBundle"], secret["data"]["ca.crt"], "both trust what the Secret holds");
    }
}

/// Sets its flag when dropped, be it by a panic.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
