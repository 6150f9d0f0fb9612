//! What is wrong with a document is said with its field and the cure.

use keystile_policy::policy::document::read;
use serde_json::json;

use crate::{aws, document, now, problems, shown};

/// `spec` and the one problem that it has.
const CASES: &[(&str, &str, &str)] = &[
    (
        "unknown field",
        "rotaton: {maxAge: 90d}",
        "error: spec.rotaton: there is no field \"rotaton\"; did you mean rotation?",
    ),
    (
        "unknown field below",
        "rotation: {maxage: 90d}",
        "error: spec.rotation.maxage: there is no field \"maxage\"; did you mean maxAge?",
    ),
    ("strange field", "tags: {xyz: [a]}", "error: spec.tags.xyz: there is no field \"xyz\"; fields here are required"),
    (
        "duration without a unit",
        "rotation: {maxAge: 90}",
        "error: spec.rotation.maxAge: 90 has no unit: write 90d for days, 90h for hours",
    ),
    (
        "duration without a unit in quotes",
        "rotation: {maxAge: '90'}",
        "error: spec.rotation.maxAge: 90 has no unit: write 90d for days, 90h for hours",
    ),
    (
        "bad duration of one environment",
        "rotation: {maxAge: {prod: 3 months}}",
        "error: spec.rotation.maxAge.prod: \"3 months\" is no duration: write whole numbers with w, d, h or m, as in 90d or 1d12h",
    ),
    (
        "recovery window that AWS does not take",
        "deletion: {minRecoveryWindow: 36d}",
        "error: spec.deletion.minRecoveryWindow: \"36d\" is not a duration of 7 to 30 whole days, such as 14d",
    ),
    (
        "unknown environment",
        "rotation: {maxAge: {prd: 90d}}",
        "error: spec.rotation.maxAge.prd: \"prd\" is no environment; did you mean prod?; there are dev, staging, prod, and default",
    ),
    (
        "nothing by environment",
        "rotation: {maxAge: {}}",
        "error: spec.rotation.maxAge: says nothing: write environments with their values, or leave the field out",
    ),
    (
        "unknown rule",
        "rules: {key-outside-grants: warn}",
        "error: spec.rules.key-outside-grants: \"key-outside-grants\" is not a rule, a group of rules, or all; did you mean key-outside-grant?",
    ),
    (
        "unknown group",
        "rules: {rotatoin: warn}",
        "error: spec.rules.rotatoin: \"rotatoin\" is not a rule, a group of rules, or all; did you mean rotation?",
    ),
    (
        "unknown action",
        "rules: {rotation: {prod: refuse}}",
        "error: spec.rules.rotation.prod: \"refuse\" is not one of allow, audit, warn, deny",
    ),
    (
        "a list where one is not",
        "profile: [pci]",
        "error: spec.profile: a list stands where one of baseline, pci is expected",
    ),
    (
        "one where a list is",
        "generators: Password",
        "error: spec.generators: a text stands where a list is expected: write [ … ]",
    ),
    (
        "unknown generator",
        "generators: [Pasword]",
        "error: spec.generators[0]: \"Pasword\" is not a kind of generator that keystile knows; did you mean Password?",
    ),
    (
        "account without quotes",
        "kms: {accounts: [111111111111]}",
        "error: spec.kms.accounts[0]: 111111111111 is a number: write it in quotes, \"111111111111\"",
    ),
    (
        "alias of AWS",
        "kms: {aliases: [alias/aws/secretsmanager]}",
        "error: spec.kms.aliases[0]: \"alias/aws/secretsmanager\" is managed by AWS: name an alias of a key of your own",
    ),
    (
        "role that is no role",
        "stores: {roles: ['arn:aws:iam::111111111111:user/x']}",
        "error: spec.stores.roles[0]: \"arn:aws:iam::111111111111:user/x\" is not the ARN of an IAM role: arn:aws:iam::ACCOUNT:role/NAME",
    ),
    (
        "team in a role of cluster stores",
        "stores: {cluster: {env: prod, roles: ['arn:aws:iam::111111111111:role/{team}']}}",
        "error: spec.stores.cluster.roles[0]: has {team}, but a ClusterSecretStore is of no team",
    ),
    (
        "namespace of a reserved team",
        "namespaces: {x: {team: shared, env: prod}}",
        "error: spec.namespaces.x.team: \"shared\" is reserved in binding.team.reserved",
    ),
    (
        "namespace of an unknown environment",
        "namespaces: {x: {team: a, env: test}}",
        "error: spec.namespaces.x.env: \"test\" is no environment; there are dev, staging, prod, and default",
    ),
    (
        "entry without a provider",
        "providers: [{grants: [{names: 'a/**', access: [read]}]}]",
        "error: spec.providers[0]: names no provider: write aws, vault, gcp or kubernetes",
    ),
    (
        "entry with two providers",
        "providers: [{aws: {regions: [eu-west-1]}, gcp: {projects: [x]}, grants: [{names: 'a_**', access: [read], teams: [x]}]}]",
        "error: spec.providers[0].gcp: is a second provider: give each an entry of its own",
    ),
    (
        "entry without regions",
        "providers: [{aws: {regions: []}, grants: [{names: '/{env}/{team}/**', access: [read]}]}]",
        "error: spec.providers[0].aws.regions: lists nothing: write a region such as eu-central-1",
    ),
    (
        "a path for a location",
        "providers: [{gcp: {projects: [x], locations: [eu/secrets]}, grants: [{names: '{env}_{team}_**', access: [read]}]}]",
        "error: spec.providers[0].gcp.locations[0]: \"eu/secrets\" is not a location such as europe-west1, or the empty text",
    ),
    (
        "entry without grants",
        "providers: [{gcp: {projects: [x]}, grants: []}]",
        "error: spec.providers[0].grants: grants nothing: remove the entry, or write what is granted",
    ),
    (
        "unencrypted Vault",
        "providers: [{vault: {server: 'http://vault', paths: [kv]}, grants: [{names: '{env}/{team}/**', access: [read]}]}]",
        "warning: spec.providers[0].vault.server: is not encrypted: tokens and values can be read on the way",
    ),
    (
        "everything allowed",
        "rules: {all: allow}",
        "warning: spec.rules.all: allows everything that no other line names: audit would at least write it down",
    ),
    ("listed twice", "tags: {required: [Team, Team]}", "warning: spec.tags.required[1]: \"Team\" is listed twice"),
    (
        "empty field",
        "rotation: {maxAge: ~}",
        "error: spec.rotation.maxAge: is empty: write a duration such as 90d or 12h, or leave the field out",
    ),
    ("empty section", "rotation: ~", "error: spec.rotation: nothing stands where fields are expected: maxAge"),
];

