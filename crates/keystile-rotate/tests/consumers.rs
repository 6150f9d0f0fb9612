//! Who consumes a secret: a cluster of some 170 objects, with the whole of what is to be found in it.
//!
//! The objects are in tests/consumers/*.yaml. What must be named is written out here, by hand, with why each will
//! not pick a new value up; every other object is a near miss.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keystile_inventory::{RotationMeans, SecretArn, Stage, VersionId};
use keystile_rotate::backend::BackendKind;
use keystile_rotate::consumers::kept::without_values;
use keystile_rotate::consumers::{
    Consumer, ConsumerWorld, Consumers, Effect, PickUp, Reason, Unaffected, Wanted, Writes, consumers,
};
use keystile_rotate::plan::{Held, Strategy};
use serde_json::{Value, json};

const LEAKED_VERSION: &str = "11111111-1111-4111-8111-111111111111";

fn held() -> Held {
    Held {
        backend: BackendKind::AwsSecretsManager,
        account: "111111111111".to_owned(),
        region: Some("eu-west-1".to_owned()),
        arn: SecretArn("arn:aws:secretsmanager:eu-west-1:111111111111:secret:/prod/shop/db-AbCdEf".to_owned()),
        name: "/prod/shop/db".to_owned(),
        version: VersionId(LEAKED_VERSION.to_owned()),
        stages: [Stage::Current].into(),
        pointer: "/password".to_owned(),
        normalisation: Vec::new(),
        rotation: RotationMeans::Nobody,
        strategy: Strategy::SingleUser,
        replicas: vec!["eu-central-1".to_owned()],
        last_rotated: None,
        state: String::new(),
    }
}

fn tags() -> BTreeMap<String, String> {
    let tags = [("team", "shop"), ("managed-by", "external-secrets")];
    tags.into_iter().map(|(tag, value)| (tag.to_owned(), value.to_owned())).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/consumers")
}

fn in_cluster() -> ConsumerWorld {
    ConsumerWorld::of_snapshot(&[folder()])
}

/// `ExternalSecret shop/plain: within 1h; reason, reason`.
fn shown(consumer: &Consumer) -> String {
    let time = |seconds: Option<u64>| match seconds {
        None => String::new(),
        Some(seconds) if seconds % 3600 == 0 => format!(" {}h", seconds / 3600),
        Some(seconds) => format!(" {}m", seconds / 60),
    };
    let mut shown = consumer.object.to_string();
    shown.push_str(": ");
    shown.push_str(&match consumer.pick_up {
        PickUp::ByItself { within_seconds: None } => "by itself".to_owned(),
        PickUp::ByItself { within_seconds } => format!("within{}", time(within_seconds)),
        PickUp::AtStart { from_seconds } => format!("at start{}", time(from_seconds)),
        PickUp::NotByItself => "no".to_owned(),
    });
    let reasons: BTreeSet<String> = consumer.reasons.iter().map(|because| because.reason.to_string()).collect();
    if !reasons.is_empty() {
        shown.push_str("; ");
        shown.push_str(&reasons.into_iter().collect::<Vec<_>>().join(", "));
    }
    if let Some(maker) = &consumer.made_by {
        write!(shown, " <- {maker}").expect("into a text");
    }
    shown
}

