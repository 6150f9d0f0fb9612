//! Live state of secrets: the same verdicts from a file and from the background's own look at AWS, and what becomes of
//! them when that fails.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::emulated::Emulator;
use crate::process::Process;
use crate::support::PATIENCE;
use crate::support::client::{Http, Kept, request, validate};

const POLICY: &str = "apiVersion: keystile.dev/v1alpha1
kind: SecretPolicy
metadata: {name: default}
spec:
  binding: {team: {label: team}, env: {label: env}}
  providers:
  - aws: {accounts: [\"123456789012\"], regions: [us-east-1, eu-west-1]}
    grants: [{names: \"/{env}/{team}/**\", access: [read]}]
  stores: {cluster: {env: prod, serviceAccounts: [external-secrets/reader]}}
  kms: {aliases: [alias/secrets-prod]}
  rotation: {maxAge: 90d}
  tags: {required: [Team]}
  inventory: {maxAge: 1h}
  rules: {inventory: deny, inventory-unknown: warn}
";

fn world() -> String {
    let store = |name: &str, region: &str| {
        format!(
            "---
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {{name: {name}}}
spec:
  conditions: [{{namespaces: [team-a]}}]
  provider:
    aws:
      service: SecretsManager
      region: {region}
      auth: {{jwt: {{serviceAccountRef: {{name: reader, namespace: external-secrets}}}}}}
"
        )
    };
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: team-a, labels: {team: team-a, env: prod}}\n";
    format!("{namespace}{}{}", store("aws", "us-east-1"), store("elsewhere", "eu-west-1"))
}

/// A review of an ExternalSecret that reads `key` through `store`.
fn review(store: &str, key: &str) -> Value {
    let mut review = crate::support::review("db");
    let spec = &mut review["request"]["object"]["spec"];
    spec["secretStoreRef"] = json!({"kind": "ClusterSecretStore", "name": store});
    spec["refreshInterval"] = json!("1h");
    spec["data"][0]["remoteRef"]["key"] = json!(key);
    review
}

/// The webhook, and a connection to it.
struct Webhook {
    process: Process,
    address: SocketAddr,
    kept: Kept,
}

impl Webhook {
    async fn start(files: &Path, environment: &[(&str, String)], arguments: &[&str]) -> Self {
        let (policy, world) = (files.join("policy.yaml"), files.join("world"));
        let fixed = [format!("--policy={}", policy.display()), format!("--world={}", world.display())];
        let arguments: Vec<&str> = fixed.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
        let process = Process::start_in(environment, &arguments);
        let address = process.logged("listening").await["address"].as_str().unwrap().parse().unwrap();
        let kept = Kept::open(address, &process.authority.pem, Http::Two).await.unwrap();
        Self { process, address, kept }
    }

    /// What it answers, without the request's own id.
    async fn judge(&mut self, store: &str, key: &str) -> Value {
        let mut answer = self.kept.send(validate(self.address, review(store, key).to_string())).await.unwrap().json();
        answer["response"].as_object_mut().unwrap().remove("uid");
        answer["response"].clone()
    }

    async fn get(&mut self, path: &str) -> (u16, String) {
        let answer = self.kept.send(request("GET", self.address, path, None, "")).await.unwrap();
        (answer.status.as_u16(), answer.text().to_owned())
    }

    async fn until_metric(&mut self, wanted: impl Fn(&str) -> bool) {
        let seen = async {
            while !self.get("/metrics").await.1.lines().any(&wanted) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, seen).await.expect("the metric never came");
    }
}

fn files() -> tempfile::TempDir {
    let files = tempfile::tempdir().unwrap();
    fs::write(files.path().join("policy.yaml"), POLICY).unwrap();
    fs::create_dir(files.path().join("world")).unwrap();
    fs::write(files.path().join("world/world.yaml"), world()).unwrap();
    files
}

/// Secrets of team-a, one for each thing that can be wrong.
fn make_secrets(emulator: &Emulator) -> Vec<&'static str> {
    const DAY: u64 = 86_400;
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let good = |name: &str| {
        let secret =
            emulator.secret(name, "a value").tag("Team", "team-a").with("kmsKeyId", json!("alias/secrets-prod"));
        let secret = secret.with("rotationDays", json!(30)).with("lastRotated", json!(now - 10 * DAY));
        secret.with("nextRotation", json!(now + 20 * DAY))
    };
    let _ = good("/prod/team-a/good").create();
    let _ = good("/prod/team-a/key").with("kmsKeyId", json!("alias/aws/secretsmanager")).create();
    let _ = good("/prod/team-a/slow").with("rotationDays", json!(365)).create();
    let _ = good("/prod/team-a/off").with("rotationEnabled", json!(false)).create();
    let _ = good("/prod/team-a/overdue").with("lastRotated", json!(now - 80 * DAY)).create();
    let _ = good("/prod/team-a/deleted").mode("scheduled_deletion").create();
    let _ = emulator.secret("/prod/team-a/untagged", "a value").create();
    vec!["good", "key", "slow", "off", "overdue", "deleted", "untagged", "absent"]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_and_the_background_give_the_same_verdicts() {
    let Some(emulator) = Emulator::start() else { return };
    let names = make_secrets(&emulator);
    let files = files();
    let list = json!({ "MaxResults": 100, "IncludePlannedDeletion": true });
    let (status, listed) = emulator.call("ListSecrets", &list);
    assert_eq!(status, 200);
    let file = files.path().join("inventory.json");
    fs::write(&file, listed.to_string()).unwrap();
    emulator.forget_calls();

    let file = format!("--inventory={}", file.display());
    let mut of_file = Webhook::start(files.path(), &[], &[&file]).await;
    let mut of_aws = Webhook::start(files.path(), &emulator.environment(), &["--inventory-region=us-east-1"]).await;
    of_aws.process.logged("the region's secrets are listed").await;

    let mut denied = BTreeSet::new();
    for (store, name) in names.iter().map(|name| ("aws", *name)).chain([("elsewhere", "good")]) {
        let key = format!("/prod/team-a/{name}");
        let (one, other) = (of_file.judge(store, &key).await, of_aws.judge(store, &key).await);
        assert_eq!(one, other, "{store} {name}");
        if one["allowed"] == false {
            denied.insert(name);
        } else if name != "good" || store == "elsewhere" {
            assert_eq!(one["auditAnnotations"]["warned"], "inventory-unknown", "{store} {name}: {one}");
        }
    }
    assert_eq!(denied, BTreeSet::from(["deleted", "key", "off", "overdue", "slow", "untagged"]));

    let calls = emulator.calls();
    let actions: BTreeSet<&str> = calls.iter().filter_map(|call| call["action"].as_str()).collect();
    assert_eq!(actions, BTreeSet::from(["ListSecrets"]), "no other call, and none for the file");
    let (_, metrics) = of_aws.get("/metrics").await;
    assert!(metrics.contains("keystile_inventory_secrets{region=\"us-east-1\"} 7\n"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_listed_stays_when_aws_refuses_and_readiness_has_no_part_in_it() {
    let Some(emulator) = Emulator::start() else { return };
    let _ = make_secrets(&emulator);
    let files = files();
    // Two looks of a region, then refusals.
    let arguments = ["--inventory-region=us-east-1", "--inventory-interval=300ms"];
    let mut webhook = Webhook::start(files.path(), &emulator.environment(), &arguments).await;
    webhook.until_metric(|line| line.starts_with("keystile_inventory_refreshes_total{result=\"listed\"} 2")).await;
    emulator.fault(&json!({ "fault": "access_denied", "action": "ListSecrets" }));
    webhook.until_metric(|line| line.starts_with("keystile_inventory_refreshes_total{result=\"kept\"} 2")).await;
    let failed = webhook.process.logged("the region's secrets can't be listed, what was known stays").await;
    assert!(failed["error"].as_str().unwrap().starts_with("ListSecrets: AccessDenied"), "{failed}");
    let times = webhook.process.log().matches("can't be listed").count();
    assert_eq!(times, 1, "told once for as long as it lasts");
    assert_eq!(webhook.judge("aws", "/prod/team-a/key").await["allowed"], false);
    assert_eq!(webhook.judge("aws", "/prod/team-a/good").await["allowed"], true);
    assert_eq!(webhook.get("/readyz").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_listed_is_not_evaluated() {
    let files = files();
    // Nobody listens there, and no credentials are to be had.
    let environment = [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("HOME", files.path().display().to_string()),
    ];
    let arguments = ["--inventory-region=us-east-1,eu-west-1"];
    let mut webhook = Webhook::start(files.path(), &environment, &arguments).await;
    webhook.process.logged("the region's secrets can't be listed, what was known stays").await;
    let answer = webhook.judge("aws", "/prod/team-a/key").await;
    assert_eq!(answer["allowed"], true, "{answer}");
    let warnings = answer["warnings"].to_string();
    assert!(warnings.contains("region us-east-1 was not listed yet"), "{warnings}");
    assert_eq!(webhook.get("/readyz").await.0, 200);
    let (_, metrics) = webhook.get("/metrics").await;
    assert!(metrics.contains("keystile_inventory_read_timestamp_seconds{region=\"eu-west-1\"} 0\n"), "{metrics}");
}

/// What twenty thousand secrets take. The figure is for docs/benchmarks.md; run it with a release build.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures memory, and makes twenty thousand secrets for it"]
async fn memory_of_an_inventory() {
    let Some(emulator) = Emulator::start() else { return };
    let secret = |number: usize| {
        json!({
            "name": format!("/prod/team-{}/service-{}/database-{number}", number % 300, number % 7),
            "value": "a value", "rotationDays": 30, "kmsKeyId": "arn:aws:kms:us-east-1:123456789012:key/secrets-prod",
            "tags": {"Team": format!("team-{}", number % 300), "Environment": "prod", "ManagedBy": "terraform"},
        })
    };
    for batch in 0..20 {
        let secrets: Vec<Value> = (0..1_000).map(|number| secret(batch * 1_000 + number)).collect();
        emulator.ask("POST", "secrets", &json!(secrets));
    }
    let files = files();
    let none = Webhook::start(files.path(), &emulator.environment(), &[]).await;
    let arguments = ["--inventory-region=us-east-1", "--inventory-interval=1s"];
    let mut listing = Webhook::start(files.path(), &emulator.environment(), &arguments).await;
    for looks in [1, 2, 3, 6] {
        let wanted = format!("keystile_inventory_refreshes_total{{result=\"listed\"}} {looks}");
        listing.until_metric(|line| line == wanted).await;
        let (none, listing) = (none.process.resident(), listing.process.resident());
        println_figure(&format!("{looks} looks: {listing:?} KiB; without: {none:?} KiB"));
    }
}

#[expect(clippy::print_stdout, reason = "the figure is what the test is run for")]
fn println_figure(text: &str) {
    println!("{text}");
}
