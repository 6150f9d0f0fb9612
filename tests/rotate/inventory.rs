//! `keystile inventory` against the emulator.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::Emulator;

/// Of every secret that is made here: it must never be seen again.
const MARK: &str = "Zk3mW8q";
/// In seconds.
const DAY: i64 = 86_400;

/// The program, with the emulator's variables and no others.
fn keystile(emulator: &Emulator, arguments: &[&str]) -> Output {
    keystile_in(&emulator.environment(), arguments)
}

/// The program with these variables alone, in a home of its own.
fn keystile_in(environment: &[(&str, String)], arguments: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_keystile"));
    command.env_clear().env("HOME", home.path()).args(arguments);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command.output().unwrap()
}

/// Secrets of two Regions, one for each thing that can be said of one.
fn make_secrets(emulator: &Emulator) {
    let created = now() - 100 * DAY;
    let secret = |name: &str| emulator.secret(name, MARK).with("created", json!(created));
    let good = |name: &str| {
        let secret = secret(name).with("kmsKeyId", json!("alias/secrets-prod")).with("rotationDays", json!(30));
        secret.with("lastRotated", json!(now() - 12 * DAY - 60)).with("nextRotation", json!(now() + 18 * DAY + 3_600))
    };
    let _ = good("/prod/team-a/db").with("replicas", json!(["eu-west-1"])).create();
    let _ = secret("/prod/team-a/api-key").with("function", Value::Null).create();
    let late = good("/prod/team-b/db").with("owningService", json!("rds"));
    let _ = late.with("nextRotation", json!(now() - 3 * DAY - 60)).create();
    let _ = good("/prod/team-b/off").with("rotationEnabled", json!(false)).create();
    let _ = good("/dev/gone").mode("scheduled_deletion").create();
    let _ = good("/eu/db").with("region", json!("eu-west-1")).create();
}

/// Exit status, standard output and standard error.
#[track_caller]
fn parts(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(!out.contains(MARK) && !err.contains(MARK), "a value is shown: {out}{err}");
    (output.status.code().unwrap(), out, err)
}

fn now() -> i64 {
    i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap()
}

/// All entries as the manager itself pages them out.
#[track_caller]
fn listed(emulator: &Emulator) -> Vec<Value> {
    let mut entries = Vec::new();
    let mut request = json!({ "MaxResults": 100, "IncludePlannedDeletion": true });
    loop {
        let (status, answer) = emulator.call("ListSecrets", &request);
        assert_eq!(status, 200, "{answer}");
        entries.extend(answer["SecretList"].as_array().unwrap().iter().cloned());
        match answer["NextToken"].as_str() {
            Some(token) => request["NextToken"] = json!(token),
            None => return entries,
        }
    }
}

/// An entry with its times as seconds, whichever way they were written.
fn plain(entry: &Value) -> BTreeMap<String, Value> {
    let seconds = |value: &Value| match value.as_str() {
        Some(text) => text.parse::<jiff::Timestamp>().unwrap().as_second(),
        None => value.as_f64().unwrap() as i64,
    };
    let fields = entry.as_object().unwrap().iter();
    fields
        .map(|(field, value)| match field.ends_with("Date") {
            true => (field.clone(), json!(seconds(value))),
            false => (field.clone(), value.clone()),
        })
        .collect()
}

