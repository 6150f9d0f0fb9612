//! `deploy/webhook` as it is: what the API server makes of it, what it lets the webhook do, and what it asks.

use std::path::Path;

use crate::support::certificates::Authority;
use crate::support::identities::{PLATFORM_ADMIN, TENANT_A, WEBHOOK};
use crate::support::{Webhook, cluster};

fn folder() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/webhook");
    folder.canonicalize().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn the_api_server_takes_every_object() {
    let Some(cluster) = cluster() else { return };
    let apply = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "-k", &folder()];
    let run = cluster.kubectl(PLATFORM_ADMIN, apply, "").succeeds();
    assert!(!run.stderr.contains("Warning"), "{}", run.account());
    for object in [
        "deployment.apps/keystile-webhook",
        "poddisruptionbudget.policy/keystile-webhook",
        "validatingwebhookconfiguration.admissionregistration.k8s.io/keystile",
        "configmap/keystile-policy",
        "customresourcedefinition.apiextensions.k8s.io/secretpolicies.keystile.dev",
    ] {
        assert!(run.stdout.contains(object), "{object}: {}", run.account());
    }
}

#[test]
fn the_example_policy_has_no_errors() {
    let text = std::fs::read_to_string(Path::new(&folder()).join("policy.yaml")).unwrap();
    let document: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    let (_, warnings) = keystile_policy::policy::document::read(&document, jiff::Timestamp::now()).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn the_webhook_reads_what_it_judges_by_and_no_secret_of_others() {
    let Some(cluster) = cluster() else { return };
    let can = |verb: &str, resource: &str, namespace: &str| {
        let run = cluster.kubectl(WEBHOOK, ["auth", "can-i", verb, resource, "-n", namespace], "");
        match run.stdout.trim() {
            "yes" => true,
            "no" => false,
            _ => panic!("{}", run.account()),
        }
    };
    let own = "keystile-system";
    for (verb, resource, namespace, expected) in [
        ("watch", "namespaces", "", true),
        ("list", "clustersecretstores.external-secrets.io", "", true),
        ("list", "passwords.generators.external-secrets.io", "default", true),
        ("get", "secretsmanagersecrets.aws-infra-operator.runner.codes", "default", true),
        ("get", "secrets/keystile-webhook-certificate", own, true),
        ("get", "secrets/another", own, false),
        ("list", "secrets", own, false),
        ("get", "secrets/keystile-webhook-certificate", "default", false),
        ("create", "externalsecrets.external-secrets.io", "default", false),
        ("update", "validatingwebhookconfigurations/keystile", "", true),
        ("update", "validatingwebhookconfigurations/another", "", false),
        ("get", "pods", own, false),
    ] {
        assert_eq!(can(verb, resource, namespace), expected, "{verb} {resource} in {namespace:?}");
    }
}

#[test]
fn of_workloads_only_those_with_annotations_of_the_injector_are_asked_about() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace(&[("team", "team-a"), ("env", "prod")], TENANT_A);
    let authority = Authority::new("workloads");
    let mut webhook = Webhook::start(cluster, "workloads", &authority);
    webhook.register(cluster, "workloads", &namespace, &[&authority]);
    // Nobody answers: what goes well was not asked about.
    webhook.kill();
    let annotation = r#"{"vault.hashicorp.com/agent-inject": "true"}"#;
    let pod = |metadata: &str| {
        format!(r#"{{"metadata": {metadata}, "spec": {{"containers": [{{"name": "c", "image": "i"}}]}}}}"#)
    };
    let template = |annotations: &str| pod(&format!(r#"{{"labels": {{"a": "b"}}, "annotations": {annotations}}}"#));
    let objects = |annotations: &str| -> [(&str, String); 3] {
        let metadata = format!(r#"{{"name": "w", "namespace": "{namespace}", "annotations": {annotations}}}"#);
        let plain = format!(r#"{{"name": "w", "namespace": "{namespace}"}}"#);
        let template = template(annotations);
        let job = format!(
            r#"{{"template": {}}}"#,
            template.replace(r#""spec": {"#, r#""spec": {"restartPolicy": "Never", "#)
        );
        [
            ("Pod", pod(&metadata).replacen('{', r#"{"apiVersion": "v1", "kind": "Pod", "#, 1)),
            (
                "Deployment",
                format!(
                    r#"{{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {plain}, "spec": {{"selector": {{"matchLabels": {{"a": "b"}}}}, "template": {template}}}}}"#
                ),
            ),
            (
                "CronJob",
                format!(
                    r#"{{"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {plain}, "spec": {{"schedule": "0 0 * * *", "jobTemplate": {{"spec": {job}}}}}}}"#
                ),
            ),
        ]
    };
    let create = |object: &str| cluster.kubectl(TENANT_A, ["create", "--dry-run=server", "-f", "-"], object);
    for (kind, object) in objects(annotation) {
        // The registration takes a moment to count.
        let asked = crate::support::server::eventually(std::time::Duration::from_secs(60), || {
            let run = create(&object);
            if run.stderr.contains("failed calling webhook") { Ok(()) } else { Err(run.account()) }
        });
        asked.unwrap_or_else(|error| panic!("{kind} is not asked about {error}"));
    }
    for (kind, object) in objects(r#"{"example.com/other": "true"}"#) {
        let run = create(&object);
        assert_eq!(run.status, Some(0), "{kind}: {}", run.account());
    }
}

/// Each of these would let an object pass unseen: a webhook that changes objects after they were judged, a
/// selector by a label that a tenant may write, an answer that counts as yes where there is none.
#[test]
fn nobody_takes_himself_out_of_what_is_asked_about() {
    let read = |file: &str| -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(Path::new(&folder()).join(file)).unwrap();
        serde_saphyr::from_multiple(&text).unwrap()
    };
    let resources = read("kustomization.yaml")[0]["resources"].as_array().unwrap().clone();
    let objects: Vec<serde_json::Value> = resources.iter().flat_map(|file| read(file.as_str().unwrap())).collect();
    let of_kind = |kind: &str| objects.iter().filter(|object| object["kind"] == kind).collect::<Vec<_>>();

    assert!(of_kind("MutatingWebhookConfiguration").is_empty(), "judged is what is stored");
    let [registration] = of_kind("ValidatingWebhookConfiguration")[..] else { panic!("not one registration") };
    let mut asked = Vec::new();
    for webhook in registration["webhooks"].as_array().unwrap() {
        let name = webhook["name"].as_str().unwrap();
        assert!(webhook["objectSelector"].is_null(), "{name}: whoever writes an object writes its labels");
        let selector = &webhook["namespaceSelector"];
        assert!(selector["matchLabels"].is_null(), "{name}");
        for one in selector["matchExpressions"].as_array().into_iter().flatten() {
            assert_eq!(one["key"], "kubernetes.io/metadata.name", "{name}: only this label nobody can change");
            assert_eq!(one["values"], serde_json::json!(["kube-system", "keystile-system"]), "{name}");
        }
        assert_eq!(webhook["matchPolicy"], "Equivalent", "{name}");
        assert_eq!(webhook["sideEffects"], "None", "{name}");
        let expected = if name == "policies.keystile.dev" { "Ignore" } else { "Fail" };
        assert_eq!(webhook["failurePolicy"], expected, "{name}");
        for rule in webhook["rules"].as_array().unwrap() {
            assert_eq!(rule["apiVersions"], serde_json::json!(["*"]), "{name}");
            let operations = rule["operations"].as_array().unwrap();
            assert!(["CREATE", "UPDATE"].iter().all(|operation| operations.contains(&(*operation).into())), "{name}");
            for group in rule["apiGroups"].as_array().unwrap() {
                for resource in rule["resources"].as_array().unwrap() {
                    asked.push(format!("{}/{}", group.as_str().unwrap(), resource.as_str().unwrap()));
                }
            }
        }
    }
    for resource in [
        "external-secrets.io/*",
        "external-secrets.io/pushsecrets/status",
        "generators.external-secrets.io/*",
        "aws-infra-operator.runner.codes/secretsmanagersecrets",
        "aws-infra-operator.runner.codes/awsproviders",
        "keystile.dev/secretpolicies",
        "/namespaces",
        "/namespaces/status",
        "/namespaces/finalize",
        "/pods",
        "apps/deployments",
        "batch/cronjobs",
    ] {
        assert!(asked.iter().any(|asked| asked == resource), "nobody asks about {resource}");
    }

    let [deployment] = of_kind("Deployment")[..] else { panic!("not one Deployment") };
    assert!(deployment["spec"]["replicas"].as_i64() >= Some(2), "one replica that dies must not stop every change");
    let [budget] = of_kind("PodDisruptionBudget")[..] else { panic!("not one PodDisruptionBudget") };
    assert!(budget["spec"]["minAvailable"].as_i64() >= Some(1));
    assert_eq!(budget["spec"]["selector"], deployment["spec"]["selector"]);
}