/// What must be found, and nothing else.
const EXPECTED: &str = "
ClusterExternalSecret by-local-store: within 1h
ClusterExternalSecret everywhere: within 2h
ExternalSecret billing/plain: within 1h
ExternalSecret legacy/assumed: within 1h; account-assumed
ExternalSecret legacy/failing: no; sync-failing
ExternalSecret legacy/going: no; being-deleted
ExternalSecret legacy/old: within 1h
ExternalSecret legacy/once-orphan: no; created-once
ExternalSecret ops/shared-db: within 2h <- ClusterExternalSecret everywhere
ExternalSecret shop/all: within 15m
ExternalSecret shop/arn-partial: within 1h
ExternalSecret shop/arn: within 1h
ExternalSecret shop/by-another-store: within 1h
ExternalSecret shop/by-local-store: within 1h <- ClusterExternalSecret by-local-store
ExternalSecret shop/closed: no; windows-closed
ExternalSecret shop/copy: within 1h
ExternalSecret shop/created-once: no; created-once
ExternalSecret shop/delayed: within 7h; windows-delay
ExternalSecret shop/found-by-tags: within 10m
ExternalSecret shop/found: within 10m
ExternalSecret shop/generic: within 1h; target-generic
ExternalSecret shop/half: within 1h
ExternalSecret shop/immutable: no; target-immutable
ExternalSecret shop/merged: within 1h; target-merged
ExternalSecret shop/on-change: no; on-change
ExternalSecret shop/parameter: within 1h
ExternalSecret shop/pending: no; stage-pending
ExternalSecret shop/pinned: no; version-pinned
ExternalSecret shop/plain: within 1h
ExternalSecret shop/prefixed: within 1h
ExternalSecret shop/previous: no; stage-previous
ExternalSecret shop/refused: no; store-refuses
ExternalSecret shop/renamed: within 1h; keys-unknown
ExternalSecret shop/templated-from: within 1h; keys-unknown
ExternalSecret shop/unwritten: within 1h; target-not-written
ExternalSecret shop/url: within 1h
ExternalSecret shop/whole: within 30m
ExternalSecret shop/zero: no; interval-zero
ExternalSecret tools/copy-of-copy: within 3h
ExternalSecret tools/copy-of-plain: within 2h
ExternalSecret tools/shared-db: within 2h <- ClusterExternalSecret everywhere
SecretProviderClass shop/by-arn: at start 0h; rotation-poll-off
SecretProviderClass shop/failing-over: at start 0h; account-assumed, rotation-poll-off
SecretProviderClass shop/mounted: at start 0h; account-assumed, rotation-poll-off
SecretProviderClass shop/no-region: at start 0h; account-assumed, rotation-poll-off
SecretProviderClass shop/pinned: no; account-assumed, rotation-poll-off, version-pinned
SecretProviderClass shop/previous: no; account-assumed, rotation-poll-off, stage-previous
CronJob shop/nightly: by itself; environment, next-run
CronJob shop/suspended: by itself; environment, nothing-runs
DaemonSet shop/node-agent: at start 1h; sub-path
Deployment ops/shared: at start 2h; environment
Deployment shop/any-key: at start 1h; environment
Deployment shop/asleep: by itself; environment, nothing-runs
Deployment shop/from-merged: at start 1h; environment
Deployment shop/held-up: at start 1h; environment, rollout-paused
Deployment shop/mounting-previous: no; rotation-poll-off, stage-previous
Deployment shop/mounting: at start 0h; rotation-poll-off
Deployment shop/previous: no; environment, source-stale
Deployment shop/projected: within 32m; may-cache
Deployment shop/reloading: at start 1h; environment, reloader
Deployment shop/stale-file: no; may-cache, source-stale
Deployment shop/stale: no; environment, source-stale
Deployment shop/synced: no; environment, source-stale
Deployment shop/url: at start 1h; environment
Deployment shop/web-all: at start 15m; environment
Deployment shop/web: at start 1h; environment
Deployment tools/copied: at start 2h; environment
Deployment tools/shared: at start 2h; environment
HelmRelease shop/shop: by itself; other-use
Ingress shop/web-any: within 1h; watched
Job shop/migrate: no; environment, runs-once
Pod shop/db-1: at start 1h; environment <- Cluster shop/db
Pod shop/debug: at start 1h; bare-pod, environment
Rollout shop/canary: at start 1h; environment
ServiceAccount shop/puller: within 1h; image-pull, new-pods
StatefulSet shop/by-hand: at start 1h; environment, on-delete
StatefulSet shop/queue: within 62m; may-cache
";

/// What differs between what was found and what must be.
fn differences(found: &Consumers, expected: &str) -> Vec<String> {
    let found: BTreeSet<String> = found.consumers.iter().map(shown).collect();
    let expected: BTreeSet<String> = expected.lines().filter(|line| !line.is_empty()).map(ToOwned::to_owned).collect();
    let missing = expected.difference(&found).map(|line| format!("missing   {line}"));
    let unexpected = found.difference(&expected).map(|line| format!("not to be {line}"));
    missing.chain(unexpected).collect()
}

fn assert_same(found: &Consumers, expected: &str) {
    let differences = differences(found, expected);
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}

