//! Which stores fit which entries of a policy.

use super::*;
use crate::policy::ByEnv;
use crate::subject::identity::Identity;
use crate::subject::store::{AwsStore, GcpStore, KubernetesStore, StoreKind, VaultStore};
use crate::world::StoreId;

fn store(provider: StoreProvider) -> StoreFacts {
    StoreFacts {
        id: StoreId { kind: StoreKind::SecretStore, namespace: "a".to_owned(), name: "mine".to_owned() },
        labels: Vec::new(),
        controller: "".into(),
        conditions: Vec::new(),
        identity: Identity::default(),
        provider,
    }
}

fn list(items: &[&str]) -> ByEnv<Vec<String>> {
    ByEnv::all(items.iter().map(|item| (*item).to_owned()).collect())
}

fn field(store: &StoreFacts, provider: &Provider) -> Option<&'static str> {
    misfit(store, provider, Some("prod")).map(|misfit| misfit.field)
}

#[test]
fn a_store_of_aws_fits_as_a_whole() {
    let provider = Provider::Aws {
        services: list(&["SecretsManager", "CertificateManager"]),
        accounts: list(&["111111111111"]),
        regions: list(&["eu-west-1"]),
        replica_regions: ByEnv::default(),
    };
    for (service, region, role, expected) in [
        ("SecretsManager", "eu-west-1", None, None),
        ("SecretsManager", "eu-west-1", Some(""), None),
        ("SecretsManager", "eu-west-1", Some("arn:aws:iam::111111111111:role/x"), None),
        ("ParameterStore", "eu-west-1", None, Some("spec.provider.aws.service")),
        // Named in the policy by mistake: certificates have no names that could be granted.
        ("CertificateManager", "eu-west-1", None, Some("spec.provider.aws.service")),
        ("SecretsManager", "us-east-1", None, Some("spec.provider.aws.region")),
        ("SecretsManager", "eu-west-1", Some("arn:aws:iam::222222222222:role/x"), Some("spec.provider.aws.role")),
        ("SecretsManager", "eu-west-1", Some("admin"), Some("spec.provider.aws.role")),
    ] {
        let aws = AwsStore {
            service: service.into(),
            region: region.into(),
            role: role.map(Into::into),
            ..AwsStore::default()
        };
        let store = store(StoreProvider::Aws(Box::new(aws)));
        assert_eq!(field(&store, &provider), expected, "{service} {region} {role:?}");
    }
}

#[test]
fn a_store_of_vault_fits_as_a_whole() {
    let provider = Provider::Vault {
        server: ByEnv::all("https://vault.example:8200".to_owned()),
        paths: list(&["kv"]),
        version: ByEnv::all("v2".to_owned()),
        namespaces: ByEnv::default(),
        mount_paths: ByEnv::default(),
    };
    let vault = VaultStore {
        server: "https://vault.example:8200".into(),
        path: Some("kv".into()),
        version: "v2".into(),
        mount_paths: vec![("auth.kubernetes.mountPath", "kubernetes".into())],
        ..VaultStore::default()
    };
    let with = |change: fn(&mut VaultStore)| {
        let mut vault = vault.clone();
        change(&mut vault);
        field(&store(StoreProvider::Vault(Box::new(vault))), &provider)
    };
    assert_eq!(with(|_| ()), None);
    assert_eq!(with(|vault| vault.server = "https://vault.example:8201".into()), Some("spec.provider.vault.server"));
    assert_eq!(with(|vault| vault.path = Some("other".into())), Some("spec.provider.vault.path"));
    assert_eq!(with(|vault| vault.path = None), Some("spec.provider.vault.path"));
    assert_eq!(with(|vault| vault.version = "v1".into()), Some("spec.provider.vault.version"));
    assert_eq!(with(|vault| vault.namespace = Some("admin".into())), Some("spec.provider.vault.namespace"));
    let mount = with(|vault| vault.mount_paths.push(("auth.jwt.path", "jwt".into())));
    assert_eq!(mount, Some("spec.provider.vault.auth"));
}

#[test]
fn a_store_of_gcp_or_a_cluster_fits_as_a_whole() {
    let gcp = Provider::Gcp { projects: list(&["secrets-prod"]), locations: list(&[""]) };
    assert_eq!(field(&of_gcp("secrets-prod", ""), &gcp), None);
    assert_eq!(field(&of_gcp("other", ""), &gcp), Some("spec.provider.gcpsm.projectID"));

    let cluster =
        Provider::Kubernetes { servers: list(&["https://hub.example:6443"]), remote_namespaces: list(&["secrets"]) };
    let of = |server: &str, namespace: &str| {
        store(StoreProvider::Kubernetes(Box::new(KubernetesStore {
            server: server.into(),
            remote_namespace: namespace.into(),
        })))
    };
    assert_eq!(field(&of("https://hub.example:6443", "secrets"), &cluster), None);
    assert_eq!(field(&of("https://evil.example", "secrets"), &cluster), Some("spec.provider.kubernetes.server.url"));
    let elsewhere = of("https://hub.example:6443", "kube-system");
    assert_eq!(field(&elsewhere, &cluster), Some("spec.provider.kubernetes.remoteNamespace"));
    assert_eq!(field(&elsewhere, &gcp), Some("spec.provider"));
}

