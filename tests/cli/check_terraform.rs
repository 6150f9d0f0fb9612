//! `keystile check` on Terraform: what passes, what fails, and what only Terraform knows.

use std::path::Path;

use crate::support::{Run, keystile};

const POLICY: &str = "\
apiVersion: keystile.dev/v1alpha1
kind: SecretPolicy
metadata: {name: default}
spec:
  binding: {team: {label: team}, env: {label: env}}
  providers:
  - aws: {accounts: [\"111111111111\"], regions: [eu-west-1]}
    grants:
    - {names: \"/{env}/{team}/**\", access: [read, write]}
";

fn check(files: &[(&str, &str)]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(".keystile/policy.yaml", POLICY);
    for (name, text) in files {
        write(name, text);
    }
    run(folder.path())
}

fn run(folder: &Path) -> Run {
    keystile(folder, ["check", "--format=json", "infra"])
}

/// (rule or kind of gap, file, line) of all that is said.
fn said(run: &Run) -> Vec<(String, String, u64)> {
    let report = run.json();
    let one = |found: &serde_json::Value, id: &str| {
        let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
        (text(id), text("file"), found["line"].as_u64().unwrap_or(0))
    };
    let problems = report["violations"].as_array().unwrap().iter().map(|found| one(found, "rule_id"));
    let gaps = report["gaps"].as_array().unwrap().iter().map(|found| one(found, "kind"));
    problems.chain(gaps).collect()
}

#[test]
fn a_literal_value_is_refused_where_it_stands_and_not_repeated() {
    let value = ["a", "plain", "value"].join("-");
    let run = check(&[
        ("infra/secret.tf", "resource \"aws_secretsmanager_secret\" \"db\" {\n  name = \"/prod/team-a/db\"\n}\n"),
        (
            "infra/version.tf",
            &format!(
                "resource \"aws_secretsmanager_secret_version\" \"db\" {{\n  secret_id     = aws_secretsmanager_secret.db.id\n  secret_string = \"{value}\"\n}}\n"
            ),
        ),
    ]);
    let inline = ("inline-terraform-value".to_owned(), "infra/version.tf".to_owned(), 3);
    assert!(said(&run).contains(&inline), "{:?}", said(&run));
    assert_eq!(run.status, Some(1));
    assert!(!run.text().contains(&value), "{}", run.text());
}

#[test]
fn a_generated_value_is_no_literal() {
    let run = check(&[(
        "infra/main.tf",
        "resource \"aws_secretsmanager_secret_version\" \"db\" {\n  secret_id     = var.id\n  secret_string = random_password.db.result\n}\n",
    )]);
    assert!(!said(&run).iter().any(|(rule, ..)| rule == "inline-terraform-value"), "{:?}", said(&run));
}

#[test]
fn what_only_terraform_knows_is_named_and_never_passes() {
    for (name, text, expected) in [
        (
            "a module's variable",
            "variable \"team\" {}\nresource \"aws_secretsmanager_secret\" \"x\" {\n  name = \"/prod/${var.team}/x\"\n}\n",
            ("object-unrendered", 3),
        ),
        (
            "for_each over a variable",
            "variable \"all\" {}\nresource \"aws_secretsmanager_secret\" \"x\" {\n  for_each = var.all\n  name     = each.key\n}\n",
            ("unresolved", 3),
        ),
        (
            "count of a variable",
            "variable \"n\" {}\nresource \"aws_secretsmanager_secret\" \"x\" {\n  name  = \"x\"\n  count = var.n\n}\n",
            ("unresolved", 4),
        ),
        (
            "a module from elsewhere",
            "module \"s\" {\n  source = \"terraform-aws-modules/secrets-manager/aws\"\n}\n",
            ("unresolved", 2),
        ),
        ("a broken file", "resource \"aws_secretsmanager_secret\" \"x\" {\n  name =\n}\n", ("syntax", 2)),
    ] {
        let run = check(&[("infra/main.tf", text)]);
        let (what, line) = expected;
        let place = (what.to_owned(), "infra/main.tf".to_owned(), line);
        assert!(said(&run).contains(&place), "{name}: {:?}", said(&run));
        assert!(matches!(run.status, Some(1 | 3)), "{name}: {:?}", run.status);
    }
}

#[test]
fn a_secret_with_a_key_of_its_own_and_a_rotation_passes() {
    let text = "resource \"aws_secretsmanager_secret\" \"db\" {\n  name                    = \"/prod/team-a/db\"\n  \
                kms_key_id              = aws_kms_key.main.arn\n  recovery_window_in_days = 14\n}\n\
                resource \"aws_secretsmanager_secret_rotation\" \"db\" {\n  secret_id           = aws_secretsmanager_secret.db.id\n  \
                rotation_lambda_arn = aws_lambda_function.rotate.arn\n  rotation_rules {\n    automatically_after_days = 30\n  }\n}\n";
    let run = check(&[("infra/main.tf", text)]);
    assert_eq!((said(&run), run.status), (vec![], Some(0)), "{}", run.stderr);
    let found: Vec<String> =
        said(&check(&[("infra/main.tf", text.split("resource \"aws_secretsmanager_secret_rotation").next().unwrap())]))
            .into_iter()
            .map(|(rule, ..)| rule)
            .collect();
    assert_eq!(found, ["rotation-missing"], "the near miss: no rotation in the run");
}

#[test]
fn names_are_judged_where_it_is_said_whose_they_are() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("policy.yaml"),
        POLICY.to_owned()
            + "  namespaces: {a: {team: team-a, env: prod}}\n  rules: {kms: allow, rotation: allow, deletion: allow}\n",
    )
    .unwrap();
    let secret = |label: &str, name: &str| {
        format!("resource \"aws_secretsmanager_secret\" \"{label}\" {{\n  name = \"{name}\"\n}}\n")
    };
    let text = secret("own", "/prod/team-a/db") + &secret("other", "/prod/team-b/db");
    std::fs::write(folder.path().join("main.tf"), text).unwrap();
    let run = keystile(folder.path(), ["check", "--format=json", "--policy=policy.yaml", "--namespace=a", "main.tf"]);
    assert_eq!(said(&run), [("key-terraform-outside-grant".to_owned(), "main.tf".to_owned(), 5)], "{}", run.stderr);
    keystile(folder.path(), ["check", "--policy=policy.yaml", "main.tf"]).expect(0);
}

#[test]
fn json_syntax_is_read_as_terraform() {
    let run = check(&[(
        "infra/main.tf.json",
        "{\"resource\": {\"aws_secretsmanager_secret_version\": {\"x\": {\n \"secret_id\": \"elsewhere\",\n \"secret_string\": \"plain\"}}}}\n",
    )]);
    assert_eq!(said(&run), [("inline-terraform-value".to_owned(), "infra/main.tf.json".to_owned(), 3)]);
}

#[test]
fn a_kubernetes_manifest_is_judged_as_the_object_that_it_is() {
    let run = check(&[(
        "infra/main.tf",
        "resource \"kubernetes_manifest\" \"x\" {\n  manifest = {\n    apiVersion = \"external-secrets.io/v2\"\n    kind = \"ExternalSecret\"\n    metadata = { name = \"x\", namespace = \"a\" }\n  }\n}\n",
    )]);
    assert_eq!(said(&run), [("object-unknown-version".to_owned(), "infra/main.tf".to_owned(), 3)]);
}
