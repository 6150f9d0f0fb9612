//! Who consumes a secret of Vault or Google Cloud; and a cluster asked through kubectl.

use std::collections::BTreeSet;
use std::sync::Arc;

use keystile_inventory::{RotationMeans, SecretArn, Stage, VersionId};
use keystile_rotate::backend::BackendKind;
use keystile_rotate::consumers::{ClusterError, ConsumerWorld, Consumers, Kubectl, Wanted, consumers};
use keystile_rotate::plan::{Held, Strategy};
use proptest::prelude::*;
use serde_json::{Value, json};

fn held(backend: BackendKind, account: &str, arn: &str, name: &str, version: &str) -> Held {
    Held {
        backend,
        account: account.to_owned(),
        region: None,
        arn: SecretArn(arn.to_owned()),
        name: name.to_owned(),
        version: VersionId(version.to_owned()),
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

fn world(objects: &[Value]) -> ConsumerWorld {
    let mut world = ConsumerWorld::new("a cluster", true);
    for object in objects {
        world.insert(&Arc::new(object.clone()), None, None);
    }
    world
}

fn store(name: &str, provider: &Value) -> Value {
    json!({"apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": name}, "spec": {"provider": provider}})
}

fn external(name: &str, store: &str, spec: &Value) -> Value {
    let mut object = json!({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": name, "namespace": "a"}, "spec": spec});
    object["spec"]["secretStoreRef"] = json!({"kind": "ClusterSecretStore", "name": store});
    object
}

fn one(name: &str, store: &str, remote: &Value) -> Value {
    external(name, store, &json!({"data": [{"secretKey": "p", "remoteRef": remote}]}))
}

fn class(name: &str, provider: &str, parameters: &Value) -> Value {
    json!({"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass", "metadata": {"name": name, "namespace": "a"},
        "spec": {"provider": provider, "parameters": parameters}})
}

fn pod(name: &str, annotations: &[(&str, &str)]) -> Value {
    let mut all = serde_json::Map::new();
    all.insert("vault.hashicorp.com/agent-inject".to_owned(), "true".into());
    for (annotation, value) in annotations {
        all.insert(format!("vault.hashicorp.com/{annotation}"), (*value).into());
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "a", "annotations": all}, "spec": {"containers": [{"name": "c"}]}})
}

/// Names and reasons, but for the remark on accounts and servers, which each of them has.
fn named(found: &Consumers) -> BTreeSet<String> {
    let shown = |consumer: &keystile_rotate::consumers::Consumer| {
        let reasons = consumer.reasons.iter().map(|because| because.reason.to_string());
        let reasons: BTreeSet<String> = reasons.filter(|reason| reason != "account-assumed").collect();
        format!("{} {}", consumer.object, reasons.into_iter().collect::<Vec<_>>().join(" ")).trim().to_owned()
    };
    found.consumers.iter().map(shown).collect()
}

fn set(lines: &[&str]) -> BTreeSet<String> {
    lines.iter().map(ToString::to_string).collect()
}

#[test]
fn vaults_key_value_secrets_are_found_in_every_spelling() {
    let kv = |namespace: &str| json!({"vault": {"server": "https://vault.example.com", "path": "kv", "version": "v2", "namespace": namespace}});
    let world = world(&[
        store("kv", &kv("team")),
        store("kv-of-others", &kv("others")),
        store(
            "no-path",
            &json!({"vault": {"server": "https://vault.example.com", "version": "v2", "namespace": "team"}}),
        ),
        one("plain", "kv", &json!({"key": "shop/db", "property": "password"})),
        one("with-mount", "kv", &json!({"key": "kv/data/shop/db", "property": "password"})),
        one("mount-in-key", "no-path", &json!({"key": "kv/data/shop/db", "property": "password"})),
        one("pinned", "kv", &json!({"key": "shop/db", "property": "password", "version": "3"})),
        external("found", "kv", &json!({"dataFrom": [{"find": {"path": "shop", "name": {"regexp": "db$"}}}]})),
        // Near misses.
        one("other-version", "kv", &json!({"key": "shop/db", "property": "password", "version": "2"})),
        one("other-part", "kv", &json!({"key": "shop/db", "property": "username"})),
        one("other-name", "kv", &json!({"key": "shop/db2", "property": "password"})),
        one("other-namespace", "kv-of-others", &json!({"key": "shop/db", "property": "password"})),
        external("not-found", "kv", &json!({"dataFrom": [{"find": {"path": "sho", "name": {"regexp": "db$"}}}]})),
        class(
            "mounted",
            "vault",
            &json!({"objects": "- {objectName: db, secretPath: kv/data/shop/db, secretKey: password}"}),
        ),
        class(
            "mounted-other-part",
            "vault",
            &json!({"objects": "- {objectName: db, secretPath: kv/data/shop/db, secretKey: username}"}),
        ),
        class(
            "mounted-other-path",
            "vault",
            &json!({"objects": "- {objectName: db, secretPath: kv/shop/db, secretKey: password}"}),
        ),
        class(
            "mounted-of-others",
            "vault",
            &json!({"vaultNamespace": "others", "objects": "- {objectName: db, secretPath: kv/data/shop/db}"}),
        ),
        pod("agent", &[("agent-inject-secret-db", "kv/data/shop/db")]),
        pod(
            "agent-template",
            &[
                ("agent-inject-secret-db", "x"),
                ("agent-inject-template-db", "{{ with secret \"kv/data/shop/db\" }}{{ .Data.data.password }}{{ end }}"),
            ],
        ),
        pod("agent-once", &[("agent-inject-secret-db", "kv/data/shop/db"), ("agent-pre-populate-only", "true")]),
        pod("agent-other", &[("agent-inject-secret-db", "kv/data/shop/db2")]),
        pod("agent-of-others", &[("agent-inject-secret-db", "kv/data/shop/db"), ("namespace", "others")]),
        pod("agent-hidden", &[("agent-configmap", "settings")]),
    ]);
    let held = held(BackendKind::VaultKv, "cluster-1/team", "kv/shop/db", "kv/shop/db", "3");
    let found = consumers(&world, &Wanted::of(&held));
    assert_eq!(
        named(&found),
        set(&[
            "ExternalSecret a/plain",
            "ExternalSecret a/with-mount",
            "ExternalSecret a/mount-in-key",
            "ExternalSecret a/pinned version-pinned",
            "ExternalSecret a/found keys-unknown",
            "SecretProviderClass a/mounted rotation-poll-unknown",
            "Pod a/agent agent-file bare-pod",
            "Pod a/agent-template agent-file bare-pod",
            "Pod a/agent-once agent-init-only bare-pod",
        ])
    );
    let undecided: Vec<String> = found.undecided.iter().map(|undecided| undecided.object.to_string()).collect();
    assert_eq!(undecided, ["Pod a/agent-hidden"]);
}

#[test]
fn vaults_static_roles_are_found_where_they_are_read() {
    let generator = |name: &str, path: &str| {
        json!({"apiVersion": "generators.external-secrets.io/v1alpha1", "kind": "VaultDynamicSecret", "metadata": {"name": name, "namespace": "a"},
            "spec": {"path": path, "provider": {"server": "https://vault.example.com"}}})
    };
    let generated = |name: &str, generator: &str| {
        let generator = json!({"apiVersion": "generators.external-secrets.io/v1alpha1", "kind": "VaultDynamicSecret", "name": generator});
        external(name, "none", &json!({"dataFrom": [{"sourceRef": {"generatorRef": generator}}]}))
    };
    let world = world(&[
        generator("app", "/database/static-creds/app"),
        generator("other", "/database/static-creds/other"),
        generated("generated", "app"),
        generated("generated-other", "other"),
        pod("agent", &[("agent-inject-secret-db", "database/static-creds/app")]),
        pod("agent-dynamic", &[("agent-inject-secret-db", "database/creds/app")]),
    ]);
    let held = held(BackendKind::VaultDatabase, "cluster-1/", "database/app", "database/app", "v");
    let found = consumers(&world, &Wanted::of(&held));
    assert_eq!(named(&found), set(&["ExternalSecret a/generated", "Pod a/agent agent-file bare-pod"]));
}

#[test]
fn secrets_of_google_cloud_are_found_by_project_name_and_location() {
    let project = |project: &str, location: &str| json!({"gcpsm": {"projectID": project, "location": location}});
    let secrets = |resource: &str| json!({"secrets": format!("- resourceName: {resource}\n  path: db\n")});
    let world = world(&[
        store("own", &project("shop-prod", "")),
        store("by-number", &project("123456789", "")),
        store("other", &project("shop-dev", "")),
        store("regional", &project("shop-prod", "europe-west1")),
        one("plain", "own", &json!({"key": "db", "property": "password"})),
        one("latest", "own", &json!({"key": "db", "property": "password", "version": "latest"})),
        one("pinned", "own", &json!({"key": "db", "property": "password", "version": "4"})),
        one("numbered", "by-number", &json!({"key": "db", "property": "password"})),
        one("other-version", "own", &json!({"key": "db", "property": "password", "version": "3"})),
        one("other-project", "other", &json!({"key": "db", "property": "password"})),
        one("other-place", "regional", &json!({"key": "db", "property": "password"})),
        one("other-name", "own", &json!({"key": "db2", "property": "password"})),
        class("mounted", "gcp", &secrets("projects/shop-prod/secrets/db/versions/latest")),
        class("mounted-pinned", "gcp", &secrets("projects/shop-prod/secrets/db/versions/4")),
        class("mounted-other-version", "gcp", &secrets("projects/shop-prod/secrets/db/versions/3")),
        class(
            "mounted-regional",
            "gcp",
            &secrets("projects/shop-prod/locations/europe-west1/secrets/db/versions/latest"),
        ),
        class("mounted-other-project", "gcp", &secrets("projects/shop-dev/secrets/db/versions/latest")),
    ]);
    let held = held(BackendKind::GcpSecretManager, "shop-prod", "projects/shop-prod/secrets/db", "db", "4");
    let found = consumers(&world, &Wanted::of(&held));
    assert_eq!(
        named(&found),
        set(&[
            "ExternalSecret a/plain",
            "ExternalSecret a/latest",
            "ExternalSecret a/pinned version-pinned",
            "ExternalSecret a/numbered",
            "SecretProviderClass a/mounted rotation-poll-unknown",
            "SecretProviderClass a/mounted-pinned rotation-poll-unknown version-pinned",
        ])
    );
    assert!(found.is_complete(), "{:?}", found.undecided);
}

/// One at a time: a script can't be started while another test's child still has it open for writing.
#[cfg(unix)]
static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// A kubectl that answers from files, and refuses what is not asked for by right.
#[cfg(unix)]
fn kubectl(folder: &std::path::Path, served: &str, lists: &[(&str, Value)]) -> Kubectl {
    use std::os::unix::fs::PermissionsExt as _;

    std::fs::write(folder.join("served"), served).expect("written");
    for (resource, list) in lists {
        std::fs::write(folder.join(resource), list.to_string()).expect("written");
    }
    let script = format!(
        "#!/bin/sh\ncd '{}' || exit 1\necho \"$@\" >> calls\n[ \"$1\" = --context ] && shift 2\ncase \"$1\" in\napi-resources) cat served;;\nget) if [ -e \"$2\" ]; then cat \"$2\"; else echo \"Error from server (Forbidden): $2 is forbidden\" >&2; exit 1; fi;;\n*) exit 2;;\nesac\n",
        folder.display()
    );
    let program = folder.join("kubectl");
    std::fs::write(&program, script).expect("written");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("made executable");
    Kubectl { program, kubeconfig: None, context: Some("prod".to_owned()) }
}

#[cfg(unix)]
#[test]
fn a_cluster_is_asked_for_names_only_and_what_it_refuses_is_a_gap() {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a folder");
    let list = |items: Value| json!({"apiVersion": "v1", "kind": "List", "items": items});
    let aws = json!({"aws": {"service": "SecretsManager", "region": "eu-west-1"}});
    let lists = [
        ("clustersecretstores.external-secrets.io", list(json!([store("aws", &aws)]))),
        (
            "externalsecrets.external-secrets.io",
            list(json!([one("db", "aws", &json!({"key": "/prod/db", "property": "password"}))])),
        ),
        (
            "deployments.apps",
            list(json!([{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "a"},
                "spec": {"template": {"spec": {"containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "db"}}]}]}}}}])),
        ),
        ("secrets", list(json!([]))),
    ];
    let served = "secrets\nconfigmaps\npods\nclustersecretstores.external-secrets.io\nexternalsecrets.external-secrets.io\ndeployments.apps\n";
    let kubectl = kubectl(folder.path(), served, &lists);
    let world = ConsumerWorld::of_cluster(&kubectl).expect("it answers");
    let arn = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:/prod/db-AbCdEf";
    let mut held = held(BackendKind::AwsSecretsManager, "111111111111", arn, "/prod/db", "v");
    held.region = Some("eu-west-1".to_owned());
    let found = consumers(&world, &Wanted::of(&held));
    assert_eq!(named(&found), set(&["Deployment a/web environment", "ExternalSecret a/db"]));
    assert_eq!(found.looked_at.gaps, ["pods could not be listed: Error from server (Forbidden): pods is forbidden"]);
    assert!(!found.is_complete());
    assert_eq!(found.commands.restart, ["kubectl --context prod --namespace a rollout restart deployment/web"]);
    let calls = std::fs::read_to_string(folder.path().join("calls")).expect("calls");
    assert!(!calls.contains(" secrets ") && !calls.contains("configmaps"), "{calls}");
    assert!(
        calls
            .lines()
            .all(|call| call.starts_with("--context prod get ") || call.starts_with("--context prod api-resources ")),
        "{calls}"
    );
}

#[cfg(unix)]
#[test]
fn a_cluster_that_tells_nothing_is_an_error() {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a folder");
    let kubectl = kubectl(folder.path(), "", &[]);
    let error = ConsumerWorld::of_cluster(&kubectl).expect_err("it tells nothing");
    assert!(matches!(error, ClusterError::Refused(_)), "{error}");
}

const NAME: &str = "/prod/shop/db";

/// Whether a key through a store with a prefix is taken for the secret.
fn is_named(prefix: &str, key: &str) -> bool {
    let aws = json!({"aws": {"service": "SecretsManager", "region": "eu-west-1", "prefix": prefix}});
    let world = world(&[store("aws", &aws), one("e", "aws", &json!({"key": key}))]);
    let arn = format!("arn:aws:secretsmanager:eu-west-1:111111111111:secret:{NAME}-AbCdEf");
    let mut held = held(BackendKind::AwsSecretsManager, "111111111111", &arn, NAME, "v");
    held.region = Some("eu-west-1".to_owned());
    let found = consumers(&world, &Wanted::of(&held));
    assert!(found.is_complete(), "{:?}", found.undecided);
    !found.consumers.is_empty()
}

proptest! {
    /// However a name is parted between a store and a reference, it is the same secret; and no other is.
    #[test]
    fn a_name_is_what_prefix_and_key_make_together(at in 0..NAME.len(), prefix in "(/prod|/dev)?(/shop|/)?", key in "(/?prod)?(/?shop)?/?db2?") {
        prop_assert!(is_named(&NAME[..at], &NAME[at..]));
        prop_assert_eq!(is_named(&prefix, &key), format!("{prefix}{key}") == NAME);
    }
}
