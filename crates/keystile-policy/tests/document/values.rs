//! What a document says, and where the values come from that it does not say.

use std::collections::BTreeMap;
use std::time::Duration;

use keystile_policy::policy::document::{Origin, resolve};
use keystile_policy::policy::{Access, ByEnv, EnvRule, GrantedStore, Profile, Provider};
use keystile_policy::subject::store::StoreKind;
use keystile_policy::{Action, Binding, rules};

use crate::{aws, document, now, policy};

const DAY: u64 = 86_400;

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn what_is_not_said_has_a_safe_meaning() {
    let policy = policy("");
    assert_eq!(policy.profile, Profile::Baseline);
    assert_eq!(policy.binding.team_label, "team");
    assert!(matches!(&policy.binding.env, EnvRule::Label { label, values } if label == "env" && values.len() == 3));
    assert_eq!(policy.admins.groups, ["system:masters"]);
    assert!(policy.providers.is_empty() && policy.exceptions.is_empty() && policy.namespaces.is_empty());
    assert_eq!(policy.generators, ByEnv::all(Vec::new()));
    assert_eq!(policy.stores.controllers, ByEnv::all(texts(&[""])));
    assert!(policy.stores.cluster.is_none());
    assert_eq!(policy.rotation_max_age, ByEnv::all(Duration::from_secs(180 * DAY)));
    assert_eq!(policy.min_recovery_window, ByEnv::all(Duration::from_secs(7 * DAY)));
    assert!(policy.kms.aliases.is_unsaid() && policy.kms.keys.is_unsaid());
}

#[test]
fn a_profile_fills_what_the_document_leaves_out_value_by_value() {
    let pci = policy("profile: pci\nrotation: {maxAge: {dev: 365d}}");
    assert_eq!(pci.rotation_max_age.get("prod"), Some(&Duration::from_secs(90 * DAY)));
    assert_eq!(pci.rotation_max_age.get("dev"), Some(&Duration::from_secs(365 * DAY)));
    assert_eq!(pci.min_recovery_window, ByEnv::all(Duration::from_secs(30 * DAY)));
    let strictest = pci.rotation_max_age.strictest(None, |a, b| a.min(b));
    assert_eq!(strictest, Some(&Duration::from_secs(90 * DAY)));
}

#[test]
fn an_environment_that_a_list_leaves_out_has_what_is_unsaid() {
    let policy = policy("generators: {dev: [Password, Fake]}");
    assert_eq!(policy.generators.get("dev"), Some(&texts(&["Password", "Fake"])));
    assert_eq!(policy.generators.get("prod"), Some(&Vec::new()));
    assert!(!policy.generators.allows(None, |kind| kind == "Password"), "not everywhere");
}

#[test]
fn providers_and_grants_are_as_written() {
    let policy = policy(
        "providers:
- aws: {services: [ParameterStore], accounts: {prod: ['111111111111'], default: ['222222222222']}, regions: [eu-west-1], replicaRegions: [eu-north-1]}
  grants:
  - {names: '/{env}/{team}/**', access: {dev: [read, write, delete], default: [read]}}
  - {names: /prod/data/warehouse, access: {prod: [read, write]}, teams: [analytics], secretStoreRefs: [{kind: ClusterSecretStore, name: hub}, {name: own}]}
- vault: {server: 'https://vault.example:8200', paths: [kv]}
  grants: [{names: '{env}/{team}/**', access: [read]}]
- gcp: {projects: [one]}
  grants: [{names: '{env}_{team}_**', access: [read]}]
- kubernetes: {remoteNamespaces: [vault]}
  grants: [{names: '{env}.{team}.**', access: [read]}]
",
    );
    let Provider::Aws { services, accounts, regions, replica_regions } = &policy.providers[0].provider else {
        panic!()
    };
    assert_eq!(*services, ByEnv::all(texts(&["ParameterStore"])));
    assert_eq!(
        *accounts,
        ByEnv::new(BTreeMap::from([("prod".to_owned(), texts(&["111111111111"]))]), Some(texts(&["222222222222"])))
    );
    assert_eq!((regions, replica_regions), (&ByEnv::all(texts(&["eu-west-1"])), &ByEnv::all(texts(&["eu-north-1"]))));
    let [broad, narrow] = policy.providers[0].grants.as_slice() else { panic!() };
    assert!(broad.access.get("dev").is_some_and(|access| access.has(Access::Delete)));
    assert!(broad.access.get("prod").is_some_and(|access| access.has(Access::Read) && !access.has(Access::Write)));
    assert_eq!((&broad.teams, &broad.stores), (&None, &None));
    assert!(narrow.access.get("dev").is_none(), "an environment that is left out is not granted");
    assert_eq!(narrow.teams, Some(texts(&["analytics"])));
    assert_eq!(
        narrow.stores,
        Some(vec![
            GrantedStore { kind: StoreKind::ClusterSecretStore, name: "hub".to_owned() },
            GrantedStore { kind: StoreKind::SecretStore, name: "own".to_owned() },
        ])
    );
    let Provider::Vault { version, namespaces, mount_paths, .. } = &policy.providers[1].provider else { panic!() };
    assert_eq!(*version, ByEnv::all("v2".to_owned()));
    assert_eq!((namespaces, mount_paths), (&ByEnv::all(texts(&[""])), &ByEnv::all(texts(&["kubernetes"]))));
    let Provider::Gcp { projects, locations } = &policy.providers[2].provider else { panic!() };
    assert_eq!((projects, locations), (&ByEnv::all(texts(&["one"])), &ByEnv::all(texts(&[""]))));
    let binding = Binding::new("prod", "team-a");
    assert!(policy.providers[2].grants[0].names.matches("prod_team-a_db", &binding));
    assert!(!policy.providers[2].grants[0].names.matches("prod_team-a-b_db", &binding));
    assert!(policy.providers[3].grants[0].names.matches("prod.team-a.db.password", &binding));
}