#[test]
fn each_problem_is_said_with_its_field_and_cure() {
    for (case, spec, expected) in CASES {
        assert_eq!(problems(spec), [*expected], "{case}");
    }
}

#[test]
fn a_grant_is_refused_for_what_its_names_could_mean() {
    for (grant, expected) in [
        (
            "{names: '/{env}/{team}/', access: [read]}",
            "error: spec.providers[0].grants[0].names: \"/{env}/{team}/\" ends in a separator: say what may follow (a final ** for everything below)",
        ),
        (
            "{names: '/{env}/{team}', access: [read]}",
            "error: spec.providers[0].grants[0].names: \"/{env}/{team}\" ends in a variable: add a segment for the secret's own name",
        ),
        (
            "{names: '/{stage}/{team}/**', access: [read]}",
            "error: spec.providers[0].grants[0].names: \"/{stage}/{team}/**\" has a variable other than {env} and {team}, or a lone brace",
        ),
        (
            "{names: '/{env}/{team}/a b', access: [read]}",
            "error: spec.providers[0].grants[0].names: has \" \", which no name of aws can hold: letters, digits and /_+=.@- can",
        ),
        (
            "{names: '/{env}/{team}/**', access: [raed]}",
            "error: spec.providers[0].grants[0].access[0]: \"raed\" is not one of read, write, delete; did you mean read?",
        ),
        (
            "{names: '/{env}/{team}/**', access: []}",
            "error: spec.providers[0].grants[0].access: lists nothing: write one of read, write, delete",
        ),
        (
            "{names: '/{env}/{team}/**'}",
            "error: spec.providers[0].grants[0]: access is missing: what may be done: `read` covers properties and tags, `write` every change, `delete` what destroys the secret; none implies another",
        ),
        (
            "{names: '/{env}/{team}/**', access: [read], teams: []}",
            "error: spec.providers[0].grants[0].teams: lists no team, so the grant adds nothing: leave the field out for every team",
        ),
        (
            "{names: '/{env}/{team}/**', access: [read], secretStoreRefs: [{kind: ClusterStore, name: x}]}",
            "error: spec.providers[0].grants[0].secretStoreRefs[0].kind: \"ClusterStore\" is not one of SecretStore, ClusterSecretStore",
        ),
        (
            "{names: '**', access: [read]}",
            "warning: spec.providers[0].grants[0].names: gives every team every name: write which teams have it, or begin with {env} and {team}",
        ),
    ] {
        assert_eq!(problems(&aws(&[grant])), [expected], "{grant}");
    }
}