fn find(world: &ConsumerWorld) -> Consumers {
    let (held, tags) = (held(), tags());
    consumers(world, &Wanted::of(&held).with_tags(&tags))
}

#[test]
fn exactly_the_right_ones_are_named_with_the_reason_for_each() {
    let world = in_cluster();
    let objects: u64 = world.looked_at().objects.values().sum();
    assert!(objects > 150, "{:?}", world.looked_at());
    assert_eq!(world.looked_at().gaps, Vec::<String>::new());
    let found = find(&world);
    assert_same(&found, EXPECTED);
    // Seven hours: the one whose windows are shut for six.
    assert_eq!(found.wait_seconds, Some(7 * 3600));
}

#[test]
fn what_could_not_be_told_is_said_and_what_is_not_affected_is_counted() {
    let found = find(&in_cluster());
    let undecided: Vec<String> = found
        .undecided
        .iter()
        .map(|undecided| format!("{} {}: {}", undecided.object, undecided.place, undecided.why))
        .collect();
    assert_eq!(
        undecided,
        [
            "ExternalSecret shop/expression spec.data[0].remoteRef.key: the property \"users.#.password\" is an expression that is not followed",
            "ExternalSecret shop/lost spec.data[0].remoteRef.key: its store is not there",
            "ExternalSecret shop/variable spec.data[0].remoteRef.key: \"/prod/{{ .Values.team }}/db\" is filled in later",
            "PushSecret shop/at-run-time spec.dataTo[0]: it may write the secret: the names that it writes are made when it runs",
            "SecretProviderClass shop/broken spec.parameters.objects: is no YAML that can be read",
        ]
    );
    assert!(!found.is_complete());
    let counts: Vec<(Unaffected, u64)> = found.unaffected.into_iter().collect();
    assert_eq!(
        counts,
        [
            (Unaffected::OtherPart, 2),
            (Unaffected::OtherVersion, 2),
            (Unaffected::TagsOnly, 1),
            (Unaffected::OtherKey, 10),
            (Unaffected::WritesOtherPart, 3),
        ]
    );
}

#[test]
fn writers_are_named_with_what_they_do() {
    let found = find(&in_cluster());
    let writers: Vec<String> =
        found.writers.iter().map(|writer| format!("{} {} {:?}", writer.object, writer.place, writer.effect)).collect();
    assert_eq!(
        writers,
        [
            "ClusterPushSecret back-everywhere spec.pushSecretSpec.data[0] Back",
            "PushSecret shop/away spec.data[0] Elsewhere",
            "PushSecret shop/back spec.data[0] Back",
            "SecretsManagerSecret shop/db spec.secretStringRef Back",
        ]
    );
    assert!(found.may_come_back());
    // Without the operator's own tag it would not write.
    let (held, tags) = (held(), BTreeMap::from([("team".to_owned(), "shop".to_owned())]));
    let found = consumers(&in_cluster(), &Wanted::of(&held).with_tags(&tags));
    let back: Vec<_> = found.writers.iter().filter(|writer| writer.effect == Writes::Back).collect();
    assert_eq!(back.len(), 1, "{back:?}");
}

#[test]
fn commands_help_those_that_they_are_for() {
    let found = find(&in_cluster());
    let has = |commands: &[String], part: &str| commands.iter().any(|command| command.contains(part));
    let commands = &found.commands;
    for helped in [
        "externalsecret plain ",
        "externalsecret on-change ",
        "externalsecret closed ",
        "clusterexternalsecret everywhere external-secrets.io/force-sync=",
    ] {
        assert!(has(&commands.force_sync, helped), "{helped}: {:?}", commands.force_sync);
    }
    for not_helped in
        ["externalsecret zero ", "created-once", "pinned", "immutable", "refused", "externalsecret shared-db"]
    {
        assert!(!has(&commands.force_sync, not_helped), "{not_helped}: {:?}", commands.force_sync);
    }
    assert_eq!(
        commands.remake,
        [
            "kubectl --namespace shop delete secret created-once",
            "kubectl --namespace shop delete secret immutable",
            "kubectl --namespace shop delete secret synced",
            "kubectl --namespace shop delete secret zero",
        ]
    );
    for started in [
        "kubectl --namespace shop rollout restart deployment/web",
        "kubectl --namespace shop rollout restart daemonset/node-agent",
        "kubectl --namespace shop rollout resume deployment/held-up && kubectl --namespace shop rollout restart deployment/held-up",
        "kubectl --namespace shop delete pod db-1",
        "kubectl --namespace shop argo rollouts restart canary",
    ] {
        assert!(commands.restart.iter().any(|command| command == started), "{started}: {:?}", commands.restart);
    }
    for not_started in ["asleep", "by-hand", "debug", "migrate", "nightly", "url-host", "web-2"] {
        assert!(!has(&commands.restart, not_started), "{not_started}: {:?}", commands.restart);
    }
}

