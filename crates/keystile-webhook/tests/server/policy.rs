//! `--policy` and `--world`: the program gives the policy's verdicts, and keeps the last good policy.

use std::fs;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::process::Process;
use crate::support::PATIENCE;
use crate::support::client::{Http, Kept, request, validate};

const POLICY: &str = "apiVersion: keystile.dev/v1alpha1
kind: SecretPolicy
metadata: {name: default}
spec:
  binding: {team: {label: team}, env: {label: env}}
  providers:
  - aws: {accounts: [\"111111111111\"], regions: [eu-west-1]}
    grants: [{names: \"/{env}/{team}/**\", access: [read]}]
  stores: {cluster: {env: prod, serviceAccounts: [external-secrets/reader]}}
";

const WORLD: &str = "apiVersion: v1
kind: Namespace
metadata: {name: team-a, labels: {team: team-a, env: prod}}
---
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: aws}
spec:
  conditions: [{namespaces: [team-a]}]
  provider:
    aws:
      service: SecretsManager
      region: eu-west-1
      auth: {jwt: {serviceAccountRef: {name: reader, namespace: external-secrets}}}
";

/// A review of an ExternalSecret that reads `key`.
fn review(key: &str) -> Value {
    let mut review = crate::support::review("db");
    let spec = &mut review["request"]["object"]["spec"];
    spec["secretStoreRef"] = json!({"kind": "ClusterSecretStore", "name": "aws"});
    spec["refreshInterval"] = json!("1h");
    spec["data"][0]["remoteRef"]["key"] = json!(key);
    review
}

async fn message(kept: &mut Kept, address: SocketAddr, key: &str) -> Option<String> {
    let answer = kept.send(validate(address, review(key).to_string())).await.unwrap().json();
    let response = &answer["response"];
    (response["allowed"] == false).then(|| response["status"]["message"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_judges_by_its_policy_and_keeps_the_last_good_one() {
    let files = tempfile::tempdir().unwrap();
    let (policy, world) = (files.path().join("policy.yaml"), files.path().join("world"));
    fs::create_dir(&world).unwrap();
    fs::write(world.join("world.yaml"), WORLD).unwrap();
    fs::write(&policy, "kind: SecretPolicy\nspec: {bindings: {}}\n").unwrap();
    let process = Process::start(&[
        "--drain-delay=0s",
        "--policy-poll=5ms",
        &format!("--policy={}", policy.display()),
        &format!("--world={}", world.display()),
    ]);
    let address = process.logged("listening").await["address"].as_str().unwrap().parse().unwrap();
    let mut kept = Kept::open(address, &process.authority.pem, Http::Two).await.unwrap();
    let probe = |path: &'static str| request("GET", address, path, None, "");

    // Nothing valid: not ready, and who asks all the same is denied.
    let ready = kept.send(probe("/readyz")).await.unwrap();
    assert_eq!(ready.status, 503, "{}", ready.text());
    assert!(ready.text().contains("[-]policy failed: the newest document has errors"), "{}", ready.text());
    let denied = message(&mut kept, address, "/prod/team-a/db").await.unwrap();
    assert!(denied.contains("keystile has no policy loaded"), "{denied}");

    let until = async |kept: &mut Kept, path: &'static str, text: &str| {
        let seen = async {
            while !kept.send(probe(path)).await.unwrap().text().contains(text) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("{text} never came at {path}"));
    };
    fs::write(&policy, POLICY).unwrap();
    until(&mut kept, "/readyz", "[+]policy ok\n").await;
    assert_eq!(message(&mut kept, address, "/prod/team-a/db").await, None);
    assert_eq!(
        message(&mut kept, address, "/prod/team-b/db").await.as_deref(),
        Some(
            "spec.data[0].remoteRef.key: \"/prod/team-b/db\" is outside of what is granted; \
             env=prod team=team-a may read /prod/team-a/** (key-outside-grant)"
        )
    );

    // A credential in the object itself is refused and never repeated.
    let body: String = (0..36).filter_map(|number| char::from_digit(number * 11 % 36, 36)).collect();
    let token = format!("{}{}{body}", "gh", "p_");
    let mut literal = review("/prod/team-a/db");
    literal["request"]["object"]["spec"]["target"] = json!({"template": {"data": {"token": token}}});
    let answer = kept.send(validate(address, literal.to_string())).await.unwrap();
    assert!(answer.text().contains("(inline-credential)"), "{}", answer.text());
    assert!(!answer.text().contains(&token));

    fs::write(&policy, POLICY.replace("regions:", "region:")).unwrap();
    until(&mut kept, "/readyz", "[+]policy ok: an older policy is in force: the newest document has errors").await;
    until(&mut kept, "/metrics", "keystile_policy_current 0\n").await;
    assert_eq!(message(&mut kept, address, "/prod/team-a/db").await, None);

    fs::write(&policy, POLICY.replace("/{env}/{team}/**", "/{env}/other/{team}/**")).unwrap();
    until(&mut kept, "/metrics", "keystile_policy_generation 2\n").await;
    assert!(message(&mut kept, address, "/prod/team-a/db").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_world_that_cannot_be_read_is_a_failure() {
    let world = tempfile::tempdir().unwrap();
    fs::write(world.path().join("broken.yaml"), "a: [").unwrap();
    let mut process = Process::start(&[&format!("--world={}", world.path().display())]);
    assert_eq!(process.exit_code().await, Some(1));
    let failed = process.logged("keystile-webhook failed").await;
    assert!(failed["error"].as_str().unwrap().contains("broken.yaml:1:"), "{failed}");
}