#[test]
fn a_thousand_secrets_are_what_list_secrets_says_and_no_value_is_read() {
    let Some(emulator) = Emulator::start() else { return };
    let secrets: Vec<Value> = (0..1_000)
        .map(|number| {
            let mut secret = json!({
                "name": format!("/prod/team-{}/db-{number}", number % 7),
                "value": format!("{MARK}-{number}"),
                "tags": { "Team": format!("team-{}", number % 7) },
                "rotationDays": 1 + number % 90,
                "lastRotated": now() - number % 50 * DAY,
                "nextRotation": now() + DAY,
            });
            match number % 5 {
                0 => secret["kmsKeyId"] = json!("alias/secrets-prod"),
                1 => secret["function"] = Value::Null,
                2 => secret["owningService"] = json!("rds"),
                3 => secret["rotationEnabled"] = json!(false),
                _ => secret["mode"] = json!("scheduled_deletion"),
            }
            secret
        })
        .collect();
    emulator.ask("POST", "secrets", &json!(secrets));
    let expected = listed(&emulator);
    assert_eq!(expected.len(), 1_000);
    emulator.forget_calls();

    // Each second page is refused for being asked too fast.
    emulator.fault(&json!({ "fault": "throttle", "action": "ListSecrets", "every": 2 }));
    let (status, out, err) = parts(&keystile(&emulator, &["inventory", "--format", "list-secrets"]));
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    let answer: Value = serde_json::from_str(&out).unwrap();
    let by_arn = |entries: &[Value]| -> BTreeMap<String, BTreeMap<String, Value>> {
        entries.iter().map(|entry| (entry["ARN"].as_str().unwrap().to_owned(), plain(entry))).collect()
    };
    let (shown, expected) = (by_arn(answer["SecretList"].as_array().unwrap()), by_arn(&expected));
    for (arn, entry) in &expected {
        assert_eq!(shown.get(arn), Some(entry), "{arn}");
    }
    assert_eq!(shown.len(), expected.len());

    let calls = emulator.calls();
    let actions: BTreeSet<&str> = calls.iter().filter_map(|call| call["action"].as_str()).collect();
    assert_eq!(actions, BTreeSet::from(["ListSecrets"]));
    assert_eq!(calls.iter().filter(|call| call["status"] == 200).count(), 10, "ten pages");
}

#[test]
fn the_table_says_what_is_wrong() {
    let Some(emulator) = Emulator::start() else { return };
    make_secrets(&emulator);
    let (status, out, err) = parts(&keystile(&emulator, &["inventory"]));
    assert_eq!((status, err.as_str()), (1, ""), "{out}");
    // Asked for while the secrets were made: seconds or a minute ago.
    let out = cut_behind(&out, "deletion asked ", "deletion asked …");
    insta::assert_snapshot!(out, @r"
    SECRET                KMS KEY             ROTATION      ROTATED          NEXT    FINDINGS
    /dev/gone             alias/secrets-prod  function 30d  12d ago          in 18d  deletion asked …
    /prod/team-a/api-key  AWS-managed         none          never, 100d old  -       AWS-managed key
    /prod/team-a/db       alias/secrets-prod  function 30d  12d ago          in 18d
    /prod/team-b/db       alias/secrets-prod  rds 30d       12d ago          3d ago  overdue 3d
    /prod/team-b/off      alias/secrets-prod  off           12d ago          -

    5 secrets in us-east-1 (account 123456789012): 1 overdue rotation, 1 AWS-managed key, 1 pending deletion.
    ");

    let (status, out, _) = parts(&keystile(&emulator, &["inventory", "--findings-only", "--exit-code", "9"]));
    assert_eq!((status, out.lines().count()), (9, 6), "{out}");
    let (status, out, _) =
        parts(&keystile(&emulator, &["inventory", "--prefix", "/prod/team-a/db", "--prefix", "/prod/team-b/o"]));
    assert_eq!(status, 0, "{out}");
    assert!(
        out.ends_with(
            "2 secrets in us-east-1 (account 123456789012) below /prod/team-a/db, /prod/team-b/o: no findings.\n"
        ),
        "{out}"
    );

    let arguments = ["inventory", "--region", "us-east-1", "--region", "eu-west-1", "--region", "us-east-1"];
    let (_, out, _) = parts(&keystile(&emulator, &arguments));
    assert!(out.contains("5 secrets in us-east-1 (account 123456789012), 2 secrets in eu-west-1"), "{out}");
    assert!(out.lines().next().unwrap().contains("REGION"), "{out}");

    // Nothing wrong is not the same as nothing there.
    let (status, out, err) = parts(&keystile(&emulator, &["inventory", "--prefix", "/nobody/"]));
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.starts_with("no secret whose name begins with /nobody/ is listed in us-east-1"), "{out}");
    let (_, _, err) = parts(&keystile(&emulator, &["inventory", "--prefix", "/nobody/", "--format", "json"]));
    assert!(err.contains("no secret whose name begins with /nobody/"), "{err}");
    assert!(emulator.writes().is_empty());
}

/// `text` with each line cut behind `mark`, which `shown` replaces.
fn cut_behind(text: &str, mark: &str, shown: &str) -> String {
    let cut =
        |line: &str| line.split_once(mark).map_or_else(|| line.to_owned(), |(before, _)| format!("{before}{shown}"));
    text.lines().map(cut).collect::<Vec<_>>().join("\n")
}