#[test]
fn the_longest_line_wins_then_the_profile_then_the_rule() {
    let rule = rules::find("key-outside-grant").unwrap();
    for (spec, env, expected) in [
        ("", Some("prod"), Action::Deny),
        ("rules: {all: audit}", Some("prod"), Action::Audit),
        ("rules: {all: audit, key: warn}", Some("prod"), Action::Warn),
        ("rules: {all: audit, key: warn, key-outside-grant: allow}", Some("prod"), Action::Allow),
        ("rules: {key: {dev: allow}}", Some("dev"), Action::Allow),
        ("rules: {key: {dev: allow}}", Some("prod"), Action::Deny), // unsaid
        ("rules: {key: {dev: allow}, all: warn}", Some("prod"), Action::Warn),
        ("rules: {key: {dev: allow}}", None, Action::Deny), // the strictest of every environment
        ("rules: {key: {dev: allow, default: warn}}", None, Action::Warn),
        ("rules: {key: {dev: allow, staging: warn, prod: audit}}", None, Action::Warn),
    ] {
        assert_eq!(policy(spec).action(rule, env), expected, "{spec} in {env:?}");
    }
}

#[test]
fn each_value_in_force_has_an_origin() {
    let spec = format!(
        "profile: pci\nrotation: {{maxAge: {{prod: 30d}}}}\n{}",
        aws(&["{names: '/{env}/{team}/**', access: [read]}"])
    );
    let resolved = resolve(&document(&spec), now()).unwrap();
    let origins = |path: &str| -> Vec<(Option<&str>, String, Origin)> {
        resolved
            .iter()
            .filter(|line| line.path.to_string() == path)
            .map(|line| (line.env.as_deref(), line.value.to_string(), line.origin))
            .collect()
    };
    assert_eq!(
        origins("spec.rotation.maxAge"),
        [(Some("default"), "\"90d\"".to_owned(), Origin::Profile(Profile::Pci))]
    );
    assert_eq!(origins("spec.rotation.maxAge.prod"), [(Some("prod"), "\"30d\"".to_owned(), Origin::Document)]);
    assert_eq!(
        origins("spec.deletion.minRecoveryWindow"),
        [(None, "\"30d\"".to_owned(), Origin::Profile(Profile::Pci))]
    );
    assert_eq!(origins("spec.providers[0].aws.services"), [(None, "[\"SecretsManager\"]".to_owned(), Origin::Default)]);
    assert_eq!(origins("spec.providers[0].aws.regions"), [(None, "[\"eu-west-1\"]".to_owned(), Origin::Document)]);
    assert_eq!(origins("spec.admins.groups"), [(None, "[\"system:masters\"]".to_owned(), Origin::Default)]);
}
