//! The world: namespaces with their team and environment, two stores and four referring objects in each;
//! the policy; certificates; and what OPA needs of the world, as data.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::{Map, Value, json};

/// The stores of each namespace: name and service.
pub const STORES: [(&str, &str); 2] = [("secrets", "SecretsManager"), ("parameters", "ParameterStore")];

/// Objects of each namespace that refer to stores.
pub const SERVICES: usize = 4;

const POLICY: &str = r#"apiVersion: keystile.dev/v1alpha1
kind: SecretPolicy
metadata: {name: default}
spec:
  binding: {team: {label: team}, env: {label: env, values: [dev, staging, prod]}}
  providers:
  - aws: {services: [SecretsManager, ParameterStore], accounts: ["111111111111"], regions: [eu-west-1]}
    grants:
    - {names: "/{env}/{team}/**", access: [read]}
  stores: {roles: ["arn:aws:iam::111111111111:role/secrets-{env}-{team}"]}
  refresh: {maxInterval: 12h}
"#;

/// A namespace: its name, team and environment.
pub struct Place {
    pub namespace: String,
    pub team: String,
    pub env: &'static str,
}

impl Place {
    pub fn nth(nth: usize) -> Self {
        let env = ["dev", "staging", "prod"][nth % 3];
        let team = format!("team-{:04}", nth / 3);
        Self { namespace: format!("{team}-{env}"), team, env }
    }

    /// The name of the secret that a namespace's entry reads.
    pub fn key(&self, entry: usize) -> String {
        format!("/{}/{}/service-{}/database-{entry}", self.env, self.team, entry % 7)
    }
}

/// Writes all of it.
pub fn write(folder: &Path, namespaces: usize) -> anyhow::Result<()> {
    fs::create_dir_all(folder.join("opa")).with_context(|| format!("while making {}", folder.display()))?;
    let data: Map<String, Value> = (0..namespaces)
        .map(Place::nth)
        .map(|place| (place.namespace, json!({"team": place.team, "env": place.env})))
        .collect();
    fs::write(folder.join("policy.yaml"), POLICY)?;
    fs::write(folder.join("opa/data.json"), json!({ "namespaces": data }).to_string())?;

    let authority = KeyPair::generate()?;
    let mut parameters = CertificateParams::new([])?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // A name of its own: otherwise what it signs looks as if it had signed itself.
    parameters.distinguished_name.push(DnType::CommonName, "authority of a load test");
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    fs::write(folder.join("authority.pem"), parameters.self_signed(&authority)?.pem())?;
    let issuer = Issuer::new(parameters, authority);
    let key = KeyPair::generate()?;
    let mut served = CertificateParams::new(["127.0.0.1".to_owned()])?;
    served.use_authority_key_identifier_extension = true;
    let certificate = served.signed_by(&key, &issuer)?;
    fs::write(folder.join("tls.pem"), certificate.pem())?;
    fs::write(folder.join("tls.key"), key.serialize_pem())?;
    Ok(())
}

/// A Namespace.
pub fn namespace(place: &Place) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {
            "name": place.namespace,
            "labels": {"kubernetes.io/metadata.name": place.namespace, "team": place.team, "env": place.env},
        },
    })
}

/// A store of a namespace.
pub fn store(place: &Place, nth: usize) -> Value {
    let (name, service) = STORES[nth];
    json!({
        "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
        "metadata": {"name": name, "namespace": place.namespace},
        "spec": {"provider": {"aws": {
            "service": service, "region": "eu-west-1",
            "role": format!("arn:aws:iam::111111111111:role/secrets-{}-{}", place.env, place.team),
        }}},
    })
}

/// The ExternalSecret number `nth` of the world; 1 to 10 entries, 5.5 in the mean.
pub fn referring(nth: usize) -> Value {
    external_secret(&Place::nth(nth / SERVICES), &format!("service-{}", nth % SERVICES), 1 + nth * 7 % 10)
}

/// An ExternalSecret with so many entries, all of them granted.
pub fn external_secret(place: &Place, name: &str, entries: usize) -> Value {
    let data: Vec<Value> = (0..entries)
        .map(|entry| {
            json!({
                "secretKey": format!("DATABASE_{entry}_URL"),
                "remoteRef": {
                    "key": place.key(entry), "property": "url",
                    "conversionStrategy": "Default", "decodingStrategy": "None", "metadataPolicy": "None",
                },
            })
        })
        .collect();
    json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": name, "namespace": place.namespace, "labels": {"app.kubernetes.io/name": name}},
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"kind": "SecretStore", "name": STORES[entries % 2].0},
            "target": {"name": name, "creationPolicy": "Owner", "deletionPolicy": "Retain"},
            "data": data,
        },
    })
}