#[test]
fn a_grant_that_adds_nothing_is_a_warning() {
    let first = "{names: '/{env}/{team}/**', access: [read, write]}";
    for (case, grant, adds_nothing) in [
        ("the same", "{names: '/{env}/{team}/**', access: [read, write]}", true),
        ("less access", "{names: '/{env}/{team}/**', access: [read]}", true),
        ("fewer names", "{names: '/{env}/{team}/db/*', access: [read]}", true),
        ("one environment", "{names: '/{env}/{team}/**', access: {prod: [write]}}", true),
        ("through one store", "{names: '/{env}/{team}/**', access: [read], secretStoreRefs: [{name: x}]}", true),
        ("for one team", "{names: '/{env}/{team}/**', access: [read], teams: [x]}", true),
        ("more access", "{names: '/{env}/{team}/**', access: [delete]}", false),
        ("more access in one environment", "{names: '/{env}/{team}/**', access: {dev: [delete]}}", false),
        ("other names", "{names: '/{env}/shared/**', access: [read]}", false),
        ("names without a slash", "{names: '{env}/{team}/**', access: [read]}", false),
    ] {
        let expected: Vec<&str> = if adds_nothing {
            vec![
                "warning: spec.providers[0].grants[1]: adds nothing: spec.providers[0].grants[0] grants all of it already",
            ]
        } else {
            vec![]
        };
        assert_eq!(problems(&aws(&[first, grant])), expected, "{case}");
    }
    // The narrow one first: it is still the narrow one that adds nothing.
    assert_eq!(
        problems(&aws(&["{names: '/{env}/{team}/**', access: [read]}", first])),
        ["warning: spec.providers[0].grants[0]: adds nothing: spec.providers[0].grants[1] grants all of it already"]
    );
}

#[test]
fn what_is_not_a_policy_is_refused() {
    let mut other = document("");
    other["apiVersion"] = json!("keystile.dev/v2");
    other["kind"] = json!("SecretPolicies");
    other["metadata"] = json!({});
    assert_eq!(
        shown(&read(&other, now()).unwrap_err()),
        [
            "error: apiVersion: \"keystile.dev/v2\" is not keystile.dev/v1alpha1",
            "error: kind: \"SecretPolicies\" is not SecretPolicy; did you mean SecretPolicy?",
            "error: metadata: name is missing: the document in force is chosen by name",
        ]
    );
    for nothing in [json!(null), json!([]), json!("text"), json!(1)] {
        assert!(read(&nothing, now()).is_err(), "{nothing}");
    }
}

#[test]
fn all_problems_are_said_at_once() {
    let found = problems("rotation: {maxAge: 90}\ntags: {x: [a]}\nrules: {x: warn}");
    assert_eq!(found.len(), 3, "{found:#?}");
}

#[test]
fn what_the_api_server_writes_beside_the_policy_is_no_problem() {
    let mut stored = document("");
    stored["metadata"] = json!({
        "name": "default", "uid": "x", "resourceVersion": "1", "generation": 2, "creationTimestamp": "2026-11-25T12:00:00Z",
        "managedFields": [], "annotations": {}, "labels": {"a": "b"},
    });
    stored["status"] = json!({"inForce": true, "conditions": [{"type": "Valid"}]});
    let (_, problems) = read(&stored, now()).unwrap();
    assert_eq!(shown(&problems), [] as [&str; 0]);
}

#[test]
fn where_the_binding_says_nothing_or_two_things_it_is_refused() {
    for (binding, expected) in [
        (
            json!({"team": {"label": "team"}}),
            "error: spec.binding: env is missing: where the environment comes from: a label, or one value for the cluster",
        ),
        (
            json!({"team": {"label": "team"}, "env": {}}),
            "error: spec.binding.env: says nothing: write a label, or a value for the whole cluster",
        ),
        (
            json!({"team": {"label": "team"}, "env": {"label": "env", "value": "prod"}}),
            "error: spec.binding.env.value: stands beside a label: write one of them",
        ),
        (
            json!({"team": {"label": "team"}, "env": {"value": "prod", "values": ["prod"]}}),
            "error: spec.binding.env.values: needs a label whose values they are",
        ),
        (
            json!({"team": {"label": "x"}, "env": {"label": "x"}}),
            "error: spec.binding.env.label: is the label of the team: environment and team need a label each",
        ),
        (
            json!({"team": {"label": "-team"}, "env": {"label": "env"}}),
            "error: spec.binding.team.label: \"-team\" is not the key of a label, such as team or example.com/team",
        ),
        (
            json!({"team": {"label": "team"}, "env": {"label": "env", "values": ["Prod"]}}),
            "error: spec.binding.env.values[0]: \"Prod\" is not a DNS label: 1 to 63 of a-z, 0-9 and -",
        ),
        (
            json!({"team": {"label": "team"}, "env": {"label": "env", "values": ["default"]}}),
            "error: spec.binding.env.values[0]: default can't be an environment: in values by environment it means the others",
        ),
    ] {
        let mut document = document("");
        document["spec"]["binding"] = binding;
        assert_eq!(shown(&read(&document, now()).unwrap_err()), [expected]);
    }
}
