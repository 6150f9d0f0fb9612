//! `keystile policy show` and `keystile policy test`: a policy is looked at and tested like code.

use crate::support::{TestRepository, keystile};

const POLICY: &str = r#"apiVersion: keystile.dev/v1alpha1
kind: SecretPolicy
metadata: {name: default}
spec:
  profile: pci
  binding: {team: {label: team}, env: {label: env, values: [dev, prod]}}
  providers:
  - aws: {accounts: ["111111111111"], regions: [eu-west-1]}
    grants:
    - {names: "/{env}/{team}/**", access: [read]}
  rotation: {maxAge: {prod: 30d}}
  rules: {key-unresolved: {dev: warn}}
"#;

const CASES: &str = r#"apiVersion: keystile.dev/v1alpha1
kind: SecretPolicyTest
cases:
- name: a namespace without labels has no grants
  namespaceLabels: {}
  object: {apiVersion: external-secrets.io/v1, kind: SecretStore, metadata: {name: x}, spec: {provider: {aws: {service: SecretsManager, region: us-east-1, auth: {jwt: {serviceAccountRef: {name: x}}}}}}}
  deny: [EXPECTED]
- name: a tenant does not label its namespace
  user: {name: tenant}
  file: namespace.yaml
  deny: [binding-label-changed]
"#;

fn repository(policy: &str) -> TestRepository {
    let repository = TestRepository::new();
    repository.write(".keystile/policy.yaml", policy);
    repository
}

#[test]
fn each_value_is_shown_with_its_origin() {
    let repository = repository(POLICY);
    let run = keystile(repository.path(), ["policy", "show", "--resolved"]).expect(0);
    for line in [
        "rotation.maxAge.prod",
        "\"30d\"   # document",
        "rotation.maxAge.default",
        "\"90d\"   # profile pci",
        "admins.groups",
        "[\"system:masters\"]   # default",
        "key-outside-grant",
        "deny   # rule",
        "dev: warn (document), prod: deny (rule)",
    ] {
        assert!(run.text().contains(line), "{line}: {}", run.text());
    }
    let short = keystile(repository.path(), ["policy", "show"]).expect(0);
    assert!(short.text().contains("rotation.maxAge.prod"), "{}", short.text());
    assert!(!short.text().contains("system:masters"), "what is not written is not shown: {}", short.text());
    let schema = keystile(repository.path(), ["policy", "show", "--schema"]).expect(0);
    assert_eq!(schema.json()["title"], "SecretPolicy");
}

#[test]
fn an_error_is_shown_with_line_column_and_cure() {
    let repository = repository(&POLICY.replace("{prod: 30d}", "{prd: 30}"));
    let run = keystile(repository.path(), ["policy", "show"]).expect(2);
    assert!(run.stderr.contains(".keystile/policy.yaml:11:23"), "{}", run.stderr);
    assert!(run.stderr.contains("\"prd\" is no environment; did you mean prod?"), "{}", run.stderr);
}

#[test]
fn cases_pass_or_say_what_was_otherwise() {
    let repository = repository(POLICY);
    repository.write(".keystile/policy.tests.yaml", CASES.replace("EXPECTED", "binding-unbound, store-not-granted"));
    repository.write(
        ".keystile/namespace.yaml",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: mine, labels: {team: other, env: prod}}\n",
    );
    let all = keystile(repository.path(), ["policy", "test"]);
    assert!(
        all.text().contains("ok    a tenant does not label its namespace: refused by binding-label-changed"),
        "{}{}",
        all.text(),
        all.stderr
    );
    repository.write(".keystile/policy.tests.yaml", CASES.replace("EXPECTED", ""));
    let run = keystile(repository.path(), ["policy", "test"]).expect(1);
    assert!(run.text().contains("FAIL  a namespace without labels has no grants"), "{}", run.text());
    assert!(run.text().contains("binding-unbound should not refuse, and does"), "{}", run.text());
    assert!(run.text().contains("1 of 2 cases failed"), "{}", run.text());
}

#[test]
fn cases_with_errors_and_no_cases_are_never_a_success() {
    let repository = repository(POLICY);
    let run = keystile(repository.path(), ["policy", "test"]).expect(2);
    assert!(run.stderr.contains("there are no cases"), "{}", run.stderr);
    repository.write(".keystile/policy.tests.yaml", CASES.replace("EXPECTED", "key-outside"));
    let run = keystile(repository.path(), ["policy", "test"]).expect(2);
    assert!(run.stderr.contains("policy.tests.yaml:7:10"), "{}", run.stderr);
    repository
        .write(".keystile/policy.tests.yaml", "apiVersion: keystile.dev/v1alpha1\nkind: SecretPolicyTest\ncases: []\n");
    let run = keystile(repository.path(), ["policy", "test"]).expect(2);
    assert!(run.stderr.contains("nothing was tested"), "{}", run.stderr);
}

