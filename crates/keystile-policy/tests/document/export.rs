//! An exported IAM policy allows exactly the granted names; an exported admission policy says what it can.

use keystile_policy::policy::Access;
use keystile_policy::policy::document::read;
use keystile_policy::policy::export::iam;
use keystile_policy::{Binding, Policy};
use proptest::prelude::*;
use serde_json::Value;

use crate::{document, now, policy};

/// Whether IAM's pattern has the text: `*` is any characters, `?` one.
/// Source: IAM User Guide, "IAM JSON policy elements: Resource".
fn has(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => has(rest, text) || (!text.is_empty() && has(pattern, &text[1..])),
        (Some((b'?', rest)), Some((_, after))) => has(rest, after),
        (Some((one, rest)), Some((other, after))) if one == other => has(rest, after),
        _ => false,
    }
}

/// Whether a policy allows an action on a resource: one statement allows, none denies.
fn allows(policy: &Value, action: &str, resource: &str) -> bool {
    let is_for = |statement: &&Value| {
        let one_of = |field: &str, text: &str| {
            statement[field]
                .as_array()
                .unwrap()
                .iter()
                .any(|pattern| has(pattern.as_str().unwrap().as_bytes(), text.as_bytes()))
        };
        one_of("Action", action) && one_of("Resource", resource)
    };
    let found: Vec<&Value> = policy["Statement"].as_array().unwrap().iter().filter(is_for).collect();
    found.iter().any(|statement| statement["Effect"] == "Allow")
        && !found.iter().any(|statement| statement["Effect"] == "Deny")
}

const SPEC: &str = "providers:
- aws: {services: [SecretsManager, ParameterStore], accounts: ['111111111111'], regions: [eu-west-1]}
  grants:
  - {names: '/{env}/{team}/**', access: {dev: [read, write, delete], default: [read]}}
  - {names: '/{env}/shared/ca', access: [read]}
  - {names: '/prod/data/warehouse', access: [write], teams: [x]}
  - {names: '{team}/a', access: [read]}
";

/// Whether the policy grants the name, as the engine does it: canonical names alone.
fn is_granted(policy: &Policy, binding: &Binding, access: Access, name: &str) -> bool {
    let is_canonical =
        name.strip_prefix('/').unwrap_or(name).split('/').all(|segment| !matches!(segment, "" | "." | ".."));
    let env = binding.env.value().unwrap();
    is_canonical
        && policy.providers[0].grants.iter().any(|grant| {
            let is_of_team = grant
                .teams
                .as_ref()
                .is_none_or(|teams| teams.iter().any(|team| Some(team.as_str()) == binding.team.value()));
            is_of_team && grant.access.get(env).is_some_and(|set| set.has(access)) && grant.names.matches(name, binding)
        })
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        "/(prod|dev|prodx)/(team-a|team-b|team-ab|shared)/(db|ca|[a-z./-]{0,5})",
        "/?(prod|dev)?/?(team-a|shared)?/?(a|ca)?/?",
        "(team-a|/prod/data/warehouse|/prod/data)(/a|-abcdef)?",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn iam_allows_exactly_the_granted_names(name in names(), env in "(prod|dev)", team in "(team-a|x)", suffix in "[A-Za-z0-9]{6}") {
        let policy = policy(SPEC);
        let binding = Binding::new(&env, &team);
        let export = iam::policy(&policy, &binding);
        let resource = format!("arn:aws:secretsmanager:eu-west-1:111111111111:secret:{name}-{suffix}");
        for (access, action) in [
            (Access::Read, "secretsmanager:GetSecretValue"),
            (Access::Write, "secretsmanager:PutSecretValue"),
            (Access::Delete, "secretsmanager:DeleteSecret"),
        ] {
            prop_assert_eq!(
                allows(&export.documents[0], action, &resource),
                is_granted(&policy, &binding, access, &name),
                "{} {} by {}", action, resource, binding
            );
        }
        // A parameter's name begins with a slash, or has none.
        if let Some(rest) = name.strip_prefix('/') {
            let resource = format!("arn:aws:ssm:eu-west-1:111111111111:parameter{name}");
            prop_assert_eq!(
                allows(&export.documents[0], "ssm:GetParameter", &resource),
                is_granted(&policy, &binding, Access::Read, &name) || is_granted(&policy, &binding, Access::Read, rest),
                "{} by {}", resource, binding
            );
        }
    }
}

#[test]
fn another_region_account_or_service_is_not_allowed() {
    let policy = policy(SPEC);
    let export = iam::policy(&policy, &Binding::new("prod", "team-a"));
    let own = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:/prod/team-a/db-AbCdEf";
    assert!(allows(&export.documents[0], "secretsmanager:GetSecretValue", own));
    for (from, to) in
        [("eu-west-1", "eu-west-2"), ("111111111111", "222222222222"), (":aws:", ":aws-cn:"), ("secretsmanager", "ssm")]
    {
        assert!(!allows(&export.documents[0], "secretsmanager:GetSecretValue", &own.replacen(from, to, 1)), "{to}");
    }
    assert!(!allows(&export.documents[0], "secretsmanager:PutResourcePolicy", own));
}

#[test]
fn what_iam_can_not_say_is_left_out_and_named() {
    let spec = "providers:
- aws: {accounts: ['111111111111'], regions: [eu-west-1]}
  grants:
  - {names: '/{env}/*/{team}/db', access: [read]}
  - {names: '/{env}/hub', access: [read], secretStoreRefs: [{kind: ClusterSecretStore, name: hub}]}
- gcp: {projects: [x]}
  grants: [{names: '{env}_{team}_**', access: [read]}]
";
    let (policy, _) = read(&document(spec), now()).unwrap();
    let export = iam::policy(&policy, &Binding::new("prod", "team-a"));
    assert_eq!(export.documents, [] as [Value; 0]);
    assert_eq!(
        export.left_out,
        [
            "spec.providers[0].grants[0] (/{env}/*/{team}/db): * is one segment, which IAM can't say: its * matches / too",
            "spec.providers[0].grants[1] (/{env}/hub): counts through some stores alone, and IAM knows none",
            "providers other than aws",
        ]
    );
}
