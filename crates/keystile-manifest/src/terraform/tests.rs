//! Configurations and the objects that they make.

use keystile_policy::Path;
use serde_json::{Value, json};

use super::*;

fn resources(files: &[(&str, &str)]) -> Resources {
    let sources: Vec<_> = files.iter().map(|(name, text)| Arc::new(Source::new(*name, *text))).collect();
    read(&sources)
}

fn one(text: &str) -> Document {
    let mut found = resources(&[("m/main.tf", text)]);
    assert!(found.gaps.is_empty(), "{:?}", found.gaps);
    assert_eq!(found.documents.len(), 1, "{:?}", found.documents);
    found.documents.remove(0)
}

fn without_names(document: &Document) -> Value {
    let mut value = (*document.value).clone();
    for name in ["apiVersion", "kind", "metadata"] {
        value.as_object_mut().unwrap().remove(name);
    }
    value
}

const SECRET: &str = r#"
variable "env" { default = "prod" }
variable "team" {}
locals {
  prefix = "/${var.env}/team-a"
  tags   = { Team = "a" }
}
resource "aws_secretsmanager_secret" "db" {
  name                    = "${local.prefix}/db"
  kms_key_id              = aws_kms_key.main.arn
  recovery_window_in_days = 7 + 7
  tags                    = merge(local.tags, { Environment = var.env })
  replica { region = "eu-north-1" }
  replica {
    region = "eu-west-2"
  }
}
"#;

#[test]
fn literals_locals_and_variables_are_evaluated_and_the_rest_is_named() {
    let document = one(SECRET);
    assert_eq!(
        without_names(&document),
        json!({
            "name": "/prod/team-a/db", "kms_key_id": "${aws_kms_key.main.arn}", "recovery_window_in_days": 14,
            "tags": {"Team": "a", "Environment": "prod"},
            "replica": [{"region": "eu-north-1"}, {"region": "eu-west-2"}],
        })
    );
    assert_eq!(document.value["metadata"]["name"], "db");
    let at = |path: Path<'_>| document.locate(&path.to_owned()).position.to_string();
    assert_eq!(at(Path::of(&["name"])), "9:29");
    assert_eq!(at(Path::of(&["replica"]).item(1).field("region")), "15:14");
    assert_eq!(at(Path::of(&["rotation"])), "8:1", "what is missing is named where the resource begins");
}

#[test]
fn a_variable_without_a_value_is_not_known() {
    let text = r#"
        variable "team" {}
        resource "aws_secretsmanager_secret" "db" {
          name       = "/prod/${var.team}/db"
          kms_key_id = var.key
          tags       = var.team == "a" ? {} : null
        }"#;
    assert_eq!(
        without_names(&one(text)),
        json!({"name": "/prod/${var.team}/db", "kms_key_id": "${var.key}", "tags": "${var.team == \"a\" ? {} : null}"})
    );
}

#[test]
fn values_of_files_that_terraform_loads_win_over_defaults() {
    let found = resources(&[
        (
            "m/main.tf",
            "variable \"x\" {\n default = 1\n}\nresource \"aws_ssm_parameter\" \"p\" {\n name = \"n${var.x}\"\n}\n",
        ),
        ("m/terraform.tfvars", "x = 2\n"),
        ("other/terraform.tfvars", "x = 3\n"),
    ]);
    assert_eq!(found.documents[0].value["name"], "n2");
}

#[test]
fn rotation_and_version_belong_to_their_secret() {
    let found = resources(&[
        ("m/a.tf", "resource \"aws_secretsmanager_secret\" \"db\" {\n  name = \"x\"\n}\n"),
        (
            "m/b.tf",
            "resource \"aws_secretsmanager_secret_rotation\" \"db\" {\n  secret_id = aws_secretsmanager_secret.db.id\n  \
             rotation_rules {\n    automatically_after_days = 30\n  }\n}\n\
             resource \"aws_secretsmanager_secret_version\" \"db\" {\n  secret_id = aws_secretsmanager_secret.db.id\n  secret_string = \"plain\"\n}\n",
        ),
    ]);
    assert_eq!(found.documents.len(), 1);
    let document = &found.documents[0];
    assert_eq!(document.value["rotation"]["rotation_rules"]["automatically_after_days"], 30);
    let days = document.locate(&Path::of(&["rotation", "rotation_rules", "automatically_after_days"]).to_owned());
    assert_eq!((days.source.name(), days.position.to_string().as_str()), ("m/b.tf", "4:32"));
    assert_eq!(document.value["version"]["secret_string"], "plain");
}

#[test]
fn a_rotation_of_an_unknown_secret_could_be_of_any() {
    let document = resources(&[(
        "m/a.tf",
        "resource \"aws_secretsmanager_secret\" \"db\" {\n  name = \"x\"\n}\n\
         resource \"aws_secretsmanager_secret_rotation\" \"r\" {\n  secret_id = var.id\n}\n",
    )])
    .documents
    .remove(0);
    assert_eq!(document.value["rotation"], "${aws_secretsmanager_secret_rotation.r.secret_id}");
}