#[test]
fn each_place_is_named_with_what_it_goes_through() {
    let found = find(&in_cluster());
    let uses = |object: &str| -> Vec<String> {
        let consumer = found.consumers.iter().find(|consumer| consumer.object.to_string() == object);
        let consumer = consumer.unwrap_or_else(|| panic!("{object} is not named"));
        consumer
            .uses
            .iter()
            .map(|used| {
                let through = used.through.as_ref().map(|through| format!(" {through}")).unwrap_or_default();
                format!("{} {:?}{through}", used.place, used.how)
            })
            .collect()
    };
    for (object, expected) in [
        ("ExternalSecret shop/url", vec!["spec.data[1].remoteRef.key Reference"]),
        ("ExternalSecret shop/all", vec!["spec.dataFrom[0].extract.key Extract"]),
        ("ExternalSecret shop/found", vec!["spec.dataFrom[0].find Find"]),
        ("ClusterExternalSecret everywhere", vec!["spec.externalSecretSpec.data[0].remoteRef.key Reference"]),
        ("ExternalSecret tools/copy-of-plain", vec!["spec.data[0].remoteRef.key Reference Secret shop/plain"]),
        ("SecretProviderClass shop/mounted", vec!["spec.parameters.objects[0] ProviderClass"]),
        (
            "Deployment shop/mounting",
            vec!["spec.template.spec.volumes[0].csi CsiVolume SecretProviderClass shop/mounted"],
        ),
        ("Deployment shop/web", vec!["spec.template.spec.containers[0].env[1] Environment Secret shop/plain"]),
        (
            "CronJob shop/nightly",
            vec!["spec.jobTemplate.spec.template.spec.containers[0].env[1] Environment Secret shop/plain"],
        ),
        (
            "DaemonSet shop/node-agent",
            vec!["spec.template.spec.containers[0].volumeMounts[0] SubPath Secret shop/plain"],
        ),
    ] {
        assert_eq!(uses(object), expected, "{object}");
    }
    let plain = found.consumers.iter().find(|consumer| consumer.object.to_string() == "ExternalSecret shop/plain");
    let file = plain.and_then(|consumer| consumer.file.as_deref()).expect("it stands in a file");
    assert!(file.contains("external.yaml:"), "{file}");
}

/// The same objects as the command line keeps them in a snapshot: the same consumers.
#[test]
fn a_snapshot_without_values_shows_the_same() {
    let mut world = ConsumerWorld::new("a snapshot", true);
    let files = keystile_manifest::files::read_paths(
        &[folder()],
        keystile_manifest::files::Walk { honour_ignore_files: false },
    );
    for document in &files.documents {
        let kind = document.value["kind"].as_str().expect("a kind");
        // What the policy looks at is kept by the policy's own rules.
        let kept = match without_values(&document.value) {
            Some(kept) => Arc::new(kept),
            None if kind == "Secret" => continue,
            None => Arc::clone(&document.value),
        };
        world.insert(&kept, None, None);
    }
    assert_same(&find(&world), EXPECTED);
}