#[test]
fn described_secrets_have_replicas_and_one_that_may_not_be_is_named() {
    let Some(emulator) = Emulator::start() else { return };
    make_secrets(&emulator);
    let _ = emulator.secret("/prod/team-c/closed", MARK).mode("access_denied:DescribeSecret").create();
    let start = Instant::now();
    let arguments = ["inventory", "--describe", "--format", "json", "--prefix", "/prod/"];
    let (status, out, err) = parts(&keystile(&emulator, &arguments));
    assert!(start.elapsed() >= Duration::from_millis(400), "five calls at ten a second");
    assert_eq!(status, 1, "{err}");
    let document: Value = serde_json::from_str(&out).unwrap();
    let secret = |name: &str| {
        let secrets = document["secrets"].as_array().unwrap().iter();
        secrets.clone().find(|secret| secret["name"] == name).unwrap_or_else(|| panic!("{name}: {out}")).clone()
    };
    assert_eq!(secret("/prod/team-a/db")["replicas"][0]["region"], "eu-west-1");
    assert_eq!(secret("/prod/team-a/db")["rotation"]["days"], 30);
    assert_eq!(secret("/prod/team-a/api-key")["replicas"], json!([]));
    assert_eq!(secret("/prod/team-c/closed")["replicas"], Value::Null, "not known is not none");
    assert_eq!(secret("/prod/team-b/db")["findings"][0]["kind"], "overdue-rotation");
    assert_eq!(document["summary"]["secrets"], 5);
    assert_eq!((&document["verdict"], &document["exit_code"]), (&json!("findings"), &json!(1)));
    assert_eq!(document["regions"][0]["complete"], false);
    let gap = document["gaps"][0].as_str().unwrap();
    assert!(gap.contains("/prod/team-c/closed is shown as it was listed: DescribeSecret: AccessDenied"), "{gap}");
    assert!(err.contains(gap), "{err}");

    // Gaps alone are 3, and a list for `check` does not judge.
    let (status, ..) = parts(&keystile(&emulator, &["inventory", "--describe", "--prefix", "/prod/team-c/"]));
    assert_eq!(status, 1, "it has no key of its own");
    let arguments = ["inventory", "--describe", "--prefix", "/prod/team-c/", "--format", "list-secrets"];
    assert_eq!(parts(&keystile(&emulator, &arguments)).0, 3);
    let calls = emulator.calls();
    let actions: BTreeSet<&str> = calls.iter().filter_map(|call| call["action"].as_str()).collect();
    assert_eq!(actions, BTreeSet::from(["DescribeSecret", "ListSecrets"]));
}

#[test]
fn a_list_that_breaks_off_is_a_gap_and_never_a_whole_one() {
    let Some(emulator) = Emulator::start() else { return };
    let secret = |number: i32| json!({ "name": format!("s-{number}"), "value": MARK, "kmsKeyId": "alias/k" });
    emulator.ask("POST", "secrets", &json!((0..150).map(secret).collect::<Vec<_>>()));
    let _ = emulator.secret("far", MARK).with("region", json!("eu-west-1")).with("kmsKeyId", json!("alias/k")).create();
    // The first page comes, the second is denied; the second Region's only page comes.
    emulator.fault(&json!({ "fault": "access_denied", "action": "ListSecrets", "every": 2, "times": 1 }));
    let arguments = ["inventory", "--region", "us-east-1", "--region", "eu-west-1", "--format", "list-secrets"];
    let (status, out, err) = parts(&keystile(&emulator, &arguments));
    assert_eq!(status, 3, "{err}");
    assert!(err.contains("us-east-1: the list breaks off after 100 secrets: ListSecrets: AccessDenied"), "{err}");
    let answer: Value = serde_json::from_str(&out).unwrap();
    let names: Vec<&str> =
        answer["SecretList"].as_array().unwrap().iter().filter_map(|entry| entry["Name"].as_str()).collect();
    assert_eq!(names, ["far"], "what is not whole is left out");

    emulator.ask("DELETE", "faults", &Value::Null);
    emulator.fault(&json!({ "fault": "access_denied", "action": "ListSecrets" }));
    let (status, out, _) = parts(&keystile(&emulator, &["inventory"]));
    assert_eq!(status, 3, "{out}");
    assert!(out.contains("not read: us-east-1: nothing is listed: ListSecrets: AccessDenied"), "{out}");
    assert!(out.contains("nothing was listed, and not all could be asked") && !out.contains("no findings"), "{out}");
}