#[test]
fn a_rotation_for_each_secret_of_a_resource_is_of_that_resource() {
    let rotation = |for_each: &str| {
        let text = format!(
            "resource \"aws_secretsmanager_secret\" \"db\" {{\n  for_each = toset([\"a\", \"b\"])\n  name = each.key\n}}\n\
             resource \"aws_secretsmanager_secret_rotation\" \"db\" {{\n  for_each = {for_each}\n  \
             secret_id = each.value.id\n  rotation_rules {{\n    automatically_after_days = 30\n  }}\n}}\n"
        );
        let found = resources(&[("m/a.tf", &text)]);
        let rotations = found.documents.iter().map(|document| document.value["rotation"].clone());
        let days = rotations.map(|rotation| rotation["rotation_rules"]["automatically_after_days"].as_u64());
        days.collect::<Vec<_>>()
    };
    assert_eq!(rotation("aws_secretsmanager_secret.db"), [Some(30), Some(30)]);
    // Of some of them, or of what is not known: undecided, as an expression.
    let some = "{ for k, s in aws_secretsmanager_secret.db : k => s if k == \"a\" }";
    assert_eq!(rotation(some), [None, None]);
    assert_eq!(rotation("aws_secretsmanager_secret.db[\"a\"]"), [None, None]);
    assert_eq!(rotation("var.secrets"), [None, None]);
}

#[test]
fn count_and_for_each_are_carried_out_or_named() {
    let names = |head: &str, name: &str| {
        let text = format!(
            "variable \"v\" {{}}\nresource \"aws_ssm_parameter\" \"p\" {{\n  {head}\n  name = \"{name}\"\n}}\n"
        );
        let found = resources(&[("m/a.tf", &text)]);
        let names: Vec<String> =
            found.documents.iter().map(|document| document.value["name"].as_str().unwrap().to_owned()).collect();
        (names, found.gaps.len())
    };
    assert_eq!(names("count = 2", "p${count.index}"), (vec!["p0".to_owned(), "p1".to_owned()], 0));
    assert_eq!(names("count = 0", "p"), (vec![], 0));
    assert_eq!(
        names("for_each = toset([\"a\", \"b\"])", "p-${each.key}"),
        (vec!["p-a".to_owned(), "p-b".to_owned()], 0)
    );
    assert_eq!(names("for_each = { a = \"x\" }", "p-${each.value}"), (vec!["p-x".to_owned()], 0));
    assert_eq!(names("for_each = var.v", "p-${each.key}"), (vec!["p-${each.key}".to_owned()], 1));
    assert_eq!(names("count = var.v ? 1 : 0", "p"), (vec!["p".to_owned()], 1));
}

#[test]
fn json_says_the_same() {
    let found = resources(&[(
        "m/main.tf.json",
        r#"{"variable": {"env": {"default": "prod"}},
            "resource": {"aws_secretsmanager_secret": {"db": {
                "name": "/${var.env}/db", "kms_key_id": "${var.key}",
                "recovery_window_in_days": 0, "tags": {"Team": "${var.env}"}}}}}"#,
    )]);
    let document = &found.documents[0];
    assert_eq!(
        without_names(document),
        json!({"name": "/prod/db", "kms_key_id": "${var.key}", "recovery_window_in_days": 0, "tags": {"Team": "prod"}})
    );
    assert_eq!(document.locate(&Path::of(&["name"]).to_owned()).position.to_string(), "3:25");
}

#[test]
fn a_kubernetes_manifest_is_the_object_in_it() {
    let document = one(r#"
resource "kubernetes_manifest" "es" {
  manifest = {
    apiVersion = "external-secrets.io/v1"
    kind       = "ExternalSecret"
    metadata   = { name = "db", namespace = "a" }
    spec = {
      data = [{ secretKey = "p", remoteRef = { key = "/prod/team-b/db" } }]
    }
  }
}
"#);
    assert_eq!(document.value["spec"]["data"][0]["remoteRef"]["key"], "/prod/team-b/db");
    let key = Path::of(&["spec", "data"]).item(0).fields(&["remoteRef", "key"]);
    assert_eq!(document.locate(&key.to_owned()).position.to_string(), "8:54");
}

#[test]
fn circles_and_bombs_end() {
    let circle =
        "locals {\n  a = local.b\n  b = local.a\n}\nresource \"aws_ssm_parameter\" \"p\" {\n  name = local.a\n}\n";
    assert!(one(circle).value["name"].as_str().unwrap().starts_with("${local."));
    let mut bomb = String::from("locals {\n  l0 = \"xxxxxxxxxx\"\n");
    for level in 1..60 {
        bomb.push_str(&format!("  l{level} = \"${{local.l{0}}}${{local.l{0}}}\"\n", level - 1));
    }
    bomb.push_str("}\nresource \"aws_ssm_parameter\" \"p\" {\n  name = local.l59\n}\n");
    let found = resources(&[("m/a.tf", &bomb)]);
    assert_eq!(found.documents.len(), 1);
}

#[test]
fn a_broken_file_is_a_gap_with_its_place() {
    let found = resources(&[("m/a.tf", "resource \"aws_ssm_parameter\" {\n  name = \n}\n")]);
    assert_eq!(found.gaps.len(), 1);
    assert_eq!(found.gaps[0].position.unwrap().line, 2);
}