/// Whatever a pod holds, nothing but names is kept of it.
#[test]
fn nothing_of_a_pod_is_kept_but_names() {
    let word = ["hunt", "er2-is-here"].concat();
    let container = json!({
        "name": "c", "image": "i", "command": [word], "args": [word],
        "env": [{"name": "A", "value": word}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "livenessProbe": {"exec": {"command": [word]}},
        "lifecycle": {"postStart": {"exec": {"command": [word]}}},
    });
    let template = json!({
        "metadata": {"annotations": {
            "note": word,
            "vault.hashicorp.com/agent-inject": "true",
            "vault.hashicorp.com/agent-inject-secret-db": "kv/data/db",
            "vault.hashicorp.com/agent-inject-template-db": format!("{word}{{{{ with secret \"kv/data/db\" }}}}{word}{{{{ end }}}}"),
            "vault.hashicorp.com/agent-inject-template-x": format!("{{{{ unknown \"{word}\" }}}}"),
            "vault.hashicorp.com/agent-inject-command-db": word,
            "vault.hashicorp.com/agent-configmap": word,
        }},
        "spec": {
            "containers": [container.clone()], "initContainers": [container.clone()],
            "volumes": [{"name": "v", "secret": {"secretName": "s"}}, {"name": "d", "hostPath": {"path": word}}, {"name": "x", "flexVolume": {"options": {"o": word}, "secretRef": {"name": "f"}}}],
        },
    });
    let metadata = json!({"name": "x", "namespace": "n", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": word}});
    for object in [
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"], "status": {"message": word, "phase": "Running"}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": template, "selector": {}}}),
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": {"jobTemplate": {"spec": {"template": template}}}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "secrets": [{"name": "t", "x": word}]}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": {"tls": [{"secretName": "c", "hosts": [word]}]}}),
    ] {
        let kept = without_values(&object).expect("it uses Secrets");
        let text = kept.to_string();
        assert!(!text.contains(&word), "{text}");
        assert!(
            object["kind"] == "ServiceAccount" || object["kind"] == "Ingress" || text.contains("secretKeyRef"),
            "{text}"
        );
    }
    assert_eq!(without_values(&json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": word}})), None);
    assert_eq!(without_values(&json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": word}})), None);
}

/// In a repository not everything is there: what is missing is not known, rather than absent.
#[test]
fn manifests_alone_leave_open_what_lies_elsewhere() {
    let world = ConsumerWorld::of_manifests(&[folder().join("external.yaml")], None);
    let found = find(&world);
    assert_eq!(found.consumers.iter().map(shown).collect::<Vec<_>>(), Vec::<String>::new());
    let why: BTreeSet<&str> = found.undecided.iter().map(|undecided| undecided.why.as_str()).collect();
    assert!(why.contains("its store is not in what was looked at"), "{why:?}");
    let named: BTreeSet<String> = found.undecided.iter().map(|undecided| undecided.object.to_string()).collect();
    assert!(named.contains("ExternalSecret shop/plain") && named.contains("ExternalSecret shop/prefixed"), "{named:?}");
    // A key that can't be the end of the name is decided without a store.
    assert!(
        !named.contains("ExternalSecret shop/sibling") && !named.contains("ExternalSecret shop/lost-other"),
        "{named:?}"
    );
}

#[test]
fn objects_without_a_namespace_are_taken_to_be_in_the_one_that_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: s}
spec: {provider: {aws: {service: SecretsManager, region: eu-west-1}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: e}
spec: {secretStoreRef: {name: s}, data: [{secretKey: p, remoteRef: {key: /prod/shop/db}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {containers: [{name: c, envFrom: [{secretRef: {name: e}}]}]}
";
    std::fs::write(folder.path().join("all.yaml"), yaml).expect("written");
    for (namespace, shown_as) in [(None, "e"), (Some("team"), "team/e")] {
        let world = ConsumerWorld::of_manifests(&[folder.path().to_owned()], namespace);
        let found = find(&world);
        let names: Vec<String> = found.consumers.iter().map(|consumer| consumer.object.to_string()).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(names.contains(&format!("ExternalSecret {shown_as}")), "{names:?}");
    }
}

/// What Terraform holds, its next apply writes.
#[test]
fn a_value_in_terraform_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let terraform = |name: &str, label: &str| {
        format!(
            "resource \"aws_secretsmanager_secret\" \"{label}\" {{\n  name = \"{name}\"\n}}\n\
             resource \"aws_secretsmanager_secret_version\" \"{label}\" {{\n  secret_id = aws_secretsmanager_secret.{label}.id\n  \
             secret_string = \"made up\"\n}}\n"
        )
    };
    let text = terraform("/prod/shop/db", "db") + &terraform("/prod/shop/db2", "other");
    std::fs::write(folder.path().join("main.tf"), text).expect("written");
    let found = find(&ConsumerWorld::of_manifests(&[folder.path().to_owned()], None));
    let writers: Vec<String> = found
        .writers
        .iter()
        .map(|writer| format!("{} {} {:?}", writer.object.name, writer.place, writer.effect))
        .collect();
    assert_eq!(writers, ["db version.secret_string Back"], "{found:?}");
}

#[test]
fn what_was_found_is_written_and_read_back() {
    let found = find(&in_cluster());
    let json = serde_json::to_string(&found).expect("JSON");
    assert_eq!(serde_json::from_str::<Consumers>(&json).expect("reads back"), found);
}

/// The order in which objects come changes nothing.
#[test]
fn the_order_of_objects_changes_nothing() {
    let files = keystile_manifest::files::read_paths(
        &[folder()],
        keystile_manifest::files::Walk { honour_ignore_files: false },
    );
    let mut documents = files.documents;
    let of = |documents: &[keystile_manifest::Document]| {
        let mut world = ConsumerWorld::new("", true);
        for document in documents {
            world.insert(&document.value, None, None);
        }
        find(&world)
    };
    let first = of(&documents);
    documents.reverse();
    assert_eq!(of(&documents), first);
}

/// With the driver polling, mounted files and synchronised Secrets follow.
#[test]
fn a_driver_that_polls_brings_new_values() {
    let files = keystile_manifest::files::read_paths(
        &[folder()],
        keystile_manifest::files::Walk { honour_ignore_files: false },
    );
    let mut world = ConsumerWorld::new("", true);
    for document in &files.documents {
        world.insert(&document.value, None, None);
    }
    let driver: Value = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "other", "namespace": "csi"},
        "spec": {"template": {"spec": {"containers": [{"name": "d", "image": "example/csi-secrets-store/driver:v1",
            "args": ["--enable-secret-rotation=true", "--rotation-poll-interval=5m"]}]}}}});
    world.insert(&Arc::new(driver), None, None);
    let found = find(&world);
    let lines: BTreeSet<String> = found.consumers.iter().map(shown).collect();
    for line in [
        "SecretProviderClass shop/mounted: within 5m; account-assumed",
        "Deployment shop/mounting: within 5m; may-cache",
        "Deployment shop/synced: at start 5m; environment",
        "SecretProviderClass shop/previous: no; account-assumed, stage-previous",
    ] {
        assert!(lines.contains(line), "{line}: {lines:#?}");
    }
}

/// The page's table is the code's.
#[test]
fn the_page_names_every_reason() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/blast-radius.md");
    let page = std::fs::read_to_string(page).expect("the page");
    for reason in Reason::ALL {
        let comes = match reason.effect() {
            Effect::Never => "not by itself",
            Effect::AtStart => "when it is started again",
            Effect::Cached => "in time, perhaps unread",
            Effect::Remark => "–",
        };
        let row = format!("| `{reason}` | {comes} | {} |", reason.sentence());
        assert!(page.lines().any(|line| line == row), "docs/blast-radius.md lacks the row\n{row}");
    }
}

/// The role lists what is asked for, and nothing that could be a value.
#[test]
fn the_role_is_enough_and_reads_no_secret() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/consumers/rbac.yaml");
    let files =
        keystile_manifest::files::read_paths(&[path], keystile_manifest::files::Walk { honour_ignore_files: false });
    let role = &files.documents[0].value;
    let mut listed = BTreeSet::new();
    for rule in role["rules"].as_array().expect("rules") {
        assert_eq!(rule["verbs"], json!(["list"]), "{rule}");
        let group = rule["apiGroups"][0].as_str().expect("a group");
        for resource in rule["resources"].as_array().expect("resources") {
            let resource = resource.as_str().expect("a name");
            let dot = if group.is_empty() { "" } else { "." };
            listed.insert(format!("{resource}{dot}{group}"));
        }
    }
    let asked: BTreeSet<String> = keystile_rotate::consumers::sources::resources().map(ToOwned::to_owned).collect();
    assert_eq!(listed, asked);
    assert!(!asked.contains("secrets") && !asked.contains("configmaps"));
}