#[test]
fn what_is_there_becomes_a_policy_under_which_it_is_clean() {
    let repository = TestRepository::new();
    repository.write(
        "deploy/all.yaml",
        r#"apiVersion: v1
kind: Namespace
metadata: {name: a, labels: {team: team-a, env: prod}}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: aws, namespace: a}
spec: {provider: {aws: {service: SecretsManager, region: eu-west-1, role: "arn:aws:iam::111111111111:role/secrets-prod-team-a", auth: {jwt: {serviceAccountRef: {name: reader}}}}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: db, namespace: a}
spec:
  refreshInterval: 1h
  secretStoreRef: {name: aws}
  data: [{secretKey: p, remoteRef: {key: /prod/team-a/db}}]
"#,
    );
    keystile(repository.path(), ["policy", "init", "deploy"]).expect(0);
    let text = std::fs::read_to_string(repository.path().join(".keystile/policy.yaml")).unwrap();
    for line in ["names: \"/{env}/{team}/**\"", "roles: [\"arn:aws:iam::111111111111:role/secrets-{env}-{team}\"]"] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    keystile(repository.path(), ["check", "deploy"]).expect(0);
    let run = keystile(repository.path(), ["policy", "init", "deploy"]).expect(2);
    assert!(run.stderr.contains("is there already, and is kept"), "{}", run.stderr);
    let run = keystile(repository.path(), ["policy", "init", "--output=-", "deploy"]).expect(0);
    assert_eq!(run.text(), text);
}

#[test]
fn a_teams_role_gets_the_names_that_it_is_granted() {
    let repository = repository(POLICY);
    let run = keystile(repository.path(), ["policy", "export", "iam", "--env=prod", "--team=team-a"]).expect(0);
    assert_eq!(
        run.json()["Statement"][0]["Resource"],
        serde_json::json!(["arn:aws:secretsmanager:eu-west-1:111111111111:secret:/prod/team-a/?*-??????"])
    );
    assert!(run.stderr.contains("left out: kms:Decrypt"), "{}", run.stderr);
    let run = keystile(repository.path(), ["policy", "export", "iam", "--env=test", "--team=team-a"]).expect(2);
    assert!(run.stderr.contains("the policy has no such environment"), "{}", run.stderr);
    let run = keystile(repository.path(), ["policy", "export", "iam", "--env=prod", "--team=Team A"]).expect(2);
    assert!(run.stderr.contains("no namespace can be bound to this team"), "{}", run.stderr);
}

#[test]
fn the_api_server_gets_the_part_that_it_can_judge() {
    let repository = repository(POLICY);
    let arguments = ["policy", "export", "vap", "--store=aws", "--store=ssm=ParameterStore", "--name=fence"];
    let run = keystile(repository.path(), arguments).expect(0);
    let list = run.json();
    let [policy, binding] = list["items"].as_array().unwrap().as_slice() else { panic!("{list}") };
    assert_eq!(policy["metadata"]["name"], "fence-deny");
    assert_eq!(policy["spec"]["failurePolicy"], "Fail");
    let annotations = &policy["metadata"]["annotations"];
    assert_eq!(annotations["keystile.dev/stores"], "aws=SecretsManager,ssm=ParameterStore");
    let rules = annotations["keystile.dev/rules"].as_str().unwrap();
    assert!(rules.split(',').any(|rule| rule == "key-outside-grant"), "{rules}");
    assert_eq!(binding["spec"]["policyName"], "fence-deny");
    // What it leaves out stands in the output and is said.
    for left_out in annotations["keystile.dev/left-out"].as_str().unwrap().split("; ") {
        assert!(run.stderr.contains(left_out), "{left_out}: {}", run.stderr);
    }
    let again = keystile(repository.path(), arguments).expect(0);
    assert_eq!(run.stdout, again.stdout);

    let run = keystile(repository.path(), ["policy", "export", "vap"]).expect(0);
    assert!(run.stderr.contains("left out: keys and versions: no --store is vouched for"), "{}", run.stderr);
    assert!(!run.json().to_string().contains("[key-outside-grant]"));
    for (argument, message) in [
        ("--name=A_b", "--name A_b: is no name of an object"),
        ("--store=aws=Vault", "the service is SecretsManager or ParameterStore"),
        ("--store==ParameterStore", "names no store"),
        ("--store=A B", "is no name of a store"),
    ] {
        let run = keystile(repository.path(), ["policy", "export", "vap", argument]).expect(2);
        assert!(run.stderr.contains(message), "{}", run.stderr);
    }
}
