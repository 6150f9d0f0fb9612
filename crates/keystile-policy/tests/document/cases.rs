//! Cases beside a policy.

use keystile_policy::Engine;
use keystile_policy::policy::document::cases::read;
use serde_json::Value;

use crate::{aws, now, policy, shown};

const WORLD: &str = "
apiVersion: keystile.dev/v1alpha1
kind: SecretPolicyTest
world:
- apiVersion: external-secrets.io/v1
  kind: ClusterSecretStore
  metadata: {name: aws}
  spec:
    conditions: [{namespaces: [test]}]
    provider: {aws: {service: SecretsManager, region: eu-west-1, role: 'arn:aws:iam::111111111111:role/hub', auth: {jwt: {serviceAccountRef: {name: s, namespace: x}}}}}
cases:
";

fn object(key: &str) -> String {
    format!(
        "object: {{apiVersion: external-secrets.io/v1, kind: ExternalSecret, metadata: {{name: db}}, spec: {{refreshInterval: 1h, secretStoreRef: {{kind: ClusterSecretStore, name: aws}}, data: [{{secretKey: p, remoteRef: {{key: {key}}}}}]}}}}"
    )
}

fn run(case: &str) -> Vec<String> {
    let document: Value = serde_saphyr::from_str(&format!("{WORLD}- {{name: x, {case}}}\n")).unwrap();
    let (suite, problems) = read(&document).unwrap();
    assert_eq!(shown(&problems), [] as [&str; 0]);
    let engine = Engine::new(policy(&format!(
        "{}namespaces: {{bound: {{team: x, env: dev}}}}",
        aws(&["{names: '/{env}/{team}/**', access: [read]}"])
    )));
    let case = &suite.cases[0];
    case.run(&suite, &engine, case.object.as_ref(), now()).faults
}

#[test]
fn a_case_passes_where_exactly_the_expected_rules_refuse() {
    let own = object("/prod/a/db");
    let other = object("/prod/b/db");
    for (case, expected) in [
        (format!("binding: {{team: a, env: prod}}, {own}"), vec![]),
        (format!("namespaceLabels: {{team: a, env: prod}}, {own}"), vec![]),
        (format!("binding: {{team: a, env: prod}}, {other}, deny: [key-outside-grant]"), vec![]),
        (format!("namespaceLabels: {{}}, {own}, deny: [binding-unbound]"), vec![]),
        (format!("binding: {{team: a, env: dev}}, {own}"), vec!["key-outside-grant should not refuse, and does"]),
        (
            format!("binding: {{team: a, env: prod}}, {own}, deny: [key-outside-grant]"),
            vec!["key-outside-grant should refuse, and does not"],
        ),
        (
            format!("binding: {{team: a, env: prod}}, {}", own.replace("name: db", "name: db, namespace: bound")),
            vec!["key-outside-grant should not refuse, and does", "the policy binds namespace \"bound\" by name, to env=dev team=x"],
        ),
        (
            format!("namespaceLabels: {{}}, oldObject: {}, {own}", own.trim_start_matches("object: ")),
            vec![],
        ),
        (
            "user: {name: x}, object: {apiVersion: v1, kind: Namespace, metadata: {name: n, labels: {team: a}}}, deny: [binding-label-changed]".to_owned(),
            vec![],
        ),
        (
            "user: {name: x, groups: ['system:masters']}, object: {apiVersion: v1, kind: Namespace, metadata: {name: n, labels: {team: shared}}}, warn: [binding-value-unusable]".to_owned(),
            vec![],
        ),
    ] {
        assert_eq!(run(&case), expected, "{case}");
    }
}

#[test]
fn what_is_wrong_with_a_case_is_said_with_its_field() {
    for (case, expected) in [
        ("name: x", "error: cases[0]: has nothing to judge: write object or file"),
        ("name: x, object: {}, file: a.yaml", "error: cases[0].file: stands beside an object: write one of them"),
        ("object: {}", "error: cases[0]: name is missing: what the case shows"),
        (
            "name: x, object: {}, expect: []",
            "error: cases[0].expect: there is no field \"expect\"; fields here are name, object, file, oldObject, binding, namespaceLabels, user, world, deny, warn",
        ),
        ("name: x, object: {}, deny: [key]", "error: cases[0].deny[0]: \"key\" is not a rule"),
        (
            "name: x, object: {}, binding: {team: a, env: b}, namespaceLabels: {}",
            "error: cases[0].namespaceLabels: stands beside a binding: write one of them",
        ),
    ] {
        let document: Value = serde_saphyr::from_str(&format!("{WORLD}- {{{case}}}\n")).unwrap();
        assert_eq!(shown(&read(&document).unwrap_err()), [expected], "{case}");
    }
}