fn of_gcp(project: &str, location: &str) -> StoreFacts {
    let gcp = GcpStore { project: project.into(), location: location.into(), ..GcpStore::default() };
    store(StoreProvider::Gcp(Box::new(gcp)))
}

#[test]
fn a_location_of_gcp_is_granted_by_its_name_alone() {
    let by_env = |dev: &[&str]| {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
        ByEnv::new([("dev".to_owned(), texts(dev))].into(), Some(texts(&["europe-west1"])))
    };
    for (name, locations, in_prod) in [
        ("unsaid", ByEnv::default(), vec![""]),
        ("none", list(&[]), vec![""]),
        ("global", list(&[""]), vec![""]),
        ("one", list(&["europe-west1"]), vec!["europe-west1"]),
        ("global and one", list(&["", "europe-west1"]), vec!["", "europe-west1"]),
        ("others in dev", by_env(&["us-east1"]), vec!["europe-west1"]),
    ] {
        let entry = ProviderEntry {
            provider: Provider::Gcp { projects: list(&["secrets-prod"]), locations },
            grants: Vec::new(),
        };
        for location in ["", "europe-west1", "europe-west", "EUROPE-WEST1", "us-east1", "europe-west1/secrets/x/.."] {
            let expected = (!in_prod.contains(&location)).then_some(GCP_LOCATION);
            assert_eq!(field(&of_gcp("secrets-prod", location), &entry.provider), expected, "{name}: {location}");
        }
        let gcp = GcpStore { project: "secrets-prod".into(), ..GcpStore::default() };
        let named = locations_of(&gcp, std::slice::from_ref(&entry), Some("prod"));
        assert_eq!(named.into_iter().collect::<Vec<_>>(), in_prod, "{name}");
    }
    // A store of the cluster: what every environment grants.
    let provider = Provider::Gcp { projects: list(&["secrets-prod"]), locations: by_env(&["us-east1"]) };
    assert_eq!(misfit(&of_gcp("secrets-prod", "europe-west1"), &provider, None).map(|no| no.field), Some(GCP_LOCATION));
    let provider = Provider::Gcp { projects: list(&["secrets-prod"]), locations: by_env(&["", "europe-west1"]) };
    assert_eq!(misfit(&of_gcp("secrets-prod", "europe-west1"), &provider, None), None);
}

#[test]
fn one_name_in_two_places_is_two_secrets() {
    let aws = |region: &str, role: Option<&str>| {
        let (region, role) = (region.into(), role.map(Into::into));
        store(StoreProvider::Aws(Box::new(AwsStore { region, role, ..AwsStore::default() })))
    };
    let vault = |path: &str| {
        store(StoreProvider::Vault(Box::new(VaultStore { path: Some(path.into()), ..VaultStore::default() })))
    };
    let all = [
        of_gcp("one", ""),
        of_gcp("one", "europe-west1"),
        of_gcp("two", ""),
        aws("eu-west-1", None),
        aws("us-east-1", None),
        aws("eu-west-1", Some("arn:aws:iam::222222222222:role/x")),
        vault("kv"),
        vault("other"),
    ];
    let places: BTreeSet<String> = all.iter().map(|store| place(store, "111111111111")).collect();
    assert_eq!(places.len(), all.len(), "{places:?}");
    let at_home = aws("eu-west-1", Some("arn:aws:iam::111111111111:role/x"));
    assert!(places.contains(&place(&at_home, "")), "without a role it is the home account's");
}

#[test]
fn of_several_entries_the_closest_is_named() {
    let entry = |region: &str, service: &str| ProviderEntry {
        provider: Provider::Aws {
            services: list(&[service]),
            accounts: list(&["111111111111"]),
            regions: list(&[region]),
            replica_regions: ByEnv::default(),
        },
        grants: Vec::new(),
    };
    let aws = AwsStore { service: "SecretsManager".into(), region: "us-east-1".into(), ..AwsStore::default() };
    let store = store(StoreProvider::Aws(Box::new(aws)));
    let entries = [entry("eu-west-1", "ParameterStore"), entry("eu-west-1", "SecretsManager")];
    let misfit = fits_none(&store, &entries, Some("prod")).expect("it fits none");
    assert_eq!((misfit.field, misfit.value), ("spec.provider.aws.region", "us-east-1"));
    assert_eq!(fits_none(&store, &[], Some("prod")).map(|misfit| misfit.field), Some("spec.provider"));
    let fitting = [entry("eu-west-1", "SecretsManager"), entry("us-east-1", "SecretsManager")];
    assert_eq!(fits_none(&store, &fitting, Some("prod")), None);
}

#[test]
fn an_unknown_or_unreadable_provider_fits_nothing() {
    let aws = Provider::Aws {
        services: list(&["SecretsManager"]),
        accounts: list(&["111111111111"]),
        regions: list(&["eu-west-1"]),
        replica_regions: ByEnv::default(),
    };
    for provider in [StoreProvider::Other("webhook".into()), StoreProvider::Unreadable("two providers".into())] {
        let store = store(provider);
        assert_eq!(field(&store, &aws), Some("spec.provider"));
        assert!(matches!(effective_key(&store, "/prod/team-a/db", false), Err(KeyFault::ProviderNotJudged(_))));
    }
}