#[test]
fn what_can_t_be_asked_at_all_is_a_usage_error() {
    let Some(emulator) = Emulator::start() else { return };
    let _ = emulator.secret("s", MARK).create();
    let without = |name: &str| -> Vec<_> {
        emulator.environment().into_iter().filter(|(variable, _)| *variable != name).collect()
    };
    let all = emulator.environment();
    type Variables<'a> = &'a [(&'a str, String)];
    let cases: [(&str, Variables<'_>, &[&str], &str); 9] = [
        ("no credentials", &without("AWS_ACCESS_KEY_ID"), &[], "no credentials: none in the environment"),
        ("no region", &without("AWS_REGION"), &[], "no region: set AWS_REGION"),
        // The environment's access key must not stand in for it.
        ("no such profile", &all, &["--profile", "nope"], "there is no profile \"nope\""),
        ("plain http to others", &all, &["--endpoint-url", "http://10.0.0.1"], "is asked without TLS"),
        ("no scheme", &all, &["--endpoint-url", "localhost"], "write it with its scheme"),
        ("a pattern for a prefix", &all, &["--prefix", "/prod/*"], "no secret's name begins so"),
        ("a contrary for a prefix", &all, &["--prefix", "!/prod/"], "no secret's name begins so"),
        ("a host for a region", &all, &["--region", "x.example"], "write a region's code"),
        ("no such folder", &all, &["--world", "nowhere"], "nowhere: there is no such file or folder"),
    ];
    for (case, environment, more, message) in cases {
        let arguments: Vec<&str> = std::iter::once("inventory").chain(more.iter().copied()).collect();
        let (status, out, err) = parts(&keystile_in(environment, &arguments));
        assert_eq!((status, out.as_str()), (2, ""), "{case}: {err}");
        assert!(err.contains(message), "{case}: {err}");
    }
    assert!(emulator.calls().is_empty(), "nothing was asked: {:?}", emulator.calls());
    // No network is no fault of the user's: there is a gap.
    let (status, out, _) = parts(&keystile(&emulator, &["inventory", "--endpoint-url", "http://127.0.0.1:9"]));
    assert_eq!(status, 3, "{out}");
    assert!(out.contains("no connection"), "{out}");
}

const POLICY: &str = "apiVersion: keystile.dev/v1alpha1
kind: SecretPolicy
metadata: {name: default}
spec:
  binding: {team: {label: team}, env: {label: env}}
  providers:
  - aws: {accounts: [\"123456789012\"], regions: [us-east-1]}
    grants: [{names: \"/{env}/{team}/**\", access: [read]}]
  stores: {cluster: {env: prod, serviceAccounts: [external-secrets/reader]}}
  rotation: {maxAge: 90d}
  inventory: {maxAge: 1h}
  rules: {inventory: deny}
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
      region: us-east-1
      auth: {jwt: {serviceAccountRef: {name: reader, namespace: external-secrets}}}
";

/// An ExternalSecret that reads these.
fn external_secret(name: &str, store: &str, keys: &[&str]) -> String {
    let mut text = format!(
        "apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: {name}, namespace: team-a}}
spec:
  refreshInterval: 1h
  secretStoreRef: {{kind: ClusterSecretStore, name: {store}}}
  data:
"
    );
    for (number, key) in keys.iter().enumerate() {
        text.push_str(&format!("  - {{secretKey: k{number}, remoteRef: {{key: {key}}}}}\n"));
    }
    text
}

#[test]
fn check_gives_the_same_verdicts_from_this_list_and_from_the_manager_s_own() {
    let Some(emulator) = Emulator::start() else { return };
    make_secrets(&emulator);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("policy.yaml"), POLICY).unwrap();
    std::fs::write(path("world.yaml"), WORLD).unwrap();
    let keys = ["/prod/team-a/db", "/prod/team-a/api-key", "/prod/team-a/absent"];
    std::fs::write(path("db.yaml"), external_secret("db", "aws", &keys)).unwrap();
    std::fs::write(path("raw.json"), json!({ "SecretList": listed(&emulator) }).to_string()).unwrap();
    let (status, out, err) = parts(&keystile(&emulator, &["inventory", "-f", "list-secrets", "-o", &path("own.json")]));
    assert_eq!((status, out.as_str(), err.as_str()), (0, "", ""));
    let check = |inventory: &str| {
        let arguments = [
            "check",
            &path("db.yaml"),
            "--policy",
            &path("policy.yaml"),
            "--world",
            &path("world.yaml"),
            "--inventory",
            &path(inventory),
            "--format",
            "json",
        ];
        let (status, out, err) = parts(&keystile(&emulator, &arguments));
        let document: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
        (status, document["violations"].clone())
    };
    let (status, violations) = check("own.json");
    assert_eq!((status, violations.clone()), check("raw.json"));
    let rules: BTreeSet<&str> =
        violations.as_array().unwrap().iter().filter_map(|one| one["rule_id"].as_str()).collect();
    assert_eq!(status, 1, "{violations}");
    assert!(rules.contains("inventory-kms-key") && rules.contains("inventory-unknown"), "{rules:?}");
}

#[test]
fn referrers_are_those_whose_effective_key_it_is() {
    let Some(emulator) = Emulator::start() else { return };
    make_secrets(&emulator);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let prefixed = WORLD
        .split_once("---\n")
        .unwrap()
        .1
        .replace("name: aws", "name: prefixed")
        .replace("region: us-east-1", "region: us-east-1\n      prefix: /prod/");
    let far = WORLD.split_once("---\n").unwrap().1.replace("name: aws", "name: far").replace("us-east-1", "eu-west-1");
    std::fs::write(path("world.yaml"), format!("{WORLD}---\n{prefixed}---\n{far}")).unwrap();
    let arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:/prod/team-a/db-AbCdEf";
    let objects = [
        external_secret("by-name", "aws", &["/prod/team-a/db", "/prod/team-a/api-key"]),
        external_secret("by-prefix", "prefixed", &["team-a/db"]),
        external_secret("by-arn", "aws", &[arn]),
        external_secret("of-another-region", "far", &["/prod/team-a/db"]),
        external_secret("to-nothing", "aws", &["/prod/team-a/never-made"]),
        external_secret("of-no-store", "nowhere", &["/prod/team-a/db"]),
    ];
    std::fs::write(path("objects.yaml"), objects.join("---\n")).unwrap();
    let run = |flags: &[&str]| {
        let arguments: Vec<&str> = ["inventory", "--format", "json"].iter().chain(flags).copied().collect();
        let (status, out, err) = parts(&keystile(&emulator, &arguments));
        (status, serde_json::from_str::<Value>(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}")))
    };
    let referrers = |document: &Value, name: &str| -> Vec<String> {
        let secret =
            document["secrets"].as_array().unwrap().iter().find(|secret| secret["name"] == name).unwrap().clone();
        secret["referrers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| format!("{} {}", one["name"], one["path"]).replace('"', ""))
            .collect()
    };
    let (_, document) = run(&["--manifests", &path("objects.yaml"), "--world", &path("world.yaml")]);
    let key = |nth: usize| format!("spec.data[{nth}].remoteRef.key");
    let expected = [format!("by-arn {}", key(0)), format!("by-name {}", key(0)), format!("by-prefix {}", key(0))];
    assert_eq!(referrers(&document, "/prod/team-a/db"), expected);
    assert_eq!(referrers(&document, "/prod/team-a/api-key"), [format!("by-name {}", key(1))]);
    assert!(referrers(&document, "/prod/team-b/db").is_empty());
    let unlisted = document["references"]["to_unlisted_secrets"].as_array().unwrap();
    assert_eq!(unlisted.len(), 1, "{unlisted:?}");
    assert_eq!(
        (&unlisted[0]["name"], &unlisted[0]["secret"]),
        (&json!("to-nothing"), &json!("/prod/team-a/never-made"))
    );
    // In a whole cluster a store that is not there is not asked; among files alone it is not known.
    assert_eq!(document["gaps"], json!([]));
    let (status, document) = run(&["--manifests", folder.path().to_str().unwrap(), "--prefix", "/prod/team-a/db"]);
    assert_eq!(status, 3, "{document}");
    let gap = document["gaps"][0].as_str().unwrap();
    assert!(
        gap.contains("ExternalSecret team-a/of-no-store") && gap.contains("its store is not among the files"),
        "{gap}"
    );
    let (_, out, _) =
        parts(&keystile(&emulator, &["inventory", "--world", folder.path().to_str().unwrap(), "--prefix", "/prod/"]));
    assert!(out.contains("3 objects: ExternalSecret team-a/by-arn, …") && out.contains("nobody"), "{out}");
    assert!(
        out.contains("ExternalSecret team-a/to-nothing reads /prod/team-a/never-made, which us-east-1 does not have"),
        "{out}"
    );
}
